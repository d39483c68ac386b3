//! What tokens cost, where an experiment names the price of a GPU: made from the GPU seconds in the tables when these are
//! written, so that another price runs no cell again.

use crate::table::{ColumnData, Table};
use anyhow::Result;

/// The metric that is priced.
const GPU_SECONDS: &str = "gpu_s_per_mtoken";

/// Column of the table of cells, and metric of the summary: name, kind, unit, meaning.
pub(crate) const COST: (&str, &str, &str, &str) = (
    "cost_per_mtoken",
    "float",
    "cost/Mtoken",
    "gpu_s_per_mtoken at the price of a GPU hour, in its currency; only there if the experiment has one (cost.per_gpu_hour)",
);

/// Seconds of an hour.
const HOUR_S: f64 = 3600.0;

/// Columns of the summary that are amounts of the metric; its counts and ratios stay what they are.
const AMOUNTS: [&str; 9] =
    ["mean", "sd", "ci_low", "ci_high", "min", "max", "diff_mean", "diff_ci_low", "diff_ci_high"];

/// A table of cells with the cost as its last column; as it was without a price.
///
/// # Errors
/// If it is no table of cells.
pub fn priced_cells(mut cells: Table, per_gpu_hour: f64) -> Result<Table> {
    if per_gpu_hour > 0.0 {
        let seconds = cells.numbers(GPU_SECONDS)?;
        let cost = seconds.into_iter().map(|seconds| Some(seconds? * per_gpu_hour / HOUR_S)).collect();
        cells.push(COST.0, ColumnData::Float(cost));
    }
    Ok(cells)
}

/// A summary with a row of cost after each row of GPU seconds; as it was without a price. One factor makes one of the other,
/// so ratios are the same.
///
/// # Errors
/// If it is no summary.
pub fn priced_summary(summary: Table, per_gpu_hour: f64) -> Result<Table> {
    if per_gpu_hour <= 0.0 {
        return Ok(summary);
    }
    // Each row, and whether it is to be priced.
    let mut rows: Vec<(usize, bool)> = Vec::new();
    for (row, metric) in summary.words("metric")?.iter().enumerate() {
        rows.push((row, false));
        if metric == GPU_SECONDS {
            rows.push((row, true));
        }
    }
    let mut priced = Table::new();
    for column in summary.columns() {
        let name = column.name.as_str();
        let data = match &column.data {
            ColumnData::Text(values) => {
                let text = |&(row, is_cost): &(usize, bool)| match name {
                    "metric" if is_cost => Some(COST.0.to_owned()),
                    "unit" if is_cost => Some(COST.2.to_owned()),
                    _ => values[row].clone(),
                };
                ColumnData::Text(rows.iter().map(text).collect())
            }
            ColumnData::Float(values) => {
                let number = |&(row, is_cost): &(usize, bool)| {
                    let is_amount = is_cost && AMOUNTS.contains(&name);
                    values[row].map(|value| if is_amount { value * per_gpu_hour / HOUR_S } else { value })
                };
                ColumnData::Float(rows.iter().map(number).collect())
            }
            ColumnData::Integer(values) => ColumnData::Integer(rows.iter().map(|&(row, _)| values[row]).collect()),
            ColumnData::Boolean(values) => ColumnData::Boolean(rows.iter().map(|&(row, _)| values[row]).collect()),
        };
        priced.push(name, data);
    }
    Ok(priced)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(values: &[f64]) -> ColumnData {
        ColumnData::Float(values.iter().copied().map(Some).collect())
    }

    fn words(values: &[&str]) -> ColumnData {
        ColumnData::Text(values.iter().map(|value| Some((*value).to_owned())).collect())
    }

    /// 7,200 GPU seconds are two hours.
    #[test]
    fn a_price_adds_a_column_and_rows_and_changes_nothing_else() {
        let mut cells = Table::new();
        cells.push(GPU_SECONDS, ColumnData::Float(vec![Some(7_200.0), None]));
        assert_eq!(priced_cells(cells.clone(), 0.0).unwrap(), cells);
        assert_eq!(priced_cells(cells, 2.5).unwrap().numbers("cost_per_mtoken").unwrap(), [Some(5.0), None]);

        let mut summary = Table::new();
        summary.push("metric", words(&["requests", GPU_SECONDS, "ttft_mean_ns"]));
        summary.push("unit", words(&["-", "GPU s/Mtoken", "ns"]));
        summary.push("n", ColumnData::Integer(vec![Some(3); 3]));
        summary.push("mean", floats(&[1.0, 7_200.0, 3.0]));
        summary.push("ratio_mean", floats(&[1.0, 0.5, 3.0]));
        assert_eq!(priced_summary(summary.clone(), 0.0).unwrap(), summary);
        let priced = priced_summary(summary, 2.5).unwrap();
        assert_eq!(priced.words("metric").unwrap(), ["requests", GPU_SECONDS, "cost_per_mtoken", "ttft_mean_ns"]);
        assert_eq!(priced.numbers("mean").unwrap(), [Some(1.0), Some(7_200.0), Some(5.0), Some(3.0)]);
        assert_eq!(priced.numbers("ratio_mean").unwrap()[2], Some(0.5));
        assert_eq!(priced.words("unit").unwrap()[2], "cost/Mtoken");
    }
}
