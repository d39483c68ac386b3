#!/usr/bin/env python3
"""Writes the composed latency tables of experiments/profiles/data: aiconfigurator's measured vLLM operators, added up to
whole prefill batches and decode iterations. A tool of the developers: the tables are committed, and nothing else runs it.

    python3 -m venv .venv && .venv/bin/pip install aiconfigurator==0.12.0
    .venv/bin/python scripts/profiles/compose.py            writes the tables
    .venv/bin/python scripts/profiles/compose.py --check    compares composition with end-to-end measurements

It needs no network: the package holds its database. Times are written in full, as they were computed."""

import argparse
import csv
import importlib.metadata
import logging
from pathlib import Path

from aiconfigurator_core.sdk import common, config, models, perf_database
from aiconfigurator_core.sdk.backends.factory import get_backend

VERSION = "0.12.0"
BACKEND, BACKEND_VERSION = "vllm", "0.24.0"
FOLDER = Path(__file__).resolve().parents[2] / "experiments/profiles/data"

# Tokens computed in a batch of one prompt, and tokens of it that are cached before them.
COMPUTED = [1, 16, 64, 128, 256, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768]
CACHED = [0, 512, 2048, 8192, 16384, 32768, 65536, 98304, 122880]
# Requests in a batch, and the context of each.
BATCHES = [1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256]
CONTEXTS = [128, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072]
MAX_CONTEXT = 131072
# Summed context of a batch: more than the memory of any of these instances holds.
MAX_SUMMED_CONTEXT = 2**21

LLAMA_70B = "meta-llama/Meta-Llama-3.1-70B"
TABLES = [
    # file, model, GPU, weights in, degrees of tensor parallelism, phases
    ("llama-3.1-70b-bf16-h100.csv", LLAMA_70B, "h100_sxm", "bfloat16", [4, 8], ["prefill", "decode"]),
    ("llama-3.1-8b-bf16-h100.csv", "meta-llama/Meta-Llama-3.1-8B", "h100_sxm", "bfloat16", [1], ["prefill", "decode"]),
    ("llama-3.1-70b-fp8-h100-prefill.csv", LLAMA_70B, "h100_sxm", "fp8", [4, 8], ["prefill"]),
    ("deepseek-v3-fp8-h200.csv", "deepseek-ai/DeepSeek-V3", "h200_sxm", None, [8], ["prefill", "decode"]),
]


class Instance:
    """One model on one kind of GPU at one degree of tensor parallelism; KV cache and attention in 16 bits."""

    def __init__(self, model, gpu, weights, tp):
        settings = {
            "tp_size": tp,
            "kvcache_quant_mode": common.KVCacheQuantMode.bfloat16,
            "fmha_quant_mode": common.FMHAQuantMode.bfloat16,
        }
        if weights is None:  # As in the checkpoint; the experts are split over all GPUs.
            settings |= {"moe_tp_size": tp, "moe_ep_size": 1}
        else:
            settings["gemm_quant_mode"] = common.GEMMQuantMode[weights]
        self.database = perf_database.get_database(gpu, BACKEND, BACKEND_VERSION)
        self.backend = get_backend(BACKEND)
        self.model = models.get_model(model, config.ModelConfig(**settings), BACKEND)

    def _ms(self, mode, **runtime):
        runtime = config.RuntimeConfig(**runtime)
        return self.backend.run_static_latency_only(self.model, self.database, runtime, mode)

    def prefill_ms(self, computed, cached):
        return self._ms("static_ctx", batch_size=1, isl=computed + cached, prefix=cached, osl=1)

    def decode_ms(self, batch, context):
        return self._ms("static_gen", batch_size=batch, isl=context, osl=2)


def rows(instance, tp, phases):
    if "prefill" in phases:
        for computed in COMPUTED:
            for cached in CACHED:
                if computed + cached <= MAX_CONTEXT:
                    yield "prefill", tp, 1, computed + cached, cached, instance.prefill_ms(computed, cached)
    if "decode" in phases:
        for batch in BATCHES:
            for context in CONTEXTS:
                if batch * context <= MAX_SUMMED_CONTEXT:
                    yield "decode", tp, batch, context, 0, instance.decode_ms(batch, context)


def write_tables():
    for name, model, gpu, weights, degrees, phases in TABLES:
        with open(FOLDER / name, "w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["phase", "tp", "batch", "ctx", "cached", "ms"])
            for tp in degrees:
                table.writerows(rows(Instance(model, gpu, weights, tp), tp, phases))


def check():
    """Composed time per output token against the measured one: decode, and the prompts computed in between."""
    measured = list(csv.DictReader(open(FOLDER / "original" / "silicon_h100_llama3.1-70b_fp8_vllm.csv")))
    for tp in [4, 8]:
        instance = Instance(LLAMA_70B, "h100_sxm", "fp8", tp)
        errors = []
        for row in (row for row in measured if float(row["tp_size"]) == tp):
            batch, isl, osl = (int(float(row[name])) for name in ["batch_size", "isl", "osl"])
            composed = instance.decode_ms(batch, isl + osl // 2) + instance.prefill_ms(isl, 0) * batch / osl
            errors.append(100 * (composed / float(row["silicon_tpot_ms"]) - 1))
        mean = sum(errors) / len(errors)
        absolute = sum(map(abs, errors)) / len(errors)
        print(f"FP8, TP{tp}: {len(errors)} points, mean error {mean:+.1f} %, mean absolute error {absolute:.1f} %, "
              f"from {min(errors):+.1f} to {max(errors):+.1f} %")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with end-to-end measurements; write nothing")
    arguments = parser.parse_args()
    found = importlib.metadata.version("aiconfigurator-core")
    if found != VERSION:
        raise SystemExit(f"aiconfigurator-core is {found}; the tables are made with {VERSION}")
    logging.disable(logging.WARNING)
    check() if arguments.check else write_tables()


if __name__ == "__main__":
    main()
