#!/usr/bin/env python3
"""Replays the Mooncake conversation trace in Dynamo's offline simulator and in netkv, side by side.

Both get the same arrivals, lengths and block ids, the same latencies (straight lines), round robin on both sides, and a
network that is no limit: what is left is queues, batches, caches and memory. Cases, in order of what may differ:

  alone   16 + 16 instances, one prompt at a time, memory without end
  loaded  4 + 4 instances, prompts in batches
  memory  the same with 1,000 blocks of 512 tokens an instance

The error of a figure is Dynamo's over ours, less one; margins.json bounds it and was written before the first run.
Speed is requests a CPU second of the simulation alone, both in the same minutes on the same machine."""

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

EXAMPLES = """examples:
  NETKV_TRACE_DIR=DIR python3 validation/simulators/side_by_side.py
  NETKV_TRACE_DIR=DIR python3 validation/simulators/side_by_side.py --versions 1.6.1 --cases alone
  NETKV_TRACE_DIR=DIR python3 validation/simulators/side_by_side.py --speed-runs 0    no timing

Exit status: 0, 1 if a figure is outside its margin, 2 if a program fails, 69 if Dynamo cannot be installed, or netkv or
the trace is missing."""

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MARGINS = json.loads((HERE / "margins.json").read_text(encoding="utf-8"))
CASES = ["alone", "loaded", "memory"]
VERSIONS = [path.stem.removeprefix("requirements-") for path in sorted(HERE.glob("requirements-*.txt"))]
TRACE = "conversation_trace.jsonl"
# Arrivals are stamped to ticks of this length, give or take.
TICK_MS, SLACK_MS = 3000, 2
BLOCK_TOKENS = 512
# profile.toml and the experiment files, in the words that Dynamo has for them.
LINE = {"prefill_base_ms": 15.0, "prefill_us_per_token": 62.0, "decode_base_ms": 15.0, "decode_ns_per_token": 27.0}
POOLS = {"alone": (16, 1, 95367), "loaded": (4, 64, 95367), "memory": (4, 64, 1000)}
# Requests whose times to the first token are apart by no more than this are told as equal.
EQUAL_NS = 1000


class Missing(Exception):
    """Something that this machine lacks."""


def environment(version, folder):
    """The Python of an environment with that version of Dynamo in it."""
    home = folder / version
    python = home / "bin" / "python"
    done = home / "installed"
    requirements = (HERE / f"requirements-{version}.txt").read_text(encoding="utf-8")
    if done.exists() and done.read_text(encoding="utf-8") == requirements:
        return python
    print(f"installing Dynamo {version} in {home}", file=sys.stderr, flush=True)
    venv.create(home, with_pip=True, clear=True)
    command = [python, "-m", "pip", "install", "-q", "--no-deps", "-r", HERE / f"requirements-{version}.txt"]
    found = subprocess.run(command, capture_output=True, text=True)
    if found.returncode != 0:
        last = found.stderr.strip().splitlines()[-1:] or ["no reason given"]
        needs = "its wheels are for Linux and CPython 3.10 or later"
        raise Missing(f"Dynamo {version} does not install here ({last[0]}); {needs}")
    done.write_text(requirements, encoding="utf-8")
    return python


def netkv(arguments, case, *more):
    """What `netkv cell` prints for the one cell of a case."""
    command = [arguments.netkv, "cell", HERE / f"{case}.toml", "0", *more]
    env = {**os.environ, "NETKV_TRACE_DIR": arguments.traces}
    found = subprocess.run(command, capture_output=True, text=True, env=env)
    if found.returncode != 0:
        raise RuntimeError(f"netkv, case {case}: {found.stderr.strip()}")
    return found.stdout


def ours(arguments, case, folder):
    """Our requests, in order of arrival: arrival, TTFT and time after it in ns, lengths, cached tokens."""
    table = Path(folder) / f"{case}.csv"
    netkv(arguments, case, "--requests", table)
    with open(table, encoding="utf-8", newline="") as file:
        names = ("arrival_ns", "ttft_ns", "decoding_ns", "input_tokens", "output_tokens", "prefill_hit_tokens")
        return [[int(row[name]) for name in names] for row in csv.DictReader(file)]


