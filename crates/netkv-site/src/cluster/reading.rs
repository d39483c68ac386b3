//! How an input is to be read.

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `kubectl get nodes -o json`.
    Kubernetes,
    /// A model file of NVIDIA Topograph.
    Topograph,
    /// Slurm's topology.conf.
    SlurmConf,
    /// Slurm's topology.yaml.
    SlurmYaml,
}

/// Names of formats on the command line.
pub const FORMATS: [(&str, Format); 4] = [
    ("kubernetes", Format::Kubernetes),
    ("topograph", Format::Topograph),
    ("slurm-conf", Format::SlurmConf),
    ("slurm-yaml", Format::SlurmYaml),
];

/// How an input is to be read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Its format, if it is not to be told by its text.
    pub format: Option<Format>,
    /// Labels of the switches above a node, the nearest first; empty for the known ones.
    pub tier_labels: Vec<String>,
    /// The label of the NVLink domain; none for the known ones.
    pub domain_label: Option<String>,
    /// Which topology of a topology.yaml.
    pub topology: Option<String>,
    /// Whether the command line tells the GPUs of a node.
    pub gpus_are_told: bool,
}
