//! The paper's figures in its own form, and the walk from its model to ours.

use crate::axis::Spacing;
use crate::data::{POLICY_AXIS, REGIME_AXIS, View};
use crate::figure::{Figure, Kind};
use crate::grid::Grid;
use crate::lines::{Across, Logarithm};
use crate::multiples::{Measured, Multiples};
use crate::steps::{Change, Steps};
use crate::waterfall::Waterfall;
use crate::words;

/// The axis whose values are the paper's workloads.
pub(crate) const APPLICATION_AXIS: &str = "application";
/// GPUs in a pod of experiment paper_scale (section VI-I of the paper).
pub(crate) const GPUS_PER_POD: f64 = 32.0;

const TTFT: Measured = Measured {
    metric: "ttft_mean_ns",
    factor: 1e-9,
    title: "Mean TTFT (s)",
    suffix: "",
    logarithm: Logarithm::Wide,
    bounds: (0.0, f64::INFINITY),
};
const P99: Measured = Measured { metric: "ttft_p99_ns", title: "P99 TTFT (s)", ..TTFT };
const TBT: Measured = Measured {
    metric: "tbt_entry_mean_ns",
    factor: 1e-6,
    title: "TBT on entering the batch (ms)",
    logarithm: Logarithm::Never,
    ..TTFT
};
const SLO: Measured = Measured {
    metric: "slo_ttft_ratio",
    factor: 100.0,
    title: "SLO attainment (TTFT alone)",
    suffix: " %",
    logarithm: Logarithm::Never,
    bounds: (0.0, 100.0),
};
const TRANSFER: Measured = Measured { metric: "transfer_mean_ns", title: "Mean transfer (s)", ..TTFT };

const FOUR: [Measured; 4] = [TTFT, P99, TBT, SLO];
const FIVE: [Measured; 5] = [TTFT, P99, TBT, SLO, TRANSFER];

const LOAD: Across = Across {
    axis: "workload.capacity_ratio",
    title: "Load (share of the calibrated capacity)",
    spacing: Spacing::Linear,
    label: words::percent,
};
const CONTEXT: Across = Across {
    axis: "workload.context_tokens",
    title: "Context length (tokens)",
    spacing: Spacing::Log,
    label: words::tokens,
};
const STALENESS: Across = Across {
    axis: "telemetry.interval_s",
    title: "Telemetry interval",
    spacing: Spacing::Ordinal,
    label: words::interval,
};
const SHARING: Across = Across {
    axis: "workload.prefix_share_ratio",
    title: "Share of requests with a shared prefix",
    spacing: Spacing::Linear,
    label: words::percent,
};
const SCALE: Across = Across {
    axis: "cluster.pods",
    title: "GPUs",
    spacing: Spacing::Log,
    label: |pods| words::trimmed(pods * GPUS_PER_POD),
};

const fn alone(across: Across) -> Multiples {
    Multiples { view: View::policies_against(across.axis), across, measures: &FOUR, says: "" }
}

pub(crate) static FIGURES: [Figure; 8] = [
    Figure {
        name: "paper_topology",
        experiment: "paper_topology",
        title: "Figure 1: what NetKV takes off the mean TTFT of the baseline, by topology",
        shows: "How much lower NetKV's mean TTFT is, at the paper's full load: cross-pod oversubscription against \
                background traffic, for its three workloads.",
        kind: Kind::Grid(Grid {
            view: View {
                panels: APPLICATION_AXIS,
                series: "fabric.pod_oversubscription",
                across: Some("background.steady_ratio"),
                only: &[(POLICY_AXIS, "netkv")],
            },
            row_title: "Cross-pod",
            row_label: |ratio| format!("{}:1", words::trimmed(ratio)),
            column_title: "Background traffic (share of every link)",
            column_label: words::percent,
            metric: "ttft_mean_ns",
            bar_title: "Mean TTFT lower by (%)",
            says: "",
        }),
    },
    Figure {
        name: "paper_load",
        experiment: "paper_load",
        title: "Load, in the paper's model",
        shows: "Mean and P99 of TTFT, TBT and SLO attainment against load, for the paper's three workloads (its Table II \
                and the peaks of its text).",
        kind: Kind::Multiples(Multiples {
            view: View { panels: APPLICATION_AXIS, ..View::policies_against(LOAD.axis) },
            ..alone(LOAD)
        }),
    },
    Figure {
        name: "paper_context",
        experiment: "paper_context",
        title: "Context length, in the paper's model: RAG at 100 % of capacity",
        shows: "The same against context length. The paper prints differences alone (its Table III): they stand in the \
                tables.",
        kind: Kind::Multiples(alone(CONTEXT)),
    },
    Figure {
        name: "paper_staleness",
        experiment: "paper_staleness",
        title: "Figure 2: the age of telemetry, in the paper's model",
        shows: "Whether it matters how old the network's state is: RAG at 100 % of capacity.",
        kind: Kind::Multiples(Multiples {
            says: "P99, TBT and SLO attainment are read off the paper's Figure 2, to a pixel.",
            ..alone(STALENESS)
        }),
    },
    Figure {
        name: "paper_sharing",
        experiment: "paper_sharing",
        title: "Figure 3: prefix sharing, in the paper's model",
        shows: "Whether shared prefixes change the picture: RAG at 100 % of capacity.",
        kind: Kind::Multiples(Multiples {
            says: "P99, TBT and SLO attainment are read off the paper's Figure 3, to a pixel.",
            ..alone(SHARING)
        }),
    },
    Figure {
        name: "paper_ablation",
        experiment: "paper_ablation",
        title: "Figure 4: what each part of NetKV's cost adds, in the paper's model",
        shows: "From cache and load alone to the whole rule, one part at a time, at 100 % of capacity.",
        kind: Kind::Steps(Steps {
            view: View { panels: APPLICATION_AXIS, series: POLICY_AXIS, across: None, only: &[] },
            steps: &[
                ("cache_load_aware", "CLA*"),
                ("netkv_topo_only", "+ static tiers"),
                ("netkv_static", "+ self- contention"),
                ("netkv", "+ dynamic congestion"),
            ],
            measures: &[
                (TTFT, Change::Percent),
                (P99, Change::Percent),
                (TBT, Change::Percent),
                (SLO, Change::Points(100.0)),
            ],
            says: "P99, TBT and SLO attainment are read off the paper's Figure 4, to 1 %.",
        }),
    },
    Figure {
        name: "paper_scale",
        experiment: "paper_scale",
        title: "Figure 5: the size of the cluster, in the paper's model",
        shows: "The same rate of requests on ever larger clusters: RAG at 100 % of capacity.",
        kind: Kind::Multiples(Multiples {
            measures: &FIVE,
            says: "The paper's numbers are those of its flow level; P99, TBT, SLO attainment and transfers are read off its \
                   Figure 5, to 1 %.",
            ..alone(SCALE)
        }),
    },
    Figure {
        name: "paper_bridge",
        experiment: "paper_bridge",
        title: "From the paper's model to ours: which assumption carries NetKV's gain?",
        shows: "What NetKV takes off mean TTFT as the paper's assumptions are replaced one after another (docs/bridge.md).",
        kind: Kind::Waterfall(Waterfall {
            view: View { panels: REGIME_AXIS, series: POLICY_AXIS, across: Some("step"), only: &[] },
            policy: "netkv",
            against: &["round_robin", "cache_load_aware"],
            metric: "ttft_mean_ns",
            x_title: "Mean TTFT of NetKV lower by (%)",
            says: "",
        }),
    },
];
