#!/usr/bin/env python3
"""Compares the fluid model with packets (ns-3, DCTCP) and with the kernel's TCP over a small real network.

The error of a transfer is its time there over its time in the fluid model, less one. Its parts:

  packets    families of cases in ns-3
  workload   the paper's RAG workload on 64 GPUs under three policies, in ns-3
  tcp        the families at a thousandth of the rate, in network namespaces; needs root

A part whose program is missing is left out with a sentence, and the exit status is 69 then."""

import argparse
import json
import math
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import engines
import families
import kernel_tcp
import recorded
import workload
from tables import summary, table

EXAMPLES = """examples:
  python3 validation/packets/study.py
  python3 validation/packets/study.py --parts packets --families tier incast
  python3 validation/packets/study.py --parts workload --shorter 16
  python3 validation/packets/study.py --record    writes validation/packets/cases anew

Exit status: 0, 1 if a family is outside its margins, 2 if a program fails, 69 if one is missing."""

HERE = Path(__file__).resolve().parent
CASES = HERE / "cases"
MARGINS = json.loads((HERE / "margins.json").read_text(encoding="utf-8"))
PARTS = ["packets", "workload", "tcp"]
# What is committed as a regression case: small, and of every family.
RECORDED = ["tier1_30MB", "tier2_30MB", "tier3_30MB", "incast2_apart", "incast8_together", "incast8_apart",
            "incast32_together", "incast32_apart", "uplink_0", "uplink_1", "uplink_2", "ecmp_0", "ecmp_1", "ecmp_2",
            "background_0", "background_1", "shallow32_together"]  # fmt: skip
# Bytes and rates in the namespaces are divided by these: a transfer takes 25 times as long.
TCP_BYTES, TCP_RATE = 40, 1000
TCP_CASES = ["tier1_300MB", "tier2_300MB", "tier3_300MB", "incast2_together", "incast2_apart", "incast4_together",
             "incast4_apart", "incast8_together", "incast8_apart", "uplink_0", "uplink_1", "uplink_2", "ecmp_0", "ecmp_1",
             "background_0"]  # fmt: skip
# The same piece at two lengths: transfers that enter first, and what they are divided by.
PIECE, LENGTHS = 24, (64, 16)


def outside(found, margin):
    """The names of the margins that errors are outside of."""
    if margin is None:
        return []
    low, high = margin["median"]
    sizes = [abs(error) for error in found]
    names = [] if low <= engines.median(found) <= high else ["median"]
    names += ["p95"] if engines.quantile(sizes, 0.95) > margin["p95"] else []
    return names + (["worst"] if max(sizes) > margin["worst"] else [])


class Result:
    """A case's answer and its transfer times, there and in the fluid model."""

    def __init__(self, case, answer, fluid_s):
        self.answer = answer
        self.there = engines.transfer_times(case, answer["finish_s"])
        self.here = engines.transfer_times(case, fluid_s)
        self.errors = [100 * (there / here - 1) for there, here in zip(self.there, self.here)]
        print(f"{case['name']}: {', '.join(summary(self.errors))} %", file=sys.stderr, flush=True)


def family_rows(by_family, margins, extra):
    """A row for each family; whether one is outside its margins."""
    rows, is_outside = [], False
    for family, results in by_family.items():
        found = [error for result in results for error in result.errors]
        there, here = (sum(sum(getattr(result, name)) for result in results) for name in ("there", "here"))
        beyond = outside(found, margins.get(family))
        is_outside |= bool(beyond)
        verdict = ("outside: " + ", ".join(beyond)) if beyond else ("within" if family in margins else "not judged")
        more = [f"{sum(result.answer[name] for result in results)}" for name in extra]
        mean = f"{100 * (there / here - 1):+.2f}"
        rows.append([family, str(len(results)), str(len(found)), mean, *summary(found), *more, verdict])
    return rows, is_outside


def print_table(title, rows, extra, what="family"):
    head = [what, "cases", "transfers", "of mean %", "median %", "p95 %", "worst %", *extra, "margins"]
    print(f"\n{title}\n\n{table([head, *rows])}", flush=True)


def all_cases(names):
    return [case for name in names for case in families.FAMILIES[name]()]


def in_packets(cases, arguments):
    """Each case in ns-3, with the errors of the fluid model; a few at a time, in order."""
    def measure(case):
        return Result(case, engines.packets(case), engines.fluid(case, arguments.netkv))

    with ThreadPoolExecutor(arguments.jobs) as pool:
        return list(pool.map(measure, cases))


