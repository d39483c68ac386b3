//! The paper's figures as data.

use super::Source;
use super::board::{Board, Quantity, plain};
use super::grid::Grid;
use super::waterfall::Waterfall;
use crate::axis::Spacing;
use crate::words;
use anyhow::{Context, Result};
use netkv_claims::{Claims, Measure};
use std::path::Path;

/// A figure of the paper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PaperFigure {
    /// Its name, and that of its files.
    pub(crate) name: &'static str,
    /// The experiment whose summary it is drawn from.
    pub(crate) experiment: &'static str,
    title: &'static str,
    /// What it shows, in a sentence.
    pub(crate) shows: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Board(Board),
    Grid(Grid),
    Waterfall(Waterfall),
}

impl PaperFigure {
    /// The figure as SVG.
    pub(crate) fn svg(&self, results: &Path, claims: Option<&Claims>) -> Result<String> {
        let source = Source::read(results, self.experiment, claims)?;
        let drawn = match &self.kind {
            Kind::Board(board) => board.draw(&source, self.title),
            Kind::Grid(grid) => grid.draw(&source, self.title),
            Kind::Waterfall(waterfall) => waterfall.draw(&source, self.title),
        };
        drawn.with_context(|| format!("cannot draw figure {}", self.name))
    }
}

const SIX: &[&str] = &["round_robin", "load_aware", "cache_aware", "cache_load_aware", "netkv_static", "netkv"];
const POLICY: &str = "policy.name";

const TTFT: Quantity = Quantity {
    title: "Mean TTFT (ms)",
    metric: "ttft_mean_ns",
    measure: Measure::Value,
    against: "",
    factor: 1e-6,
    only: None,
};
const P99: Quantity = Quantity { title: "P99 of TTFT (s)", metric: "ttft_p99_ns", factor: 1e-9, ..TTFT };
const TBT: Quantity = Quantity { title: "TBT on entering the batch (ms)", metric: "tbt_entry_mean_ns", ..TTFT };
const SLO: Quantity = Quantity { title: "SLO attainment (%)", metric: "slo_ttft_ratio", factor: 100.0, ..TTFT };
const TRANSFER: Quantity = Quantity { title: "Mean transfer (ms)", metric: "transfer_mean_ns", ..TTFT };

const RAG_OBJECTIVE: &str = "SLO attainment: TTFT within 5 s.";

const fn at(quantity: Quantity, title: &'static str, application: &'static str) -> Quantity {
    Quantity { title, only: Some(("application", application)), ..quantity }
}

const fn change(title: &'static str, against: &'static str) -> Quantity {
    Quantity { title, measure: Measure::ChangePercent, against, ..TTFT }
}

fn load(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.to_owned(), words::percent)
}

fn seconds(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.to_owned(), words::interval)
}

fn tokens(value: &str) -> String {
    value.parse::<f64>().map_or_else(|_| value.to_owned(), words::tokens)
}

fn gpus(pods: &str) -> String {
    pods.parse::<f64>().map_or_else(|_| pods.to_owned(), |pods| words::trimmed(pods * 32.0))
}

fn to_one(value: &str) -> String {
    format!("{value}:1")
}

fn application(value: &str) -> String {
    match value {
        "chatbot" => "Chatbot",
        "rag" => "RAG",
        "long_context" => "Long context",
        other => other,
    }
    .to_owned()
}

fn step(policy: &str) -> String {
    match policy {
        "cache_load_aware" => "CLA*",
        "netkv_topo_only" => "+ static tiers",
        "netkv_static" => "+ self-contention",
        "netkv" => "+ dynamic",
        other => other,
    }
    .to_owned()
}

const BOARD: Board = Board {
    across: "telemetry.interval_s",
    x_title: "Oracle refresh",
    spacing: Spacing::Ordinal,
    label: seconds,
    series: POLICY,
    lines: SIX,
    panels: &[TTFT, P99, TBT, SLO],
    objective: RAG_OBJECTIVE,
};

