#!/usr/bin/env python3
"""Compares the fabric model with SimGrid, flow by flow, on random or given flowref/1 cases.

Both programs are run on every case. A flow agrees if its two finish times differ by no more than
--abs-tol + --rel-tol x (finish - start). The 20 ns are there because the model counts whole nanoseconds; the relative
part is of the flow's own duration, which is the stricter of the two usual choices (the other is of the finish time).
Cases of up to --exact-flows flows are also solved in fractions (exact.py), which says whose error a difference is."""

import argparse
import json
import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import exact

EXAMPLES = """examples:
  python3 validation/compare.py                                    all families, 25 cases of each, seed 1
  python3 validation/compare.py --cases 100 --seed 7 --keep failed
  python3 validation/compare.py --families ties caps --exact-flows 120
  python3 validation/compare.py crates/netkv-fabric/tests/flowref/*.json
  python3 validation/compare.py --simgrid-flag=--cfg=surf/precision:1e-9

Columns: cases and flows; worst absolute difference; worst relative difference of what lies beyond --abs-tol; flows
outside --rel-tol; whether all are within --goal; and for the cases that were also solved in fractions how many they
are, and how far each program is from the exact times at most.
Exit status: 0 if every flow agrees, 1 if one does not, 2 if a program or a file fails."""

FORMAT = "flowref/1"


class Failed(Exception):
    """Something that the user has to put right."""


# ---------------------------------------------------------------------------------------------------------------------
# Cases. Each family is a function of a random source; capacities are whole bytes per second and times whole
# nanoseconds, which both programs read alike.


def make_case(capacities, flows, latencies=None):
    """A case of links with these capacities and of flows (start_ns, size_bytes, path, cap)."""
    latencies = latencies or [0.0] * len(capacities)
    return {
        "format": FORMAT,
        "links": [
            {"id": index, "bandwidth_Bps": float(capacity), "latency_s": latency}
            for index, (capacity, latency) in enumerate(zip(capacities, latencies))
        ],
        "flows": [
            {"id": index, "start_s": start * 1e-9, "size_bytes": size, "path": path, "rate_cap_Bps": cap}
            for index, (start, size, path, cap) in enumerate(flows)
        ],
    }


def log_uniform(source, low, high):
    """A whole number whose logarithm is uniform."""
    return int(math.exp(source.uniform(math.log(low), math.log(high))))


def random_path(source, n_links, longest):
    return source.sample(range(n_links), source.randint(1, min(longest, n_links)))


def uniform(source):
    """Random links, random paths of up to 6 of them, random sizes and starts."""
    n_links, n_flows = source.randint(3, 40), source.randint(2, 120)
    capacities = [source.randint(1_000_000_000, 50_000_000_000) for _ in range(n_links)]
    flows = [
        (source.randint(0, 1_000_000_000), log_uniform(source, 1e6, 1e10), random_path(source, n_links, 6), None)
        for _ in range(n_flows)
    ]
    return make_case(capacities, flows)


