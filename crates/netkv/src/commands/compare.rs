//! `netkv compare`: two policies of one experiment, or two results of experiments that share points.

use crate::args::CompareArgs;
use crate::failure::{Ending, Failure};
use crate::output::print;
use netkv_frames::{ColumnData, Metadata, Table, read_table};
use netkv_grid::nearest;
use netkv_verdict::{Answer, Options};
use std::path::Path;

/// The column that tells two results apart.
const RESULTS: &str = "results";

/// A table of cells with what it says of itself.
struct Cells {
    table: Table,
    metadata: Metadata,
    axes: Vec<String>,
}

/// Prints what differs.
pub fn compare(args: &CompareArgs) -> Result<Ending, Failure> {
    let one = Cells::read(&args.one)?;
    let answer = match (&args.other, args.values.as_slice()) {
        (None, [a, b]) => one.values(a, b)?,
        (Some(other), []) => one.with(Cells::read(other)?, &args.one, other)?,
        (None, _) | (Some(_), _) => {
            let message =
                "give two folders of results, or one and --values A B: two values of the axis that it compares";
            return Err(Failure::usage(message));
        }
    };
    print(&if args.json { format!("{}\n", answer.json()) } else { answer.text(true) })?;
    Ok(Ending::Done)
}

impl Cells {
    fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("cells.parquet");
        let (table, metadata) = read_table(&path).map_err(|error| {
            Failure::input(format_args!(
                "{}: {error:#}; a folder of results has it, such as results/load once netkv run has made it",
                path.display()
            ))
        })?;
        let names = table.columns().iter().map(|column| column.name.clone());
        // Between seed and status stand the axes, and where the requests came from.
        let between = names.skip_while(|name| name != "seed").skip(1).take_while(|name| name != "status");
        let axes = between.filter(|name| name != "trace_origin").collect();
        Ok(Self { table, metadata, axes })
    }

    fn said(&self, key: &str) -> String {
        self.metadata.get(key).cloned().unwrap_or_default()
    }

    fn options(&self, compared: &str, baseline: &str, facts: Vec<String>) -> Options {
        Options {
            experiment: self.said("experiment"),
            axes: self.axes.clone(),
            compared: compared.to_owned(),
            baseline: baseline.to_owned(),
            confidence_ratio: self.said("confidence_ratio").parse().unwrap_or(0.95),
            facts,
        }
    }

    /// Two values of the axis that the experiment compares: the second against the first.
    fn values(&self, a: &str, b: &str) -> Result<Answer, Failure> {
        let axis = self.said("baseline_axis");
        let values = self.table.words(&axis).map_err(Failure::input)?;
        for asked in [a, b] {
            if !values.iter().any(|value| value == asked) {
                let near = nearest(asked, values.iter().map(String::as_str));
                let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                return Err(Failure::usage(format_args!("{axis} has no value {asked} there{hint}")));
            }
        }
        let kept: Vec<usize> = (0..values.len()).filter(|&row| [a, b].contains(&values[row].as_str())).collect();
        let facts = vec![format!("trace: {}", self.said("trace"))];
        Answer::of(&rows(&self.table, &kept), self.options(&axis, a, facts)).map_err(Failure::input)
    }

    /// These results and others, where they have the same values of the axes of both.
    fn with(self, other: Self, own_path: &Path, other_path: &Path) -> Result<Answer, Failure> {
        let axes: Vec<String> = self.axes.iter().filter(|axis| other.axes.contains(axis)).cloned().collect();
        let (own, theirs) = (own_path.display().to_string(), other_path.display().to_string());
        let part = |cells: &Self, name: &str| -> Result<Table, Failure> {
            let mut table = Table::new();
            let label = ColumnData::Text(vec![Some(name.to_owned()); cells.table.n_rows()]);
            table.push(RESULTS, label);
            for column in cells.table.columns() {
                let is_own_axis = cells.axes.contains(&column.name) && !axes.contains(&column.name);
                if !is_own_axis {
                    table.push(column.name.clone(), column.data.clone());
                }
            }
            Ok(table)
        };
        let both = part(&self, &own)?
            .stacked(part(&other, &theirs)?)
            .map_err(|error| Failure::input(format_args!("{own} and {theirs} cannot be compared: {error}")))?;
        let differ: Vec<String> = ["experiment", "trace", "profile", "seeds", "sim_epoch"]
            .into_iter()
            .filter(|key| self.said(key) != other.said(key))
            .map(|key| format!("{key}: {} against {}", self.said(key), other.said(key)))
            .collect();
        let mut options = self.options(RESULTS, &own, differ);
        options.axes = axes.into_iter().chain([RESULTS.to_owned()]).collect();
        options.experiment = format!("{own} against {theirs}");
        Answer::of(&both, options).map_err(Failure::input)
    }
}

/// Some rows of a table.
fn rows(table: &Table, kept: &[usize]) -> Table {
    fn some<T: Clone>(values: &[T], kept: &[usize]) -> Vec<T> {
        kept.iter().map(|&row| values[row].clone()).collect()
    }
    let mut found = Table::new();
    for column in table.columns() {
        let data = match &column.data {
            ColumnData::Text(values) => ColumnData::Text(some(values, kept)),
            ColumnData::Integer(values) => ColumnData::Integer(some(values, kept)),
            ColumnData::Float(values) => ColumnData::Float(some(values, kept)),
            ColumnData::Boolean(values) => ColumnData::Boolean(some(values, kept)),
        };
        found.push(column.name.clone(), data);
    }
    found
}
