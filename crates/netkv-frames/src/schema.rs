//! What every column of every table means: the documentation that `netkv schema` prints and that the files carry.

use crate::cost::COST;
use netkv_sim::METRICS;
use netkv_units::unit_of_key;

/// The tables there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A row for each run.
    Cells,
    /// A row for each point of the grid and metric.
    Summary,
    /// A row for each finished request.
    Requests,
    /// A row for each link and window of time.
    Links,
    /// A row for each flow of each KV transfer.
    Transfers,
    /// When, where and with what each cell was run.
    Provenance,
}

impl TableKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Cells, Self::Summary, Self::Requests, Self::Links, Self::Transfers, Self::Provenance];

    /// Its name, which is also that of its file, without ".parquet".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cells => "cells",
            Self::Summary => "summary",
            Self::Requests => "requests",
            Self::Links => "links",
            Self::Transfers => "transfers",
            Self::Provenance => "provenance",
        }
    }

    const fn columns(self) -> &'static [(&'static str, &'static str, &'static str, &'static str)] {
        match self {
            Self::Cells => CELLS,
            Self::Summary => SUMMARY,
            Self::Requests => REQUESTS,
            Self::Links => LINKS,
            Self::Transfers => TRANSFERS,
            Self::Provenance => PROVENANCE,
        }
    }
}

/// A column's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDoc {
    /// The table.
    pub table: &'static str,
    /// The column; `<axis>` stands for one column for each axis of the experiment, named after its key.
    pub name: String,
    /// "text", "integer", "float" or "boolean".
    pub kind: &'static str,
    /// Unit, in words; "-" if it has none, "of its key" where the end of a key tells it.
    pub unit: &'static str,
    /// What it is.
    pub meaning: String,
}

const AXIS: (&str, &str, &str, &str) = ("<axis>", "any", "of its key", "the cell's value on that axis");
const TRACE: (&str, &str, &str, &str) =
    ("trace_origin", "text", "-", "where the requests came from: the label of a trace in manifest.toml");

const CELLS: &[(&str, &str, &str, &str)] = &[
    ("cell", "integer", "-", "number of the cell in the grid; `netkv cell EXPERIMENT CELL` runs it again"),
    ("key", "text", "-", "digest of all that the cell depends on"),
    ("seed", "integer", "-", "seed of its random streams"),
    AXIS,
    TRACE,
    ("status", "text", "-", "\"done\" or \"failed\""),
    ("message", "text", "-", "why it failed, and the command that shows it again"),
    ("digest", "text", "-", "digest of every bit of its outcome"),
];

const SUMMARY: &[(&str, &str, &str, &str)] = &[
    AXIS,
    TRACE,
    ("metric", "text", "-", "the metric that the row is about"),
    ("unit", "text", "-", "its unit: that of every number of the row but counts and ratios"),
    ("n", "integer", "seeds", "runs that have the metric"),
    ("n_failed", "integer", "seeds", "runs that failed"),
    ("mean", "float", "of the metric", "mean over seeds"),
    ("sd", "float", "of the metric", "standard deviation over seeds"),
    ("ci_low", "float", "of the metric", "lower end of the t interval over seeds"),
    ("ci_high", "float", "of the metric", "upper end of the t interval over seeds"),
    ("min", "float", "of the metric", "least over seeds"),
    ("max", "float", "of the metric", "largest over seeds"),
    ("baseline", "text", "-", "the value of measure.baseline_axis, a policy, that the row is compared with"),
    ("diff_mean", "float", "of the metric", "mean over seeds of this less the baseline's value on the same seed"),
    ("diff_ci_low", "float", "of the metric", "lower end of its t interval"),
    ("diff_ci_high", "float", "of the metric", "upper end of its t interval"),
    ("ratio_mean", "float", "1", "geometric mean over seeds of this over the baseline's value on the same seed"),
    ("ratio_ci_low", "float", "1", "lower end of its interval (t interval of the log ratio)"),
    ("ratio_ci_high", "float", "1", "upper end of its interval"),
    ("variance_reduction_factor", "float", "1", "variance of the unpaired difference over that of the paired one"),
];

