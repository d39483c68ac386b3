//! Pods, racks, nodes and GPUs of a fabric, from the switches above servers and their NVLink domains.
//!
//! A fabric of netkv has the same number of racks in every pod, of nodes in every rack, of GPUs in every node. A node is what
//! NVLink joins: a server, or a whole NVLink domain of several. What an input does not tell is a fault that names the option
//! which does.

use super::equal::{self, take};
use super::parts::{Cluster, Pod, Rack, Unit};
use super::roles::{self, Roles, unknown};
use super::site::{Gpus, Server, Site};
use crate::fault::{Fault, listed};
use std::collections::{BTreeMap, BTreeSet};

/// What a node of the fabric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NvLink {
    /// A server: NVLink between servers is not used for KV caches.
    Node,
    /// The part of an NVLink domain that the input calls a sub-domain.
    SubDomain,
    /// A whole NVLink domain.
    Domain,
}

/// What the command line says beside the input.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// GPUs of each server.
    pub gpus_per_node: Option<u32>,
    /// What a node is.
    pub nvlink: Option<NvLink>,
    /// Whether the largest part of equal shape is enough.
    pub equal_part: bool,
    /// Whether the topmost switches are joined by a layer that the input leaves out.
    pub joined: bool,
    /// Only what is below this switch.
    pub under: Option<String>,
    /// Which switches are pods: 1 for the nearest to the servers.
    pub pod_tier: Option<usize>,
    /// Servers that are no part of it.
    pub leave_out: Vec<String>,
    /// Who prefills.
    pub roles: Roles,
}

/// The fabric that a site is.
///
/// # Errors
/// All that is missing, contradicts itself, or does not fit a fabric of equal parts.
pub fn arrange(site: Site, choices: &Choices) -> Result<Cluster, Vec<Fault>> {
    let mut notes = site.notes;
    let mut servers = kept(site.servers, choices)?;
    let mut faults = tiers(&servers, choices).err().unwrap_or_default();
    faults.extend(count_gpus(&mut servers, choices));
    let scope = scope(&servers, choices).map_err(|fault| faults.push(fault)).ok();
    let roles = roles::prefill(&servers, &choices.roles).map_err(|more| faults.extend(more)).ok();
    let (Some(scope), Some(roles), true) = (scope, roles, faults.is_empty()) else { return Err(faults) };
    if scope != NvLink::Node {
        notes.push("a node of the fabric is an NVLink domain of several servers: tier 0 reaches all of it".to_owned());
    }
    let units = units(&servers, scope)?;
    let products: BTreeSet<&str> = servers.iter().filter_map(|server| server.product.as_deref()).collect();
    if products.len() > 1 {
        let shown = listed(products.iter().copied());
        return Err(vec![Fault::whole(format!(
            "several kinds of GPU ({shown}): a cluster has one latency profile; --leave-out SERVERS, or select nodes"
        ))]);
    }
    let product = products.into_iter().next().map(str::to_owned);
    let pods = pods(&servers, &units, roles.as_deref(), choices);
    let unequal = equal::unequal(&pods);
    let pods = match (unequal, choices.equal_part) {
        (None, false) => pods,
        (None, true) => {
            let message = "--take equal-part has no effect: all pods, racks and nodes are of equal size";
            return Err(vec![Fault::whole(message)]);
        }
        (Some(why), false) => {
            let remedy = "a fabric has equal pods, racks and nodes: --take equal-part uses the largest part that is, \
                          --leave-out SERVERS leaves some out";
            return Err(vec![Fault::whole(format!("{why}; {remedy}"))]);
        }
        (Some(why), true) => {
            let all: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
            let part = take(pods);
            notes.push(format!("{why}; the largest part of equal shape {}", equal::without(&all, &part)));
            part
        }
    };
    Ok(Cluster { pods, product, notes })
}

