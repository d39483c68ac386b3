//! A policy allocates nothing when it decides, once it has seen that many instances.

mod common;

use common::{ALL, ESTIMATES, PROMPT, QUIET, REQUEST, four, idle_prefill};
use netkv_policy::Selector;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts for each thread what it is asked for.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe by its signature; this one passes everything on")]
// SAFETY: every call is the system allocator's own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn no_policy_allocates_when_it_decides() {
    let mut candidates = four();
    let prefill = [0, 1].map(idle_prefill);
    for config in ALL {
        let mut selector = config.build(ESTIMATES, 1);
        let before = ALLOCATIONS.get();
        let mut allocated_at_first = 0;
        for decision in 0..100_u32 {
            for (index, candidate) in candidates.iter_mut().enumerate() {
                candidate.running = decision % (index as u32 + 2);
                candidate.report.waiting = decision % (index as u32 + 3);
                candidate.hit_tokens = decision * 10;
            }
            match &mut selector {
                Selector::Decode(policy) => {
                    policy.select(&REQUEST, &candidates, &QUIET);
                }
                Selector::Staged(policy) => {
                    policy.select_prefill(&PROMPT, &prefill, &candidates, &QUIET);
                    policy.select(&REQUEST, &candidates, &QUIET);
                }
                Selector::Pair(policy) => {
                    policy.select_pair(&PROMPT, &prefill, &candidates, &QUIET);
                }
                Selector::Clairvoyant => {}
            }
            if decision == 0 {
                allocated_at_first = ALLOCATIONS.get() - before;
            }
        }
        let allocated = ALLOCATIONS.get() - before - allocated_at_first;
        assert_eq!(allocated, 0, "{} allocates when it decides", config.name());
    }
    let before = ALLOCATIONS.get();
    drop(std::hint::black_box(vec![1]));
    assert_eq!(ALLOCATIONS.get() - before, 1, "allocations are counted");
}