static LIST: [PaperFigure; 8] = [
    PaperFigure {
        name: "paper_load",
        experiment: "paper_load",
        title: "The paper's experiment 1: TTFT, transfer, TBT and SLO attainment against load",
        shows: "Table II and the peak gains of the text, with the values that the paper prints as open marks.",
        kind: Kind::Board(Board {
            across: "workload.capacity_ratio",
            x_title: "Load (share of the calibrated capacity)",
            spacing: Spacing::Linear,
            label: load,
            panels: &[
                at(TTFT, "Chatbot: mean TTFT (ms)", "chatbot"),
                at(TTFT, "RAG: mean TTFT (ms)", "rag"),
                at(TTFT, "Long context: mean TTFT (ms)", "long_context"),
                at(TRANSFER, "RAG: mean transfer (ms)", "rag"),
                at(TBT, "RAG: TBT on entering the batch (ms)", "rag"),
                at(SLO, "RAG: SLO attainment (%)", "rag"),
            ],
            ..BOARD
        }),
    },
    PaperFigure {
        name: "paper_context",
        experiment: "paper_context",
        title: "The paper's experiment 2: NetKV's gain against context length, RAG at 100 %",
        shows: "Table III: mean TTFT of NetKV relative to round-robin and to the tuned baseline, and what it does to SLO \
                attainment, for prompts of one length.",
        kind: Kind::Board(Board {
            across: "workload.context_tokens",
            x_title: "Prompt (tokens)",
            spacing: Spacing::Log,
            label: tokens,
            lines: &["netkv"],
            panels: &[
                change("Mean TTFT against RR (%)", "round_robin"),
                change("Mean TTFT against CLA* (%)", "cache_load_aware"),
                Quantity {
                    title: "SLO attainment less that of RR (points)",
                    measure: Measure::Difference,
                    against: "round_robin",
                    ..SLO
                },
            ],
            ..BOARD
        }),
    },
    PaperFigure {
        name: "paper_topology",
        experiment: "paper_topology",
        title: "The paper's Figure 1: mean TTFT of NetKV below the tuned baseline, by cross-pod bandwidth and background",
        shows: "How much there is to gain as the core becomes scarcer and others take more of it.",
        kind: Kind::Grid(Grid {
            panels: ("application", application),
            rows: ("fabric.pod_oversubscription", "bandwidth between pods", to_one),
            columns: ("background.steady_ratio", "Background", load),
            metric: "ttft_mean_ns",
            policy: "netkv",
            against: "cache_load_aware",
        }),
    },
    PaperFigure {
        name: "paper_staleness",
        experiment: "paper_staleness",
        title: "The paper's Figure 2: how often the oracle is refreshed, RAG at 100 %",
        shows: "Flat, as the paper finds: its background is steady, so that old figures are right.",
        kind: Kind::Board(BOARD),
    },
    PaperFigure {
        name: "paper_sharing",
        experiment: "paper_sharing",
        title: "The paper's Figure 3: the share of prompts with a common prefix, RAG",
        shows: "Prefixes of 512 tokens, shared by 16 groups: our definition, the paper prints none.",
        kind: Kind::Board(Board {
            across: "workload.prefix_share_ratio",
            x_title: "p_share",
            spacing: Spacing::Linear,
            label: plain,
            ..BOARD
        }),
    },
    PaperFigure {
        name: "paper_ablation",
        experiment: "paper_ablation",
        title: "The paper's Figure 4: what static tiers, the counter and live congestion add",
        shows: "Table IV: from the tuned baseline to the full rule, step by step.",
        kind: Kind::Board(Board {
            across: POLICY,
            x_title: "",
            label: step,
            series: "application",
            lines: &["chatbot", "rag", "long_context"],
            panels: &[TTFT, P99, TBT, SLO],
            objective: "SLO attainment: TTFT within 2, 5 and 10 s.",
            ..BOARD
        }),
    },
    PaperFigure {
        name: "paper_scale",
        experiment: "paper_scale",
        title: "The paper's Figure 5: from 64 to 1,024 GPUs, RAG at 100 %",
        shows: "Table V at flow level. The arrival rate and the prefill instances stay: decode instances are added, all of \
                them far away.",
        kind: Kind::Board(Board {
            across: "cluster.pods",
            x_title: "GPUs",
            spacing: Spacing::Log,
            label: gpus,
            panels: &[TTFT, P99, TBT, SLO, TRANSFER],
            ..BOARD
        }),
    },
    PaperFigure {
        name: "paper_bridge",
        experiment: "paper_bridge",
        title: "The bridge: NetKV's gain from the paper's model to ours, one assumption at a time",
        shows: "Which assumption carries the paper's gain, and which takes it away.",
        kind: Kind::Waterfall(Waterfall {
            axis: "step",
            metric: "ttft_mean_ns",
            policy: "netkv",
            against: &["round_robin", "cache_load_aware"],
        }),
    },
];

/// Every figure of the paper, in the order of the report.
pub(crate) fn list() -> &'static [PaperFigure] {
    &LIST
}
