//! The recipe of a cell's requests: window, then context, then arrivals within their ticks, then the scaling of time.

use super::seconds::{MAX_SECONDS, SECONDS};
use super::sessions::{check_load, check_sessions, read_sessions, told_by};
use crate::library::Library;
use crate::reader::{Range, Reader};
use crate::trace_source::{LoadedRequests, LoadedTrace, TraceOrigin};
use netkv_sim::{ClusterConfig, PrefillConfig, PrefillLatency};
use netkv_units::{SimDuration, SimTime};
use netkv_workload::{
    Arrivals, BLOCK_TOKENS, CLOCKS, Columns, Context, EndlessConversations, FORMATS, InputRange, Lengths, MAX_TOKENS,
    Prefixes, Reading, RequestSource, SessionSpec, SessionWorkload, StampGaps, Trace, Workload, WorkloadSpec,
};
use std::fmt;
use std::sync::Arc;

/// Most groups of prompts with a common prefix. Chosen by us.
const MAX_GROUPS: u32 = 1 << 20;

/// The value of `workload.format` by which `workload.columns` is read.
const COLUMNS: &str = "columns";

/// Nanoseconds of a millisecond.
const NANOS_PER_MS: u64 = 1_000_000;

/// How to make a cell's requests, given its seed.
#[derive(Clone)]
pub(crate) struct WorkloadRecipe {
    source: Arc<LoadedTrace>,
    spec: WorkloadSpec,
    /// How requests wait for answers, if they do.
    sessions: Option<SessionSpec>,
    load: Load,
    lengths: Lengths,
    /// Where the requests come from, with what is assumed of prefixes, if the trace records none.
    assumed: Option<Arc<TraceOrigin>>,
}

/// How fast requests arrive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// As in the trace.
    Native,
    /// As fast as a number of sessions are answered.
    Sessions,
    /// At this many requests a second, on average.
    Rate(f64),
    /// At the rate that keeps the prefill instances this busy with cold caches.
    PrefillUtilisation {
        /// Share of time that the instances compute.
        ratio: f64,
        /// How many there are.
        prefill_instances: u32,
        /// Their speed.
        latency: PrefillLatency,
        /// Tokens of one batch: longer prompts are computed in chunks.
        chunk_tokens: u32,
    },
}

impl Load {
    /// Whether time is scaled.
    fn is_scaled(self) -> bool {
        !matches!(self, Self::Native | Self::Sessions)
    }
}

impl WorkloadRecipe {
    /// The requests for `seed`.
    pub(crate) fn build(&self, seed: u64) -> Arc<dyn RequestSource> {
        match &self.source.requests {
            LoadedRequests::Trace { trace, .. } => {
                if let Some(sessions) = &self.sessions {
                    let rate = |open: &Workload| self.rate_rps(open);
                    return Arc::new(SessionWorkload::build(trace, &self.spec, sessions, rate, seed));
                }
                let workload = Workload::build(trace, &self.spec, seed);
                match self.rate_rps(&workload) {
                    None => Arc::new(workload),
                    Some(rate_rps) => Arc::new(workload.scaled_to_rate(rate_rps)),
                }
            }
            &LoadedRequests::Endless(own_seed) => {
                let window = self.spec.window.expect("experiments have a window");
                let limit = self.spec.limit.map(|limit| u32::try_from(limit).expect("the limit was read as 32 bits"));
                let endless = EndlessConversations::new(own_seed.wrapping_add(seed), window, limit);
                match self.rate_rps(&endless) {
                    None => Arc::new(endless),
                    Some(rate_rps) => Arc::new(endless.scaled_to_rate(rate_rps)),
                }
            }
        }
    }

    /// The same requests at another rate, in requests a second.
    pub(crate) fn at_rate(&self, rate_rps: f64) -> Self {
        Self { load: Load::Rate(rate_rps), ..self.clone() }
    }

    /// The rate that time is to be scaled to, if it is.
    fn rate_rps(&self, requests: &dyn RequestSource) -> Option<f64> {
        match self.load {
            Load::Native | Load::Sessions => None,
            Load::Rate(rate_rps) => Some(rate_rps),
            Load::PrefillUtilisation { ratio, prefill_instances, latency, chunk_tokens } => {
                Some(ratio * f64::from(prefill_instances) / mean_cold_prefill_s(requests, &latency, chunk_tokens))
            }
        }
    }

    /// How requests wait for answers, if they do.
    pub(crate) const fn sessions(&self) -> Option<&SessionSpec> {
        self.sessions.as_ref()
    }

