//! The text of a script that was read: its functions are there.

use crate::language;
use netkv_policy::TieRule;
use netkv_units::{SimDuration, nearest};
use rhai::{AST, Engine};
use std::fmt::{self, Display, Formatter};

/// The functions that a script may have for us, with their parameters; it must have the first.
const FUNCTIONS: [(&str, &str, usize); 4] = [
    ("costs", "request, candidates", 2),
    ("prefill_costs", "request, prefill, candidates", 3),
    ("observe", "transfer", 1),
    ("follow", "step", 1),
];

/// Largest script, in bytes. Chosen by us: far beyond any rule.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// What an experiment says beside a script.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptConfig {
    /// Who wins among equal costs.
    pub ties: TieRule,
    /// Numbers of the experiment that the script sees as `request.parameters`.
    pub parameters: Vec<f64>,
    /// Time between the instances' reports; zero: they are of the moment.
    pub poll_interval: SimDuration,
}

/// A script, as its policies share it.
pub(crate) struct Code {
    /// The name of its file.
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) config: ScriptConfig,
    pub(crate) engine: Engine,
    pub(crate) ast: AST,
}

/// What is wrong with a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Line, from 1; 0 if it is nowhere in particular.
    pub line: usize,
    /// Column, from 1; 0 if it is nowhere in particular.
    pub column: usize,
    /// What.
    pub message: String,
}

impl Display for ScriptError {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ScriptError {}

/// The functions that are for us have the parameters that they must have, and `costs` is there.
fn check_functions(ast: &AST) -> Result<(), String> {
    let named = |name: &str| ast.iter_functions().filter(|function| function.name == name).collect::<Vec<_>>();
    for (name, parameters, n) in FUNCTIONS {
        let found = named(name);
        if let Some(other) = found.first()
            && found.iter().all(|function| function.params.len() != n)
        {
            let other = other.params.join(", ");
            return Err(format!("fn {name}({other}) has other parameters; allowed: fn {name}({parameters})"));
        }
    }
    if named(FUNCTIONS[0].0).is_empty() {
        let names = ast.iter_functions().map(|function| function.name);
        let near = nearest(FUNCTIONS[0].0, names);
        let near = near.map_or_else(String::new, |near| format!("; it has fn {near}"));
        return Err(format!("it has no fn costs(request, candidates), which says what each candidate costs{near}"));
    }
    Ok(())
}

impl Code {
    /// Reads it; `file` is what errors call it.
    pub(crate) fn read(file: &str, text: &str, config: ScriptConfig) -> Result<Self, ScriptError> {
        let nowhere = |message| ScriptError { line: 0, column: 0, message };
        if text.len() > MAX_BYTES {
            return Err(nowhere(format!("it has {} bytes; allowed: at most {MAX_BYTES}", text.len())));
        }
        let engine = language::engine();
        let ast = engine.compile(text).map_err(|error| ScriptError {
            line: error.position().line().unwrap_or(0),
            column: error.position().position().unwrap_or(0),
            message: error.err_type().to_string(),
        })?;
        check_functions(&ast).map_err(nowhere)?;
        Ok(Self { file: file.to_owned(), text: text.to_owned(), config, engine, ast })
    }

    /// Whether it has this function of [`FUNCTIONS`].
    pub(crate) fn has(&self, name: &str) -> bool {
        self.ast.iter_functions().any(|function| function.name == name)
    }
}
