"""That the comparison can fail, and that its arbiter is right: python3 -m unittest discover -s validation

Needs neither program: small scripts stand in for them."""

import contextlib
import io
import json
import random
import stat
import sys
import tempfile
import unittest
from fractions import Fraction
from pathlib import Path

import compare
import exact

# Stands in for a program: the exact times of the case, with the first flow of all moved by FACTOR and SHIFT.
STAND_IN = """#!{python}
import json, sys
sys.path.insert(0, {folder!r})
import exact
case = json.load(open(sys.argv[-1]))
times = [float(time) for time in exact.finish_times(case)]
start = case["flows"][0]["start_s"]
times[0] = start + (times[0] - start) * {factor} + {shift}
{last}
"""


class Exact(unittest.TestCase):
    def times(self, capacities, flows):
        return exact.finish_times(compare.make_case(capacities, flows))

    def test_two_flows_share_a_link_and_the_second_goes_on_alone(self):
        self.assertEqual(self.times([10], [(0, 10, [0], None), (0, 20, [0], None)]), [2, 3])

    def test_a_third_link_gives_what_the_first_bottleneck_leaves(self):
        # Links of 6 and 10: two flows of 3 on the first, the other flow of the second gets 7.
        flows = [(0, 3, [0], None), (0, 3, [0, 1], None), (0, 7, [1], None)]
        self.assertEqual(self.times([6, 10], flows), [1, 1, 1])

    def test_what_a_capped_flow_leaves_goes_to_the_others(self):
        self.assertEqual(self.times([10], [(0, 2, [0], 2), (0, 8, [0], None)]), [1, 1])

    def test_a_flow_without_bytes_ends_when_it_enters(self):
        case = compare.make_case([10, 10], [(0, 0, [0, 1], None)], [0.25, 0.5])
        self.assertEqual(exact.finish_times(case), [Fraction(3, 4)])


class Families(unittest.TestCase):
    def test_every_family_makes_the_same_valid_cases_again(self):
        for name, family in compare.FAMILIES.items():
            for number in range(20):
                case = family(random.Random(f"{name} {number}"))
                self.assertEqual(case, family(random.Random(f"{name} {number}")))
                for flow in case["flows"]:
                    self.assertEqual(len(flow["path"]), len(set(flow["path"])), name)
                    self.assertTrue(flow["path"] and max(flow["path"]) < len(case["links"]), name)
                    self.assertEqual(flow["size_bytes"], int(flow["size_bytes"]), name)

    def test_fat_tree_paths_have_two_four_and_six_links(self):
        cases = [compare.fat_tree(random.Random(number)) for number in range(20)]
        self.assertEqual({len(flow["path"]) for case in cases for flow in case["flows"]}, {2, 4, 6})


class Verdict(unittest.TestCase):
    """Both programs are stand-ins; only ours is moved."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def stand_in(self, name, factor=1, shift=0, last='print(json.dumps({"finish_s": times}))'):
        file = self.folder / name
        here = str(Path(__file__).parent)
        file.write_text(STAND_IN.format(python=sys.executable, folder=here, factor=factor, shift=shift, last=last))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
        return str(file)

    def verdict(self, *more, **ours):
        programs = ["--netkv", self.stand_in("ours", **ours), "--simgrid", self.stand_in("simgrid")]
        words = [*programs, "--families", "parking_lot", "--cases", "2", "--exact-flows", "0", *more]
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            status = compare.main(words)
        return status, output.getvalue()

    def test_equal_answers_agree(self):
        status, output = self.verdict()
        self.assertEqual(status, 0, output)
        self.assertIn("pass: all", output)

    def test_one_flow_too_late_or_too_early_by_more_than_the_tolerance_is_found(self):
        for factor in (1 + 2e-6, 1 - 2e-6):
            status, output = self.verdict("--keep", str(self.folder / "kept"), factor=factor)
            self.assertEqual(status, 1, output)
            self.assertIn("FAIL: 2 of", output)
            kept = sorted((self.folder / "kept").iterdir())
            self.assertEqual(len(kept), 2)
            self.assertIn("simgrid_finish_s", json.loads(kept[0].read_text()))

    def test_what_is_within_the_absolute_tolerance_agrees(self):
        self.assertEqual(self.verdict(shift=19e-9)[0], 0)
        self.assertEqual(self.verdict("--rel-tol", "0", shift=21e-9)[0], 1)

    def test_the_goal_is_reported_and_is_no_error(self):
        status, output = self.verdict(factor=1 + 2e-7)
        self.assertEqual(status, 0, output)
        self.assertIn(" NO ", output)

    def test_flows_that_never_end_or_are_missing_are_found(self):
        status, output = self.verdict(last='print(json.dumps({"finish_s": [None, *times[1:]]}))')
        self.assertEqual(status, 1, output)
        status, output = self.verdict(last='print(json.dumps({"finish_s": times[1:]}))')
        self.assertEqual(status, 2, output)
        self.assertIn("finish times for", output)

    def test_a_program_that_fails_is_named(self):
        status, output = self.verdict(last='sys.exit("out of order")')
        self.assertEqual(status, 2, output)
        self.assertIn("out of order", output)
        status, output = self.verdict("--netkv", str(self.folder / "absent"))
        self.assertEqual(status, 2, output)
        self.assertIn("cannot be run", output)


if __name__ == "__main__":
    unittest.main()
