//! What is asked of the cluster: traces in the Mooncake format and in those of others, a generator of traces alike, and
//! the workloads made from both.
//!
//! [`read_trace`] reads and checks a file's bytes; [`generate`] makes a trace from a seed. Either becomes a
//! [`Workload`] by [`Workload::build`], which cuts a window, reshapes the context lengths and spreads arrivals within
//! their ticks. [`TraceStatistics`] describes a trace in numbers, and [`KvLayout`] says how many bytes a token is.
//!
//! Nothing here touches files, clocks or the network: the caller reads the bytes.

mod formats;
mod inspect;
mod kv_size;
mod prefix;
mod sessions;
mod shape;
mod source;
mod synthetic;
mod trace;
mod turns;
mod workload;

pub use formats::{
    CLOCKS, Clock, Columns, FORMATS, Format, Layout, Packed, ReadTrace, Reading, TokenCount, Zero, is_parquet,
    read_trace, read_trace_counting,
};
pub use inspect::{
    ArrivalStatistics, ContinuationStatistics, CountDispersion, Distribution, LruPoint, PrefixStatistics, SessionCount,
    StampGaps, TraceStatistics,
};
pub use kv_size::KvLayout;
pub use sessions::{Agents, Begin, SessionSpec, SessionSurvey, Think, Told, Turns, survey};
pub use shape::{Arrivals, Context, InputRange, Prefixes, WorkloadSpec};
pub use source::{RequestSource, RequestStream};
pub use synthetic::{
    Bursts, EndlessConversations, KnobError, Knobs, SyntheticKind, generate, generate_scaled, generate_with,
};
pub use trace::{BLOCK_TOKENS, MAX_TIMESTAMP_MS, MAX_TOKENS, Place, Trace, TraceError, TraceErrors, TraceRow};
pub use turns::{SessionWorkload, Turn};
pub use workload::{Lengths, Request, Workload};
