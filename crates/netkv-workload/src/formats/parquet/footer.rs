//! The footer of a parquet file: its columns, and where their chunks are.
//!
//! Source: apache/parquet-format, src/main/thrift/parquet.thrift and README.md; numbers of fields and of values are those there.

use super::thrift::{Fault, Kind, Reader};

/// What a parquet file begins and ends with.
pub(super) const MAGIC: &[u8] = b"PAR1";

/// What one ends with whose footer is encrypted.
const ENCRYPTED: &[u8] = b"PARE";

/// Rows that a byte of a file may stand for. Chosen by us: runs of one value take no room, so that small files can be made to
/// have any number of rows. Those that pyarrow writes have below 200, even of constants alone.
const ROWS_PER_BYTE: u64 = 1_000;

/// How a value is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    Int32,
    Int64,
    Int96,
    Float,
    Double,
    ByteArray,
}

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Whole numbers.
    Int { is_unsigned: bool },
    /// Numbers with fractions.
    Float,
    /// Texts.
    Text,
    /// Points in time, in units of so many nanoseconds since 1970; of another epoch in `Int96`.
    Stamp(i64),
    /// Days since 1970.
    Day,
}

/// How a column's values are stored, and what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Values {
    pub physical: Physical,
    pub meaning: Meaning,
    /// Whether there may be none in a row.
    pub is_optional: bool,
}

/// A column, or a group of columns.
pub(super) struct Column {
    pub name: String,
    /// Its place among the columns of all groups.
    pub leaf: usize,
    /// Its values; what it is in words if it can be no column of a trace.
    pub values: Result<Values, String>,
}

/// Where the values of a column in a row group are.
#[derive(Clone, Copy, Default)]
pub(super) struct Chunk {
    pub start: usize,
    pub length: usize,
    pub codec: i64,
    is_elsewhere: bool,
    is_encrypted: bool,
}

/// Rows whose values lie together.
pub(super) struct Group {
    pub n_rows: usize,
    chunks: Vec<Chunk>,
}

/// What the footer says.
pub(super) struct Footer {
    pub columns: Vec<Column>,
    pub groups: Vec<Group>,
}

impl Footer {
    /// Reads it from the end of a file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Fault> {
        let ends = "it does not end as a parquet file does: it is cut short, or still being written";
        let (rest, magic) = bytes.split_last_chunk::<4>().ok_or(ends)?;
        if magic == ENCRYPTED {
            return Err("it is encrypted".to_owned());
        }
        let (rest, length) = rest.split_last_chunk::<4>().filter(|_| magic == MAGIC).ok_or(ends)?;
        let length = u32::from_le_bytes(*length) as usize;
        let start = rest.len().checked_sub(length).ok_or("its footer is longer than the file")?;
        let (elements, n_rows, groups) = metadata(&rest[start..])?;
        let counted = groups.iter().try_fold(0_u64, |sum, group| sum.checked_add(group.n_rows as u64));
        if counted != Some(n_rows) {
            return Err(format!("its footer says {n_rows} rows, and other numbers of its row groups"));
        }
        if n_rows > (bytes.len() as u64).saturating_mul(ROWS_PER_BYTE) {
            return Err(format!("{n_rows} rows in {} bytes are not believed", bytes.len()));
        }
        Ok(Self { columns: columns(&elements)?, groups })
    }
}

impl Group {
    /// The bytes of a column, and how they are compressed.
    pub(super) fn chunk<'a>(&self, leaf: usize, bytes: &'a [u8]) -> Result<(&'a [u8], i64), Fault> {
        let chunk = self.chunks.get(leaf).ok_or("a row group lacks the column")?;
        if chunk.is_encrypted {
            return Err("the column is encrypted".to_owned());
        }
        if chunk.is_elsewhere {
            return Err("the column's values are in another file".to_owned());
        }
        let end = chunk.start.checked_add(chunk.length);
        let place = end.and_then(|end| bytes.get(chunk.start..end));
        Ok((place.ok_or("the column's values are beyond the end of the file")?, chunk.codec))
    }
}

