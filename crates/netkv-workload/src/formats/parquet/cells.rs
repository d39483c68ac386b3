//! The values of a column in a row group.

use ::parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use ::parquet::data_type::{ByteArray, DataType};
use ::parquet::errors::ParquetError;
use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use bytes::Bytes;

/// What the crate says, in one line. A compression that this build leaves out is told as what it is.
pub(super) fn said(error: &ParquetError) -> String {
    let words = error.to_string().replace('\n', " ");
    match words.split_once("Disabled feature at compile time: ") {
        Some((_, codec)) => format!("compressed with {codec}, which is not read (snappy, gzip, zstd and none are)"),
        None => words,
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Null,
    Int(i64),
    Single(f32),
    Double(f64),
    Text(ByteArray),
}

/// One for each row of the group; whole numbers without a sign are as many bits with one.
pub(super) fn cells(
    file: &SerializedFileReader<Bytes>,
    group: usize,
    leaf: usize,
    is_unsigned: bool,
) -> Result<Vec<Cell>, String> {
    let group = file.get_row_group(group).map_err(|error| said(&error))?;
    let n_rows = usize::try_from(group.metadata().num_rows()).map_err(|_| "a negative number of rows".to_owned())?;
    if leaf >= group.num_columns() {
        return Err("a row group lacks the column".to_owned());
    }
    let levels = group.metadata().column(leaf).column_descr().max_def_level();
    match group.get_column_reader(leaf).map_err(|error| said(&error))? {
        ColumnReader::Int32ColumnReader(reader) if is_unsigned => {
            read(reader, n_rows, levels, |value| Cell::Int(i64::from(value as u32)))
        }
        ColumnReader::Int32ColumnReader(reader) => read(reader, n_rows, levels, |value| Cell::Int(i64::from(value))),
        ColumnReader::Int64ColumnReader(reader) => read(reader, n_rows, levels, Cell::Int),
        ColumnReader::Int96ColumnReader(reader) => read(reader, n_rows, levels, |value| Cell::Int(value.to_nanos())),
        ColumnReader::FloatColumnReader(reader) => read(reader, n_rows, levels, Cell::Single),
        ColumnReader::DoubleColumnReader(reader) => read(reader, n_rows, levels, Cell::Double),
        ColumnReader::ByteArrayColumnReader(reader) => read(reader, n_rows, levels, Cell::Text),
        ColumnReader::BoolColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
            unreachable!("its meaning was refused")
        }
    }
}

/// The values, and where there is none; `present` is the level of a value that is there.
fn read<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    n_rows: usize,
    present: i16,
    cell: impl Fn(T::T) -> Cell,
) -> Result<Vec<Cell>, String> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let n_read = reader.read_records(n_rows, Some(&mut levels), None, &mut values).map_err(|error| said(&error))?.0;
    if n_read != n_rows {
        return Err(format!("it has {n_read} values of {n_rows} rows"));
    }
    let mut values = values.into_iter().map(cell);
    if present == 0 {
        return Ok(values.collect());
    }
    levels
        .into_iter()
        .map(|level| if level == present { values.next().ok_or_else(lacks) } else { Ok(Cell::Null) })
        .collect()
}

fn lacks() -> String {
    "it has fewer values than it says".to_owned()
}
