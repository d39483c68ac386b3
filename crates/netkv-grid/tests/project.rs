//! The experiments of the project itself, the paper's among them: valid, with names of their own, inside what was measured.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

use netkv_grid::{Experiment, LoadOptions, Reduction};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every experiment of the project and of the paper: the files that extend another or are the base of all.
fn experiment_files() -> Vec<PathBuf> {
    let experiments = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
    let mut paths = Vec::new();
    for folder in [experiments.clone(), experiments.join("paper")] {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let is_toml = path.extension().is_some_and(|extension| extension == "toml");
            if is_toml && fs::read_to_string(&path).unwrap().contains("\nname = ") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths
}

#[test]
fn every_experiment_of_the_project_is_valid() {
    let options =
        // As many requests as `--quick` keeps: fewer hold fewer sessions than some are to be at once.
        LoadOptions { reduction: Some(Reduction { max_seeds: 1, max_requests: 1200 }), ..LoadOptions::default() };
    let mut names = BTreeSet::new();
    for path in experiment_files() {
        let experiment = Experiment::load(&path, &options).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(names.insert(experiment.name().to_owned()), "{} is the name of two files", experiment.name());
    }
    assert!(names.contains("base") && names.contains("paper_load"), "{names:?}");
}

#[test]
fn no_experiment_of_the_project_leaves_what_was_measured() {
    let mut n_experiments = 0;
    for path in experiment_files() {
        let experiment = Experiment::load(&path, &LoadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
        let outside: Vec<_> = experiment.profiles().iter().flat_map(|used| &used.outside_valid_range).collect();
        assert!(outside.is_empty(), "{}: {outside:?}", path.display());
        n_experiments += 1;
    }
    assert!(n_experiments >= 25, "{n_experiments} experiments");
}
