"""A small real network: network namespaces as hosts and switches, veth pairs as cables, token buckets as link rates, the
kernel's own TCP and real bytes.

The namespaces have no names: they are held open by this process alone, so that the kernel takes them and everything in
them away when it ends, however it ends. All addresses are inside them. Needs root (or CAP_SYS_ADMIN and CAP_NET_ADMIN),
the programs ip and tc, and the queueing discipline tbf.

Every directed link of a case is a veth pair of its own, shaped where it begins; every flow has a pair of addresses of its
own and a host route for each on every switch of its way, so that it takes the links of the fluid model's flow."""

import ctypes
import os
import resource
import selectors
import shutil
import signal
import socket
import subprocess
import time

from engines import Unavailable

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
MOST_PLACES, MOST_LINKS, MOST_FLOWS = 96, 256, 320
# Ethernet's header is in what a token bucket counts; IPv4 and TCP with time stamps take 52 bytes of a packet.
MTU, HEADERS, ETHERNET = 1500, 52, 14
# A bucket's depth in time, and a queue's: with drop-tail queues of some milliseconds a round trip is never more than tens.
BURST_S, QUEUE_S = 5e-3, 30e-3
LEAST_BURST, LEAST_QUEUE = 15_000, 30_000
PORT = 5000
MAC = "02:00:00:00:00:01"
CHUNK = 1 << 17
NO_ROOT = "the real network needs root, for its namespaces (sudo python3 validation/packets/study.py --parts tcp)"
REFUSED = " (a container allows it with: docker run --privileged)"
MODULES = {"ip": " (modprobe veth)", "tc": " (modprobe sch_tbf)"}


def libc_call(name, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class Namespace:
    """A network namespace without a name."""

    home = None

    def __init__(self):
        if Namespace.home is None:
            Namespace.home = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            libc_call("unshare", CLONE_NEWNET)
        except OSError as error:
            raise Unavailable(f"no network namespaces here: unshare: {error.strerror}{REFUSED}") from error
        self.handle = os.open("/proc/self/ns/net", os.O_RDONLY)
        libc_call("setns", Namespace.home, CLONE_NEWNET)

    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.handle}"

    def run(self, program, lines):
        """Runs ip or tc inside with lines of commands."""
        enter = lambda: libc_call("setns", self.handle, CLONE_NEWNET)  # noqa: E731
        done = subprocess.run(
            [program, "-batch", "-"], input="\n".join(lines) + "\n", text=True, capture_output=True,
            preexec_fn=enter, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise Unavailable(f"{program} refuses: {done.stderr.strip()[:300]}{MODULES[program]}")

    def socket(self):
        """A TCP socket that lives inside."""
        libc_call("setns", self.handle, CLONE_NEWNET)
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            libc_call("setns", Namespace.home, CLONE_NEWNET)

    def close(self):
        os.close(self.handle)


def address(number):
    """An address of 198.18.0.0/15, which RFC 2544 keeps for measurements."""
    return f"198.18.{number // 250}.{number % 250 + 1}"


def find_places(case):
    """By link, the places of its two ends: ends that a way joins are one place."""
    parent = list(range(2 * len(case["links"])))

    def find(end):
        while parent[end] != end:
            parent[end] = parent[parent[end]]
            end = parent[end]
        return end

    def join(one, other):
        parent[find(one)] = find(other)

    for flow in case["flows"]:
        path, back = flow["path"], flow["back"]
        for way in (path, back):
            for before, after in zip(way, way[1:]):
                join(2 * before + 1, 2 * after)
        # The way back takes the same cables.
        for there, here in zip(path, reversed(back)):
            join(2 * there, 2 * here + 1)
            join(2 * there + 1, 2 * here)
    numbers = {}
    number = [numbers.setdefault(find(end), len(numbers)) for end in range(len(parent))]
    return [(number[2 * link], number[2 * link + 1]) for link in range(len(case["links"]))], len(numbers)


class Network:
    """The namespaces, links and routes of a case."""

    def __init__(self, case):
        self.ends, n_places = find_places(case)
        if n_places > MOST_PLACES or len(case["links"]) > MOST_LINKS or len(case["flows"]) > MOST_FLOWS:
            raise ValueError(f"{case['name']}: {n_places} places, {len(case['links'])} links: too many to build")
        for program in ("ip", "tc"):
            if shutil.which(program) is None:
                raise Unavailable(f"the program {program} is not here (Debian: apt-get install iproute2)")
        self.places = []
        try:
            for _ in range(n_places):
                self.places.append(Namespace())
            self.build(case)
        except BaseException:
            self.close()
            raise

    def build(self, case):
        links = [["link set lo up"] for _ in self.places]
        shapers = [[] for _ in self.places]
        for number, (link, (tail, head)) in enumerate(zip(case["links"], self.ends)):
            peer = self.places[head].path()
            # One hardware address at both ends and nobody to be asked for it: what goes in comes out.
            end = f"mtu {MTU} address {MAC}"
            links[tail].append(f"link add s{number} {end} type veth peer name r{number} {end} netns {peer}")
            links[tail].append(f"link set s{number} arp off up")
            wire = link["bandwidth_Bps"] * (MTU + ETHERNET) / (MTU - HEADERS)
            burst, queue = max(LEAST_BURST, wire * BURST_S), max(LEAST_QUEUE, wire * QUEUE_S)
            shapers[tail].append(
                f"qdisc add dev s{number} root tbf rate {wire * 8:.0f}bit burst {burst:.0f} limit {queue + burst:.0f}"
            )
        for place, lines in zip(self.places, links):
            place.run("ip", lines)
        more = [[] for _ in self.places]
        for number, (_, head) in enumerate(self.ends):
            more[head].append(f"link set r{number} arp off up")
        for flow in case["flows"]:
            sender, receiver = address(2 * flow["id"]), address(2 * flow["id"] + 1)
            more[self.ends[flow["path"][0]][0]].append(f"addr add {sender}/32 dev lo")
            more[self.ends[flow["back"][0]][0]].append(f"addr add {receiver}/32 dev lo")
            for way, target in ((flow["path"], receiver), (flow["back"], sender)):
                for link in way:
                    more[self.ends[link][0]].append(f"route add {target}/32 dev s{link}")
        for place, lines, shaping in zip(self.places, more, shapers):
            place.run("ip", lines)
            if shaping:
                place.run("tc", shaping)
            self.forward(place)

    @staticmethod
    def forward(place):
        """Switches forward; answers may come over another cable than the one that leads to the sender."""
        child = os.fork()
        if child == 0:
            code = 1
            try:
                libc_call("setns", place.handle, CLONE_NEWNET)
                for key, value in (("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/default/rp_filter", "0")):
                    with open(f"/proc/sys/net/ipv4/{key}", "w", encoding="ascii") as file:
                        file.write(value)
                for name in os.listdir("/proc/sys/net/ipv4/conf"):
                    with open(f"/proc/sys/net/ipv4/conf/{name}/rp_filter", "w", encoding="ascii") as file:
                        file.write("0")
                code = 0
            finally:
                os._exit(code)
        if os.waitpid(child, 0)[1] != 0:
            raise Unavailable(f"the kernel's switches for forwarding cannot be set in a namespace{REFUSED}")

    def close(self):
        for place in self.places:
            place.close()
        self.places = []


def connect(case, network, congestion_control):
    """A connection for each flow, opened before the case begins, as those of a serving system are."""
    pairs = []
    for flow in case["flows"]:
        source = network.places[network.ends[flow["path"][0]][0]]
        destination = network.places[network.ends[flow["path"][-1]][1]]
        with destination.socket() as listener:
            listener.bind((address(2 * flow["id"] + 1), PORT))
            listener.listen(1)
            sender = source.socket()
            sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion_control.encode())
            sender.bind((address(2 * flow["id"]), 0))
            sender.settimeout(10)
            sender.connect((address(2 * flow["id"] + 1), PORT))
            listener.settimeout(10)
            receiver, _ = listener.accept()
        pairs.append((sender, receiver))
    return pairs


