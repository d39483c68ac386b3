"""The fluid model and ns-3 as programs that a case is given to."""

import json
import math
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVER = ROOT / "target/ns3_flows"
SOURCE = Path(__file__).with_name("ns3_flows.cpp")
HEADER = Path("/usr/include/ns3/core-module.h")
LIBRARIES = ["core", "network", "internet", "point-to-point", "traffic-control"]


class Unavailable(Exception):
    """A program, a library or a right is missing on this machine; says the command that helps."""


class Failed(Exception):
    """A program failed, or said what it should not."""


def run(command, text=None):
    """What a program prints."""
    if not Path(command[0]).exists() and shutil.which(command[0]) is None:
        help_text = " (cargo build --release -p netkv)" if Path(command[0]).name == "netkv" else ""
        raise Unavailable(f"{command[0]} is not here{help_text}")
    try:
        done = subprocess.run([str(word) for word in command], input=text, capture_output=True, text=True, check=False)
    except OSError as error:
        raise Failed(f"{command[0]}: cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise Failed(f"{command[0]}: exit status {done.returncode}: {done.stderr.strip()[:2000]}")
    return done.stdout


def build_driver():
    """Builds the driver of ns-3 if it is older than its source."""
    if shutil.which("g++") is None or not HEADER.exists():
        raise Unavailable("ns-3 or g++ is not here (Debian: apt-get install g++ libns3-dev)")
    if DRIVER.exists() and DRIVER.stat().st_mtime >= SOURCE.stat().st_mtime:
        return
    DRIVER.parent.mkdir(exist_ok=True)
    libraries = [f"-lns3-{name}" for name in LIBRARIES]
    with tempfile.TemporaryDirectory(dir=DRIVER.parent) as folder:
        # So that a build that was broken off leaves no driver.
        built = Path(folder) / DRIVER.name
        run(["g++", "-O2", "-std=c++17", "-o", built, SOURCE, *libraries])
        built.replace(DRIVER)


def driver_text(case):
    """A case in the driver's words."""
    lines = [f"queue {case['queue_bytes']}"]
    for link in case["links"]:
        lines.append(f"link {int(link['bandwidth_Bps'])} {round(link['latency_s'] * 1e9)}")
    for flow in case["flows"]:
        path, back = (f"{len(way)} {' '.join(map(str, way))}" for way in (flow["path"], flow["back"]))
        lines.append(f"flow {round(flow['start_s'] * 1e9)} {flow['size_bytes']} {path} {back}")
    return "\n".join(lines) + "\n"


def packets(case):
    """The case in ns-3: {"finish_s": [...], "drops": ...}."""
    return json.loads(run([DRIVER], driver_text(case)))


def fluid(case, netkv, transport=None):
    """When the flows end in the model, in seconds; with the coefficients of a calibrated transport, in that."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({**case, "transport": transport}, file)
        file.flush()
        return json.loads(run([netkv, "flows", file.name]))["finish_s"]


def transfer_times(case, finish_s):
    """By transfer, in order of its number: the time from its start to the end of its last flow; flows of others, which are
    of no transfer, are left out."""
    start, end = {}, {}
    for flow, finish in zip(case["flows"], finish_s):
        transfer = flow["transfer"]
        if transfer is not None:
            start[transfer] = min(start.get(transfer, math.inf), flow["start_s"])
            end[transfer] = max(end.get(transfer, 0.0), math.inf if finish is None else finish)
    return [end[transfer] - start[transfer] for transfer in sorted(start)]


def quantile(values, share):
    """An order statistic: the least value that `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
