//! Protocol "lines": JSON, one message a line, over the standard input and output of the router. docs/external.md says what
//! each message means.

use crate::fault::{Fault, shown};
use crate::process::Process;
use crate::question::{Event, Places, Question, Router};
use netkv_policy::{Candidate, CostOracle, PathCost, RequestEvent, RequestStep, TransferEvent, TransferStep};
use netkv_units::{InstanceId, Tier};
use serde::{Deserialize, Serialize};

/// Version of the protocol; what a router must name in its answer to the first message.
pub const VERSION: u32 = 1;

/// The longest line that a router may answer with, in bytes.
const LINE_LIMIT: usize = 1 << 16;

/// The first message.
#[derive(Serialize)]
struct Hello<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    protocol: &'static str,
    version: u32,
    seed: u64,
    tiers: [TierTold; 4],
    instances: &'a [InstanceTold],
}

/// What is told of a level of the network.
#[derive(Serialize)]
struct TierTold {
    tier: &'static str,
    /// What one transfer gets at most; null where it is not known.
    alone_bytes_per_s: Option<f64>,
}

/// What is told of an instance when it is first seen.
#[derive(Serialize)]
struct InstanceTold {
    instance: u32,
    role: &'static str,
    node: u32,
    rack: u32,
    pod: u32,
    /// What its interfaces carry; null where it is not known.
    interface_bytes_per_s: Option<f64>,
    /// What it can hold, and how many requests at once; null of one that only computes prompts.
    capacity_tokens: Option<u64>,
    max_batch: Option<u32>,
}

/// A prefill instance that is seen for the first time.
#[derive(Serialize)]
struct Seen {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    told: InstanceTold,
}

/// A question.
#[derive(Serialize)]
struct Decide<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    question: u64,
    now_s: f64,
    request: u64,
    input_tokens: u32,
    kv_bytes: u64,
    ttft_left_s: f64,
    source: u32,
    candidates: &'a [CandidateTold],
}

/// A candidate as it is told; docs/external.md has the meaning of each.
#[derive(Serialize)]
struct CandidateTold {
    instance: u32,
    running: u32,
    pending: u32,
    max_batch: u32,
    running_tokens: u64,
    pending_tokens: u64,
    capacity_tokens: u64,
    free_tokens: u64,
    queued_tokens: u64,
    hit_tokens: u32,
    transfer_bytes: u64,
    sharing_transfers: u32,
    source_tier_transfers: u32,
    in_flight_prompt_tokens: u64,
    path: PathTold,
}

/// What the way to a candidate costs.
#[derive(Serialize)]
struct PathTold {
    tier: &'static str,
    bandwidth_bytes_per_s: f64,
    latency_s: f64,
    congestion_ratio: f64,
    counts_in_flight: bool,
    age_s: f64,
}

/// A step of a request.
#[derive(Serialize)]
struct RequestTold {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'static str,
    now_s: f64,
    request: u64,
    instance: u32,
}

/// A step of a transfer.
#[derive(Serialize)]
struct TransferTold {
    #[serde(rename = "type")]
    kind: &'static str,
    event: &'static str,
    now_s: f64,
    source: u32,
    destination: u32,
    tier: &'static str,
    bytes: u64,
}

/// What a router answers to the first message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Welcome {
    version: u32,
    name: String,
    #[serde(default)]
    release: String,
    /// Whether it wants to hear of events.
    #[serde(default = "yes")]
    events: bool,
}

const fn yes() -> bool {
    true
}

/// What it answers to a question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    question: u64,
    instance: u64,
}

/// A router that speaks it.
pub(crate) struct Lines {
    process: Process,
    seed: u64,
    /// The release that the experiment names, if it names one.
    release: String,
    places: Places,
    is_greeted: bool,
    wants_events: bool,
}

impl Lines {
    /// A router that has been started and not spoken to.
    pub(crate) fn new(process: Process, seed: u64, release: &str) -> Self {
        let release = release.to_owned();
        Self { process, seed, release, places: Places::default(), is_greeted: false, wants_events: true }
    }

    fn tell(&mut self, message: &impl Serialize) -> Result<(), Fault> {
        let mut line = serde_json::to_vec(message).map_err(|error| Fault::new(format!("no message: {error}")))?;
        line.push(b'\n');
        self.process.tell(&line)
    }

    /// The next line.
    fn line<T: for<'de> Deserialize<'de>>(&mut self, wanted: &str) -> Result<T, Fault> {
        let end = |bytes: &[u8]| Ok(bytes.iter().position(|&byte| byte == b'\n').map(|end| end + 1));
        let line = self.process.answer(LINE_LIMIT, end)?;
        serde_json::from_slice(&line).map_err(|error| {
            let (line, why) = (shown(line.trim_ascii_end(), 200), shown(error.to_string().as_bytes(), 200));
            self.process.fault(&format!("answered `{line}` where {wanted} was due ({why})"))
        })
    }

    fn instance(&mut self, instance: InstanceId, known: Option<&Candidate>, oracle: &dyn CostOracle) -> InstanceTold {
        let ([node, rack, pod], _) = self.places.of(instance, oracle);
        InstanceTold {
            instance: instance.get(),
            role: if known.is_some() { "decode" } else { "prefill" },
            node: node.get(),
            rack: rack.get(),
            pod: pod.get(),
            interface_bytes_per_s: finite(oracle.leaving_from(instance, Tier::Node)),
            capacity_tokens: known.map(|known| known.capacity_tokens),
            max_batch: known.map(|known| known.max_batch),
        }
    }