def record(case, answer):
    """Writes a case with what ns-3 found, one link or flow a line."""
    kept = {**case, "packets": answer}
    lines = []
    for key, value in kept.items():
        if key in ("links", "flows"):
            inner = ",\n".join(json.dumps(entry) for entry in value)
            lines.append(f'"{key}": [\n{inner}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    CASES.mkdir(exist_ok=True)
    (CASES / f"{case['name']}.json").write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")


def transfer_rows(cases, results):
    """The rows of a recorded table: what each transfer took."""
    for case, result in zip(cases, results, strict=True):
        for transfer, seconds in enumerate(result.there):
            yield [case["name"], transfer, f"{seconds:.9f}"]


def packets_part(arguments):
    engines.build_driver()
    cases = all_cases(arguments.families)
    by_family = {}
    for case, result in zip(cases, in_packets(cases, arguments)):
        by_family.setdefault(case["family"], []).append(result)
        if arguments.record and case["name"] in RECORDED:
            record(case, result.answer)
    if arguments.record and set(arguments.families) == set(families.FAMILIES):
        every = [result for results in by_family.values() for result in results]
        recorded.write(recorded.FAMILIES, f"ns-3 {every[0].answer['ns3']}, DCTCP", transfer_rows(cases, every))
    extra = ["packets", "drops", "timeouts"]
    rows, is_outside = family_rows(by_family, MARGINS["packets"], extra)
    print_table("Packets (ns-3, DCTCP) against the fluid model", rows, extra)
    return is_outside


class Cell:
    """A policy's cell: its case, its fluid and packet transfer times, and what TTFT is made of besides."""

    def __init__(self, policy, arguments):
        rows, requests, self.trace = workload.read_cell(arguments.netkv, policy)
        self.policy, self.rows = policy, rows
        self.case, ends = workload.make_case(rows, f"workload_{policy}", arguments.shorter)
        whole, _ = workload.make_case(rows, policy, 1)
        apart = max(abs(a - b) for a, b in zip(engines.fluid(whole, arguments.netkv), ends))
        if apart > 1e-6:
            raise engines.Failed(f"{policy}: the case is not what the cell ran: ends differ by {apart} s")
        self.rest_s, counted = workload.other_parts_s(requests)
        self.fluid_s = self.packets_s = math.nan
        self.counted = [transfer in counted for transfer in sorted({flow["transfer"] for flow in self.case["flows"]})]

    def measure(self, arguments):
        result = Result(self.case, engines.packets(self.case), engines.fluid(self.case, arguments.netkv))
        self.fluid_s, self.packets_s = (
            workload.mean([arguments.shorter * time for time, counts in zip(times, self.counted) if counts])
            for times in (result.here, result.there)
        )
        return result


def lower(one, other, what):
    """By how many percent the mean TTFT of one policy is below another's, with one kind of transfer times."""
    ttft = [cell.rest_s + getattr(cell, what) for cell in (one, other)]
    return 100 * (1 - ttft[0] / ttft[1])


def policy_rows(cells):
    """Mean transfer and TTFT by policy, and the differences of TTFT."""
    rows = [["policy", "transfer fluid ms", "packets ms", "error %", "TTFT fluid ms", "packets ms", "error %"]]
    for cell in cells:
        ttft = [1e3 * (cell.rest_s + time) for time in (cell.fluid_s, cell.packets_s)]
        times = [1e3 * cell.fluid_s, 1e3 * cell.packets_s]
        rows.append([cell.policy, *(f"{time:.1f}" for time in times), f"{100 * (times[1] / times[0] - 1):+.2f}",
                     *(f"{time:.1f}" for time in ttft), f"{100 * (ttft[1] / ttft[0] - 1):+.2f}"])  # fmt: skip
    gains = [["TTFT of netkv lower than that of", "fluid %", "packets %", "points"]]
    for cell in cells[:-1]:
        both = [lower(cells[-1], cell, what) for what in ("fluid_s", "packets_s")]
        gains.append([cell.policy, *(f"{gain:.2f}" for gain in both), f"{both[1] - both[0]:+.2f}"])
    return rows, gains


def same_piece(cell, arguments):
    """The transfers of a cell that enter first, at several lengths, and with rates divided as well as bytes."""
    named = [(length, f"{PIECE} transfers, {length} times shorter") for length in LENGTHS]
    cases = [workload.make_case(cell.rows, name, length, PIECE)[0] for length, name in named]
    slower, _ = workload.make_case(cell.rows, f"{PIECE} transfers, bytes and rates over {LENGTHS[0]}", 1, PIECE)
    cases.append(families.scaled(slower, LENGTHS[0], LENGTHS[0]))
    results = in_packets(cases, arguments)
    if arguments.record:
        record({**cases[0], "name": "workload_piece"}, results[0].answer)
    rows = [["", "of mean %", "median %", "p95 %", "worst %"]]
    for case, result in zip(cases, results):
        rows.append([case["name"], f"{100 * (sum(result.there) / sum(result.here) - 1):+.2f}", *summary(result.errors)])
    return rows


def workload_part(arguments):
    engines.build_driver()
    cells = [Cell(policy, arguments) for policy in workload.POLICIES]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda cell: cell.measure(arguments), cells))
    extra = ["packets", "drops", "timeouts"]
    by_policy = {cell.policy: [result] for cell, result in zip(cells, results)}
    rows, is_outside = family_rows(by_policy, dict.fromkeys(by_policy, MARGINS["packets"]["workload"]), extra)
    title = f"The paper's RAG workload, {arguments.shorter} times shorter, in packets; requests of {cells[0].trace}"
    print_table(title, rows, extra, "policy")
    means, gains = policy_rows(cells)
    print(f"\n{table(means)}\n\n{table(gains)}", flush=True)
    limits = MARGINS["packets"]["workload"]
    is_outside |= any(abs(float(row[3])) > limits["mean"] for row in means[1:])
    is_outside |= any(abs(float(row[3])) > limits["gain_points"] for row in gains[1:])
    if not arguments.no_scales:
        print(f"\nThe same piece at several scales\n\n{table(same_piece(cells[-1], arguments))}", flush=True)
    return is_outside


