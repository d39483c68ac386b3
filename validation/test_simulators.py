"""Tests of simulators/ that need no other simulator: what it compares, how it judges, what it says is missing."""

import contextlib
import io
import json
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent / "simulators"))

import side_by_side as script  # noqa: E402

# Arrival, TTFT and time after it in ns, lengths, cached tokens.
ROWS = [[0, 1_000_000, 4_000_000, 600, 3, 512], [5_000_000, 3_000_000, 0, 700, 1, 0],
        [9_000_000, 2_000_000, 6_000_000, 800, 2, 0]]  # fmt: skip


def toml(name):
    return tomllib.loads((script.HERE / name).read_text(encoding="utf-8"))


def quietly(function, *arguments):
    """What a function returns, and what it said."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        return function(*arguments), said.getvalue()


class Both(unittest.TestCase):
    """What one simulator is told is what the other has in its files."""

    def test_latencies_are_those_of_the_profile(self):
        profile = toml("profile.toml")
        prefill, decode = profile["prefill"], profile["decode"]
        line = {"prefill_base_ms": prefill["base_ms"], "prefill_us_per_token": prefill["per_token_us"][0][1],
                "decode_base_ms": decode["base_ms"], "decode_ns_per_token": decode["per_token_ns"]}  # fmt: skip
        self.assertEqual(script.LINE, line)
        self.assertEqual((prefill["per_pair_ns"], decode["per_request_us"]), (0, [[0, 0]]))

    def test_pools_are_those_of_the_experiments(self):
        kv = toml("profile.toml")["kv"]
        bytes_per_block = 2 * kv["layers"] * kv["kv_heads"] * kv["head_dim"] * kv["dtype_bytes"] * script.BLOCK_TOKENS
        # Each case extends the one before.
        found = {table: {} for table in ("cluster", "kv", "prefill")}
        for case in script.CASES:
            for table, keys in found.items():
                keys.update(toml(f"{case}.toml").get(table, {}))
            gpus = 2 * found["cluster"].get("racks_per_pod", 2) * found["cluster"].get("gpus_per_node", 8)
            prefill = found["cluster"]["prefill_instances"]
            self.assertEqual(2 * prefill, gpus, "as many decode instances")
            blocks = int(found["kv"]["fixed_gb_per_gpu"] * 1e9 / bytes_per_block)
            self.assertEqual(script.POOLS[case], (prefill, found["prefill"]["max_batch_requests"], blocks), case)

    def test_requirements_are_pinned(self):
        for version in script.VERSIONS:
            lines = (script.HERE / f"requirements-{version}.txt").read_text(encoding="utf-8").splitlines()
            pinned = dict(line.split("==") for line in lines if line and not line.startswith("#"))
            self.assertEqual((pinned["ai-dynamo"], pinned["ai-dynamo-runtime"]), (version, version))


class Judgement(unittest.TestCase):
    def test_figures_are_worked_out_by_hand(self):
        found = script.figures(ROWS)
        names = ("ttft_mean", "ttft_p50", "ttft_p99", "hits")
        self.assertEqual([found[name] for name in names], [2.0, 2.0, 3.0, 512])
        # 4 + 6 ms over two gaps and one; of one request without a gap nothing.
        self.assertAlmostEqual(found["tbt_mean"], 10 / 3)
        self.assertEqual(found["tbt_p99"], 6.0)

    def test_equal_runs_are_within_and_others_are_not(self):
        lines, beyond = script.compare("alone", ROWS, ROWS)
        self.assertFalse(beyond)
        self.assertIn("3 of 3", lines[-1])
        slower = [[*row[:1], round(row[1] * 1.02), *row[2:]] for row in ROWS]
        lines, beyond = script.compare("alone", ROWS, slower)
        self.assertTrue(beyond)
        self.assertIn("+2.000 % | 1.0 % | **outside**", lines[0])
        # The same is within the wider margin of the other case.
        self.assertFalse(script.compare("loaded", ROWS, slower)[1])

    def test_other_requests_are_no_comparison(self):
        with self.assertRaisesRegex(RuntimeError, "did not complete the same requests"):
            script.compare("alone", ROWS, ROWS[:2])

    def test_every_case_has_margins_and_a_reason(self):
        names = set(script.figures(ROWS)) | {"why"}
        self.assertTrue(all(set(script.MARGINS[case]) == names for case in script.CASES))

    def test_a_request_finds_its_row_by_tick_and_lengths(self):
        def row(timestamp, block):
            return {"timestamp": timestamp, "input_length": 600, "output_length": 3, "hash_ids": [block]}

        published = {(600, 3): [row(0, 1), row(3000, 2)]}
        self.assertEqual(script.blocks_of([4_000_000_000, 0, 0, 600, 3, 0], published), [2])
        with self.assertRaisesRegex(RuntimeError, "not one row"):
            script.blocks_of([9_000_000_000, 0, 0, 600, 3, 0], published)
        # Two of the same lengths in one tick with other blocks: nobody can tell which.
        published = {(600, 3): [row(0, 1), row(0, 2)]}
        with self.assertRaisesRegex(RuntimeError, "not one row"):
            script.blocks_of([1_000_000_000, 0, 0, 600, 3, 0], published)


class Missing(unittest.TestCase):
    def arguments(self, *more):
        with mock.patch.object(sys, "argv", ["side_by_side.py", *map(str, more)]):
            return quietly(script.main)

    def test_without_netkv_or_trace_it_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            status, said = self.arguments("--netkv", Path(folder) / "none", "--traces", folder)
            self.assertEqual((status, "cargo build --release" in said), (69, True), said)
            status, said = self.arguments("--netkv", sys.executable, "--traces", folder)
            self.assertEqual((status, "NETKV_TRACE_DIR" in said), (69, True), said)

    def test_a_version_that_does_not_install_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / script.TRACE).write_text("", encoding="utf-8")
            failed = subprocess.CompletedProcess([], 1, "", "ERROR: No matching distribution found\n")
            pip = mock.patch.object(script.subprocess, "run", return_value=failed)
            with mock.patch.object(script.venv, "create"), pip:
                status, said = self.arguments("--netkv", sys.executable, "--traces", folder, "--environments", folder)
            self.assertEqual(status, 69)
            reason = "does not install here (ERROR: No matching distribution found)"
            self.assertIn(f"Dynamo {script.VERSIONS[0]} {reason}", said)

    def test_a_program_that_fails_is_told_apart(self):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / script.TRACE).write_text(json.dumps({"timestamp": 0}), encoding="utf-8")
            with mock.patch.object(script, "environment", return_value=sys.executable):
                status, said = self.arguments("--netkv", sys.executable, "--traces", folder)
            self.assertEqual((status, "netkv, case alone" in said), (2, True), said)


if __name__ == "__main__":
    unittest.main()
