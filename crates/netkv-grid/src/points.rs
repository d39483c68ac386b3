//! The points of a grid, each read and checked, with the key that its results are stored by.

use crate::axes::{AxisValue, Grid};
use crate::header::{OWN_KEYS, WORD};
use crate::issue::{InputErrors, IssueTally, Origin};
use crate::library::Library;
use crate::profile::{LatencyRange, Profile};
use crate::spec::CellSpec;
use crate::tree::{self, Content, Table};
use netkv_sim::SIM_EPOCH;
use netkv_units::{Digest, Digester};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Points that are read at once. Chosen by us: what is wrong with them fits in memory.
const BLOCK: usize = 8192;

/// Is told how many points of how many are read, now and then.
pub type OnRead = Option<fn(usize, usize)>;

/// A point of the grid: one value of each axis.
#[derive(Clone, Debug)]
pub struct Point {
    values: Vec<AxisValue>,
    spec: CellSpec,
    /// The digest of all that its results depend on but the seed, in hexadecimal.
    key: String,
}

impl Point {
    /// Its value on each axis.
    pub fn axis_values(&self) -> &[AxisValue] {
        &self.values
    }

    /// Its scenario, without seed and requests.
    pub const fn spec(&self) -> &CellSpec {
        &self.spec
    }

    /// The key of its cell with this seed.
    pub(crate) fn key(&self, seed: u64) -> Digest {
        Digester::new().bytes(self.key.as_bytes()).u64(seed).finish()
    }
}

/// A profile that cells use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedProfile {
    /// Its name in the experiment file.
    pub label: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What cells ask of it that was not measured, in words: there latencies are extrapolated.
    pub outside_valid_range: Vec<String>,
}

/// Every point of the grid, or all that is wrong with any of them. They are read on all cores, block by block.
pub(crate) fn read_points(
    base: &Table,
    grid: &Grid,
    file: &Origin,
    library: &Library,
    on_read: OnRead,
) -> Result<Vec<Arc<Point>>, InputErrors> {
    let n = grid.n_points().expect("the size of the grid was checked");
    let read = |point: usize| {
        let tree = grid.apply(base, point);
        CellSpec::read(&tree, file, library).map(|spec| {
            let key = point_key(tree, &spec).to_string();
            Arc::new(Point { values: grid.values(point), spec, key })
        })
    };
    let mut points = Vec::with_capacity(n);
    let mut tally = IssueTally::default();
    for start in (0..n).step_by(BLOCK) {
        let block: Vec<_> = (start..n.min(start + BLOCK)).into_par_iter().map(read).collect();
        for (index, outcome) in block.into_iter().enumerate() {
            match outcome {
                Ok(point) => points.push(point),
                Err(issues) => tally.add(start + index, issues),
            }
        }
        if let Some(on_read) = on_read {
            on_read(n.min(start + BLOCK), n);
        }
    }
    tally.finish(|points| grid.circumstances(points))?;
    Ok(points)
}

/// Everything that the results of a point depend on but the seed. Names of files do not count, their content does.
fn point_key(mut tree: Table, spec: &CellSpec) -> Digest {
    for key in OWN_KEYS.iter().chain(&[WORD, "cost", "workload.trace", "model.profile"]) {
        tree::remove(&mut tree, key);
    }
    let parts = [&Content::Table(tree).canonical(), &*spec.recipe().origin().sha256, spec.profile().canonical()];
    let mut digester = Digester::new();
    digester.u64(u64::from(SIM_EPOCH));
    for part in parts {
        digester.u64(part.len() as u64).bytes(part.as_bytes());
    }
    digester.finish()
}

/// The profiles of all points, and what these ask of them together.
pub(crate) fn used_profiles(points: &[Arc<Point>]) -> Vec<UsedProfile> {
    let mut used: BTreeMap<(&str, &str), (&Profile, LatencyRange)> = BTreeMap::new();
    for point in points {
        let (profile, asked) = (point.spec.profile(), point.spec.asked_latencies());
        let entry = used.entry((&profile.label, &profile.sha256)).or_insert((profile, asked));
        entry.1 = entry.1.joined(asked);
    }
    let named = |(profile, asked): (&Profile, LatencyRange)| UsedProfile {
        label: profile.label.clone(),
        sha256: profile.sha256.to_string(),
        outside_valid_range: profile.valid.lacks(&asked),
    };
    used.into_values().map(named).collect()
}
