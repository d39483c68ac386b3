//! The table of links: one row for each watched link and window of time of a cell, windows in order of time.

use crate::place::CellPlace;
use crate::table::{ColumnData, Table};
use netkv_sim::{Observations, ObservedLink};
use std::ops::Range;

/// Rows of one table, about.
const ROWS: usize = 100_000;

/// The links of one cell over time, as tables of whole windows that follow one another; at least one table, which
/// has no rows if there is nothing to tell.
pub fn links_tables<'a>(place: &'a CellPlace, seen: &'a Observations) -> impl Iterator<Item = Table> + 'a {
    let windows_each = (ROWS / seen.links.len().max(1)).max(1);
    let n_tables = seen.ends.len().div_ceil(windows_each).max(1);
    (0..n_tables).map(move |index| {
        let windows = index * windows_each..((index + 1) * windows_each).min(seen.ends.len());
        links_table(place, seen, windows)
    })
}

fn links_table(place: &CellPlace, seen: &Observations, windows: Range<usize>) -> Table {
    let n_links = seen.links.len();
    let n_rows = windows.len() * n_links;
    let integer = |value: u64| Some(i64::try_from(value).expect("figures fit 63 bits"));
    let of_window = |value: &dyn Fn(usize) -> f64| {
        let each = |window| std::iter::repeat_n(Some(value(window)), n_links);
        ColumnData::Float(windows.clone().flat_map(each).collect())
    };
    let of_link = |value: &dyn Fn(&ObservedLink) -> Option<i64>| {
        let column: Vec<_> = seen.links.iter().map(value).collect();
        ColumnData::Integer(windows.clone().flat_map(|_| column.iter().copied()).collect())
    };
    let word = |value: &dyn Fn(&ObservedLink) -> &'static str| {
        let column: Vec<_> = seen.links.iter().map(|link| Some(value(link).to_owned())).collect();
        ColumnData::Text(windows.clone().flat_map(|_| column.iter().cloned()).collect())
    };
    let ratio = |value: &dyn Fn((f64, f64)) -> f64| {
        let each = |window| (0..n_links).map(move |position| Some(value(seen.ratios(window, position))));
        ColumnData::Float(windows.clone().flat_map(each).collect())
    };
    let mut table = place.columns(n_rows);
    table.push("time_s", of_window(&|window| seen.ends[window].as_secs_f64()));
    table.push("window_s", of_window(&|window| seen.length(window).as_secs_f64()));
    table.push("link", of_link(&|link| integer(u64::from(link.link.get()))));
    table.push("kind", word(&|link| link.place.kind.name()));
    table.push("direction", word(&|link| link.place.direction.name()));
    table.push("pod", of_link(&|link| Some(i64::from(link.place.pod))));
    table.push("rack", of_link(&|link| link.place.rack.map(i64::from)));
    table.push("switch", of_link(&|link| link.place.switch.map(i64::from)));
    table.push("gpu", of_link(&|link| link.place.gpu.map(i64::from)));
    table.push("capacity_bytes_per_s", of_link(&|link| integer(link.capacity.get())));
    table.push("kv_ratio", ratio(&|(kv, _)| kv));
    table.push("background_ratio", ratio(&|(_, background)| background));
    table
}
