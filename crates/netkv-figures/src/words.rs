//! Sentences as people write them.

use crate::canvas::{Font, text_width};
use crate::data::Results;
use crate::labels::Labels;
use crate::numbers;
use crate::printed::Printed;
use netkv_frames::Metadata;
use toml::{Table, Value};

/// Lines no wider than `width`, broken between words.
pub(crate) fn wrapped(words: &str, font: Font, width: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if text_width(&format!("{line} {word}"), font) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Whether the requests come from the generator, and how to say so.
pub(crate) fn generated(metadata: &Metadata) -> Option<String> {
    let meta = |key: &str| metadata.get(key).map_or("", String::as_str);
    if meta("trace_fallback") == "true" {
        let (name, but) = (meta("trace"), "the recorded trace, which was not found: trends, not its numbers.");
        return Some(match name {
            "" => format!("Generated requests stand in for {but}"),
            // Some cells have a recorded one.
            several if several.contains("; ") => format!("Traces: {several}; the generated one stands in for {but}"),
            one => format!("Generated requests ({one}) stand in for {but}"),
        });
    }
    let label = meta("trace").to_lowercase();
    let says = label.contains("synthetic") || label.contains("generat");
    says.then(|| "The requests are generated, not recorded.".to_owned())
}

/// That the tables are those of a reduced version, and what it lacks.
pub(crate) fn reduced(metadata: &Metadata) -> Option<String> {
    let lacks = metadata.get("reduced")?;
    Some(format!("A reduced version ({lacks}): a first look that decides nothing, nor tells who is overloaded."))
}

/// "Trace: x.", and what else there is to say about it.
pub(crate) fn trace(metadata: &Metadata) -> String {
    let fallback = metadata.get("trace_fallback").is_some_and(|value| value == "true");
    let named = match metadata.get("trace") {
        Some(_) if fallback => None,
        Some(trace) => Some(format!("Trace: {trace}.")),
        None => Some("Trace: not said in the results.".to_owned()),
    };
    named.into_iter().chain(generated(metadata)).collect::<Vec<_>>().join(" ")
}

/// "Trace: x. 5 seeds (1, 2, 3, 4, 5)." and so on; `intervals` names what shows the intervals.
pub(crate) fn provenance(results: &Results, intervals: Option<&str>) -> String {
    let mut sentences: Vec<String> = reduced(&results.metadata).into_iter().collect();
    sentences.push(trace(&results.metadata));
    let n = results.n_seeds();
    let listed = results.metadata.get("seeds").map_or_else(String::new, |seeds| format!(" ({seeds})"));
    sentences.push(format!("Simulated with n = {n} {}{listed}.", if n == 1 { "seed" } else { "seeds" }));
    if n == 1 && intervals.is_some() {
        sentences.push("One seed gives no interval.".to_owned());
    } else if let Some(intervals) = intervals {
        sentences.push(format!(
            "{intervals}: {}t intervals over seeds: seed noise only, not model error.",
            confidence(results)
        ));
    }
    if let Some(epoch) = results.metadata.get("sim_epoch") {
        sentences.push(format!("Simulation epoch {epoch}."));
    }
    if results.n_left_out > 0 {
        let (drawn, left_out) = (results.regimes.len(), results.n_left_out);
        sentences.push(format!("The first {drawn} panels; {left_out} more are left out."));
    }
    sentences.join(" ")
}

/// "95 % "; nothing if the results do not say, rather than a guess.
pub(crate) fn confidence(results: &Results) -> String {
    let ratio = results.metadata.get("confidence_ratio").and_then(|value| value.parse::<f64>().ok());
    ratio.map_or_else(String::new, |ratio| format!("{} ", numbers::percent(ratio)))
}

/// How many runs failed; nothing if none did.
pub(crate) fn failures(results: &Results, metric: &str, only_x: Option<f64>, mark: &str) -> Option<String> {
    let (failed, all) = results.failures(metric, only_x);
    (failed > 0).then(|| format!("{failed} of {all} runs failed and are left out ({mark})."))
}

/// What a mark of overload is; nothing if there is none.
pub(crate) fn overload(is_there: bool, mark: &str) -> Option<String> {
    let says = "TTFT grew threefold or more over the run, or the mean wait is longer than 5 % of it; such a mean tells how long \
                the trace is.";
    is_there.then(|| format!("{mark}: {says}"))
}

/// What open marks are, or that there are none and why; nothing if the paper has no such figure.
pub(crate) fn open_marks(printed: Printed<'_>, n_open: usize) -> Option<String> {
    printed.is_wanted().then(|| match (printed.is_there(), n_open) {
        (true, 0) => "The paper prints no number that belongs here.".to_owned(),
        (true, _) => "Open marks: the numbers that the paper prints.".to_owned(),
        (false, _) => "Without the paper's numbers: there is no claims file.".to_owned(),
    })
}

/// What a metric of the SLO promises, from the manifest; nothing if it is another metric.
pub(crate) fn objective(results: &Results, metric: &str) -> Option<String> {
    if !metric.starts_with("slo_") {
        return None;
    }
    Some(promised(results.manifest(), &results.labels, metric == "slo_attainment_ratio"))
}

/// What requests are promised: TTFT, and TBT if it is asked for.
pub(crate) fn promised(manifest: &Table, labels: &Labels, with_tbt: bool) -> String {
    let experiment = manifest.get("experiment").filter(|experiment| experiment.get("slo").is_some());
    let said = experiment.and_then(|experiment| said_promise(experiment, labels, with_tbt));
    said.unwrap_or_else(|| "The objective is not said in the results.".to_owned())
}

fn said_promise(experiment: &Value, labels: &Labels, with_tbt: bool) -> Option<String> {
    let slo = |key: &str| experiment.get("slo")?.get(key);
    let number = |key: &str| slo(key).and_then(Value::as_float);
    let ttft = match slo("ttft").and_then(Value::as_str) {
        Some("fixed") => format!("TTFT within {}", fixed_limits(labels, experiment, number("ttft_s"))?),
        _ => format!("TTFT within {} times that of an idle system", numbers::trimmed(number("ttft_slowdown")?)),
    };
    // As in the paper, whose objectives are for TTFT alone.
    let tbt_ms = number("tbt_ms").filter(|&ms| with_tbt && ms < 60_000.0);
    let tbt = tbt_ms.map_or_else(String::new, |ms| format!(" and mean TBT within {} ms", numbers::trimmed(ms)));
    Some(format!("SLO: {ttft}{tbt}."))
}

/// "2 s (Chatbot), 5 s (RAG)" where an axis of files sets the limit, else "5 s".
fn fixed_limits(labels: &Labels, experiment: &Value, common_s: Option<f64>) -> Option<String> {
    let seconds = |value: f64| format!("{} s", numbers::trimmed(value));
    for axis in experiment.get("axis").and_then(Value::as_array).into_iter().flatten() {
        let key = axis.get("key").and_then(Value::as_str).unwrap_or_default();
        let values = axis.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let limit = |value: &str| axis.get("overlay")?.get(value)?.get("slo")?.get("ttft_s")?.as_float();
        let limits: Vec<String> = values
            .filter_map(|value| Some(format!("{} ({})", seconds(limit(value)?), labels.value(key, value).0)))
            .collect();
        if !limits.is_empty() {
            return Some(limits.join(", "));
        }
    }
    common_s.map(seconds)
}
