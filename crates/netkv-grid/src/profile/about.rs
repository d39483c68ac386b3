//! What a profile says of itself: its format, what it is of, and where its latencies come from.

use netkv_workload::KvLayout;

/// The format, and its version.
pub(crate) const FORMAT: &str = "netkv-profile/2";

/// What a profile is of.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfiledModel {
    /// Name of the model.
    pub model: String,
    /// Precision of its weights.
    pub precision: String,
    /// Kind of GPU.
    pub gpu: String,
    /// GPUs of an instance.
    pub tp: u32,
    /// How the model stores keys and values.
    pub kv: KvLayout,
    /// How often an instance holds, and so receives, the KV cache of a token: once if the GPUs share it out.
    pub kv_copies: u32,
    /// Memory taken by the weights, all GPUs of an instance together.
    pub weights_gb: f64,
}

/// Where measurements come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileOrigin {
    /// Who measured what, with versions.
    pub source: String,
    /// The terms that the measurements are under.
    pub licence: String,
    /// The command that writes the profile from them.
    pub command: String,
}

impl ProfiledModel {
    /// Bytes of KV cache that a token takes in an instance, all copies together.
    pub fn bytes_per_token(&self) -> u64 {
        self.kv.bytes_per_token().get() * u64::from(self.kv_copies)
    }
}
