#!/usr/bin/env python3
"""Draws the figures of the packet study for docs/validation.md: what packets and the kernel's TCP took is read from
recorded/, what our transports take is computed. Needs netkv and matplotlib (requirements.txt).

  python3 validation/packets/figures.py    writes docs/validation/packets_*.svg"""

import argparse
import itertools
import json
import sys
from pathlib import Path

import calibrate
import engines
import families
import recorded
import workload
from league import LEAGUE, League
from study import TCP_BYTES, TCP_RATE

FOLDER = engines.ROOT / "docs/validation"
# Okabe and Ito's colours, which can be told apart by everybody.
COLOURS = {"fluid": "#0072B2", "calibrated": "#D55E00", "tcp": "#009E73", "paper": "#BBBBBB"}
LABELS = {
    "fluid": "fluid against packets (ns-3, DCTCP)",
    "calibrated": "calibrated against packets",
    "tcp": "fluid against the kernel's TCP (CUBIC)",
}
NAMES = {"round_robin": "RR", "cache_load_aware": "CLA*", "netkv": "NetKV", "netkv_flow": "NetKV flow",
         "netkv_joint": "NetKV joint"}  # fmt: skip
# Table V of the paper: mean TTFT overstated by 9 to 13 %, NetKV's lead by 4 to 6 points, on its flow level.
PAPER_MEAN = tuple(100 * (1 / (1 + over) - 1) for over in (0.09, 0.13))
PAPER_POINTS = (-6.0, -4.0)


def errors_of_tcp(netkv):
    """By family, the errors of the fluid model against the kernel's TCP; all repeats together."""
    seconds, found = recorded.by_case(recorded.TCP), {}
    for name in families.FAMILIES:
        for case in families.FAMILIES[name]():
            if case["name"] in seconds:
                scaled = families.scaled(case, TCP_BYTES, TCP_RATE)
                here = engines.transfer_times(scaled, engines.fluid(scaled, netkv))
                there = seconds[case["name"]]
                found.setdefault(name, []).extend(100 * (far / near - 1) for far, near in zip(there, itertools.cycle(here)))
    return found


def errors_of_transfers(netkv, transport, league):
    """By what is compared, by family, the errors of single transfers in percent."""
    found = {"fluid": {}, "calibrated": {}, "tcp": errors_of_tcp(netkv)}
    for name, cases in calibrate.cases_of(families.FAMILIES).items():
        for model, coefficients in (("fluid", None), ("calibrated", transport)):
            found[model][name] = [error for case in cases for error in case.errors(case.times(netkv, coefficients))]
    for policy in LEAGUE["policies"]:
        cells = [cell for cell in league.rows if cell[1] == policy]
        there = [seconds for cell in cells for seconds in league.transfers(cell, "seconds")]
        for model, column in (("fluid", "fluid_s"), ("calibrated", "calibrated_s")):
            here = [seconds for cell in cells for seconds in league.transfers(cell, column)]
            found[model][f"RAG, {NAMES[policy]}"] = [100 * (far / near - 1) for far, near in zip(there, here)]
    return found


def style(plt):
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                         "grid.color": "#DDDDDD", "grid.linewidth": 0.6, "axes.axisbelow": True, "svg.hashsalt": "netkv",
                         "legend.frameon": False, "savefig.bbox": "tight"})  # fmt: skip


def save(figure, name):
    FOLDER.mkdir(exist_ok=True)
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
    print(FOLDER / f"{name}.svg")


