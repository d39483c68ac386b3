//! The figures of an experiment that names none: they follow from its axes.
//!
//! Lines, or rows, are the values of the axis that the baseline is on: mostly the policies. The first numeric axis is
//! across, the others span the panels. Two numeric axes are a heat map as well; without any there are intervals.

use crate::figure::as_word;
use crate::labels::POLICY_AXIS;
use netkv_frames::same;
use toml::{Table, Value};

/// More marks than these do not fit into a row of intervals.
const MAX_MARKS: usize = 6;

/// An axis of several values.
struct Axis {
    key: String,
    values: Vec<Value>,
}

impl Axis {
    fn is_numeric(&self) -> bool {
        self.values.iter().all(|value| value.is_integer() || value.is_float())
    }
}

/// Metrics that are shown as they are, and what of them.
const SHOWN: [(&str, &str, &str); 2] = [
    ("ttft", "ttft_mean_ns", "Mean time to first token"),
    ("slo", "slo_attainment_ratio", "Requests within their objectives"),
];

/// The figures of `experiment`, of which `said` is what its manifest has.
pub(crate) fn figures(experiment: &str, said: &Table) -> Vec<Table> {
    let axes = axes(said);
    let baseline_axis = said.get("measure").and_then(|measure| measure.get("baseline_axis")?.as_str());
    let lines = baseline_axis.unwrap_or(POLICY_AXIS);
    let (compared, others): (Vec<&Axis>, Vec<&Axis>) = axes.iter().partition(|axis| axis.key == lines);
    let has_axis = |key: &str| key == POLICY_AXIS || axes.iter().any(|axis| axis.key == key);
    let lines = if has_axis(lines) { lines } else { POLICY_AXIS };
    // Without the baseline among its values there is nothing to compare with.
    let baseline = said.get("measure").and_then(|measure| measure.get("baseline")?.as_str());
    let is_baseline = |value: &Value| baseline.is_none_or(|baseline| same(&as_word(value), baseline));
    let is_compared = compared.iter().any(|axis| axis.values.iter().any(is_baseline));
    let x = others.iter().position(|axis| axis.is_numeric());
    let mut figures = Vec::new();
    if let Some(x) = x {
        let panels = || keys_but(&others, &[x]);
        if is_compared {
            figures.push(ratio(experiment, "lines", (lines, &others[x].key), panels()));
        }
        figures.extend(SHOWN.map(|shown| level(experiment, shown, (lines, &others[x].key), panels())));
        let second = others.iter().enumerate().position(|(at, axis)| at != x && axis.is_numeric());
        if let Some(row) = second.filter(|_| is_compared) {
            let panels = [lines.to_owned()].into_iter().chain(keys_but(&others, &[x, row])).collect();
            figures.push(heat_map(experiment, (&others[row].key, &others[x].key), panels));
        }
    } else if is_compared {
        let marks = others.iter().position(|axis| axis.values.len() <= MAX_MARKS);
        let x = marks.map_or("", |at| &others[at].key);
        let panels = keys_but(&others, marks.as_slice());
        figures.push(ratio(experiment, "intervals", (lines, x), panels));
    } else if let Some(x) = others.first() {
        figures.extend(SHOWN.map(|shown| level(experiment, shown, (lines, &x.key), keys_but(&others, &[0]))));
    }
    figures
}

/// The axes with several values; of those that advance together the first.
fn axes(said: &Table) -> Vec<Axis> {
    let mut axes = Vec::new();
    let mut groups: Vec<&str> = Vec::new();
    for axis in said.get("axis").and_then(Value::as_array).into_iter().flatten() {
        let (key, values) = (axis.get("key").and_then(Value::as_str), axis.get("values").and_then(Value::as_array));
        let Some((key, values)) = key.zip(values) else { continue };
        let zip = axis.get("zip").and_then(Value::as_str);
        let is_new = zip.is_none_or(|zip| !groups.contains(&zip));
        groups.extend(zip);
        if is_new && values.len() > 1 {
            axes.push(Axis { key: key.to_owned(), values: values.clone() });
        }
    }
    axes
}

/// The keys of all axes but some.
fn keys_but(axes: &[&Axis], but: &[usize]) -> Vec<String> {
    axes.iter().enumerate().filter(|(at, _)| !but.contains(at)).map(|(_, axis)| axis.key.clone()).collect()
}

/// A figure with its axes.
fn figure(name: String, kind: &str, (title, shows): (String, &str), panels: Vec<String>) -> Table {
    let mut table = Table::new();
    let texts = [("name", name), ("kind", kind.to_owned()), ("title", title), ("shows", shows.to_owned())];
    texts.into_iter().for_each(|(key, text)| {
        table.insert(key.to_owned(), Value::from(text));
    });
    table.insert("panels".to_owned(), Value::from(panels));
    table
}

fn with<const N: usize>(mut table: Table, pairs: [(&str, &str); N]) -> Table {
    for (key, value) in pairs.into_iter().filter(|pair| !pair.1.is_empty()) {
        table.insert(key.to_owned(), Value::from(value));
    }
    table
}

/// The ratio to the baseline.
fn ratio(experiment: &str, kind: &str, (lines, x): (&str, &str), panels: Vec<String>) -> Table {
    let words = (
        format!("{experiment}: mean TTFT relative to the baseline"),
        "Mean time to first token as a ratio to the baseline, seed by seed, with its interval.",
    );
    let series = if kind == "lines" { "lines" } else { "rows" };
    let table = figure(format!("{experiment}_ratio"), kind, words, panels);
    with(table, [(series, lines), ("x", x), ("metric", "ttft_mean_ns"), ("compare", "ratio")])
}

/// A metric as it is.
fn level(
    experiment: &str,
    (name, metric, title): (&str, &str, &str),
    (lines, x): (&str, &str),
    panels: Vec<String>,
) -> Table {
    let words = (format!("{experiment}: {}", title.to_lowercase()), title);
    let table = figure(format!("{experiment}_{name}"), "lines", words, panels);
    with(table, [("lines", lines), ("x", x), ("metric", metric)])
}

/// What policies change, by two axes.
fn heat_map(experiment: &str, (rows, x): (&str, &str), panels: Vec<String>) -> Table {
    let words = (
        format!("{experiment}: change of mean TTFT against the baseline"),
        "What each policy changes of the mean time to first token, by two axes, as in the map above.",
    );
    let table = figure(format!("{experiment}_map"), "heat_map", words, panels);
    with(table, [("rows", rows), ("x", x), ("metric", "ttft_mean_ns")])
}
