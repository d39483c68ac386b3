//! `flowref/1`: cases for a flow-level network simulator, as JSON. They are how this model is compared with others.
//!
//! One object: `format` ("flowref/1"), `links` (`id` = position, `bandwidth_Bps`, `latency_s`; each is one
//! direction), `flows` (`id` = position, `start_s`, `size_bytes`, `path` of link ids, `rate_cap_Bps` or null). A flow
//! enters at its start plus the latencies of its links, shares max-min fairly, and is finished when its bytes have
//! moved; one of no bytes is finished when it enters. With `transport` (`ramp_round_trips`, `share_round_trips`,
//! `queue_us`) it waits before that, by what is there at its start: see [`Transport`].

use crate::network::FlowNetwork;
use crate::transport::{Calibration, Transport};
use netkv_units::{Bytes, BytesPerSec, LinkId, SimDuration, SimTime};
use serde::Deserialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::ops::Range;

/// The format that [`Case::from_json`] reads.
pub const FORMAT: &str = "flowref/1";

/// A case that can be run.
#[derive(Clone, Debug)]
pub struct Case {
    transport: Transport,
    capacities: Vec<BytesPerSec>,
    /// In order of the time at which they start, then id.
    flows: Vec<CaseFlow>,
    /// The links of all flows' paths.
    hops: Vec<LinkId>,
}

#[derive(Clone, Debug)]
struct CaseFlow {
    starts: SimTime,
    /// If it waits for nothing.
    enters: SimTime,
    id: usize,
    size: Bytes,
    cap: Option<BytesPerSec>,
    /// Where its links are in the case's hops.
    path: Range<usize>,
}

/// Everything that is wrong with a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseErrors(Vec<String>);

impl fmt::Display for CaseErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(20)];
        formatter.write_str(&shown.join("\n"))?;
        if self.0.len() > shown.len() { write!(formatter, "\nand {} more", self.0.len() - shown.len()) } else { Ok(()) }
    }
}

impl std::error::Error for CaseErrors {}

#[derive(Deserialize)]
struct RawCase {
    format: String,
    transport: Option<RawTransport>,
    links: Vec<RawLink>,
    flows: Vec<RawFlow>,
}

#[derive(Deserialize)]
struct RawTransport {
    ramp_round_trips: f64,
    share_round_trips: f64,
    queue_us: f64,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the names of the format")]
struct RawLink {
    id: u64,
    bandwidth_Bps: f64,
    latency_s: f64,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the names of the format")]
struct RawFlow {
    id: u64,
    start_s: f64,
    size_bytes: i128,
    path: Vec<u64>,
    rate_cap_Bps: Option<f64>,
}

/// Longest simulated time that a case may start at, in seconds: a bound, so that time cannot overflow.
const MAX_START_S: f64 = 1e9;
/// Most round trips of a transport, and microseconds of its queue.
const MAX_TRANSPORT: f64 = 1e6;
/// Largest flow, in bytes.
const MAX_SIZE_BYTES: i128 = 1 << 60;
/// Longest path, in links.
const MAX_PATH_LINKS: usize = 255;

impl Case {
    /// Reads and checks a case.
    ///
    /// # Errors
    /// All that is wrong with it: not JSON, another format, an id out of place, a bandwidth or latency or start or
    /// size or cap that is not a number of the allowed range, a path that is empty, names an unknown link or one
    /// link twice.
    pub fn from_json(text: &str) -> Result<Self, CaseErrors> {
        let raw: RawCase =
            serde_json::from_str(text).map_err(|error| CaseErrors(vec![format!("not a {FORMAT} case: {error}")]))?;
        let mut errors = Vec::new();
        if raw.format != FORMAT {
            errors.push(format!("format is {:?}; allowed: {FORMAT:?}", raw.format));
        }
        if let Some(transport) = &raw.transport {
            transport.check(&mut errors);
        }
        for (position, link) in raw.links.iter().enumerate() {
            check_link(position, link, &mut errors);
        }
        for (position, flow) in raw.flows.iter().enumerate() {
            check_flow(position, flow, raw.links.len(), &mut errors);
        }
        if !errors.is_empty() {
            return Err(CaseErrors(errors));
        }
        let capacities = raw.links.iter().map(|link| BytesPerSec::new(link.bandwidth_Bps as u64)).collect();
        let transport = raw.transport.as_ref().map_or(Transport::Fluid, RawTransport::transport);
        let mut case = Self { transport, capacities, flows: Vec::new(), hops: Vec::new() };
        raw.flows.iter().for_each(|flow| case.enter(flow, &raw.links));
        case.flows.sort_unstable_by_key(|flow| (flow.starts, flow.id));
        Ok(case)
    }

