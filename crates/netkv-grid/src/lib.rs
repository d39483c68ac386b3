//! Experiment files, the grids of cells that they span, and their parallel execution.
//!
//! [`Experiment::load`] reads a TOML file with all that it extends and either says everything that is wrong with it or
//! gives a list of valid [`Cell`]s. [`run_cells`] maps them to [`Outcome`]s on all cores; a [`Store`] keeps these, so
//! that only missing and failed cells are ever run again. This is the only crate that knows rayon and `catch_unwind`.

mod axes;
mod execute;
mod experiment;
mod fit;
mod header;
mod issue;
mod library;
mod profile;
mod reader;
mod source;
mod spec;
mod store;
mod trace_source;
mod tree;
mod workloads;

pub use axes::{Axis, AxisValue, RESERVED_COLUMNS};
pub use execute::{CellRun, OnDone, Outcome, Status, failure, run_cells};
pub use experiment::{Cell, Experiment, LoadOptions, Point, Reduction, UsedProfile};
pub use fit::{Coefficient, Fit, FitOptions, FittedPoint, Phase, PhaseFit, fit};
pub use header::Record;
pub use issue::{InputErrors, Issue, Origin, nearest};
pub use profile::{Errors, FitErrors, FittedProfile, LatencyRange, Profile, ProfileOrigin, ProfiledModel, Span};
pub use spec::CellSpec;
pub use store::{Plan, Reason, Segment, SegmentHeader, Store, StoreError, Stored};
pub use trace_source::TraceOrigin;
pub use workloads::Workloads;
