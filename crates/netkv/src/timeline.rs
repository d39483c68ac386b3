//! The timeline of a run in the Chrome trace event format, which Perfetto and chrome://tracing show.
//!
//! Each instance is a "process". Its "threads" are lanes: what overlaps in time is put into different ones, because
//! viewers take slices of one thread for calls inside each other. Arrows lead from a request's prefill over its
//! transfer to its decoding. One more process has the load of the fabric as counters, one for each pod, kind and
//! direction of links. Times are microseconds with three decimals: exact. One event a line.

use crate::watched::Watched;
use netkv_fabric::{Direction, LinkKind};
use netkv_frames::Metadata;
use netkv_sim::{Observations, RequestRecord, Scenario, TransferRecord};
use netkv_units::{InstanceId, SimDuration, SimTime, Tier};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The fabric's process; that of an instance is its number and [`FIRST_INSTANCE`].
const FABRIC: u32 = 1;
const FIRST_INSTANCE: u32 = 2;

/// An event of the format.
#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ph: &'static str,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<u32>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

impl<'a> Event<'a> {
    /// An event of the phase `ph` without anything special.
    const fn new(ph: &'static str, name: &'a str, ts: f64, pid: u32) -> Self {
        Self { name, cat: None, ph, ts, dur: None, id: None, bp: None, pid, tid: None, args: Value::Null }
    }
}

/// What an instance does with a request, in the order of its lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Activity {
    Prefill,
    Transfer,
    /// A prompt that is computed where it is decoded.
    LocalPrefill,
    Decode,
}

impl Activity {
    const fn name(self) -> &'static str {
        match self {
            Self::Prefill => "prefill",
            Self::Transfer => "transfer out",
            Self::LocalPrefill => "prefill in chunks",
            Self::Decode => "decode",
        }
    }
}

/// A request's time on a lane.
struct Span<'a> {
    instance: InstanceId,
    activity: Activity,
    start: SimTime,
    end: SimTime,
    record: &'a RequestRecord,
    transfer: Option<&'a TransferRecord>,
}

/// The file, one event a line.
struct Lines<W: Write> {
    file: W,
    is_first: bool,
}

impl<W: Write> Lines<W> {
    fn push(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.file.write_all(if self.is_first { b"\n" } else { b",\n" })?;
        self.is_first = false;
        Ok(serde_json::to_writer(&mut self.file, event)?)
    }

    /// Names a process or thread.
    fn describe(&mut self, what: &'static str, pid: u32, tid: Option<u32>, args: Value) -> io::Result<()> {
        self.push(&Event { tid, args, ..Event::new("M", what, 0.0, pid) })
    }
}

/// Writes the timeline of a watched run.
pub fn write(path: &Path, watched: &Watched<'_>, metadata: &Metadata) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    write!(file, "{{\"displayTimeUnit\":\"ms\",\"otherData\":{},\"traceEvents\":[", json!(metadata))?;
    let mut lines = Lines { file, is_first: true };
    write_counters(&mut lines, watched.seen)?;
    write_spans(&mut lines, watched)?;
    lines.file.write_all(b"\n]}\n")?;
    lines.file.flush()
}

/// Nanoseconds as microseconds.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

fn millis(duration: SimDuration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

/// Mean load of each group of links in each window; a counter holds until its next value.
fn write_counters<W: Write>(lines: &mut Lines<W>, seen: &Observations) -> io::Result<()> {
    let mut groups: BTreeMap<(LinkKind, Direction, u32), Vec<usize>> = BTreeMap::new();
    for (position, link) in seen.links.iter().enumerate() {
        groups.entry((link.place.kind, link.place.direction, link.place.pod)).or_default().push(position);
    }
    lines.describe("process_name", FABRIC, None, json!({"name": "fabric: mean share of links used"}))?;
    lines.describe("process_sort_index", FABRIC, None, json!({"sort_index": FABRIC}))?;
    for ((kind, direction, pod), positions) in &groups {
        let name = format!("{} links {}, pod {pod}", kind.name(), direction.name());
        let shown = |ratio: f64| (ratio * 1e6).round() / 1e6;
        let mut push = |at: SimTime, kv: f64, background: f64| {
            let args = json!({"kv": shown(kv), "background": shown(background)});
            lines.push(&Event { args, ..Event::new("C", &name, micros(at.as_nanos()), FABRIC) })
        };
        for window in 0..seen.ends.len() {
            let (mut kv, mut background) = (0.0, 0.0);
            for &position in positions {
                let ratios = seen.ratios(window, position);
                (kv, background) = (kv + ratios.0, background + ratios.1);
            }
            let n = positions.len() as f64;
            push(seen.start(window), kv / n, background / n)?;
        }
        if let Some(&end) = seen.ends.last() {
            push(end, 0.0, 0.0)?;
        }
    }
    Ok(())
}

/// Everything that the instances did, by instance, activity, time and request.
fn spans<'a>(watched: &Watched<'a>) -> Vec<Span<'a>> {
    let transfers: BTreeMap<_, _> = watched.seen.transfers.iter().map(|own| (own.request, own)).collect();
    let mut spans = Vec::new();
    for record in &watched.output.requests {
        let start = record.arrival + record.parts.prefill_queue;
        let end = start + record.parts.prefill_compute;
        let transfer = transfers.get(&record.request).copied();
        let mut push = |instance, activity, start, end| {
            spans.push(Span { instance, activity, start, end, record, transfer });
        };
        if record.prefilled_locally() {
            push(record.prefill_instance, Activity::LocalPrefill, start, end);
            push(record.prefill_instance, Activity::Decode, end, record.finish);
            continue;
        }
        push(record.prefill_instance, Activity::Prefill, start, end);
        if let (Some(decode), Some(transfer)) = (record.decode_instance, transfer) {
            push(record.prefill_instance, Activity::Transfer, end, transfer.end);
            push(decode, Activity::Decode, transfer.end, record.finish);
        }
    }
    spans.sort_by_key(|span| (span.instance, span.activity, span.start, span.record.request));
    spans
}

