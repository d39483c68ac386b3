//! What a network does, from Prometheus: how transfers of KV caches are set up and moved, and how busy links are.
//!
//! A text dump or a range query is read into [`Series`]; [`fit_transfers`] fits what vLLM counts of its transfers,
//! [`record`] makes shares of links over time of counters of switches and hosts.

mod congestion;
mod range_json;
mod read;
mod series;
mod text;
mod transfers;

pub use congestion::{COUNTERS, Link, Record, links, record};
pub use read::{read_instant, read_series};
pub use series::{Series, together};
pub use transfers::{FittedTransfers, fit_transfers};
