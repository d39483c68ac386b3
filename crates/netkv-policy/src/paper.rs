//! The paper's rule, as printed.

mod netkv;

pub use netkv::{BatchView, Ledger, NetKv, NetKvConfig, WaitModel, WhenFull};
