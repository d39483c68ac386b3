"""Tests of packets/ that need neither ns-3 nor a real network: its cases, its scaling, its judgement."""

import contextlib
import errno
import io
import math
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent / "packets"))

import engines  # noqa: E402
import exact  # noqa: E402
import families  # noqa: E402
import kernel_tcp  # noqa: E402
import league  # noqa: E402
import recorded  # noqa: E402
import study  # noqa: E402


class Cases(unittest.TestCase):
    def test_a_way_and_its_way_back_join_the_same_two_places(self):
        for name, family in families.FAMILIES.items():
            case = next(iter(family()))
            ends, _ = kernel_tcp.find_places(case)
            for flow in case["flows"]:
                path, back = flow["path"], flow["back"]
                self.assertEqual((ends[path[0]][0], ends[path[-1]][1]), (ends[back[-1]][1], ends[back[0]][0]), name)
                self.assertFalse(set(path) & set(back), "a cable has two directions")
            self.assertTrue(all(link["bandwidth_Bps"] > 0 for link in case["links"]))

    def test_hosts_are_apart(self):
        case = next(case for case in families.tier() if case["name"] == "tier3_30MB")
        # Two hosts, two leaf switches, two pods, a core.
        self.assertEqual(kernel_tcp.find_places(case)[1], 7)

    def test_ways_take_as_long_as_their_tier(self):
        for case in families.tier():
            latency_s = sum(case["links"][link]["latency_s"] for link in case["flows"][0]["path"])
            self.assertAlmostEqual(latency_s * 1e9, families.LATENCY_NS[int(case["name"][4])])

    def test_a_scaled_case_is_the_same_picture_with_another_ruler(self):
        case = next(families.uplink())
        scaled = families.scaled(case, 40, 1000, latency_times=25)
        times, longer = exact.finish_times(case), exact.finish_times(scaled)
        for time, other in zip(times, longer):
            self.assertAlmostEqual(float(other) / float(time), 25, delta=1e-3)


class Judgement(unittest.TestCase):
    MARGIN = {"median": [-1, 2], "p95": 5, "worst": 9}

    def test_a_transfer_lasts_from_its_first_start_to_its_last_end(self):
        flows = [{"start_s": 1.0, "transfer": 7}, {"start_s": 2.0, "transfer": None}, {"start_s": 1.5, "transfer": 7}]
        self.assertEqual(engines.transfer_times({"flows": flows}, [3.0, 9.0, 4.0]), [3.0])
        self.assertEqual(engines.transfer_times({"flows": flows}, [3.0, 9.0, None]), [math.inf])

    def test_errors_beyond_a_margin_are_named(self):
        self.assertEqual(study.outside([0, 1, 2], self.MARGIN), [])
        self.assertEqual(study.outside([3, 3, 3], self.MARGIN), ["median"])
        self.assertEqual(study.outside([0, 0, -10], self.MARGIN), ["p95", "worst"])
        self.assertEqual(study.outside([0, 0, math.inf], None), [])

    def test_every_margin_has_a_reason_and_every_family_a_margin(self):
        margins = study.MARGINS
        for family in families.FAMILIES:
            self.assertTrue(family in margins["packets"] or family in margins["not judged"], family)
        for margin in [*margins["packets"].values(), *margins["tcp"].values()]:
            self.assertTrue(margin["why"] and margin["p95"] <= margin["worst"])

    def test_fitted_and_judged_families_are_apart_and_are_all_there_are(self):
        plan = league.PLAN
        named = [*plan["fitted_on"], *plan["judged_on"], *plan["neither"]]
        self.assertEqual(sorted(named), sorted([*families.FAMILIES, "workload"]))


class LeagueOfPolicies(unittest.TestCase):
    def made(self, rows):
        """A league of two policies and seeds from (seed, policy, rest, fluid, packets), one counted request each."""
        plan = {"seeds": [1, 2], "policies": ["a", "b"], "shorter": 10}
        patch = mock.patch.dict(league.LEAGUE, plan)
        patch.start()
        self.addCleanup(patch.stop)
        columns = recorded.COLUMNS[recorded.LEAGUE]
        rows = [[seed, policy, 0, "true", rest, fluid, there] for seed, policy, rest, fluid, there in rows]
        # Who does not count changes nothing.
        rows += [[seed, policy, 1, "false", 9, 9, 9] for seed in (1, 2) for policy in "ab"]
        table = [dict(zip(columns, map(str, row))) for row in rows]
        with mock.patch.object(recorded, "read", return_value=("ns-3", table)):
            return league.League()

    def test_means_gains_and_intervals_on_paper(self):
        # TTFT of a: 1 + 10 x 0.3 = 4 and 4; of b: 5 and 8 in the fluid model. In packets a takes 10 x 0.35 + 1 = 4.5 once.
        made = self.made([(1, "a", 1, 0.3, 0.35), (1, "b", 1, 0.4, 0.4), (2, "a", 1, 0.3, 0.3), (2, "b", 1, 0.7, 0.7)])
        self.assertAlmostEqual(made.ttft_s("a", "fluid_s"), 4)
        self.assertAlmostEqual(made.error("a", "fluid_s"), 6.25)
        gain, half = made.gain("a", "b", "fluid_s")
        self.assertAlmostEqual(gain, (20 + 50) / 2)
        self.assertAlmostEqual(half, 12.706 * 15)
        self.assertEqual(made.ranking("seconds"), ["a", "b"])
        self.assertEqual(league.verdict(made, "a", "b"), "open")

    def test_a_pair_that_changes_places_beyond_chance_is_seen(self):
        made = self.made([(1, "a", 0, 0.4, 0.5), (1, "b", 0, 0.5, 0.4), (2, "a", 0, 0.8, 1.0), (2, "b", 0, 1.0, 0.8)])
        self.assertEqual(league.verdict(made, "a", "b"), "REVERSED")

    def test_the_recorded_ranking_survives(self):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(league.main([]), 0)
        self.assertEqual((said.getvalue().count("stands"), said.getvalue().count("open")), (8, 2))


