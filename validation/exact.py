#!/usr/bin/env python3
"""Max-min fair finish times of a flowref/1 case in rational numbers.

The obvious algorithm, on fractions: at every entry and every completion all rates are filled anew from nothing, and
time goes to the next of either. Rates are exact; times and bytes left are rounded to 2^-200 (60 decimal places) after
every event, so that numerators do not grow. So it says whose error a difference between two simulators is. It is
slow: 2,000 flows take minutes.
"""

import argparse
import json
import sys
from fractions import Fraction

EXAMPLES = """examples:
  python3 validation/exact.py crates/netkv-fabric/tests/flowref/h05_maxmin_3link.json

Prints {"finish_s": [...]} in flow order, as the nearest doubles. Exit status: 0, or 2 if the file
cannot be read."""

GRID = 2**200
"""Times and bytes left are whole multiples of 1 / GRID."""


def on_grid(number):
    return Fraction(round(number * GRID), GRID)


def rates(active, path, capacity, cap):
    """Progressive filling: the least limit of all stops its flows, and the rest share what is left.

    `active` are flows; `path` and `cap` are by flow, `capacity` is by link. Returns rates by flow.
    """
    left = {link: capacity[link] for flow in active for link in path[flow]}
    rising = set(active)
    result = {}
    while rising:
        users = {}
        for flow in rising:
            for link in path[flow]:
                users[link] = users.get(link, 0) + 1
        level = min(left[link] / count for link, count in users.items())
        level = min([level] + [cap[flow] for flow in rising if cap[flow] is not None])
        full = {link for link, count in users.items() if left[link] == level * count}
        stopped = [flow for flow in rising if cap[flow] == level or any(link in full for link in path[flow])]
        for flow in stopped:
            result[flow] = level
            rising.remove(flow)
            for link in path[flow]:
                left[link] -= level
    return result


def finish_times(case):
    """Finish times in seconds, as fractions, in flow order."""
    links, flows = case["links"], case["flows"]
    capacity = [Fraction(link["bandwidth_Bps"]) for link in links]
    path = [flow["path"] for flow in flows]
    cap = [None if flow.get("rate_cap_Bps") is None else Fraction(flow["rate_cap_Bps"]) for flow in flows]
    enters = [
        Fraction(flow["start_s"]) + sum(Fraction(links[link]["latency_s"]) for link in flow["path"]) for flow in flows
    ]
    finish = [enters[flow] if flows[flow]["size_bytes"] == 0 else None for flow in range(len(flows))]
    waiting = sorted((flow for flow in range(len(flows)) if finish[flow] is None), key=lambda flow: -enters[flow])
    remaining = {}
    now = Fraction(0)
    while waiting or remaining:
        rate = rates(list(remaining), path, capacity, cap)
        ends = {flow: now + remaining[flow] / rate[flow] for flow in remaining}
        then = min([enters[flow] for flow in waiting[-1:]] + list(ends.values()))
        for flow in list(remaining):
            if ends[flow] == then:
                finish[flow] = then
                del remaining[flow]
            else:
                remaining[flow] = on_grid(remaining[flow] - rate[flow] * (then - now))
        while waiting and enters[waiting[-1]] == then:
            flow = waiting.pop()
            remaining[flow] = Fraction(flows[flow]["size_bytes"])
        now = on_grid(then)
    return finish


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", metavar="CASE.json", help="a flowref/1 case, of a few thousand flows at most")
    arguments = parser.parse_args()
    try:
        with open(arguments.case, encoding="utf-8") as file:
            case = json.load(file)
        times = finish_times(case)
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        print(f"exact.py: {arguments.case}: not a flowref/1 case: {error!r}", file=sys.stderr)
        return 2
    print(json.dumps({"finish_s": [float(time) for time in times]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
