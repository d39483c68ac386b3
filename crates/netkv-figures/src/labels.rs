//! Words for axes and their values: titles, how numbers are written, how values stand across. They come from the
//! experiment, as its manifest has them; what has none is called by its key.

use crate::axis::Spacing;
use crate::numbers;
use crate::style;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The axis of the policies, whose values have their words and looks in [`style`].
pub(crate) const POLICY_AXIS: &str = "policy.name";

/// How the numbers of an axis are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Numbers {
    /// As they are.
    #[default]
    Plain,
    /// Shares, in percent.
    Percent,
    /// 4096 as 4k.
    Tokens,
    /// Seconds; none means the present.
    Interval,
    /// 4 as 4:1.
    ToOne,
}

/// Words for a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum ValueWords {
    Title(String),
    Both {
        title: String,
        #[serde(default)]
        about: String,
    },
}

/// Words for an axis.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AxisWords {
    title: Option<String>,
    numbers: Numbers,
    /// What numbers are multiplied by before they are written.
    factor: Option<f64>,
    spacing: Option<Spacing>,
    values: BTreeMap<String, ValueWords>,
}

/// The words of an experiment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Labels {
    axes: BTreeMap<String, AxisWords>,
}

impl Labels {
    /// Those of an experiment: its own, and those that the files of its axes bring.
    pub(crate) fn of(experiment: &Table) -> Result<Self, toml::de::Error> {
        let own = experiment.get("words").cloned().unwrap_or_else(|| Value::Table(Table::new()));
        let mut axes: BTreeMap<String, AxisWords> = own.try_into()?;
        for axis in experiment.get("axis").and_then(Value::as_array).into_iter().flatten() {
            let Some(key) = axis.get("key").and_then(Value::as_str) else { continue };
            for (value, words) in axis.get("overlay").and_then(Value::as_table).into_iter().flatten() {
                let Some(words) = words.get("word") else { continue };
                let values = &mut axes.entry(key.to_owned()).or_default().values;
                values.insert(value.clone(), words.clone().try_into()?);
            }
        }
        Ok(Self { axes })
    }

    /// What an axis is called.
    pub(crate) fn title(&self, axis: &str) -> String {
        self.axes
            .get(axis)
            .and_then(|words| words.title.clone())
            .unwrap_or_else(|| if axis == POLICY_AXIS { "Policy".to_owned() } else { axis.to_owned() })
    }

    /// A number of an axis.
    pub(crate) fn number(&self, axis: &str, value: f64) -> String {
        let (numbers, factor) =
            self.axes.get(axis).map_or((Numbers::Plain, None), |words| (words.numbers, words.factor));
        let value = value * factor.unwrap_or(1.0);
        match numbers {
            Numbers::Plain => numbers::trimmed(value),
            Numbers::Percent => numbers::percent(value),
            Numbers::Tokens => numbers::tokens(value),
            Numbers::Interval => numbers::interval(value),
            Numbers::ToOne => format!("{}:1", numbers::trimmed(value)),
        }
    }

    /// Title and description of a value of an axis.
    pub(crate) fn value(&self, axis: &str, value: &str) -> (String, String) {
        match self.axes.get(axis).and_then(|words| words.values.get(value)) {
            Some(ValueWords::Title(title)) => (title.clone(), String::new()),
            Some(ValueWords::Both { title, about }) => (title.clone(), about.clone()),
            None if axis == POLICY_AXIS => (style::policy(value).label, String::new()),
            None => {
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
                (number.map_or_else(|| value.to_owned(), |number| self.number(axis, number)), String::new())
            }
        }
    }

    /// How the ascending values of an axis stand across: as the experiment says, or as the values ask for.
    pub(crate) fn spacing(&self, axis: &str, values: &[f64]) -> Spacing {
        let said = self.axes.get(axis).and_then(|words| words.spacing);
        said.unwrap_or_else(|| usual_spacing(values))
    }
}

/// Values that span more than this stand by their logarithms.
const WIDE: f64 = 8.0;

/// By logarithms where values span more than a factor of 8, or logarithms are more evenly apart than the values, which are
/// roughly geometric; evenly where such values begin with a zero, which has no logarithm; else as they are.
fn usual_spacing(values: &[f64]) -> Spacing {
    let is_wide =
        |values: &[f64]| values.first().zip(values.last()).is_some_and(|(low, high)| *low > 0.0 && *high > WIDE * *low);
    match values {
        [low, ..] if *low > 0.0 => {
            let logs: Vec<f64> = values.iter().map(|value| libm::log2(*value)).collect();
            if is_wide(values) || unevenness(&logs) < 0.99 * unevenness(values) {
                Spacing::Log
            } else {
                Spacing::Linear
            }
        }
        [0.0, rest @ ..] if is_wide(rest) => Spacing::Ordinal,
        _ => Spacing::Linear,
    }
}

/// The widest gap as a multiple of the narrowest.
fn unevenness(values: &[f64]) -> f64 {
    let gaps = values.windows(2).map(|pair| pair[1] - pair[0]);
    let (narrow, wide) = gaps.fold((f64::INFINITY, 0.0_f64), |ends, gap| (ends.0.min(gap), ends.1.max(gap)));
    if narrow > 0.0 && narrow.is_finite() { wide / narrow } else { f64::INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_from_the_experiment_and_from_the_files_of_its_axes() {
        let experiment = "
            [words.x]
            title = 'The x'
            numbers = 'to_one'
            factor = 2.0
            values = { a = 'An a' }
            [[axis]]
            key = 'regime'
            overlay = { base = { word = { title = 'Base', about = 'as others' } } }
        ";
        let labels = Labels::of(&toml::from_str(experiment).unwrap()).unwrap();
        assert_eq!((labels.title("x"), labels.title("y")), ("The x".to_owned(), "y".to_owned()));
        assert_eq!(labels.value("regime", "base"), ("Base".to_owned(), "as others".to_owned()));
        assert_eq!((labels.value("x", "a").0, labels.value("x", "4").0), ("An a".to_owned(), "8:1".to_owned()));
        assert_eq!(labels.value(POLICY_AXIS, "netkv").0, "NetKV");
        assert_eq!(labels.spacing("x", &[1.0, 9.0]), Spacing::Log);
        assert_eq!(labels.spacing("x", &[0.0, 9.0]), Spacing::Linear);
    }

    #[test]
    fn values_stand_across_as_they_are_apart() {
        let geometric: [&[f64]; 4] =
            [&[4.0, 128.0], &[50.0, 100.0, 200.0, 400.0], &[1.0, 2.0, 4.0], &[4.0, 16.0, 64.0, 128.0]];
        assert!(geometric.iter().all(|values| usual_spacing(values) == Spacing::Log));
        let plain: [&[f64]; 6] =
            [&[0.3, 0.45, 0.6, 0.75, 0.9], &[1.0, 4.0, 8.0], &[8.0, 64.0], &[0.0, 0.1, 0.2, 0.4], &[], &[3.0]];
        assert!(plain.iter().all(|values| usual_spacing(values) == Spacing::Linear));
        assert_eq!(usual_spacing(&[0.0, 0.1, 1.0, 60.0]), Spacing::Ordinal);
    }
}
