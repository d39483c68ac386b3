//! Where figures take their numbers from.

use crate::printed::Printed;
use netkv_claims::Claims;
use std::path::Path;

/// What figures are drawn from.
#[derive(Clone, Copy)]
pub(crate) struct Sources<'a> {
    /// Folder of all results.
    pub(crate) results: &'a Path,
    /// The numbers that the paper prints.
    pub(crate) printed: Printed<'a>,
}

impl<'a> Sources<'a> {
    /// Those of a folder, with the claims if there are any.
    pub(crate) const fn new(results: &'a Path, claims: Option<&'a Claims>) -> Self {
        Self { results, printed: Printed::new(claims) }
    }
}
