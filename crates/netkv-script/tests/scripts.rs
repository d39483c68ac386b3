//! Scripts decide as they say, and whatever is wrong with them is told with its place.

use netkv_policy::{
    Candidate, CostOracle, Estimates, IterationModel, Outside, PathCost, PolicyFault, PrefillCandidate, PrefillModel,
    PromptView, RequestEvent, RequestStep, RequestView, Selector, TieRule, TransferEvent, TransferStep,
};
use netkv_script::{Script, ScriptConfig};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Tier};
use std::panic::{AssertUnwindSafe, catch_unwind};

struct Racks;

impl CostOracle for Racks {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let near = source.get() + 1 == destination.get();
        PathCost {
            tier: if near { Tier::Rack } else { Tier::Core },
            bandwidth_bytes_per_sec: if near { 5e9 } else { 1e9 },
            latency: SimDuration::from_nanos(2_000),
            congestion_ratio: 0.25,
            counts_in_flight: false,
            age: SimDuration::from_nanos(1_000_000),
        }
    }
}

const REQUEST: RequestView = RequestView {
    source: InstanceId::new(3),
    prompt: PromptView {
        request: RequestId::new(7),
        input_tokens: 1_000,
        kv_bytes: Bytes::new(1_000_000_000),
        now: SimTime::ZERO,
        ttft_left: SimDuration::from_nanos(500_000_000),
    },
};

fn config() -> ScriptConfig {
    ScriptConfig { ties: TieRule::LowestId, parameters: vec![1.0, 0.5], poll_interval: SimDuration::ZERO }
}

fn selector(text: &str) -> Selector {
    let flat = LatencyCurve::linear(1_000_000_000, 1_000_000);
    let estimates = Estimates {
        prefill: PrefillModel { tokens: flat, per_pair_fs: 0 },
        iteration: IterationModel { requests: flat, per_token_fs: 0 },
    };
    Script::read("own.rhai", text, config()).expect("it is a script").build(estimates, 1)
}

fn four() -> Vec<Candidate> {
    (4..8).map(|instance| Candidate { max_batch: 8, ..Candidate::unknown(InstanceId::new(instance)) }).collect()
}

/// What a script chooses among `candidates`.
fn place(text: &str, candidates: &[Candidate]) -> Option<usize> {
    let Selector::Decode(mut policy) = selector(text) else { panic!("it chooses no prefill instance") };
    policy.place(&REQUEST, candidates, &Racks)
}

/// What the fault of a decision says.
fn fault(text: &str) -> String {
    let caught = catch_unwind(AssertUnwindSafe(|| place(text, &four()))).expect_err("it must fail");
    caught.downcast::<PolicyFault>().expect("a fault of the script").0
}

#[test]
fn the_least_cost_is_taken_and_what_costs_nothing_at_all_is_not() {
    let mut candidates = four();
    candidates[1].running = 3;
    candidates[2].running = 1;
    let fewest = "fn costs(request, candidates) { candidates.map(|c| c.running + c.pending) }";
    assert_eq!(place(fewest, &candidates), Some(0));
    let busiest = "fn costs(request, candidates) { candidates.map(|c| if c.running == 0 { () } else { -c.running }) }";
    assert_eq!(place(busiest, &candidates), Some(1));
    assert_eq!(place("fn costs(request, candidates) { candidates.map(|c| ()) }", &candidates), None);
}

#[test]
fn signals_are_those_of_the_crate() {
    let mut candidates = four();
    candidates[2] = Candidate { hit_tokens: 250, transfer_bytes: Bytes::new(750_000_000), ..candidates[2] };
    let holds = |condition: &str| {
        let text = format!(
            "fn costs(request, candidates) {{ let one = candidates[0]; let hit = candidates[2]; let path = one.path; \
             if {condition} {{ [3, 2, 1, 0] }} else {{ [0, 1, 2, 3] }} }}"
        );
        place(&text, &candidates) == Some(3)
    };
    for condition in [
        "request.request == 7 && request.input_tokens == 1000 && request.kv_bytes == 1000000000 && request.source == 3",
        "request.now_s == 0.0 && request.ttft_left_s == 0.5 && request.parameters == [1.0, 0.5]",
        "one.instance == 4 && one.max_batch == 8 && hit.hit_tokens == 250 && hit.transfer_bytes == 750000000",
        "path.tier == \"rack\" && path.bytes_per_s == 5e9 && path.congestion_ratio == 0.25 && path.age_s == 0.001",
        "candidates[1].path.tier == \"core\" && path.latency_s == 0.000002 && !path.counts_in_flight",
        "least([2, 1.5]) == 1.5 && most([2, 1.5]) == 2.0 && sum([2, 1.5]) == 3.5 && clamp(2.0, 0.0, 1.0) == 1.0",
        "exp(0.0) == 1.0 && ln(1.0) == 0.0 && sqrt(4.0) == 2.0 && pow(2.0, 3.0) == 8.0 && abs(-3) == 3",
    ] {
        assert!(holds(condition), "{condition}");
        assert!(!holds(&format!("!({condition})")), "{condition}");
    }
}

