//! Shares of links over time, from the counters of switches and hosts.

use super::series::Series;
use crate::fault::{Fault, listed};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// Counters of bytes that leave an interface, with the labels that may name it. Sources: the node exporter; SNMP's IF-MIB,
/// as its exporter calls it.
pub const COUNTERS: [&str; 4] =
    ["node_network_transmit_bytes_total", "node_network_transmit_bytes", "ifHCOutOctets", "interface_out_octets"];
const DEVICES: [&str; 5] = ["device", "ifName", "ifDescr", "interface", "name"];

/// The first line of a table of links.
const HEADER: &str = "instance,device,kind,direction,pod,rack,switch,gbps";

/// The largest share that a record may have, as netkv reads it; and what a counter may be above the line rate by jitter of
/// its sampling. Chosen by us.
const MAX_RATIO: f64 = 0.95;
const JITTER: f64 = 1.05;

/// Which link of the fabric an interface is.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Label `instance` of its counter.
    pub instance: String,
    /// The label that names the interface.
    pub device: String,
    /// Kind, direction, pod, rack and switch, as a record has them.
    pub place: String,
    /// Its line rate, in bytes per second.
    pub bytes_per_s: f64,
    /// The line of the table.
    pub line: u64,
}

impl Link {
    /// Whether a series of these labels is of its interface.
    pub fn is_named_by(&self, labels: &BTreeMap<String, String>) -> bool {
        labels.get("instance") == Some(&self.instance)
            && DEVICES.iter().any(|label| labels.get(*label) == Some(&self.device))
    }
}

/// Reads the table of links.
///
/// # Errors
/// Lines that are none of it.
pub fn links(text: &str) -> Result<Vec<Link>, Vec<Fault>> {
    let mut lines =
        (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    match lines.next() {
        Some((_, HEADER)) => {}
        Some((line, other)) => {
            return Err(vec![Fault::at(line, format!("{other:?} is no first line of links; it is {HEADER}"))]);
        }
        None => return Err(vec![Fault::whole(format!("no link; the first line is {HEADER}"))]),
    }
    let (mut all, mut faults) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for (line, content) in lines {
        let fields: Vec<&str> = content.split(',').map(str::trim).collect();
        let [instance, device, kind, direction, pod, rack, switch, gbps] = fields[..] else {
            faults.push(Fault::at(line, format!("{} fields; allowed: {HEADER}", fields.len())));
            continue;
        };
        let Some(gbps) = gbps.parse::<f64>().ok().filter(|gbps| (1e-3..=1e6).contains(gbps)) else {
            faults.push(Fault::at(line, format!("gbps = {gbps:?}; allowed: the line rate in Gb/s")));
            continue;
        };
        let place = format!("{kind},{direction},{pod},{rack},{switch}");
        if !seen.insert(place.clone()) {
            faults.push(Fault::at(line, format!("a second interface for the link {place}: a link has one counter")));
        }
        let (instance, device) = (instance.to_owned(), device.to_owned());
        all.push(Link { instance, device, place, bytes_per_s: gbps * 1e9 / 8.0, line });
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

/// A record of others' traffic, and what in it was not measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The table that `background.file` takes.
    pub table: String,
    /// Shares that were cut to the largest that it may have.
    pub n_cut: usize,
    /// Stretches in which a counter began anew: they have the share of the stretch before.
    pub n_resets: usize,
}

/// The record that `background.file` takes.
///
/// # Errors
/// Links without a counter or with one sample, rates above the line rate.
pub fn record(series: &[Series], links: &[Link]) -> Result<Record, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut shares: Vec<(f64, &str, f64)> = Vec::new();
    let (mut n_cut, mut n_resets, mut end) = (0, 0, f64::NEG_INFINITY);
    for link in links {
        let is_it = |series: &&Series| COUNTERS.contains(&series.name.as_str()) && link.is_named_by(&series.labels);
        let found: Vec<&Series> = series.iter().filter(is_it).collect();
        let (one, fault) = match found[..] {
            [one] if one.points.len() > 1 => (one, None),
            [_] => {
                (&series[0], Some("has one sample: a range query, or dumps with stamps of several times".to_owned()))
            }
            [] => (&series[0], Some(format!("has no counter; known: {}", listed(COUNTERS)))),
            _ => (&series[0], Some(format!("has {} counters", found.len()))),
        };
        if let Some(fault) = fault {
            faults.push(Fault::whole(format!("link {}, {} (line {}) {fault}", link.instance, link.device, link.line)));
            continue;
        }
        end = end.max(one.points[one.points.len() - 1].0);
        let mut before = 0.0;
        for pair in one.points.windows(2) {
            let rate = (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0);
            // A counter that began anew tells nothing of this stretch: it is taken to be as the one before.
            n_resets += usize::from(rate < 0.0);
            let ratio = if rate < 0.0 { before } else { rate / link.bytes_per_s };
            if ratio > JITTER {
                let message = format!(
                    "link {}, {}: {ratio:.3} of its line rate at {}; gbps on line {} is too small",
                    link.instance, link.device, pair[0].0, link.line
                );
                faults.push(Fault::whole(message));
                break;
            }
            n_cut += usize::from(ratio > MAX_RATIO);
            before = ratio.min(MAX_RATIO);
            shares.push((pair[0].0, &link.place, before));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    shares.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(other.1)));
    let start = shares.first().map_or(0.0, |(time, ..)| *time);
    let mut table = "time_s,kind,direction,pod,rack,switch,ratio\n".to_owned();
    for (time, place, ratio) in shares {
        writeln!(table, "{},{place},{ratio}", time - start).expect("a string takes any text");
    }
    writeln!(table, "{},end,,,,,", end - start).expect("a string takes any text");
    Ok(Record { table, n_cut, n_resets })
}
