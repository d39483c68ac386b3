"""The cases on which the fluid model is compared with packets and with real TCP.

A case is a flowref/1 case (docs/validation.md) that says a little more, which `netkv flows` passes over:

  name, family       what it is
  queue_bytes        what a link's queue holds
  flows[].back       the links of the way back, for acknowledgements
  flows[].transfer   the KV transfer that the flow is a part of; null for traffic of others

The fabric is the one of the paper (arXiv 2606.03910, section VI): an instance's interface carries 100 Gb/s, a link of its
rack 50, one of its pod 25, and the ways take 1, 3, 8 and 15 us. Links carry so many bytes of payload; what headers take is
part of the wire's rate, which is higher by that much."""

import math
import random

QUEUE_BYTES = 4_000_000
SHALLOW_BYTES = 360_000
NVLINK, NIC, RACK, POD = 450_000_000_000, 12_500_000_000, 6_250_000_000, 3_125_000_000
# One way of tiers 0 to 3 in nanoseconds, and what one link of each kind adds to it.
LATENCY_NS = (1_000, 3_000, 8_000, 15_000)
MB = 1_000_000


def link_latencies_ns(tiers):
    """What a link of an interface, a rack and a pod takes, so that the ways of tiers 1 to 3 take what they should."""
    _, rack, pod, core = tiers
    return rack // 2, (pod - rack) // 2, (core - pod) // 2


