//! The service: reads Prometheus again and again, and answers over HTTP.

mod answers;
mod http;
mod links;
mod meters;
mod prometheus;
mod refresher;
mod snapshot;

pub use http::{Server, Serving};
pub use links::{Listed, Listing};
pub use prometheus::{Asking, default_query, default_stamps};
pub use refresher::{Refresher, Refreshing};
pub use snapshot::{Board, State};