#[test]
fn this_is_kept_between_decisions_and_told_of_transfers_and_requests() {
    let text = "fn costs(request, candidates) { let n = this.n ?? 0; candidates.map(|c| if c.instance == 4 + n { 0 } else { 1 }) } \
                fn observe(transfer) { if transfer.step == \"begun\" && transfer.tier == \"pod\" { this.n = (this.n ?? 0) + 1; } } \
                fn follow(step) { if step.step == \"finished\" && step.request == 7 { this.n -= 1; } }";
    let Selector::Decode(mut policy) = selector(text) else { panic!("it chooses no prefill instance") };
    let candidates = four();
    assert_eq!(policy.place(&REQUEST, &candidates, &Racks), Some(0));
    let begun = TransferEvent {
        source: InstanceId::new(3),
        destination: InstanceId::new(5),
        tier: Tier::Pod,
        bytes: Bytes::new(5),
        now: SimTime::ZERO,
        step: TransferStep::Begun,
    };
    policy.observe(&begun);
    policy.observe(&TransferEvent { step: TransferStep::Ended, ..begun });
    policy.observe(&begun);
    assert_eq!(policy.place(&REQUEST, &candidates, &Racks), Some(2));
    let instance = InstanceId::new(5);
    let finished =
        RequestEvent { request: RequestId::new(7), step: RequestStep::Finished, instance, now: SimTime::ZERO };
    policy.follow(&finished);
    policy.follow(&RequestEvent { step: RequestStep::Joined, ..finished });
    assert_eq!(policy.place(&REQUEST, &candidates, &Racks), Some(1));
    // Being asked for its reasons changes nothing.
    let rated: Vec<_> = policy.rate(&REQUEST, &candidates, &Racks).iter().map(|rating| rating.cost()).collect();
    assert_eq!(rated, [1.0, 0.0, 1.0, 1.0]);
}

#[test]
fn with_prefill_costs_it_chooses_both() {
    let text = "fn costs(request, candidates) { candidates.map(|c| c.running) } \
                fn prefill_costs(request, prefill, candidates) { \
                  prefill.map(|p| p.backlog_tokens + if p.paths[0].tier == \"rack\" { 0 } else { 100 }) }";
    let Selector::Staged(mut policy) = selector(text) else { panic!("it chooses the prefill instance as well") };
    let prefill = |instance, backlog_tokens| PrefillCandidate {
        instance: InstanceId::new(instance),
        requests: 0,
        backlog_tokens,
        backlog_pairs: 0,
        hit_tokens: 0,
    };
    let chosen = |policy: &mut dyn netkv_policy::StagedPolicy, backlog| {
        policy.select_prefill(&REQUEST.prompt, &[prefill(2, 0), prefill(3, backlog)], &four(), &Racks)
    };
    assert_eq!(chosen(&mut *policy, 99), 1);
    assert_eq!(chosen(&mut *policy, 101), 0);
}

#[test]
fn errors_of_reading_have_line_and_column() {
    let read = |text: &str| Script::read("own.rhai", text, config()).map(|_| ()).unwrap_err();
    let error = read("fn costs(request, candidates) {\n  let x = ;\n}");
    assert_eq!((error.line, error.column), (2, 11), "{error}");
    let error = read("fn cost(request, candidates) { [] }");
    assert_eq!(
        error.to_string(),
        "it has no fn costs(request, candidates), which says what each candidate costs; it has fn cost"
    );
    let error = read("fn costs(candidates) { [] }");
    assert_eq!(error.to_string(), "fn costs(candidates) has other parameters; allowed: fn costs(request, candidates)");
    for (text, word) in [
        ("fn costs(request, candidates) { print(1); [] }", "print"),
        ("fn costs(request, candidates) { eval(\"1\") }", "eval"),
        ("fn costs(request, candidates) { [2.0 ** 0.5] }", "**"),
        ("fn costs(request, candidates) { candidates.map(|c| c.running + load) }", "load"),
    ] {
        assert!(read(text).to_string().contains(word), "{text}: {}", read(text));
    }
    let long = format!("fn costs(request, candidates) {{ [] }} // {}", "x".repeat(1 << 20));
    assert!(read(&long).to_string().contains("allowed: at most 1048576"));
}

#[test]
fn errors_of_decisions_have_them_too() {
    for (text, says) in [
        (
            "fn costs(request, candidates) {\n  candidates.map(|c| c.runing)\n}",
            "own.rhai:2:24: Unknown property 'runing'",
        ),
        ("fn costs(request, candidates) { 1 }", "own.rhai: fn costs gives a i64, not an array of costs"),
        ("fn costs(request, candidates) { [1, 2] }", "own.rhai: fn costs gives 2 costs for 4 candidates"),
        (
            "fn costs(request, candidates) { [1, 2, 3, \"4\"] }",
            "gives a string as cost of candidate 3; allowed: a number, or ()",
        ),
        ("fn costs(request, candidates) { [1, 2, 3, 0.0 / 0.0] }", "says that candidate 3 costs NaN"),
        ("fn costs(request, candidates) {\n let n = 0; loop { n += 1; } }", "own.rhai: fn costs: Too many operations"),
        ("fn far(n) { far(n + 1) } fn costs(request, candidates) { [far(0)] }", "own.rhai: fn costs: Stack overflow"),
        ("fn costs(request, candidates) { let s = [1]; loop { s += s; } }", "own.rhai: fn costs: Size of array"),
        ("import \"other\" as other; fn costs(request, candidates) { [1, 2, 3, 4] }", "own.rhai:1:"),
        ("fn costs(request, candidates) { throw \"no idea\"; }", "own.rhai:1:33: Runtime error: no idea"),
    ] {
        let fault = fault(text);
        assert!(fault.contains(says), "{text}: {fault}");
    }
}
