//! The picker that goes with the scorer: the least cost, and of equals the worker of the least id.

use dynamo_kv_router::{WorkerInputView, WorkerPicker, WorkerSelectionContext, WorkerSelectionPolicyError};

/// Picks the worker of the least cost. Dynamo's rows have no order, so of equals the least id wins, as in the rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastCost;

impl WorkerPicker for LeastCost {
    fn pick(
        &mut self,
        _: &WorkerSelectionContext<'_>,
        input: WorkerInputView<'_>,
    ) -> Result<usize, WorkerSelectionPolicyError> {
        let by_cost = input.candidates().iter().enumerate().min_by(|(_, one), (_, other)| {
            one.cost().total_cmp(&other.cost()).then_with(|| one.worker().cmp(&other.worker()))
        });
        by_cost.map(|(row, _)| row).ok_or_else(|| WorkerSelectionPolicyError::failed("netkv: no worker is eligible"))
    }
}
