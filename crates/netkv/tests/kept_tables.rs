//! Tables that were there before a run, and tables that are not what their manifest describes.

mod command;

use command::{check, folder, netkv};
use std::fs;

/// As in a fresh clone: tables, and no store.
#[test]
fn a_run_of_some_cells_does_not_shrink_a_table_that_was_there() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let (results, rows) = (here.path().join("results/x"), |name: &str| {
        netkv_frames::read_table(&here.path().join("results/x").join(name)).expect("a table").0
    });
    let (cells, summary) = (rows("cells.parquet"), rows("summary.parquet"));
    fs::remove_dir_all(results.join("cells")).expect("there is a store");
    let said = check(here.path(), &["run", "x.toml", "--filter", "regime=congested"], 0);
    assert!(said.stderr.contains("keeps 6 rows of cells that were run elsewhere"), "{}", said.stderr);
    assert!(
        said.stdout.starts_with("x: 1 point x 3 values"),
        "the answer is about what was asked for: {}",
        said.stdout
    );
    assert!(rows("cells.parquet") == cells && rows("summary.parquet") == summary, "the same tables");
    // Cells that are no part of the experiment any more go, and it is said.
    let text = fs::read_to_string(here.path().join("x.toml")).expect("the experiment");
    fs::write(here.path().join("x.toml"), text + "seeds = [1]\n").expect("the experiment is written");
    let said = check(here.path(), &["run", "x.toml"], 0).stderr;
    assert!(
        said.contains("replaces 6 rows of an earlier version of the experiment; the runs stay in results/x/cells"),
        "{said}"
    );
    assert_eq!(rows("cells.parquet").n_rows(), 6);
}

#[test]
fn figures_are_not_drawn_from_a_table_that_its_manifest_does_not_describe() {
    let here = folder("");
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let results = here.path().join("results/x");
    let of_one_seed =
        format!("{}seeds = [1]\n", fs::read_to_string(here.path().join("x.toml")).expect("the experiment"));
    fs::write(here.path().join("y.toml"), of_one_seed.replace("name = 'x'", "name = 'y'")).expect("it is written");
    check(here.path(), &["run", "y.toml", "--quiet"], 0);
    fs::copy(here.path().join("results/y/summary.parquet"), results.join("summary.parquet"))
        .expect("a table is copied");
    let said = netkv(here.path(), &["figures"]);
    let words =
        "results/x/summary.parquet is not the table that results/x/manifest.toml describes: netkv run writes both anew";
    assert!(said.code != Some(0) && said.stderr.contains(words), "{}", said.stderr);
    check(here.path(), &["run", "x.toml", "--quiet"], 0);
    let said = check(here.path(), &["figures"], 0).stderr;
    assert!(!said.contains("claims"), "the paper's numbers were not asked for: {said}");
}
