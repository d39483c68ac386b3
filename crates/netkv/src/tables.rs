//! From stored outcomes to the rows of the result tables.

use crate::cells::coordinates;
use netkv_frames::{AxisValue as Shown, CellPlace, CellRow, CellStatus, ColumnData, Metadata, RESULTS_FORMAT, Table};
use netkv_grid::{AxisValue, Cell, Experiment, Reduced, Status, Store, Stored, failure};
use netkv_sim::{SIM_EPOCH, Scenario};

/// The names of the axis columns.
pub fn axis_names(experiment: &Experiment) -> Vec<String> {
    experiment.axes().iter().map(|axis| axis.key.clone()).collect()
}

/// The cells that were ever run, with their stored outcomes, in order.
pub fn outcomes<'a>(experiment: &Experiment, store: &'a Store) -> Vec<(Cell, &'a Stored)> {
    experiment
        .cells()
        .filter_map(|cell| Some((store.get(cell.key)?, cell)))
        .map(|(stored, cell)| (cell, stored))
        .collect()
}

/// A cell's row.
pub fn row(experiment: &Experiment, cell: &Cell, stored: &Stored) -> CellRow {
    let status = match &stored.status {
        Status::Done { digest, metrics } => CellStatus::Done { digest: digest.clone(), metrics: metrics.clone() },
        Status::Failed { message } => {
            CellStatus::Failed { message: failure(message, &experiment.arguments(), cell.index) }
        }
    };
    row_of(cell, status)
}

/// A cell's row with this outcome.
pub fn row_of(cell: &Cell, status: CellStatus) -> CellRow {
    CellRow {
        cell: cell_number(cell),
        key: cell.key.to_string(),
        seed: cell.seed,
        axes: axis_values(cell),
        trace_origin: cell.trace_origin().label.clone(),
        status,
    }
}

/// What names a cell in the tables of its requests and links.
pub fn place(experiment: &Experiment, cell: &Cell) -> CellPlace {
    CellPlace {
        cell: cell_number(cell),
        seed: cell.seed,
        axes: axis_names(experiment).into_iter().zip(axis_values(cell)).collect(),
        trace_origin: cell.trace_origin().label.clone(),
    }
}

/// A cell's number, as tables have it.
fn cell_number(cell: &Cell) -> u32 {
    u32::try_from(cell.index).expect("an experiment has fewer than 2^32 cells")
}

fn shown(value: &AxisValue) -> Shown {
    match value {
        AxisValue::Text(text) => Shown::Text(text.clone()),
        AxisValue::Integer(number) => Shown::Integer(*number),
        AxisValue::Float(number) => Shown::Float(*number),
        AxisValue::Flag(flag) => Shown::Boolean(*flag),
    }
}

/// A cell's values on the axes.
fn axis_values(cell: &Cell) -> Vec<Shown> {
    cell.axis_values().iter().map(shown).collect()
}

/// What a file about one cell says about itself.
pub fn cell_metadata(experiment: &Experiment, cell: &Cell, scenario: &Scenario) -> Metadata {
    let origin = cell.trace_origin();
    let own = [
        ("cell", cell.index.to_string()),
        ("key", cell.key.to_string()),
        ("coordinates", coordinates(experiment, cell)),
        ("policy", scenario.policy.name().to_owned()),
        ("seeds", cell.seed.to_string()),
        ("trace", origin.label.clone()),
        ("trace_sha256", origin.sha256.clone()),
        ("trace_fallback", origin.fallback.to_string()),
    ];
    let mut all = metadata(experiment);
    all.extend(own.map(|(key, value)| (key.to_owned(), value)));
    all
}

/// What every table says about itself.
pub fn metadata(experiment: &Experiment) -> Metadata {
    let origins = experiment.trace_origins();
    let profiles: Vec<&str> = experiment.profiles().iter().map(|profile| profile.label.as_str()).collect();
    let traces: Vec<&str> = origins.iter().map(|origin| origin.label.as_str()).collect();
    let sums: Vec<&str> = origins.iter().map(|origin| origin.sha256.as_str()).collect();
    let seeds: Vec<String> = experiment.seeds().iter().map(u64::to_string).collect();
    let pairs = [
        ("experiment", experiment.name().to_owned()),
        ("trace", traces.join("; ")),
        ("trace_sha256", sums.join("; ")),
        ("trace_fallback", origins.iter().any(|origin| origin.fallback).to_string()),
        ("profile", profiles.join("; ")),
        ("baseline_axis", experiment.baseline_axis().to_owned()),
        ("baseline", experiment.baseline().to_owned()),
        ("confidence_ratio", experiment.confidence_ratio().to_string()),
        ("seeds", seeds.join(", ")),
        ("n_cells", experiment.n_cells().to_string()),
        ("sim_epoch", SIM_EPOCH.to_string()),
        ("results_format", RESULTS_FORMAT.to_string()),
    ];
    let mut metadata: Metadata = pairs.map(|(key, value)| (key.to_owned(), value)).into();
    if let Some(lacks) = experiment.reduced().and_then(Reduced::words) {
        metadata.insert("reduced".to_owned(), lacks);
    }
    metadata
}

/// When, where and with what each cell was run.
pub fn provenance_table(outcomes: &[(Cell, &Stored)]) -> Table {
    let mut table = Table::new();
    let numbers = outcomes.iter().map(|(cell, _)| Some(i64::from(cell_number(cell)))).collect();
    table.push("cell", ColumnData::Integer(numbers));
    table.push("key", ColumnData::Text(outcomes.iter().map(|(cell, _)| Some(cell.key.to_string())).collect()));
    table.push("wall_s", ColumnData::Float(outcomes.iter().map(|(_, stored)| Some(stored.wall_s)).collect()));
    for name in ["host", "version", "commit", "compiler", "target"] {
        let value = |(_, stored): &(Cell, &Stored)| stored.segment.provenance.get(name).cloned();
        table.push(name, ColumnData::Text(outcomes.iter().map(value).collect()));
    }
    table
}