    fn enter(&mut self, flow: &RawFlow, links: &[RawLink]) {
        let latency_s: f64 = flow.path.iter().map(|&link| links[link as usize].latency_s).sum();
        let start = self.hops.len();
        self.hops.extend(flow.path.iter().map(|&link| LinkId::new(link as u32)));
        self.flows.push(CaseFlow {
            starts: SimTime::from_secs_f64(flow.start_s),
            enters: SimTime::from_secs_f64(flow.start_s + latency_s),
            id: flow.id as usize,
            size: Bytes::new(flow.size_bytes as u64),
            cap: flow.rate_cap_Bps.map(|cap| BytesPerSec::new(cap as u64)),
            path: start..self.hops.len(),
        });
    }
}

impl RawTransport {
    fn check(&self, errors: &mut Vec<String>) {
        let named = [
            ("ramp_round_trips", self.ramp_round_trips),
            ("share_round_trips", self.share_round_trips),
            ("queue_us", self.queue_us),
        ];
        for (name, value) in named.into_iter().filter(|(_, value)| !(0.0..=MAX_TRANSPORT).contains(value)) {
            errors.push(format!("transport: {name} is {value}; allowed: 0 to {MAX_TRANSPORT}"));
        }
    }

    fn transport(&self) -> Transport {
        Transport::Calibrated(Calibration {
            ramp_round_trips: self.ramp_round_trips,
            share_round_trips: self.share_round_trips,
            queue: SimDuration::from_secs_f64(self.queue_us * 1e-6),
        })
    }
}

fn check_link(position: usize, link: &RawLink, errors: &mut Vec<String>) {
    if link.id != position as u64 {
        errors.push(format!("link {position}: id is {}; allowed: its position, {position}", link.id));
    }
    if !(1.0..1e18).contains(&link.bandwidth_Bps) {
        errors.push(format!("link {position}: bandwidth_Bps is {}; allowed: 1 to 1e18", link.bandwidth_Bps));
    }
    if !(0.0..=MAX_START_S).contains(&link.latency_s) {
        errors.push(format!("link {position}: latency_s is {}; allowed: 0 to {MAX_START_S}", link.latency_s));
    }
}

fn check_flow(position: usize, flow: &RawFlow, n_links: usize, errors: &mut Vec<String>) {
    if flow.id != position as u64 {
        errors.push(format!("flow {position}: id is {}; allowed: its position, {position}", flow.id));
    }
    if !(0.0..=MAX_START_S).contains(&flow.start_s) {
        errors.push(format!("flow {position}: start_s is {}; allowed: 0 to {MAX_START_S}", flow.start_s));
    }
    if !(0..=MAX_SIZE_BYTES).contains(&flow.size_bytes) {
        errors.push(format!("flow {position}: size_bytes is {}; allowed: 0 to {MAX_SIZE_BYTES}", flow.size_bytes));
    }
    if let Some(cap) = flow.rate_cap_Bps.filter(|cap| !(1.0..1e18).contains(cap)) {
        errors.push(format!("flow {position}: rate_cap_Bps is {cap}; allowed: 1 to 1e18, or null"));
    }
    if flow.path.is_empty() || flow.path.len() > MAX_PATH_LINKS {
        errors.push(format!("flow {position}: path has {} links; allowed: 1 to {MAX_PATH_LINKS}", flow.path.len()));
    }
    for (index, &link) in flow.path.iter().enumerate() {
        if link >= n_links as u64 {
            let there = match n_links.checked_sub(1) {
                Some(last) => format!("there are {n_links} (0 to {last})"),
                None => "there are none".to_owned(),
            };
            errors.push(format!("flow {position}: path names link {link}; {there}"));
        } else if flow.path[..index].contains(&link) {
            errors.push(format!("flow {position}: path names link {link} twice"));
        }
    }
}

/// Runs a case; finish times in seconds, in flow order. A flow that no link ever gives a byte finishes at infinity.
pub fn run(case: &Case) -> Vec<f64> {
    let longest = case.flows.iter().map(|flow| flow.path.len()).max().unwrap_or(1);
    let mut network = FlowNetwork::new(&case.capacities, longest);
    let mut finish_s = vec![f64::INFINITY; case.flows.len()];
    let mut owner: Vec<usize> = Vec::new();
    let mut ended = Vec::new();
    let mut starting = case.flows.iter().enumerate().peekable();
    // Those that have started and not entered, by when they will, then id; with their positions.
    let mut entering: BinaryHeap<Reverse<(SimTime, usize, usize)>> = BinaryHeap::new();
    loop {
        let next_start = starting.peek().map(|(_, flow)| flow.starts);
        let next_entry = entering.peek().map(|Reverse((enters, ..))| *enters);
        let Some(now) = [next_start, next_entry, network.next_completion()].into_iter().flatten().min() else { break };
        ended.clear();
        network.take_completed(now, &mut ended);
        for flow in &ended {
            finish_s[owner[flow.index()]] = now.as_secs_f64();
        }
        while let Some((position, flow)) = starting.next_if(|(_, flow)| flow.starts == now) {
            let latency = flow.enters.since(flow.starts);
            let wait = case.transport.wait(&network, &case.hops[flow.path.clone()], latency, flow.size);
            entering.push(Reverse((flow.enters + wait, flow.id, position)));
        }
        while entering.peek().is_some_and(|Reverse((enters, ..))| *enters == now) {
            let Some(Reverse((_, id, position))) = entering.pop() else { break };
            let flow = &case.flows[position];
            if flow.size == Bytes::ZERO {
                finish_s[id] = now.as_secs_f64();
                continue;
            }
            let flow = network.start_flow(now, &case.hops[flow.path.clone()], flow.size, flow.cap);
            owner.resize(owner.len().max(flow.index() + 1), 0);
            owner[flow.index()] = id;
        }
        network.resolve();
    }
    finish_s
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(links: &str, flows: &str) -> String {
        format!(r#"{{"format":"flowref/1","links":[{links}],"flows":[{flows}]}}"#)
    }

    const LINK: &str = r#"{"id":0,"bandwidth_Bps":1e9,"latency_s":0.5}"#;

    fn flow(path: &str, size: &str) -> String {
        format!(r#"{{"id":0,"start_s":1.0,"size_bytes":{size},"path":{path},"rate_cap_Bps":null}}"#)
    }

    #[track_caller]
    fn check_refused(text: &str, wanted: &str) {
        let error = Case::from_json(text).expect_err("the case is wrong").to_string();
        assert!(error.contains(wanted), "{error}");
    }

    #[test]
    fn one_flow_takes_latency_plus_size_over_rate() {
        let case = Case::from_json(&case(LINK, &flow("[0]", "3000000000"))).expect("a valid case");
        assert_eq!(run(&case), [4.5]);
    }

    /// Two flows of 1 GB over a link of 1 GB/s and 0.5 s. The first waits 0.1 x 1 s, is alone from 0.6 s on and done at 1.6 s.
    /// The second starts while it is there, at 1 s, and waits 0.3 x (1 s + 1 s) more: it enters at 1.0 + 0.5 + 0.1 + 0.6.
    #[test]
    fn a_calibrated_flow_waits_for_its_window_and_for_its_share() {
        let (one, other) = (flow("[0]", "1000000000"), flow("[0]", "1000000000"));
        let one = one.replace("1.0", "0.0");
        let other = other.replace(r#""id":0"#, r#""id":1"#);
        let transport = r#","transport":{"ramp_round_trips":0.1,"share_round_trips":0.3,"queue_us":1e6}}"#;
        let text = case(LINK, &format!("{one},{other}"));
        let calibrated = |transport: &str| text.strip_suffix('}').expect("an object").to_owned() + transport;
        let finish_s = run(&Case::from_json(&calibrated(transport)).expect("a valid case"));
        assert_eq!(finish_s, [1.6, 3.2]);
        // Without the wait they share the link from 1.5 s, when the first is just done.
        assert_eq!(run(&Case::from_json(&text).expect("a valid case")), [1.5, 2.5]);
        check_refused(
            &calibrated(&transport.replace("0.3", "-1")),
            "transport: share_round_trips is -1; allowed: 0 to",
        );
    }

    #[test]
    fn a_wrong_case_is_refused_with_what_is_wrong_and_what_is_allowed() {
        check_refused("{", "not a flowref/1 case");
        check_refused(&case(LINK, "").replace("/1", "/2"), r#"format is "flowref/2"; allowed: "flowref/1""#);
        check_refused(&case(LINK, &flow("[7]", "1")), "flow 0: path names link 7; there are 1");
        check_refused(&case("", &flow("[7]", "1")), "flow 0: path names link 7; there are none");
        check_refused(&case(LINK, &flow("[0,0]", "1")), "flow 0: path names link 0 twice");
        check_refused(&case(LINK, &flow("[]", "1")), "flow 0: path has 0 links");
        check_refused(&case(LINK, &flow("[0]", "-1")), "flow 0: size_bytes is -1");
        check_refused(&case(&LINK.replace("1e9", "0"), ""), "link 0: bandwidth_Bps is 0");
        check_refused(&case(&LINK.replace("1e9", "NaN"), ""), "not a flowref/1 case");
        check_refused(&case(&LINK.replace("0.5", "-1"), ""), "link 0: latency_s is -1");
    }
}
