//! Which instances of a pool take requests from the start.

use crate::scenario::{ClusterChange, Pool, Scenario};

/// By position of the `n` instances of a pool: whether it is there from the start. Those are not that join first.
pub(super) fn available(scenario: &Scenario, pool: Pool, n: usize) -> Vec<bool> {
    let mut available = vec![true; n];
    let own = scenario.cluster.events.iter().filter(|event| event.pool == pool);
    for event in own.rev() {
        available[event.instance as usize] = event.change != ClusterChange::Join;
    }
    available
}
