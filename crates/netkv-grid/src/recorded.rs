//! Recorded traffic of others: a table of shares over time, in the file that `background.file` names.

use crate::issue::{InputErrors, Issue, Origin};
use netkv_fabric::{Direction, LinkKind, RecordedShare, Recording};
use netkv_units::{SimDuration, nearest, sha256_hex};
use std::path::Path;

/// Columns, in the order in which they stand in the first line.
const COLUMNS: [&str; 7] = ["time_s", "kind", "direction", "pod", "rack", "switch", "ratio"];

/// What stands in the column `kind` of the last row: then the record is played from the start again.
const END: &str = "end";

/// Largest share that others may take: the rest must carry KV caches in finite time, as with the other kinds.
const MAX_RATIO: f64 = 0.95;

/// Longest record, in seconds and in rows. Chosen by us: a year, and a day of a sample each second of 40 links.
const MAX_TIME_S: f64 = 3.2e7;
const MAX_ROWS: usize = 4_000_000;

/// Largest file, in bytes. Chosen by us: so many rows.
pub(crate) const MAX_BYTES: u64 = 256 << 20;

/// Reads the table.
pub(crate) fn read(path: &Path, text: &str) -> Result<Recording, InputErrors> {
    let origin = |line: usize| Origin { position: Some((line as u32, 1)), ..Origin::file(path) };
    let mut lines =
        text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| !line.is_empty());
    let header = lines.next().unwrap_or((1, ""));
    if header.1 != COLUMNS.join(",") {
        let message = format!("{:?} is no first line of a record; it is {}", header.1, COLUMNS.join(","));
        return Err(Issue::new(&origin(header.0), message).into());
    }
    let (mut shares, mut issues, mut last, mut end) = (Vec::new(), Vec::new(), 0.0, None);
    for (number, line) in lines {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let row = match end {
            None => row(&fields, last),
            Some(_) => Err("a row behind the end of the record".to_owned()),
        };
        match row {
            Ok((time_s, share)) => {
                last = time_s;
                match share {
                    Some(share) => shares.push(share),
                    None => end = Some(time_s),
                }
            }
            Err(message) => issues.push(Issue::new(&origin(number), message)),
        }
        if issues.len() >= 20 || shares.len() > MAX_ROWS {
            issues.push(Issue::new(&origin(number), format!("no more is read; allowed: at most {MAX_ROWS} rows")));
            break;
        }
    }
    let later = shares.iter().map(|share| share.from).max();
    match (later, end) {
        _ if !issues.is_empty() => Err(InputErrors::new(issues)),
        (None, _) => Err(Issue::new(&Origin::file(path), "the record has no row").into()),
        (Some(later), None) if later > SimDuration::ZERO => {
            let message = "the record has no end; its last row says when it begins again: TIME,end,,,,,";
            Err(Issue::new(&Origin::file(path), message).into())
        }
        (Some(later), Some(end)) if SimDuration::from_secs_f64(end) <= later => {
            Err(Issue::new(&Origin::file(path), format!("the record ends at {end} s, not later than its last share"))
                .into())
        }
        (Some(_), end) => {
            let end = SimDuration::from_secs_f64(end.unwrap_or(0.0));
            Ok(Recording { shares, end, known_by: sha256_hex(text.as_bytes()) })
        }
    }
}

/// A row: its time, and its share; none if it is the end.
fn row(fields: &[&str], last: f64) -> Result<(f64, Option<RecordedShare>), String> {
    let &[time_s, kind, direction, pod, rack, switch, ratio] = fields else {
        return Err(format!("{} fields; allowed: {}", fields.len(), COLUMNS.len()));
    };
    let time_s = number("time_s", time_s, MAX_TIME_S)?;
    if time_s < last {
        return Err(format!("time_s = {time_s} is before that of the row above, {last}"));
    }
    if kind == END {
        let is_bare = [direction, pod, rack, switch, ratio].iter().all(|field| field.is_empty());
        return if is_bare { Ok((time_s, None)) } else { Err("the end has nothing but a time".to_owned()) };
    }
    let kinds = [LinkKind::Nic, LinkKind::Rack, LinkKind::Pod];
    let directions = [Direction::Up, Direction::Down];
    let share = RecordedShare {
        from: SimDuration::from_secs_f64(time_s),
        kind: word("kind", kind, &kinds.map(|kind| (kind.name(), kind)))?,
        direction: match direction {
            "" => None,
            direction => Some(word("direction", direction, &directions.map(|one| (one.name(), one)))?),
        },
        pod: index("pod", pod)?,
        rack: index("rack", rack)?,
        switch: index("switch", switch)?,
        ratio: number("ratio", ratio, MAX_RATIO)?,
    };
    Ok((time_s, Some(share)))
}

fn number(column: &str, text: &str, high: f64) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (0.0..=high).contains(number));
    number.ok_or_else(|| format!("{column} = {text:?}; allowed: a number, 0 to {high}"))
}

fn index(column: &str, text: &str) -> Result<Option<u32>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| format!("{column} = {text:?}; allowed: a number from 0, or nothing for all"))
}

fn word<T: Copy>(column: &str, text: &str, words: &[(&'static str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let near = nearest(text, names.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        format!("{column} = {text:?}; allowed: {}{near}", names.join(", "))
    })
}
