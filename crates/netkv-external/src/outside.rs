//! A router among the policies.

use crate::config::External;
#[cfg(unix)]
use crate::policy::Asked;
use netkv_policy::{Estimates, Outside, Selector};
use netkv_units::SimDuration;

impl Outside for External {
    fn name(&self) -> &'static str {
        "external"
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn poll_interval(&self) -> Option<SimDuration> {
        None
    }

    #[cfg(unix)]
    fn build(&self, _: Estimates, seed: u64) -> Selector {
        Selector::Decode(Box::new(Asked::new(self.clone(), seed)))
    }

    #[cfg(not(unix))]
    fn build(&self, _: Estimates, _: u64) -> Selector {
        netkv_policy::PolicyFault::raise(
            "policy external needs Linux or another Unix: routers are spoken to through its pipes",
        )
    }
}
