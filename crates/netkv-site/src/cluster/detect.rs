//! Which format an input is of.

use super::reading::{Format, Reading};
use super::site::{Server, Site};
use super::{kubernetes, slurm_conf, slurm_yaml, topograph};
use crate::MAX_INPUT_BYTES;
use crate::fault::Fault;

/// Reads an input.
///
/// # Errors
/// All that is wrong with it, and options that say nothing for its format.
pub fn read_site(bytes: &[u8], reading: &Reading) -> Result<Site, Vec<Fault>> {
    let one = |message: String| vec![Fault::whole(message)];
    if bytes.len() as u64 > MAX_INPUT_BYTES {
        return Err(one(format!("larger than {} MiB, the most that is read", MAX_INPUT_BYTES >> 20)));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() as u64;
        vec![Fault::at(line, "not UTF-8")]
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let format = reading.format.or_else(|| detected(text)).ok_or_else(|| {
        one("neither JSON of nodes nor a Topograph model nor Slurm's topology.conf or topology.yaml; --format says what it is"
            .to_owned())
    })?;
    let has_labels = format == Format::Kubernetes;
    let of_labels = [("--tier-label", !reading.tier_labels.is_empty() && !has_labels)];
    let of_slurm = [
        ("--topology", reading.topology.is_some() && format != Format::SlurmYaml),
        ("--domain-label", reading.domain_label.is_some() && matches!(format, Format::SlurmConf | Format::SlurmYaml)),
    ];
    let idle: Vec<Fault> = of_labels
        .into_iter()
        .chain(of_slurm)
        .filter(|(_, is_idle)| *is_idle)
        .map(|(option, _)| Fault::whole(format!("{option} says nothing for this format")))
        .collect();
    if !idle.is_empty() {
        return Err(idle);
    }
    let site = match format {
        Format::Kubernetes => kubernetes::read(text, reading),
        Format::Topograph => topograph::read(text, reading),
        Format::SlurmConf => slurm_conf::read(text),
        Format::SlurmYaml => slurm_yaml::read(text, reading),
    }?;
    let faults: Vec<Fault> = site.servers.iter().filter_map(unprintable).collect();
    if faults.is_empty() { Ok(site) } else { Err(faults) }
}

/// A name that would not stay on its line of the file that is written.
fn unprintable(server: &Server) -> Option<Fault> {
    let names = [&server.name].into_iter().chain(&server.switches).chain(&server.product).chain(&server.domain);
    let bad = names.into_iter().find(|name| name.is_empty() || name.chars().any(char::is_control))?;
    let message = format!("server {:?}: the name {bad:?} is empty or has control characters", server.name);
    Some(Fault::at(server.line, message))
}

/// The format that the first line which says something tells.
fn detected(text: &str) -> Option<Format> {
    const MODEL: [&str; 6] = ["switches", "nodes", "capacity_blocks", "blocks", "topology", "physical_layers"];
    const CONF: [&str; 3] = ["switchname", "blockname", "blocksizes"];
    let is_content = |line: &&str| !line.is_empty() && !line.starts_with('#') && *line != "---";
    let first = text.lines().map(str::trim).find(is_content)?;
    if first.starts_with('{') {
        return Some(Format::Kubernetes);
    }
    let lower = first.to_ascii_lowercase();
    if CONF.iter().any(|name| lower.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))) {
        return Some(Format::SlurmConf);
    }
    if first.strip_prefix('-').is_some_and(|rest| rest.trim_start().starts_with("topology:")) {
        return Some(Format::SlurmYaml);
    }
    MODEL
        .iter()
        .any(|name| first.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))
        .then_some(Format::Topograph)
}
