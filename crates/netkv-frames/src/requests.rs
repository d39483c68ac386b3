//! The table of requests: one row for each finished request of a cell.

use crate::place::CellPlace;
use crate::table::{ColumnData, Table};
use netkv_sim::{RequestRecord, RunOutput, TtftParts};

/// A table of requests: those of a cell, with what names the cell before them.
pub fn requests_table(place: &CellPlace, requests: &Table) -> Table {
    let mut table = place.columns(requests.n_rows());
    for column in requests.columns() {
        table.push(column.name.clone(), column.data.clone());
    }
    table
}

/// The requests of a run by id, without the cell that it was.
pub fn request_columns(output: &RunOutput) -> Table {
    let records = &output.requests;
    let integer = |value: &dyn Fn(&RequestRecord) -> Option<u64>| {
        let whole = |record| value(record).map(|value| i64::try_from(value).expect("figures fit 63 bits"));
        ColumnData::Integer(records.iter().map(whole).collect())
    };
    let mut table = Table::new();
    table.push("request", integer(&|record| Some(u64::from(record.request.get()))));
    table.push("arrival_ns", integer(&|record| Some(record.arrival.as_nanos())));
    table.push("input_tokens", integer(&|record| Some(u64::from(record.input_tokens))));
    table.push("output_tokens", integer(&|record| Some(u64::from(record.output_tokens))));
    table.push("prefill_instance", integer(&|record| Some(u64::from(record.prefill_instance.get()))));
    table.push("decode_instance", integer(&|record| record.decode_instance.map(|id| u64::from(id.get()))));
    let boolean = |value: &dyn Fn(&RequestRecord) -> bool| {
        ColumnData::Boolean(records.iter().map(|record| Some(value(record))).collect())
    };
    table.push("prefilled_locally", boolean(&RequestRecord::prefilled_locally));
    table.push("tier", integer(&|record| record.tier.map(|tier| tier.index() as u64)));
    table.push("prefill_hit_tokens", integer(&|record| Some(u64::from(record.prefill_hit_tokens))));
    table.push("decode_hit_tokens", integer(&|record| Some(u64::from(record.decode_hit_tokens))));
    table.push("transfer_bytes", integer(&|record| Some(record.transfer_bytes)));
    for (index, name) in TtftParts::NAMES.iter().enumerate() {
        table.push(format!("{name}_ns"), integer(&|record| Some(record.parts.values()[index].as_nanos())));
    }
    table.push("ttft_ns", integer(&|record| Some(record.ttft.as_nanos())));
    table.push("ttft_limit_ns", integer(&|record| Some(record.ttft_limit.as_nanos())));
    table.push("decoding_ns", integer(&|record| Some(record.decoding.as_nanos())));
    let gap =
        |record: &RequestRecord| record.decoding.as_nanos().checked_div(u64::from(record.output_tokens).max(1) - 1);
    table.push("tbt_mean_ns", integer(&gap));
    table.push("tbt_max_ns", integer(&|record| Some(record.tbt_max.as_nanos())));
    table.push("finish_ns", integer(&|record| Some(record.finish.as_nanos())));
    table.push("preemptions", integer(&|record| Some(u64::from(record.preemptions))));
    table.push("failovers", integer(&|record| Some(u64::from(record.failovers))));
    table.push("slo_attained", boolean(&|record| record.slo_attained));
    table.push("counted", boolean(&|record| record.counted));
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{TableKind, schema};
    use crate::{
        AxisValue, CellRow, CellStatus, SummaryOptions, cells_table, links_tables, priced_cells, summary_table,
        transfers_table,
    };
    use netkv_sim::{METRICS, Observations, RunTotals, Value};

    fn nothing() -> RunOutput {
        let tbt_histogram = netkv_sim::tbt_histogram();
        RunOutput { requests: Vec::new(), tbt_histogram, totals: RunTotals::default() }
    }

    fn place() -> CellPlace {
        let axes = vec![("policy.name".to_owned(), AxisValue::Text("netkv_guarded".to_owned()))];
        CellPlace { cell: 0, seed: 1, axes, trace_origin: "made up".to_owned() }
    }

    /// Names of a table's columns, the axis replaced by its stand-in.
    fn names(table: &Table) -> Vec<String> {
        table.columns().iter().map(|column| column.name.replace("policy.name", "<axis>")).collect()
    }

    #[test]
    fn the_schema_lists_exactly_the_columns_there_are() {
        let axes = ["policy.name".to_owned()];
        let metrics = vec![Value::Missing; METRICS.len()];
        let row = CellRow {
            cell: 0,
            key: String::new(),
            seed: 1,
            axes: vec![place().axes[0].1.clone()],
            trace_origin: place().trace_origin,
            status: CellStatus::Done { digest: String::new(), metrics },
        };
        let options = SummaryOptions {
            baseline_axis: "policy.name".to_owned(),
            baseline: "netkv_guarded".to_owned(),
            confidence_ratio: 0.95,
        };
        let tables = [
            (TableKind::Cells, priced_cells(cells_table(&axes, std::slice::from_ref(&row)), 1.0).unwrap()),
            (TableKind::Summary, summary_table(&axes, &[row], &options)),
            (TableKind::Requests, requests_table(&place(), &request_columns(&nothing()))),
            (TableKind::Links, links_tables(&place(), &Observations::default()).next().unwrap()),
            (TableKind::Transfers, transfers_table(&place(), &[])),
        ];
        for (kind, table) in tables {
            let documented = schema().into_iter().filter(|doc| doc.table == kind.name());
            let documented: Vec<_> = documented.map(|doc| doc.name).collect();
            assert_eq!(documented, names(&table), "table {}", kind.name());
        }
    }

    #[test]
    fn a_cell_without_requests_has_columns_of_the_same_types() {
        let table = requests_table(&place(), &request_columns(&nothing()));
        assert_eq!(table.column("policy.name").unwrap().data, ColumnData::Text(Vec::new()));
    }
}
