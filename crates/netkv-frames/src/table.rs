//! A table: named columns of equal length, each of one type, with missing values.

use anyhow::{Result, anyhow, ensure};

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// Words.
    Text(Vec<Option<String>>),
    /// Counts, sizes in bytes, times in nanoseconds.
    Integer(Vec<Option<i64>>),
    /// Ratios, rates and statistics.
    Float(Vec<Option<f64>>),
    /// Yes or no.
    Boolean(Vec<Option<bool>>),
}

impl ColumnData {
    /// Number of values.
    pub const fn len(&self) -> usize {
        match self {
            Self::Text(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Float(values) => values.len(),
            Self::Boolean(values) => values.len(),
        }
    }

    /// Whether there is no value.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ColumnData {
    /// A column of `n` times the first value.
    ///
    /// # Panics
    /// If there is no first value.
    pub(crate) fn repeated(&self, n: usize) -> Self {
        match self {
            Self::Text(values) => Self::Text(vec![values[0].clone(); n]),
            Self::Integer(values) => Self::Integer(vec![values[0]; n]),
            Self::Float(values) => Self::Float(vec![values[0]; n]),
            Self::Boolean(values) => Self::Boolean(vec![values[0]; n]),
        }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name; a bare number carries its unit, last.
    pub name: String,
    /// Its values.
    pub data: ColumnData,
}

/// A table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
}

impl Table {
    /// A table without columns.
    pub const fn new() -> Self {
        Self { columns: Vec::new() }
    }

    /// Adds a column.
    ///
    /// # Panics
    /// If its length is not that of the others, or its name is taken: the tables are made by this project's code.
    pub fn push(&mut self, name: impl Into<String>, data: ColumnData) {
        let name = name.into();
        assert!(self.columns.is_empty() || data.len() == self.n_rows(), "column {name} has {} rows", data.len());
        assert!(self.column(&name).is_err(), "column {name} stands twice");
        self.columns.push(Column { name, data });
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.data.len())
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether there is a column of that name.
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|column| column.name == name)
    }

    /// The column of that name.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns.iter().find(|column| column.name == name).ok_or_else(|| {
            let names: Vec<_> = self.columns.iter().map(|column| column.name.as_str()).collect();
            anyhow!("there is no column {name:?}; there are {}", names.join(", "))
        })
    }

    /// A column's values as words: numbers as they are printed, missing ones as nothing.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn words(&self, name: &str) -> Result<Vec<String>> {
        fn print<T: ToString>(values: &[Option<T>]) -> Vec<String> {
            values.iter().map(|value| value.as_ref().map_or_else(String::new, ToString::to_string)).collect()
        }
        Ok(match &self.column(name)?.data {
            ColumnData::Text(values) => print(values),
            ColumnData::Integer(values) => print(values),
            ColumnData::Float(values) => print(values),
            ColumnData::Boolean(values) => print(values),
        })
    }

    /// A column's values as numbers.
    ///
    /// # Errors
    /// If there is no such column, or it holds words.
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        match &self.column(name)?.data {
            ColumnData::Integer(values) => Ok(values.iter().map(|value| value.map(|value| value as f64)).collect()),
            ColumnData::Float(values) => Ok(values.clone()),
            ColumnData::Boolean(values) => Ok(values.iter().map(|value| value.map(f64::from)).collect()),
            ColumnData::Text(_) => Err(anyhow!("column {name:?} holds words, not numbers")),
        }
    }

    /// Whether it is the other one in columns and values, floats to the bit.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let bits = |values: &[Option<f64>]| values.iter().map(|value| value.map(f64::to_bits)).collect::<Vec<_>>();
        let same = |(one, two): (&Column, &Column)| {
            one.name == two.name
                && match (&one.data, &two.data) {
                    (ColumnData::Float(one), ColumnData::Float(two)) => bits(one) == bits(two),
                    (one, two) => one == two,
                }
        };
        self.columns.len() == other.columns.len() && self.columns.iter().zip(&other.columns).all(same)
    }

    /// Its columns without any row.
    pub(crate) fn without_rows(&self) -> Self {
        let empty = |data: &ColumnData| match data {
            ColumnData::Text(_) => ColumnData::Text(Vec::new()),
            ColumnData::Integer(_) => ColumnData::Integer(Vec::new()),
            ColumnData::Float(_) => ColumnData::Float(Vec::new()),
            ColumnData::Boolean(_) => ColumnData::Boolean(Vec::new()),
        };
        let columns = self.columns.iter().map(|column| Column { name: column.name.clone(), data: empty(&column.data) });
        Self { columns: columns.collect() }
    }

    /// The rows of `self` with those of `other` after them.
    ///
    /// # Errors
    /// If their columns differ in name or type.
    pub fn stacked(mut self, other: Self) -> Result<Self> {
        ensure!(self.columns.len() == other.columns.len(), "the tables have different columns");
        for (own, theirs) in self.columns.iter_mut().zip(other.columns) {
            ensure!(own.name == theirs.name, "column {:?} against {:?}", own.name, theirs.name);
            match (&mut own.data, theirs.data) {
                (ColumnData::Text(own), ColumnData::Text(theirs)) => own.extend(theirs),
                (ColumnData::Integer(own), ColumnData::Integer(theirs)) => own.extend(theirs),
                (ColumnData::Float(own), ColumnData::Float(theirs)) => own.extend(theirs),
                (ColumnData::Boolean(own), ColumnData::Boolean(theirs)) => own.extend(theirs),
                _ => return Err(anyhow!("column {:?} has two types", own.name)),
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_column_is_named_with_those_there_are() {
        let mut table = Table::new();
        table.push("a", ColumnData::Integer(vec![Some(1), None]));
        let error = table.column("b").expect_err("there is no b").to_string();
        assert_eq!(error, "there is no column \"b\"; there are a");
        assert_eq!(table.words("a").unwrap(), ["1", ""]);
        assert_eq!(table.numbers("a").unwrap(), [Some(1.0), None]);
    }

    #[test]
    fn floats_are_the_same_by_their_bits() {
        let table = |value: f64| {
            let mut table = Table::new();
            table.push("a", ColumnData::Float(vec![Some(value), None]));
            table
        };
        assert!(table(0.0) == table(-0.0) && !table(0.0).is_same(&table(-0.0)));
        assert!(table(f64::NAN) != table(f64::NAN) && table(f64::NAN).is_same(&table(f64::NAN)));
        assert_eq!((table(1.0).without_rows().n_rows(), table(1.0).without_rows().has("a")), (0, true));
    }
}
