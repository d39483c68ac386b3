//! The columns of a parquet file, and what their values mean.

use ::parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use ::parquet::schema::types::{SchemaDescriptor, Type};

/// What a value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Whole numbers.
    Int { is_unsigned: bool },
    /// Numbers with fractions.
    Float,
    /// Texts.
    Text,
    /// Points in time, in units of so many nanoseconds since 1970.
    Stamp(i64),
    /// Days since 1970.
    Day,
}

/// A column, or a group of columns.
pub(super) struct Column {
    pub name: String,
    /// Its place among the columns of all groups.
    pub leaf: usize,
    /// Its values; what it is in words if it can be no column of a trace.
    pub meaning: Result<Meaning, String>,
}

/// The columns of a file, those of a group as one.
pub(super) fn columns(schema: &SchemaDescriptor) -> Vec<Column> {
    let mut leaf = 0;
    let column = |field: &std::sync::Arc<Type>| {
        let found = Column { name: field.name().to_owned(), leaf, meaning: meaning(field) };
        leaf += n_leaves(field);
        found
    };
    schema.root_schema().get_fields().iter().map(column).collect()
}

fn n_leaves(field: &Type) -> usize {
    if field.is_group() { field.get_fields().iter().map(|field| n_leaves(field)).sum() } else { 1 }
}

fn meaning(field: &Type) -> Result<Meaning, String> {
    let info = field.get_basic_info();
    let repeats = info.has_repetition() && info.repetition() == ::parquet::basic::Repetition::REPEATED;
    let is_list = repeats || matches!(info.converted_type(), ConvertedType::LIST | ConvertedType::MAP);
    if is_list || matches!(info.logical_type_ref(), Some(LogicalType::List | LogicalType::Map)) {
        return Err("lists".to_owned());
    }
    if field.is_group() {
        return Err("structures".to_owned());
    }
    let physical = field.get_physical_type();
    match info.logical_type_ref() {
        Some(LogicalType::Timestamp { unit, .. }) => return Ok(Meaning::Stamp(unit_ns(*unit))),
        Some(LogicalType::Date) => return Ok(Meaning::Day),
        Some(LogicalType::Integer { is_signed, .. }) => return Ok(Meaning::Int { is_unsigned: !is_signed }),
        Some(LogicalType::Decimal { .. }) => return Err("decimals".to_owned()),
        Some(LogicalType::Time { .. }) => return Err("times of day".to_owned()),
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => return Ok(Meaning::Text),
        Some(LogicalType::Unknown) => return Err("nothing".to_owned()),
        // An older file says it by the converted type, which is set beside the logical one.
        _ => {}
    }
    match (info.converted_type(), physical) {
        (ConvertedType::TIMESTAMP_MILLIS, _) => Ok(Meaning::Stamp(1_000_000)),
        (ConvertedType::TIMESTAMP_MICROS, _) => Ok(Meaning::Stamp(1_000)),
        (ConvertedType::DATE, _) => Ok(Meaning::Day),
        (ConvertedType::DECIMAL, _) => Err("decimals".to_owned()),
        (ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64, _) => {
            Ok(Meaning::Int { is_unsigned: true })
        }
        (_, Physical::INT32 | Physical::INT64) => Ok(Meaning::Int { is_unsigned: false }),
        (_, Physical::FLOAT | Physical::DOUBLE) => Ok(Meaning::Float),
        (_, Physical::INT96) => Ok(Meaning::Stamp(1)),
        (_, Physical::BYTE_ARRAY) => Ok(Meaning::Text),
        (_, Physical::BOOLEAN) => Err("true and false".to_owned()),
        (_, Physical::FIXED_LEN_BYTE_ARRAY) => Err("bytes".to_owned()),
    }
}

fn unit_ns(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000_000,
        TimeUnit::MICROS => 1_000,
        TimeUnit::NANOS => 1,
    }
}
