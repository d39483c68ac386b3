//! Memory that the handlers of events use again and again.

use crate::gpu::{Admitted, Grant, StretchEnd};
use crate::network::TransferId;
use netkv_units::RequestId;

/// What an event brings, for as long as it is handled.
#[derive(Default)]
pub(crate) struct Scratch {
    pub computed: Vec<RequestId>,
    pub begun: Vec<(RequestId, Grant)>,
    pub admitted: Admitted,
    pub arrived: Vec<TransferId>,
    pub stretch_end: StretchEnd,
}
