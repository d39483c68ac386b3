//! A script that is ready to be a policy.

use crate::code::{Code, ScriptConfig, ScriptError};
use crate::policy::ScriptPolicy;
use netkv_policy::{Estimates, Outside, Selector};
use netkv_units::SimDuration;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

/// A script.
#[derive(Clone)]
pub struct Script(Arc<Code>);

impl Script {
    /// Reads the text of a script; `file` is what errors of its decisions call it.
    ///
    /// # Errors
    /// If it is no Rhai, is too large, or lacks `costs(request, candidates)`.
    pub fn read(file: &str, text: &str, config: ScriptConfig) -> Result<Self, ScriptError> {
        Code::read(file, text, config).map(|code| Self(Arc::new(code)))
    }
}

impl Debug for Script {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Script").field("file", &self.0.file).field("config", &self.0.config).finish()
    }
}

impl Outside for Script {
    fn name(&self) -> &'static str {
        "script"
    }

    fn identity(&self) -> &str {
        &self.0.text
    }

    fn poll_interval(&self) -> Option<SimDuration> {
        Some(self.0.config.poll_interval)
    }

    fn build(&self, _: Estimates, seed: u64) -> Selector {
        let policy = ScriptPolicy::new(self.0.clone(), seed);
        if self.0.has("prefill_costs") {
            Selector::Staged(Box::new(policy))
        } else {
            Selector::Decode(Box::new(policy))
        }
    }
}