def blocks_of(row, published):
    """The block ids of one of our requests: of the row of its lengths and tick, which is taken."""
    waiting = published[row[3], row[4]]
    late_ms = [row[0] / 1e6 - one["timestamp"] for one in waiting]
    fits = [index for index, late in enumerate(late_ms) if -SLACK_MS <= late <= TICK_MS + SLACK_MS]
    if not fits or any(waiting[index]["hash_ids"] != waiting[fits[0]]["hash_ids"] for index in fits):
        raise RuntimeError(f"our request of {row[3]} + {row[4]} tokens is not one row of the published trace")
    return waiting.pop(fits[0])["hash_ids"]


def shared_trace(rows, arguments, path):
    """The trace as we replay it: our arrivals, spread within its ticks, with published lengths and blocks."""
    published = {}
    with open(Path(arguments.traces) / TRACE, encoding="utf-8") as file:
        for one in map(json.loads, file):
            published.setdefault((one["input_length"], one["output_length"]), []).append(one)
    with open(path, "w", encoding="utf-8") as file:
        for row in rows:
            one = {"timestamp": row[0] / 1e6, "input_length": row[3], "output_length": row[4]}
            file.write(json.dumps({**one, "hash_ids": blocks_of(row, published)}) + "\n")
    if any(published.values()):
        raise RuntimeError("we did not replay every row of the published trace")


def dynamo(python, case, trace, folder, requests):
    """Dynamo's answer for a case; with a row for each request or, when its time is taken, without."""
    instances, prompts, blocks = POOLS[case]
    options = {"trace": str(trace), "answer": str(Path(folder) / "answer.json"), "requests": requests, "line": LINE,
               "profile": str(Path(folder) / "profile.npz"), "router": "round_robin", "block_tokens": BLOCK_TOKENS,
               "blocks": blocks, "max_batch_tokens": 8192, "prefill": {"instances": instances, "max_batch": prompts},
               "decode": {"instances": instances, "max_batch": 128}}  # fmt: skip
    found = subprocess.run([python, HERE / "replay.py"], input=json.dumps(options), capture_output=True, text=True)
    if found.returncode != 0:
        last = found.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise RuntimeError(f"Dynamo, case {case}: {last[0]}")
    return json.loads(Path(options["answer"]).read_text(encoding="utf-8"))


def theirs(answer):
    """Dynamo's requests in the form of ours."""
    rows = [[round(1e6 * arrival), round(1e6 * ttft), round(1e6 * (whole - ttft)), n, made, held]
            for arrival, ttft, whole, n, made, held in answer["requests"]]  # fmt: skip
    return sorted(rows, key=lambda row: row[0])


def quantile(values, share):
    """The least value that is not below that share of them."""
    values = sorted(values)
    return values[max(0, math.ceil(share * len(values)) - 1)]


def figures(rows):
    """What is compared, in ms and tokens."""
    ttft = [row[1] / 1e6 for row in rows]
    gaps = [(row[2] / 1e6, row[4] - 1) for row in rows if row[4] > 1]
    return {"ttft_mean": sum(ttft) / len(ttft), "ttft_p50": quantile(ttft, 0.5), "ttft_p99": quantile(ttft, 0.99),
            "tbt_mean": sum(time for time, _ in gaps) / sum(n for _, n in gaps),
            "tbt_p99": quantile([time / n for time, n in gaps], 0.99), "hits": sum(row[5] for row in rows)}  # fmt: skip


