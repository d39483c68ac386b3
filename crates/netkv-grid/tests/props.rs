//! Laws of grids: the order in which a file says things changes the order of cells and nothing else.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::load;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Axes with their values, as TOML.
const AXES: [(&str, [&str; 3]); 3] = [
    ("decode.max_batch", ["16", "32", "64"]),
    ("policy.name", ["'netkv'", "'round_robin'", "'load_aware'"]),
    ("cluster.placement", ["'per_pod'", "'scattered'", "[0, 1, 2, 3, 8, 9, 10, 11]"]),
];

fn body(axes: &[usize], values: &[usize]) -> String {
    let axis = |&axis: &usize| {
        let (key, all) = AXES[axis];
        let values: Vec<_> = values.iter().map(|&value| all[value]).collect();
        format!("[[axis]]\nkey = '{key}'\nvalues = [{}]\n", values.join(", "))
    };
    axes.iter().map(axis).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_axes_and_values_changes_no_cell(
        axes in Just(vec![0, 1, 2]).prop_shuffle(),
        values in Just(vec![0, 1, 2]).prop_shuffle(),
    ) {
        let straight = load(&body(&[0, 1, 2], &[0, 1, 2])).unwrap();
        let shuffled = load(&body(&axes, &values)).unwrap();
        let keys: BTreeSet<_> = straight.cells().map(|cell| cell.key).collect();
        prop_assert_eq!(keys.len(), 54, "every cell is another one");
        prop_assert_eq!(keys, shuffled.cells().map(|cell| cell.key).collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_cell_can_be_found_by_the_values_that_it_shows(index in 0..54_usize) {
        let experiment = load(&body(&[0, 1, 2], &[0, 1, 2])).unwrap();
        let cell = experiment.cell(index).unwrap();
        let names = experiment.axes().iter().map(|axis| axis.key.clone()).chain(["seed".to_owned()]);
        let shown = cell.axis_values().iter().map(ToString::to_string).chain([cell.seed.to_string()]);
        let filters: Vec<_> = names.zip(shown).collect();
        prop_assert_eq!(experiment.select(&filters).unwrap(), vec![index]);
    }
}
