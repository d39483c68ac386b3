//! What stands in the tables of the paper (II to VI), and where it is read from.

use crate::data::POLICY_AXIS;
use crate::paper::{APPLICATION_AXIS, GPUS_PER_POD};
use crate::{style, words};

/// What a number is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    Policy(&'static str),
    RowBefore,
}

/// What stands in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum What {
    /// A metric times a factor.
    Level { metric: &'static str, factor: f64, digits: usize },
    /// A metric above another policy's, in percent.
    Change { metric: &'static str, against: Against },
    /// A metric less another policy's, times a factor.
    Difference { metric: &'static str, against: Against, factor: f64, digits: usize },
}

type At = Vec<(&'static str, String)>;

/// A column.
pub(crate) struct Column {
    pub(crate) title: String,
    pub(crate) at: At,
    pub(crate) what: What,
}

/// A row.
pub(crate) struct Row {
    pub(crate) heads: Vec<String>,
    pub(crate) at: At,
    /// The policy of the row that it is compared with.
    pub(crate) before: Option<String>,
    /// In place of what the columns have.
    pub(crate) what: Option<What>,
}

/// A table.
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// A sentence about it.
    pub(crate) note: &'static str,
    pub(crate) experiment: &'static str,
    /// Axes with one value.
    pub(crate) at: At,
    /// Titles of the rows' heads.
    pub(crate) heads: Vec<&'static str>,
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

const RR: Against = Against::Policy("round_robin");
const CLA: Against = Against::Policy("cache_load_aware");
const TTFT_MS: What = What::Level { metric: "ttft_mean_ns", factor: 1e-6, digits: 0 };
const TBT_MS: What = What::Level { metric: "tbt_entry_mean_ns", factor: 1e-6, digits: 2 };
const SLO: What = What::Level { metric: "slo_ttft_ratio", factor: 1.0, digits: 3 };
const TRANSFER_MS: What = What::Level { metric: "transfer_mean_ns", factor: 1e-6, digits: 0 };
const P99_S: What = What::Level { metric: "ttft_p99_ns", factor: 1e-9, digits: 1 };
const LOAD_AXIS: &str = "workload.capacity_ratio";
const APPLICATIONS: [&str; 3] = ["chatbot", "rag", "long_context"];

const fn change(metric: &'static str, against: Against) -> What {
    What::Change { metric, against }
}

const fn slo_points(against: Against) -> What {
    What::Difference { metric: "slo_ttft_ratio", against, factor: 100.0, digits: 1 }
}

const fn tbt_added(against: Against) -> What {
    What::Difference { metric: "tbt_entry_mean_ns", against, factor: 1e-6, digits: 2 }
}

fn column(title: &str, what: What) -> Column {
    Column { title: title.to_owned(), at: Vec::new(), what }
}

fn of_policy(title: &str, policy: &str, what: What) -> Column {
    Column { at: at(POLICY_AXIS, policy), ..column(title, what) }
}

fn at(axis: &'static str, value: &str) -> At {
    vec![(axis, value.to_owned())]
}

fn row(heads: Vec<String>, at: At) -> Row {
    Row { heads, at, before: None, what: None }
}

/// All tables, in the paper's order.
pub(crate) fn tables() -> Vec<Table> {
    vec![load(), peaks(), context(), ablation(), ablation_totals(), scale(), tiers()]
}

fn load() -> Table {
    let mut rows = Vec::new();
    for load in [1.0, 2.0, 2.5] {
        for policy in ["round_robin", "cache_load_aware", "netkv"] {
            let place = vec![(LOAD_AXIS, load.to_string()), (POLICY_AXIS, policy.to_owned())];
            rows.push(row(vec![words::percent(load), style::policy(policy).label], place));
        }
    }
    Table {
        title: "Table II: load, RAG",
        note: "SLO attainment: share of requests within the TTFT objective alone.",
        experiment: "paper_load",
        at: at(APPLICATION_AXIS, "rag"),
        heads: vec!["load", "scheduler"],
        columns: vec![
            column("mean TTFT (ms)", TTFT_MS),
            column("TBT (ms)", TBT_MS),
            column("SLO", SLO),
            column("transfer (ms)", TRANSFER_MS),
            column("P99 TTFT (s)", P99_S),
            column("TTFT vs RR (%)", change("ttft_mean_ns", RR)),
            column("TTFT vs CLA* (%)", change("ttft_mean_ns", CLA)),
        ],
        rows,
    }
}

fn peaks() -> Table {
    let mut rows = Vec::new();
    for application in APPLICATIONS {
        for load in [0.5, 0.75, 1.0, 2.0, 2.5] {
            let place = vec![(APPLICATION_AXIS, application.to_owned()), (LOAD_AXIS, load.to_string())];
            rows.push(row(vec![style::regime(application).0, words::percent(load)], place));
        }
    }
    Table {
        title: "NetKV's mean TTFT at every load (section VI-C)",
        note: "The paper prints the peaks alone.",
        experiment: "paper_load",
        at: at(POLICY_AXIS, "netkv"),
        heads: vec!["workload", "load"],
        columns: vec![
            column("mean TTFT (ms)", TTFT_MS),
            column("vs RR (%)", change("ttft_mean_ns", RR)),
            column("vs CLA* (%)", change("ttft_mean_ns", CLA)),
        ],
        rows,
    }
}

fn context() -> Table {
    let rows = [1024.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0]
        .map(|tokens| row(vec![words::tokens(tokens)], at("workload.context_tokens", &tokens.to_string())));
    Table {
        title: "Table III: context length, RAG at 100 %",
        note: "NetKV against round-robin and CLA*.",
        experiment: "paper_context",
        at: at(POLICY_AXIS, "netkv"),
        heads: vec!["tokens"],
        columns: vec![
            column("TTFT vs RR (%)", change("ttft_mean_ns", RR)),
            column("TTFT vs CLA* (%)", change("ttft_mean_ns", CLA)),
            column("TBT vs CLA* (ms)", tbt_added(CLA)),
            column("SLO vs RR (points)", slo_points(RR)),
            column("SLO vs CLA* (points)", slo_points(CLA)),
        ],
        rows: rows.into(),
    }
}

fn ablation() -> Table {
    let steps = [
        ("cache_load_aware", "CLA*"),
        ("netkv_topo_only", "+ static tiers"),
        ("netkv_static", "+ self-contention"),
        ("netkv", "+ dynamic congestion"),
    ];
    let mut rows: Vec<Row> = Vec::new();
    for (step, (policy, label)) in steps.into_iter().enumerate() {
        let before = step.checked_sub(1).map(|before| steps[before].0.to_owned());
        rows.push(Row { before, ..row(vec![label.to_owned()], at(POLICY_AXIS, policy)) });
    }
    let columns = APPLICATIONS.iter().flat_map(|application| {
        let name = style::regime(application).0;
        let place = || at(APPLICATION_AXIS, application);
        let step = change("ttft_mean_ns", Against::RowBefore);
        [
            Column { at: place(), ..column(&format!("{name}: TTFT (ms)"), TTFT_MS) },
            Column { at: place(), ..column("step (%)", step) },
        ]
    });
    Table {
        title: "Table IV: ablation at 100 %",
        note: "A step is the change from the row above.",
        experiment: "paper_ablation",
        at: Vec::new(),
        heads: vec!["scheduler"],
        columns: columns.collect(),
        rows,
    }
}

fn ablation_totals() -> Table {
    let lines = [
        ("mean TTFT (%)", change("ttft_mean_ns", CLA)),
        ("P99 TTFT (%)", change("ttft_p99_ns", CLA)),
        ("SLO (points)", slo_points(CLA)),
        ("TBT (ms)", tbt_added(CLA)),
    ];
    let rows = lines.map(|(label, what)| Row { what: Some(what), ..row(vec![label.to_owned()], Vec::new()) });
    let columns = APPLICATIONS.map(|application| Column {
        at: at(APPLICATION_AXIS, application),
        ..column(&style::regime(application).0, change("ttft_mean_ns", CLA))
    });
    Table {
        title: "Table IV, below: NetKV against CLA*",
        note: "All parts together.",
        experiment: "paper_ablation",
        at: at(POLICY_AXIS, "netkv"),
        heads: vec![""],
        columns: columns.into(),
        rows: rows.into(),
    }
}

fn scale() -> Table {
    let rows = [2.0, 4.0, 8.0, 16.0, 32.0]
        .map(|pods: f64| row(vec![words::trimmed(pods * GPUS_PER_POD)], at("cluster.pods", &pods.to_string())));
    Table {
        title: "Table V: size of the cluster, RAG at 100 %",
        note: "The paper's numbers are those of its flow level; there is no packet level here. What a decision takes is in \
               docs/performance.md.",
        experiment: "paper_scale",
        at: Vec::new(),
        heads: vec!["GPUs"],
        columns: vec![
            of_policy("TTFT vs CLA* (%)", "netkv", change("ttft_mean_ns", CLA)),
            of_policy("SLO vs CLA* (points)", "netkv", slo_points(CLA)),
            of_policy("transfer, NetKV (ms)", "netkv", TRANSFER_MS),
            of_policy("transfer, CLA* (ms)", "cache_load_aware", TRANSFER_MS),
            of_policy("P99 TTFT, NetKV (s)", "netkv", P99_S),
            of_policy("P99 TTFT, CLA* (s)", "cache_load_aware", P99_S),
        ],
        rows: rows.into(),
    }
}

fn tiers() -> Table {
    let rows = ["round_robin", "cache_load_aware", "netkv"]
        .map(|policy| row(vec![style::policy(policy).label], at(POLICY_AXIS, policy)));
    let share = |metric| What::Level { metric, factor: 100.0, digits: 1 };
    Table {
        title: "Table VI: how far transfers go, RAG at 100 %",
        note: "Shares of transfers in percent.",
        experiment: "paper_load",
        at: vec![(APPLICATION_AXIS, "rag".to_owned()), (LOAD_AXIS, "1".to_owned())],
        heads: vec!["scheduler"],
        columns: vec![
            column("tier 0, node", share("tier_node_ratio")),
            column("tier 1, rack", share("tier_rack_ratio")),
            column("tier 2, pod", share("tier_pod_ratio")),
            column("tier 3, core", share("tier_core_ratio")),
            column("transfer (ms)", TRANSFER_MS),
        ],
        rows: rows.into(),
    }
}