def draw_transfers(plt, found):
    """Errors of single transfers by family: median, the middle 95 % and the worst."""
    rows = list(found["fluid"])
    figure, axes = plt.subplots(figsize=(7.2, 0.46 * len(rows) + 1.3))
    shift = {"fluid": -0.25, "calibrated": 0.0, "tcp": 0.25}
    for model, by_family in found.items():
        for row, name in enumerate(rows):
            if name not in by_family:
                continue
            errors, place = sorted(by_family[name]), row + shift[model]
            low, high = engines.quantile(errors, 0.025), engines.quantile(errors, 0.975)
            label = LABELS[model] if row == 0 else None
            axes.plot([low, high], [place, place], color=COLOURS[model], linewidth=3, alpha=0.45, solid_capstyle="butt")
            axes.plot([engines.median(errors)], [place], "o", color=COLOURS[model], markersize=4.5, label=label)
            axes.plot([errors[0], errors[-1]], [place, place], "|", color=COLOURS[model], markersize=6)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=10, linscale=1.2)
    ticks = [-50, -20, -10, -5, 0, 5, 10, 20, 50, 100, 500]
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.set_xlim(-85, 600)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("Longer there than in the model, in % of a transfer's time (linear within ±10)\n"
                    "dot: median; bar: middle 95 %; ticks: worst")  # fmt: skip
    axes.legend(loc="lower center", bbox_to_anchor=(0.42, 1.0), ncols=3, fontsize=8, columnspacing=1.2, handletextpad=0.2)
    save(figure, "packets_transfers")


def mean_errors(league, policy, column):
    """By seed, the error of a policy's mean TTFT in percent."""
    ttft = [[league.ttft_s(policy, name, seed) for name in ("seconds", column)] for seed in LEAGUE["seeds"]]
    return [100 * (there / here - 1) for there, here in ttft]


def lead_errors(league, other, column):
    """By seed, the error of NetKV's lead over a policy in percentage points."""
    leads = [league.gains("netkv", other, name) for name in ("seconds", column)]
    return [there - here for there, here in zip(*leads)]


def draw_means(plt, league):
    """Errors of mean TTFT by policy, and of NetKV's lead over each other policy, the paper's beside them."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.1), layout="constrained")
    policies = LEAGUE["policies"]
    others = [policy for policy in policies if policy != "netkv"]
    models = {"fluid": "fluid_s", "calibrated": "calibrated_s"}
    for axes, names, sizes_of in ((left, policies, mean_errors), (right, others, lead_errors)):
        for number, (model, column) in enumerate(models.items()):
            by_seed = [sizes_of(league, name, column) for name in names]
            places = [place + 0.36 * (number - 0.5) for place in range(len(names))]
            axes.bar(places, list(map(workload.mean, by_seed)), 0.34, color=COLOURS[model], label=f"ours, {model}")
            dots = [(place, size) for place, sizes in zip(places, by_seed) for size in sizes]
            label = "each of five seeds" if number and axes is left else None
            axes.plot(*zip(*dots), ".", color="black", markersize=3, label=label)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(range(len(names)), [NAMES[name].replace(" ", "\n") for name in names])
        axes.grid(axis="x", visible=False)
    for axes, (low, high), words in (
        (left, sorted(PAPER_MEAN), "the paper: its flow level\noverstates by 9 to 13 %"),
        (right, PAPER_POINTS, "the paper: its flow level\noverstates by 4 to 6 points"),
    ):
        axes.axhspan(low, high, color=COLOURS["paper"], alpha=0.6, linewidth=0)
        axes.text(0.02, (low + high) / 2, words, transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    left.set_ylabel("Mean TTFT in packets\nover that of the model, less one (%)")
    right.set_ylabel("NetKV's lead in packets\nless that in the model (points)")
    left.set_title("Mean TTFT", fontsize=9, loc="left")
    right.set_title("NetKV's lead over …", fontsize=9, loc="left")
    left.legend(loc="lower right", fontsize=8, bbox_to_anchor=(1.0, 0.3))
    save(figure, "packets_means")


def main(words=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netkv", type=Path, default=engines.ROOT / "target/release/netkv", metavar="PROGRAM")
    arguments = parser.parse_args(words)
    try:
        import matplotlib

        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        print("figures.py: matplotlib is not here (pip install -r validation/packets/requirements.txt)", file=sys.stderr)
        return 69
    try:
        transport = json.loads(calibrate.RESULT.read_text(encoding="utf-8"))["transport"]
        league = League()
        league.add_calibrated(arguments.netkv, transport)
        found = errors_of_transfers(arguments.netkv, transport, league)
    except (OSError, engines.Unavailable) as error:
        print(f"figures.py: {error}", file=sys.stderr)
        return 69
    except engines.Failed as error:
        print(f"figures.py: {error}", file=sys.stderr)
        return 2
    style(plt)
    draw_transfers(plt, found)
    draw_means(plt, league)
    return 0


if __name__ == "__main__":
    sys.exit(main())