class Fabric:
    """Two pods of two racks; links are made when a flow first takes them."""

    def __init__(self, instances_per_rack=4, spines=8, cores=16):
        self.instances_per_rack, self.spines, self.cores = instances_per_rack, spines, cores
        self.names, self.links = {}, []

    def link(self, name, capacity, latency_ns):
        if name not in self.names:
            self.names[name] = len(self.links)
            self.links.append({"id": len(self.links), "bandwidth_Bps": float(capacity), "latency_s": latency_ns * 1e-9})
        return self.names[name]

    def rack(self, instance):
        return instance // self.instances_per_rack

    def pod(self, instance):
        return self.rack(instance) // 2

    def way(self, source, destination, spine=0, core=0, nvlink=False):
        """The links from an instance to another; the spine has the same number in both pods."""
        nic_ns, rack_ns, pod_ns = link_latencies_ns(LATENCY_NS)
        if nvlink:
            return [self.link(("nvlink", end, way), NVLINK, LATENCY_NS[0] // 2)
                    for end, way in ((source, "up"), (destination, "down"))]  # fmt: skip
        up = [("nic", source, NIC, nic_ns)]
        down = [("nic", destination, NIC, nic_ns)]
        if self.rack(source) != self.rack(destination):
            up.append(("rack", (self.rack(source), spine), RACK, rack_ns))
            down.append(("rack", (self.rack(destination), spine), RACK, rack_ns))
        if self.pod(source) != self.pod(destination):
            up.append(("pod", (self.pod(source), core), POD, pod_ns))
            down.append(("pod", (self.pod(destination), core), POD, pod_ns))
        climb = [self.link((kind, place, "up"), capacity, ns) for kind, place, capacity, ns in up]
        return climb + [self.link((kind, place, "down"), capacity, ns) for kind, place, capacity, ns in reversed(down)]

    def flow(self, start_s, size, transfer, source, destination, **choice):
        """A flow with its way and its way back."""
        way = self.way(source, destination, **choice)
        back = self.way(destination, source, **choice)
        return {"start_s": round(start_s, 9), "size_bytes": int(size), "path": way, "rate_cap_Bps": None,
                "back": back, "transfer": transfer}  # fmt: skip

    def case(self, name, family, flows, queue_bytes=QUEUE_BYTES):
        flows = sorted(flows, key=lambda flow: flow["start_s"])
        flows = [{"id": number, **flow} for number, flow in enumerate(flows)]
        return {"format": "flowref/1", "name": name, "family": family, "queue_bytes": queue_bytes,
                "links": self.links, "flows": flows}  # fmt: skip


def tier():
    """One transfer alone, over each tier."""
    destinations = {0: 1, 1: 1, 2: 4, 3: 8}
    for number, destination in destinations.items():
        for size in (300 * MB, 1000 * MB) if number == 0 else (30 * MB, 300 * MB, 1000 * MB):
            fabric = Fabric()
            flow = fabric.flow(0, size, 0, 0, destination, nvlink=number == 0)
            yield fabric.case(f"tier{number}_{size // MB}MB", "tier", [flow])


def incast(family="incast", senders=(2, 4, 8, 16, 32), queue_bytes=QUEUE_BYTES):
    """n instances of a rack into one interface: at once with equal sizes, and at random times with random sizes."""
    for n in senders:
        fabric = Fabric(instances_per_rack=n + 1)
        size = max(400 // n, 12) * MB
        flows = [fabric.flow(0, size, sender, sender + 1, 0) for sender in range(n)]
        yield fabric.case(f"{family}{n}_together", family, flows, queue_bytes)
        source = random.Random(f"{family} {n}")
        fabric = Fabric(instances_per_rack=n + 1)
        span_s = n * size / NIC / 2
        flows = [
            fabric.flow(source.uniform(0, span_s), size * source.uniform(0.3, 1.7), sender, sender + 1, 0)
            for sender in range(n)
        ]
        yield fabric.case(f"{family}{n}_apart", family, flows, queue_bytes)


def shallow():
    """Incast into a queue of 40 packets."""
    return incast("shallow", (8, 32), SHALLOW_BYTES)


def uplink():
    """Flows of unequal sizes from the instances of a rack to those of another, all over one spine."""
    for number in range(3):
        source = random.Random(f"uplink {number}")
        fabric = Fabric(instances_per_rack=8)
        flows = [
            fabric.flow(source.uniform(0, 0.012), source.uniform(5, 75) * MB, sender, sender, 8 + sender)
            for sender in range(8)
        ]
        yield fabric.case(f"uplink_{number}", "uplink", flows)


def ecmp():
    """Transfers of four flows each between random instances, every flow over a random spine and core of few."""
    for number in range(3):
        source = random.Random(f"ecmp {number}")
        fabric = Fabric(spines=4, cores=8)
        flows = []
        for transfer in range(12):
            start = source.uniform(0, 0.02)
            size = source.uniform(10, 100) * MB
            sender, receiver = source.randrange(4), source.randrange(4, 16)
            flows += [
                fabric.flow(start, size / 4, transfer, sender, receiver, spine=source.randrange(4), core=source.randrange(8))
                for _ in range(4)
            ]
        yield fabric.case(f"ecmp_{number}", "ecmp", flows)


def background():
    """KV transfers beside flows of others of 0.1 to 30 MB that take a third of what the rack's links carry."""
    for number in range(2):
        source = random.Random(f"background {number}")
        fabric = Fabric(spines=2, cores=4)
        flows, now = [], 0.0
        while now < 0.06:
            size = math.exp(source.uniform(math.log(0.1), math.log(30))) * MB
            sender, receiver = source.randrange(16), source.randrange(16)
            if fabric.rack(sender) != fabric.rack(receiver):
                # Mean 5.24 MB; eight rack links of each direction.
                now += source.expovariate(0.33 * 8 * RACK / (5.24 * MB))
                choice = {"spine": source.randrange(2), "core": source.randrange(4)}
                flows.append(fabric.flow(now, size, None, sender, receiver, **choice))
        for transfer in range(16):
            choice = {"spine": source.randrange(2), "core": source.randrange(4)}
            sender, receiver = source.randrange(4), source.randrange(4, 16)
            size = source.uniform(10, 75) * MB
            flows.append(fabric.flow(source.uniform(0, 0.05), size, transfer, sender, receiver, **choice))
        yield fabric.case(f"background_{number}", "background", flows)


FAMILIES = {"tier": tier, "incast": incast, "uplink": uplink, "ecmp": ecmp, "background": background, "shallow": shallow}


def scaled(case, bytes_over, rate_over, latency_times=1.0):
    """The same case with all bytes and all capacities divided; starts follow, so that the fluid model's solution is the
    same picture with another ruler: times are those of the case times rate_over / bytes_over."""
    stretch = rate_over / bytes_over
    links = [
        {**link, "bandwidth_Bps": float(int(link["bandwidth_Bps"] / rate_over)),
         "latency_s": link["latency_s"] * latency_times}
        for link in case["links"]
    ]  # fmt: skip
    flows = [
        {**flow, "start_s": round(flow["start_s"] * stretch, 9), "size_bytes": max(1, int(flow["size_bytes"] / bytes_over))}
        for flow in case["flows"]
    ]
    return {**case, "links": links, "flows": flows}