    /// The first message, and its answer.
    fn greet(&mut self, question: &Question<'_>) -> Result<(), Fault> {
        let oracle = question.oracle;
        let instances: Vec<_> = question
            .candidates
            .iter()
            .map(|candidate| self.instance(candidate.instance, Some(candidate), oracle))
            .collect();
        let tiers = Tier::ALL.map(|tier| TierTold { tier: tier.name(), alone_bytes_per_s: finite(oracle.alone(tier)) });
        let hello =
            Hello { kind: "hello", protocol: "netkv", version: VERSION, seed: self.seed, tiers, instances: &instances };
        self.tell(&hello)?;
        let welcome: Welcome = self.line("the answer to \"hello\"")?;
        if welcome.version != VERSION {
            let text = format!("speaks version {} of the protocol; netkv speaks {VERSION}", welcome.version);
            return Err(self.process.fault(&text));
        }
        if !self.release.is_empty() && welcome.release != self.release {
            let (name, theirs) = (shown(welcome.name.as_bytes(), 80), shown(welcome.release.as_bytes(), 80));
            let text = format!(
                "is {name} {theirs}, but policy.external.release says {}: install that, or name the other",
                self.release
            );
            return Err(self.process.fault(&text));
        }
        (self.is_greeted, self.wants_events) = (true, welcome.events);
        Ok(())
    }
}

impl Router for Lines {
    fn ask(&mut self, question: &Question<'_>) -> Result<(), Fault> {
        if !self.is_greeted {
            self.greet(question)?;
        }
        let (request, oracle) = (question.request, question.oracle);
        if self.places.of(request.source, oracle).1 {
            let told = self.instance(request.source, None, oracle);
            self.tell(&Seen { kind: "instance", told })?;
        }
        for candidate in question.candidates {
            if self.places.of(candidate.instance, oracle).1 {
                let told = self.instance(candidate.instance, Some(candidate), oracle);
                self.tell(&Seen { kind: "instance", told })?;
            }
        }
        let told = |candidate: &Candidate| candidate_told(candidate, &oracle.path(request.source, candidate.instance));
        let candidates: Vec<_> = question.candidates.iter().map(told).collect();
        self.tell(&Decide {
            kind: "decide",
            question: question.number,
            now_s: request.prompt.now.as_secs_f64(),
            request: request.prompt.request.index() as u64,
            input_tokens: request.prompt.input_tokens,
            kv_bytes: request.prompt.kv_bytes.get(),
            ttft_left_s: request.prompt.ttft_left.as_secs_f64(),
            source: request.source.get(),
            candidates: &candidates,
        })?;
        let early = self.process.unasked();
        if !early.is_empty() {
            let text = format!("said `{}` before it was asked", shown(early.trim_ascii_end(), 200));
            return Err(self.process.fault(&text));
        }
        self.process.flush()
    }

    fn answer(&mut self, question: &Question<'_>) -> Result<usize, Fault> {
        let choice: Choice = self.line("an answer to \"decide\"")?;
        if choice.question != question.number {
            let (theirs, ours) = (choice.question, question.number);
            return Err(self.process.fault(&format!("answered question {theirs} where {ours} was asked")));
        }
        let position = question.position(choice.instance);
        position.ok_or_else(|| self.process.fault(&question.unknown(&choice.instance.to_string())))
    }

    fn heed(&mut self, event: Event<'_>) -> Result<(), Fault> {
        if !self.is_greeted || !self.wants_events {
            return Ok(());
        }
        match event {
            Event::Request(event) => self.tell(&request_told(event)),
            Event::Transfer(event) => self.tell(&transfer_told(event)),
        }
    }
}

fn candidate_told(candidate: &Candidate, path: &PathCost) -> CandidateTold {
    CandidateTold {
        instance: candidate.instance.get(),
        running: candidate.running,
        pending: candidate.pending,
        max_batch: candidate.max_batch,
        running_tokens: candidate.running_tokens,
        pending_tokens: candidate.pending_tokens,
        capacity_tokens: candidate.capacity_tokens,
        free_tokens: candidate.free_tokens,
        queued_tokens: candidate.queued_tokens,
        hit_tokens: candidate.hit_tokens,
        transfer_bytes: candidate.transfer_bytes.get(),
        sharing_transfers: candidate.sharing_transfers,
        source_tier_transfers: candidate.source_tier_transfers,
        in_flight_prompt_tokens: candidate.in_flight_prompt_tokens,
        path: PathTold {
            tier: path.tier.name(),
            bandwidth_bytes_per_s: path.bandwidth_bytes_per_sec,
            latency_s: path.latency.as_secs_f64(),
            congestion_ratio: path.congestion_ratio,
            counts_in_flight: path.counts_in_flight,
            age_s: path.age.as_secs_f64(),
        },
    }
}

fn request_told(event: &RequestEvent) -> RequestTold {
    let name = match event.step {
        RequestStep::Sent => "sent",
        RequestStep::Computed => "computed",
        RequestStep::Joined => "joined",
        RequestStep::Finished => "finished",
        RequestStep::Recalled => "recalled",
    };
    RequestTold {
        kind: "request",
        event: name,
        now_s: event.now.as_secs_f64(),
        request: event.request.index() as u64,
        instance: event.instance.get(),
    }
}

fn transfer_told(event: &TransferEvent) -> TransferTold {
    let step = match event.step {
        TransferStep::Begun => "begun",
        TransferStep::Ended => "ended",
        TransferStep::Cut => "cut",
    };
    TransferTold {
        kind: "transfer",
        event: step,
        now_s: event.now.as_secs_f64(),
        source: event.source.get(),
        destination: event.destination.get(),
        tier: event.tier.name(),
        bytes: event.bytes.get(),
    }
}

/// JSON has no infinity: what is not known is null.
fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}
