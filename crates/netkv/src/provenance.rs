//! With what and where cells were run: for provenance, never for a result.

use netkv_grid::Experiment;
use std::collections::BTreeMap;
use std::fs;

/// What is known about this process.
fn collect() -> BTreeMap<String, String> {
    let known = [
        ("host", host()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("commit", env!("NETKV_COMMIT").to_owned()),
        ("compiler", env!("NETKV_RUSTC").to_owned()),
        ("target", format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)),
    ];
    known.map(|(name, value)| (name.to_owned(), value)).into()
}

/// What is known about this process and what it runs.
pub fn of(experiment: &Experiment) -> BTreeMap<String, String> {
    let mut known = collect();
    known.insert("experiment".to_owned(), experiment.name().to_owned());
    known.insert("traces".to_owned(), traces(experiment));
    known
}

/// The traces of an experiment, as segments name them.
pub fn traces(experiment: &Experiment) -> String {
    let origins = experiment.trace_origins().into_iter();
    origins.map(|origin| format!("{} (sha256 {})", origin.label, &origin.sha256[..16])).collect::<Vec<_>>().join("; ")
}

/// The name of this machine.
pub fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}
