//! `netkv compare`: two policies of one experiment, or two results of experiments that share points.

use crate::args::CompareArgs;
use crate::failure::{Ending, Failure};
use crate::kin;
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
    options: Options,
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
            let name = folder.file_stem().unwrap_or_default().to_string_lossy();
            let is_file = folder.extension().is_some_and(|ending| ending == "toml");
            let results = folder.parent().filter(|results| !is_file && !results.as_os_str().is_empty());
            let near = kin::folders(results.unwrap_or(Path::new("results")), &name);
            Failure::input(format_args!(
                "{}: {error:#}; a folder of results has it, such as results/load once netkv run has made it{}",
                path.display(),
                kin::hint(&near, "netkv compare")
            ))
        })?;
        let options = Options::of(&table, &metadata, Vec::new());
        Ok(Self { table, metadata, options })
    }

    fn said(&self, key: &str) -> String {
        self.metadata.get(key).cloned().unwrap_or_default()
    }

    /// Two values of the axis that the experiment compares: the second against the first.
    fn values(self, a: &str, b: &str) -> Result<Answer, Failure> {
        let axis = self.options.compared.clone();
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
        let options = Options { baseline: a.to_owned(), facts, ..self.options };
        Answer::of(&rows(&self.table, &kept), options).map_err(Failure::input)
    }

    /// These results and others, where they have the same values of the axes of both.
    fn with(self, other: Self, own_path: &Path, other_path: &Path) -> Result<Answer, Failure> {
        let axes: Vec<String> =
            self.options.axes.iter().filter(|axis| other.options.axes.contains(axis)).cloned().collect();
        let (own, theirs) = (own_path.display().to_string(), other_path.display().to_string());
        let part = |cells: &Self, name: &str| -> Result<Table, Failure> {
            let mut table = Table::new();
            let label = ColumnData::Text(vec![Some(name.to_owned()); cells.table.n_rows()]);
            table.push(RESULTS, label);
            for column in cells.table.columns() {
                let is_own_axis = cells.options.axes.contains(&column.name) && !axes.contains(&column.name);
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
        let options = Options {
            experiment: format!("{own} against {theirs}"),
            axes: axes.into_iter().chain([RESULTS.to_owned()]).collect(),
            compared: RESULTS.to_owned(),
            baseline: own.clone(),
            facts: differ,
            ..self.options
        };
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
