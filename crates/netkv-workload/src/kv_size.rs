//! Size of the KV cache of a token, from the shape of the attention.
//!
//! Leaves out sharding (tensor parallelism splits these bytes, it does not change their sum, as long as there are at
//! least as many KV heads as GPUs) and per-block metadata.

use netkv_units::Bytes;

/// How a model stores the keys and values of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvLayout {
    /// One key and one value vector for each KV head: multi-head, grouped-query and multi-query attention.
    Heads {
        /// Attention layers.
        layers: u32,
        /// Key-value heads of a layer.
        kv_heads: u32,
        /// Elements of one head's key or value.
        head_dim: u32,
        /// Bytes of an element.
        dtype_bytes: u32,
    },
    /// One compressed latent, shared by all heads and by keys and values, plus one rotary key: multi-head latent
    /// attention (DeepSeek-V2, arXiv 2405.04434, section 2.1).
    Latent {
        /// Attention layers.
        layers: u32,
        /// Elements of the latent.
        latent_dim: u32,
        /// Elements of the rotary key.
        rope_dim: u32,
        /// Bytes of an element.
        dtype_bytes: u32,
    },
}

impl KvLayout {
    /// Llama-3-70B in 16 bits (`config.json` of meta-llama/Meta-Llama-3-70B).
    pub const LLAMA_3_70B: Self = Self::Heads { layers: 80, kv_heads: 8, head_dim: 128, dtype_bytes: 2 };

    /// DeepSeek-V3 in 16 bits (`config.json` of deepseek-ai/DeepSeek-V3: `kv_lora_rank`, `qk_rope_head_dim`).
    pub const DEEPSEEK_V3: Self = Self::Latent { layers: 61, latent_dim: 512, rope_dim: 64, dtype_bytes: 2 };

    /// Attention layers.
    pub const fn layers(self) -> u32 {
        match self {
            Self::Heads { layers, .. } | Self::Latent { layers, .. } => layers,
        }
    }

    /// Bytes of KV cache that one token takes over all layers.
    pub fn bytes_per_token(self) -> Bytes {
        let (layers, elements, dtype_bytes) = match self {
            Self::Heads { layers, kv_heads, head_dim, dtype_bytes } => {
                (layers, 2 * u64::from(kv_heads) * u64::from(head_dim), dtype_bytes)
            }
            Self::Latent { layers, latent_dim, rope_dim, dtype_bytes } => {
                (layers, u64::from(latent_dim) + u64::from(rope_dim), dtype_bytes)
            }
        };
        Bytes::new(u64::from(layers) * elements * u64::from(dtype_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(layout: KvLayout, bytes_per_token: u64) {
        assert_eq!(layout.bytes_per_token(), Bytes::new(bytes_per_token));
    }

    #[test]
    fn published_models_have_their_known_sizes() {
        check(KvLayout::LLAMA_3_70B, 327_680);
        check(KvLayout::DEEPSEEK_V3, 70_272);
    }

    #[test]
    fn eight_bit_elements_halve_the_size() {
        check(KvLayout::Heads { layers: 80, kv_heads: 8, head_dim: 128, dtype_bytes: 1 }, 163_840);
    }
}
