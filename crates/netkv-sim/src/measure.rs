//! What is noted: one record per request, the figures of a run, and what watches a run as it goes.

pub(crate) mod check;
pub(crate) mod metrics;
pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod tally;
