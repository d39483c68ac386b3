//! Tables as text: comma-separated values with a header, nothing for a missing value.

use crate::frame::to_frame;
use crate::table::Table;
use anyhow::{Context, Result};
use polars_io::SerWriter;
use polars_io::csv::write::CsvWriter;
use std::path::Path;

/// Writes a table as comma-separated values.
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv(path: &Path, table: &Table) -> Result<()> {
    let place = || format!("cannot write {}", path.display());
    let mut text = Vec::new();
    CsvWriter::new(&mut text).finish(&mut to_frame(table)?).with_context(place)?;
    std::fs::write(path, text).with_context(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ColumnData;

    #[test]
    fn missing_values_are_empty_and_words_with_commas_are_quoted() {
        let mut table = Table::new();
        table.push("policy.name", ColumnData::Text(vec![Some("netkv".to_owned()), Some("a, b".to_owned()), None]));
        table.push("ttft_ns", ColumnData::Integer(vec![Some(-1), None, Some(i64::MAX)]));
        table.push("load", ColumnData::Float(vec![Some(0.1), Some(1.0), None]));
        table.push("counted", ColumnData::Boolean(vec![Some(true), Some(false), None]));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write_csv(&path, &table).unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            text,
            "policy.name,ttft_ns,load,counted\nnetkv,-1,0.1,true\n\"a, b\",,1.0,false\n,9223372036854775807,,\n"
        );
    }
}
