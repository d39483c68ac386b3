//! A cell of an experiment by its number, and in words.

use crate::failure::Failure;
use netkv_grid::{AxisValue, Cell, Experiment};
use serde_json::{Map, Value};

/// The cell with this number.
pub fn find_cell(experiment: &Experiment, index: usize) -> Result<Cell, Failure> {
    let last = experiment.n_cells() - 1;
    let path = experiment.path().display();
    experiment.cell(index).ok_or_else(|| Failure::usage(format_args!("{path} has the cells 0 to {last}, not {index}")))
}

/// The values of a cell, as `axis=value`.
pub fn coordinates(experiment: &Experiment, cell: &Cell) -> String {
    let axes = experiment.axes().iter().zip(cell.axis_values());
    let values: Vec<_> = axes.map(|(axis, value)| format!("{}={value}", axis.key)).collect();
    format!("{} seed={}", values.join(" "), cell.seed).trim_start().to_owned()
}

/// The same for machines: axis by axis, then the seed.
pub fn json_coordinates(experiment: &Experiment, cell: &Cell) -> Value {
    let axes = experiment.axes().iter().zip(cell.axis_values());
    let mut map: Map<String, Value> = axes.map(|(axis, value)| (axis.key.clone(), json_value(value))).collect();
    map.insert("seed".to_owned(), Value::from(cell.seed));
    Value::Object(map)
}

/// A value of an axis as JSON.
pub fn json_value(value: &AxisValue) -> Value {
    match value {
        AxisValue::Text(text) => Value::from(text.as_str()),
        AxisValue::Integer(number) => Value::from(*number),
        AxisValue::Float(number) => Value::from(*number),
        AxisValue::Flag(flag) => Value::from(*flag),
    }
}
