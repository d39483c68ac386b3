//! Routers that run as processes of their own: a real one decides inside the simulator's virtual time.
//!
//! [`External`] says which program it is and how it is spoken to; it is an [`Outside`](netkv_policy::Outside), so that it stands among the policies.
//! The process is started with the first question of a run, without a shell, and killed with all that it started when the run
//! ends, however it ends. Everything that is read of it has a limit and a time-out. A router that hangs, dies or answers
//! nonsense ends its run with a [`PolicyFault`](netkv_policy::PolicyFault) that holds its last words.
//!
//! A router is not ours, and need not answer alike when it is asked again. So a second copy of it is asked the same beside
//! the first until both differ; [`Repetition`](netkv_policy::Repetition) says whether they did. docs/external.md has the protocols.

mod config;
#[cfg(unix)]
mod conform;
#[cfg(unix)]
mod deadline;
#[cfg(unix)]
mod dynamo;
mod fault;
#[cfg(unix)]
pub mod gate;
#[cfg(unix)]
mod http;
#[cfg(unix)]
mod lines;
mod outside;
#[cfg(unix)]
mod policy;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod question;
#[cfg(unix)]
mod start;

pub use config::{Domain, DynamoOptions, External, Network, Protocol, identity_of};
#[cfg(unix)]
pub use conform::{Conformance, Conformity, Difference};