    /// Tokens of a block of their prompts.
    pub(crate) fn block_tokens(&self) -> u32 {
        self.source.requests.block_tokens()
    }

    /// How long the requests are, whatever the seed.
    pub(crate) const fn lengths(&self) -> Lengths {
        self.lengths
    }

    /// Where the requests come from.
    pub(crate) fn origin(&self) -> &TraceOrigin {
        self.assumed.as_deref().unwrap_or(&self.source.origin)
    }
}

/// Two recipes print alike exactly when they make the same requests from the same seed.
impl fmt::Debug for WorkloadRecipe {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read_by = self.source.read_by.as_deref().unwrap_or_default();
        write!(formatter, "{}{read_by} {:?} {:?} {:?}", self.source.origin.sha256, self.spec, self.load, self.sessions)
    }
}

/// Mean time to prefill a prompt alone and uncached, in seconds.
fn mean_cold_prefill_s(requests: &dyn RequestSource, latency: &PrefillLatency, chunk_tokens: u32) -> f64 {
    let (mut stream, mut blocks, mut sum_ns) = (requests.draw(), Vec::new(), 0_u128);
    while let Some(request) = stream.next(&mut blocks) {
        sum_ns += u128::from(latency.prompt(request.input_tokens, 0, chunk_tokens).as_nanos());
    }
    sum_ns as f64 / requests.len() as f64 * 1e-9
}

/// Reads `[workload]`; the cluster and its speed are needed where load is a utilisation.
pub(super) fn read_recipe(
    reader: &mut Reader<'_>,
    library: &Library,
    latency: Option<PrefillLatency>,
    prefill: Option<&PrefillConfig>,
    cluster: Option<&ClusterConfig>,
) -> Option<WorkloadRecipe> {
    let reading = read_reading(reader);
    let source = match &reading {
        Some(reading) => library.trace(reader, reading),
        // What is wrong with the trace can be said when it is known how to read it.
        None => reader.text("workload.trace").and(None),
    };
    let window = read_window(reader);
    let max_requests = reader.integer("workload.max_requests", 0, u64::from(u32::MAX));
    let arrivals = read_arrivals(reader);
    let context = read_context(reader);
    let inputs = read_inputs(reader);
    let block_tokens = source.as_ref().map_or(BLOCK_TOKENS, |source| source.requests.block_tokens());
    let prefixes = read_prefixes(reader, block_tokens);
    let stand_in_scale = reader.float("workload.stand_in_context_scale", Range::closed(1e-6, 1e6));
    let load = read_load(reader, latency, prefill, cluster);
    let sessions = read_sessions(reader);
    let limit = Some(max_requests?).filter(|&limit| limit > 0).map(|limit| limit as usize);
    let (source, mut context, factor) = (source?, context?, stand_in_scale?);
    if source.origin.fallback && context == Context::Native && (factor - 1.0).abs() > f64::EPSILON {
        context = Context::Scaled { factor, max_tokens: MAX_TOKENS };
    }
    let (window, arrivals, load, sessions) = (Some(window?), arrivals?, load?, sessions?);
    check_load(reader, sessions.as_ref(), load == Load::Sessions)?;
    let spec = WorkloadSpec { window, inputs: inputs?, context, arrivals, prefixes: prefixes?, limit };
    let lengths = match library.checked(&source, &spec, load.is_scaled()) {
        Some(lengths) => lengths,
        None => {
            let lengths = check(reader, &source.requests, &spec, load)?;
            library.remember(&source, spec, load.is_scaled(), lengths);
            lengths
        }
    };
    if let Some(sessions) = &sessions {
        check_sessions(reader, &source.requests, &spec, sessions)?;
    }
    let assumed = assumed_origin(&source, spec.prefixes, sessions.as_ref());
    Some(WorkloadRecipe { source, spec, sessions, load, lengths, assumed })
}

/// The lengths of the requests, if there is nothing wrong with what is made of them.
fn check(reader: &mut Reader<'_>, requests: &LoadedRequests, spec: &WorkloadSpec, load: Load) -> Option<Lengths> {
    match requests {
        LoadedRequests::Trace { trace, gaps } => {
            check_ticks(reader, gaps, spec)?;
            check_requests(reader, trace, spec, load)?;
            check_blocks(reader, trace, spec)?;
            Some(spec.lengths(trace).expect("the window holds requests"))
        }
        LoadedRequests::Endless(_) => {
            check_endless(reader, spec)?;
            Some(EndlessConversations::lengths())
        }
    }
}

