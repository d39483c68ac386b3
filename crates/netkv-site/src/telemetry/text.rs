//! Prometheus' text format: what `/metrics` of an exporter gives.

use super::series::Series;
use crate::fault::Fault;
use std::collections::BTreeMap;

/// Reads the samples; those without a stamp are of the time `at`.
pub fn read(text: &str, at: f64) -> Result<Vec<Series>, Fault> {
    let mut all = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        all.push(sample(line, at).map_err(|message| Fault::at(number, message))?);
    }
    if all.is_empty() {
        return Err(Fault::whole("no sample of Prometheus' text format"));
    }
    Ok(all)
}

/// `name{label="value",...} value [stamp in milliseconds]`.
fn sample(line: &str, at: f64) -> Result<Series, String> {
    let end = line.find(|letter: char| letter == '{' || letter.is_whitespace()).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let is_name = |name: &str| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
        !name.is_empty() && name.chars().all(is_letter) && !name.starts_with(|letter: char| letter.is_ascii_digit())
    };
    if !is_name(name) {
        return Err(format!("{name:?} is no name of a metric: this is not Prometheus' text format"));
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (BTreeMap::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let value = words.next().ok_or_else(|| format!("{name} has no value; the file may be cut off"))?;
    let value = value.parse::<f64>().map_err(|_| format!("{name} = {value:?}; allowed: a number"))?;
    let time = match words.next() {
        None => at,
        Some(stamp) => stamp.parse::<i64>().map_err(|_| format!("{stamp:?} is no stamp in milliseconds"))? as f64 / 1e3,
    };
    if words.next().is_some() {
        return Err(format!("{name}: more than a value and a stamp"));
    }
    Ok(Series { name: name.to_owned(), labels, points: vec![(time, value)] })
}

/// The labels behind an open brace, and what follows the closing one.
fn labels(inside: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    let mut rest = inside.trim_start();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Ok((labels, rest));
        }
        let (name, behind) = rest.split_once('=').ok_or("labels are not closed; the file may be cut off")?;
        let quoted = behind.trim_start().strip_prefix('"').ok_or("a label's value is in double quotes")?;
        let (mut value, mut letters, mut end) = (String::new(), quoted.char_indices(), None);
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = Some(at + 1);
                    break;
                }
                '\\' => match letters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, other)) => value.push(other),
                    None => break,
                },
                other => value.push(other),
            }
        }
        let end = end.ok_or("a label's value is not closed; the file may be cut off")?;
        labels.insert(name.trim().to_owned(), value);
        rest = quoted[end..].trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}
