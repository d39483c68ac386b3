//! What figures say about a mark to who points at it.

use crate::data::{Estimate, Results, Row};
use crate::numbers::three_digits;
use crate::unit::Unit;

/// "NetKV, Prefill load 60 %, Congested: 0.52 s [0.48, 0.57]; overloaded".
pub(crate) fn of_row(results: &Results, label: &str, row: &Row, value: &str, is_overloaded: bool) -> String {
    let mut place = vec![label.to_owned()];
    if results.view.across.is_some() {
        place.push(format!("{}: {}", without_remark(&results.x_title()), results.x_label(row.x)));
    }
    place.push(results.panel_title(&row.regime).0);
    place.retain(|words| !words.is_empty());
    let mut says = format!("{}\n{value}", place.join("\n"));
    // The caption says how many seeds there are.
    if row.n != results.n_seeds() {
        says.push_str(&format!(", n = {}", row.n));
    }
    if row.n_failed > 0 {
        says.push_str(&format!("; {} failed", row.n_failed));
    }
    if is_overloaded {
        says.push_str("; overloaded");
    }
    says
}

/// "Prefill load" of "Prefill load (utilisation with cold caches)"; a unit, which is one word, stays.
fn without_remark(title: &str) -> &str {
    title.split_once(" (").filter(|(_, remark)| remark.contains(' ')).map_or(title, |(plain, _)| plain)
}

/// "0.52 s [0.48, 0.57]".
pub(crate) fn value(estimate: Estimate, unit: Unit) -> String {
    let written = |value: f64| three_digits(value).replace('-', "−");
    let mean = estimate.mean.map_or_else(|| "no value".to_owned(), |mean| format!("{}{}", written(mean), unit.word()));
    match estimate.low.zip(estimate.high) {
        Some((low, high)) => format!("{mean} [{}, {}]", written(low), written(high)),
        None => mean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_left_out_and_a_unit_is_not() {
        assert_eq!(without_remark("Prefill load (utilisation with cold caches)"), "Prefill load");
        assert_eq!(without_remark("Context length (tokens)"), "Context length (tokens)");
    }
}
