//! Loops that wait for answers, in experiment files: what is read, and what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_grid::{Experiment, Workloads};
use netkv_sim::Scenario;
use netkv_units::SimDuration;

const CLOSED: &str = "[workload]\nloop = 'closed'\nload = 'sessions'\n";

#[track_caller]
fn check(body: &str, expect: &str) {
    let text = load(body).expect_err("the experiment is wrong").to_string();
    assert!(text.contains(expect), "{text}");
}

fn scenario(experiment: &Experiment) -> Scenario {
    Workloads::new().scenario(&experiment.cell(0).unwrap())
}

#[test]
fn an_open_loop_has_no_sessions_and_a_closed_one_as_many_as_it_says() {
    assert!(scenario(&load("").unwrap()).workload.sessions().is_none());
    let body = format!("{CLOSED}sessions = 40\nthink = 'fixed'\nthink_s = 7.0\n[measure]\nwarmup = 'share'\n");
    let experiment = load(&body).unwrap();
    let scenario = scenario(&experiment);
    let sessions = scenario.workload.sessions().unwrap();
    assert_eq!(sessions.starts().len(), 40);
    let think = SimDuration::from_secs_f64(7.0);
    assert!(sessions.sessions().iter().flatten().all(|turn| turn.think == think));
    // The share is of requests.
    assert_eq!(scenario.measure.warmup, SimDuration::ZERO);
    assert_eq!(scenario.measure.warmup_requests, scenario.workload.len() / 4);
    assert!(experiment.trace_origins()[0].label.ends_with("seed 1, sessions as recorded"));
}

#[test]
fn sessions_of_a_partly_open_loop_begin_at_their_rate() {
    let starts = |ratio: f64| {
        let body = format!("[workload]\nloop = 'partly_open'\nprefill_utilisation_ratio = {ratio}\n");
        let scenario = scenario(&load(&body).unwrap());
        let sessions = scenario.workload.sessions().unwrap().clone();
        assert!(sessions.begins_by_itself());
        sessions
    };
    let (slow, fast) = (starts(0.4), starts(0.8));
    assert_eq!(slow.sessions(), fast.sessions(), "think times are as they were");
    let last = |of: &netkv_workload::SessionWorkload| of.starts().last().unwrap().as_secs_f64();
    assert!((last(&slow) / last(&fast) - 2.0).abs() < 1e-6);
}

#[test]
fn a_loop_and_a_load_that_do_not_go_together_are_refused() {
    check(
        "[workload]\nloop = 'closed'\n",
        "workload.load = \"prefill_utilisation\" is a rate, and with workload.loop = \"closed\" requests come as fast as they are \
         answered; allowed with it: \"sessions\"",
    );
    check(
        "[workload]\nload = 'sessions'\n",
        "workload.load = \"sessions\" is a number at once, and with workload.loop = \"open\"",
    );
    check(
        "[workload]\nagent_ratio = 0.5\n",
        "workload.agent_ratio is of sessions, and workload.loop = \"open\" has none",
    );
    check(&format!("{CLOSED}fan_out_ratio = 0.5\n"), "with workload.agent_ratio = 0 there are none");
    check(&format!("{CLOSED}sessions = 1000000\n"), "workload.sessions = 1000000 at once are more than the");
    check(&format!("{CLOSED}trace = 'endless:conversation:1'\n"), "requests without end are never all there");
    check(&format!("{CLOSED}turns = 'single'\nthink = 'trace'\n"), "no session has two; allowed: \"fixed\"");
    check("[workload]\nloop = 'partly_open'\nturns = 'single'\n", "allowed: \"open\", which is the same");
}

#[test]
fn a_trace_that_tells_no_sessions_is_answered() {
    let rows: String = (0..50)
        .map(|row| format!("{{\"timestamp\": {}, \"input_length\": 900, \"output_length\": 9}}\n", 1000 * row))
        .collect();
    let with = |turns: &str| {
        let body = format!(
            "{CLOSED}trace = 'lengths.jsonl'\nturns = '{turns}'\nsessions = 5\nwindow_s = [0.0, 100.0]\narrivals = 'raw_ticks'\n"
        );
        load_beside(&body, &[("lengths.jsonl", &rows)])
    };
    let text = with("trace").expect_err("no sessions").to_string();
    assert!(text.contains("it records neither chats nor prefixes; allowed with it: \"single\""), "{text}");
    let experiment = with("single").unwrap();
    assert_eq!(scenario(&experiment).workload.sessions().unwrap().sessions().len(), 50);
    let label = &experiment.trace_origins()[0].label;
    assert!(label.ends_with("nobody is assumed to share one, each request a session by itself"), "{label}");
}
