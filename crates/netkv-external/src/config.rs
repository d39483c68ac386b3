//! Which router it is, and how it is spoken to.

use netkv_units::{Digester, Tier};
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
    pub(crate) identity: String,
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
