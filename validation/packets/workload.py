"""A piece of the paper's RAG workload: the transfers of `netkv cell --transfers`, as a case.

Shortened: bytes and all times of a piece are divided by one factor, links stay what they are. The fluid model's solution is
then the same picture with another ruler, to what latency adds. For packets it is a harder case: windows, queues and round
trips are those of the real fabric, so everything that takes round trips (slow start, finding a new share) takes a larger
part of a transfer, by that factor. What is found is thus an upper bound of these errors, and two factors tell how they go."""

import csv
import io
import json
import tempfile
from pathlib import Path

import engines
import families

POLICIES = ["round_robin", "cache_load_aware", "netkv"]
EXPERIMENT = engines.ROOT / "experiments/paper/load.toml"


def read_cell(netkv, policy, seed=1, experiment=EXPERIMENT):
    """The flows and the requests of a cell, and where its requests came from."""
    which = f"application=rag,workload.capacity_ratio=1.0,policy.name={policy},seed={seed}"
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "transfers.csv", Path(folder) / "requests.csv"]
        command = [netkv, "cell", experiment, which, "--json", "--out", folder]
        shown = json.loads(engines.run([*command, "--transfers", files[0], "--requests", files[1]]))
        tables = [list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8")))) for file in files]
    return tables[0], tables[1], shown["trace"]


def numbers(words):
    return [int(word) for word in words.split()]


def make_case(rows, name, shorter, first=None):
    """The case of a cell's flows, shortened by a factor; the fluid ends of the cell itself, shortened as well. `first`: the
    flows of so many transfers that enter first."""
    links, known = [], {}
    nic_ns, rack_ns, pod_ns = families.link_latencies_ns(families.LATENCY_NS)
    latencies = {2: [nic_ns] * 2, 4: [nic_ns, rack_ns, rack_ns, nic_ns],
                 6: [nic_ns, rack_ns, pod_ns, pod_ns, rack_ns, nic_ns]}  # fmt: skip

    def way(ids, capacities):
        for link, capacity, latency_ns in zip(ids, capacities, latencies[len(ids)]):
            if link not in known:
                known[link] = len(links)
                links.append({"id": len(links), "bandwidth_Bps": float(capacity), "latency_s": latency_ns * 1e-9})
        return [known[link] for link in ids]

    requests = sorted({int(row["request"]) for row in rows})[:first]
    rows = [row for row in rows if int(row["request"]) in set(requests)]
    # A flow of a case enters a way's latency after its start.
    starts = [int(row["entered_ns"]) - int(row["latency_ns"]) for row in rows]
    zero = min(starts)
    flows = []
    for row, start_ns in zip(rows, starts):
        path, capacities = numbers(row["path_links"]), numbers(row["path_bytes_per_s"])
        assert sum(latencies[len(path)]) == int(row["latency_ns"]), "the fabric is the paper's"
        flows.append({
            "id": len(flows), "start_s": round((start_ns - zero) / shorter) * 1e-9,
            "size_bytes": max(1, int(row["flow_bytes"]) // shorter), "path": way(path, capacities), "rate_cap_Bps": None,
            "back": way(numbers(row["way_back_links"]), capacities[::-1]), "transfer": int(row["request"]),
        })  # fmt: skip
    case = {"format": "flowref/1", "name": name, "family": "workload", "queue_bytes": families.QUEUE_BYTES,
            "links": links, "flows": flows}  # fmt: skip
    return case, [(int(row["flow_end_ns"]) - zero) * 1e-9 for row in rows]


def mean(values):
    return sum(values) / len(values)


def other_parts_s(requests):
    """Mean TTFT of the counted requests of a cell less its transfer: what packets do not touch, and which of them count."""
    counted = [row for row in requests if row["counted"] == "true"]
    rest = [(int(row["ttft_ns"]) - int(row["transfer_ns"])) * 1e-9 for row in counted]
    return mean(rest), {int(row["request"]) for row in counted}
