//! Series of samples, whatever they were read from.

use crate::fault::Fault;
use std::collections::BTreeMap;

/// A metric of one thing over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Times in seconds, with values; a dump without stamps has the number of its file as time.
    pub points: Vec<(f64, f64)>,
}

/// A name with its labels.
type Identity = (String, BTreeMap<String, String>);

/// The samples of several files, by series, in order of time.
///
/// # Errors
/// A series with two values at one time.
pub fn together(files: Vec<Vec<Series>>) -> Result<Vec<Series>, Fault> {
    let mut all: BTreeMap<Identity, Vec<(f64, f64)>> = BTreeMap::new();
    for series in files.into_iter().flatten() {
        all.entry((series.name, series.labels)).or_default().extend(series.points);
    }
    let mut together = Vec::new();
    for ((name, labels), mut points) in all {
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        if let Some(pair) = points.windows(2).find(|pair| pair[0].0 >= pair[1].0) {
            let shown: Vec<String> = labels.iter().map(|(label, value)| format!("{label}={value:?}")).collect();
            let message = format!("{name}{{{}}} has two values at {}: name each file once", shown.join(","), pair[0].0);
            return Err(Fault::whole(message));
        }
        together.push(Series { name, labels, points });
    }
    Ok(together)
}