def tcp_part(arguments):
    if os.geteuid() != 0:
        raise engines.Unavailable(kernel_tcp.NO_ROOT)
    by_family, answer, taken = {}, {}, []
    for case in all_cases(arguments.families):
        if case["name"] not in TCP_CASES:
            continue
        case = families.scaled(case, TCP_BYTES, TCP_RATE)
        fluid = engines.fluid(case, arguments.netkv)
        for repeat in range(arguments.repeats):
            answer = kernel_tcp.run(case, arguments.congestion_control)
            result = Result(case, answer, fluid)
            by_family.setdefault(case["family"], []).append(result)
            for transfer, seconds in enumerate(result.there):
                taken.append([case["name"], repeat, transfer, f"{seconds:.6f}"])
    rows, is_outside = family_rows(by_family, MARGINS["tcp"], [])
    kernel = f"Linux {answer.get('kernel', '').split('-')[0]}, {arguments.congestion_control}"
    print_table(f"The kernel's TCP ({kernel}) against the fluid model", rows, [])
    if arguments.record and set(arguments.families) == set(families.FAMILIES):
        recorded.write(recorded.TCP, f"{kernel}; cases with bytes over {TCP_BYTES} and rates over {TCP_RATE}", taken)
    return is_outside


def read_arguments(words):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--netkv", type=Path, default=engines.ROOT / "target/release/netkv", metavar="PROGRAM")
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--families", nargs="+", choices=list(families.FAMILIES), default=list(families.FAMILIES), metavar="FAMILY")
    add("--jobs", type=int, default=os.cpu_count(), help="cases in ns-3 at once (default: the processors, %(default)s)")
    add("--shorter", type=int, default=64, metavar="N", help="what the workload is divided by (default: %(default)s)")
    add("--no-scales", action="store_true", help="without the same piece at several scales")
    add("--repeats", type=int, default=1, metavar="N", help="of each case in the real network (default: %(default)s)")
    add("--congestion-control", default="cubic", help="of the kernel (default: %(default)s)")
    add("--record", action="store_true", help="write the regression cases and recorded tables anew")
    return parser.parse_args(words)


def main(words=None):
    arguments = read_arguments(words)
    parts = {"packets": packets_part, "workload": workload_part, "tcp": tcp_part}
    is_outside, missing = False, False
    for part in arguments.parts:
        try:
            is_outside |= parts[part](arguments)
        except engines.Unavailable as error:
            print(f"study.py: {part} is left out: {error}", file=sys.stderr)
            missing = True
        except engines.Failed as error:
            print(f"study.py: {part}: {error}", file=sys.stderr)
            return 2
    return 69 if missing else int(is_outside)


if __name__ == "__main__":
    sys.exit(main())
