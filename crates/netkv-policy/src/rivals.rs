//! The rules of other systems: Dynamo (and what it has announced, DEP 9118), SGLang, SMG, llm-d, AIBrix, Mooncake, and
//! LMetric, which several take up.

mod aibrix_pd;
mod dep9118_static;
mod dynamo_decode;
mod dynamo_topology;
mod dynamo_two_tier;
mod llmd;
mod llmd_active;
mod llmd_affinity;
mod llmd_topology;
mod lmetric;
mod mooncake_ttft;
mod sglang_cache_aware;
mod smg_expected_wait;

pub use aibrix_pd::AibrixConfig;
pub(crate) use aibrix_pd::AibrixPd;
pub use dep9118_static::Dep9118Config;
pub(crate) use dep9118_static::Dep9118Static;
pub(crate) use dynamo_decode::DynamoDecode;
pub use dynamo_decode::{DynamoConfig, DynamoLoad};
pub(crate) use dynamo_topology::{DynamoTopology, Enforcement};
pub(crate) use dynamo_two_tier::DynamoTwoTier;
pub use dynamo_two_tier::TwoTierConfig;
pub(crate) use llmd::Llmd;
pub use llmd::LlmdConfig;
pub(crate) use llmd_active::LlmdActive;
pub use llmd_active::LlmdActiveConfig;
pub(crate) use llmd_affinity::LlmdAffinity;
pub use llmd_affinity::LlmdAffinityConfig;
pub(crate) use llmd_topology::LlmdTopology;
pub(crate) use lmetric::Lmetric;
pub use lmetric::{LmetricConfig, LmetricLoad};
pub use mooncake_ttft::MooncakeConfig;
pub(crate) use mooncake_ttft::MooncakeTtft;
pub(crate) use sglang_cache_aware::SglangCacheAware;
pub use sglang_cache_aware::SglangConfig;
pub use smg_expected_wait::SmgConfig;
pub(crate) use smg_expected_wait::SmgExpectedWait;
