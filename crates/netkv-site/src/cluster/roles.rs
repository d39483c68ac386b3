//! Which servers compute prompts, and which decode.

use super::labels::no_such;
use super::site::Server;
use crate::fault::{Fault, listed};
use netkv_units::nearest;
use std::collections::BTreeSet;

/// Who says which servers prefill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roles {
    /// Nobody: the keys of the cluster do.
    #[default]
    Untold,
    /// A label whose value is "prefill" or "decode".
    Label(String),
    /// These servers prefill, the others decode.
    Listed(Vec<String>),
}

/// By server: whether it prefills; none if nobody says.
///
/// # Errors
/// A label on no server, servers without it or with another value, names that no server has.
pub fn prefill(servers: &[Server], roles: &Roles) -> Result<Option<Vec<bool>>, Vec<Fault>> {
    match roles {
        Roles::Untold => Ok(None),
        Roles::Label(label) => by_label(servers, label).map(Some),
        Roles::Listed(names) => by_name(servers, names).map(Some),
    }
}

fn by_label(servers: &[Server], label: &str) -> Result<Vec<bool>, Vec<Fault>> {
    if !servers.iter().any(|server| server.labels.contains_key(label)) {
        return Err(vec![no_such("--role-label", label, servers)]);
    }
    let mut faults = Vec::new();
    let mut roles = Vec::new();
    let mut without = Vec::new();
    for server in servers {
        match server.labels.get(label).map(String::as_str) {
            Some("prefill") => roles.push(true),
            Some("decode") => roles.push(false),
            Some(other) => {
                let message = format!("server {}: {label} = {other:?}; allowed: prefill, decode", server.name);
                faults.push(Fault::at(server.line, message));
            }
            None => without.push(server.name.as_str()),
        }
    }
    if !without.is_empty() {
        let shown = listed(without);
        faults.push(Fault::whole(format!("no {label} on {shown}: give it to them, or --leave-out SERVERS")));
    }
    if faults.is_empty() { Ok(roles) } else { Err(faults) }
}

fn by_name(servers: &[Server], names: &[String]) -> Result<Vec<bool>, Vec<Fault>> {
    let known: BTreeSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    let faults: Vec<Fault> = unknown("--prefill-servers", names, &known);
    if !faults.is_empty() {
        return Err(faults);
    }
    let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    Ok(servers.iter().map(|server| named.contains(server.name.as_str())).collect())
}

/// Names that no server has.
pub fn unknown(option: &str, names: &[String], known: &BTreeSet<&str>) -> Vec<Fault> {
    let fault = |name: &String| {
        let near = nearest(name, known.iter().copied());
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        Fault::whole(format!("{option}: there is no server {name}{near}"))
    };
    names.iter().filter(|name| !known.contains(name.as_str())).map(fault).collect()
}
