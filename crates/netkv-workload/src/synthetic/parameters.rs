//! The generator's parameters: data of the project, in `data/mooncake_like.json` (its README says what they are).
//!
//! Field names are those of the file, which are those of the fit.

use super::random::SplitMix64;
use serde::Deserialize;

const FILE: &str = include_str!("../../data/mooncake_like.json");

/// Values at the probabilities `Parameters::probs`.
pub(super) type Table = Vec<f64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameters {
    probs: Table,
    pub conversation: Conversation,
    pub synthetic: Synthetic,
    pub toolagent_approx: ToolagentApprox,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    pub root_blocks: u32,
    pub kind_il_edges: Vec<i64>,
    pub kind_probs: Vec<[f64; 3]>,
    pub delta_edges: Vec<i64>,
    pub delta_tables: Vec<Table>,
    pub branch_frac: Table,
    pub branch_ratio_edges: Vec<i64>,
    pub branch_ratio: Vec<Table>,
    pub first_il: Table,
    pub cont_il_min: i64,
    pub p_cont_small: f64,
    pub p_cont: Vec<f64>,
    pub cont_il_long: i64,
    pub p_cont_long_mult: f64,
    pub ol: Table,
    pub lag_edges: Vec<i64>,
    pub lag_s: Vec<Table>,
    pub n_sessions: u32,
    pub rho_ol: [f64; 3],
    pub il_max: i64,
    pub duration_s: f64,
    pub tick_ms: u64,
    pub warm_s: f64,
    pub slope: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Synthetic {
    pub root_blocks: u32,
    pub kind_il_edges: Vec<i64>,
    pub kind_probs: Vec<[f64; 3]>,
    pub delta_edges: Vec<i64>,
    pub delta_tables: Vec<Table>,
    pub size_class_edges: Vec<u32>,
    pub session_sizes: Vec<(u32, u32)>,
    pub first_il: Vec<Table>,
    pub branch_drop: Table,
    pub branch_inc: Table,
    pub ol_edges: Vec<i64>,
    pub ol: [Vec<Table>; 2],
    pub rho_ol: [f64; 3],
    pub duration_s: f64,
    pub tick_ms: u64,
    pub n: usize,
    pub mix: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolagentApprox {
    pub weights: [f64; 3],
    #[serde(rename = "tool_A")]
    pub tool_a: Tool,
    #[serde(rename = "tool_B")]
    pub tool_b: Tool,
    pub n: u32,
    pub tick_ms: u64,
    pub n_conversation_sessions: u32,
    pub slope: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    pub prefix_blocks: u32,
    pub suffix: Table,
    pub ol: Table,
}

impl Parameters {
    /// The parameters in the file, which is part of the program.
    pub(super) fn load() -> Self {
        serde_json::from_str(FILE).expect("the parameters that come with the program are well formed")
    }

    /// The quantile of `table` at probability `u`, by linear interpolation.
    pub(super) fn quantile(&self, table: &Table, u: f64) -> f64 {
        assert_eq!(table.len(), self.probs.len(), "a table has a value for each probability");
        let (mut low, mut high) = (0, self.probs.len() - 1);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if self.probs[middle] <= u {
                low = middle;
            } else {
                high = middle;
            }
        }
        let share = (u - self.probs[low]) / (self.probs[high] - self.probs[low]);
        table[low] + (table[high] - table[low]) * share
    }

    /// The quantile rounded to a whole number.
    pub(super) fn whole_quantile(&self, table: &Table, u: f64) -> i64 {
        round(self.quantile(table, u))
    }

    /// A length in tokens at probability `u`: at least 1.
    pub(super) fn length_quantile(&self, table: &Table, u: f64) -> i64 {
        self.whole_quantile(table, u).max(1)
    }

    /// A whole number drawn from `table`.
    pub(super) fn draw_whole(&self, table: &Table, random: &mut SplitMix64) -> i64 {
        self.whole_quantile(table, random.unit())
    }
}

/// The nearest whole number, halves upwards.
pub(super) fn round(value: f64) -> i64 {
    (value + 0.5).floor() as i64
}

/// The bucket of `value`: how many leading edges it reaches.
pub(super) fn bucket(edges: &[i64], value: i64) -> usize {
    edges.partition_point(|&edge| value >= edge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_between_the_probabilities() {
        let parameters = Parameters::load();
        let table = parameters.probs.clone();
        for u in [0.0, 0.0007, 0.25, 0.5, 0.987, 0.9999] {
            assert!((parameters.quantile(&table, u) - u).abs() < 1e-12, "{u}");
        }
    }

    #[test]
    fn buckets_begin_at_their_edge() {
        assert_eq!([1_999, 2_000, 4_999, 5_000].map(|value| bucket(&[2_000, 5_000], value)), [0, 1, 1, 2]);
    }

    #[test]
    fn halves_round_upwards() {
        assert_eq!([-1.5, -0.5, 0.5, 1.4].map(round), [-1, 0, 1, 1]);
    }
}
