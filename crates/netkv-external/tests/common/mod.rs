//! A small cluster, and routers that are asked about it.

#![allow(dead_code, reason = "each test file uses a part of it")]

use netkv_external::{External, Network, Protocol};
use netkv_policy::{
    Candidate, CostOracle, Estimates, IterationModel, Outside, PathCost, Policy, PolicyFault, PrefillModel, PromptView,
    RequestView, Selector,
};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Tier};
use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

/// Instance 9 computes prompts; 0 to 3 decode, each farther from it.
pub struct Plan;

impl CostOracle for Plan {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let far = if source == destination { 0 } else { source.get().min(destination.get()) as usize };
        let tier = Tier::ALL[far.min(3)];
        PathCost {
            tier,
            bandwidth_bytes_per_sec: [100e9, 10e9, 5e9, 2.5e9][tier.index()],
            latency: SimDuration::from_nanos(5_000),
            congestion_ratio: 0.25,
            counts_in_flight: false,
            age: SimDuration::ZERO,
        }
    }
}

/// The four that decode.
pub fn candidates() -> Vec<Candidate> {
    let candidate = |id| Candidate {
        max_batch: 64,
        capacity_tokens: 400_000,
        free_tokens: 400_000,
        transfer_bytes: Bytes::new(1_000_000_000),
        ..Candidate::unknown(InstanceId::new(id))
    };
    (0..4).map(candidate).collect()
}

/// A request of 1,000 tokens on instance 9.
pub fn request(number: u32) -> RequestView {
    let prompt = PromptView {
        request: RequestId::new(number),
        input_tokens: 1000,
        kv_bytes: Bytes::new(1_000_000_000),
        now: SimTime::ZERO,
        ttft_left: SimDuration::from_nanos(2_000_000_000),
    };
    RequestView { source: InstanceId::new(9), prompt }
}

/// A router in Python.
pub fn router(script: &str) -> External {
    told(script, Protocol::Lines, "")
}

/// The same, of a release.
pub fn told(script: &str, protocol: Protocol, release: &str) -> External {
    let command = ["python3", "-c", script].map(str::to_owned).to_vec();
    External::new(command, protocol, Duration::from_secs(2), release.to_owned(), Network::Own, String::new())
}

/// The policy that asks a router.
pub fn asked(external: &External) -> Box<dyn Policy> {
    build(external)
}

/// The policy of a maker.
pub fn build(external: &dyn Outside) -> Box<dyn Policy> {
    let flat = LatencyCurve::linear(0, 1);
    let estimates = Estimates {
        prefill: PrefillModel { tokens: flat, per_pair_fs: 0 },
        iteration: IterationModel { requests: flat, per_token_fs: 0 },
    };
    match external.build(estimates, 1) {
        Selector::Decode(policy) => policy,
        Selector::Pair(_) | Selector::Staged(_) | Selector::Clairvoyant => panic!("it chooses decode instances"),
    }
}

/// Its choice for a request, or why it has none.
pub fn ask(policy: &mut Box<dyn Policy>, number: u32) -> Result<usize, String> {
    let chosen = panic::catch_unwind(AssertUnwindSafe(|| policy.select(&request(number), &candidates(), &Plan)));
    chosen.map_err(|payload| payload.downcast::<PolicyFault>().expect("no bug of ours").0)
}

/// Why a router has no answer to its first question.
pub fn fault(external: &External) -> String {
    ask(&mut asked(external), 7).expect_err("it has an answer")
}
