//! Policies in a script: the example decides as the built-in rule, what it is is part of a cell's key, and faults have words.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{experiments, load, load_beside};
use netkv_grid::{CellRun, Status, Workloads, run_cells};
use netkv_sim::run_checked;
use std::fs;
use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;

const SMALL: &str = "[workload]\nwindow_s = [0.0, 300.0]\n[measure]\nwarmup_s = 0.0\n";
const SCRIPTED: &str =
    "[policy]\nname = 'script'\nties = 'random'\n[policy.script]\nfile = 'own.rhai'\npoll_interval_s = 0.05\n";
const FEWEST: &str = "fn costs(request, candidates) { candidates.map(|c| c.running + c.pending) }";

fn keys(body: &str, script: &str) -> Vec<String> {
    let experiment = load_beside(body, &[("own.rhai", script)]).expect("it is valid");
    experiment.cells().map(|cell| cell.key.to_string()).collect()
}

#[test]
fn the_example_decides_as_the_built_in_rule() {
    let script = fs::read_to_string(experiments().join("scripts/llmd.rhai")).unwrap();
    let scripted = load_beside(&format!("{SMALL}{SCRIPTED}"), &[("own.rhai", &script)]).expect("it is valid");
    let built_in = load(&format!("{SMALL}[policy]\nname = 'llmd'\n")).expect("it is valid");
    let workloads = Workloads::new();
    for (own, other) in scripted.cells().zip(built_in.cells()) {
        let (own, other) = (workloads.scenario(&own), workloads.scenario(&other));
        assert_eq!(CellRun::streamed(&own).digest, CellRun::streamed(&other).digest, "seed {}", own.seed);
        let checked = run_checked(&own);
        assert!(checked.requests.len() > 500 && checked.digest() == run_checked(&other).digest());
    }
}

#[test]
fn the_text_of_a_script_is_part_of_a_cell_s_key_and_its_name_is_not_all() {
    let body = format!("{SMALL}{SCRIPTED}");
    let before = keys(&body, FEWEST);
    assert_eq!(before, keys(&body, FEWEST));
    assert_ne!(before, keys(&body, &FEWEST.replace("c.running +", "")));
    let two = format!("{body}[[axis]]\nkey = 'policy.script.parameters'\nvalues = [[1.0], [2.0]]\n");
    let two = keys(&two, FEWEST);
    assert!(two.len() == 4 && two[0] != two[2], "{two:?}");
}

#[test]
fn what_is_wrong_stands_at_its_place_in_the_script() {
    let errors = |body: &str, script: &str| {
        let errors = load_beside(body, &[("own.rhai", script)]).expect_err("it is wrong");
        errors.issues().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let body = format!("{SMALL}{SCRIPTED}");
    let wrong = errors(&body, "fn costs(request, candidates) {\n  candidates.map(|c| c.running +)\n}");
    assert!(wrong.contains("own.rhai:2:33: "), "{wrong}");
    let missing = errors(&body.replace("own.rhai", "other.rhai"), FEWEST);
    assert!(missing.contains("x.toml:12:8: cannot read") && missing.contains("other.rhai"), "{missing}");
    let none = errors(&format!("{SMALL}[policy]\nname = 'script'\n"), FEWEST);
    assert!(none.contains("policy.name = \"script\" needs policy.script.file"), "{none}");
    let words = errors(&format!("{SMALL}[policy.script]\nparameters = ['a']\n"), FEWEST);
    assert!(
        words.contains("policy.script.parameters = [\"a\"] is not allowed; allowed: a list of at most 64 numbers"),
        "{words}"
    );
}

#[test]
fn a_fault_fails_its_cell_and_no_other() {
    let faulty =
        "fn costs(request, candidates) { if request.request > 20 { throw \"enough\"; } candidates.map(|c| c.running) }";
    let body = format!(
        "{}[[axis]]\nkey = 'policy.name'\nvalues = ['script', 'jsq']\n",
        format!("{SMALL}{SCRIPTED}").replace("name = 'script'\n", "")
    );
    let experiment = load_beside(&body, &[("own.rhai", faulty)]).expect("it is valid");
    let workloads = Workloads::new();
    let run = |cell: &netkv_grid::Cell| Ok(CellRun::streamed(&workloads.scenario(cell)));
    let jobs = NonZeroUsize::new(2).unwrap();
    let outcomes = run_cells(
        &experiment.cells().collect::<Vec<_>>(),
        jobs,
        &AtomicBool::new(false),
        &|_| true,
        run,
        &|_, _, _| {},
    )
    .unwrap();
    let failed: Vec<_> = outcomes
        .iter()
        .filter_map(
            |outcome| if let Status::Failed { message } = &outcome.status { Some(message.as_str()) } else { None },
        )
        .collect();
    assert_eq!((outcomes.len(), failed), (4, vec!["own.rhai:1:59: Runtime error: enough"; 2]));
}
