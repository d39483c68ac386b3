//! Sentences as people write them.

use crate::canvas::{Font, text_width};
use crate::data::Results;
use crate::numbers;
use crate::printed::Printed;
use netkv_frames::Metadata;
use toml::Value;

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
    let mut sentences = vec![trace(&results.metadata)];
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
    let experiment = results.manifest().ok().and_then(|manifest| Some(manifest.get("experiment")?.clone()));
    let Some(experiment) = experiment.filter(|experiment| experiment.get("slo").is_some()) else {
        return Some("The objective is not said in the results.".to_owned());
    };
    let slo = |key: &str| experiment.get("slo")?.get(key);
    let number = |key: &str| slo(key).and_then(Value::as_float);
    let ttft = match slo("ttft").and_then(Value::as_str) {
        Some("fixed") => format!("TTFT within {}", fixed_limits(results, &experiment, number("ttft_s"))?),
        _ => format!("TTFT within {} times that of an idle system", numbers::trimmed(number("ttft_slowdown")?)),
    };
    let tbt = match metric {
        "slo_attainment_ratio" => format!(" and mean TBT within {} ms", numbers::trimmed(number("tbt_ms")?)),
        _ => String::new(),
    };
    Some(format!("SLO: {ttft}{tbt}."))
}

/// "2 s (Chatbot), 5 s (RAG)" where an axis of files sets the limit, else "5 s".
fn fixed_limits(results: &Results, experiment: &Value, common_s: Option<f64>) -> Option<String> {
    let seconds = |value: f64| format!("{} s", numbers::trimmed(value));
    for axis in experiment.get("axis").and_then(Value::as_array).into_iter().flatten() {
        let key = axis.get("key").and_then(Value::as_str).unwrap_or_default();
        let values = axis.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let limit = |value: &str| axis.get("overlay")?.get(value)?.get("slo")?.get("ttft_s")?.as_float();
        let limits: Vec<String> = values
            .filter_map(|value| Some(format!("{} ({})", seconds(limit(value)?), results.labels.value(key, value).0)))
            .collect();
        if !limits.is_empty() {
            return Some(limits.join(", "));
        }
    }
    common_s.map(seconds)
}
