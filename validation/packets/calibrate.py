#!/usr/bin/env python3
"""Fits the calibrated transport to packets, and judges it on families that it was not fitted to.

What is fitted on what, and the margins, stand in calibration.json, which was committed first; what packets took in
recorded/. The coefficients of a grid with the least mean size of the errors of transfers, every fitted family counting as
much, are written to calibrated.json with the judgement; experiments/base.toml has the same, which a test compares."""

import argparse
import itertools
import json
import math
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import engines
import families
import recorded
import tables
import workload
from league import PLAN, League, mean_rows, pair_rows

EXAMPLES = """examples:
  python3 validation/packets/calibrate.py            the judgement of the coefficients in calibrated.json
  python3 validation/packets/calibrate.py --fit      finds them and writes them

Exit status: 0, 1 if a judged family is outside its margin, 2 if a program fails, 69 if one is missing."""

RESULT = Path(__file__).with_name("calibrated.json")
# Where the queues of ns3_flows.cpp begin to mark: not fitted.
QUEUE_US = 30.0
GRID = {"ramp_round_trips": [0.5 * step for step in range(9)], "share_round_trips": [1.0 * step for step in range(17)]}


class Case:
    """A case of a family, and what its transfers took in packets."""

    def __init__(self, case, seconds):
        self.case, self.seconds = case, seconds

    def times(self, netkv, transport=None):
        return engines.transfer_times(self.case, engines.fluid(self.case, netkv, transport))

    def errors(self, times):
        return [100 * (there / here - 1) for there, here in zip(self.seconds, times, strict=True)]


def cases_of(names):
    """By family, its recorded cases."""
    seconds = recorded.by_case(recorded.FAMILIES)
    return {name: [Case(case, seconds[case["name"]]) for case in families.FAMILIES[name]()] for name in names}


def mean_size(by_family, netkv, transport):
    """The mean size of the errors, every family counting as much."""
    sizes = []
    for cases in by_family.values():
        sizes.append(workload.mean([abs(error) for case in cases for error in case.errors(case.times(netkv, transport))]))
    return workload.mean(sizes)


def fit(netkv, jobs):
    """The coefficients of the grid with the least mean size of the errors; the first of equals. And that size."""
    by_family = cases_of(PLAN["fitted_on"])
    transports = [
        {**dict(zip(GRID, values)), "queue_us": QUEUE_US} for values in itertools.product(*GRID.values())
    ]
    with ThreadPoolExecutor(jobs) as pool:
        sizes = list(pool.map(lambda transport: mean_size(by_family, netkv, transport), transports))
    best = min(range(len(sizes)), key=lambda index: sizes[index])
    return transports[best], {"fluid": mean_size(by_family, netkv, None), "calibrated": sizes[best]}


def family_rows(netkv, transport):
    """The errors of both transports by family, and those of mean transfer time that are outside the margin."""
    rows, outside = [], []
    for name, cases in cases_of(families.FAMILIES).items():
        use = next((use for use in ("fitted_on", "judged_on") if name in PLAN[use]), "neither").removesuffix("_on")
        for model, coefficients in (("fluid", None), ("calibrated", transport)):
            times = [case.times(netkv, coefficients) for case in cases]
            errors = [error for case, here in zip(cases, times) for error in case.errors(here)]
            of_mean = 100 * (sum(sum(case.seconds) for case in cases) / sum(map(sum, times)) - 1)
            size = workload.mean([abs(error) for error in errors])
            rows.append([name, use, model, f"{of_mean:+.2f}", *tables.summary(errors), f"{size:.2f}"])
            if use == "judged" and model == "calibrated" and abs(of_mean) > PLAN["margins"]["mean_percent"]:
                outside.append(f"{name}: mean transfer time {of_mean:+.2f} %")
    return [["family", "use", "transport", "of mean %", "median %", "p95 %", "worst %", "mean size %"], *rows], outside


def judge_league(league):
    """What is outside the margins in the workload."""
    margins, outside = PLAN["margins"], []
    for policy in PLAN["league"]["policies"]:
        error = league.error(policy, "calibrated_s")
        if abs(error) > margins["mean_percent"]:
            outside.append(f"workload, {policy}: mean TTFT {error:+.2f} %")
    for one, other in itertools.combinations(PLAN["league"]["policies"], 2):
        there, here = (league.gain(one, other, column)[0] for column in ("seconds", "calibrated_s"))
        if abs(there - here) > margins["gain_points"]:
            outside.append(f"workload, {one} against {other}: {there - here:+.2f} points")
    return outside


def workload_errors(league):
    """The errors of single transfers of the workload, by transport."""
    rows = [["policy", "transport", "of mean %", "median %", "p95 %", "worst %"]]
    for policy in PLAN["league"]["policies"]:
        ours = [cell for cell in league.rows if cell[1] == policy]
        there = [seconds for cell in ours for seconds in league.transfers(cell, "seconds")]
        for model, column in (("fluid", "fluid_s"), ("calibrated", "calibrated_s")):
            here = [seconds for cell in ours for seconds in league.transfers(cell, column)]
            errors = [100 * (far / near - 1) for far, near in zip(there, here)]
            rows.append([policy, model, f"{100 * (sum(there) / sum(here) - 1):+.2f}", *tables.summary(errors)])
    return rows


def main(words=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--netkv", type=Path, default=engines.ROOT / "target/release/netkv", metavar="PROGRAM")
    parser.add_argument("--fit", action="store_true", help="find the coefficients and write calibrated.json")
    parser.add_argument("--jobs", type=int, default=2, help="runs of netkv at once (default: %(default)s)")
    arguments = parser.parse_args(words)
    try:
        result = {} if arguments.fit else json.loads(RESULT.read_text(encoding="utf-8"))
        if arguments.fit:
            transport, sizes = fit(arguments.netkv, arguments.jobs)
            sizes = {model: round(size, 3) for model, size in sizes.items()}
            result = {"transport": transport, "fitted_on": PLAN["fitted_on"], "mean_size_percent": sizes, "grid": GRID}
        print(json.dumps({key: result[key] for key in ("transport", "mean_size_percent")}), flush=True)
        rows, outside = family_rows(arguments.netkv, result["transport"])
        print(f"\n{tables.table(rows)}", flush=True)
        league = League()
        league.add_calibrated(arguments.netkv, result["transport"])
    except (OSError, engines.Unavailable) as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 69
    except engines.Failed as error:
        print(f"calibrate.py: {error}", file=sys.stderr)
        return 2
    columns = {"fluid_s": "fluid", "calibrated_s": "calibrated", "seconds": "packets"}
    shown = {"families": rows, "workload": workload_errors(league), "means": mean_rows(league, columns)}
    shown["pairs"] = pair_rows(league, columns)
    for name in ("workload", "means", "pairs"):
        print(f"\n{tables.table(shown[name])}")
    outside += judge_league(league)
    print("\njudged: " + ("within the margins" if not outside else "; ".join(outside)))
    if arguments.fit:
        result = {**result, "outside": outside, "judgement": shown}
        RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(bool(outside))


if __name__ == "__main__":
    sys.exit(main())
