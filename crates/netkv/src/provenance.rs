//! With what and where cells were run: for provenance, never for a result.

use std::collections::BTreeMap;
use std::fs;

/// What is known about this process.
pub fn collect() -> BTreeMap<String, String> {
    let known = [
        ("host", host()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", env!("NETKV_COMMIT").to_owned()),
        ("compiler", env!("NETKV_RUSTC").to_owned()),
        ("target", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)),
    ];
    known.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The name of this machine.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}
