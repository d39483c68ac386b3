//! A decision for people.

use super::decided::{Decided, Network};
use netkv_oracle::{NEVER, TIERS};
use netkv_policy::{PathCost, Rating, Term};

/// All of it.
pub fn of(decided: &Decided<'_>) -> String {
    let prompt = &decided.prompt;
    let head = format!(
        "{} tokens, {:.3} GB of KV cache, on instance {}; {} decides (parameters: {})\nnetwork: {}; congestion {}\n",
        prompt.input_tokens,
        prompt.kv_bytes.get() as f64 * 1e-9,
        decided.source.get(),
        decided.policy,
        decided.parameters,
        network(decided),
        if decided.view.figures().counts_in_flight {
            "holds the router's own transfers"
        } else {
            "leaves the router's own transfers out"
        }
    );
    let verdict = match decided.chosen {
        Some(at) => format!("chosen: instance {}{}\n", decided.candidates[at].instance.get(), why(decided, at)),
        None => "refused: the rule finds no instance that may take it\n".to_owned(),
    };
    format!("{head}\n{}\n{verdict}", table(decided))
}

fn network(decided: &Decided<'_>) -> String {
    match (decided.network, decided.view.age_s()) {
        (Network::Idle, _) => "idle".to_owned(),
        (Network::Told, _) => "as --congestion says".to_owned(),
        (Network::Oracle(url), Some(age_s)) => format!("{url}, its oldest figure {age_s:.1} s old"),
        (Network::Oracle(url), None) => format!("{url}, which does not know all tiers yet"),
    }
}

/// A row for each candidate, the chosen one marked.
fn table(decided: &Decided<'_>) -> String {
    let mut rows = vec![header(decided)];
    for (at, candidate) in decided.candidates.iter().enumerate() {
        let mark = if decided.chosen == Some(at) { ">" } else { "" };
        let mut row = vec![mark.to_owned(), candidate.instance.get().to_string()];
        row.extend(path(&decided.paths[at]));
        row.push(format!("{:.3}", candidate.transfer_bytes.get() as f64 * 1e-9));
        row.extend(decided.ratings.iter().flat_map(|ratings| rated(&ratings[at])));
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn header(decided: &Decided<'_>) -> Vec<String> {
    let mut names: Vec<String> =
        ["", "decode", "tier", "GB/s", "us", "taken", "age s", "to move GB"].map(str::to_owned).to_vec();
    if let Some(first) = decided.ratings.as_ref().map(|ratings| &ratings[0]) {
        let name = |term: &Term| format!("{} {}", term.name, shown(term).1).trim_end().to_owned();
        names.extend(first.terms.iter().map(name));
        names.extend(["sum".to_owned(), "class".to_owned()]);
    }
    names
}

fn path(path: &PathCost) -> [String; 5] {
    [
        TIERS[path.tier.index()].to_owned(),
        format!("{:.2}", path.bandwidth_bytes_per_sec * 1e-9),
        format!("{:.1}", path.latency.as_secs_f64() * 1e6),
        format!("{:.1} %", path.congestion_ratio * 100.0),
        if path.age < NEVER { format!("{:.1}", path.age.as_secs_f64()) } else { "never".to_owned() },
    ]
}

fn rated(rating: &Rating) -> Vec<String> {
    let unit = rating.terms.first().map_or("", |term| term.unit);
    let sum = Term::new("sum", unit, rating.cost());
    let cells = rating.terms.iter().chain([&sum]).map(|term| format!("{:.3}", shown(term).0));
    let mut cells: Vec<String> = cells.collect();
    cells.push(if rating.standing.is_empty() { "-".to_owned() } else { rating.standing.to_owned() });
    cells
}

/// An amount as people read it: seconds in milliseconds.
fn shown(term: &Term) -> (f64, &'static str) {
    if term.unit == "s" { (term.value * 1e3, "ms") } else { (term.value, term.unit) }
}

/// Why it was chosen, as far as a sum says it.
fn why(decided: &Decided<'_>, chosen: usize) -> String {
    let Some(ratings) = &decided.ratings else { return "; its rule is no sum of terms (docs/policies.md)".to_owned() };
    let own = &ratings[chosen];
    let is_other = |at: &usize| *at != chosen && ratings[*at].rank == own.rank;
    let others = (0..ratings.len()).filter(is_other);
    let Some(next) = others.min_by(|one, two| ratings[*one].cost().total_cmp(&ratings[*two].cost())) else {
        return if ratings.len() > 1 { ", the only one of its class".to_owned() } else { String::new() };
    };
    let unit = own.terms.first().map_or("", |term| term.unit);
    let (lead, unit) = shown(&Term::new("lead", unit, ratings[next].cost() - own.cost()));
    let next = decided.candidates[next].instance.get();
    if lead > 0.0 {
        format!(", {lead:.3} {unit} before instance {next}").replace("  ", " ")
    } else {
        format!(", level with instance {next}: ties end by the policy's own rule")
    }
}