/// What the footer says of a column, a group of columns, or the whole.
#[derive(Default)]
struct Element {
    physical: Option<i64>,
    /// 0 if there is one in every row, 1 if there may be none, 2 if there may be many.
    repetition: i64,
    name: String,
    n_children: usize,
    converted: Option<i64>,
    logical: Option<Logical>,
}

/// What newer writers say that values mean.
#[derive(Clone, Copy)]
enum Logical {
    Text,
    Date,
    Stamp(Option<i64>),
    Int { is_signed: bool },
    Other(u64),
}

fn metadata(bytes: &[u8]) -> Result<(Vec<Element>, u64, Vec<Group>), Fault> {
    let (mut elements, mut n_rows, mut groups) = (Vec::new(), 0, Vec::new());
    let mut is_encrypted = false;
    Reader::new(bytes).top(|reader, number, kind| {
        match number {
            2 => elements = reader.each(kind, element)?,
            3 => n_rows = reader.size(kind)? as u64,
            4 => groups = reader.each(kind, group)?,
            8 => {
                is_encrypted = true;
                reader.skip(kind)?;
            }
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    if is_encrypted {
        return Err("it is encrypted".to_owned());
    }
    Ok((elements, n_rows, groups))
}

fn element(reader: &mut Reader<'_>, kind: Kind) -> Result<Element, Fault> {
    let mut element = Element::default();
    reader.fields(kind, |reader, number, kind| {
        match number {
            1 => element.physical = Some(reader.int(kind)?),
            3 => element.repetition = reader.int(kind)?,
            4 => element.name = String::from_utf8_lossy(reader.binary(kind)?).into_owned(),
            5 => element.n_children = reader.size(kind)?,
            6 => element.converted = Some(reader.int(kind)?),
            10 => reader.fields(kind, |reader, number, kind| {
                element.logical = Some(logical(reader, number, kind)?);
                Ok(())
            })?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(element)
}

fn logical(reader: &mut Reader<'_>, number: u64, kind: Kind) -> Result<Logical, Fault> {
    let mut unit_ns = None;
    let mut is_signed = true;
    reader.fields(kind, |reader, field, kind| match (number, field) {
        (8, 2) => reader.fields(kind, |reader, unit, kind| {
            unit_ns = [1_000_000, 1_000, 1].get((unit as usize).wrapping_sub(1)).copied();
            reader.skip(kind)
        }),
        (10, 2) => {
            is_signed = reader.flag(kind)?;
            Ok(())
        }
        _ => reader.skip(kind),
    })?;
    Ok(match number {
        // Text, the name of a variant, JSON.
        1 | 4 | 12 => Logical::Text,
        6 => Logical::Date,
        8 => Logical::Stamp(unit_ns),
        10 => Logical::Int { is_signed },
        _ => Logical::Other(number),
    })
}

fn group(reader: &mut Reader<'_>, kind: Kind) -> Result<Group, Fault> {
    let mut group = Group { n_rows: 0, chunks: Vec::new() };
    reader.fields(kind, |reader, number, kind| {
        match number {
            1 => group.chunks = reader.each(kind, chunk)?,
            3 => group.n_rows = reader.size(kind)?,
            _ => reader.skip(kind)?,
        }
        Ok(())
    })?;
    Ok(group)
}

fn chunk(reader: &mut Reader<'_>, kind: Kind) -> Result<Chunk, Fault> {
    let mut chunk = Chunk::default();
    let mut dictionary = None;
    reader.fields(kind, |reader, number, kind| match number {
        1 => {
            chunk.is_elsewhere = true;
            reader.skip(kind)
        }
        3 => reader.fields(kind, |reader, number, kind| {
            match number {
                4 => chunk.codec = reader.int(kind)?,
                7 => chunk.length = reader.size(kind)?,
                9 => chunk.start = reader.size(kind)?,
                11 => dictionary = Some(reader.size(kind)?),
                _ => reader.skip(kind)?,
            }
            Ok(())
        }),
        8 | 9 => {
            chunk.is_encrypted = true;
            reader.skip(kind)
        }
        _ => reader.skip(kind),
    })?;
    // Some writers say 0 where there is none.
    chunk.start = dictionary.filter(|start| (1..chunk.start).contains(start)).unwrap_or(chunk.start);
    Ok(chunk)
}

/// The columns that lie in no group, and the groups, from all that the footer lists depth first.
fn columns(elements: &[Element]) -> Result<Vec<Column>, Fault> {
    let (root, elements) = elements.split_first().ok_or("its footer lists no columns")?;
    let mut columns = Vec::new();
    // Of each group that is open: how many of its members are still to come.
    let mut open = vec![root.n_children];
    let mut leaf = 0;
    for element in elements {
        while open.last() == Some(&0) {
            open.pop();
        }
        let depth = open.len();
        *open.last_mut().ok_or("its footer lists more columns than it says")? -= 1;
        if depth == 1 {
            columns.push(Column { name: element.name.clone(), leaf, values: values(element) });
        }
        match element.n_children {
            0 => leaf += 1,
            n_children => open.push(n_children),
        }
    }
    Ok(columns)
}

/// How the values of a column are to be read; what they are, in words, if they are nothing that a trace has.
fn values(element: &Element) -> Result<Values, String> {
    if element.repetition == 2 || matches!(element.converted, Some(1..=3)) {
        return Err("lists".to_owned());
    }
    if element.n_children > 0 {
        return Err("structures".to_owned());
    }
    if matches!(element.logical, Some(Logical::Other(5))) || element.converted == Some(5) {
        return Err("decimals".to_owned());
    }
    let physical = match element.physical {
        Some(0) => return Err("true and false".to_owned()),
        Some(1) => Physical::Int32,
        Some(2) => Physical::Int64,
        Some(3) => Physical::Int96,
        Some(4) => Physical::Float,
        Some(5) => Physical::Double,
        Some(6) => Physical::ByteArray,
        Some(7) => return Err("bytes of one length".to_owned()),
        Some(_) | None => return Err("an unknown type".to_owned()),
    };
    let meaning = meaning(physical, element)?;
    Ok(Values { physical, meaning, is_optional: element.repetition == 1 })
}

fn meaning(physical: Physical, element: &Element) -> Result<Meaning, String> {
    let int = Meaning::Int { is_unsigned: false };
    let stored = match physical {
        Physical::Int32 | Physical::Int64 => int,
        Physical::Int96 => Meaning::Stamp(1),
        Physical::Float | Physical::Double => Meaning::Float,
        Physical::ByteArray => Meaning::Text,
    };
    let said = match (element.logical, element.converted) {
        (Some(Logical::Text), _) | (None, Some(0 | 4 | 19)) => Meaning::Text,
        (Some(Logical::Date), _) | (None, Some(6)) => Meaning::Day,
        (Some(Logical::Stamp(unit_ns)), _) => Meaning::Stamp(unit_ns.ok_or("timestamps of an unknown unit")?),
        (None, Some(9)) => Meaning::Stamp(1_000_000),
        (None, Some(10)) => Meaning::Stamp(1_000),
        (Some(Logical::Int { is_signed }), _) => Meaning::Int { is_unsigned: !is_signed },
        (None, Some(11..=14)) => Meaning::Int { is_unsigned: true },
        (None, Some(15..=18)) => int,
        (None, None) => stored,
        (Some(Logical::Other(7)), _) | (None, Some(7 | 8)) => return Err("times of a day".to_owned()),
        (Some(Logical::Other(_)), _) | (None, Some(_)) => return Err("neither numbers, dates nor texts".to_owned()),
    };
    let is_stored_so = match said {
        Meaning::Int { .. } => stored == int,
        Meaning::Float | Meaning::Text => stored == said,
        Meaning::Stamp(_) => physical == Physical::Int64 || stored == said,
        Meaning::Day => physical == Physical::Int32,
    };
    if is_stored_so { Ok(said) } else { Err("stored as something else than they are".to_owned()) }
}
