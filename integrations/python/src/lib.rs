//! The compiled part of the Python package `netkv`: its command, called in this process, and one decision of a policy. What users
//! see is in `python/netkv`.

mod command;
mod decision;
mod keys;
mod paths;

use pyo3::prelude::*;

#[pymodule]
fn _netkv(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("POLICIES", netkv_policy::PolicyConfig::NAMES.to_vec())?;
    module.add_function(wrap_pyfunction!(command::call, module)?)?;
    module.add_function(wrap_pyfunction!(command::main, module)?)?;
    module.add_class::<decision::Policy>()
}
