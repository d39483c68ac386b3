//! A run in its steady state allocates nothing: a longer one allocates no more often than a shorter one.

mod common;

use common::{BACKGROUND, POLICIES, WEIGHTS, scenario};
use netkv_policy::PolicyConfig;
use netkv_sim::{LocalRule, Overlap, Scenario, SelectionMoment, run_streamed};
use netkv_units::{BlockId, LatencyCurve, SimTime, Stream};
use netkv_workload::Workload;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counted by thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it is.
#[expect(unsafe_code, reason = "an allocator is unsafe by nature; this one only counts")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Sessions that come back with the same prefixes, memory that must be evicted, preemption.
fn workload(n: u32) -> Workload {
    let mut stream = Stream::new(1, "allocations");
    let (mut arrival_s, mut next) = (0.0, 40 * 8);
    let parts = (0..n).map(|_| {
        arrival_s += stream.exponential(0.25);
        let (session, depth) = (stream.below(40) as u32, 1 + stream.below(8) as u32);
        let mut blocks: Vec<BlockId> = (0..depth).map(|level| BlockId::new(session * 8 + level)).collect();
        blocks.push(BlockId::new(next));
        next += 1;
        (SimTime::from_secs_f64(arrival_s), 512 * depth + 100, 1 + stream.below(300) as u32, blocks)
    });
    Workload::from_parts(parts.collect())
}

/// How often a run allocates, from the first request to the last.
fn allocations(scenario: &Scenario) -> u64 {
    let before = ALLOCATIONS.get();
    let mut n = 0;
    run_streamed(scenario, &mut |_| n += 1);
    assert_eq!(n, scenario.workload.len());
    ALLOCATIONS.get() - before
}

fn base(n: u32) -> Scenario {
    let mut scenario = scenario(workload(n));
    scenario.background = BACKGROUND;
    scenario.telemetry.interval = common::millis(500);
    (scenario.kv.decode_blocks, scenario.kv.prefill_blocks) = (700, 1500);
    scenario.gpu.prefill.tokens = LatencyCurve::linear(0, 100_000_000_000);
    scenario.gpu.local = scenario.gpu.prefill;
    scenario
}

#[test]
fn a_run_twice_as_long_allocates_no_more_often() {
    // The clairvoyant yardstick plays on copies, which is not for speed.
    for policy in POLICIES.into_iter().filter(|policy| !matches!(policy, PolicyConfig::Clairvoyant)) {
        let [short, long] = [4_000, 8_000].map(|n| allocations(&Scenario { policy: policy.clone(), ..base(n) }));
        println!("{}: {short} allocations for 4,000 requests, {long} for 8,000", policy.name());
        // What grows to its largest now and then: a heap, a list.
        assert!(long <= short + 40, "{}: {short} and {long}", policy.name());
    }
    for rule in [
        LocalRule::Session { min_hit_ratio: 0.1 },
        LocalRule::Deflect { tbt_limit: common::millis(50), margin_factor: 1.3, min_chunk_tokens: 16 },
    ] {
        let local = |n| {
            let mut scenario = Scenario { policy: PolicyConfig::NetKvGuarded(WEIGHTS), ..base(n) };
            scenario.local_prefill.rule = rule;
            allocations(&scenario)
        };
        let [short, long] = [4_000, 8_000].map(local);
        assert!(long <= short + 40, "{rule:?}: {short} and {long}");
    }
    let layerwise = |n| {
        let mut scenario = Scenario { policy: PolicyConfig::NetKvGuarded(WEIGHTS), ..base(n) };
        scenario.transfer.overlap = Overlap::Layerwise { layers: 80 };
        scenario.selection = SelectionMoment::PrefillStart;
        allocations(&scenario)
    };
    let [short, long] = [layerwise(4_000), layerwise(8_000)];
    assert!(long <= short + 40, "layerwise: {short} and {long}");
}