const REQUESTS: &[(&str, &str, &str, &str)] = &[
    ("cell", "integer", "-", "number of the cell"),
    ("seed", "integer", "-", "its seed"),
    AXIS,
    TRACE,
    ("request", "integer", "-", "number of the request, in order of arrival"),
    ("arrival_ns", "integer", "ns", "when it arrived"),
    ("input_tokens", "integer", "tokens", "length of its prompt"),
    ("output_tokens", "integer", "tokens", "tokens generated"),
    ("prefill_instance", "integer", "-", "where its prompt was computed"),
    ("decode_instance", "integer", "-", "where it was decoded; none if the prefill side made its only token"),
    (
        "prefilled_locally",
        "boolean",
        "-",
        "its prompt was computed where it was decoded, and nothing was moved: the two are one",
    ),
    (
        "tier",
        "integer",
        "-",
        "how far apart the two are: 0 node, 1 rack, 2 pod, 3 between pods; none if nothing was moved",
    ),
    (
        "prefill_hit_tokens",
        "integer",
        "tokens",
        "prompt tokens found in the prefix cache where the prompt was computed",
    ),
    ("decode_hit_tokens", "integer", "tokens", "prompt tokens found in the decode instance's prefix cache"),
    ("transfer_bytes", "integer", "bytes", "KV cache moved"),
    ("prefill_queue_ns", "integer", "ns", "part of TTFT: waiting for prefill, and for memory where that is"),
    ("prefill_compute_ns", "integer", "ns", "part of TTFT: prefill"),
    ("selection_ns", "integer", "ns", "part of TTFT: choosing the decode instance"),
    ("admission_wait_ns", "integer", "ns", "part of TTFT: waiting for KV memory"),
    ("transfer_ns", "integer", "ns", "part of TTFT: moving the KV cache"),
    ("decode_wait_ns", "integer", "ns", "part of TTFT: waiting for the next iteration"),
    ("first_iteration_ns", "integer", "ns", "part of TTFT: that iteration"),
    ("ttft_ns", "integer", "ns", "time to first token: the sum of the parts"),
    ("ttft_limit_ns", "integer", "ns", "the TTFT that it was promised"),
    ("decoding_ns", "integer", "ns", "from its first token to its last"),
    ("tbt_mean_ns", "integer", "ns", "mean gap between two of its tokens, rounded down; none for a single token"),
    ("tbt_max_ns", "integer", "ns", "longest gap between two of its tokens"),
    ("finish_ns", "integer", "ns", "when its last token came"),
    ("preemptions", "integer", "-", "how often it was swapped out"),
    ("failovers", "integer", "-", "how often it lost an instance that failed and began again"),
    ("slo_attained", "boolean", "-", "TTFT and mean TBT were as promised"),
    ("counted", "boolean", "-", "it arrived after the warm-up"),
];

const LINKS: &[(&str, &str, &str, &str)] = &[
    ("cell", "integer", "-", "number of the cell"),
    ("seed", "integer", "-", "its seed"),
    AXIS,
    TRACE,
    ("time_s", "float", "s", "end of the window, in simulated time"),
    ("window_s", "float", "s", "length of the window; the last one of a run may be shorter"),
    ("link", "integer", "-", "number of the directed link"),
    ("kind", "text", "-", "what it connects: \"nvlink\", \"nic\", \"rack\" (rack and spine) or \"pod\" (pod and core)"),
    ("direction", "text", "-", "\"up\", away from the GPUs, or \"down\""),
    ("pod", "integer", "-", "its pod"),
    ("rack", "integer", "-", "its rack, counted through all pods; none for a pod's links"),
    ("switch", "integer", "-", "its spine, counted within the pod, or its core; none for links of GPUs"),
    ("gpu", "integer", "-", "its GPU (with pooled interfaces its instance); none for links of racks and pods"),
    ("capacity_bytes_per_s", "integer", "bytes/s", "what it can carry when nothing else uses it"),
    ("kv_ratio", "float", "1", "share of that used by KV transfers, mean over the window"),
    ("background_ratio", "float", "1", "share of that used by traffic of others, mean over the window"),
];

