//! The table of all policies, as a Markdown page.

use crate::data::{Estimate, Loaded, Results, Row, View};
use crate::{numbers, style, words};
use anyhow::Result;
use serde::Deserialize;
use std::fmt::Write as _;

/// A page with a row for each policy, for each place across of each panel.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyTable {
    /// The name of its file.
    pub(crate) file: String,
    title: String,
    /// Follows where it comes from.
    says: String,
    /// Stands above each table: "{panel}" and "{x}" are its place.
    heading: String,
    /// The mean time between tokens that may be added, in milliseconds.
    promise_ms: f64,
}

impl PolicyTable {
    /// The page.
    pub(crate) fn page(&self, loaded: &Loaded, view: &View) -> Result<String> {
        let (results, experiment) = (Results::of(loaded, view)?, &loaded.experiment);
        let baseline = results.baseline_label();
        let mut page = format!(
            "# {}\n\nWritten by `netkv figures` from `results/{}`; {}\n\n{} Ratio, points and TBT are against {baseline} on \
             the same requests, seed by seed. The last column but one tells whether the interval of the TBT added is below \
             the {} ms that the paper promises (yes), above (no) or holds it (open).\n",
            self.title,
            experiment,
            self.says,
            words::provenance(&results, Some("Brackets")),
            numbers::trimmed(self.promise_ms),
        );
        for regime in &results.regimes {
            let (name, description) = results.panel_title(regime);
            for (word, &x) in results.x_labels.iter().zip(&results.xs) {
                let heading = self.heading.replace("{panel}", &name).replace("{x}", word);
                writeln!(page, "\n## {heading}\n\n{description}\n")?;
                page.push_str(
                    "| policy | mean TTFT (s) | ratio | p99 TTFT (s) | SLO attainment (%) | points | TBT (ms) |",
                );
                page.push_str(" TBT added (ms) | promise kept | node / rack / pod / core (%) |\n");
                page.push_str("|---|--:|--:|--:|--:|--:|--:|--:|---|--:|\n");
                for policy in &results.policies {
                    line(&mut page, &results, (regime, policy, x), self.promise_ms)?;
                }
            }
        }
        Ok(page)
    }
}

fn line(page: &mut String, results: &Results, (regime, policy, x): (&str, &str, f64), promise_ms: f64) -> Result<()> {
    let row = |metric: &str| results.row(regime, policy, x, metric);
    let with = |metric: &str, print: &dyn Fn(&Row) -> String| row(metric).map_or_else(|| "–".to_owned(), print);
    let mean = |metric: &str, factor: f64, digits: usize| {
        let value = row(metric).and_then(|row| row.value.mean);
        value.map_or_else(|| "–".to_owned(), |value| format!("{:.digits$}", value * factor))
    };
    let is_baseline = policy == results.baseline();
    let compared = |metric: &str, print: &dyn Fn(&Row) -> String| {
        if is_baseline { "baseline".to_owned() } else { with(metric, print) }
    };
    let tiers: Vec<String> = style::TIERS.iter().map(|tier| mean(tier, 100.0, 0)).collect();
    writeln!(
        page,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        results.series_label(policy),
        with("ttft_mean_ns", &|row| interval(row.value.scaled(1e-9), "", 2)),
        compared("ttft_mean_ns", &|row| interval(row.ratio, "", 3)),
        mean("ttft_p99_ns", 1e-9, 1),
        mean("slo_attainment_ratio", 100.0, 1),
        compared("slo_attainment_ratio", &|row| interval(row.difference.scaled(100.0), "+", 1)),
        mean("tbt_mean_ns", 1e-6, 2),
        compared("tbt_mean_ns", &|row| interval(row.difference.scaled(1e-6), "+", 2)),
        compared("tbt_mean_ns", &|row| kept(row.difference.scaled(1e-6), promise_ms).to_owned()),
        tiers.join(" / "),
    )?;
    Ok(())
}

/// "1.05 [0.95, 1.16]"; with `sign` "+", signs are always written.
fn interval(estimate: Estimate, sign: &str, digits: usize) -> String {
    let print = |value: f64| {
        let plain = format!("{value:.digits$}");
        // What rounds to nothing has no sign.
        let size = plain.trim_start_matches('-');
        if size.bytes().all(|byte| b"0.".contains(&byte)) {
            size.to_owned()
        } else if value > 0.0 {
            format!("{sign}{plain}")
        } else {
            plain
        }
    };
    match (estimate.mean, estimate.low, estimate.high) {
        (Some(mean), Some(low), Some(high)) => format!("{} [{}, {}]", print(mean), print(low), print(high)),
        (Some(mean), ..) => print(mean),
        (None, ..) => "–".to_owned(),
    }
}

/// Whether an interval is below what is promised.
fn kept(added_ms: Estimate, promise_ms: f64) -> &'static str {
    match (added_ms.low, added_ms.high) {
        (_, Some(high)) if high < promise_ms => "yes",
        (Some(low), _) if low > promise_ms => "no",
        (Some(_), Some(_)) => "open",
        _ => "–",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(mean: f64, low: f64, high: f64) -> Estimate {
        Estimate { mean: Some(mean), low: Some(low), high: Some(high) }
    }

    #[test]
    fn intervals_have_signs_where_they_are_differences() {
        assert_eq!(interval(estimate(1.0, 0.5, 2.0), "", 2), "1.00 [0.50, 2.00]");
        assert_eq!(interval(estimate(0.31, -0.04, 0.66), "+", 1), "+0.3 [0.0, +0.7]");
        assert_eq!(interval(estimate(0.04, -0.34, 0.42), "+", 1), "0.0 [-0.3, +0.4]");
        assert_eq!(interval(Estimate { mean: Some(-1.0), ..Estimate::default() }, "+", 1), "-1.0");
        assert_eq!(interval(Estimate::default(), "+", 1), "–");
    }

    #[test]
    fn a_promise_is_kept_if_the_whole_interval_is_below_it() {
        let kept = |estimate| kept(estimate, 0.5);
        assert_eq!(kept(estimate(0.2, 0.1, 0.4)), "yes");
        assert_eq!(kept(estimate(0.4, 0.2, 0.6)), "open");
        assert_eq!(kept(estimate(3.0, 2.0, 4.0)), "no");
        assert_eq!(kept(Estimate { mean: Some(0.2), ..Estimate::default() }), "–");
    }
}
