//! Tables as parquet: zstd, full statistics, one row group per 100,000 rows, written to a temporary file beside the
//! target and renamed once it is safe on disk.
//!
//! The bytes depend on the table and its metadata alone: columns are put together in one piece first, because
//! parquet's bytes depend on how a column is split up.
//!
//! Words are plain strings to every reader. Polars' writer would declare them as views in the Arrow schema that it
//! embeds, and views are what much of Arrow cannot compare, sort, join or write as CSV; so that schema is made here.

use crate::table::{ColumnData, Table};
use anyhow::{Context, Result, anyhow, ensure};
use polars::prelude as pl;
use polars_io::SerReader;
use polars_io::parquet::write::{BatchedWriter, KeyValueMetadata};
use polars_parquet::write::schema_to_metadata_key;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a row group.
const ROW_GROUP: usize = 100_000;
/// Compression level of zstd.
const ZSTD_LEVEL: i32 = 3;

/// Words that a file carries about itself: experiment, trace, epoch and so on; no time, host or path.
pub type Metadata = BTreeMap<String, String>;

/// Writes a table.
///
/// # Errors
/// If the file cannot be written; nothing is left behind then. An [`std::io::Error`] stays in the chain.
pub fn write_table(path: &Path, table: &Table, metadata: &Metadata) -> Result<()> {
    merge_tables(path, std::iter::once(Ok(table.clone())), metadata)
}

/// Writes several tables of the same columns one after another, holding one at a time.
///
/// # Errors
/// As [`write_table`]; if a table cannot be had or has other columns; if there is no table.
pub fn merge_tables(path: &Path, tables: impl IntoIterator<Item = Result<Table>>, metadata: &Metadata) -> Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".tmp");
    let temporary = Path::new(&temporary);
    let written = write_all(temporary, tables, metadata)
        .and_then(|()| Ok(std::fs::rename(temporary, path)?))
        .and_then(|()| Ok(sync_folder(path)?))
        .with_context(|| format!("cannot write {}", path.display()));
    if written.is_err() {
        // Whatever is there is of no use; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(temporary);
    }
    written
}

/// Makes a rename safe against a crash.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// A file that remembers its last error: polars passes on the words of an I/O error but not its kind, and callers
/// must tell a full disk from a bug.
#[derive(Clone)]
struct Target {
    file: Arc<File>,
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl Target {
    fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Arc::new(File::create(path)?), failed: Arc::default() })
    }

    fn remember<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(copy);
        })
    }

    /// The I/O error behind a failure, if there was one.
    fn cause(&self, error: pl::PolarsError) -> anyhow::Error {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or_else(|| anyhow!(error), |failed| anyhow!(failed))
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.remember((&*self.file).write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.remember((&*self.file).flush())
    }
}

fn write_all(path: &Path, tables: impl IntoIterator<Item = Result<Table>>, metadata: &Metadata) -> Result<()> {
    let target = Target::create(path)?;
    let mut started: Option<(BatchedWriter<Target>, pl::SchemaRef)> = None;
    for table in tables {
        let mut frame = to_frame(&table?)?;
        frame.rechunk_mut();
        if started.is_none() {
            started = Some((new_writer(&target, &frame, metadata)?, frame.schema().clone()));
        }
        let (writer, schema) = started.as_mut().expect("it was started");
        ensure!(*frame.schema() == *schema, "a table has other columns than the first one");
        let mut start = 0;
        while start < frame.height().max(1) {
            let mut group = frame.slice(start as i64, ROW_GROUP);
            group.rechunk_mut();
            writer.write_batch(&group).map_err(|error| target.cause(error))?;
            start += ROW_GROUP;
        }
    }
    let (writer, _) = started.ok_or_else(|| anyhow!("there is no table to write"))?;
    writer.finish().map_err(|error| target.cause(error))?;
    target.file.sync_all()?;
    Ok(())
}

fn new_writer(target: &Target, frame: &pl::DataFrame, metadata: &Metadata) -> Result<BatchedWriter<Target>> {
    let level = polars::polars_utils::compression::ZstdLevel::try_new(ZSTD_LEVEL)?;
    let arrow = schema_to_metadata_key(&arrow_schema(frame));
    let arrow = arrow.value.map(|value| (arrow.key, value));
    let pairs = arrow.into_iter().chain(metadata.iter().map(|(key, value)| (key.clone(), value.clone()))).collect();
    let writer = pl::ParquetWriter::new(target.clone())
        .with_compression(pl::ParquetCompression::Zstd(Some(level)))
        .with_statistics(pl::StatisticsOptions::full())
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(pairs)))
        .set_parallel(false);
    writer.batched(frame.schema()).map_err(|error| target.cause(error))
}

/// What readers are told of the columns: polars' own types, but plain strings.
fn arrow_schema(frame: &pl::DataFrame) -> pl::ArrowSchema {
    let field = |(name, dtype): (&pl::PlSmallStr, &pl::DataType)| {
        let own = dtype.to_arrow(pl::CompatLevel::newest());
        let shown = if own == pl::ArrowDataType::Utf8View { pl::ArrowDataType::Utf8 } else { own };
        (name.clone(), pl::ArrowField::new(name.clone(), shown, true))
    };
    frame.schema().iter().map(field).collect()
}

