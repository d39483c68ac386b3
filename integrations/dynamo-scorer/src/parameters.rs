//! The YAML parameters of the plugin, and what is wrong with them.

use crate::network::{Place, PrefillId};
use dynamo_kv_router::WorkerId;
use netkv_policy::{
    Estimates, GuardedWeights, IterationModel, JointConfig, NetKvConfig, PolicyConfig, PrefillModel, WhenFull,
};
use netkv_units::{LatencyCurve, Tier};
use serde::Deserialize;
use std::fmt;

/// What an operator says of the model, the engines and the network. None of it can be had from Dynamo's scorer interface.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// The rule, with its own parameters.
    pub rule: Rule,
    /// Where a request's KV cache is taken to come from.
    pub source: Source,
    /// Bytes of KV cache of a token, over all layers and GPUs of a worker.
    pub kv_bytes_per_token: u64,
    /// KV memory of a decode worker, in tokens.
    pub capacity_tokens: u64,
    /// Requests that a decode worker's batch can hold.
    pub max_batch: u32,
    /// Time of a decode iteration.
    pub iteration: Iteration,
    /// Whether the transport skips blocks that the decode worker has already. Dynamo's own decode choice takes no notice of
    /// them.
    #[serde(default)]
    pub transfer_skips_cached: bool,
    /// What transfers cost over each tier.
    pub tiers: Tiers,
    /// Places of decode workers that are known beforehand.
    #[serde(default)]
    pub decode: Vec<PlacedWorker>,
    /// Places of prefill workers that are known beforehand.
    #[serde(default)]
    pub prefill: Vec<PlacedPrefill>,
}

/// A rule of `netkv-policy` that can be asked for the cost of each candidate without a record of transfers.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// The paper's rule. Where no worker is feasible the best of all is taken: a scorer cannot refuse.
    Netkv {
        /// Tokens of KV memory that a feasible worker has beyond what the request needs.
        #[serde(default)]
        reserve_tokens: u64,
    },
    /// The paper's rule, congestion taken as none.
    NetkvStatic {
        /// As above.
        #[serde(default)]
        reserve_tokens: u64,
    },
    /// With guards: room, and a limit on the time between tokens.
    NetkvGuarded {
        /// Congestion above this is read as this.
        max_congestion_ratio: f64,
        /// The limit, in milliseconds.
        tbt_limit_ms: f64,
        /// Tokens of memory that a full worker frees each second.
        drain_tokens_per_s: f64,
    },
    /// The same with a price on longer iterations.
    NetkvJoint {
        /// As above.
        max_congestion_ratio: f64,
        /// As above.
        tbt_limit_ms: f64,
        /// As above.
        drain_tokens_per_s: f64,
        /// Seconds for each second by which an iteration is longer than an empty one.
        price: f64,
    },
}

/// Where a request's KV cache is taken to come from, since Dynamo does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// Any prefill worker that is known, each as likely: the cost of a candidate is the mean over them.
    Mean {},
    /// One in the domain whose workers Dynamo prefers, by its topology-aware KV transfer with `preferred` enforcement; all
    /// prefill workers of the domain are as likely. Where no preference is given it is any.
    PreferredDomain {
        /// What a domain is.
        level: Level,
    },
    /// One in the domain of all candidates, which Dynamo sees to with `required` enforcement.
    RequiredDomain {
        /// What a domain is.
        level: Level,
    },
}

/// A level of the fabric that a domain may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A node.
    Node,
    /// A rack.
    Rack,
    /// A pod.
    Pod,
}

/// The time of a decode iteration: a line over the requests in the batch, and over their context.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    /// Of an empty one, in milliseconds.
    pub base_ms: f64,
    /// Added by each request, in milliseconds.
    pub per_request_ms: f64,
    /// Added by each token of context, in nanoseconds.
    #[serde(default)]
    pub per_token_ns: f64,
}

/// What transfers cost over one tier.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierCost {
    /// What one transfer gets on the idle network, in GB/s.
    pub gbytes_per_s: f64,
    /// Time from the first byte sent to the first byte received, in microseconds.
    pub latency_us: f64,
    /// Share of the bandwidth that is taken, until [`Network::set_congestion`](crate::Network::set_congestion) tells another.
    #[serde(default)]
    pub congestion_ratio: f64,
}

/// What transfers cost over each tier.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tiers {
    /// Within a node.
    pub node: TierCost,
    /// Within a rack.
    pub rack: TierCost,
    /// Within a pod.
    pub pod: TierCost,
    /// Between pods.
    pub core: TierCost,
}

/// A decode worker whose place is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedWorker {
    /// Dynamo's id of it.
    pub id: WorkerId,
    /// Where it is.
    pub place: Place,
}

/// A prefill worker whose place is known beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacedPrefill {
    /// Dynamo's id of it, or any number.
    pub id: PrefillId,
    /// Where it is.
    pub place: Place,
}

/// Everything that is wrong with the parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParametersError(Vec<String>);

impl fmt::Display for ParametersError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0.join("; "))
    }
}

impl std::error::Error for ParametersError {}