class FatTree:
    """Four tiers, as in docs/model.md: NVLink in a node, a rack, a pod behind spines, pods behind cores."""

    def __init__(self, source, degraded=0.0):
        self.nodes, self.racks, self.pods, self.gpus = 2, 2, 2, 4
        self.spines, self.cores = 2, 2
        self.capacities, self.latencies, self.names = [], [], {}
        self.n_gpus = self.nodes * self.racks * self.pods * self.gpus
        nic = source.choice([12_500_000_000, 25_000_000_000, 50_000_000_000])
        rack = self.nodes * self.gpus * nic // (source.choice([1, 2, 4]) * self.spines)
        pod = self.racks * self.nodes * self.gpus * nic // (source.choice([1, 4, 8]) * self.spines * self.cores)
        for gpu in range(self.n_gpus):
            self.add(("nvl", gpu), 450_000_000_000, 250e-9)
            self.add(("nic", gpu), nic, 1e-6)
        for spine in range(self.spines):
            for rack_index in range(self.racks * self.pods):
                self.add(("rack", rack_index, spine), rack, 500e-9)
            for pod_index in range(self.pods):
                for core in range(self.cores):
                    self.add(("pod", pod_index, spine, core), pod, 1e-6)
        for link in range(len(self.capacities)):
            if source.random() < degraded:
                self.capacities[link] = int(self.capacities[link] * source.uniform(0.05, 0.9))

    def add(self, name, capacity, latency):
        for way in ("up", "down"):
            self.names[(*name, way)] = len(self.capacities)
            self.capacities.append(capacity)
            self.latencies.append(latency)

    def path(self, source, sender, receiver):
        """The links from a GPU to another, over a spine and core drawn at random: 2, 4 or 6 of them."""
        node, rack, pod = (self.gpus, self.gpus * self.nodes, self.gpus * self.nodes * self.racks)
        names = self.names
        if sender // node == receiver // node:
            return [names["nvl", sender, "up"], names["nvl", receiver, "down"]]
        first, last = [names["nic", sender, "up"]], [names["nic", receiver, "down"]]
        if sender // rack == receiver // rack:
            return first + last
        spine, core = source.randrange(self.spines), source.randrange(self.cores)
        first.append(names["rack", sender // rack, spine, "up"])
        last.insert(0, names["rack", receiver // rack, spine, "down"])
        if sender // pod == receiver // pod:
            return first + last
        first.append(names["pod", sender // pod, spine, core, "up"])
        last.insert(0, names["pod", receiver // pod, spine, core, "down"])
        return first + last


def transfers(source, tree):
    """Prefill to decode: groups of flows that start together, rank to rank, each with an even share of a KV cache."""
    flows, start = [], 0
    half = tree.n_gpus // 2
    ranks = source.choice([1, 2, 4])
    for _ in range(source.randint(5, 40)):
        start += int(source.expovariate(1) * source.choice([1e6, 2e7]))
        size = log_uniform(source, 1e7, 4e9)
        sender = source.randrange(half // ranks) * ranks
        receiver = half + source.randrange(half // ranks) * ranks
        if source.random() < 0.5:  # roles that are mixed within a pod, so that all tiers occur
            receiver = source.choice([gpu for gpu in range(0, tree.n_gpus, ranks) if gpu != sender])
        for rank in range(ranks):
            flows.append((start, size // ranks, tree.path(source, sender + rank, receiver + rank), None))
    return flows


def fat_tree(source):
    """KV-cache transfers over a four-tier fat tree: paths of 2, 4 and 6 links, with latencies."""
    tree = FatTree(source)
    return make_case(tree.capacities, transfers(source, tree), tree.latencies)


def degraded(source):
    """The same with a third of all links at 5 to 90 % of their capacity."""
    tree = FatTree(source, degraded=1 / 3)
    return make_case(tree.capacities, transfers(source, tree), tree.latencies)


def parking_lot(source):
    """A chain of links: some flows go all the way, some part of it, some over one link."""
    n_links = source.randint(2, 20)
    capacity = source.randint(1_000_000_000, 50_000_000_000)
    slower = [source.randint(capacity // 4, capacity) for _ in range(n_links)]
    capacities = [capacity if source.random() < 0.5 else less for less in slower]
    flows = [(0, log_uniform(source, 1e8, 1e10), list(range(n_links)), None) for _ in range(source.randint(1, 4))]
    for _ in range(source.randint(n_links, 4 * n_links)):
        first = source.randrange(n_links)
        last = source.randint(first, n_links - 1) if source.random() < 0.4 else first
        start = source.choice([0, source.randint(0, 500_000_000)])
        flows.append((start, log_uniform(source, 1e7, 1e10), list(range(first, last + 1)), None))
    return make_case(capacities, flows)


def ties(source):
    """Equal capacities, few sizes, few starts: many entries and completions at one instant."""
    n_links = source.randint(2, 16)
    capacity = source.choice([1_000_000_000, 3_000_000_000, 12_500_000_000, 49_999_999_999])
    sizes = [source.choice([1, 3, 7]) * 10**source.randint(7, 9) for _ in range(2)]
    starts = [0, source.choice([10_000_000, 100_000_000])]
    flows = [
        (source.choice(starts), source.choice(sizes), random_path(source, n_links, 4), None)
        for _ in range(source.randint(4, 120))
    ]
    return make_case([capacity] * n_links, flows)


def caps(source):
    """Two thirds of the flows have a rate cap, some far below and some above what the links would give."""
    n_links = source.randint(2, 20)
    capacities = [source.randint(5_000_000_000, 50_000_000_000) for _ in range(n_links)]
    flows = []
    for _ in range(source.randint(2, 80)):
        cap = log_uniform(source, 1e8, 6e10) if source.random() < 2 / 3 else None
        flows.append(
            (source.randint(0, 500_000_000), log_uniform(source, 1e6, 5e9), random_path(source, n_links, 4), cap)
        )
    return make_case(capacities, flows)


def zero_sizes(source):
    """A third of the flows have no bytes, some have one byte."""
    n_links = source.randint(1, 12)
    capacities = [source.randint(1_000_000_000, 50_000_000_000) for _ in range(n_links)]
    latencies = [source.randint(0, 5_000) * 1e-9 for _ in range(n_links)]
    flows = [
        (
            source.randint(0, 10_000_000),
            source.choice([0, 0, 1, source.randint(2, 10_000), log_uniform(source, 1e6, 1e9), 10**8]),
            random_path(source, n_links, 4),
            None,
        )
        for _ in range(source.randint(2, 60))
    ]
    return make_case(capacities, flows, latencies)


def wide(source):
    """Capacities from 1 GB/s to 1 TB/s, sizes from 1 kB to 100 GB, on the same paths."""
    n_links = source.randint(3, 20)
    capacities = [log_uniform(source, 1e9, 1e12) for _ in range(n_links)]
    flows = [
        (source.randint(0, 100_000_000), log_uniform(source, 1e3, 1e11), random_path(source, n_links, 5), None)
        for _ in range(source.randint(2, 60))
    ]
    return make_case(capacities, flows)


def latencies(source):
    """Latencies of 0 to 10 ms on every link, so that flows that start together enter apart."""
    n_links = source.randint(2, 20)
    capacities = [source.randint(1_000_000_000, 50_000_000_000) for _ in range(n_links)]
    delays = [log_uniform(source, 1, 1e7) * 1e-9 for _ in range(n_links)]
    flows = []
    for _ in range(source.randint(2, 80)):
        start = source.choice([0, source.randint(0, 50_000_000)])
        flows.append((start, log_uniform(source, 1e5, 1e9), random_path(source, n_links, 5), None))
    return make_case(capacities, flows, delays)


def incast(source):
    """Up to 150 flows that enter one link, each over a link of its own: the smallest shares of all families."""
    n_flows = source.randint(20, 150)
    capacities = [source.choice([12_500_000_000, 50_000_000_000])] + [
        source.randint(1_000_000_000, 50_000_000_000) for _ in range(n_flows)
    ]
    flows = [
        (source.randint(0, 20_000_000), log_uniform(source, 1e7, 1e9), [flow + 1, 0], None) for flow in range(n_flows)
    ]
    return make_case(capacities, flows)


def slow(source):
    """Not in the default set: links of 1 to 100 kB/s, where whole bytes per second are coarse. It is meant to fail."""
    n_links = source.randint(2, 10)
    capacities = [log_uniform(source, 1e3, 1e5) for _ in range(n_links)]
    flows = [
        (source.randint(0, 1_000_000_000), log_uniform(source, 1e3, 1e5), random_path(source, n_links, 3), None)
        for _ in range(source.randint(5, 40))
    ]
    return make_case(capacities, flows)


DEFAULT_FAMILIES = [
    uniform, fat_tree, degraded, parking_lot, incast, ties, caps, zero_sizes, wide, latencies
]  # fmt: skip
FAMILIES = {family.__name__: family for family in [*DEFAULT_FAMILIES, slow]}


# ---------------------------------------------------------------------------------------------------------------------
# Running and judging.


def run_program(command, file):
    """The finish times that a program prints for a case; null is infinity."""
    try:
        done = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
    except OSError as error:
        reason = f"{error.strerror}; docs/validation.md says how it is built"
        raise Failed(f"{command[0]}: cannot be run: {reason}") from error
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)} {file}: exit status {done.returncode}: {done.stderr.strip()[:2000]}")
    try:
        answer = json.loads(done.stdout)
        return [math.inf if time is None else float(time) for time in answer["finish_s"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Failed(f"{' '.join(command)} {file}: its output is not an object with finish_s: {error!r}") from error


def difference(ours, reference, start, abs_tol):
    """How far two finish times are apart: in seconds, and what lies beyond `abs_tol` relative to the duration."""
    if ours == reference:
        return 0.0, 0.0
    apart = abs(ours - reference)
    if math.isnan(apart) or math.isinf(apart):
        return math.inf, math.inf
    beyond = max(0.0, apart - abs_tol)
    duration = reference - start
    return apart, 0.0 if beyond == 0 else (beyond / duration if duration > 0 else math.inf)


class Tally:
    """What is known of a family, or of a file."""

    def __init__(self):
        self.cases = self.flows = self.outside = self.solved = 0
        self.apart = self.relative = self.ours_off = self.reference_off = 0.0

    def add(self, other):
        for name, value in vars(other).items():
            mine = getattr(self, name)
            setattr(self, name, mine + value if isinstance(value, int) else max(mine, value))


def judge(case, ours, reference, arguments):
    """Compares two answers to a case, and both with the exact one if the case is small enough."""
    flows = case["flows"]
    for name, times in (("the model", ours), ("SimGrid", reference)):
        if len(times) != len(flows):
            raise Failed(f"{name} gives {len(times)} finish times for {len(flows)} flows")
    tally = Tally()
    tally.cases, tally.flows = 1, len(flows)
    for flow, our_time, reference_time in zip(flows, ours, reference):
        apart, relative = difference(our_time, reference_time, flow["start_s"], arguments.abs_tol)
        tally.apart, tally.relative = max(tally.apart, apart), max(tally.relative, relative)
        tally.outside += relative > arguments.rel_tol
    if len(flows) <= arguments.exact_flows:
        tally.solved = 1
        for flow, our_time, reference_time, time in zip(flows, ours, reference, map(float, exact.finish_times(case))):
            tally.ours_off = max(tally.ours_off, difference(our_time, time, flow["start_s"], 0)[0])
            tally.reference_off = max(tally.reference_off, difference(reference_time, time, flow["start_s"], 0)[0])
    return tally


def compare(case, file, arguments):
    """Runs both programs on a case that is in `file`; keeps it if a flow does not agree."""
    ours = run_program([arguments.netkv, "flows"], file)
    reference = run_program([arguments.simgrid, *arguments.simgrid_flag], file)
    tally = judge(case, ours, reference, arguments)
    if tally.outside and arguments.keep:
        kept = dict(case, netkv_finish_s=ours, simgrid_finish_s=reference)
        arguments.keep.mkdir(parents=True, exist_ok=True)
        (arguments.keep / file.name).write_text(json.dumps(kept), encoding="utf-8")
    return tally


def read_case(file):
    try:
        case = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Failed(f"{file}: cannot be read as JSON: {error}") from error
    if not isinstance(case, dict) or case.get("format") != FORMAT:
        raise Failed(f"{file}: format is not {FORMAT}")
    return case


def given_cases(arguments):
    """(name of the row, case, file) of each file on the command line."""
    for file in arguments.files:
        yield file.stem, read_case(file), file


def random_cases(arguments, folder):
    """(family, case, file) of each random case. A case depends on seed, family and number alone."""
    for family in arguments.families:
        for number in range(arguments.cases):
            case = FAMILIES[family](random.Random(f"{arguments.seed} {family} {number}"))
            file = Path(folder) / f"{family}_{arguments.seed}_{number}.json"
            file.write_text(json.dumps(case), encoding="utf-8")
            yield family, case, file
            file.unlink()


# ---------------------------------------------------------------------------------------------------------------------
# The table.

HEADER = ["", "cases", "flows", "worst ns", "worst rel.", "outside", "goal", "exact", "ours off ns", "SimGrid off ns"]


def row(name, tally, goal):
    solved = [str(tally.solved), f"{tally.ours_off * 1e9:.3g}", f"{tally.reference_off * 1e9:.3g}"]
    return [
        name,
        str(tally.cases),
        str(tally.flows),
        f"{tally.apart * 1e9:.3g}",
        f"{tally.relative:.2g}",
        str(tally.outside) if tally.outside else "none",
        "yes" if tally.relative <= goal else "NO",
        *(solved if tally.solved else ["0", "", ""]),
    ]


def table(rows):
    """A table that reads well on a terminal and is Markdown too."""
    widths = [max(len(line[column]) for line in rows) for column in range(len(rows[0]))]

    def line(cells):
        padded = [cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(cells[1:], widths[1:]))]
        return "| " + " | ".join(padded) + " |"

    rulers = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    return "\n".join([line(rows[0]), "|" + "|".join(rulers) + "|", *map(line, rows[1:])])


def add_programs(parser):
    """The options that name both programs."""
    add = parser.add_argument
    add("--netkv", default="target/release/netkv", metavar="PROGRAM", help="default: %(default)s")
    add("--simgrid", default="target/simgrid_flows", metavar="PROGRAM", help="default: %(default)s")
    add("--simgrid-flag", action="append", default=[], metavar="FLAG", help="for it: --simgrid-flag=--cfg=KEY:VALUE")


def read_arguments(words):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="CASE.json", help="cases to compare on, instead of random ones")
    add_programs(parser)
    add("--cases", type=int, default=25, metavar="N", help="random cases of each family (default: %(default)s)")
    add("--seed", type=int, default=1, metavar="S", help="of the random cases (default: %(default)s)")
    add(
        "--families",
        nargs="+",
        choices=sorted(FAMILIES),
        default=[family.__name__ for family in DEFAULT_FAMILIES],
        metavar="FAMILY",
        help=f"of {', '.join(FAMILIES)} (default: all but slow, which is meant to fail)",
    )
    add("--abs-tol", type=float, default=20e-9, metavar="SECONDS", help="default: %(default)s")
    add("--rel-tol", type=float, default=1e-6, metavar="X", help="what lies beyond fails (default: %(default)s)")
    add("--goal", type=float, default=1e-8, metavar="X", help="reported, never an error (default: %(default)s)")
    add("--exact-flows", type=int, default=60, metavar="N", help="cases solved in fractions too (default: %(default)s)")
    add("--keep", type=Path, metavar="FOLDER", help="keep cases that do not agree, with both answers")
    arguments = parser.parse_args(words)
    if arguments.cases < 1:
        parser.error(f"--cases is {arguments.cases}; allowed: 1 and more")
    for name in ("abs_tol", "rel_tol", "goal"):
        if not 0 <= getattr(arguments, name) < math.inf:
            parser.error(f"--{name.replace('_', '-')} is {getattr(arguments, name)}; allowed: 0 and more")
    return arguments


def main(words=None):
    arguments = read_arguments(words)
    tallies, total = {}, Tally()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name, case, file in given_cases(arguments) if arguments.files else random_cases(arguments, folder):
                tally = compare(case, file, arguments)
                tallies.setdefault(name, Tally()).add(tally)
                total.add(tally)
    except Failed as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2
    rows = [HEADER, *(row(name, tally, arguments.goal) for name, tally in tallies.items())]
    print(table([*rows, row("all", total, arguments.goal)]))
    if total.outside:
        kept = f"; their cases are in {arguments.keep}" if arguments.keep else "; --keep FOLDER keeps their cases"
        print(f"FAIL: {total.outside} of {total.flows} flows differ by more than {arguments.rel_tol:g}{kept}")
        return 1
    within = f"{arguments.abs_tol * 1e9:g} ns + {arguments.rel_tol:g} of their duration"
    print(f"pass: all {total.flows} flows within {within}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
