//! Instances that come and go in experiment files: what they become, and what is wrong with them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_grid::Workloads;
use netkv_sim::{ClusterChange, ClusterEvent, Pool, run};
use netkv_units::SimTime;

const FAIL: &str = "at_s = 60.0, kind = 'fail', pool = 'decode', instance = 2";

/// Errors of an experiment with these events, after the name of the file.
fn check(events: &str, more: &str, expect: &[&str]) {
    let text = load_beside(&format!("[cluster]\nevents = [{events}]\n{more}"), &[])
        .expect_err("the experiment is wrong")
        .to_string();
    let errors: Vec<_> = text.lines().map(|line| line.rsplit_once("/x.toml:").map_or(line, |(_, rest)| rest)).collect();
    assert_eq!(errors, expect);
}

#[test]
fn a_schedule_is_a_list_of_changes_in_order_of_time() {
    let body = format!(
        "[workload]\nmax_requests = 400\n[policy]\nname = 'round_robin'\n[measure]\nwarmup_s = 0.0\n[cluster]\nevents = [{{ {FAIL}, until_s = 90.0 }}, \
         {{ at_s = 30, kind = 'add', pool = 'prefill', instance = 0 }}, {{ at_s = 30, kind = 'drain', pool = 'decode', instance = 7 }}]\n"
    );
    let scenario = Workloads::new().scenario(&load(&body).unwrap().cell(0).unwrap());
    let event =
        |at_s, pool, instance, change| ClusterEvent { at: SimTime::from_secs_f64(at_s), pool, instance, change };
    assert_eq!(
        scenario.cluster.events,
        [
            event(30.0, Pool::Prefill, 0, ClusterChange::Join),
            event(30.0, Pool::Decode, 7, ClusterChange::Drain),
            event(60.0, Pool::Decode, 2, ClusterChange::Fail),
            event(90.0, Pool::Decode, 2, ClusterChange::Join),
        ]
    );
    let output = run(&scenario);
    assert_eq!(output.requests.len(), 400);
    assert!(output.totals.failovers > 0, "{}", output.totals.end);
}

#[test]
fn what_is_wrong_with_an_event_is_said_where_it_stands() {
    let one = |fields: &str| format!("{{ {fields} }}");
    check(
        &one("at_s = 1.0, kind = 'fall', pool = 'decode', instance = 0"),
        "",
        &[
            "5:32: cluster.events.kind = \"fall\" is not allowed; allowed: \"fail\", \"drain\", \"add\"; did you mean \"fail\"?",
        ],
    );
    check(
        &one("kind = 'fail', pool = 'decode', instance = 8"),
        "",
        &["5:11: cluster.events.at_s is missing; each event has at_s, kind, pool, instance"],
    );
    check(
        &one("at_s = 1.0, kind = 'fail', pool = 'decode', instance = 8"),
        "",
        &["5:68: cluster.events.instance = 8 is not allowed; allowed: an integer, 0 to 7"],
    );
    check(
        &one(&format!("{FAIL}, until = 3.0")),
        "",
        &[
            "5:11: cluster.events has no field until; its fields: at_s, kind, pool, instance, until_s; did you mean until_s?",
        ],
    );
    check(&one(&format!("{FAIL}, until_s = 3.0")), "", &["5:82: cluster.events: until_s is not later than at_s"]);
    check(
        &one("at_s = 1.0, kind = 'add', pool = 'decode', instance = 0, until_s = 9"),
        "",
        &["5:80: cluster.events: kind = \"add\" has no until_s; write a \"drain\" or \"fail\" at that time"],
    );
}

#[test]
fn a_schedule_makes_sense() {
    check(
        &format!("{{ {FAIL}, until_s = 90.0 }}, {{ at_s = 70.0, kind = 'drain', pool = 'decode', instance = 2 }}"),
        "",
        &[
            "5:90: cluster.events: at 70 s the instance is not there, or something else becomes of it; an instance has one event at a time",
        ],
    );
    check(
        &format!("{{ {FAIL} }}"),
        "prefill_instances = 15\n",
        &["5:69: cluster.events.instance = 2 is not allowed; allowed: an integer, 0 to 0"],
    );
    check(
        "{ at_s = 60.0, kind = 'drain', pool = 'decode', instance = 0 }",
        "prefill_instances = 15\n",
        &["5:11: cluster.events leaves no decode instance from 60 s on; allowed: at least one at any time"],
    );
    check(
        "{ at_s = 60.0, kind = 'add', pool = 'decode', instance = 0 }",
        "prefill_instances = 15\n",
        &["5:10: cluster.events leaves no decode instance at the start; allowed: at least one at any time"],
    );
    check(
        &format!("{{ {FAIL} }}"),
        "[transfer]\noverlap = 'layerwise'\n[selection]\nat = 'arrival'\n[local_prefill]\nrule = 'session'\n[policy]\nname = 'round_robin'\n",
        &[
            "5:10: cluster.events go with local_prefill.rule = \"never\" alone",
            "5:10: cluster.events go with transfer.overlap = \"none\" alone",
        ],
    );
}
