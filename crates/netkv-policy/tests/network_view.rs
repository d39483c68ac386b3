//! Which policies look at the network: what the list says, against what they ask.

mod common;

use common::{ALL, ESTIMATES, QUIET, REQUEST, four, idle_prefill};
use netkv_policy::{Candidate, CostOracle, NetworkView, PathCost, Selector};
use netkv_units::{InstanceId, Tier};
use std::cell::Cell;

/// Counts what it is asked.
struct Counting(Cell<u32>);

impl CostOracle for Counting {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        self.0.set(self.0.get() + 1);
        QUIET.path(source, InstanceId::new(destination.get() % 4))
    }

    fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        self.0.set(self.0.get() + 1);
        QUIET.tier(one, InstanceId::new(other.get() % 4))
    }
}

/// How often a policy asks the oracle for one decision.
fn asked(selector: Selector, candidates: &[Candidate]) -> u32 {
    let (oracle, prefill) = (Counting(Cell::new(0)), [8, 9].map(idle_prefill));
    match selector {
        Selector::Decode(mut policy) => {
            policy.place(&REQUEST, candidates, &oracle);
        }
        Selector::Staged(mut policy) => {
            policy.place(&REQUEST, candidates, &oracle);
        }
        Selector::Pair(mut policy) => {
            policy.select_pair(&REQUEST.prompt, &prefill, candidates, &oracle);
        }
        Selector::Clairvoyant => {}
    }
    oracle.0.get()
}

#[test]
fn a_policy_is_called_blind_just_if_it_asks_nothing_of_the_network() {
    for config in ALL {
        let asks = asked(config.build(ESTIMATES, 1), &four()) > 0;
        let expected = if asks { NetworkView::Aware } else { NetworkView::Blind };
        let view = NetworkView::of(config.name()).expect("it is on the list");
        assert!(view == expected || view == NetworkView::Truth, "{}: {view:?}, not {expected:?}", config.name());
    }
    assert_eq!(NetworkView::of("netkv_perfect"), None);
}

#[test]
fn a_blind_policy_does_not_count_transfers_in_flight_either() {
    for config in ALL.into_iter().filter(|config| NetworkView::of(config.name()) == Some(NetworkView::Blind)) {
        let choices = [[0, 0, 0, 0], [9, 3, 0, 1], [0, 2, 7, 9]].map(|transfers| {
            let mut candidates = four();
            for (candidate, n) in candidates.iter_mut().zip(transfers) {
                (candidate.sharing_transfers, candidate.source_tier_transfers) = (n, n);
            }
            match config.build(ESTIMATES, 1) {
                Selector::Decode(mut policy) => policy.place(&REQUEST, &candidates, &QUIET),
                Selector::Staged(_) | Selector::Pair(_) | Selector::Clairvoyant => panic!("{} asks", config.name()),
            }
        });
        assert!(choices.iter().all(|&choice| choice == choices[0]), "{}: {choices:?}", config.name());
    }
}