def send_all(case, senders, zero):
    """Sends every flow's bytes from its start on, until all are in the kernel; runs in a process of its own."""
    block = bytes(CHUNK)
    selector = selectors.DefaultSelector()
    waiting = sorted(case["flows"], key=lambda flow: flow["start_s"], reverse=True)
    left = {}
    while waiting or left:
        now = time.monotonic() - zero
        while waiting and waiting[-1]["start_s"] <= now:
            flow = waiting.pop()
            left[flow["id"]] = flow["size_bytes"]
            selector.register(senders[flow["id"]], selectors.EVENT_WRITE, flow["id"])
        wait = max(0.0, waiting[-1]["start_s"] - now) if waiting else 1.0
        if not left:
            time.sleep(wait)
            continue
        for key, _ in selector.select(wait):
            sent = key.fileobj.send(block[: min(CHUNK, left[key.data])])
            left[key.data] -= sent
            if left[key.data] == 0:
                selector.unregister(key.fileobj)
                del left[key.data]


def receive_all(case, receivers, zero, deadline):
    """When the last byte of each flow was read; none for those that were not done at the deadline."""
    buffer = bytearray(1 << 18)
    selector = selectors.DefaultSelector()
    left = {flow["id"]: flow["size_bytes"] for flow in case["flows"]}
    for flow, receiver in zip(case["flows"], receivers):
        selector.register(receiver, selectors.EVENT_READ, flow["id"])
    finish_s = [None] * len(receivers)
    while left and time.monotonic() < deadline:
        for key, _ in selector.select(0.5):
            n = key.fileobj.recv_into(buffer)
            left[key.data] -= n
            if left[key.data] <= 0 or n == 0:
                if n > 0:
                    finish_s[key.data] = time.monotonic() - zero
                selector.unregister(key.fileobj)
                del left[key.data]
    return finish_s


def run(case, congestion_control="cubic", limit_s=60):
    """Moves the bytes of a case; returns {"finish_s": [...]} as `netkv flows` prints it, with the kernel's name."""
    wanted = 4 * len(case["flows"]) + 4 * len(case["links"]) + 256
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, wanted)), hard))
    network = Network(case)
    pairs = []
    try:
        pairs = connect(case, network, congestion_control)
        for sender, receiver in pairs:
            sender.setblocking(False)
            receiver.setblocking(False)
        zero = time.monotonic() + 0.1
        child = os.fork()
        if child == 0:
            try:
                # The sender holds the namespaces open too: it dies with its parent, whatever that dies of.
                libc_call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
                send_all(case, [sender for sender, _ in pairs], zero)
            finally:
                os._exit(0)
        try:
            finish_s = receive_all(case, [receiver for _, receiver in pairs], zero, zero + limit_s)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        return {"finish_s": finish_s, "kernel": os.uname().release, "congestion_control": congestion_control}
    finally:
        for sender, receiver in pairs:
            sender.close()
            receiver.close()
        network.close()
