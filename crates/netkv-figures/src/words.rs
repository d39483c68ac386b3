//! Numbers and sentences as people write them.

use crate::canvas::{Font, text_width};
use crate::data::Results;
use crate::printed::Printed;
use netkv_frames::Metadata;
use toml::Value;

/// A number without trailing zeros.
pub(crate) fn trimmed(value: f64) -> String {
    let long = format!("{value:.6}");
    long.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with three significant digits.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.995 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A number with its sign; a minus sign is one, and what rounds to nothing has none.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let size = format!("{:.decimals$}", value.abs());
    match value {
        _ if size.bytes().all(|byte| b"0.".contains(&byte)) => size,
        value if value < 0.0 => format!("−{size}"),
        _ => format!("+{size}"),
    }
}

/// A share in percent; whole ones without decimals.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{} %", trimmed(libm::round(ratio * 1000.0) / 10.0))
}

/// A context length: 4096 is 4k.
pub(crate) fn tokens(value: f64) -> String {
    if value >= 1024.0 && value % 1024.0 == 0.0 { format!("{}k", value / 1024.0) } else { trimmed(value) }
}

/// A sampling interval; none means that the present is seen.
pub(crate) fn interval(seconds: f64) -> String {
    if seconds == 0.0 { "present".to_owned() } else { format!("{} s", trimmed(seconds)) }
}

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
    ratio.map_or_else(String::new, |ratio| format!("{} ", percent(ratio)))
}

/// How many runs failed; nothing if none did.
pub(crate) fn failures(results: &Results, metric: &str, only_x: Option<f64>, mark: &str) -> Option<String> {
    let (failed, all) = results.failures(metric, only_x);
    (failed > 0).then(|| format!("{failed} of {all} runs failed and are left out ({mark})."))
}

/// What open marks are, or that there are none and why.
pub(crate) fn open_marks(printed: Printed<'_>, n_open: usize) -> String {
    match (printed.is_there(), n_open) {
        (true, 0) => "The paper prints no number that belongs here.".to_owned(),
        (true, _) => "Open marks: the numbers that the paper prints.".to_owned(),
        (false, _) => "Without the paper's numbers: there is no claims file.".to_owned(),
    }
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
        _ => format!("TTFT within {} times that of an idle system", trimmed(number("ttft_slowdown")?)),
    };
    let tbt = match metric {
        "slo_attainment_ratio" => format!(" and mean TBT within {} ms", trimmed(number("tbt_ms")?)),
        _ => String::new(),
    };
    Some(format!("SLO: {ttft}{tbt}."))
}

/// "2 s (Chatbot), 5 s (RAG)" where an axis of files sets the limit, else "5 s".
fn fixed_limits(results: &Results, experiment: &Value, common_s: Option<f64>) -> Option<String> {
    let seconds = |value: f64| format!("{} s", trimmed(value));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!((tokens(1024.0), tokens(65536.0), tokens(1000.0)), ("1k".into(), "64k".into(), "1000".into()));
        assert_eq!((percent(0.9), percent(0.455)), ("90 %".into(), "45.5 %".into()));
        assert_eq!((interval(0.0), interval(0.5), interval(60.0)), ("present".into(), "0.5 s".into(), "60 s".into()));
        assert_eq!(
            (three_digits(1.2345), three_digits(123.4), three_digits(0.0512)),
            ("1.23".into(), "123".into(), "0.051".into())
        );
        assert_eq!((trimmed(10.0), trimmed(0.05)), ("10".into(), "0.05".into()));
    }
}
