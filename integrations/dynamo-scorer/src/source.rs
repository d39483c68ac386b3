//! Where the KV cache of a request may come from, by what little a scorer is told.

use crate::network::{Place, View};
use crate::parameters::{Level, Source};
use dynamo_kv_router::WorkerSelectionPolicyError;
use std::collections::BTreeMap;

/// A node that no worker is on: a source of which the rack or the pod is known alone.
const NOBODYS: u32 = u32::MAX;

/// Places with how many prefill workers are there.
pub(crate) type Sources = BTreeMap<Place, u32>;

/// What is told of a candidate: where it is, and whether Dynamo prefers it for its domain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) place: Option<Place>,
    /// None if no preference was given with the request.
    pub(crate) is_preferred: Option<bool>,
}

/// The domain of a place.
fn domain(place: Place, level: Level) -> Place {
    match level {
        Level::Node => place,
        Level::Rack => Place { node: NOBODYS, ..place },
        Level::Pod => Place { node: NOBODYS, rack: NOBODYS, ..place },
    }
}

/// The places that a request's KV cache may come from.
///
/// # Errors
/// If what is told does not go together, or nothing is told: a cost without a source would be a guess without a word.
pub(crate) fn sources(
    source: Source,
    told: &[Told],
    network: &View<'_>,
) -> Result<Sources, WorkerSelectionPolicyError> {
    let all = || counted(network.prefill());
    let (level, of_domain): (Level, Vec<&Told>) = match source {
        Source::Mean {} => return all(),
        Source::PreferredDomain { level } => {
            if told.iter().all(|one| one.is_preferred.is_none()) {
                return all();
            }
            (level, told.iter().filter(|one| one.is_preferred == Some(true)).collect())
        }
        Source::RequiredDomain { level } => (level, told.iter().collect()),
    };
    let domains: BTreeMap<Place, ()> =
        of_domain.iter().filter_map(|one| one.place).map(|place| (domain(place, level), ())).collect();
    let mut domains = domains.into_keys();
    match (domains.next(), domains.next()) {
        (Some(one), None) => Ok(within(one, level, network)),
        (Some(one), Some(other)) => Err(WorkerSelectionPolicyError::failed(format!(
            "netkv: workers of one transfer domain are at {one:?} and at {other:?}, which are two {level:?}s: tell their places, \
             or the level of the domain, as Dynamo has them, or use source: {{kind: mean}}"
        ))),
        // The source's domain has none of the candidates: it is in one of the others.
        (None, _) => {
            let taken = |place: Place| {
                told.iter().filter_map(|one| one.place).any(|one| domain(one, level) == domain(place, level))
            };
            let others: Vec<Place> = network.prefill().filter(|&place| !taken(place)).collect();
            if others.is_empty() { all() } else { counted(others) }
        }
    }
}

/// The prefill workers of a domain; the domain itself if none is known there.
fn within(wanted: Place, level: Level, network: &View<'_>) -> Sources {
    let mut found = Sources::new();
    for place in network.prefill().filter(|&place| domain(place, level) == wanted) {
        *found.entry(place).or_default() += 1;
    }
    if found.is_empty() {
        found.insert(wanted, 1);
    }
    found
}

fn counted(places: impl IntoIterator<Item = Place>) -> Result<Sources, WorkerSelectionPolicyError> {
    let mut counted = Sources::new();
    for place in places {
        *counted.entry(place).or_default() += 1;
    }
    if counted.is_empty() {
        return Err(WorkerSelectionPolicyError::failed(
            "netkv: no prefill worker has a place: tell them under `prefill:` or by Network::place_prefill",
        ));
    }
    Ok(counted)
}
