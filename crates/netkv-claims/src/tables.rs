//! The paper's tables in their own form: a row for each condition, a column for each number, ours and behind it, in
//! brackets, the paper's.

use crate::file::Claim;
use crate::judge::Judged;
use crate::page::{short, shown};
use std::fmt::Write as _;

/// Every place whose name begins with "Table", as Markdown.
pub fn tables(judged: &[Judged]) -> String {
    let mut out = String::from(
        "# The paper's tables\n\nOurs, and in brackets what the paper prints. Written from the same rows as claims.md, which \
         has intervals, tolerances and verdicts.\n",
    );
    let mut places: Vec<&str> = Vec::new();
    for one in judged.iter().filter(|one| one.ours.is_some() && one.claim.place.starts_with("Table")) {
        if !places.contains(&one.claim.place.as_str()) {
            places.push(&one.claim.place);
        }
    }
    for place in places {
        let own: Vec<&Judged> = judged.iter().filter(|one| one.claim.place == place && one.ours.is_some()).collect();
        writeln!(out, "\n## {place}\n").expect("a string takes any text");
        out.push_str(&pivot(&own));
    }
    out
}

/// What stands at the head of a row, and of a column.
fn heads(claim: &Claim) -> (String, String) {
    let at: Vec<_> = claim.at.iter().map(|(axis, value)| format!("{} {value}", short(axis))).collect();
    let against = if claim.against.is_empty() { String::new() } else { format!(" vs {}", claim.against) };
    let unit = if claim.unit.is_empty() { String::new() } else { format!(", {}", claim.unit) };
    (at.join(", "), format!("{}{against}{unit}", claim.says))
}

fn pivot(own: &[&Judged]) -> String {
    let (mut rows, mut columns): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for one in own {
        let (row, column) = heads(&one.claim);
        if !rows.contains(&row) {
            rows.push(row);
        }
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    let mut out = format!("| | {} |\n|---|{}\n", columns.join(" | "), "--:|".repeat(columns.len()));
    for row in &rows {
        let cells = columns.iter().map(|column| {
            let found = own.iter().find(|one| heads(&one.claim) == (row.clone(), column.clone()));
            found
                .and_then(|one| Some((one.ours?, one.claim.printed)))
                .map_or_else(String::new, |(ours, printed)| format!("{} ({})", shown(ours.value), shown(printed)))
        });
        let cells: Vec<String> = cells.collect();
        writeln!(out, "| {row} | {} |", cells.join(" | ")).expect("a string takes any text");
    }
    out
}
