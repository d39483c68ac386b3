//! Policies that are not written here: a script, or a router that runs beside us.
//!
//! Whoever has one gives an [`Outside`], and [`PolicyConfig::Outside`](crate::PolicyConfig::Outside) takes it among the others.

use crate::estimates::Estimates;
use crate::policy::Selector;
use netkv_units::SimDuration;
use std::fmt::{self, Debug, Formatter};
use std::ops::Deref;
use std::panic;
use std::sync::Arc;

/// Makes a policy of somebody else's ready to decide.
pub trait Outside: Debug + Send + Sync {
    /// Its name in experiment files, tables and figures: one of [`PolicyConfig::OUTSIDE`](crate::PolicyConfig::OUTSIDE).
    fn name(&self) -> &'static str;

    /// All that its decisions depend on besides their arguments, its seed and the keys of the experiment: the text of a
    /// script, the version of a program. Two policies of equal name and identity decide alike.
    fn identity(&self) -> &str;

    /// Time between the instances' reports to it; none if it does not look at reports.
    fn poll_interval(&self) -> Option<SimDuration>;

    /// The policy; whatever it draws at random comes from a stream of `seed`. If it cannot begin, its first decision says so
    /// with [`PolicyFault::raise`].
    fn build(&self, estimates: Estimates, seed: u64) -> Selector;
}

/// An [`Outside`] as part of a configuration.
#[derive(Clone)]
pub struct OutsidePolicy(Arc<dyn Outside>);

impl OutsidePolicy {
    /// That of this maker.
    pub fn new(maker: impl Outside + 'static) -> Self {
        Self(Arc::new(maker))
    }
}

impl Deref for OutsidePolicy {
    type Target = dyn Outside;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Debug for OutsidePolicy {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl PartialEq for OutsidePolicy {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.identity() == other.identity()
    }
}

/// Why a policy from outside cannot go on: an error in a script, a router that hangs or answers nonsense.
///
/// It ends the run by unwinding with this as its payload, without a word of the panic hook: it is no bug of ours. Whoever runs
/// cells catches it, and the cell fails with this text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault(pub String);

impl PolicyFault {
    /// Ends the run.
    pub fn raise(why: impl Into<String>) -> ! {
        panic::resume_unwind(Box::new(Self(why.into())))
    }
}
