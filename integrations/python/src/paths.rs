//! What is told of the network, from dicts.

use crate::keys::Keys;
use netkv_policy::{CostOracle, PathCost};
use netkv_units::{InstanceId, SimDuration, Tier};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyInt, PyTuple};
use std::collections::BTreeMap;

/// Names of the tiers, nearest first.
const TIERS: [&str; 4] = Tier::NAMES;

/// The network as a caller tells of it.
pub struct Paths {
    /// By source, none is any, and destination.
    costs: BTreeMap<(Option<u32>, u32), PathCost>,
    /// By instance: pod, rack, node.
    places: BTreeMap<u32, [u32; 3]>,
    /// Of the ways between places.
    tiers: [Option<PathCost>; 4],
    leaving: [f64; 4],
    alone: [f64; 4],
}

/// The tier of this name.
pub fn tier(name: &str, what: &str) -> PyResult<Tier> {
    let found = TIERS.iter().position(|known| *known == name);
    found
        .map(|index| Tier::ALL[index])
        .ok_or_else(|| PyValueError::new_err(format!("{what}: tier is {name:?}: expected one of {}", TIERS.join(", "))))
}

/// Nanoseconds of so many seconds.
pub fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// The dicts that tell of it.
#[derive(Default)]
pub struct Told<'py> {
    /// By destination, or by source and destination.
    pub paths: Option<Bound<'py, PyDict>>,
    /// By instance: pod, rack, node.
    pub places: Option<Bound<'py, PyDict>>,
    /// What a way between places costs, by tier.
    pub tiers: Option<Bound<'py, PyDict>>,
    /// What all links together carry out of a group, in GB/s by tier.
    pub leaving: Option<Bound<'py, PyDict>>,
    /// What one transfer gets at most, in GB/s by tier.
    pub alone: Option<Bound<'py, PyDict>>,
}

impl Paths {
    /// Reads the costs of ways: by destination, by source and destination, or by place and tier.
    pub fn read(told: &Told<'_>) -> PyResult<Self> {
        let mut costs = BTreeMap::new();
        for (key, value) in told.paths.iter().flatten() {
            let what = format!("paths[{}]", key.repr()?);
            costs.insert(ends(&key)?, path(&dict(value, &what)?, &what, None)?);
        }
        let mut places = BTreeMap::new();
        for (instance, place) in told.places.iter().flatten() {
            let what = format!("places[{}]", instance.repr()?);
            let place = dict(place, &what)?;
            let keys = Keys::new(&place, what);
            places.insert(instance.extract()?, [keys.need("pod")?, keys.need("rack")?, keys.need("node")?]);
            keys.end()?;
        }
        let mut tiers = [None; 4];
        if let Some(told) = &told.tiers {
            let keys = Keys::new(told, "tiers");
            for (index, (slot, name)) in tiers.iter_mut().zip(TIERS).enumerate() {
                if let Some(value) = keys.get::<Bound<'_, PyDict>>(name)? {
                    *slot = Some(path(&value, &format!("tiers[{name:?}]"), Some(Tier::ALL[index]))?);
                }
            }
            keys.end()?;
        }
        let leaving = by_tier(told.leaving.as_ref(), "leaving")?;
        Ok(Self { costs, places, tiers, leaving, alone: by_tier(told.alone.as_ref(), "alone")? })
    }

    fn find(&self, source: InstanceId, destination: InstanceId) -> Option<&PathCost> {
        let (source, destination) = (source.index() as u32, destination.index() as u32);
        let told = self.costs.get(&(Some(source), destination)).or_else(|| self.costs.get(&(None, destination)));
        told.or_else(|| {
            let (one, other) = (self.places.get(&source)?, self.places.get(&destination)?);
            let n_same = one.iter().zip(other).take_while(|(one, other)| one == other).count();
            self.tiers[3 - n_same].as_ref()
        })
    }

    /// An error if a way that a policy may ask for is not told.
    pub fn check(&self, sources: &[InstanceId], destinations: &[InstanceId]) -> PyResult<()> {
        for &source in sources {
            for &destination in destinations {
                if self.find(source, destination).is_none() {
                    let (source, destination) = (source.index(), destination.index());
                    return Err(PyValueError::new_err(format!(
                        "the way from instance {source} to instance {destination} is not told: give paths[({source}, \
                         {destination})], or places of both and tiers"
                    )));
                }
            }
        }
        Ok(())
    }
}

fn dict<'py>(value: Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyDict>> {
    value.cast_into::<PyDict>().map_err(|_| PyValueError::new_err(format!("{what} is no dict")))
}

/// Source, none is any, and destination.
fn ends(key: &Bound<'_, PyAny>) -> PyResult<(Option<u32>, u32)> {
    if key.is_instance_of::<PyTuple>() {
        let (source, destination) = key.extract()?;
        return Ok((Some(source), destination));
    }
    if key.is_instance_of::<PyInt>() {
        return Ok((None, key.extract()?));
    }
    let key = key.repr()?;
    Err(PyValueError::new_err(format!(
        "paths: a key is {key}: expected the number of a destination, or a pair of source and destination"
    )))
}

fn path(dict: &Bound<'_, PyDict>, what: &str, known: Option<Tier>) -> PyResult<PathCost> {
    let keys = Keys::new(dict, what);
    let cost = PathCost {
        tier: known.map_or_else(|| tier(&keys.need::<String>("tier")?, what), Ok)?,
        bandwidth_bytes_per_sec: keys.need::<f64>("gbytes_per_s")? * 1e9,
        latency: SimDuration::from_nanos(nanoseconds(keys.number("latency_us")?.unwrap_or(0.0) * 1e-6)),
        congestion_ratio: keys.get("congestion_ratio")?.unwrap_or(0.0),
        counts_in_flight: keys.get("counts_in_flight")?.unwrap_or(false),
        age: SimDuration::from_nanos(nanoseconds(keys.number("age_s")?.unwrap_or(0.0))),
    };
    keys.end()?;
    if !(cost.bandwidth_bytes_per_sec > 0.0 && cost.bandwidth_bytes_per_sec.is_finite()) {
        return Err(PyValueError::new_err(format!("{what}: gbytes_per_s is not above 0")));
    }
    if !(0.0..1.0).contains(&cost.congestion_ratio) {
        let ratio = cost.congestion_ratio;
        return Err(PyValueError::new_err(format!(
            "{what}: congestion_ratio is {ratio}: expected at least 0, below 1"
        )));
    }
    Ok(cost)
}

/// GB/s by name of a tier, infinite where nothing is told.
fn by_tier(told: Option<&Bound<'_, PyDict>>, what: &str) -> PyResult<[f64; 4]> {
    let Some(told) = told else { return Ok([f64::INFINITY; 4]) };
    let keys = Keys::new(told, what);
    let mut rates = [f64::INFINITY; 4];
    for (rate, name) in rates.iter_mut().zip(TIERS) {
        if let Some(gbytes_per_s) = keys.number(name)? {
            *rate = gbytes_per_s * 1e9;
        }
    }
    keys.end()?;
    Ok(rates)
}

impl CostOracle for Paths {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        *self.find(source, destination).expect("every way that may be asked for was checked")
    }

    fn leaving(&self, group: Tier) -> f64 {
        self.leaving[group.index()]
    }

    fn alone(&self, over: Tier) -> f64 {
        self.alone[over.index()]
    }
}
