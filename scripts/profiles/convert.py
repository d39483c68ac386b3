#!/usr/bin/env python3
"""Writes the measured latency tables of experiments/profiles/data from the files in original/ there, in the form that
`netkv profile fit` reads. It needs nothing but Python; the tables are committed.

    python3 scripts/profiles/convert.py"""

import csv
import statistics
from collections import defaultdict
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "experiments/profiles/data"


def read(name):
    with open(FOLDER / "original" / name, newline="") as file:
        return list(csv.DictReader(file))


def write(name, header, rows):
    with open(FOLDER / name, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def silicon():
    """Time per output token of aggregated serving. On average a request is half through its answer, and while it makes
    its `osl` tokens each of the others has its prompt computed once: batch x isl / osl prompt tokens an iteration."""
    rows = []
    for row in read("silicon_h100_llama3.1-70b_fp8_vllm.csv"):
        tp, batch, isl, osl = (int(float(row[name])) for name in ["tp_size", "batch_size", "isl", "osl"])
        rows.append(["decode", tp, batch, isl + osl // 2, batch * isl / osl, row["silicon_tpot_ms"]])
    header = ["phase", "tp", "batch", "ctx", "prefill_tokens", "ms"]
    write("llama-3.1-70b-fp8-h100-decode.csv", header, sorted(rows, key=lambda row: row[1:4]))


def splitwise():
    """Medians of repeated cells, llama2-70b on H100. The rows of capped power are left out: their prompt times are
    scaled, not measured. `token_time` is the mean over an answer, half of which is context on average."""
    prompts, tokens = defaultdict(list), defaultdict(list)
    for row in read("splitwise_perf_model.csv"):
        if (row["model"], row["hardware"]) != ("llama2-70b", "h100-80gb"):
            continue
        tp, batch, isl, osl = (
            int(row[name]) for name in ["tensor_parallel", "batch_size", "prompt_size", "token_size"]
        )
        prompts[tp, batch, isl].append(float(row["prompt_time"]))
        tokens[tp, batch, isl + osl // 2].append(float(row["token_time"]))
    rows = [
        [phase, *cell, statistics.median(times)]
        for phase, cells in [("prefill", prompts), ("decode", tokens)]
        for cell, times in sorted(cells.items())
    ]
    write("llama-2-70b-fp16-h100.csv", ["phase", "tp", "batch", "ctx", "ms"], rows)


if __name__ == "__main__":
    silicon()
    splitwise()
