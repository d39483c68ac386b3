//! The table of transfers: one row for each flow of each KV transfer of a cell, in the order in which they entered.

use crate::place::CellPlace;
use crate::table::{ColumnData, Table};
use netkv_sim::FlowRecord;
use std::collections::BTreeMap;

/// The flows of a cell, with what names the cell before them.
pub fn transfers_table(place: &CellPlace, flows: &[FlowRecord]) -> Table {
    let mut table = place.columns(flows.len());
    let integer = |value: &dyn Fn(&FlowRecord) -> Option<u64>| {
        let whole = |flow| value(flow).map(|value| i64::try_from(value).expect("figures fit 63 bits"));
        ColumnData::Integer(flows.iter().map(whole).collect())
    };
    let text =
        |value: &dyn Fn(&FlowRecord) -> String| ColumnData::Text(flows.iter().map(|flow| Some(value(flow))).collect());
    table.push("request", integer(&|flow| Some(u64::from(flow.request.get()))));
    table.push("rank", integer(&|flow| Some(u64::from(flow.rank))));
    table.push("prefill_instance", integer(&|flow| Some(u64::from(flow.prefill.get()))));
    table.push("decode_instance", integer(&|flow| Some(u64::from(flow.decode.get()))));
    table.push("source_gpu", integer(&|flow| Some(u64::from(flow.source.get()))));
    table.push("destination_gpu", integer(&|flow| Some(u64::from(flow.destination.get()))));
    table.push("tier", integer(&|flow| Some(flow.tier.index() as u64)));
    table.push("flow_bytes", integer(&|flow| Some(flow.bytes.get())));
    table.push("start_ns", integer(&|flow| Some(flow.begun.as_nanos())));
    table.push("latency_ns", integer(&|flow| Some(flow.latency.as_nanos())));
    table.push("entered_ns", integer(&|flow| Some(flow.entered.as_nanos())));
    table.push("flow_end_ns", integer(&|flow| flow.ended.map(|end| end.as_nanos())));
    let ends = last_ends(flows);
    table.push("transfer_end_ns", integer(&|flow| ends[&flow.request.get()]));
    table.push("path_hash", text(&|flow| format!("{:016x}", flow.hash)));
    table.push("path_links", text(&|flow| words(flow.path.iter().map(|link| u64::from(link.get())))));
    table.push("path_bytes_per_s", text(&|flow| words(flow.capacities.iter().map(|capacity| capacity.get()))));
    table.push("way_back_links", text(&|flow| words(flow.way_back.iter().map(|link| u64::from(link.get())))));
    table
}

/// By request, the end of its last flow; none if one is under way.
fn last_ends(flows: &[FlowRecord]) -> BTreeMap<u32, Option<u64>> {
    let mut ends = BTreeMap::new();
    for flow in flows {
        let end = flow.ended.map(|end| end.as_nanos());
        let last = ends.entry(flow.request.get()).or_insert(Some(0));
        *last = last.zip(end).map(|(last, end): (u64, u64)| last.max(end));
    }
    ends
}

/// Numbers with a blank between two of them.
fn words(numbers: impl Iterator<Item = u64>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(" ")
}
