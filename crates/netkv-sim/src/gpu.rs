//! What computes: the prefill and decode instances, their engines, their memory and their latencies.

pub(crate) mod decode_engine;
pub(crate) mod host_tier;
pub(crate) mod kv_memory;
pub(crate) mod prefill_engine;
pub(crate) mod prefix_cache;
pub(crate) mod profile;
pub(crate) mod stretch;
