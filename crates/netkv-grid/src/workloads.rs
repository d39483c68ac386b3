//! Workloads that cells share: policies compared on one seed get the same requests, built once.

use crate::experiment::Cell;
use netkv_sim::Scenario;
use netkv_workload::RequestSource;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Workloads kept at most. Chosen by us: a block of seeds fits, and at some 10 MB each they stay below half a GB.
const CAPACITY: usize = 40;

/// Recipe and seed.
type Name = (String, u64);

/// A cache of workloads, in the order of last use.
#[derive(Default)]
pub struct Workloads {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    built: BTreeMap<Name, Arc<OnceLock<Arc<dyn RequestSource>>>>,
    /// Oldest first.
    order: VecDeque<Name>,
}

impl Workloads {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The requests of a cell. Two threads that want the same ones build them once; others do not wait.
    pub fn of(&self, cell: &Cell) -> Arc<dyn RequestSource> {
        let recipe = cell.spec().recipe();
        let place = self.place((format!("{recipe:?}"), cell.seed));
        place.get_or_init(|| recipe.build(cell.seed)).clone()
    }

    /// The scenario of a cell.
    pub fn scenario(&self, cell: &Cell) -> Scenario {
        cell.spec().scenario(cell.seed, self.of(cell))
    }

    /// The scenario of a cell, its requests at another rate.
    ///
    /// # Panics
    /// If the rate is not positive.
    pub fn at_rate(cell: &Cell, rate_rps: f64) -> Scenario {
        cell.spec().scenario(cell.seed, cell.spec().recipe().at_rate(rate_rps).build(cell.seed))
    }

    fn place(&self, name: Name) -> Arc<OnceLock<Arc<dyn RequestSource>>> {
        // A panic while the lock is held is impossible to cause from outside; its data would still be whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.order.retain(|other| *other != name);
        kept.order.push_back(name.clone());
        if kept.order.len() > CAPACITY
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.built.remove(&oldest);
        }
        kept.built.entry(name).or_default().clone()
    }
}
