//! What an input tells of servers, before anything is made of it.

use std::collections::BTreeMap;

/// What is told of the GPUs of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gpus {
    /// Nothing.
    #[default]
    Untold,
    /// So many.
    Told(u32),
    /// Two places tell different numbers: a label, and what the kubelet offers.
    Contradiction(u32, u32),
}

/// One server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: String,
    /// The line that names it, from 1; none in JSON.
    pub line: Option<u64>,
    /// The switches above it, the nearest first.
    pub switches: Vec<String>,
    /// Its GPUs.
    pub gpus: Gpus,
    /// Kind of GPU, as the input calls it.
    pub product: Option<String>,
    /// The NVLink domain that it is in.
    pub domain: Option<String>,
    /// A part of that domain, such as a rack of it.
    pub sub_domain: Option<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// All that an input tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// What it was read as.
    pub format: &'static str,
    /// The servers, in the order of the input.
    pub servers: Vec<Server>,
    /// What was decided while reading, to be told.
    pub notes: Vec<String>,
}
