//! The figures that there are.

use crate::axis::Spacing;
use crate::bars::Bars;
use crate::data::View;
use crate::figure::{Figure, Kind};
use crate::intervals::{Intervals, Mark, Measure};
use crate::lines::{Across, Lines, Logarithm};
use crate::{closed_form, paper, style, words};

const CONTEXT: Across = Across {
    axis: "workload.context_tokens",
    title: "Context length (tokens)",
    spacing: Spacing::Log,
    label: words::tokens,
};

pub(crate) const LOAD: Across = Across {
    axis: "workload.prefill_utilisation_ratio",
    title: "Prefill load (utilisation with cold caches)",
    spacing: Spacing::Linear,
    label: words::percent,
};

const STALENESS: Across = Across {
    axis: "telemetry.interval_s",
    title: "Telemetry interval",
    spacing: Spacing::Ordinal,
    label: words::interval,
};

/// Load at which bars and tables are shown: the middle of the grid.
pub(crate) const MIDDLE_LOAD: f64 = 0.6;

const TTFT: Lines = Lines {
    across: LOAD,
    metric: "ttft_mean_ns",
    factor: 1e-9,
    y_title: "Mean TTFT (s)",
    suffix: "",
    logarithm: Logarithm::Wide,
    bounds: (0.0, f64::INFINITY),
    ratio: false,
    metrics: &[],
    closed_form: None,
};

const RATIO: Lines =
    Lines { factor: 1.0, y_title: "Mean TTFT, ratio to {baseline}", logarithm: Logarithm::Always, ratio: true, ..TTFT };

/// Of a policy, by what the prefill instances are chosen by.
const POLICIES: Intervals = Intervals {
    view: View::policies_against("prefill.policy"),
    rows: &[],
    mark: Mark { title: "Prefill instances by", label: |_, word| word.replace('_', "-") },
    metric: "ttft_mean_ns",
    metrics: &[],
    measure: Measure::Ratio,
    limit: None,
    x_title: "Mean TTFT, ratio to {baseline}",
    says: "Left of 1 is better. AIBrix, Mooncake and NetKV joint choose prefill instances themselves, by prefix caches \
           too: between their marks only the baseline differs.",
};

/// The paper's promise for the mean time between tokens, in milliseconds.
pub(crate) const TBT_PROMISE_MS: f64 = 0.5;

/// What is missing from NetKV, at two loads.
const ABLATION: Intervals = Intervals {
    view: View { only: &[("cluster.placement", "scattered")], ..View::policies_against(LOAD.axis) },
    rows: &["netkv_guarded_static", "netkv_guarded_no_ledger", "netkv_guarded_no_cache", "netkv_guarded_no_load"],
    mark: Mark { title: "Prefill load", label: |load, _| words::percent(load) },
    says: "Right of 1: the term shortens the wait. Static is without congestion. The oracle tells it for each pair of \
           racks.",
    ..POLICIES
};

