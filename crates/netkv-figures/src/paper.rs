//! The paper's own figures (arXiv 2606.03910v1, Figures 1 to 5, and what its tables show), with its printed values beside
//! ours as open marks; and the bridge from its model to ours.
//!
//! Printed values come from the claims file alone; without it the figures are drawn without marks, and say so.

mod board;
mod grid;
mod list;
mod waterfall;

pub(crate) use list::{PaperFigure, list};

use crate::words;
use anyhow::{Context, Result};
use netkv_claims::{Claims, Summary};
use std::collections::BTreeMap;
use std::path::Path;

/// The values of some axes, as words.
pub(crate) type At = BTreeMap<String, String>;

/// What a figure is drawn from: an experiment's summary, and the printed values if there are any.
pub(crate) struct Source<'a> {
    pub(crate) experiment: &'static str,
    pub(crate) summary: Summary,
    pub(crate) claims: Option<&'a Claims>,
}

impl<'a> Source<'a> {
    pub(crate) fn read(results: &Path, experiment: &'static str, claims: Option<&'a Claims>) -> Result<Self> {
        let path = results.join(experiment).join("summary.parquet");
        let summary = Summary::read(&path).with_context(|| format!("cannot draw experiment {experiment}"))?;
        Ok(Self { experiment, summary, claims })
    }

    /// The values of an axis, in the order of the experiment.
    pub(crate) fn values(&self, axis: &str) -> Result<Vec<String>> {
        let found = self.summary.values.get(axis).cloned();
        found
            .with_context(|| format!("{} has no axis {axis}; it has {}", self.experiment, self.summary.axes.join(", ")))
    }

    /// "Trace: x. 5 seeds" and so on; `objective` says what SLO attainment is of, `marks` what shows printed values, if
    /// anything does.
    pub(crate) fn provenance(&self, objective: &str, marks: Option<&str>) -> String {
        let metadata = &self.summary.metadata;
        let meta = |key: &str| metadata.get(key).map_or("", String::as_str);
        let mut sentences = vec![words::trace(metadata)];
        sentences.push(format!(
            "Seeds {}, {} % t intervals over them: seed noise only.",
            meta("seeds"),
            confidence(metadata)
        ));
        if !objective.is_empty() {
            sentences.push(objective.to_owned());
        }
        sentences.extend(marks.map(|marks| match self.claims {
            Some(_) => format!("{marks}: printed in the paper."),
            None => "The paper's printed values are not drawn: there was no claims file.".to_owned(),
        }));
        sentences.push(format!("Experiment {}, simulation epoch {}.", self.experiment, meta("sim_epoch")));
        sentences.join(" ")
    }
}

fn confidence(metadata: &netkv_frames::Metadata) -> String {
    let ratio = metadata.get("confidence_ratio").and_then(|ratio| ratio.parse::<f64>().ok());
    ratio.map_or_else(|| "?".to_owned(), |ratio| words::trimmed(ratio * 100.0))
}
