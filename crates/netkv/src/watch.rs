//! What a watched run of one cell leaves: a timeline, tables of its links and transfers, a heat map.

use crate::args::WatchArgs;
use crate::failure::{Blame, Failure};
use crate::output::write_with;
use crate::picture::{check_picture, write_picture};
use crate::table_file;
use crate::tables::{cell_metadata, place};
use crate::timeline;
use crate::watched::Watched;
use netkv_fabric::{FatTree, LinkKind};
use netkv_figures::heat_map;
use netkv_frames::{Table, TableKind, links_tables, merge_tables, transfers_table};
use netkv_sim::{ObserveConfig, Scenario};
use netkv_units::SimDuration;

/// Length of a window if none is asked for, in seconds. Chosen by us: that of the telemetry of `experiments/base.toml`.
const EVERY_S: f64 = 1.0;
/// The option that asks for a heat map.
const HEATMAP: &str = "--heatmap";
/// The option that asks for a table of transfers.
const TRANSFERS: &str = "--transfers";
/// Most windows times links. Chosen by us: they take about 1 GB of memory.
const MAX_ROWS: f64 = 2e7;

/// Refuses options that make no sense, before anything is run.
pub fn check(args: &WatchArgs) -> Result<(), Failure> {
    let is_watched = args.timeline.is_some() || args.links.is_some() || args.heatmap.is_some();
    if !is_watched && (args.every.is_some() || args.all_links) {
        return Err(Failure::usage("--every and --all-links need --timeline, --links or --heatmap"));
    }
    table_file::check(TRANSFERS, args.transfers.as_deref())?;
    args.heatmap.as_deref().map_or(Ok(()), |path| check_picture(HEATMAP, path))
}

/// What is to be watched of a run; none if nothing is.
pub fn config(args: &WatchArgs, scenario: &Scenario) -> Result<Option<ObserveConfig>, Failure> {
    let flows = args.transfers.is_some();
    let are_links_watched = args.timeline.is_some() || args.links.is_some() || args.heatmap.is_some();
    if !are_links_watched && !flows {
        return Ok(None);
    }
    let kinds = match (are_links_watched, args.all_links) {
        (true, true) => LinkKind::ALL.to_vec(),
        (true, false) => vec![LinkKind::Rack, LinkKind::Pod],
        (false, _) => Vec::new(),
    };
    let tree = FatTree::new(scenario.fabric);
    let n_links: usize = kinds.iter().map(|&kind| tree.links_of(kind).count()).sum();
    let arrivals_s = scenario.workload.last_arrival().as_secs_f64();
    let every_s = args.every.unwrap_or(EVERY_S);
    let n_rows = n_links as f64 * arrivals_s / every_s;
    if n_rows > MAX_ROWS {
        let least_s = every_s * n_rows / MAX_ROWS;
        return Err(Failure::usage(format_args!(
            "{n_links} links every {every_s} s for {arrivals_s:.0} s are {n_rows:.0} rows, more than {MAX_ROWS:.0}: \
             --every {} or more is possible",
            (least_s * 1e4).ceil() / 1e4
        )));
    }
    Ok(Some(ObserveConfig { every: SimDuration::from_secs_f64(every_s), kinds, flows }))
}

/// Writes what was asked for.
pub fn write(args: &WatchArgs, watched: &Watched<'_>) -> Result<(), Failure> {
    let metadata = cell_metadata(watched.experiment, watched.cell, watched.scenario);
    let place = place(watched.experiment, watched.cell);
    let tables = || -> Box<dyn Iterator<Item = Table>> { Box::new(links_tables(&place, watched.seen)) };
    if let Some(path) = &args.timeline {
        write_with(path, |temporary| timeline::write(temporary, watched, &metadata))?;
    }
    if let Some(path) = &args.links {
        write_with(path, |temporary| merge_tables(temporary, TableKind::Links, tables().map(Ok), &metadata))?;
    }
    if let Some(path) = &args.transfers {
        let cell = (watched.experiment, watched.cell, watched.scenario);
        let table = transfers_table(&place, &watched.seen.flows);
        table_file::write((TRANSFERS, path), cell, TableKind::Transfers, &table)?;
    }
    if let Some(path) = &args.heatmap {
        // What was seen is always complete: if it cannot be drawn, that is a bug.
        let bug = |error| Failure::new(Blame::Bug, error);
        let svg = heat_map(tables(), &metadata).map_err(bug)?;
        write_picture(HEATMAP, path, &svg)?;
    }
    Ok(())
}
