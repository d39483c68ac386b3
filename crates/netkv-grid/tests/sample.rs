//! `[sample]`: some points of a product that is too large to be run whole.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::load;
use netkv_grid::{AxisValue, Experiment};
use std::collections::{BTreeMap, BTreeSet};

const AXES: &str = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2, 3, 4]\n\
                    [[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [25.0, 50.0, 100.0]\n\
                    [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";

fn sampled(points: usize, seed: usize) -> Experiment {
    let sample =
        format!("[sample]\npoints = {points}\nseed = {seed}\naxes = ['decode.max_batch', 'fabric.nic_gbps']\n");
    load(&format!("{sample}{AXES}")).unwrap()
}

/// The values of every cell on both axes of the sample.
fn points(experiment: &Experiment) -> Vec<[String; 2]> {
    let value = |cell: &netkv_grid::Cell, axis: usize| cell.axis_values()[axis].to_string();
    experiment.cells().map(|cell| [value(&cell, 0), value(&cell, 1)]).collect()
}

#[test]
fn every_value_comes_up_equally_often_and_no_point_twice() {
    let experiment = sampled(6, 1);
    // Six points, two policies, two seeds.
    assert_eq!(experiment.n_cells(), 6 * 2 * 2);
    let all = points(&experiment);
    let distinct: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(distinct.len(), 6);
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for [batch, nic] in &distinct {
        *times.entry(format!("batch {batch}")).or_default() += 1;
        *times.entry(format!("nic {nic}")).or_default() += 1;
    }
    // Six of four values: one or two of each; six of three: two of each.
    assert!(
        times.iter().all(|(name, &n)| if name.starts_with("nic") { n == 2 } else { n == 1 || n == 2 }),
        "{times:?}"
    );
}

#[test]
fn the_seed_decides_and_each_point_meets_every_other_value() {
    assert_eq!(points(&sampled(6, 1)), points(&sampled(6, 1)));
    assert_ne!(points(&sampled(6, 1)), points(&sampled(6, 2)));
    let experiment = sampled(5, 3);
    let mut policies: BTreeMap<[String; 2], BTreeSet<String>> = BTreeMap::new();
    for (cell, point) in experiment.cells().zip(points(&experiment)) {
        policies.entry(point).or_default().insert(cell.axis_values()[2].to_string());
    }
    assert!(policies.len() == 5 && policies.values().all(|met| met.len() == 2), "{policies:?}");
}

#[test]
fn the_whole_product_is_a_sample_too() {
    let distinct: BTreeSet<_> = points(&sampled(12, 1)).into_iter().collect();
    assert_eq!(distinct.len(), 12);
}

#[test]
fn a_sample_that_cannot_be_is_refused() {
    let refused = |sample: &str, expect: &str| {
        let message = load(&format!("[sample]\n{sample}\n{AXES}")).unwrap_err().to_string();
        assert!(message.contains(expect), "{message}");
    };
    refused(
        "points = 13\nseed = 1\naxes = ['decode.max_batch', 'fabric.nic_gbps']",
        "sample.points = 13 of a product of 12 points; allowed: at most 12",
    );
    refused(
        "points = 2\nseed = 1\naxes = ['decode.max_bacht']",
        "sample.axes names decode.max_bacht, which is no axis; the axes: decode.max_batch, fabric.nic_gbps, policy.name; \
         did you mean decode.max_batch?",
    );
    refused("points = 2\nseed = 1\naxes = ['policy.name', 'policy.name']", "sample.axes names policy.name twice");
    refused("points = 2\nseed = 1\naxes = []", "sample.axes");
    refused("points = 2\nsead = 1\naxes = ['policy.name']", "sead is not a known key of sample; did you mean seed?");
}

#[test]
fn values_are_those_of_the_axes() {
    let experiment = sampled(4, 1);
    let known: BTreeSet<String> = experiment.axes()[0].values.iter().map(AxisValue::to_string).collect();
    assert!(points(&experiment).iter().all(|[batch, _]| known.contains(batch)));
}
