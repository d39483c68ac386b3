//! Values of axes, as result tables show them.

use crate::tree::{Content, Node};
use std::cmp::Ordering;
use std::fmt;

/// One value of an axis, as result tables show it.
#[derive(Clone, Debug)]
pub enum AxisValue {
    /// A string, the stem of a file, or a list on one line.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// True or false.
    Flag(bool),
}

impl fmt::Display for AxisValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => formatter.write_str(text),
            Self::Integer(value) => write!(formatter, "{value}"),
            Self::Float(value) => write!(formatter, "{value:?}"),
            Self::Flag(value) => write!(formatter, "{value}"),
        }
    }
}

impl PartialEq for AxisValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Integer(one), Self::Integer(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one.total_cmp(two) == Ordering::Equal,
            (Self::Flag(one), Self::Flag(two)) => one == two,
            (Self::Text(_) | Self::Integer(_) | Self::Float(_) | Self::Flag(_), _) => false,
        }
    }
}

impl Eq for AxisValue {}

impl AxisValue {
    /// The value that a node of the tree is.
    pub(super) fn of(node: &Node) -> Self {
        match &node.content {
            Content::Text(text) => Self::Text(text.clone()),
            Content::Integer(value) => Self::Integer(*value),
            Content::Float(value) => Self::Float(*value),
            Content::Flag(value) => Self::Flag(*value),
            list @ (Content::List(_) | Content::Table(_)) => Self::Text(list.canonical()),
        }
    }

    /// Whether it is what somebody else calls `other`: 2 is 2.0, and values of several kinds are texts in one column.
    pub(super) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Integer(one), Self::Float(two)) => (*one as f64).total_cmp(two).is_eq(),
            (Self::Float(one), Self::Integer(two)) => one.total_cmp(&(*two as f64)).is_eq(),
            (Self::Text(one), _) => *one == other.to_string(),
            (Self::Integer(_) | Self::Float(_) | Self::Flag(_), _) => self == other,
        }
    }
}

/// Values of one kind, so that they make a column: all numbers become floats if one is, and a mixture becomes text.
pub(super) fn same_kind(values: Vec<AxisValue>) -> Vec<AxisValue> {
    let kind = |value: &AxisValue| std::mem::discriminant(value);
    if values.iter().all(|value| kind(value) == kind(&values[0])) {
        return values;
    }
    let as_float = |value: &AxisValue| match value {
        AxisValue::Integer(value) => Some(AxisValue::Float(*value as f64)),
        AxisValue::Float(value) => Some(AxisValue::Float(*value)),
        AxisValue::Text(_) | AxisValue::Flag(_) => None,
    };
    let floats: Option<Vec<_>> = values.iter().map(as_float).collect();
    floats.unwrap_or_else(|| values.iter().map(|value| AxisValue::Text(value.to_string())).collect())
}
