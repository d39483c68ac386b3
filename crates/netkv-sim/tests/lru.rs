//! The prefix cache of the simulation as one global cache over a whole trace, against hit rates found otherwise: by
//! stack distances, and as they were published for the Mooncake conversation trace.

use netkv_sim::PrefixCache;
use netkv_workload::{SyntheticKind, Trace, TraceStatistics, generate};

/// The folder that holds `conversation_trace.jsonl`, if there is one on this machine.
const TRACE_DIR: &str = "NETKV_TRACE_DIR";

/// The share of a trace's touches of blocks that a cache of `capacity` blocks holds: leaf to root, one after the other.
fn hit_rate(trace: &Trace, capacity: usize) -> f64 {
    let mut cache = PrefixCache::new();
    let (mut hits, mut references) = (0, 0_u32);
    for row in trace.rows() {
        for block in trace.blocks(row).iter().rev() {
            let block = std::slice::from_ref(block);
            hits += cache.lookup(block).ready;
            references += 1;
            let slots = cache.acquire(block);
            cache.mark_ready(&slots);
            cache.release(&slots);
            if cache.len() > capacity {
                cache.evict_oldest().expect("nothing is referenced");
            }
        }
    }
    hits as f64 / f64::from(references)
}

#[test]
fn hit_rates_are_those_of_stack_distances_at_every_size() {
    let trace = generate(SyntheticKind::Conversation, 5);
    for point in TraceStatistics::of(&trace).lru {
        let found = hit_rate(&trace, point.cache_blocks as usize);
        println!("{} blocks: {found:.4}, by stack distances {:.4}", point.cache_blocks, point.block_hit_fraction);
        assert!((found - point.block_hit_fraction).abs() < 1e-12, "{} blocks", point.cache_blocks);
    }
}

#[test]
fn hit_rates_of_the_published_trace_are_the_published_ones() {
    let Some(folder) = std::env::var_os(TRACE_DIR) else {
        println!("{TRACE_DIR} not set: only the generated trace is checked");
        return;
    };
    let path = std::path::Path::new(&folder).join("conversation_trace.jsonl");
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{TRACE_DIR}: {}: {error}", path.display()));
    let trace = Trace::parse(&file).unwrap_or_else(|errors| panic!("{errors}"));
    for (capacity, published) in [(5_000, 0.110), (10_000, 0.211), (20_000, 0.287), (50_000, 0.355)] {
        let found = hit_rate(&trace, capacity);
        println!("{capacity} blocks: {found:.4}, published {published}");
        // Published to a tenth of a point.
        assert!((found - published).abs() < 0.001, "{capacity} blocks: {found}");
    }
}