fn write_spans<W: Write>(lines: &mut Lines<W>, watched: &Watched<'_>) -> io::Result<()> {
    let spans = spans(watched);
    let mut n_lanes = 0;
    for own in spans.chunk_by(|one, other| one.instance == other.instance) {
        let pid = FIRST_INSTANCE + own[0].instance.get();
        write_instance(lines, pid, &own[0], watched.scenario)?;
        for same in own.chunk_by(|one, other| one.activity == other.activity) {
            // When each lane is free again. Thread numbers are never used twice, not even by another process.
            let mut free: Vec<SimTime> = Vec::new();
            for span in same {
                let lane = free.iter().position(|&until| until <= span.start).unwrap_or(free.len());
                let tid = n_lanes + 1 + lane as u32;
                if lane == free.len() {
                    free.push(span.end);
                    let name = format!("{} {}", span.activity.name(), lane + 1);
                    lines.describe("thread_name", pid, Some(tid), json!({"name": name}))?;
                    lines.describe("thread_sort_index", pid, Some(tid), json!({"sort_index": tid}))?;
                }
                free[lane] = span.end;
                write_span(lines, span, (pid, tid))?;
            }
            n_lanes += free.len() as u32;
        }
    }
    Ok(())
}

/// Says what an instance is and where: prefill instances stand before decode instances.
fn write_instance<W: Write>(lines: &mut Lines<W>, pid: u32, any: &Span<'_>, scenario: &Scenario) -> io::Result<()> {
    let place = netkv_sim::place(scenario, any.instance);
    let (role, rank) = match any.activity {
        Activity::Prefill | Activity::Transfer => ("prefill", 0),
        Activity::LocalPrefill | Activity::Decode => ("decode", 1),
    };
    let (pod, rack, node) = (place.pod, place.rack, place.node);
    let name = format!("{role} {}: pod {pod}, rack {rack}, node {node}", any.instance.get());
    lines.describe("process_name", pid, None, json!({"name": name}))?;
    let sort_index = FIRST_INSTANCE + any.instance.get() + rank * scenario.tree().n_gpus();
    lines.describe("process_sort_index", pid, None, json!({"sort_index": sort_index}))
}

/// Writes a request's time on a lane, and its end of the arrows.
fn write_span<W: Write>(lines: &mut Lines<W>, span: &Span<'_>, (pid, tid): (u32, u32)) -> io::Result<()> {
    let record = span.record;
    let number = record.request.get();
    let name = format!("request {number}");
    let mut slice = |name: &str, cat, start: SimTime, end: SimTime, args: Value| {
        let event = Event::new("X", name, micros(start.as_nanos()), pid);
        let dur = Some(micros(end.since(start).as_nanos()));
        lines.push(&Event { cat: Some(cat), dur, tid: Some(tid), args, ..event })
    };
    let (start, phase, bp) = match (span.activity, span.transfer) {
        (Activity::Transfer, Some(transfer)) => {
            if transfer.start > span.start {
                let args = json!({"request": number});
                slice("waits for KV memory", "wait", span.start, transfer.start, args)?;
            }
            slice(&name, "transfer", transfer.start, transfer.end, transfer_args(span, transfer))?;
            (transfer.start, "t", None)
        }
        (Activity::Decode, _) => {
            slice(&name, "decode", span.start, span.end, decode_args(record))?;
            (span.start, "f", Some("e"))
        }
        (Activity::Prefill | Activity::Transfer | Activity::LocalPrefill, _) => {
            let args = json!({
                "request": number,
                "input_tokens": record.input_tokens,
                "hit_tokens": record.prefill_hit_tokens,
                "queue_ms": millis(record.parts.prefill_queue),
            });
            slice(&name, "prefill", span.start, span.end, args)?;
            (span.start, "s", None)
        }
    };
    if span.transfer.is_none() {
        return Ok(());
    }
    let arrow = Event::new(phase, "request", micros(start.as_nanos()), pid);
    lines.push(&Event { cat: Some("request"), id: Some(number), bp, tid: Some(tid), ..arrow })
}

fn transfer_args(span: &Span<'_>, transfer: &TransferRecord) -> Value {
    let record = span.record;
    let moving = transfer.end.since(transfer.start + transfer.setup);
    json!({
        "request": record.request.get(),
        "bytes": record.transfer_bytes,
        "tier": record.tier.map(Tier::name),
        "from_prefill": record.prefill_instance.get(),
        "to_decode": record.decode_instance.map(InstanceId::get),
        "hit_tokens": record.decode_hit_tokens,
        "memory_wait_ms": millis(transfer.start.since(span.start)),
        "setup_ms": millis(transfer.setup),
        "moving_ms": millis(moving),
        // Bytes per nanosecond are gigabytes per second.
        "gbytes_per_s": (moving > SimDuration::ZERO).then(|| record.transfer_bytes as f64 / moving.as_nanos() as f64),
    })
}

fn decode_args(record: &RequestRecord) -> Value {
    json!({
        "request": record.request.get(),
        "output_tokens": record.output_tokens,
        "ttft_ms": millis(record.ttft),
        "tbt_mean_ms": record.tbt_mean_ns().map(|nanos| nanos / 1e6),
        "tbt_max_ms": millis(record.tbt_max),
        "preemptions": record.preemptions,
        "slo_attained": record.slo_attained,
        "counted": record.counted,
    })
}
