//! The network cost oracle as a service, and the client that a router embeds.
//!
//! *NetKV* (arXiv 2606.03910, section III) puts a thin interface between the operator of a network and the scheduler of an LLM
//! service: four maps, from a pair of instances to its tier, and from a tier to bandwidth, latency and congestion, the last one
//! refreshed once a second. Here an operator's [`Plan`] gives the first three, and counters in Prometheus the fourth
//! ([`Figures`]); both together are a [`View`], which answers as a [`netkv_policy::CostOracle`].
//!
//! With the feature `serve`, `Server` tells it over HTTP, and `Refresher` keeps it up to date. With the feature `live`,
//! `LiveOracle` is the other end: a router has it ask in the background and gives it to its policy. Neither ever makes a
//! decision wait for a network, and everything that is told says how old it is.
//!
//! ```no_run
//! use netkv_oracle::{LiveOptions, LiveOracle};
//! use netkv_policy::CostOracle;
//! use netkv_units::InstanceId;
//!
//! let oracle = LiveOracle::connect("http://127.0.0.1:9464", LiveOptions::DEFAULT)?;
//! // For each decision: `policy.select(&request, &candidates, &oracle.view())`.
//! let path = oracle.view().path(InstanceId::new(0), InstanceId::new(7));
//! println!("tier {}, {:.0} % taken", path.tier.index(), 100.0 * path.congestion_ratio);
//! # Ok::<(), netkv_oracle::LiveError>(())
//! ```

#[cfg(any(feature = "live", feature = "serve"))]
mod clock;
#[cfg(any(feature = "live", feature = "serve"))]
mod fetch;
mod figures;
#[cfg(feature = "live")]
mod live;
mod plan;
#[cfg(feature = "serve")]
mod serve;
#[cfg(any(feature = "live", feature = "serve"))]
mod url;
mod view;

#[cfg(any(feature = "live", feature = "serve"))]
pub use fetch::{Fetcher, Patience};
pub use figures::{BothWays, Figure, Figures, Granularity, Heard, LARGEST_CONGESTION};
#[cfg(feature = "live")]
pub use live::{LiveError, LiveOptions, LiveOracle, LiveStatus};
pub use plan::{Instance, Plan, TIERS};
#[cfg(feature = "serve")]
pub use serve::{
    Asking, Board, Listed, Listing, Refresher, Refreshing, Server, Serving, State, default_query, default_stamps,
};
#[cfg(any(feature = "live", feature = "serve"))]
pub use url::Base;
pub use view::{NEVER, View};
