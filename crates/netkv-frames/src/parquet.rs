//! Tables as parquet: zstd, full statistics, one row group per 100,000 rows, safe on disk when the function returns. The
//! file is written in place: whoever may not leave a part of one gives the path of a temporary file.
//!
//! The bytes depend on the table and its metadata alone: columns are put together in one piece first, because
//! parquet's bytes depend on how a column is split up.
//!
//! Words are plain strings to every reader. Polars' writer would declare them as views in the Arrow schema that it
//! embeds, and views are what much of Arrow cannot compare, sort, join or write as CSV; so that schema is made here, with
//! unit and meaning of each column in the metadata of its field.

use crate::checked::{read_checked, read_with_sum};
use crate::frame::{from_frame, to_frame};
use crate::schema::{TableKind, column_doc};
use crate::table::Table;
use anyhow::{Context, Result, anyhow, ensure};
use polars::prelude as pl;
use polars_io::SerReader;
use polars_io::parquet::write::{BatchedWriter, KeyValueMetadata};
use polars_parquet::write::schema_to_metadata_key;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a row group.
const ROW_GROUP: usize = 100_000;
/// Compression level of zstd.
const ZSTD_LEVEL: i32 = 3;

/// What Arrow calls its own words.
const ARROW_SCHEMA: &str = "ARROW:schema";

/// Words that a file carries about itself: experiment, trace, epoch and so on; no time, host or path.
pub type Metadata = BTreeMap<String, String>;

/// Writes a table of a kind, which says what its columns mean.
///
/// # Errors
/// If the file cannot be written; nothing is left behind then. An [`std::io::Error`] stays in the chain.
pub fn write_table(path: &Path, kind: TableKind, table: &Table, metadata: &Metadata) -> Result<()> {
    merge_tables(path, kind, std::iter::once(Ok(table.clone())), metadata)
}

