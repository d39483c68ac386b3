//! How long cells take: as they did before, else as others did; and shards of about the same cost.

use crate::args::Shard;
use netkv_frames::read_table;
use netkv_grid::{Cell, Experiment, Status, Store};
use netkv_units::Digest;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Wall seconds of cells, by key.
pub struct Costs {
    known: BTreeMap<String, f64>,
}

impl Costs {
    /// What the tables in a folder say. A shard writes no tables, so that all shards find the same here.
    pub fn of_tables(folder: &Path) -> Self {
        let read = || {
            let (table, _) = read_table(&folder.join("provenance.parquet")).ok()?;
            let (keys, walls) = (table.words("key").ok()?, table.numbers("wall_s").ok()?);
            Some(keys.into_iter().zip(walls).filter_map(|(key, wall_s)| Some((key, wall_s?))).collect())
        };
        Self { known: read().unwrap_or_default() }
    }

    /// What a store says of the finished cells of an experiment.
    pub fn of_store(experiment: &Experiment, store: &Store) -> Self {
        let cost = |cell: Cell| {
            let stored = store.get(cell.key).filter(|stored| matches!(stored.status, Status::Done { .. }))?;
            Some((cell.key.to_string(), stored.wall_s))
        };
        Self { known: experiment.cells().filter_map(cost).collect() }
    }

    /// How many are known.
    pub fn n_known(&self) -> usize {
        self.known.len()
    }

    /// Seconds of each cell: its own; else the mean of its point's other seeds; else that of all; else one second.
    pub fn of(&self, experiment: &Experiment, cells: &[Cell]) -> Vec<f64> {
        let mut points: BTreeMap<usize, (f64, usize)> = BTreeMap::new();
        let mut all = (0.0, 0_usize);
        for cell in experiment.cells() {
            if let Some(&wall_s) = self.known.get(&cell.key.to_string()) {
                let point = points.entry(experiment.point_of(cell.index)).or_default();
                *point = (point.0 + wall_s, point.1 + 1);
                all = (all.0 + wall_s, all.1 + 1);
            }
        }
        let mean = |(sum, n): (f64, usize)| if n == 0 { 1.0 } else { sum / n as f64 };
        let cost = |cell: &Cell| {
            let own = self.known.get(&cell.key.to_string()).copied();
            own.unwrap_or_else(|| mean(points.get(&experiment.point_of(cell.index)).copied().unwrap_or(all)))
        };
        cells.iter().map(cost).collect()
    }
}

/// The cells of a shard among these: the longest first, each goes to the shard that has least to do so far.
/// Cells that cost the same go in the order of their keys, which has nothing to do with that of the grid.
pub fn cells_of_shard(experiment: &Experiment, cells: &[Cell], costs: &Costs, shard: Shard) -> BTreeSet<Digest> {
    let micros = costs.of(experiment, cells).into_iter().map(|cost_s| (cost_s * 1e6).round().max(1.0) as u64);
    let by_key: BTreeMap<Digest, u64> = cells.iter().map(|cell| cell.key).zip(micros).collect();
    share(&by_key, shard)
}

fn share(costs: &BTreeMap<Digest, u64>, shard: Shard) -> BTreeSet<Digest> {
    let mut order: Vec<(u64, Digest)> = costs.iter().map(|(&key, &cost)| (cost, key)).collect();
    order.sort_by_key(|&(cost, key)| (std::cmp::Reverse(cost), key));
    // What each shard has to do, the least first.
    let mut loads: BTreeSet<(u64, usize)> = (1..=shard.of).map(|number| (0, number)).collect();
    let mut own = BTreeSet::new();
    for (cost, key) in order {
        let (load, number) = loads.pop_first().expect("there is a shard");
        loads.insert((load + cost, number));
        if number == shard.number {
            own.insert(key);
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Digester;

    #[test]
    fn shards_are_a_partition_of_about_equal_cost() {
        let key = |number: u64| Digester::new().u64(number).finish();
        let costs: BTreeMap<Digest, u64> = (0..500).map(|number| (key(number), 1 + number * number % 97)).collect();
        let total: u64 = costs.values().sum();
        for of in [1, 3, 8, 600] {
            let shards: Vec<_> = (1..=of).map(|number| share(&costs, Shard { number, of })).collect();
            assert_eq!(shards.iter().map(BTreeSet::len).sum::<usize>(), costs.len(), "no cell stands twice");
            assert_eq!(shards.iter().flatten().collect::<BTreeSet<_>>().len(), costs.len(), "every cell stands once");
            let loads = shards.iter().map(|own| own.iter().map(|key| costs[key]).sum::<u64>());
            let most = loads.max().unwrap();
            assert!(most <= total / of as u64 + 97, "{most} of {total} in one of {of}");
        }
    }
}
