"""Tests of packets/ that need neither ns-3 nor a real network: its cases, its scaling, its judgement."""

import math
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "packets"))

import engines  # noqa: E402
import exact  # noqa: E402
import families  # noqa: E402
import kernel_tcp  # noqa: E402
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


if __name__ == "__main__":
    unittest.main()
