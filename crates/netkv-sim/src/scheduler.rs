//! What decides: what a router sees, is told and chooses, and the yardstick that knows the truth.

pub(crate) mod lookahead;
pub(crate) mod oracle;
pub(crate) mod rankings;
pub(crate) mod selection;
pub(crate) mod signals;
