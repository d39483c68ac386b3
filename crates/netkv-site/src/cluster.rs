//! Where the servers of a cluster stand, from what other tools write, and the fabric that experiment files make of it.
//!
//! Every format is read into a [`Site`]: servers, each with the switches above it. [`arrange`] makes pods, racks and nodes of
//! them, or says what is missing; [`written`] writes the experiment file.

mod arrange;
mod detect;
mod equal;
mod kubernetes;
mod labels;
mod parts;
mod reading;
mod roles;
mod site;
mod slurm_conf;
mod slurm_yaml;
mod topograph;
mod tree;
mod write;
mod yaml;

pub use arrange::{Choices, NvLink, arrange};
pub use detect::read_site;
pub use parts::{Cluster, Pod, Rack, Unit};
pub use reading::{FORMATS, Format, Reading};
pub use roles::Roles;
pub use site::{Server, Site};
pub use write::written;
