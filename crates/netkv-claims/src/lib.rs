//! What a paper claims, number by number, beside what our runs give.
//!
//! A claims file lists blocks of printed numbers: where in the paper they stand, the experiment and metric that they are
//! read from, its tolerance by a stated rule, and one row for each number with the values of the axes
//! that it is at. [`Claims::read`] reads and checks it; [`judge`] reads our numbers from the tables of cells. Numbers
//! that a free coefficient was fitted to are told apart from those that are reproduced, and so are those that cannot be.
//!
//! Leaves out any knowledge of simulations: it sees tables, as the figures do.

mod agreement;
mod file;
mod judge;
mod measure;
mod ours;
mod page;
mod samples;
mod wording;

pub use agreement::{Agreement, agreements};
pub use file::{Block, Bound, Claim, Claims, FileError, Fitted, Measure, Take, Tolerance};
pub use judge::{Judged, Verdict, judge};
pub use ours::Ours;
pub use page::{Tally, html, markdown, tally, text, totals};