static STUDY: [Figure; 19] = [
    Figure {
        name: "ttft_vs_context",
        experiment: "context",
        title: "Mean time to first token against context length",
        shows: "How long users wait for the first token as prompts grow, at a constant prefill load.",
        kind: Kind::Lines(Lines { across: CONTEXT, logarithm: Logarithm::Always, ..TTFT }),
    },
    Figure {
        name: "ratio_vs_context",
        experiment: "context",
        title: "Does it pay? Mean TTFT relative to the baseline, against context length",
        shows: "The same as a ratio to the baseline policy, seed by seed, with its interval.",
        kind: Kind::Lines(Lines { across: CONTEXT, ..RATIO }),
    },
    Figure {
        name: "ttft_vs_load",
        experiment: "load",
        title: "Mean time to first token against load",
        shows: "How long users wait for the first token as the prefill instances fill up.",
        kind: Kind::Lines(TTFT),
    },
    Figure {
        name: "ratio_vs_load",
        experiment: "load",
        title: "Does it pay? Mean TTFT relative to the baseline, against load",
        shows: "The same as a ratio to the baseline policy, seed by seed, with its interval.",
        kind: Kind::Lines(RATIO),
    },
    Figure {
        name: "slo_vs_load",
        experiment: "load",
        title: "Requests within their objectives against load",
        shows: "Share of requests whose time to first token and mean time between tokens are as promised.",
        kind: Kind::Lines(Lines {
            metric: "slo_attainment_ratio",
            factor: 100.0,
            y_title: "SLO attainment (share of requests)",
            suffix: " %",
            logarithm: Logarithm::Never,
            bounds: (0.0, 100.0),
            ..TTFT
        }),
    },
    Figure {
        name: "slo_objectives",
        experiment: "load",
        title: "What an objective makes of it: requests within the TTFT objective, against the baseline",
        shows: "Percentage points of requests within their objectives that a policy gains over the baseline at a prefill \
                load of 60 %: by the relative objective that the other figures use, and by fixed limits.",
        kind: Kind::Intervals(Intervals {
            view: View { across: None, only: &[(LOAD.axis, "0.6")], ..View::policies_against(LOAD.axis) },
            mark: Mark { title: "TTFT within", ..POLICIES.mark },
            metric: "slo_ttft_ratio",
            metrics: &[
                ("slo_ttft_ratio", "the relative objective"),
                ("ttft_within_1s_ratio", "1 s"),
                ("ttft_within_2s_ratio", "2 s"),
                ("ttft_within_5s_ratio", "5 s"),
                ("ttft_within_10s_ratio", "10 s"),
            ],
            measure: Measure::Difference(100.0),
            x_title: "Share within the TTFT objective less that of {baseline} (percentage points)",
            says: "Right of 0 is better. One run, counted five times: only the objective differs.",
            ..POLICIES
        }),
    },
    Figure {
        name: "tbt_vs_load",
        experiment: "load",
        title: "Mean time between tokens against load",
        shows: "What decode selection does to the pace of tokens after the first.",
        kind: Kind::Lines(Lines { metric: "tbt_mean_ns", factor: 1e-6, y_title: "Mean TBT (ms)", ..TTFT }),
    },
    Figure {
        name: "ttft_vs_staleness",
        experiment: "staleness",
        title: "Mean time to first token against the age of telemetry",
        shows: "What is lost when policies see the network as it was some time ago.",
        kind: Kind::Lines(Lines { across: STALENESS, ..TTFT }),
    },
    Figure {
        name: "ttft_parts",
        experiment: "load",
        title: "What the time to first token is made of",
        shows: "The seven parts of the mean time to first token, policy by policy.",
        kind: Kind::Bars(Bars {
            axis: LOAD.axis,
            wanted_x: MIDDLE_LOAD,
            parts: &style::TTFT_PARTS,
            factor: 1e-9,
            x_title: "Mean TTFT (s)",
            shares: false,
        }),
    },
    Figure {
        name: "tier_mix",
        experiment: "load",
        title: "How far KV caches travel",
        shows: "Share of KV transfers by distance between the prefill and the decode instance, policy by policy.",
        kind: Kind::Bars(Bars {
            axis: LOAD.axis,
            wanted_x: MIDDLE_LOAD,
            parts: &style::TIERS,
            factor: 100.0,
            x_title: "Share of transfers (%)",
            shares: true,
        }),
    },
    Figure {
        name: "theory_context",
        experiment: "theory_context",
        title: "Cache-aware-only selection against NetKV where the cached prefix is behind an uplink",
        shows: "Simulation against the closed form of the first theorem: the cached prefix draws every request over one \
                way, whose transfers take ever longer as the context nears what it carries, and pile up beyond.",
        kind: Kind::Lines(Lines {
            across: CONTEXT,
            logarithm: Logarithm::Always,
            closed_form: Some(closed_form::context),
            ..TTFT
        }),
    },
    Figure {
        name: "theory_staleness",
        experiment: "theory_staleness",
        title: "How often old telemetry ranks the ways wrongly",
        shows: "Decisions whose first-ranked way is not first at present, against the bound of the second theorem: \
                those in which congestion has drifted as far as the margin.",
        kind: Kind::Lines(Lines {
            across: STALENESS,
            metric: "rank_inversion_ratio",
            metrics: &["rank_inversion_ratio", "rank_drift_ratio", "choice_change_ratio"],
            factor: 100.0,
            y_title: "Share of decisions",
            suffix: " %",
            logarithm: Logarithm::Never,
            bounds: (0.0, 100.0),
            ..TTFT
        }),
    },
    Figure {
        name: "policies_ttft",
        experiment: "policies",
        title: "Every policy: mean TTFT relative to the baseline",
        shows: "How long users wait for the first token under every policy, with both ways to choose prefill instances.",
        kind: Kind::Intervals(POLICIES),
    },
    Figure {
        name: "policies_slo",
        experiment: "policies",
        title: "Every policy: requests within their objectives, against the baseline",
        shows: "Percentage points of requests within both objectives that a policy gains over the baseline.",
        kind: Kind::Intervals(Intervals {
            metric: "slo_attainment_ratio",
            measure: Measure::Difference(100.0),
            x_title: "SLO attainment less that of {baseline} (percentage points)",
            says: "Right of 0 is better.",
            ..POLICIES
        }),
    },
    Figure {
        name: "policies_tbt",
        experiment: "policies",
        title: "Every policy: what it costs in time between tokens, against the baseline",
        shows: "Milliseconds that a policy adds to the mean time between tokens; the paper promises less than 0.5 ms.",
        kind: Kind::Intervals(Intervals {
            metric: "tbt_mean_ns",
            measure: Measure::Difference(1e-6),
            limit: Some(TBT_PROMISE_MS),
            x_title: "Mean TBT less that of {baseline} (ms)",
            says: "Left of 0 is better. Dashed: 0.5 ms, below which the paper promises to stay.",
            ..POLICIES
        }),
    },
    Figure {
        name: "ablation",
        experiment: "ablation",
        title: "What each term of NetKV's cost is worth, pools scattered",
        shows: "Mean TTFT without a term relative to with it, where prefill and decode instances share nodes and racks.",
        kind: Kind::Intervals(ABLATION),
    },
    Figure {
        name: "ablation_apart",
        experiment: "ablation",
        title: "What each term of NetKV's cost is worth, pools in pods of their own",
        shows: "The same where every transfer crosses the core, so that distance cannot decide.",
        kind: Kind::Intervals(Intervals {
            view: View { only: &[("cluster.placement", "per_pod")], ..ABLATION.view },
            ..ABLATION
        }),
    },
    Figure {
        name: "ablation_tbt",
        experiment: "ablation",
        title: "What the terms of NetKV's cost do to the time between tokens, pools scattered",
        shows: "Milliseconds that leaving out a term adds to the mean time between tokens.",
        kind: Kind::Intervals(Intervals {
            metric: "tbt_mean_ns",
            measure: Measure::Difference(1e-6),
            x_title: "Mean TBT less that of {baseline} (ms)",
            says: "Right of 0: the term shortens the gaps. Static is without congestion. The oracle tells it for each \
                   pair of racks.",
            ..ABLATION
        }),
    },
    Figure {
        name: "oracle",
        experiment: "oracle",
        title: "How much of the network an operator has to tell",
        shows: "Mean TTFT of NetKV with finer oracles relative to one that knows distances alone.",
        kind: Kind::Intervals(Intervals {
            view: View { series: "oracle.granularity", ..View::policies_against(STALENESS.axis) },
            mark: Mark { title: "Telemetry every", label: |seconds, _| words::interval(seconds) },
            x_title: "Mean TTFT, ratio to the static oracle",
            says: "Left of 1 is better. The exact oracle is never old.",
            ..POLICIES
        }),
    },
];

/// Every figure, in the order of the report: the paper's, then those of the study beyond it.
pub(crate) fn catalog() -> Vec<&'static Figure> {
    paper::FIGURES.iter().chain(&STUDY).collect()
}

/// What stands above a figure and its like in the report.
pub(crate) fn heading(figure: &Figure) -> &'static str {
    let is_of_paper = paper::FIGURES.iter().any(|other| other.name == figure.name);
    if is_of_paper { "The paper's figures, and the bridge to ours" } else { "Figures beyond the paper" }
}

/// The experiments that figures are drawn from, each once.
pub(crate) fn experiments() -> Vec<&'static str> {
    let mut names: Vec<_> = catalog().into_iter().map(|figure| figure.experiment).collect();
    names.sort_unstable();
    names.dedup();
    names
}