fn to_frame(table: &Table) -> Result<pl::DataFrame> {
    let column = |column: &crate::table::Column| {
        let name = pl::PlSmallStr::from_str(&column.name);
        match &column.data {
            ColumnData::Text(values) => pl::Column::new(name, values.as_slice()),
            ColumnData::Integer(values) => pl::Column::new(name, values.as_slice()),
            ColumnData::Float(values) => pl::Column::new(name, values.as_slice()),
            ColumnData::Boolean(values) => pl::Column::new(name, values.as_slice()),
        }
    };
    Ok(pl::DataFrame::new(table.n_rows(), table.columns().iter().map(column).collect())?)
}

/// Reads a table and its metadata.
///
/// # Errors
/// If the file is not there, is no parquet file, or has a column of a type that this project does not write.
pub fn read_table(path: &Path) -> Result<(Table, Metadata)> {
    let read = || -> Result<(Table, Metadata)> {
        let mut reader = pl::ParquetReader::new(File::open(path)?);
        let pairs = reader.get_metadata()?.key_value_metadata().clone().unwrap_or_default();
        let metadata = pairs
            .into_iter()
            .filter(|pair| pair.key != "ARROW:schema")
            .filter_map(|pair| Some((pair.key.to_string(), pair.value?.to_string())))
            .collect();
        let frame = reader.finish()?;
        Ok((from_frame(&frame)?, metadata))
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

fn from_frame(frame: &pl::DataFrame) -> Result<Table> {
    let mut table = Table::new();
    for column in frame.columns() {
        let series = column.as_materialized_series();
        let data = if let Ok(values) = series.str() {
            ColumnData::Text(values.iter().map(|value| value.map(str::to_owned)).collect())
        } else if let Ok(values) = series.i64() {
            ColumnData::Integer(values.iter().collect())
        } else if let Ok(values) = series.f64() {
            ColumnData::Float(values.iter().collect())
        } else if let Ok(values) = series.bool() {
            ColumnData::Boolean(values.iter().collect())
        } else {
            return Err(anyhow!("column {:?} has type {}", column.name(), column.dtype()));
        };
        table.push(column.name().to_string(), data);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new();
        table.push("word", ColumnData::Text(vec![Some("a".to_owned()), None, Some("c".to_owned())]));
        table.push("count", ColumnData::Integer(vec![Some(1), Some(-2), None]));
        table.push("ratio", ColumnData::Float(vec![None, Some(0.1), Some(f64::MAX)]));
        table.push("yes", ColumnData::Boolean(vec![Some(true), None, Some(false)]));
        table
    }

    fn metadata() -> Metadata {
        Metadata::from([("experiment".to_owned(), "load".to_owned())])
    }

    #[test]
    fn what_is_written_is_read_back_and_the_bytes_are_the_same_twice() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a.parquet"), folder.path().join("b.parquet"));
        write_table(&first, &table(), &metadata()).unwrap();
        write_table(&second, &table(), &metadata()).unwrap();
        assert_eq!(read_table(&first).unwrap(), (table(), metadata()));
        assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    }

    /// No view type, which much of Arrow cannot compare.
    #[test]
    fn words_are_plain_strings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write_table(&path, &table(), &metadata()).unwrap();
        let mut reader = pl::ParquetReader::new(File::open(path).unwrap());
        let pairs = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
        let schemas: Vec<_> = pairs.into_iter().filter(|pair| pair.key == "ARROW:schema").collect();
        let written = arrow_schema(&to_frame(&table()).unwrap());
        assert_eq!(schemas, [schema_to_metadata_key(&written)]);
        assert_eq!(written.get("word").unwrap().dtype, pl::ArrowDataType::Utf8);
    }

    #[test]
    fn merged_tables_follow_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("merged.parquet");
        merge_tables(&path, [Ok(table()), Ok(table())], &metadata()).unwrap();
        assert_eq!(read_table(&path).unwrap().0, table().stacked(table()).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_io_error_of_that_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.parquet");
        std::os::unix::fs::symlink("/dev/full", folder.path().join("full.parquet.tmp")).unwrap();
        let error = write_table(&path, &table(), &metadata()).unwrap_err();
        let kind = error.chain().find_map(|one| one.downcast_ref::<io::Error>()).map(io::Error::kind);
        assert_eq!(kind, Some(io::ErrorKind::StorageFull), "{error:#}");
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("a.parquet");
        let error = write_table(&path, &table(), &metadata()).unwrap_err();
        assert!(
            error.downcast_ref::<std::io::Error>().is_some() || error.chain().any(|one| one.is::<std::io::Error>())
        );
        let mut other = Table::new();
        for column in table().columns() {
            other.push(format!("{} too", column.name), column.data.clone());
        }
        let mixed = folder.path().join("mixed.parquet");
        let error = merge_tables(&mixed, [Ok(table()), Ok(other)], &metadata()).unwrap_err();
        assert!(format!("{error:#}").contains("other columns"), "{error:#}");
        let broken = folder.path().join("broken.parquet");
        assert!(merge_tables(&broken, [Ok(table()), Err(anyhow!("lost"))], &metadata()).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
