//! `netkv telemetry`: what a real network does, as keys of an experiment.

use super::cluster::{read_input, refused};
use crate::args::TelemetryCommand;
use crate::failure::{Ending, Failure};
use crate::output::{print, tell, write_file};
use netkv_site::{FittedTransfers, Record, Series, fit_transfers, links, read_series, record, together};
use std::path::Path;

/// Imports telemetry.
pub fn telemetry(command: &TelemetryCommand) -> Result<Ending, Failure> {
    let TelemetryCommand::Import(args) = command;
    for path in [Some(&args.out), args.record.as_ref()].into_iter().flatten() {
        if path.exists() && !args.force {
            let path = path.display();
            return Err(Failure::usage(format_args!(
                "{path} is there already: another name, or --force to replace it"
            )));
        }
    }
    for (option, value) in [("--nic-gbps", args.nic_gbps), ("--rate-gbytes-per-s", args.rate_gbytes_per_s)] {
        if value.is_some_and(|value| !(value > 0.0 && value <= 1e6)) {
            return Err(Failure::usage(format_args!("{option}: allowed: a number above 0, at most 1000000")));
        }
    }
    let series = read(&args.inputs)?;
    let shown = args.inputs.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let plain: String = shown.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let mut text = format!("# What {plain} tells of a network; an experiment takes it by `extends`.\n");
    if let Some(nic_gbps) = args.nic_gbps {
        let rate = args.rate_gbytes_per_s.map(|rate| rate * 1e9);
        let fitted = fit_transfers(&series, rate).map_err(|fault| refused(&shown, &[fault]))?;
        text += &transfers(&fitted, nic_gbps, rate.is_some())?;
    }
    if let (Some(table), Some(to)) = (&args.links, &args.record) {
        text += &congestion(&series, &shown, table, to, &args.out)?;
    }
    write_file(&args.out, text.as_bytes())?;
    print(&text)?;
    Ok(Ending::Done)
}

/// The series of all files; a dump without stamps has the number of its file as time.
fn read(paths: &[std::path::PathBuf]) -> Result<Vec<Series>, Failure> {
    let mut files = Vec::new();
    for (number, path) in paths.iter().enumerate() {
        let shown = path.display().to_string();
        let bytes = read_input(path, &shown)?;
        files.push(read_series(&bytes, number as f64).map_err(|fault| refused(&shown, &[fault]))?);
    }
    together(files).map_err(|fault| refused("the inputs", &[fault]))
}

/// The keys of transfers, with how well they are known.
fn transfers(fitted: &FittedTransfers, nic_gbps: f64, is_given: bool) -> Result<String, Failure> {
    let efficiency = fitted.bytes_per_s * 8.0 / (nic_gbps * 1e9);
    if efficiency > 1.0 {
        let rate = fitted.bytes_per_s / 1e9;
        let message = format!("a worker moves {rate:.3} GB/s, more than a NIC of {nic_gbps} Gb/s carries");
        return Err(Failure::input(format_args!("{message}; --nic-gbps is that of all NICs of a worker")));
    }
    let FittedTransfers { n_transfers, n_means, n_resets, missed_ratio, .. } = fitted;
    let rate = if is_given { "the rate was given" } else { "the rate was fitted" };
    let missed = missed_ratio * 100.0;
    Ok(format!(
        "# Fitted to {n_means} means over {n_transfers} transfers ({rate}); the fit misses {missed:.2} % of the mean time.\n\
         # {n_resets} stretches were left out, in which a counter began anew. Set-up holds the latency of the ways; the rate is\n\
         # what contention left of it.\n\
         \n[fabric]\nnic_gbps = {nic_gbps:?}\nnic_efficiency_ratio = {efficiency:?}\n\
         \n[transfer]\nsetup_us = {:?}\nsetup_us_per_descriptor = {:?}\ndescriptor_bytes = {}\n",
        fitted.setup_s * 1e6,
        fitted.per_descriptor_s * 1e6,
        (fitted.descriptor_bytes.round() as u64).max(64),
    ))
}

/// Writes the record; the keys that play it.
fn congestion(series: &[Series], shown: &str, table: &Path, to: &Path, out: &Path) -> Result<String, Failure> {
    let name = table.display().to_string();
    let bytes = read_input(table, &name)?;
    let listed = links(&String::from_utf8_lossy(&bytes)).map_err(|faults| refused(&name, &faults))?;
    let Record { table, n_cut, n_resets } = record(series, &listed).map_err(|faults| refused(shown, &faults))?;
    write_file(to, table.as_bytes())?;
    if n_cut > 0 {
        tell(&format!("{n_cut} shares above 0.95 are written as 0.95, the most that others may take"));
    }
    if n_resets > 0 {
        tell(&format!("note: a counter began anew in {n_resets} stretches: they have the share of the stretch before"));
    }
    // Seen from the file that names it.
    let beside = match (to.parent(), out.parent()) {
        (Some(one), Some(other)) if one == other => to.file_name().map(Path::new).unwrap_or(to).to_owned(),
        _ => std::path::absolute(to).map_err(|error| Failure::input(format_args!("{}: {error}", to.display())))?,
    };
    let quoted = toml::Value::String(beside.display().to_string());
    Ok(format!(
        "\n# {} links; counters hold the KV caches of their time as well, if any were moved.\n[background]\nkind = \"recorded\"\n\
         file = {quoted}\n",
        listed.len()
    ))
}
