//! Routers that speak protocol "lines", good and bad ones.

#![cfg(unix)]

mod common;

use common::{ask, asked, candidates, fault, router, told};
use netkv_external::Protocol;
use netkv_policy::{Repetition, RequestEvent, RequestStep};
use netkv_units::{InstanceId, RequestId, SimTime};

/// A router in Python that answers what `choice` says of a message `m`.
fn answers(choice: &str) -> String {
    format!(
        "import json, sys\n\
         for line in sys.stdin:\n    \
             m = json.loads(line)\n    \
             if m['type'] == 'hello':\n        \
                 print(json.dumps(dict(version=1, name='test', release='2.5')), flush=True)\n    \
             elif m['type'] == 'decide':\n        \
                 print(json.dumps({choice}), flush=True)\n"
    )
}

const LAST: &str = "dict(question=m['question'], instance=m['candidates'][-1]['instance'])";

#[test]
fn it_decides_and_its_copy_agrees() {
    let mut policy = asked(&router(&answers(LAST)));
    for _ in 0..3 {
        assert_eq!(ask(&mut policy, 7), Ok(3));
    }
    assert_eq!(policy.repetition(), Some(Repetition { asked: 3, agreed: 3 }));
}

#[test]
fn a_copy_that_answers_otherwise_is_noticed() {
    // Each of the two has a process id of its own.
    let choice = "dict(question=m['question'], instance=m['candidates'][-1 if m['question'] < 3 else __import__('os').getpid() % 2]['instance'])";
    let mut policy = asked(&router(&answers(choice)));
    let mut tried = 0;
    // Two processes that were started one after the other have numbers that differ by one as a rule, not always.
    while policy.repetition().is_none_or(|repetition| repetition.agreed == repetition.asked) && tried < 50 {
        policy = asked(&router(&answers(choice)));
        (0..4).for_each(|_| drop(ask(&mut policy, 7)));
        tried += 1;
    }
    assert_eq!(policy.repetition(), Some(Repetition { asked: 4, agreed: 2 }));
}

#[test]
fn it_hears_what_happens_in_order() {
    let script = "import json, sys\n\
        heard = []\n\
        for line in sys.stdin:\n    \
            m = json.loads(line)\n    \
            if m['type'] == 'hello':\n        \
                print(json.dumps(dict(version=1, name='test')), flush=True)\n    \
            elif m['type'] == 'decide':\n        \
                print(json.dumps(dict(question=m['question'], instance=len(heard))), flush=True)\n    \
            elif m['type'] == 'request':\n        \
                heard.append(m['event'])\n        \
                assert heard == ['sent', 'computed', 'joined'][:len(heard)], heard\n        \
                assert (m['request'], m['instance'], m['now_s']) == (7, 2, 1.5), m\n";
    let mut policy = asked(&router(script));
    assert_eq!(ask(&mut policy, 7), Ok(0));
    for step in [RequestStep::Sent, RequestStep::Computed, RequestStep::Joined] {
        let event = RequestEvent {
            request: RequestId::new(7),
            step,
            instance: InstanceId::new(2),
            now: SimTime::from_nanos(1_500_000_000),
        };
        policy.follow(&event);
    }
    assert_eq!(ask(&mut policy, 8), Ok(3));
}

#[test]
fn it_is_told_of_the_network() {
    let choice = "check(m)";
    let script = format!(
        "def check(m):\n    \
             assert m['source'] == 9 and m['input_tokens'] == 1000 and m['request'] == 7, m\n    \
             tiers = [c['path']['tier'] for c in m['candidates']]\n    \
             assert tiers == ['node', 'rack', 'pod', 'core'], tiers\n    \
             assert m['candidates'][1]['path']['congestion_ratio'] == 0.25\n    \
             return dict(question=m['question'], instance=2)\n{}",
        answers(choice)
    );
    assert_eq!(ask(&mut asked(&router(&script)), 7), Ok(2));
}

#[test]
fn every_fault_is_told_with_its_last_words() {
    let speak = "import sys\nsys.stderr.write('model not loaded\\n'); sys.stderr.flush()\n";
    for (choice, why) in [
        ("dict(question=m['question'], instance=17)", "instance 17, which is none of its 4 candidates (0 to 3)"),
        ("dict(question=m['question'], instance=-1)", "answered `{\"question\": 1, \"instance\": -1}`"),
        ("dict(question=9, instance=0)", "answered question 9 where 1 was asked"),
        ("'nonsense'", "answered `\"nonsense\"` where an answer to \"decide\" was due"),
        ("dict(question=m['question'], instnce=0)", "unknown field"),
        ("sys.exit(4)", "ended with exit code 4"),
        ("__import__('time').sleep(60)", "did not answer within 2 s (policy.external.timeout_s)"),
        ("'x' * 100000", "more than 65536 bytes"),
    ] {
        let told = fault(&router(&format!("{speak}{}", answers(choice))));
        assert!(told.contains(why) && told.contains("model not loaded"), "{choice}: {told}");
    }
}

#[test]
fn versions_that_do_not_fit_are_refused() {
    let old = answers(LAST).replace("version=1", "version=2");
    assert!(fault(&router(&old)).contains("speaks version 2 of the protocol; netkv speaks 1"));

    let named = told(&answers(LAST), Protocol::Lines, "2.4");
    let why = fault(&named);
    assert!(why.contains("is test 2.5, but policy.external.release says 2.4"), "{why}");
    assert_eq!(ask(&mut asked(&told(&answers(LAST), Protocol::Lines, "2.5")), 7), Ok(3));
}

#[test]
fn one_that_speaks_before_it_is_asked_is_refused() {
    let choice = "[print('{}'), dict(question=m['question'], instance=0)][1]";
    let mut policy = asked(&router(&answers(choice)));
    let told = ask(&mut policy, 7).expect_err("two lines");
    assert!(told.contains("answered `{}`"), "{told}");
}

#[test]
fn the_example_decides() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/external/router.py");
    let example = std::fs::read_to_string(path).expect("the example");
    // All candidates would be sent the same; the nearest has the fastest way.
    assert_eq!(ask(&mut asked(&router(&example)), 7), Ok(0));
    assert_eq!(candidates().len(), 4);
}
