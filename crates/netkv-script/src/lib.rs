//! Policies written in Rhai, a small embedded language.
//!
//! A script is what a [`Policy`](netkv_policy::Policy) is: a function that says what each candidate costs, given the same
//! signals. It decides alike on every machine: it has no clock, no files, no randomness and no powers or logarithms but those
//! of `libm`. It may do so much and no more: a script that loops ends its cell, not the sweep.
//!
//! ```
//! use netkv_policy::{Breaker, TieRule};
//! use netkv_script::{Script, ScriptConfig};
//! use netkv_units::SimDuration;
//!
//! let config = ScriptConfig { ties: TieRule::LowestId, parameters: vec![], poll_interval: SimDuration::ZERO };
//! let fewest = "fn costs(request, candidates) { candidates.map(|c| c.running + c.pending) }";
//! assert!(Script::read("fewest.rhai", fewest, config.clone()).is_ok());
//!
//! let wrong = Script::read("fewest.rhai", "fn costs(request candidates) { [] }", config).unwrap_err();
//! assert_eq!((wrong.line, wrong.column), (1, 18));
//! ```

mod code;
mod language;
mod policy;
mod script;
mod signals;

pub use code::{ScriptConfig, ScriptError};
pub use script::Script;
