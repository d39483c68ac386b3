#!/usr/bin/env python3
"""The league of policies under packets: the paper's RAG workload at 100 % of capacity on 64 GPUs, over several seeds.

Without --record it reads recorded/league.csv, and needs neither ns-3 nor root."""

import argparse
import itertools
import json
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import engines
import recorded
import tables
import workload

EXAMPLES = """examples:
  python3 validation/packets/league.py
  python3 validation/packets/league.py --record    moves every cell through ns-3: an hour of CPU time

Exit status: 0, 1 if two policies change places beyond chance, 2 if a program fails, 69 if one is missing."""

PLAN = json.loads((Path(__file__).with_name("calibration.json")).read_text(encoding="utf-8"))
LEAGUE = PLAN["league"]
EXPERIMENT = Path(__file__).with_name("league.toml")
# Two-sided 95 % quantiles of Student's t, by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


def cells():
    return list(itertools.product(LEAGUE["seeds"], LEAGUE["policies"]))


def case_of(cell, netkv):
    """The case of a cell, its fluid transfer times, its requests."""
    seed, policy = cell
    rows, requests, _ = workload.read_cell(netkv, policy, seed, EXPERIMENT)
    case, _ = workload.make_case(rows, f"{policy}_{seed}", LEAGUE["shorter"])
    return case, engines.transfer_times(case, engines.fluid(case, netkv)), requests


def measure(cell, netkv):
    """The rows of a cell in the recorded table."""
    case, fluid_s, requests = case_of(cell, netkv)
    there = engines.transfer_times(case, engines.packets(case)["finish_s"])
    by_request = {int(row["request"]): row for row in requests}
    rows = []
    for request, fluid, seconds in zip(sorted({flow["transfer"] for flow in case["flows"]}), fluid_s, there):
        row = by_request[request]
        rest_s = (int(row["ttft_ns"]) - int(row["transfer_ns"])) * 1e-9
        rows.append([*cell, request, row["counted"], f"{rest_s:.9f}", f"{fluid:.9f}", f"{seconds:.9f}"])
    print(f"{cell[1]}, seed {cell[0]}: {len(rows)} transfers", file=sys.stderr, flush=True)
    return rows


class League:
    """Mean TTFT by policy and seed, with the transfers of one model or another."""

    def __init__(self):
        self.rows = {cell: [] for cell in cells()}
        self.version, rows = recorded.read(recorded.LEAGUE)
        for row in rows:
            self.rows[int(row["seed"]), row["policy"]].append(row)
        if not all(self.rows.values()):
            raise engines.Unavailable("recorded/league.csv lacks a cell; league.py --record writes it")

    def transfers(self, cell, column):
        """The transfer times of a cell in a column, in seconds of the shortened case."""
        return [float(row[column]) for row in self.rows[cell]]

    def add_calibrated(self, netkv, transport):
        """A column with the transfer times of a calibrated transport, over the very links that the fluid run took."""
        for cell, rows in self.rows.items():
            case, fluid_s, _ = case_of(cell, netkv)
            if len(fluid_s) != len(rows) or any(
                abs(float(row["fluid_s"]) - fluid) > 2e-6 for row, fluid in zip(rows, fluid_s)
            ):
                raise engines.Failed(f"{cell}: the cell is not the recorded one any more; league.py --record")
            times = engines.transfer_times(case, engines.fluid(case, netkv, transport))
            for row, seconds in zip(rows, times):
                row["calibrated_s"] = seconds

    def ttft_s(self, policy, column, seed=None):
        """Mean TTFT of the counted requests of a policy; of one seed, or the mean over all."""
        if seed is None:
            return workload.mean([self.ttft_s(policy, column, seed) for seed in LEAGUE["seeds"]])
        counted = [row for row in self.rows[seed, policy] if row["counted"] == "true"]
        rest_s = workload.mean([float(row["rest_s"]) for row in counted])
        return rest_s + LEAGUE["shorter"] * workload.mean([float(row[column]) for row in counted])

    def error(self, policy, column):
        """By how many percent a model's mean TTFT is short of that of packets."""
        return 100 * (self.ttft_s(policy, "seconds") / self.ttft_s(policy, column) - 1)

    def gains(self, one, other, column):
        """By how many percent the mean TTFT of a policy is below another's, by seed."""
        return [100 * (1 - self.ttft_s(one, column, seed) / self.ttft_s(other, column, seed)) for seed in LEAGUE["seeds"]]

    def gain(self, one, other, column):
        """Their mean, and half the width of its interval (95 %, paired over the seeds)."""
        gains = self.gains(one, other, column)
        middle = workload.mean(gains)
        deviation = math.sqrt(sum((gain - middle) ** 2 for gain in gains) / (len(gains) - 1))
        return middle, STUDENT[len(gains) - 1] * deviation / math.sqrt(len(gains))

    def ranking(self, column):
        """The policies, least mean TTFT first."""
        return sorted(LEAGUE["policies"], key=lambda policy: self.ttft_s(policy, column))


