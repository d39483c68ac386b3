//! Trees of switches: the way from every server up to the top.

use crate::fault::{Fault, listed};
use netkv_units::nearest;
use std::collections::{BTreeMap, BTreeSet};

/// A name with the line that it stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: String,
    /// Its line, from 1.
    pub line: Option<u64>,
}

/// A switch with what hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its own name.
    pub own: Named,
    /// Switches below it.
    pub switches: Vec<Named>,
    /// Servers on it.
    pub servers: Vec<Named>,
}

/// What a tree gives.
#[derive(Debug, Default)]
pub struct Paths {
    /// By server: the switches above it, the nearest first.
    pub above: BTreeMap<String, Vec<String>>,
    /// Servers in the order of the switches that they hang on.
    pub order: Vec<Named>,
    /// Switches with nothing below them.
    pub empty: Vec<String>,
}

/// The way up from every server. A child that no switch is described for is an empty one if `undescribed_are_empty`, else a
/// fault.
///
/// # Errors
/// Switches described twice, with two parents, in a circle or unknown; servers on two switches.
pub fn paths(switches: &[Switch], undescribed_are_empty: bool) -> Result<Paths, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut known: BTreeMap<&str, &Switch> = BTreeMap::new();
    for switch in switches {
        if let Some(first) = known.insert(&switch.own.name, switch) {
            faults.push(twice(&switch.own, &first.own));
        }
    }
    let parents = parents(switches, &known, undescribed_are_empty, &mut faults);
    let mut result = Paths::default();
    let mut on: BTreeMap<&str, &Switch> = BTreeMap::new();
    for switch in switches {
        for server in &switch.servers {
            if let Some(first) = on.insert(&server.name, switch) {
                let (name, own, other) = (&server.name, &switch.own.name, &first.own.name);
                let remedy = "a server hangs on one switch: correct the file, or describe one rail alone";
                faults
                    .push(Fault::at(server.line, format!("server {name} is on switch {own} and on {other}; {remedy}")));
            }
            result.order.push(server.clone());
        }
        if switch.servers.is_empty() && switch.switches.is_empty() {
            result.empty.push(switch.own.name.clone());
        }
        let undescribed = switch.switches.iter().filter(|child| !known.contains_key(child.name.as_str()));
        result.empty.extend(undescribed.map(|child| child.name.clone()));
    }
    for (server, switch) in on {
        match way_up(&switch.own.name, &parents) {
            Ok(way) => drop(result.above.insert(server.to_owned(), way)),
            Err(circle) => {
                let message = format!("switches in a circle: {}", listed(circle.iter().map(String::as_str)));
                faults.push(Fault::at(switch.own.line, message));
            }
        }
    }
    faults.dedup();
    if faults.is_empty() { Ok(result) } else { Err(faults) }
}

fn twice(own: &Named, first: &Named) -> Fault {
    let before = first.line.map_or_else(String::new, |line| format!(", first on line {line}"));
    Fault::at(own.line, format!("switch {} is described twice{before}", own.name))
}

/// By switch: the one above it.
fn parents<'a>(
    switches: &'a [Switch],
    known: &BTreeMap<&str, &Switch>,
    undescribed_are_empty: bool,
    faults: &mut Vec<Fault>,
) -> BTreeMap<&'a str, &'a str> {
    let mut parents: BTreeMap<&str, &str> = BTreeMap::new();
    for switch in switches {
        for child in &switch.switches {
            if !known.contains_key(child.name.as_str()) && !undescribed_are_empty {
                let near = nearest(&child.name, known.keys().copied());
                let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                let message =
                    format!("switch {} is below {}, but nowhere described{near}", child.name, switch.own.name);
                faults.push(Fault::at(child.line, message));
            }
            if let Some(other) = parents.insert(&child.name, &switch.own.name).filter(|other| *other != switch.own.name)
            {
                let message = format!(
                    "switch {} is below {other} and below {}; a tree has one way up: give the links' number by \
                     fabric.spines_per_pod and fabric.cores instead",
                    child.name, switch.own.name
                );
                faults.push(Fault::at(child.line, message));
            }
        }
    }
    parents
}

/// The switches from `from` up; those of a circle, if it goes in one.
fn way_up(from: &str, parents: &BTreeMap<&str, &str>) -> Result<Vec<String>, Vec<String>> {
    let mut way = vec![from.to_owned()];
    let mut seen = BTreeSet::from([from]);
    let mut at = from;
    while let Some(parent) = parents.get(at) {
        if !seen.insert(parent) {
            return Err(way);
        }
        way.push((*parent).to_owned());
        at = parent;
    }
    Ok(way)
}
