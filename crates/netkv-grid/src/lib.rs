//! Experiment files, the grids of cells that they span, and their parallel execution.
//!
//! [`Experiment::load`] reads a TOML file with all that it extends and either says everything that is wrong with it or
//! gives a list of valid [`Cell`]s. [`run_cells`] maps them to [`Outcome`]s on all cores; a [`Store`] keeps these, so
//! that only missing and failed cells are ever run again. This is the only crate that knows rayon and `catch_unwind`.

mod axes;
mod builtin;
mod caught;
mod execute;
mod experiment;
mod files;
mod fit;
mod guarded;
mod header;
mod issue;
mod keys;
mod library;
mod missing;
mod overrides;
mod points;
mod profile;
mod reader;
mod recorded;
mod reduced;
mod replications;
mod shown;
mod source;
mod span;
mod spec;
mod store;
mod topology;
mod trace_source;
mod tree;
mod workloads;

pub use axes::{Axis, AxisValue, Factor, RESERVED_COLUMNS};
pub use execute::{
    CellRun, OnDone, Outcome, Status, Told, failure, for_each_cell, measured_nothing, run_cells, start_threads,
    too_many_events,
};
pub use experiment::{Cell, Experiment, LeftAxis, LoadOptions};
pub use fit::{Coefficient, Errors, Fit, FitErrors, FitOptions, FittedPoint, Phase, PhaseFit, fit};
pub use guarded::read_trace;
pub use header::{Limits, Record};
pub use issue::{InputErrors, Issue, Origin, nearest};
pub use keys::{KeyDoc, SectionDoc, keys};
pub use overrides::Overrides;
pub use points::{OnRead, Point, UsedProfile};
pub use profile::{FittedProfile, LatencyRange, Profile, ProfileOrigin, ProfiledModel};
pub use reduced::{Reduced, Reduction};
pub use replications::{Replications, Until};
pub use span::Span;
pub use spec::CellSpec;
pub use store::{Finished, Plan, Reason, Segment, SegmentHeader, Store, StoreError, Stored};
pub use trace_source::TraceOrigin;
pub use workloads::Workloads;