impl Tiers {
    /// That of one tier.
    pub const fn of(&self, tier: Tier) -> TierCost {
        match tier {
            Tier::Node => self.node,
            Tier::Rack => self.rack,
            Tier::Pod => self.pod,
            Tier::Core => self.core,
        }
    }
}

impl Parameters {
    /// Whether a policy can be made of them.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn check(&self) -> Result<(), ParametersError> {
        let mut wrong = Vec::new();
        let mut expect = |holds: bool, key: &str, expected: &str, value: f64| {
            if !holds {
                wrong.push(format!("{key} is {value}: expected {expected}"));
            }
        };
        let positive = |value: f64| value > 0.0 && value.is_finite();
        let not_negative = |value: f64| value >= 0.0 && value.is_finite();
        expect(self.kv_bytes_per_token > 0, "kv_bytes_per_token", "at least 1", self.kv_bytes_per_token as f64);
        expect(self.capacity_tokens > 0, "capacity_tokens", "at least 1", self.capacity_tokens as f64);
        expect(self.max_batch > 0, "max_batch", "at least 1", f64::from(self.max_batch));
        let Iteration { base_ms, per_request_ms, per_token_ns } = self.iteration;
        expect(positive(base_ms) && base_ms < 1e6, "iteration.base_ms", "above 0, below 1e6", base_ms);
        for (key, value) in [("iteration.per_request_ms", per_request_ms), ("iteration.per_token_ns", per_token_ns)] {
            expect(not_negative(value) && value < 1e6, key, "at least 0, below 1e6", value);
        }
        for tier in Tier::ALL {
            let TierCost { gbytes_per_s, latency_us, congestion_ratio } = self.tiers.of(tier);
            let key = |name: &str| format!("tiers.{}.{name}", tier.name());
            expect(positive(gbytes_per_s), &key("gbytes_per_s"), "above 0", gbytes_per_s);
            expect(not_negative(latency_us) && latency_us < 1e9, &key("latency_us"), "0 to 1e9", latency_us);
            let is_share = (0.0..1.0).contains(&congestion_ratio);
            expect(is_share, &key("congestion_ratio"), "at least 0, below 1", congestion_ratio);
        }
        match self.rule {
            Rule::Netkv { .. } | Rule::NetkvStatic { .. } => {}
            Rule::NetkvGuarded { max_congestion_ratio, tbt_limit_ms, drain_tokens_per_s }
            | Rule::NetkvJoint { max_congestion_ratio, tbt_limit_ms, drain_tokens_per_s, .. } => {
                let is_share = (0.0..1.0).contains(&max_congestion_ratio);
                expect(is_share, "rule.max_congestion_ratio", "at least 0, below 1", max_congestion_ratio);
                expect(positive(tbt_limit_ms), "rule.tbt_limit_ms", "above 0", tbt_limit_ms);
                expect(positive(drain_tokens_per_s), "rule.drain_tokens_per_s", "above 0", drain_tokens_per_s);
            }
        }
        if let Rule::NetkvJoint { price, .. } = self.rule {
            expect(not_negative(price), "rule.price", "at least 0", price);
        }
        if wrong.is_empty() { Ok(()) } else { Err(ParametersError(wrong)) }
    }

    /// The rule, for `netkv-policy`.
    pub(crate) fn policy(&self) -> PolicyConfig {
        let netkv = |reserve_tokens| NetKvConfig { reserve_tokens, when_full: WhenFull::Wait, ..NetKvConfig::PRINTED };
        let guarded = |max_congestion_ratio, tbt_limit_ms: f64, drain_tokens_per_sec| GuardedWeights {
            max_congestion_ratio,
            tbt_limit_s: tbt_limit_ms * 1e-3,
            drain_tokens_per_sec,
        };
        match self.rule {
            Rule::Netkv { reserve_tokens } => PolicyConfig::NetKv(netkv(reserve_tokens)),
            Rule::NetkvStatic { reserve_tokens } => PolicyConfig::NetKvStatic(netkv(reserve_tokens)),
            Rule::NetkvGuarded { max_congestion_ratio, tbt_limit_ms, drain_tokens_per_s } => {
                PolicyConfig::NetKvGuarded(guarded(max_congestion_ratio, tbt_limit_ms, drain_tokens_per_s))
            }
            Rule::NetkvJoint { max_congestion_ratio, tbt_limit_ms, drain_tokens_per_s, price } => {
                let netkv = guarded(max_congestion_ratio, tbt_limit_ms, drain_tokens_per_s);
                // What was promised to a request is not told: nothing is late.
                PolicyConfig::NetKvJoint(JointConfig { netkv, price, lateness_s: 0.0 })
            }
        }
    }

    /// The predicted times. That of prefill is asked for by no rule here: the prefill worker is chosen before.
    pub(crate) fn estimates(&self) -> Estimates {
        let Iteration { base_ms, per_request_ms, per_token_ns } = self.iteration;
        let requests = LatencyCurve::linear((base_ms * 1e12) as u64, (per_request_ms * 1e12) as u64);
        let iteration = IterationModel { requests, per_token_fs: (per_token_ns * 1e6) as u64 };
        Estimates { prefill: PrefillModel { tokens: LatencyCurve::linear(0, 0), per_pair_fs: 0 }, iteration }
    }
}
