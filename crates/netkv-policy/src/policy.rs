//! What a policy is asked, and what it must answer.

use crate::candidate::{Candidate, PrefillCandidate};
use crate::oracle::CostOracle;
use crate::rating::Rating;
use crate::request::{PromptView, RequestView};
use netkv_units::{Bytes, InstanceId, RequestId, SimTime, Tier};

/// A transfer of the router's own begins or ends, as it sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferEvent {
    /// Where from.
    pub source: InstanceId,
    /// Where to.
    pub destination: InstanceId,
    /// How far that is.
    pub tier: Tier,
    /// How much.
    pub bytes: Bytes,
    /// When.
    pub now: SimTime,
    /// What happens to it.
    pub step: TransferStep,
}

/// What happens to a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferStep {
    /// It begins.
    Begun,
    /// All of it has come.
    Ended,
    /// An instance has failed at one of its ends: the rest does not come.
    Cut,
}

/// A step in the life of a request, as its router sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEvent {
    /// Which.
    pub request: RequestId,
    /// What happened.
    pub step: RequestStep,
    /// Where: the prefill instance that computed its prompt, or its decode instance.
    pub instance: InstanceId,
    /// When.
    pub now: SimTime,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestStep {
    /// It is bound to a decode instance.
    Sent,
    /// Its prompt is computed.
    Computed,
    /// It is in the batch of its decode instance, or waits for a place there: its KV cache has come.
    Joined,
    /// It has made its last token there.
    Finished,
    /// It is taken back from there, and begins again elsewhere.
    Recalled,
}

/// How often a policy that need not decide alike when it is asked again did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repetition {
    /// Decisions that it was asked for.
    pub asked: u64,
    /// Of these, the ones before the first in which a second copy of it, asked the same from the beginning, chose otherwise;
    /// all, if it never did.
    pub agreed: u64,
}

impl Repetition {
    /// That of two policies together.
    pub const fn and(self, other: Self) -> Self {
        Self { asked: self.asked + other.asked, agreed: self.agreed + other.agreed }
    }
}

/// A rule that picks a decode instance.
pub trait Policy: Send {
    /// The position in `candidates` of the instance that takes `request`.
    ///
    /// `candidates` is not empty and in ascending order of instance id; ties end with the lowest id unless the
    /// policy's own rule says otherwise. The answer depends on the arguments, on the policy's own earlier
    /// decisions and on the seed that it was built with alone.
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize;

    /// The same, or none if nobody may take the request: it is refused. Only a rule that refuses requests says otherwise
    /// than [`Policy::select`].
    fn place(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Option<usize> {
        Some(self.select(request, candidates, oracle))
    }

    /// Whether the answer depends on more than how many candidates there are. If it does not, the caller may leave all
    /// but their `instance` at zero, and tell nothing of the network.
    fn looks_at_state(&self) -> bool {
        true
    }

    /// A transfer of this router's has begun or ended. For rules that keep a book of them.
    fn observe(&mut self, _: &TransferEvent) {}

    /// Something has happened to a request of this router's. For rules that follow requests.
    fn follow(&mut self, _: &RequestEvent) {}

    /// How often it decided alike when it was asked again; none of a rule that always does.
    fn repetition(&self) -> Option<Repetition> {
        None
    }

    /// How [`Policy::select`] would rate each of `candidates`, in their order; none if its rule is no sum of terms. Ties
    /// are left open.
    fn rate(&self, _: &RequestView, _: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        Vec::new()
    }
}

/// A rule that picks prefill and decode instance together, when the request arrives.
pub trait PairPolicy: Send {
    /// The positions in `prefill` and in `decode` of the instances that take the request.
    ///
    /// Neither is empty, and both are in ascending order of instance id. The answer depends on what [`Policy::select`]
    /// says.
    fn select_pair(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> (usize, usize);

    /// How [`PairPolicy::select_pair`] would rate each of the decode candidates once it has chosen the prefill instance
    /// of `request`; none if its rule is no sum of terms.
    fn rate(&self, _: &RequestView, _: &[Candidate], _: &dyn CostOracle) -> Vec<Rating> {
        Vec::new()
    }
}

/// A rule that picks the prefill instance when the request arrives, and the decode instance later.
pub trait StagedPolicy: Policy {
    /// The position in `prefill` of the instance that computes the prompt.
    ///
    /// Neither list is empty, and both are in ascending order of instance id. The answer depends on what
    /// [`Policy::select`] says.
    fn select_prefill(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> usize;
}

/// A policy that is ready to decide.
pub enum Selector {
    /// It picks the decode instance; what picks the prefill instance is not its business.
    Decode(Box<dyn Policy>),
    /// It picks both at once.
    Pair(Box<dyn PairPolicy>),
    /// It picks both, one after the other.
    Staged(Box<dyn StagedPolicy>),
    /// The true state decides, which no router can know: whoever simulates it looks ahead.
    Clairvoyant,
}

impl Selector {
    /// Whether the answer depends on more than how many candidates there are, as [`Policy::looks_at_state`].
    pub fn looks_at_state(&self) -> bool {
        match self {
            Self::Decode(policy) => policy.looks_at_state(),
            Self::Pair(_) | Self::Staged(_) => true,
            Self::Clairvoyant => false,
        }
    }
}
