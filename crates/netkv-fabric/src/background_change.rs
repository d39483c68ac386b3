//! What any background tells of a link.

use netkv_units::LinkId;

/// A link's share changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BackgroundChange {
    /// Which link.
    pub link: LinkId,
    /// The share of its capacity that others take from now on.
    pub ratio: f64,
}