/// Writes several tables of the same columns one after another, holding one at a time.
///
/// # Errors
/// As [`write_table`]; if a table cannot be had or has other columns; if there is no table.
pub fn merge_tables(
    path: &Path,
    kind: TableKind,
    tables: impl IntoIterator<Item = Result<Table>>,
    metadata: &Metadata,
) -> Result<()> {
    let written = write_all(path, kind, tables, metadata).with_context(|| format!("cannot write {}", path.display()));
    if written.is_err() {
        // Whatever is there is of no use; that it cannot be removed either changes nothing.
        let _ = std::fs::remove_file(path);
    }
    written
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

fn write_all(
    path: &Path,
    kind: TableKind,
    tables: impl IntoIterator<Item = Result<Table>>,
    metadata: &Metadata,
) -> Result<()> {
    let target = Target::create(path)?;
    let mut started: Option<(BatchedWriter<Target>, pl::SchemaRef)> = None;
    for table in tables {
        let mut frame = to_frame(&table?)?;
        frame.rechunk_mut();
        if started.is_none() {
            started = Some((new_writer(&target, kind, &frame, metadata)?, frame.schema().clone()));
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

fn new_writer(
    target: &Target,
    kind: TableKind,
    frame: &pl::DataFrame,
    metadata: &Metadata,
) -> Result<BatchedWriter<Target>> {
    let level = polars::polars_utils::compression::ZstdLevel::try_new(ZSTD_LEVEL)?;
    let pairs = pairs(kind, frame, metadata);
    let writer = pl::ParquetWriter::new(target.clone())
        .with_compression(pl::ParquetCompression::Zstd(Some(level)))
        .with_statistics(pl::StatisticsOptions::full())
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(pairs)))
        .set_parallel(false);
    writer.batched(frame.schema()).map_err(|error| target.cause(error))
}

/// The words that the file of a table carries.
fn pairs(kind: TableKind, frame: &pl::DataFrame, metadata: &Metadata) -> Vec<(String, String)> {
    let arrow = schema_to_metadata_key(&arrow_schema(kind, frame, metadata));
    let arrow = arrow.value.map(|value| (arrow.key, value));
    arrow.into_iter().chain(metadata.iter().map(|(key, value)| (key.clone(), value.clone()))).collect()
}

/// What readers are told of the columns: polars' own types, but plain strings; unit and meaning. Arrow takes the words
/// about the file from here too, and overlooks those beside it, which other readers see.
fn arrow_schema(kind: TableKind, frame: &pl::DataFrame, metadata: &Metadata) -> pl::ArrowSchema {
    let field = |(name, dtype): (&pl::PlSmallStr, &pl::DataType)| {
        let own = dtype.to_arrow(pl::CompatLevel::newest());
        let shown = if own == pl::ArrowDataType::Utf8View { pl::ArrowDataType::Utf8 } else { own };
        let doc = column_doc(kind, name);
        let about = [("unit", doc.unit), ("meaning", &doc.meaning)];
        let about = about.map(|(key, value)| (pl::PlSmallStr::from_static(key), pl::PlSmallStr::from_str(value)));
        (name.clone(), pl::ArrowField::new(name.clone(), shown, true).with_metadata(about.into()))
    };
    let mut schema: pl::ArrowSchema = frame.schema().iter().map(field).collect();
    let words = metadata.iter().map(|(key, value)| (pl::PlSmallStr::from_str(key), pl::PlSmallStr::from_str(value)));
    *schema.metadata_mut() = words.collect();
    schema
}

/// Reads a table and its metadata.
///
/// # Errors
/// If the file is not there, is not what the manifest beside it describes, is no parquet file, or has a column of a type
/// that this project does not write.
pub fn read_table(path: &Path) -> Result<(Table, Metadata)> {
    read_written(path).map(|written| written.into_parts())
}

/// A table as a file has it.
#[derive(Debug)]
pub struct Written {
    /// The table.
    pub table: Table,
    /// The words that the file carries, with those of Arrow.
    pairs: Metadata,
    /// The SHA-256 of the file, if a manifest has it.
    sum: Option<String>,
}

impl Written {
    /// What the file says about itself under a key.
    pub fn says(&self, key: &str) -> Option<&str> {
        self.pairs.get(key).map(String::as_str)
    }

    /// The SHA-256 of the file, in hexadecimal, if a manifest has it and to write the table of this kind and metadata would say
    /// the same again, to the bit: it need not be written. Whether another version would compress it otherwise is not asked.
    ///
    /// # Errors
    /// If the table is none that can be written.
    pub fn sum_if_of(&self, kind: TableKind, table: &Table, metadata: &Metadata) -> Result<Option<&str>> {
        let Some(sum) = self.sum.as_deref().filter(|_| self.table.is_same(table)) else { return Ok(None) };
        let pairs: Metadata = pairs(kind, &to_frame(&table.without_rows())?, metadata).into_iter().collect();
        Ok((self.pairs == pairs).then_some(sum))
    }

    fn into_parts(mut self) -> (Table, Metadata) {
        self.pairs.remove(ARROW_SCHEMA);
        (self.table, self.pairs)
    }
}

/// Reads a table with what tells whether it need be written again.
///
/// # Errors
/// As [`read_table`].
pub fn read_written(path: &Path) -> Result<Written> {
    let read = || -> Result<Written> {
        let (bytes, sum) = read_with_sum(path)?;
        let (table, pairs) = parts_of(bytes)?;
        Ok(Written { table, pairs, sum })
    };
    read().with_context(|| format!("cannot read {}", path.display()))
}

/// The table and its metadata that a file of these bytes holds.
///
/// # Errors
/// If it is no parquet file, or has a column of a type that this project does not write.
pub fn table_of(bytes: Vec<u8>) -> Result<(Table, Metadata)> {
    let (table, pairs) = parts_of(bytes)?;
    Ok(Written { table, pairs, sum: None }.into_parts())
}

fn parts_of(bytes: Vec<u8>) -> Result<(Table, Metadata)> {
    let mut reader = pl::ParquetReader::new(Cursor::new(bytes));
    let pairs = reader.get_metadata()?.key_value_metadata().clone().unwrap_or_default();
    let pairs = pairs.into_iter().filter_map(|pair| Some((pair.key.to_string(), pair.value?.to_string()))).collect();
    let frame = reader.finish()?;
    Ok((from_frame(&frame)?, pairs))
}

/// Reads some columns of a table.
///
/// # Errors
/// As [`read_table`]; if there is no such column.
pub fn read_columns(path: &Path, names: &[&str]) -> Result<Table> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let read = || -> Result<Table> {
        let bytes = Cursor::new(read_checked(path)?);
        let frame = pl::ParquetReader::new(bytes).with_columns(Some(names.clone())).finish()?;
        from_frame(&frame)
    };
    read().with_context(|| format!("cannot read {} of {}", names.join(", "), path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::ColumnData;

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
        write_table(&first, TableKind::Cells, &table(), &metadata()).unwrap();
        write_table(&second, TableKind::Cells, &table(), &metadata()).unwrap();
        let some = read_columns(&first, &["word", "yes"]).unwrap();
        assert_eq!((some.n_rows(), some.columns().len(), some.has("yes")), (3, 2, true));
        assert!(read_columns(&first, &["wrd"]).is_err());
        assert_eq!(read_table(&first).unwrap(), (table(), metadata()));
        assert_eq!(std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    }

    /// What Arrow reads: no view type, which much of it cannot compare, and a unit and a meaning for every column.
    #[test]
    fn words_are_plain_strings_and_columns_say_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let mut table = table();
        table.push("ttft_mean_ns", ColumnData::Integer(vec![Some(1); 3]));
        write_table(&path, TableKind::Cells, &table, &metadata()).unwrap();
        let mut reader = pl::ParquetReader::new(File::open(path).unwrap());
        let pairs = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
        let schemas: Vec<_> = pairs.into_iter().filter(|pair| pair.key == "ARROW:schema").collect();
        let written = arrow_schema(TableKind::Cells, &to_frame(&table).unwrap(), &metadata());
        assert_eq!(schemas, [schema_to_metadata_key(&written)]);
        assert_eq!(written.get("word").unwrap().dtype, pl::ArrowDataType::Utf8);
        let about = |name: &str, key: &str| {
            let field = written.get(name).unwrap();
            field.metadata.as_ref().unwrap().get(key).unwrap().to_string()
        };
        assert_eq!((about("ttft_mean_ns", "unit"), about("word", "unit")), ("ns".to_owned(), "-".to_owned()));
        assert_eq!(about("ttft_mean_ns", "meaning"), "time to first token, mean");
        assert_eq!(about("count", "meaning"), "the cell's value of count");
    }

    #[test]
    fn a_table_need_not_be_written_only_if_its_file_would_say_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let (kind, table, metadata) = (TableKind::Cells, table(), metadata());
        write_table(&path, kind, &table, &metadata).unwrap();
        let is = |kind, table: &Table, metadata: &Metadata| {
            let sum = netkv_units::sha256_hex(&std::fs::read(&path).unwrap());
            let written = read_written(&path).unwrap();
            let found = written.sum_if_of(kind, table, metadata).unwrap().map(str::to_owned);
            assert!(found.is_none() || found == Some(sum));
            found.is_some()
        };
        assert!(!is(kind, &table, &metadata), "no manifest has it");
        let sum = netkv_units::sha256_hex(&std::fs::read(&path).unwrap());
        std::fs::write(folder.path().join("manifest.toml"), format!("[sha256]\n\"a.parquet\" = \"{sum}\"\n")).unwrap();
        assert!(is(kind, &table, &metadata));
        let other = |at: usize, data: ColumnData| {
            let mut other = Table::new();
            for (index, column) in table.columns().iter().enumerate() {
                other.push(column.name.clone(), if index == at { data.clone() } else { column.data.clone() });
            }
            other
        };
        assert!(!is(kind, &other(1, ColumnData::Integer(vec![Some(1), Some(-2), Some(0)])), &metadata));
        assert!(!is(kind, &other(2, ColumnData::Float(vec![None, Some(0.1), None])), &metadata));
        assert!(!is(kind, &other(3, ColumnData::Text(vec![None; 3])), &metadata));
        let mut more = table.clone();
        more.push("more", ColumnData::Integer(vec![None; 3]));
        assert!(!is(kind, &more, &metadata));
        assert!(!is(kind, &table, &Metadata::new()));
        let mut renamed = Table::new();
        table.columns().iter().for_each(|column| renamed.push(format!("{}_s", column.name), column.data.clone()));
        assert!(!is(kind, &renamed, &metadata));
        // The same values, but a column of this name means something there.
        let mut cell = Table::new();
        cell.push("cell", ColumnData::Integer(vec![Some(1)]));
        write_table(&path, kind, &cell, &metadata).unwrap();
        let sum = netkv_units::sha256_hex(&std::fs::read(&path).unwrap());
        std::fs::write(folder.path().join("manifest.toml"), format!("[sha256]\n\"a.parquet\" = \"{sum}\"\n")).unwrap();
        assert!(is(kind, &cell, &metadata) && !is(TableKind::Summary, &cell, &metadata));
    }

    #[test]
    fn merged_tables_follow_one_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("merged.parquet");
        merge_tables(&path, TableKind::Cells, [Ok(table()), Ok(table())], &metadata()).unwrap();
        assert_eq!(read_table(&path).unwrap().0, table().stacked(table()).unwrap());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_io_error_of_that_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.parquet");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let error = write_table(&path, TableKind::Cells, &table(), &metadata()).unwrap_err();
        let kind = error.chain().find_map(|one| one.downcast_ref::<io::Error>()).map(io::Error::kind);
        assert_eq!(kind, Some(io::ErrorKind::StorageFull), "{error:#}");
    }

    #[test]
    fn a_failed_write_leaves_nothing_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nowhere").join("a.parquet");
        let error = write_table(&path, TableKind::Cells, &table(), &metadata()).unwrap_err();
        assert!(
            error.downcast_ref::<std::io::Error>().is_some() || error.chain().any(|one| one.is::<std::io::Error>())
        );
        let mut other = Table::new();
        for column in table().columns() {
            other.push(format!("{} too", column.name), column.data.clone());
        }
        let mixed = folder.path().join("mixed.parquet");
        let error = merge_tables(&mixed, TableKind::Cells, [Ok(table()), Ok(other)], &metadata()).unwrap_err();
        assert!(format!("{error:#}").contains("other columns"), "{error:#}");
        let broken = folder.path().join("broken.parquet");
        assert!(merge_tables(&broken, TableKind::Cells, [Ok(table()), Err(anyhow!("lost"))], &metadata()).is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
