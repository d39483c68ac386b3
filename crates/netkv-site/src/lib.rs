//! What other tools tell of a cluster and of its network, in the terms of experiment files.
//!
//! `cluster` reads where servers stand (Kubernetes, Topograph, Slurm), `telemetry` what a network does (Prometheus). Both know texts and no paths: who opens files, tells
//! their names. What an input does not tell is asked for, by a [`Fault`] that names the option which answers it.

mod cluster;
mod fault;
mod hostlist;
mod telemetry;

pub use cluster::{
    Choices, Cluster, FORMATS, Format, NvLink, Pod, Rack, Reading, Roles, Server, Site, Unit, arrange, read_site,
    written,
};
pub use fault::{Fault, listed};
pub use hostlist::{compress, expand};
pub use telemetry::{
    COUNTERS, FittedTransfers, Link, Record, Series, fit_transfers, links, read_instant, read_series, record, together,
};

/// Longest input that is read, in bytes. Chosen by us: `kubectl get nodes -o json` of 10,000 nodes has some 250 MB.
pub const MAX_INPUT_BYTES: u64 = 512 << 20;