/// The servers below the switch that is asked for, without those to be left out.
fn kept(servers: Vec<Server>, choices: &Choices) -> Result<Vec<Server>, Vec<Fault>> {
    let known: BTreeSet<&str> = servers.iter().map(|server| server.name.as_str()).collect();
    let mut faults = unknown("--leave-out", &choices.leave_out, &known);
    if let Some(under) = &choices.under
        && !servers.iter().any(|server| server.switches.contains(under))
    {
        let switches: BTreeSet<&str> =
            servers.iter().flat_map(|server| server.switches.iter().map(String::as_str)).collect();
        let near = netkv_units::nearest(under, switches.iter().copied());
        let near =
            near.map_or_else(|| format!("; there are {}", listed(switches)), |near| format!("; did you mean {near}?"));
        faults.push(Fault::whole(format!("--under {under}: no server is below such a switch{near}")));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let out: BTreeSet<&str> = choices.leave_out.iter().map(String::as_str).collect();
    let is_under = |server: &Server| choices.under.as_ref().is_none_or(|under| server.switches.contains(under));
    let is_kept = |server: &Server| !out.contains(server.name.as_str()) && is_under(server);
    let mut kept: Vec<Server> = servers.iter().filter(|server| is_kept(server)).cloned().collect();
    if let Some(under) = &choices.under {
        for server in &mut kept {
            let top = server.switches.iter().position(|switch| switch == under).expect("it is below it");
            server.switches.truncate(top + 1);
        }
    }
    if kept.is_empty() { Err(vec![Fault::whole("no server is left")]) } else { Ok(kept) }
}

/// What is wrong with the tiers of switches above servers.
fn tiers(servers: &[Server], choices: &Choices) -> Result<(), Vec<Fault>> {
    let bare: Vec<&str> =
        servers.iter().filter(|server| server.switches.is_empty()).map(|server| server.name.as_str()).collect();
    if !bare.is_empty() {
        let remedy = "--leave-out SERVERS, or correct the input";
        return Err(vec![Fault::whole(format!("nothing tells which switch {} hangs on: {remedy}", listed(bare)))]);
    }
    let depth = servers[0].switches.len();
    if let Some(other) = servers.iter().find(|server| server.switches.len() != depth) {
        let (first, n) = (&servers[0].name, other.switches.len());
        let message =
            format!("server {} is below {n} switches, {first} below {depth}: a fabric has equal tiers", other.name);
        return Err(vec![Fault::at(other.line, format!("{message}; --leave-out SERVERS, or --under SWITCH"))]);
    }
    if let Some(fault) = two_parents(servers) {
        return Err(vec![fault]);
    }
    let tops: BTreeSet<&str> = servers.iter().filter_map(|server| server.switches.last()).map(String::as_str).collect();
    let n_tiers = depth + usize::from(choices.joined);
    let mut faults = Vec::new();
    if tops.len() > 1 && !choices.joined {
        let shown = listed(tops.iter().copied());
        faults.push(Fault::whole(format!(
            "nothing tells what joins the topmost switches ({shown}): --joined says that a layer above them does, \
             --under SWITCH takes what is below one of them"
        )));
    }
    if tops.len() == 1 && choices.joined {
        let only = tops.iter().next().expect("there is one");
        faults.push(Fault::whole(format!("--joined has no effect: all servers are below {only}")));
    }
    match choices.pod_tier {
        None if n_tiers > 3 => faults.push(Fault::whole(format!(
            "{n_tiers} tiers of switches; a fabric has racks, pods and a core: --pod-tier N says which tier is that of \
             pods, 2 to {n_tiers}, those between racks and pods counting as the pod's spines"
        ))),
        Some(tier) if !(2..=n_tiers).contains(&tier) => faults.push(Fault::whole(format!(
            "--pod-tier {tier}; allowed: 2 to {n_tiers}, the tiers of switches above servers"
        ))),
        Some(2) if n_tiers <= 3 => {
            faults.push(Fault::whole("--pod-tier 2 has no effect: it is so where there are three tiers"));
        }
        Some(_) | None => {}
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// A switch with two switches above it, as labels may tell.
fn two_parents(servers: &[Server]) -> Option<Fault> {
    let mut above: BTreeMap<(usize, &str), (&str, &str)> = BTreeMap::new();
    for server in servers {
        for (tier, pair) in server.switches.windows(2).enumerate() {
            let (name, parent) = (pair[0].as_str(), pair[1].as_str());
            let (first, by) = *above.entry((tier, name)).or_insert((parent, &server.name));
            if first != parent {
                let own = &server.name;
                return Some(Fault::at(
                    server.line,
                    format!("switch {name} is below {first}, as {by} tells, and below {parent}, as {own} does"),
                ));
            }
        }
    }
    None
}

/// Sets the GPUs of every server.
fn count_gpus(servers: &mut [Server], choices: &Choices) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut untold = Vec::new();
    for server in servers {
        let told = match (server.gpus, choices.gpus_per_node) {
            (Gpus::Told(own), Some(asked)) if own != asked => {
                let message = format!("--gpus-per-node {asked}, but server {} has {own}", server.name);
                faults.push(Fault::at(server.line, message));
                continue;
            }
            (Gpus::Told(own), _) => own,
            (Gpus::Untold | Gpus::Contradiction(..), Some(asked)) => asked,
            (Gpus::Contradiction(label, offered), None) => {
                let message = format!(
                    "node {}: the label tells {label} GPUs, the kubelet offers {offered}: --gpus-per-node N says how many \
                     there are (slices of a GPU are none)",
                    server.name
                );
                faults.push(Fault::at(server.line, message));
                continue;
            }
            (Gpus::Untold, None) => {
                untold.push(server.name.clone());
                continue;
            }
        };
        server.gpus = Gpus::Told(told);
    }
    if !untold.is_empty() {
        let shown = listed(untold.iter().map(String::as_str));
        faults
            .push(Fault::whole(format!("nothing tells the GPUs of {shown}: --gpus-per-node N says how many each has")));
    }
    if choices.gpus_per_node == Some(0) {
        faults = vec![Fault::whole("--gpus-per-node 0; allowed: 1 or more")];
    }
    faults
}

/// What a node is, as far as the input leaves a choice.
fn scope(servers: &[Server], choices: &Choices) -> Result<NvLink, Fault> {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    servers
        .iter()
        .filter_map(|server| server.domain.as_deref())
        .for_each(|domain| *sizes.entry(domain).or_default() += 1);
    let widest = sizes.iter().max_by_key(|(_, size)| **size).filter(|(_, size)| **size > 1);
    let has_parts = servers.iter().any(|server| server.sub_domain.is_some());
    let parts = if has_parts { ", sub-domain a part of one" } else { "" };
    match (widest, choices.nvlink) {
        (Some((domain, size)), None) => Err(Fault::whole(format!(
            "NVLink domain {domain} has {size} servers: --nvlink domain makes such a domain one node of the fabric{parts}, \
             node a server (NVLink between servers carries no KV cache then)"
        ))),
        (Some(_), Some(NvLink::SubDomain)) if !has_parts => {
            Err(Fault::whole("--nvlink sub-domain: the input tells of no sub-domains; allowed: domain, node"))
        }
        (Some(_), Some(scope)) => Ok(scope),
        (None, None) => Ok(NvLink::Node),
        (None, Some(_)) => {
            Err(Fault::whole("--nvlink has no effect: the input tells of no NVLink domain of several servers"))
        }
    }
}

/// The servers of each node, by number, in order of their first server.
fn units(servers: &[Server], scope: NvLink) -> Result<Vec<Vec<usize>>, Vec<Fault>> {
    if scope == NvLink::Node {
        return Ok((0..servers.len()).map(|at| vec![at]).collect());
    }
    let key = |server: &Server| match scope {
        NvLink::Domain => server.domain.clone().map(|domain| (domain, String::new())),
        NvLink::SubDomain | NvLink::Node => server.domain.clone().zip(server.sub_domain.clone()),
    };
    let without: Vec<&str> =
        servers.iter().filter(|server| key(server).is_none()).map(|server| server.name.as_str()).collect();
    if !without.is_empty() {
        let shown = listed(without);
        return Err(vec![Fault::whole(format!(
            "no NVLink domain is told of {shown}: --leave-out SERVERS, or --nvlink node"
        ))]);
    }
    let mut numbers: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut units: Vec<Vec<usize>> = Vec::new();
    let mut faults = Vec::new();
    for (at, server) in servers.iter().enumerate() {
        let key = key(server).expect("every server has a domain");
        let unit = *numbers.entry(key).or_insert_with(|| {
            units.push(Vec::new());
            units.len() - 1
        });
        let rack = |at: usize| &servers[at].switches[0];
        if let Some(&first) = units[unit].first()
            && rack(first) != rack(at)
        {
            let domain = server.domain.as_deref().unwrap_or_default();
            let (one, other) = (rack(first), rack(at));
            faults.push(Fault::at(server.line, format!(
                "NVLink domain {domain} has servers on switch {one} and on {other}, but a node of the fabric is in one \
                 rack: --nvlink node, or sub-domain if the input tells of them"
            )));
        }
        units[unit].push(at);
    }
    faults.truncate(1);
    if faults.is_empty() { Ok(units) } else { Err(faults) }
}

/// The pods, in order of their first server.
fn pods(servers: &[Server], units: &[Vec<usize>], roles: Option<&[bool]>, choices: &Choices) -> Vec<Pod> {
    let pod_at = choices.pod_tier.unwrap_or(2) - 1;
    let n_tiers = servers[0].switches.len() + usize::from(choices.joined);
    let mut pods: Vec<Pod> = Vec::new();
    for unit in units {
        let first = &servers[unit[0]];
        // The topmost tier is one: there is no pod beside it.
        let name = if pod_at + 1 >= n_tiers { None } else { first.switches.get(pod_at).cloned() };
        let pod = position(&mut pods, |pod| pod.name == name, || Pod { name: name.clone(), racks: Vec::new() });
        let racks = &mut pods[pod].racks;
        let leaf = &first.switches[0];
        let rack = position(racks, |rack| rack.name == *leaf, || Rack { name: leaf.clone(), units: Vec::new() });
        let gpus = |server: &Server| match server.gpus {
            Gpus::Told(gpus) => gpus,
            Gpus::Untold | Gpus::Contradiction(..) => unreachable!("GPUs are counted"),
        };
        racks[rack].units.push(Unit {
            servers: unit.iter().map(|at| servers[*at].name.clone()).collect(),
            prefill: unit.iter().map(|at| roles.map(|roles| roles[*at])).collect(),
            gpus: unit.iter().map(|at| gpus(&servers[*at])).collect(),
        });
    }
    pods
}

/// Where the first thing like this is; one is added if there is none.
fn position<T>(all: &mut Vec<T>, is_it: impl Fn(&T) -> bool, make: impl Fn() -> T) -> usize {
    all.iter().position(is_it).unwrap_or_else(|| {
        all.push(make());
        all.len() - 1
    })
}
