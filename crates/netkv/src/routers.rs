//! Routers that are programs: what an answer, a report and a manifest say of them. What they decide is not guaranteed to be
//! repeatable, and is told so wherever their numbers are.

use netkv_grid::{Experiment, Status, Store};
use netkv_sim::metric_index;
use std::collections::BTreeSet;
use toml::{Table, Value};

/// The policy that is one.
pub const NAME: &str = "external";

/// A router of an experiment, as its keys say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Router {
    command: String,
    protocol: String,
    release: String,
}

/// The routers of an experiment, each once, and the cells that they decide in.
fn routers(experiment: &Experiment) -> (BTreeSet<Router>, Vec<usize>) {
    let (mut routers, mut cells) = (BTreeSet::new(), Vec::new());
    for cell in experiment.cells().filter(|cell| cell.spec().policy().name() == NAME) {
        cells.push(cell.index);
        if cells.len() > 1 && cell.seed != experiment.seeds()[0] {
            continue;
        }
        let resolved = experiment.resolved(&cell);
        let said = |key: &str| {
            let key = format!("policy.external.{key}");
            let value = resolved.iter().find(|(name, ..)| *name == key).map(|(_, value, _)| value.clone());
            value.unwrap_or_default().trim_matches('"').to_owned()
        };
        routers.insert(Router { command: said("command"), protocol: said("protocol"), release: said("release") });
    }
    (routers, cells)
}

/// What there is to know of them before a number is read: one line, or none.
pub fn words(experiment: &Experiment, store: &Store) -> Vec<String> {
    let (routers, cells) = routers(experiment);
    if routers.is_empty() {
        return Vec::new();
    }
    let named: Vec<String> = routers
        .iter()
        .map(|router| match router.release.as_str() {
            "" => format!("{} ({})", router.command, router.protocol),
            release => format!("{} ({} {release})", router.command, router.protocol),
        })
        .collect();
    let cells = cells.into_iter().filter_map(|index| experiment.cell(index));
    let ratios: Vec<f64> = cells.filter_map(|cell| repeated(&store.get(cell.key)?.status)).collect();
    vec![format!("policy external is {}: NOT guaranteed to be repeatable{}", named.join(" or "), found(&ratios))]
}

/// The share of a cell's decisions before a second copy of its router decided otherwise.
fn repeated(status: &Status) -> Option<f64> {
    let Status::Done { metrics, .. } = status else { return None };
    metrics[metric_index("decisions_repeated_ratio")?].number()
}

/// What was found of it.
fn found(ratios: &[f64]) -> String {
    let n = ratios.len();
    let whole = ratios.iter().filter(|&&ratio| ratio == 1.0).count();
    let first = ratios.iter().copied().filter(|&ratio| ratio < 1.0).fold(f64::NEG_INFINITY, f64::max);
    match (n, whole) {
        (0, _) => String::new(),
        (1, 1) => "; in its one run a second copy of it, asked the same, decided alike throughout".to_owned(),
        (1, _) => format!(
            "; in its one run a second copy of it, asked the same, decided alike for the first {:.1} % of the decisions alone",
            first * 100.0
        ),
        (n, whole) if n == whole => {
            format!("; in all {n} runs a second copy of it, asked the same, decided alike throughout")
        }
        (n, 0) => format!(
            "; in none of {n} runs did a second copy of it, asked the same, decide alike throughout: at best for the first \
             {:.1} % of the decisions",
            first * 100.0
        ),
        (n, whole) => {
            format!(
                "; in {whole} of {n} runs a second copy of it, asked the same, decided alike throughout, in the others not"
            )
        }
    }
}

/// The same for a manifest; empty where there are none.
pub fn manifest(experiment: &Experiment) -> Vec<Value> {
    let table = |router: &Router| {
        let mut table = Table::new();
        table.insert("command".to_owned(), Value::from(router.command.as_str()));
        table.insert("protocol".to_owned(), Value::from(router.protocol.as_str()));
        table.insert("release".to_owned(), Value::from(router.release.as_str()));
        table.insert("repeatable".to_owned(), Value::from("not guaranteed"));
        Value::Table(table)
    };
    routers(experiment).0.iter().map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn what_was_found_is_told_as_it_is() {
        assert_eq!(found(&[]), "");
        assert!(found(&[1.0, 1.0]).starts_with("; in all 2 runs"));
        assert!(found(&[0.25, 0.0]).ends_with("at best for the first 25.0 % of the decisions"));
        assert!(found(&[1.0, 0.0, 0.5]).starts_with("; in 1 of 3 runs"));
    }
}
