//! The language as scripts have it: Rhai's core, arrays and maps, what they are shown, and a few functions that give the same
//! bits everywhere.

use crate::signals;
use rhai::packages::{BasicArrayPackage, BasicMapPackage, CorePackage, LogicPackage, MoreStringPackage, Package};
use rhai::{Array, Dynamic, Engine, EvalAltResult, INT, Position};

/// Operations that one decision may take. Chosen by us: a thousand for each of ten thousand candidates, a second or so.
const MAX_OPERATIONS: u64 = 10_000_000;

/// Functions that call each other, and expressions inside each other.
const MAX_DEPTH: usize = 32;

/// Elements of an array or a map, and characters of a text. Chosen by us: more candidates than a cluster has.
const MAX_SIZE: usize = 65_536;

/// The engine that every script runs on.
pub(crate) fn engine() -> Engine {
    let mut engine = Engine::new_raw();
    CorePackage::new().register_into_engine(&mut engine);
    LogicPackage::new().register_into_engine(&mut engine);
    BasicArrayPackage::new().register_into_engine(&mut engine);
    BasicMapPackage::new().register_into_engine(&mut engine);
    MoreStringPackage::new().register_into_engine(&mut engine);
    engine.set_max_operations(MAX_OPERATIONS);
    engine.set_max_call_levels(MAX_DEPTH);
    engine.set_max_expr_depths(MAX_DEPTH, MAX_DEPTH);
    engine.set_max_array_size(MAX_SIZE);
    engine.set_max_map_size(MAX_SIZE);
    engine.set_max_string_size(MAX_SIZE);
    engine.set_strict_variables(true);
    // Text would go to the output of a sweep of thousands of cells; powers of the processor differ between machines.
    for symbol in ["print", "debug", "eval", "**", "**="] {
        engine.disable_symbol(symbol);
    }
    register_numbers(&mut engine);
    signals::register(&mut engine);
    engine
}

fn register_numbers(engine: &mut Engine) {
    engine.register_fn("exp", libm::exp).register_fn("ln", libm::log).register_fn("tanh", libm::tanh);
    engine.register_fn("sqrt", libm::sqrt).register_fn("pow", libm::pow);
    engine.register_fn("floor", f64::floor).register_fn("ceil", f64::ceil).register_fn("round", f64::round);
    engine.register_fn("abs", f64::abs).register_fn("abs", INT::saturating_abs);
    engine.register_fn("to_float", |number: INT| number as f64).register_fn("to_float", |number: f64| number);
    engine.register_fn("to_int", |number: f64| number as INT).register_fn("to_int", |number: INT| number);
    engine.register_fn("min", <INT as Ord>::min).register_fn("min", f64::min);
    engine.register_fn("min", |one: INT, other: f64| (one as f64).min(other));
    engine.register_fn("min", |one: f64, other: INT| one.min(other as f64));
    engine.register_fn("max", <INT as Ord>::max).register_fn("max", f64::max);
    engine.register_fn("max", |one: INT, other: f64| (one as f64).max(other));
    engine.register_fn("max", |one: f64, other: INT| one.max(other as f64));
    engine.register_fn("clamp", |number: f64, low: f64, high: f64| number.max(low).min(high));
    engine.register_fn("least", |numbers: Array| extreme("least", &numbers, f64::min));
    engine.register_fn("most", |numbers: Array| extreme("most", &numbers, f64::max));
    engine.register_fn("sum", |numbers: Array| extreme("sum", &numbers, |one, other| one + other));
}

/// The numbers of an array brought together.
fn extreme(name: &str, numbers: &Array, join: fn(f64, f64) -> f64) -> Result<f64, Box<EvalAltResult>> {
    let fail = |why: String| Box::new(EvalAltResult::ErrorRuntime(why.into(), Position::NONE));
    let mut all = None;
    for number in numbers {
        let number = float(number).ok_or_else(|| fail(format!("{name} of a {}", number.type_name())))?;
        all = Some(all.map_or(number, |all| join(all, number)));
    }
    all.ok_or_else(|| fail(format!("{name} of an empty array")))
}

/// A whole or a broken number.
pub(crate) fn float(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|number| number as f64))
}
