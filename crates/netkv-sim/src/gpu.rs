//! What computes: the two pools of instances, their engines and their KV memory.
//!
//! [`PrefillPool`] and [`DecodePool`] are the doors: the loop tells them what happens, and they return what follows.
//! Nothing in here knows of a network, a scheduler or an event.

mod available;
mod busy;
mod chunks;
mod decode_engine;
mod decode_instance;
mod decode_pool;
mod host_link;
mod host_tier;
mod kv_memory;
mod member;
mod prefill_engine;
mod prefill_pool;
mod prefix_cache;
mod stretch;

pub(crate) use chunks::Chunks;
pub(crate) use decode_engine::StretchEnd;
pub(crate) use decode_instance::{Admitted, DecodeInstance, Load, Recall};
pub(crate) use decode_pool::DecodePool;
pub(crate) use kv_memory::Prompt;
pub use kv_memory::{Grant, Holding, KvMemory};
pub(crate) use member::Member;
pub(crate) use prefill_engine::Running;
pub(crate) use prefill_pool::{PrefillInstance, PrefillPool};
pub use prefix_cache::{PrefixCache, PrefixMatch, Slot};
pub use stretch::tbt_histogram;
