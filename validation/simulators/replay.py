#!/usr/bin/env python3
"""Replays a trace in Dynamo's offline simulator; runs in an environment of its own, for side_by_side.py.

Reads one JSON object from standard input and writes one to the file that it names, so that what the library prints is
in nobody's way."""

import json
import sys
import time
from importlib.metadata import version


def engine(worker_type, options):
    """The configuration of one pool, checked by Dynamo itself."""
    from dynamo._core import _normalize_mocker_config

    profile = {"type": "external", "provider": "dynamo_profile", "config": {"path": options["profile"]}}
    rank = {"worker_type": worker_type, "block_size": options["block_tokens"], "num_gpu_blocks": options["blocks"],
            "max_num_batched_tokens": options["max_batch_tokens"], "max_num_seqs": options[worker_type]["max_batch"],
            "timing_model": profile}  # fmt: skip
    return _normalize_mocker_config({"engine": rank})


def write_profile(path, line):
    """Both latencies as straight lines through two points: Dynamo interpolates and extrapolates."""
    import numpy

    tokens = numpy.array([0.0, 1e7])
    prefill = line["prefill_base_ms"] + line["prefill_us_per_token"] * 1e-3 * tokens
    decode = line["decode_base_ms"] + line["decode_ns_per_token"] * 1e-6 * tokens
    numpy.savez(path, prefill_isl=tokens, prefill_ttft_ms=prefill, decode_active_kv_tokens=tokens,
                decode_context_length=tokens, decode_itl=numpy.stack([decode, decode], axis=1))  # fmt: skip


def main():
    options = json.load(sys.stdin)
    from dynamo.replay.api import run_trace_replay

    write_profile(options["profile"], options["line"])
    pools = {f"{kind}_engine_args": engine(kind, options) for kind in ("prefill", "decode")}
    began = time.process_time()
    report = run_trace_replay(options["trace"], num_prefill_workers=options["prefill"]["instances"],
                              num_decode_workers=options["decode"]["instances"], router_mode=options["router"],
                              trace_block_size=options["block_tokens"], capture_per_request=options["requests"],
                              **pools)  # fmt: skip
    answer = {"cpu_s": time.process_time() - began, "version": version("ai-dynamo-runtime"), "summary": report.summary}
    if options["requests"]:
        names = ("arrival_time_ms", "ttft_ms", "e2e_latency_ms", "input_length", "output_length", "reused_input_tokens")
        answer["requests"] = [[request[name] for name in names] for request in report.per_request]
    with open(options["answer"], "w", encoding="utf-8") as file:
        json.dump(answer, file, default=str)


if __name__ == "__main__":
    main()
