//! What was decided, and what it was decided by.

use netkv_oracle::View;
use netkv_policy::{Candidate, PathCost, PromptView, Rating};
use netkv_units::InstanceId;

/// Where what is known of the network is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// A running oracle.
    Oracle(&'a str),
    /// The file, its links idle.
    Idle,
    /// The file, and the congestion of the command line.
    Told,
}

/// What was decided, and what it was decided by.
pub struct Decided<'a> {
    /// Who decided.
    pub policy: &'a str,
    /// Where engines and parameters are from.
    pub parameters: &'a str,
    /// Where the network is from.
    pub network: Network<'a>,
    /// What was told of the network.
    pub view: &'a View,
    /// The prompt.
    pub prompt: PromptView,
    /// Where it was computed.
    pub source: InstanceId,
    /// The candidates, in order.
    pub candidates: &'a [Candidate],
    /// By candidate: what was told of the way there.
    pub paths: Vec<PathCost>,
    /// None if the policy's rule is no sum of terms.
    pub ratings: Option<Vec<Rating>>,
    /// Position of the choice; none if the request is refused.
    pub chosen: Option<usize>,
}
