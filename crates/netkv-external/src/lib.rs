//! Routers that run as processes of their own: a real one decides inside the simulator's virtual time.
//!
//! [`External`] says which program it is and how it is spoken to; it is an [`Outside`], so that it stands among the policies.
//! The process is started with the first question of a run, without a shell, and killed with all that it started when the run
//! ends, however it ends. Everything that is read of it has a limit and a time-out. A router that hangs, dies or answers
//! nonsense ends its run with a [`PolicyFault`](netkv_policy::PolicyFault) that holds its last words.
//!
//! A router is not ours, and need not answer alike when it is asked again. So a second copy of it is asked the same beside
//! the first until both differ; [`Repetition`](netkv_policy::Repetition) says whether they did. docs/external.md has the protocols.

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
#[cfg(unix)]
mod policy;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod question;
#[cfg(unix)]
mod start;

#[cfg(unix)]
pub use conform::{Conformance, Conformity, Difference};

use netkv_policy::{Estimates, Outside, Selector};
use netkv_units::{Digester, SimDuration, Tier};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The largest file that is looked at for its content, in bytes. Chosen by us.
const FILE_LIMIT: u64 = 1 << 26;

/// How a router is spoken to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Protocol {
    /// JSON, one message a line, over its standard input and output.
    Lines,
    /// As NVIDIA Dynamo's selection service, over HTTP.
    Dynamo(DynamoOptions),
}

/// What Dynamo's selection service is told of a deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DynamoOptions {
    /// Tokens of one KV block.
    pub block_tokens: u32,
    /// Which workers are preferred.
    pub domain: Domain,
}

/// Which workers of Dynamo are preferred, or required, by where they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Domain {
    /// All are alike.
    None,
    /// Those within this tier of the prefill instance, with this weight.
    Preferred(Tier, f64),
    /// Only those within this tier of the prefill instance.
    Required(Tier),
}

/// Who reaches a router that listens on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nobody else: it runs in a network namespace of its own.
    Own,
    /// Whoever reaches this machine.
    Host,
}

/// A router that is a program.
#[derive(Clone, Debug, PartialEq)]
pub struct External {
    /// The program and its arguments; no shell sees them.
    pub command: Vec<String>,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// How long one answer may take.
    pub timeout: Duration,
    /// The release that it has to be; empty: any. Dynamo's has to be named.
    pub release: String,
    /// Who reaches it, if it listens on a port.
    pub network: Network,
    /// What the files that its command names hold.
    identity: String,
}

impl External {
    /// The router of this command. `identity` is that of the files that it names: [`identity_of`].
    pub const fn new(
        command: Vec<String>,
        protocol: Protocol,
        timeout: Duration,
        release: String,
        network: Network,
        identity: String,
    ) -> Self {
        Self { command, protocol, timeout, release, network, identity }
    }
}

/// A digest of what the files hold that a command names, as far as there are such files here: the router may decide otherwise
/// when they change. A program that is looked for in `PATH` is not looked at.
pub fn identity_of(command: &[String]) -> String {
    let mut digester = Digester::new();
    for word in command {
        let path = Path::new(word);
        let is_named = path.is_file() && fs::metadata(path).is_ok_and(|file| file.len() <= FILE_LIMIT);
        match fs::read(path) {
            Ok(text) if is_named => digester.u64(text.len() as u64).bytes(&text),
            Ok(_) | Err(_) => digester.u64(u64::MAX),
        };
    }
    digester.finish().to_string()
}

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
        Selector::Decode(Box::new(policy::Asked::new(self.clone(), seed)))
    }

    #[cfg(not(unix))]
    fn build(&self, _: Estimates, _: u64) -> Selector {
        netkv_policy::PolicyFault::raise(
            "policy external needs Linux or another Unix: routers are spoken to through its pipes",
        )
    }
}