const TRANSFERS: &[(&str, &str, &str, &str)] = &[
    ("cell", "integer", "-", "number of the cell"),
    ("seed", "integer", "-", "its seed"),
    AXIS,
    TRACE,
    ("request", "integer", "-", "the request whose KV cache is moved"),
    ("rank", "integer", "-", "number of the flow among those of the transfer"),
    ("prefill_instance", "integer", "-", "the instance that sends"),
    ("decode_instance", "integer", "-", "the instance that receives"),
    ("source_gpu", "integer", "-", "the GPU that sends; with pooled interfaces its number is that of the instance"),
    ("destination_gpu", "integer", "-", "the GPU that receives; likewise"),
    ("tier", "integer", "-", "how far apart the two are: 0 node, 1 rack, 2 pod, 3 between pods"),
    ("flow_bytes", "integer", "bytes", "what the flow moves"),
    ("start_ns", "integer", "ns", "when the decode instance had memory and the transfer's set-up began"),
    ("latency_ns", "integer", "ns", "latency of the way, a part of the time from then until the flow entered"),
    ("entered_ns", "integer", "ns", "when the flow entered the network: it takes bandwidth from then on"),
    ("flow_end_ns", "integer", "ns", "when its last byte was there"),
    ("transfer_end_ns", "integer", "ns", "when the last byte of all flows of the transfer was there"),
    ("path_hash", "text", "-", "what equal-cost multi-path routing went by, in hexadecimal"),
    ("path_links", "text", "-", "numbers of its links, in order, when it entered: those of the links table"),
    (
        "path_bytes_per_s",
        "text",
        "bytes/s",
        "what each of these could carry for flows then, the share of others taken off",
    ),
    ("way_back_links", "text", "-", "the same cables the other way, in the order in which an answer takes them"),
];

const PROVENANCE: &[(&str, &str, &str, &str)] = &[
    ("cell", "integer", "-", "number of the cell"),
    ("key", "text", "-", "digest of all that the cell depends on"),
    ("wall_s", "float", "s", "how long it took"),
    ("host", "text", "-", "the machine that ran it"),
    ("version", "text", "-", "version of netkv"),
    ("commit", "text", "-", "its commit"),
    ("compiler", "text", "-", "the compiler that built it"),
    ("target", "text", "-", "processor and system that it was built for"),
];

/// Every column of every table, in order.
pub fn schema() -> Vec<ColumnDoc> {
    TableKind::ALL.into_iter().flat_map(columns_of).collect()
}

fn columns_of(kind: TableKind) -> Vec<ColumnDoc> {
    let table = kind.name();
    let doc = |&(name, kind, unit, meaning): &(&str, &'static str, &'static str, &str)| ColumnDoc {
        table,
        name: name.to_owned(),
        kind,
        unit,
        meaning: meaning.to_owned(),
    };
    let metrics = METRICS.iter().filter(|_| kind == TableKind::Cells).map(|metric| ColumnDoc {
        table,
        name: metric.name.to_owned(),
        kind: if metric.integer { "integer" } else { "float" },
        unit: metric.unit,
        meaning: metric.meaning.to_owned(),
    });
    let cost = [COST].into_iter().filter(|_| kind == TableKind::Cells);
    kind.columns().iter().map(doc).chain(metrics).chain(cost.map(|cost| doc(&cost))).collect()
}

/// What a column of a table of this kind is: any name that the schema does not have is that of an axis, whose key tells
/// its unit.
pub(crate) fn column_doc(kind: TableKind, name: &str) -> ColumnDoc {
    let known = columns_of(kind).into_iter().find(|doc| doc.name == name);
    known.unwrap_or_else(|| ColumnDoc {
        table: kind.name(),
        name: name.to_owned(),
        kind: AXIS.1,
        unit: unit_of_key(name),
        meaning: format!("the cell's value of {name}"),
    })
}