class WhatIsMissing(unittest.TestCase):
    """Each thing that can be missing: a sentence with the command that helps, exit 69, nothing left behind."""

    NETKV = ["--netkv", "/bin/true"]

    @staticmethod
    def left_behind():
        """What a run could leave: open files, children, files beside the driver, temporary files."""
        # The namespace at home is kept open for the next case.
        home = kernel_tcp.Namespace.home is not None
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
        files = sorted(path.name for path in engines.DRIVER.parent.glob("tmp*"))
        return len(os.listdir("/proc/self/fd")) - home, children, files

    def check(self, words, sentence, code=69):
        before = self.left_behind()
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(study.main([*self.NETKV, *words]), code, said.getvalue())
        self.assertIn(sentence, said.getvalue())
        self.assertNotIn("Traceback", said.getvalue())
        self.assertEqual(self.left_behind(), before)

    def test_no_compiler(self):
        with mock.patch("shutil.which", return_value=None):
            self.check(["--parts", "packets"], "apt-get install g++ libns3-dev")

    def test_no_ns3(self):
        with mock.patch.object(engines, "HEADER", Path("/nowhere/core-module.h")):
            self.check(["--parts", "packets"], "apt-get install g++ libns3-dev")
            self.check(["--parts", "workload"], "workload is left out")

    def test_no_netkv(self):
        with mock.patch.object(engines, "build_driver"), mock.patch("os.geteuid", return_value=0):
            for part in ("workload", "tcp"):
                self.check(["--netkv", "/nowhere/netkv", "--parts", part], "cargo build --release -p netkv")

    def test_no_root(self):
        with mock.patch("os.geteuid", return_value=1000):
            self.check(["--parts", "tcp"], "sudo python3 validation/packets/study.py --parts tcp")

    def refused(self, name, code, after=0):
        """As if the kernel refused a call, after so many that it granted without doing anything."""
        calls = []

        def call(asked, *_):
            calls.append(asked)
            if asked == name and calls.count(name) > after:
                raise OSError(code, os.strerror(code))

        return mock.patch.object(kernel_tcp, "libc_call", side_effect=call)

    def tcp(self, sentence):
        with (
            mock.patch("os.geteuid", return_value=0),
            mock.patch("shutil.which", return_value="/sbin/there"),
            mock.patch.object(engines, "fluid", return_value=[1.0]),
        ):
            self.check(["--parts", "tcp", "--families", "tier"], sentence)

    def test_namespaces_refused(self):
        with self.refused("unshare", errno.EPERM):
            self.tcp("docker run --privileged")

    def test_namespaces_refused_when_some_are_there(self):
        with self.refused("unshare", errno.ENOSPC, after=2):
            self.tcp("no network namespaces here")

    def test_no_ip(self):
        with self.refused("nothing", 0), mock.patch("os.geteuid", return_value=0):
            with mock.patch.object(engines, "fluid", return_value=[1.0]), mock.patch("shutil.which", return_value=None):
                self.check(["--parts", "tcp", "--families", "tier"], "apt-get install iproute2")

    def test_no_shaper(self):
        refusal = subprocess.CompletedProcess([], 2, "", "Error: Specified qdisc kind is unknown.")
        done = subprocess.CompletedProcess([], 0, "", "")
        for program, module in (("ip", "modprobe veth"), ("tc", "modprobe sch_tbf")):
            answer = lambda command, lacking=program, **_: refusal if command[0] == lacking else done  # noqa: E731
            before = len(os.listdir("/proc/self/fd")) - (kernel_tcp.Namespace.home is not None)
            with (
                self.refused("nothing", 0),
                mock.patch("subprocess.run", side_effect=answer),
                mock.patch.object(kernel_tcp.Network, "forward"),
                mock.patch("shutil.which"),
                self.assertRaisesRegex(engines.Unavailable, module),
            ):
                kernel_tcp.Network(next(families.tier()))
            self.assertEqual(len(os.listdir("/proc/self/fd")) - 1, before)

    def test_a_driver_that_does_not_build_leaves_nothing(self):
        with tempfile.TemporaryDirectory() as folder:
            source, driver = Path(folder) / "broken.cpp", Path(folder) / "out/driver"
            source.write_text("no C++", encoding="utf-8")
            patches = [mock.patch.object(engines, name, value) for name, value in
                       (("SOURCE", source), ("DRIVER", driver), ("HEADER", source))]  # fmt: skip
            with contextlib.ExitStack() as stack:
                for patch in patches:
                    stack.enter_context(patch)
                with self.assertRaises((engines.Failed, engines.Unavailable)):
                    engines.build_driver()
            self.assertFalse(driver.exists())
            self.assertFalse(driver.parent.exists() and list(driver.parent.iterdir()))

    def test_a_recorded_table_that_is_missing_or_another(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(recorded, "FOLDER", Path(folder)):
            with self.assertRaisesRegex(engines.Unavailable, "--record"):
                recorded.read(recorded.FAMILIES)
            (Path(folder) / recorded.FAMILIES).write_text("# ns-3\na,b\n1,2\n", encoding="utf-8")
            with self.assertRaisesRegex(engines.Unavailable, "columns are not case, transfer, seconds"):
                recorded.read(recorded.FAMILIES)
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                self.assertEqual(league.main([]), 69)
            self.assertIn("league.py --record", said.getvalue())


if __name__ == "__main__":
    unittest.main()
