//! The answer of an experiment: does it pay, where, by how much, where does it harm, and what is still open.
//!
//! Made from the table of cells alone. Policies are compared seed by seed at equal values of all other axes: with the
//! baseline, and, where the policies are the ones compared, with the best of those that ignore the network.

mod drift;
mod effect;
mod finding;
mod holm;
mod json;
mod points;
mod steady;
mod text;
mod words;

pub use drift::Drift;
pub use effect::{Effect, INDIFFERENCE, Ratio, WIDEST};
pub use finding::{About, Finding, Said, overload_words};
pub use points::{Answer, OVERLOAD_DRIFT, Options, Point, Reduced, Standing, is_overload};