def compare(case, here, there):
    """The lines of a case's table; whether a figure is outside its margin."""
    if [row[3:5] for row in here] != [row[3:5] for row in there]:
        raise RuntimeError(f"case {case}: Dynamo did not complete the same requests")
    mine, other = figures(here), figures(there)
    lines, is_outside = [], False
    for name, margin in MARGINS[case].items():
        if name == "why":
            continue
        error = 100 * (other[name] / mine[name] - 1) if mine[name] else math.inf * (other[name] != 0)
        beyond = abs(error) > margin
        is_outside |= beyond
        verdict = "**outside**" if beyond else "within"
        values = f"{mine[name]:,.3f} | {other[name]:,.3f} | {error:+.3f} % | {margin} %"
        lines.append(f"| {case} | {name} | {values} | {verdict} |")
    same = sum(abs(one[1] - two[1]) <= EQUAL_NS for one, two in zip(here, there))
    hits = sum(one[5] == two[5] for one, two in zip(here, there))
    lines.append(f"| {case} | TTFT equal to 1 us | {same:,} of {len(here):,} | | | | |")
    lines.append(f"| {case} | as many tokens cached | {hits:,} of {len(here):,} | | | | |")
    return lines, is_outside


def speed(arguments, python, case, trace, folder):
    """Requests a CPU second: ours and theirs, each the best of several runs in turns."""
    mine, other = [], []
    for _ in range(arguments.speed_runs):
        timing = json.loads(netkv(arguments, case, "--timing"))
        mine.append(timing["requests"] / timing["sim_cpu_s"])
        answer = dynamo(python, case, trace, folder, requests=False)
        other.append(answer["summary"]["completed_requests"] / answer["cpu_s"])
    return max(mine), max(other)


def parse():
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, epilog=EXAMPLES, formatter_class=style)
    parser.add_argument("--versions", nargs="+", choices=VERSIONS, default=VERSIONS, help="of Dynamo; default: all")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES, help="default: all")
    program = ROOT / "target" / "release" / "netkv"
    parser.add_argument("--netkv", type=Path, default=program, help="the program; default: target/release/netkv")
    traces = os.environ.get("NETKV_TRACE_DIR", "")
    parser.add_argument("--traces", default=traces, help=f"folder of {TRACE}; default: $NETKV_TRACE_DIR")
    folder = Path(tempfile.gettempdir()) / "netkv-simulators"
    parser.add_argument("--environments", type=Path, default=folder, help="of Python; default: %(default)s")
    parser.add_argument("--speed-runs", type=int, default=3, help="of each; 0: none; default: %(default)s")
    return parser.parse_args()


def run(arguments):
    if not arguments.netkv.exists():
        raise Missing(f"there is no {arguments.netkv}; cargo build --release makes it, --netkv names another")
    if not (Path(arguments.traces) / TRACE).exists():
        raise Missing(f"{TRACE} is not in '{arguments.traces}'; set NETKV_TRACE_DIR (docs/traces.md)")
    is_outside, speeds = False, []
    print("| Dynamo | case | figure | ours | Dynamo's | error | margin | |", flush=True)
    print("|---|---|---|--:|--:|--:|--:|---|", flush=True)
    for version in arguments.versions:
        python = environment(version, arguments.environments)
        with tempfile.TemporaryDirectory() as folder:
            for case in arguments.cases:
                here = ours(arguments, case, folder)
                trace = Path(folder) / "trace.jsonl"
                shared_trace(here, arguments, trace)
                lines, beyond = compare(case, here, theirs(dynamo(python, case, trace, folder, requests=True)))
                is_outside |= beyond
                print("\n".join(f"| {version} {line}" for line in lines), flush=True)
                if arguments.speed_runs:
                    mine, other = speed(arguments, python, case, trace, folder)
                    speeds.append(f"| {version} | {case} | {mine:,.0f} | {other:,.0f} | {mine / other:.0f} |")
    if speeds:
        print("\n| Dynamo | case | ours: requests / CPU s | Dynamo's | ratio |\n|---|---|--:|--:|--:|")
        print("\n".join(speeds))
    return 1 if is_outside else 0


def main():
    try:
        return run(parse())
    except Missing as reason:
        print(f"side_by_side.py: {reason}", file=sys.stderr)
        return 69
    except RuntimeError as reason:
        print(f"side_by_side.py: {reason}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