/// The origin of requests whose trace records no prefixes, or that come in sessions: its label says what is assumed.
fn assumed_origin(
    source: &LoadedTrace,
    prefixes: Prefixes,
    sessions: Option<&SessionSpec>,
) -> Option<Arc<TraceOrigin>> {
    let LoadedRequests::Trace { trace, .. } = &source.requests else { return None };
    let of_prefixes = (!trace.has_prefixes()).then(|| match prefixes {
        Prefixes::Trace | Prefixes::None => ": nobody is assumed to share one".to_owned(),
        Prefixes::Sessions => ": drawn to be turns of sessions, by the fit of the conversation trace".to_owned(),
        Prefixes::Shared { share_ratio, groups, prefix_tokens } => {
            format!(": a share of {share_ratio} drawn to have one of {groups} of {prefix_tokens} tokens")
        }
    });
    let of_sessions = sessions.map(|sessions| format!(", {}", told_by(&source.requests, sessions)));
    if of_prefixes.is_none() && of_sessions.is_none() {
        return None;
    }
    let assumed: String = of_prefixes.into_iter().chain(of_sessions).collect();
    let label = format!("{}{assumed}", source.origin.label);
    Some(Arc::new(TraceOrigin { label, ..source.origin.clone() }))
}

/// How the file of the trace is to be read.
fn read_reading(reader: &mut Reader<'_>) -> Option<Reading> {
    let formats = FORMATS.iter().map(|format| (format.name, Reading::As(format)));
    let ways: Vec<(&'static str, Reading)> =
        [("auto", Reading::Detected)].into_iter().chain(formats).chain([(COLUMNS, Reading::Detected)]).collect();
    let names: Vec<(&'static str, usize)> = ways.iter().enumerate().map(|(idx, (name, _))| (*name, idx)).collect();
    let way = reader.choice("workload.format", &names);
    let mut column = |name: &str| reader.text(&format!("workload.columns.{name}"));
    let (arrival, input, output) = (column("arrival"), column("input"), column("output"));
    let clock = reader.choice("workload.columns.arrival_unit", &CLOCKS);
    let (arrival, input, output, clock) = (arrival?, input?, output?, clock?);
    let (name, reading) = &ways[way?];
    if *name != COLUMNS {
        let given = [("arrival", arrival), ("input", input), ("output", output)];
        let Some((column, _)) = given.iter().find(|(_, text)| !text.is_empty()) else { return Some(reading.clone()) };
        let key = format!("workload.columns.{column}");
        reader.fail(&key, &format!("{key} is read with workload.format = \"{COLUMNS}\" alone; here it is \"{name}\""));
        return None;
    }
    for (column, text) in [("input", input), ("output", output)] {
        if text.is_empty() {
            let key = format!("workload.columns.{column}");
            reader.fail(&key, &format!("{key} = \"\" names no column; workload.format = \"{COLUMNS}\" needs it"));
            return None;
        }
    }
    let arrival = (!arrival.is_empty()).then(|| (arrival.to_owned(), clock));
    Some(Reading::Columns(Columns { arrival, input: input.to_owned(), output: output.to_owned() }))
}

/// How fast requests arrive.
fn read_load(
    reader: &mut Reader<'_>,
    latency: Option<PrefillLatency>,
    prefill: Option<&PrefillConfig>,
    cluster: Option<&ClusterConfig>,
) -> Option<Load> {
    let kinds = [("native", 0), ("rate", 1), ("prefill_utilisation", 2), ("capacity", 3), ("sessions", 4)];
    let kind = reader.choice("workload.load", &kinds);
    let rate_rps = reader.float("workload.rate_rps", Range::closed(1e-6, 1e9));
    let ratio = reader.float("workload.prefill_utilisation_ratio", Range::closed(1e-6, 100.0));
    let capacity_rps = reader.float("workload.capacity_rps", Range::closed(1e-6, 1e9));
    let capacity_ratio = reader.float("workload.capacity_ratio", Range::closed(1e-6, 1e3));
    let (rate_rps, ratio) = (rate_rps?, ratio?);
    let share_of_capacity_rps = capacity_rps? * capacity_ratio?;
    Some(match kind? {
        0 => Load::Native,
        1 => Load::Rate(rate_rps),
        2 => Load::PrefillUtilisation {
            ratio,
            prefill_instances: cluster?.prefill_instances,
            latency: latency?,
            chunk_tokens: prefill?.chunk_tokens(),
        },
        3 => Load::Rate(share_of_capacity_rps),
        _ => Load::Sessions,
    })
}

/// Which prompts are kept; 0 is no limit.
fn read_inputs(reader: &mut Reader<'_>) -> Option<InputRange> {
    let min_tokens = reader.count("workload.min_input_tokens", 0, MAX_TOKENS);
    let max_tokens = reader.count("workload.max_input_tokens", 0, MAX_TOKENS);
    let (min_tokens, max_tokens) = (min_tokens?, max_tokens?);
    if max_tokens > 0 && min_tokens > max_tokens {
        let message = format!(
            "workload.max_input_tokens = {max_tokens} is below workload.min_input_tokens = {min_tokens}; allowed: 0 (no \
             limit), or at least as much"
        );
        reader.fail("workload.max_input_tokens", &message);
        return None;
    }
    Some(InputRange { min_tokens, max_tokens: if max_tokens == 0 { u32::MAX } else { max_tokens } })
}

/// The choice of prefixes that are drawn.
const SHARED: u32 = 2;

/// Who shares a prefix with whom.
fn read_prefixes(reader: &mut Reader<'_>, block_tokens: u32) -> Option<Prefixes> {
    let kind = reader.choice("workload.prefix", &[("trace", 0), ("none", 1), ("shared", SHARED), ("sessions", 3)]);
    let share_ratio = reader.float("workload.prefix_share_ratio", Range::closed(0.0, 1.0));
    let groups = reader.count("workload.prefix_groups", 1, MAX_GROUPS);
    let prefix_tokens = reader.count("workload.prefix_tokens", 0, MAX_TOKENS);
    let (kind, share_ratio, groups, prefix_tokens) = (kind?, share_ratio?, groups?, prefix_tokens?);
    if kind == SHARED && !prefix_tokens.is_multiple_of(block_tokens) {
        let message = format!(
            "workload.prefix_tokens = {prefix_tokens} is no multiple of the prefix block of {block_tokens} tokens; the \
             nearest: {}",
            (prefix_tokens + block_tokens / 2) / block_tokens * block_tokens
        );
        reader.fail("workload.prefix_tokens", &message);
        return None;
    }
    Some(match kind {
        0 => Prefixes::Trace,
        1 => Prefixes::None,
        3 => Prefixes::Sessions,
        _ => Prefixes::Shared { share_ratio, groups, prefix_tokens },
    })
}

fn read_window(reader: &mut Reader<'_>) -> Option<(SimTime, SimTime)> {
    let [start, end] = reader.floats::<2>("workload.window_s", SECONDS)?;
    if start >= end {
        let message = format!("workload.window_s = [{start}, {end}] is empty; allowed: [start, end], start < end");
        reader.fail("workload.window_s", &message);
        return None;
    }
    Some((SimTime::from_secs_f64(start), SimTime::from_secs_f64(end)))
}

fn read_arrivals(reader: &mut Reader<'_>) -> Option<Arrivals> {
    let is_dejittered = reader.choice("workload.arrivals", &[("dejittered", true), ("raw_ticks", false)]);
    let tick_s = reader.float("workload.tick_s", Range::closed(1e-9, MAX_SECONDS));
    let tick = SimDuration::from_secs_f64(tick_s?);
    Some(if is_dejittered? { Arrivals::Dejittered { tick } } else { Arrivals::RawTicks })
}

fn read_context(reader: &mut Reader<'_>) -> Option<Context> {
    let kind = reader.choice("workload.context", &[("native", 0), ("fixed", 1), ("scaled", 2)]);
    let tokens = reader.count("workload.context_tokens", 1, MAX_TOKENS);
    let factor = reader.float("workload.context_scale", Range::closed(1e-6, 1e6));
    let max_tokens = reader.count("workload.max_context_tokens", 1, MAX_TOKENS);
    let (tokens, factor, max_tokens) = (tokens?, factor?, max_tokens?);
    Some(match kind? {
        0 => Context::Native,
        1 => Context::Fixed { tokens },
        _ => Context::Scaled { factor, max_tokens },
    })
}

/// Requests without end are never all there, so what needs that cannot be had.
fn check_endless(reader: &mut Reader<'_>, spec: &WorkloadSpec) -> Option<()> {
    let mut refuse = |key: &str, what: &str, allowed: &str| {
        let message = format!("{key} = \"{what}\" needs a trace; allowed with endless requests: \"{allowed}\"");
        reader.fail(key, &message);
        None
    };
    match (spec.context, spec.arrivals) {
        (Context::Native, Arrivals::Dejittered { .. }) => {}
        (Context::Native, Arrivals::RawTicks) => return refuse("workload.arrivals", "raw_ticks", "dejittered"),
        (Context::Fixed { .. }, _) => return refuse("workload.context", "fixed", "native"),
        (Context::Scaled { .. }, _) => return refuse("workload.context", "scaled", "native"),
    }
    if spec.inputs != InputRange::ALL || spec.prefixes != Prefixes::Trace {
        let message = "workload.min_input_tokens, max_input_tokens and prefix need a trace; allowed with endless requests: \
                       0, 0 and \"trace\"";
        reader.fail("workload.trace", message);
        return None;
    }
    let (start, end) = spec.window.expect("experiments have a window");
    // Two requests at the least, so that they have a rate; seeds differ, but none leaves a minute empty.
    if end.since(start) < SimDuration::from_secs_f64(60.0) {
        let message = "workload.window_s of endless requests is shorter than a minute; allowed: 60 s and more";
        reader.fail("workload.window_s", message);
        return None;
    }
    Some(())
}

/// Stamps that are no ticks must not be spread over ticks: that would move requests to where they never were.
fn check_ticks(reader: &mut Reader<'_>, gaps: &StampGaps, spec: &WorkloadSpec) -> Option<()> {
    let Arrivals::Dejittered { tick } = spec.arrivals else { return Some(()) };
    if gaps.may_be_ticks_of(tick) {
        return Some(());
    }
    let tick_s = tick.as_secs_f64();
    let own = gaps.tick_ms().map_or_else(String::new, |tick_ms| {
        format!(", or workload.tick_s = {}, the tick that it has", tick_ms as f64 / 1e3)
    });
    let message = format!(
        "workload.trace = \"{}\" has no ticks of workload.tick_s = {tick_s} s: the median gap between its timestamps is {} ms, \
         and workload.arrivals = \"dejittered\" would delay each request by up to {tick_s} s; write workload.arrivals = \
         \"raw_ticks\", which leaves them where they are{own}",
        reader.text("workload.trace")?,
        gaps.median_ms()?
    );
    reader.fail("workload.trace", &message);
    None
}

/// There must be a number for each block of the prompts.
fn check_blocks(reader: &mut Reader<'_>, trace: &Trace, spec: &WorkloadSpec) -> Option<()> {
    let n_blocks = spec.n_blocks(trace);
    if n_blocks <= u64::from(u32::MAX) {
        return Some(());
    }
    let message = format!(
        "the prompts of workload.window_s have {n_blocks} blocks of {} tokens together; allowed: at most {}: take a shorter \
         window, fewer requests or shorter prompts (workload.max_requests, context), or larger blocks (`netkv trace convert \
         --block-tokens`)",
        trace.block_tokens(),
        u32::MAX
    );
    reader.fail("workload.window_s", &message);
    None
}

/// The window must hold requests, and they must have a rate if it is to be changed.
fn check_requests(reader: &mut Reader<'_>, trace: &Trace, spec: &WorkloadSpec, load: Load) -> Option<()> {
    let (start, end) = spec.window.expect("experiments have a window");
    let stamp = |ms: u64| SimTime::from_nanos(ms * NANOS_PER_MS);
    let first = trace.rows().partition_point(|row| stamp(row.timestamp_ms) < start);
    let last = trace.rows().partition_point(|row| stamp(row.timestamp_ms) < end);
    if first == last {
        let trace_end = trace.rows().last().map_or(0, |row| row.timestamp_ms);
        let message = format!(
            "workload.window_s = [{}, {}] holds no request: the trace goes from 0 to {} s",
            start.as_secs_f64(),
            end.as_secs_f64(),
            trace_end as f64 / 1e3
        );
        reader.fail("workload.window_s", &message);
        return None;
    }
    let rows = &trace.rows()[first..last];
    let mut wanted = rows.iter().filter(|row| spec.inputs.contains(row.input_tokens));
    let last_kept = wanted.by_ref().take(spec.limit.unwrap_or(usize::MAX)).last();
    let Some(last_kept) = last_kept else {
        let lengths = rows.iter().map(|row| row.input_tokens);
        let (shortest, longest) = (lengths.clone().min().unwrap_or(0), lengths.max().unwrap_or(0));
        let message = format!(
            "workload.min_input_tokens and max_input_tokens leave no request of the window: its {} prompts have {shortest} \
             to {longest} tokens",
            rows.len()
        );
        reader.fail("workload.min_input_tokens", &message);
        return None;
    };
    let at_once = wanted.next().is_some() && stamp(last_kept.timestamp_ms) == start;
    if at_once && spec.arrivals == Arrivals::RawTicks && load.is_scaled() {
        let message = "workload.max_requests keeps requests of a single instant, which have no rate to scale";
        reader.fail("workload.max_requests", message);
        return None;
    }
    Some(())
}
