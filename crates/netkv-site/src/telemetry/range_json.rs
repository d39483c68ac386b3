//! The answer of Prometheus to `/api/v1/query_range`, or to `/api/v1/query`.

use super::series::Series;
use crate::fault::Fault;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Answer {
    status: String,
    error: Option<String>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    result: Vec<One>,
}

#[derive(Deserialize)]
struct One {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    value: Option<(f64, String)>,
}

/// Reads the series of counters themselves.
pub fn read(text: &str) -> Result<Vec<Series>, Fault> {
    let all = read_any(text)?;
    if all.iter().any(|series| series.name.is_empty()) {
        let message = "a series has no __name__: ask for the counters themselves, not for a function of them";
        return Err(Fault::whole(message));
    }
    Ok(all)
}

/// Reads series, those without a name as well: what a function makes of counters has none.
pub fn read_any(text: &str) -> Result<Vec<Series>, Fault> {
    let answer: Answer = serde_json::from_str(text).map_err(|error| {
        let remedy = if error.is_eof() { "; it is cut off: ask again" } else { "" };
        let said = error.to_string();
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said).to_owned();
        Fault::at(Some(error.line() as u64), format!("no answer to a query: {said}{remedy}"))
    })?;
    let Some(data) = answer.data.filter(|_| answer.status == "success") else {
        let why = answer.error.unwrap_or_else(|| answer.status.clone());
        return Err(Fault::whole(format!("Prometheus answered with an error: {why}")));
    };
    let mut all = Vec::new();
    for one in data.result {
        let mut labels = one.metric;
        let name = labels.remove("__name__").unwrap_or_default();
        let mut points = Vec::new();
        for (time, value) in one.values.into_iter().chain(one.value) {
            let value = value.parse::<f64>().map_err(|_| Fault::whole(format!("{name}: {value:?} is no number")))?;
            points.push((time, value));
        }
        all.push(Series { name, labels, points });
    }
    Ok(all)
}
