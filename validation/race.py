#!/usr/bin/env python3
"""Races the fabric model against SimGrid on given flowref/1 cases.

What counts is the CPU time of the simulation alone, as each program measures it of itself: reading the case is in
neither, nor is the building of SimGrid's platform. SimGrid has two engines, Lazy and Full (network/optim), and either
can be the faster; both run. All take turns on the same machine, and the least time of each counts, so that other load
on the machine disturbs all alike and the ratio little. Times of different machines, or of different calls, are not to
be compared."""

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path

from compare import add_programs, table

EXAMPLES = """examples:
  python3 validation/race.py cases/*.json
  python3 validation/race.py --repeats 7 crates/netkv-fabric/tests/flowref/r16_pd_2000.json

Ratio: the time of SimGrid's faster engine over ours; above 1 the model is the faster one.
us a flow: ours, over all flows of the case.
Exit status: 0 after a race, whoever won, or 1 if --at-least is given and a ratio is below it, 2 if something fails."""


class Failed(Exception):
    """Something that the user has to put right."""


def measure(command, file):
    """CPU seconds of the simulation, and how many flows there were."""
    try:
        done = subprocess.run([*command, "--timing", str(file)], capture_output=True, text=True, check=False)
    except OSError as error:
        reason = f"{error.strerror}; docs/validation.md says how it is built"
        raise Failed(f"{command[0]}: cannot be run: {reason}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} {file}: exit status {done.returncode}: {done.stderr.strip()[:2000]}")
    try:
        answer = json.loads(done.stdout)
        return float(answer["run_cpu_s"]), len(answer["finish_s"])
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"{' '.join(command)} {file}: its output is not an object with run_cpu_s: {error!r}") from error


ENGINES = ["Lazy", "Full"]


def race(file, arguments):
    """The least times on a case, ours and those of SimGrid's engines, and its flows."""
    ours, theirs, n_flows = math.inf, [math.inf] * len(ENGINES), 0
    for _ in range(arguments.repeats):
        seconds, n_flows = measure([arguments.netkv, "flows"], file)
        ours = min(ours, seconds)
        for position, engine in enumerate(ENGINES):
            command = [arguments.simgrid, f"--cfg=network/optim:{engine}", *arguments.simgrid_flag]
            theirs[position] = min(theirs[position], measure(command, file)[0])
    return ours, theirs, n_flows


def read_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("files", nargs="+", type=Path, metavar="CASE.json", help="flowref/1 cases; small ones measure little but noise")
    add_programs(parser)
    add("--repeats", type=int, default=3, metavar="K", help="turns of each program (default: %(default)s)")
    add("--at-least", type=float, metavar="RATIO", help="exit with 1 if a ratio is below this")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error(f"--repeats is {arguments.repeats}; allowed: 1 and more")
    return arguments


def main():
    arguments = read_arguments()
    engines = [f"SimGrid {engine} s" for engine in ENGINES]
    rows, least = [["case", "flows", "ours s", *engines, "ratio", "us a flow"]], math.inf
    try:
        for file in arguments.files:
            ours, theirs, n_flows = race(file, arguments)
            ratio = min(theirs) / ours if ours > 0 else math.inf
            least = min(least, ratio)
            cost = f"{ours / n_flows * 1e6:.2f}" if n_flows else ""
            times = [f"{seconds:.4f}" for seconds in (ours, *theirs)]
            rows.append([file.stem, str(n_flows), *times, f"{ratio:.2f}", cost])
    except Failed as error:
        print(f"race.py: {error}", file=sys.stderr)
        return 2
    print(table(rows))
    if arguments.at_least is not None and least < arguments.at_least:
        print(f"FAIL: the least ratio is {least:.2f}; wanted: {arguments.at_least:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
