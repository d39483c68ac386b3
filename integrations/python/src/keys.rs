//! Dicts from Python, read key by key: a key that is not known is an error that names the nearest one.

use netkv_grid::nearest;
use pyo3::conversion::FromPyObjectOwned;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::cell::RefCell;

/// A dict that is read.
pub struct Keys<'a, 'py> {
    dict: &'a Bound<'py, PyDict>,
    what: String,
    known: RefCell<Vec<&'static str>>,
}

impl<'a, 'py> Keys<'a, 'py> {
    /// A dict that is called `what` in errors.
    pub fn new(dict: &'a Bound<'py, PyDict>, what: impl Into<String>) -> Self {
        Self { dict, what: what.into(), known: RefCell::default() }
    }

    /// The value of a key; none if it is not there.
    pub fn get<T: FromPyObjectOwned<'py>>(&self, key: &'static str) -> PyResult<Option<T>> {
        self.known.borrow_mut().push(key);
        let Some(value) = self.dict.get_item(key)? else { return Ok(None) };
        let read = value.extract::<T>();
        read.map(Some).map_err(|error| {
            let error: PyErr = error.into();
            let value = value.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string());
            PyValueError::new_err(format!("{}: {key} is {value}: {}", self.what, error.value(self.dict.py())))
        })
    }

    /// The same of a key that must be there.
    pub fn need<T: FromPyObjectOwned<'py>>(&self, key: &'static str) -> PyResult<T> {
        self.get(key)?.ok_or_else(|| PyValueError::new_err(format!("{} has no {key}", self.what)))
    }

    /// A number that is not negative, and finite.
    pub fn number(&self, key: &'static str) -> PyResult<Option<f64>> {
        match self.get::<f64>(key)? {
            Some(value) if value >= 0.0 && value.is_finite() => Ok(Some(value)),
            Some(value) => Err(PyValueError::new_err(format!("{}: {key} is {value}: expected at least 0", self.what))),
            None => Ok(None),
        }
    }

    /// An error if a key is there that nobody asked for.
    pub fn end(self) -> PyResult<()> {
        let known = self.known.into_inner();
        for key in self.dict.keys() {
            let key: String = key.extract().map_err(|_| {
                PyValueError::new_err(format!("{}: a key is no string; there are {}", self.what, known.join(", ")))
            })?;
            if !known.contains(&key.as_str()) {
                let near = nearest(&key, known.iter().copied());
                let near = near.map_or_else(
                    || format!("; there are {}", known.join(", ")),
                    |near| format!(": did you mean {near}?"),
                );
                return Err(PyValueError::new_err(format!("{} has no key {key}{near}", self.what)));
            }
        }
        Ok(())
    }
}