def verdict(league, one, other):
    """Whether a pair stands in packets as in the fluid model."""
    signs = []
    for column in ("fluid_s", "seconds"):
        gain, half = league.gain(one, other, column)
        signs.append(0 if abs(gain) <= half else int(math.copysign(1, gain)))
    if 0 in signs:
        return "open"
    return "stands" if signs[0] == signs[1] else "REVERSED"


def mean_rows(league, columns):
    rows = [["policy", *(f"{name} ms" for name in columns.values()),
             *(f"error of {name} %" for column, name in columns.items() if column != "seconds")]]  # fmt: skip
    for policy in league.ranking("seconds"):
        times = [f"{1e3 * league.ttft_s(policy, column):.1f}" for column in columns]
        errors = [f"{league.error(policy, column):+.2f}" for column in columns if column != "seconds"]
        rows.append([policy, *times, *errors])
    return rows


def pair_rows(league, columns):
    models = [column for column in columns if column != "seconds"]
    rows = [["mean TTFT of", "below that of", *(f"{name} %" for name in columns.values()),
             *(f"points off {columns[column]}" for column in models), "in packets"]]  # fmt: skip
    for one, other in itertools.combinations(league.ranking("seconds"), 2):
        gains = {column: league.gain(one, other, column) for column in columns}
        shown = [f"{gain:.2f} ± {half:.2f}" for gain, half in gains.values()]
        points = [f"{gains['seconds'][0] - gains[column][0]:+.2f}" for column in models]
        rows.append([one, other, *shown, *points, verdict(league, one, other)])
    return rows


def record(arguments):
    engines.build_driver()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        by_cell = list(pool.map(lambda cell: measure(cell, arguments.netkv), cells()))
    version = f"ns-3 3.37, DCTCP; cells that are {LEAGUE['shorter']} times shorter"
    recorded.write(recorded.LEAGUE, version, itertools.chain.from_iterable(by_cell))


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--netkv", type=Path, default=engines.ROOT / "target/release/netkv", metavar="PROGRAM")
    parser.add_argument("--record", action="store_true", help="write recorded/league.csv anew")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cells in ns-3 at once (default: %(default)s)")
    arguments = parser.parse_args(words)
    try:
        if arguments.record:
            record(arguments)
        league = League()
    except engines.Unavailable as error:
        print(f"league.py: {error}", file=sys.stderr)
        return 69
    except engines.Failed as error:
        print(f"league.py: {error}", file=sys.stderr)
        return 2
    columns = {"fluid_s": "fluid", "seconds": "packets"}
    print(f"{len(LEAGUE['seeds'])} seeds; {league.version}\n\n{tables.table(mean_rows(league, columns))}")
    pairs = pair_rows(league, columns)
    print(f"\n{tables.table(pairs)}")
    return int(any(row[-1] == "REVERSED" for row in pairs))


if __name__ == "__main__":
    sys.exit(main())
