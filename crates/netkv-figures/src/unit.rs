//! Units that values are shown in, and what metrics are called where nobody says otherwise.

use serde::Deserialize;

/// A unit that values are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Milliseconds,
    /// Of a share.
    #[serde(rename = "%")]
    Percent,
    /// Of bytes.
    #[serde(rename = "GB")]
    Gigabytes,
    /// The metric's own.
    #[serde(rename = "own")]
    Own,
}

impl Unit {
    /// The one that people read a metric in.
    pub(crate) fn of(metric: &str) -> Self {
        match metric.rsplit('_').next() {
            Some("ns") if metric.starts_with("tbt") => Self::Milliseconds,
            Some("ns") => Self::Seconds,
            Some("ratio") => Self::Percent,
            Some("bytes") => Self::Gigabytes,
            _ => Self::Own,
        }
    }

    /// From the metric's unit to this.
    pub(crate) fn factor(self, metric: &str) -> f64 {
        match self {
            Self::Seconds if metric.ends_with("_ns") => 1e-9,
            Self::Milliseconds if metric.ends_with("_ns") => 1e-6,
            Self::Gigabytes if metric.ends_with("_bytes") => 1e-9,
            Self::Percent => 100.0,
            Self::Seconds | Self::Milliseconds | Self::Gigabytes | Self::Own => 1.0,
        }
    }

    /// Follows a tick's number.
    pub(crate) const fn suffix(self) -> &'static str {
        match self {
            Self::Percent => " %",
            Self::Seconds | Self::Milliseconds | Self::Gigabytes | Self::Own => "",
        }
    }

    /// Follows a number in words.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Seconds => " s",
            Self::Milliseconds => " ms",
            Self::Percent => " %",
            Self::Gigabytes => " GB",
            Self::Own => "",
        }
    }

    /// The least and largest value there can be of `values`: shares end at 100 %, and what is never negative at 0.
    pub(crate) fn bounds(self, values: impl Iterator<Item = f64>) -> (f64, f64) {
        let (mut least, mut most) = (0.0_f64, 0.0_f64);
        values.for_each(|value| (least, most) = (least.min(value), most.max(value)));
        let low = if least < 0.0 { f64::NEG_INFINITY } else { 0.0 };
        (low, if self == Self::Percent && most <= 100.0 { 100.0 } else { f64::INFINITY })
    }
}

/// A metric in words with its unit: "TTFT mean (s)".
pub(crate) fn named(metric: &str, unit: Unit) -> String {
    let without = ["_ns", "_ratio", "_bytes"].iter().find_map(|unit| metric.strip_suffix(unit)).unwrap_or(metric);
    let word =
        |word: &str| if ["ttft", "tbt", "slo", "kv"].contains(&word) { word.to_uppercase() } else { word.into() };
    let mut words: Vec<String> = without.split('_').map(word).collect();
    if let Some(at) = words.iter().position(|word| word == "mean") {
        let mean = words.remove(at);
        words.insert(0, mean);
    }
    let spaced = words.join(" ").replace("per mtoken", "of a million tokens");
    let mut letters = spaced.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let unit = match unit {
        Unit::Seconds => " (s)",
        Unit::Milliseconds => " (ms)",
        Unit::Gigabytes => " (GB)",
        Unit::Percent | Unit::Own => "",
    };
    format!("{first}{}{unit}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_people_name_them() {
        assert_eq!(named("ttft_mean_ns", Unit::of("ttft_mean_ns")), "Mean TTFT (s)");
        assert_eq!(named("tbt_p99_ns", Unit::of("tbt_p99_ns")), "TBT p99 (ms)");
        assert_eq!(named("cost_per_mtoken", Unit::of("cost_per_mtoken")), "Cost of a million tokens");
        assert_eq!(named("slo_attainment_ratio", Unit::Percent), "SLO attainment");
    }

    #[test]
    fn what_is_never_negative_is_not_drawn_below_nothing() {
        assert_eq!(Unit::Percent.bounds([12.0, 99.0].into_iter()), (0.0, 100.0));
        assert_eq!(Unit::Seconds.bounds([-1.0, 3.0].into_iter()), (f64::NEG_INFINITY, f64::INFINITY));
    }
}
