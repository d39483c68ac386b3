//! The way between a GPU and its host's memory, on which evicted or swapped-out KV caches travel.

use netkv_units::{Bytes, BytesPerSec, SimDuration};

/// How fast KV caches move to host memory or from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct HostLink {
    /// Bytes of KV cache of a token.
    pub(super) bytes_per_token: u64,
    /// The link's rate.
    pub(super) rate: BytesPerSec,
}

impl HostLink {
    /// Time to move the KV cache of so many tokens.
    pub(super) fn time(&self, tokens: u64) -> SimDuration {
        let bytes = Bytes::new(tokens * self.bytes_per_token);
        bytes.to_nanobytes().time_at(self.rate).expect("the host has bandwidth")
    }
}
