//! Runs that follow a list of choices instead of a rule.
//!
//! A list names the prefill and the decode instance of each request, in order of arrival. Both are told on arrival; that
//! changes nothing about when a prompt is computed and moved, so the run of any policy can be repeated from the list of
//! where its requests went (a test does).

use netkv_policy::{Candidate, CostOracle, PairPolicy, PrefillCandidate, PromptView, Selector};
use netkv_sim::{RunOutput, Scenario, run_by};
use netkv_units::InstanceId;
use std::sync::mpsc::{Sender, channel};

/// The instances that take a request: positions in the pools, which are in ascending order of instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Of the prefill instances.
    pub prefill: usize,
    /// Of the decode instances.
    pub decode: usize,
}

/// The instances of a run, ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pools {
    /// Those that prefill.
    pub prefill: Vec<InstanceId>,
    /// Those that decode.
    pub decode: Vec<InstanceId>,
}

impl Pools {
    /// Those of a scenario; none if it has no request that could run.
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let (sender, seen) = channel();
        run_by(scenario, Selector::Pair(Box::new(List { choices: Vec::new(), followed: 0, seen: Some(sender) })));
        seen.try_recv().ok()
    }

    /// Where the requests of a run went, in order of arrival.
    ///
    /// # Panics
    /// If a request was not decoded, or is another scenario's.
    pub fn choices(&self, output: &RunOutput) -> Vec<Choice> {
        let place = |pool: &[InstanceId], id: InstanceId| pool.binary_search(&id).expect("an instance of the pool");
        let choice = |record: &netkv_sim::RequestRecord| Choice {
            prefill: place(&self.prefill, record.prefill_instance),
            decode: place(&self.decode, record.decode_instance.expect("it was decoded")),
        };
        output.requests.iter().map(choice).collect()
    }
}

/// The policy that follows a list, then takes the first instances.
struct List {
    choices: Vec<Choice>,
    /// How many have been followed.
    followed: usize,
    /// Who is told of the instances, once.
    seen: Option<Sender<Pools>>,
}

impl PairPolicy for List {
    fn select_pair(
        &mut self,
        _: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        _: &dyn CostOracle,
    ) -> (usize, usize) {
        if let Some(seen) = self.seen.take() {
            let pools = Pools {
                prefill: prefill.iter().map(|candidate| candidate.instance).collect(),
                decode: decode.iter().map(|candidate| candidate.instance).collect(),
            };
            // Whoever asked may have gone.
            let _ = seen.send(pools);
        }
        self.followed += 1;
        self.choices.get(self.followed - 1).map_or((0, 0), |choice| (choice.prefill, choice.decode))
    }
}

/// The run in which requests go where the list says, in order of arrival; those beyond it go to the first instances.
///
/// # Panics
/// As [`netkv_sim::run`]; and if the list names an instance that is not there.
pub fn replay(scenario: &Scenario, choices: &[Choice]) -> RunOutput {
    run_by(scenario, Selector::Pair(Box::new(List { choices: choices.to_vec(), followed: 0, seen: None })))
}

/// Mean TTFT of the requests of a run that count, in seconds; none if none does.
pub fn mean_ttft(output: &RunOutput) -> Option<f64> {
    let counted = output.requests.iter().filter(|record| record.counted);
    let (sum, n) = counted.fold((0_u64, 0_u64), |(sum, n), record| (sum + record.ttft.as_nanos(), n + 1));
    (n > 0).then(|| sum as f64 / n as f64 * 1e-9)
}
