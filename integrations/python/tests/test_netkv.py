"""The package against the program: the same files, bit for bit; errors, warnings and Ctrl-C as Python has them.

``NETKV_PROGRAM`` is the program to compare with; what needs it fails without it.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import warnings
from pathlib import Path

import netkv

ROOT = Path(__file__).resolve().parents[3]
SMOKE = ROOT / "experiments" / "smoke.toml"
TABLES = ("cells.parquet", "summary.parquet", "manifest.toml")


def program(*arguments, cwd):
    return subprocess.run(
        [os.environ["NETKV_PROGRAM"], *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False
    )


def sums(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES}


class InFolder(unittest.TestCase):
    def setUp(self):
        self.kept = tempfile.TemporaryDirectory()
        self.addCleanup(self.kept.cleanup)
        self.folder = Path(self.kept.name)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.folder)

    def experiment(self, body):
        path = self.folder / "x.toml"
        path.write_text(f"extends = '{SMOKE}'\nname = 'x'\n{body}")
        return path


class Run(InFolder):
    def test_bits_are_those_of_the_program(self):
        for options, arguments in [
            ({}, []),
            ({"seeds": 3, "set": {"policy.ties": "random", "fabric.nic_gbps": 200}}, ["--seeds", "3", "--set", "policy.ties=random", "--set", "fabric.nic_gbps=200"]),
            ({"filter": {"policy.name": ["netkv_guarded", "round_robin"]}, "jobs": 1}, ["--filter", "policy.name=netkv_guarded", "--filter", "policy.name=round_robin"]),
            ({"quick": True}, ["--quick"]),
        ]:
            with self.subTest(arguments=arguments):
                theirs, ours = Path(tempfile.mkdtemp(dir=self.folder)), Path(tempfile.mkdtemp(dir=self.folder))
                ended = program("run", SMOKE, "--out", theirs, *arguments, cwd=self.folder)
                self.assertEqual(ended.returncode, 0, ended.stderr)
                netkv.run(SMOKE, out=ours, quiet=True, **options)
                (one,), (other,) = theirs.iterdir(), ours.iterdir()
                self.assertEqual(one.name, other.name)
                self.assertEqual(sums(one), sums(other))

    def test_frames_are_the_table(self):
        import pandas
        import polars

        auto = netkv.run(SMOKE, out=self.folder, quiet=True)
        self.assertIsInstance(auto, polars.DataFrame)
        self.assertEqual(auto.height, 12)
        self.assertEqual(set(auto["status"]), {"done"})
        frame = netkv.run(SMOKE, out=self.folder, quiet=True, frame="pandas")
        self.assertIsInstance(frame, pandas.DataFrame)
        self.assertEqual(list(frame.columns), auto.columns)
        summary = netkv.run(SMOKE, out=self.folder, quiet=True, table="summary")
        self.assertIn("metric", summary.columns)
        path = netkv.run(SMOKE, out=self.folder, quiet=True, frame="path")
        self.assertEqual(path, self.folder / "smoke" / "cells.parquet")
        with self.assertRaisesRegex(netkv.UsageError, "measure.record"):
            netkv.run(SMOKE, out=self.folder, quiet=True, table="requests")

    def test_errors_are_the_programs_own_words(self):
        path = self.experiment("[fabric]\nnic_gpbs = 100\n")
        ended = program("run", path, cwd=self.folder)
        self.assertEqual(ended.returncode, 65)
        with self.assertRaises(netkv.InputError) as caught:
            netkv.run(path, quiet=True)
        self.assertEqual(f"error: {caught.exception}", ended.stderr.strip())
        self.assertEqual(caught.exception.code, 65)
        self.assertIsInstance(caught.exception, ValueError)
        for call, kind, says in [
            (lambda: netkv.run(SMOKE, seeds=0), netkv.UsageError, "seeds"),
            (lambda: netkv.run(SMOKE, filter={"nope": 1}), netkv.UsageError, "nope"),
            (lambda: netkv.run("nowhere.toml", quiet=True), netkv.InputError, "nowhere.toml"),
            (lambda: netkv.command("bogus"), netkv.UsageError, "bogus"),
            (lambda: netkv.run(SMOKE, frame="excel"), netkv.UsageError, "excel"),
            (lambda: netkv.run(SMOKE, set={"fabric.nic_gbps": object()}), netkv.UsageError, "object"),
        ]:
            with self.subTest(says=says), self.assertRaisesRegex(kind, says):
                call()
        Path("taken").write_text("a file")
        with self.assertRaises(netkv.MachineError) as caught:
            netkv.run(SMOKE, out="taken", quiet=True)
        self.assertIsInstance(caught.exception, OSError)
        self.assertEqual(caught.exception.code, 73)

    def test_failed_cells_are_warned_of_and_are_rows(self):
        path = self.experiment("[run]\nmax_events = 2000\n")
        with self.assertWarns(netkv.CellsFailed):
            cells = netkv.run(path, out=self.folder, quiet=True)
        self.assertIn("failed", set(cells["status"]))

    def test_commands_print_into_a_string(self):
        plan = json.loads(netkv.command("plan", SMOKE, "--json"))
        self.assertEqual(plan["to_run"], 12)
        self.assertTrue(netkv.command("--version").startswith("netkv "))
        self.assertIn("Exit codes", netkv.command("--help"))
        self.assertEqual(netkv.command("schema"), program("schema", cwd=self.folder).stdout)

    def test_messages_go_where_python_prints_errors(self):
        import contextlib
        import io

        heard = io.StringIO()
        with contextlib.redirect_stderr(heard):
            netkv.run(SMOKE, out=self.folder)
        self.assertIn("12 cells done", heard.getvalue())

    def test_calls_from_several_threads_wait_for_each_other(self):
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(4) as pool:
            frames = list(pool.map(lambda n: netkv.run(SMOKE, out=self.folder / str(n), quiet=True), range(4)))
        self.assertTrue(all(frame.equals(frames[0]) for frame in frames))


INTERRUPTED = """
import sys, netkv
try:
    netkv.run(sys.argv[1], out="out", jobs=1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(netkv.run(sys.argv[1], out="out", quiet=True, frame="path"))
"""


class Interrupt(InFolder):
    def test_ctrl_c_loses_no_finished_cell(self):
        path = self.experiment("seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n[workload]\nmax_requests = 4000\n")
        child = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTED, str(path)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.folder,
        )
        # Once the first cell is kept.
        for _ in range(600):
            if any((self.folder / "out" / "x" / "cells").glob("*.jsonl")) or child.poll() is not None:
                break
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        output, said = child.communicate(timeout=300)
        self.assertEqual(child.returncode, 0, said)
        self.assertIn("interrupted", output, said)
        self.assertRegex(said, r"stopped; [1-9]\d* of 60 cells are kept")
        whole = netkv.run(path, out="whole", quiet=True)
        self.assertEqual(whole.height, 60)
        self.assertEqual(sums(self.folder / "out" / "x"), sums(self.folder / "whole" / "x"))


class Script(InFolder):
    def test_the_script_is_the_program(self):
        script = Path(sys.executable).with_name("netkv")
        ended = subprocess.run([script, "run", SMOKE, "--out", "ours"], capture_output=True, text=True, check=False)
        theirs = program("run", SMOKE, "--out", "theirs", cwd=self.folder)
        self.assertEqual((ended.returncode, ended.stdout), (0, theirs.stdout))
        self.assertEqual(sums(self.folder / "ours" / "smoke"), sums(self.folder / "theirs" / "smoke"))
        self.assertEqual(subprocess.run([script, "bogus"], capture_output=True, check=False).returncode, 64)


if __name__ == "__main__":
    warnings.simplefilter("error", ResourceWarning)
    unittest.main()
