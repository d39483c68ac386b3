//! Where workers are, and what lies between them: told by the image that links this crate, read at every decision.

use crate::parameters::{Parameters, TierCost};
use dynamo_kv_router::WorkerId;
use netkv_policy::{CostOracle, PathCost};
use netkv_units::{InstanceId, SimDuration, Tier};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

/// The number of a prefill worker: Dynamo's id of it, or any that its operator gives.
pub type PrefillId = u64;

/// Congestion above this is read as this: a link is never told to be full for ever.
const MOST_CONGESTION: f64 = 0.999;

/// Where a worker is. Numbers mean what their operator wants, as long as equal ones are one thing: racks are told apart within
/// their pod, nodes within their rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The pod: what one layer of spine switches connects.
    pub pod: u32,
    /// The rack in it: what one leaf switch connects.
    pub rack: u32,
    /// The node in it: what NVLink connects.
    pub node: u32,
}

impl Place {
    /// The lowest level of the fabric that connects two places.
    pub fn tier(self, other: Self) -> Tier {
        if self.pod != other.pod {
            Tier::Core
        } else if self.rack != other.rack {
            Tier::Pod
        } else if self.node != other.node {
            Tier::Rack
        } else {
            Tier::Node
        }
    }
}

/// Why something told of the network is refused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NetworkError {
    /// A share that is none.
    Congestion {
        /// Of this tier.
        tier: Tier,
        /// What was told.
        ratio: f64,
    },
}

impl fmt::Display for NetworkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Congestion { tier, ratio } = self;
        write!(formatter, "the congestion of tier {tier:?} is {ratio}: it is a share, at least 0 and below 1")
    }
}

impl std::error::Error for NetworkError {}

/// What is known of the network, shared by all policies that are made for it and those that tell of it.
#[derive(Debug)]
pub struct Network(RwLock<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    decode: BTreeMap<WorkerId, Place>,
    prefill: BTreeMap<PrefillId, Place>,
    /// By tier.
    congestion: [f64; 4],
}

impl Network {
    /// A network with the workers and the congestion of `parameters`.
    pub fn new(parameters: &Parameters) -> Self {
        Self(RwLock::new(Known {
            decode: parameters.decode.iter().map(|worker| (worker.id, worker.place)).collect(),
            prefill: parameters.prefill.iter().map(|worker| (worker.id, worker.place)).collect(),
            congestion: Tier::ALL.map(|tier| parameters.tiers.of(tier).congestion_ratio.min(MOST_CONGESTION)),
        }))
    }

    /// Tells where a decode worker is, or that it is gone. One whose place is not told is as far from everybody as can be.
    pub fn place_decode(&self, worker: WorkerId, place: Option<Place>) {
        self.change(|known| put(&mut known.decode, worker, place));
    }

    /// Tells where a prefill worker is, or that it is gone. Of one whose place is not told nothing is expected.
    pub fn place_prefill(&self, worker: PrefillId, place: Option<Place>) {
        self.change(|known| put(&mut known.prefill, worker, place));
    }

    /// Tells which share of a tier's bandwidth is taken, from switch counters.
    ///
    /// # Errors
    /// If that is no share.
    pub fn set_congestion(&self, tier: Tier, ratio: f64) -> Result<(), NetworkError> {
        if !(0.0..1.0).contains(&ratio) {
            return Err(NetworkError::Congestion { tier, ratio });
        }
        self.change(|known| known.congestion[tier.index()] = ratio.min(MOST_CONGESTION));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads what is known at this moment.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&View<'_>) -> T) -> T {
        look(&View(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn put(places: &mut BTreeMap<u64, Place>, worker: u64, place: Option<Place>) {
    match place {
        Some(place) => places.insert(worker, place),
        None => places.remove(&worker),
    };
}

/// What is known at one moment.
pub(crate) struct View<'a>(&'a Known);

impl View<'_> {
    /// The place of a decode worker, if it was told.
    pub(crate) fn decode(&self, worker: WorkerId) -> Option<Place> {
        self.0.decode.get(&worker).copied()
    }

    /// The places of all prefill workers.
    pub(crate) fn prefill(&self) -> impl Iterator<Item = Place> + Clone + '_ {
        self.0.prefill.values().copied()
    }

    pub(crate) fn congestion(&self) -> [f64; 4] {
        self.0.congestion
    }
}

/// The network of one decision: candidates by row, and one source after them.
pub(crate) struct Decision<'a> {
    /// By instance; none is far from everybody.
    pub(crate) places: &'a [Option<Place>],
    pub(crate) tiers: [TierCost; 4],
    pub(crate) congestion: [f64; 4],
}

impl CostOracle for Decision<'_> {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let place = |instance: InstanceId| self.places.get(instance.index()).copied().flatten();
        let tier = match (place(source), place(destination)) {
            (Some(one), Some(other)) => one.tier(other),
            (None, _) | (_, None) => Tier::Core,
        };
        let TierCost { gbytes_per_s, latency_us, .. } = self.tiers[tier.index()];
        PathCost {
            tier,
            bandwidth_bytes_per_sec: gbytes_per_s * 1e9,
            latency: SimDuration::from_nanos((latency_us * 1e3) as u64),
            congestion_ratio: self.congestion[tier.index()],
            counts_in_flight: false,
            // How old the counters are is not told; none of the rules here asks.
            age: SimDuration::ZERO,
        }
    }
}
