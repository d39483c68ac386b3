//! An axis: a key with its values, or a name with its files.

use super::value::AxisValue;
use crate::issue::Origin;
use crate::tree::{Node, Table};

/// A swept key with its values, all of one kind.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The key, which is also the name of its column.
    pub key: String,
    /// Its values, in the order of the file.
    pub values: Vec<AxisValue>,
    pub(super) key_origin: Origin,
    pub(super) zip: Option<String>,
    pub(super) settings: Vec<Setting>,
}

/// What a value of an axis does to the tree.
#[derive(Clone, Debug)]
pub(super) enum Setting {
    /// Replaces the axis's key.
    Value(Node),
    /// Is laid over the tree.
    File(Table),
}

impl Axis {
    /// Whether its values are numbers.
    pub(super) fn is_numeric(&self) -> bool {
        self.values.iter().all(|value| matches!(value, AxisValue::Integer(_) | AxisValue::Float(_)))
    }

    /// The trees that its files lay over the base, by stem; nothing for an axis of values.
    pub(crate) fn files(&self) -> Vec<(String, &Table)> {
        let stems = self.values.iter().map(ToString::to_string);
        let named = stems.zip(&self.settings).filter_map(|(stem, setting)| match setting {
            Setting::File(table) => Some((stem, table)),
            Setting::Value(_) => None,
        });
        named.collect()
    }

    /// Whether each of its values is a file that is laid over the tree.
    pub(super) fn is_of_files(&self) -> bool {
        self.settings.iter().any(|setting| matches!(setting, Setting::File(_)))
    }

    /// Its zip group, if it has one.
    pub(crate) fn zip(&self) -> Option<&str> {
        self.zip.as_deref()
    }

    /// Keeps the values at these positions, which ascend.
    pub(super) fn keep(&mut self, positions: &[usize]) {
        let is_kept = |index: usize| positions.binary_search(&index).is_ok();
        let mut index = 0..;
        self.values.retain(|_| index.next().is_some_and(is_kept));
        let mut index = 0..;
        self.settings.retain(|_| index.next().is_some_and(is_kept));
    }
}
