"""One decision of a policy, against the formula on paper."""

import unittest

import netkv

RACK = {"tier": "rack", "gbytes_per_s": 50, "latency_us": 4}
POD = {"tier": "pod", "gbytes_per_s": 25, "latency_us": 8, "congestion_ratio": 0.5}
#: 8,000 tokens of 327,680 bytes.
KV_BYTES = 2_621_440_000


def candidate(instance, **more):
    return {"instance": instance, "max_batch": 128, "capacity_tokens": 400_000, "free_tokens": 400_000, **more}


def question(**more):
    told = {
        "source": 0,
        "input_tokens": 8_000,
        "kv_bytes": KV_BYTES,
        "candidates": [candidate(1), candidate(2)],
        "paths": {(0, 1): RACK, (0, 2): POD},
    }
    return {**told, **more}


class Choose(unittest.TestCase):
    def test_the_papers_rule(self):
        """52 ms in the rack, 210 ms over uplinks that are half taken; four transfers in flight make the rack 262 ms."""
        policy = netkv.Policy("netkv")
        self.assertEqual((policy.name, policy.kind), ("netkv", "decode"))
        self.assertEqual(policy.choose(**question()), 1)
        one, other = policy.rate(**question())
        self.assertEqual((one["instance"], other["instance"]), (1, 2))
        self.assertAlmostEqual(one["terms"]["transfer"], 2.62144 / 50)
        self.assertAlmostEqual(other["terms"]["transfer"], 2.62144 / 12.5)
        self.assertAlmostEqual(sum(one["terms"].values()), one["cost"])
        busy = [candidate(1, source_tier_transfers=4), candidate(2)]
        self.assertEqual(policy.choose(**question(candidates=busy)), 2)
        self.assertEqual(netkv.choose("netkv", **question()), 1)

    def test_a_request_that_fits_nowhere_is_refused(self):
        full = [candidate(1, free_tokens=0), candidate(2, free_tokens=0)]
        self.assertIsNone(netkv.choose("netkv", **question(candidates=full)))
        self.assertEqual(netkv.choose("netkv", set={"policy.netkv.when_full": "wait"}, **question(candidates=full)), 1)

    def test_parameters_are_those_of_experiment_files(self):
        busy = [candidate(1, source_tier_transfers=4), candidate(2)]
        blind = netkv.Policy("netkv", set={"policy.netkv.ledger": "none"})
        self.assertEqual(blind.choose(**question(candidates=busy)), 1)
        with self.assertRaisesRegex(ValueError, "policy.netkv.ledger"):
            netkv.Policy("netkv", set={"policy.netkv.ledgre": "none"})
        with self.assertRaisesRegex(ValueError, "netkv_joint"):
            netkv.Policy("netkv_joimt")
        with self.assertRaisesRegex(ValueError, "simulation"):
            netkv.Policy("clairvoyant")

    def test_every_policy_decides(self):
        places = {instance: {"pod": 0, "rack": instance // 2, "node": instance} for instance in range(4)}
        tiers = {name: {"gbytes_per_s": rate} for name, rate in [("node", 450), ("rack", 50), ("pod", 25), ("core", 12)]}
        prefill = [{"instance": 0}, {"instance": 2}]
        both = {"input_tokens": 8_000, "candidates": [candidate(1), candidate(3)], "places": places, "tiers": tiers}
        kinds = set()
        for name in netkv.POLICIES:
            if name == "clairvoyant":
                continue
            policy = netkv.Policy(name)
            kinds.add(policy.kind)
            with self.subTest(policy=name):
                if policy.kind == "pair":
                    self.assertIn(policy.choose_pair(prefill=prefill, **both)[1], (1, 3))
                    with self.assertRaisesRegex(TypeError, "choose_pair"):
                        policy.choose(source=0, **both)
                    continue
                if policy.kind == "staged":
                    self.assertIn(policy.choose_prefill(prefill=prefill, **both), (0, 2))
                self.assertIn(policy.choose(source=0, **both), (1, 3))
        self.assertEqual(kinds, {"decode", "pair", "staged"})

    def test_a_book_of_transfers_is_kept(self):
        """Transfers out of the source's interfaces are seen once they are told, and forgotten when they end."""
        policy = netkv.Policy("netkv_flow", set={"policy.flow.prefill": "given"})
        told = {
            "paths": {},
            "places": {instance: {"pod": 0, "rack": instance // 2, "node": instance} for instance in range(3)},
            "tiers": {name: {"gbytes_per_s": 50} for name in ("node", "rack", "pod", "core")},
            "leaving": {"node": 50, "rack": 100, "pod": 400, "core": 400},
            "alone": {"node": 450, "rack": 50, "pod": 50, "core": 50},
        }
        policy.choose(**question(**told))
        idle = policy.rate(**question(**told))[0]["cost"]
        transfer = {"source": 0, "destination": 1, "tier": "rack", "bytes": KV_BYTES}
        for _ in range(3):
            policy.observe(is_over=False, **transfer)
        busy = policy.rate(**question(**told))[0]["cost"]
        for _ in range(3):
            policy.observe(is_over=True, **transfer)
        self.assertGreater(busy, idle + 0.1)
        self.assertAlmostEqual(policy.rate(**question(**told))[0]["cost"], idle)

    def test_what_is_wrong_with_a_question_is_said(self):
        policy = netkv.Policy("netkv")
        for more, says in [
            ({"candidates": []}, "no candidates"),
            ({"candidates": [candidate(1, runing=3), candidate(2)]}, "runing.*running"),
            ({"candidates": [candidate(1), candidate(1)]}, "twice"),
            ({"candidates": [candidate(1, running=-1), candidate(2)]}, "running is -1"),
            ({"candidates": [{"instance": 1}]}, "max_batch"),
            ({"paths": {(0, 1): RACK}}, r"from instance 0 to instance 2"),
            ({"paths": {1: RACK, 2: {**POD, "congestion_ratio": 1.0}}}, "congestion_ratio is 1"),
            ({"paths": {1: RACK, 2: {**POD, "tier": "zone"}}}, "zone.*node, rack"),
            ({"paths": {1: RACK, 2: {**POD, "gbytes_per_s": 0}}}, "gbytes_per_s"),
            ({"paths": {"1": RACK}}, "a pair"),
            ({"colour": 3}, "colour"),
        ]:
            with self.subTest(says=says), self.assertRaisesRegex(ValueError, says):
                policy.choose(**question(**more))
        with self.assertRaisesRegex(TypeError, "both ends|staged"):
            policy.choose_pair(prefill=[{"instance": 0}], **question())


if __name__ == "__main__":
    unittest.main()
