//! A cell of an experiment by its number, and in words.

use crate::failure::Failure;
use netkv_grid::{AxisValue, Cell, Experiment};
use serde_json::{Map, Value};

/// Which cell of an experiment is meant.
#[derive(Clone, Debug)]
pub enum Which {
    /// That with this number.
    Number(usize),
    /// That with these values on these axes; without a seed, the first one.
    At(Vec<(String, String)>),
}

/// A cell as people write it: its number, or AXIS=VALUE with commas between them.
pub fn parse_which(text: &str) -> Result<Which, String> {
    if let Ok(number) = text.parse() {
        return Ok(Which::Number(number));
    }
    let pair = |part: &str| part.split_once('=').map(|(axis, value)| (axis.trim().to_owned(), value.trim().to_owned()));
    let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
    let how =
        "a cell is its number (`netkv plan FILE --list`) or what it has, such as policy.name=netkv,fabric.nic_gbps=100";
    pairs.map(Which::At).ok_or_else(|| how.to_owned())
}

/// The cell that is meant.
///
/// # Errors
/// In words, if there is none, or if cells that differ in more than their seed are meant.
pub fn find_cell(experiment: &Experiment, which: &Which) -> Result<Cell, Failure> {
    let last = experiment.indices().last().unwrap_or_default();
    let path = experiment.path().display();
    let pairs = match which {
        Which::Number(index) => {
            let missing = || Failure::usage(format_args!("{path} has the cells 0 to {last}, not {index}"));
            return experiment.cell(*index).ok_or_else(missing);
        }
        Which::At(pairs) => pairs,
    };
    let found = experiment.select(pairs).map_err(Failure::usage)?;
    let cells: Vec<Cell> = found.into_iter().filter_map(|index| experiment.cell(index)).collect();
    let Some(first) = cells.first() else {
        return Err(Failure::usage(format_args!("{path} has no cell with all of these values")));
    };
    let open = |at: &usize| cells.iter().any(|cell| cell.axis_values()[*at] != first.axis_values()[*at]);
    let open: Vec<String> =
        (0..experiment.axes().len()).filter(open).map(|at| open_axis(experiment, &cells, at)).collect();
    if open.is_empty() {
        return Ok(first.clone());
    }
    let n = cells.len();
    Err(Failure::usage(format_args!("{n} cells of {path} have these values; say as well: {}", open.join("; "))))
}

/// An axis and the values that cells have on it.
fn open_axis(experiment: &Experiment, cells: &[Cell], at: usize) -> String {
    let axis = &experiment.axes()[at];
    let has = |value: &&AxisValue| cells.iter().any(|cell| cell.axis_values()[at] == **value);
    let values: Vec<String> = axis.values.iter().filter(has).map(ToString::to_string).collect();
    format!("{}={}", axis.key, values.join(" or "))
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
