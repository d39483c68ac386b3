//! What a router is asked: a request, and where it could go.

use crate::fault::Fault;
use netkv_policy::{Candidate, CostOracle, RequestView};
use netkv_units::{InstanceId, Tier};

/// One decision to be made.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Its number, from 1.
    pub number: u64,
    /// The request to be placed.
    pub request: &'a RequestView,
    /// Where it can go, by ascending id.
    pub candidates: &'a [Candidate],
    /// What is known of the network.
    pub oracle: &'a dyn CostOracle,
}

impl Question<'_> {
    /// The position of the candidate of this number.
    pub(crate) fn position(&self, instance: u64) -> Option<usize> {
        let wanted = u32::try_from(instance).ok().map(InstanceId::new)?;
        self.candidates.binary_search_by_key(&wanted, |candidate| candidate.instance).ok()
    }

    /// What is wrong with an answer that names somebody else.
    pub(crate) fn unknown(&self, named: &str) -> String {
        let ids = self.candidates.iter().map(|candidate| candidate.instance.get());
        let (first, last) = (ids.clone().min().unwrap_or_default(), ids.max().unwrap_or_default());
        let (n, number) = (self.candidates.len(), self.number);
        format!(
            "answered question {number} with instance {named}, which is none of its {n} candidates ({first} to {last})"
        )
    }
}

/// What happens, for a router that keeps books.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event<'a> {
    /// To a request.
    Request(&'a netkv_policy::RequestEvent),
    /// To a transfer.
    Transfer(&'a netkv_policy::TransferEvent),
}

/// Somebody who decides.
pub(crate) trait Router: Send {
    /// Is asked. The answer is fetched with [`Router::answer`], so that two can think at the same time.
    fn ask(&mut self, question: &Question<'_>) -> Result<(), Fault>;

    /// The position of the candidate that it chose.
    fn answer(&mut self, question: &Question<'_>) -> Result<usize, Fault>;

    /// Is told of something.
    fn heed(&mut self, event: Event<'_>) -> Result<(), Fault>;
}

/// Instances seen so far, each with the groups that it is in: by node, rack and pod, each named after its first member.
#[derive(Debug, Default)]
pub(crate) struct Places(Vec<(InstanceId, [InstanceId; 3])>);

impl Places {
    /// The groups of an instance by node, rack and pod, and whether it was new.
    pub(crate) fn of(&mut self, instance: InstanceId, oracle: &dyn CostOracle) -> ([InstanceId; 3], bool) {
        match self.0.binary_search_by_key(&instance, |(seen, _)| *seen) {
            Ok(position) => (self.0[position].1, false),
            Err(position) => {
                let groups = [Tier::Node, Tier::Rack, Tier::Pod].map(|tier| {
                    let near = |seen: &&(InstanceId, _)| oracle.tier(instance, seen.0) <= tier;
                    let index = tier.index();
                    self.0.iter().find(near).map_or(instance, |(_, groups): &(_, [InstanceId; 3])| groups[index])
                });
                self.0.insert(position, (instance, groups));
                (groups, true)
            }
        }
    }
}
