#!/usr/bin/env python3
"""A router to begin with: the decode instance whose KV cache comes soonest, with what is on its way there counted.

netkv starts it, asks it on its standard input and reads its answers from its standard output, one JSON object a line.
docs/external.md says what every message holds.
"""
import json
import sys


def cost(candidate):
    """Seconds until the KV cache is there, and a little for every request that decodes there already."""
    path = candidate["path"]
    free = path["bandwidth_bytes_per_s"] * (1.0 - path["congestion_ratio"])
    ways = candidate["sharing_transfers"] + 1
    return path["latency_s"] + ways * candidate["transfer_bytes"] / free + 0.001 * candidate["running"]


def main():
    for line in sys.stdin:
        message = json.loads(line)
        if message["type"] == "hello":
            answer = {"version": 1, "name": "soonest", "release": "1.0", "events": False}
        elif message["type"] == "decide":
            best = min(message["candidates"], key=lambda candidate: (cost(candidate), candidate["instance"]))
            answer = {"question": message["question"], "instance": best["instance"]}
        else:
            continue
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
