//! Protocol "dynamo": NVIDIA Dynamo's selection service, asked as Dynamo's own prefill router asks for a decode worker.
//!
//! Each decode instance is a worker of it. A decision is a `select_and_reserve` with what Dynamo overrides on its decode leg
//! (no credit for cached prefixes, no shared blocks, no prompt tokens), the reservation is freed when the request finishes or
//! is taken back. The service hashes a prompt's whole blocks, a last part of one counts for nothing; so many hashes that
//! nobody else has are sent with each request. What the service forgets by the clock (reservations of an hour's age) is
//! beyond any cell.

use crate::config::{Domain, DynamoOptions};
use crate::deadline::Deadline;
use crate::fault::{Fault, shown};
use crate::http::{Answer, Http};
use crate::process::Process;
use crate::question::{Event, Places, Question, Router};
use netkv_policy::{Candidate, CostOracle, RequestStep, RequestView};
use netkv_units::{InstanceId, RequestId, Tier};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// What it answers to a selection, as far as it matters here.
#[derive(Deserialize)]
struct Selected {
    worker_id: u64,
    #[serde(default)]
    potential_decode_blocks: Option<u64>,
}

/// What it says of the load of a worker, a prompt of one block added.
#[derive(Deserialize)]
struct Load {
    potential_decode_blocks: u64,
}

/// How often workers are asked for that are not counted yet.
const RETRY: Duration = Duration::from_millis(2);

/// What the decode leg overrides.
#[derive(Serialize)]
struct Override {
    overlap_score_credit: f64,
    assume_kv_reuse: bool,
    track_prefill_tokens: bool,
}

/// A selection.
#[derive(Serialize)]
struct Select<'a> {
    selection_id: &'a str,
    isl_tokens: u32,
    block_hashes: &'a [u64],
    sequence_hashes: &'a [u64],
    router_config_override: Override,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_worker_ids: Option<Vec<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routing_constraints: Option<serde_json::Value>,
}

/// The service.
pub(crate) struct Dynamo {
    http: Http,
    options: DynamoOptions,
    patience: Duration,
    places: Places,
    workers: Vec<InstanceId>,
    /// Reservations by request: their names. A request that is taken back and chosen for again has a new one.
    reserved: BTreeMap<RequestId, String>,
    n_reservations: u64,
    next_hash: u64,
    /// What it said the chosen worker would hold, in blocks.
    pub(crate) projected_blocks: Option<u64>,
}

impl Dynamo {
    /// The service at the other end of a process that has just been started.
    pub(crate) fn new(process: Process, options: DynamoOptions, patience: Duration) -> Self {
        Self {
            http: Http::new(process),
            options,
            patience,
            places: Places::default(),
            workers: Vec::new(),
            reserved: BTreeMap::new(),
            n_reservations: 0,
            next_hash: 1,
            projected_blocks: None,
        }
    }

    /// The label of the group that an instance is in.
    fn label(&mut self, tier: Tier, instance: InstanceId, oracle: &dyn CostOracle) -> String {
        let (groups, _) = self.places.of(instance, oracle);
        let name = tier.min(Tier::Pod).name();
        let group = if tier == Tier::Core { 0 } else { groups[tier.index()].get() };
        format!("dynamo.topology/{name}={group}")
    }

    /// Makes a worker of a candidate that is none yet.
    fn register(&mut self, candidate: &Candidate, oracle: &dyn CostOracle) -> Result<(), Fault> {
        let id = candidate.instance;
        let Err(position) = self.workers.binary_search(&id) else { return Ok(()) };
        self.workers.insert(position, id);
        let taints = match self.options.domain {
            Domain::None => Vec::new(),
            Domain::Preferred(tier, _) | Domain::Required(tier) => vec![self.label(tier, id, oracle)],
        };
        let block = self.options.block_tokens;
        let worker = json!({
            "worker_id": id.get(),
            "endpoint": format!("http://instance-{}", id.get()),
            // Compulsory; nobody answers there, since no cached prefix counts.
            "kv_events_endpoint": "tcp://127.0.0.1:1",
            "block_size": block,
            "total_kv_blocks": candidate.capacity_tokens / u64::from(block),
            "data_parallel_start_rank": 0,
            "data_parallel_size": 1,
            "taints": taints,
        });
        self.http.send("POST", "/workers", worker.to_string().as_bytes())
    }

    /// Waits until the service counts the blocks of all workers: for a moment after a worker was added it counts none, and takes
    /// any for idle.
    fn wait_for_workers(&mut self) -> Result<(), Fault> {
        let deadline = Deadline::after(self.patience);
        let hash = [self.next_hash];
        self.next_hash += 1;
        let block = self.options.block_tokens;
        let body = json!({ "isl_tokens": block, "block_hashes": hash, "sequence_hashes": hash }).to_string();
        self.http.settle(0)?;
        loop {
            self.http.send("POST", "/potential_loads", body.as_bytes())?;
            let (what, answer) = self.http.next()?;
            if answer.status != 200 {
                return Err(self.http.refused(&what, &answer));
            }
            let loads: Vec<Load> = self.read(&what, &answer)?;
            let counted = loads.iter().filter(|load| load.potential_decode_blocks > 0).count();
            if counted >= self.workers.len() {
                return Ok(());
            }
            if deadline.left().is_none() {
                let text = format!("counts blocks of {counted} of {} workers alone", self.workers.len());
                return Err(self.http.fault(&text));
            }
            std::thread::sleep(RETRY);
        }
    }

    /// The body of an answer.
    fn read<T: for<'de> Deserialize<'de>>(&mut self, what: &str, answer: &Answer) -> Result<T, Fault> {
        serde_json::from_slice(&answer.body).map_err(|error| {
            let (body, why) = (shown(&answer.body, 200), shown(error.to_string().as_bytes(), 200));
            self.http.fault(&format!("answered {what} with `{body}` ({why})"))
        })
    }

    /// What the prefill instance of a request asks of its decode worker.
    fn constraints(&mut self, request: &RequestView, oracle: &dyn CostOracle) -> Option<serde_json::Value> {
        match self.options.domain {
            Domain::None => None,
            Domain::Required(tier) => {
                let label = self.label(tier, request.source, oracle);
                Some(json!({"required_taints": [label], "preferred_taints": {}}))
            }
            Domain::Preferred(tier, weight) => {
                let label = self.label(tier, request.source, oracle);
                Some(json!({"required_taints": [], "preferred_taints": {label: weight}}))
            }
        }
    }

    /// Frees the reservation of a request, if it has one.
    fn free(&mut self, request: RequestId) -> Result<(), Fault> {
        match self.reserved.remove(&request) {
            Some(name) => self.http.send("DELETE", &format!("/reservations/{name}"), b""),
            None => Ok(()),
        }
    }
}

impl Router for Dynamo {
    fn ask(&mut self, question: &Question<'_>) -> Result<(), Fault> {
        let (request, oracle) = (question.request, question.oracle);
        let before = self.workers.len();
        for candidate in question.candidates {
            self.register(candidate, oracle)?;
        }
        if self.workers.len() > before {
            self.wait_for_workers()?;
        }
        let prompt = &request.prompt;
        self.free(prompt.request)?;
        let n_blocks = u64::from(prompt.input_tokens / self.options.block_tokens);
        let hashes: Vec<u64> = (self.next_hash..self.next_hash + n_blocks).collect();
        self.next_hash += n_blocks;
        self.n_reservations += 1;
        let name = format!("{}-{}", prompt.request.index(), self.n_reservations);
        let all = question.candidates.len() == self.workers.len();
        let ids = || question.candidates.iter().map(|candidate| candidate.instance.get()).collect();
        let select = Select {
            selection_id: &name,
            isl_tokens: prompt.input_tokens,
            block_hashes: &hashes,
            sequence_hashes: &hashes,
            router_config_override: Override {
                overlap_score_credit: 0.0,
                assume_kv_reuse: false,
                track_prefill_tokens: false,
            },
            allowed_worker_ids: (!all).then(ids),
            routing_constraints: self.constraints(request, oracle),
        };
        let body = serde_json::to_vec(&select).map_err(|error| Fault::new(format!("no message: {error}")))?;
        self.reserved.insert(prompt.request, name);
        self.http.send("POST", "/select_and_reserve", &body)?;
        self.http.flush()
    }

    fn answer(&mut self, question: &Question<'_>) -> Result<usize, Fault> {
        self.http.settle(1)?;
        let (what, answer) = self.http.next()?;
        if answer.status != 200 {
            return Err(self.http.refused(&what, &answer));
        }
        let selected: Selected = self.read(&what, &answer)?;
        self.projected_blocks = selected.potential_decode_blocks;
        let position = question.position(selected.worker_id);
        position.ok_or_else(|| self.http.fault(&question.unknown(&selected.worker_id.to_string())))
    }

    fn heed(&mut self, event: Event<'_>) -> Result<(), Fault> {
        let Event::Request(event) = event else { return Ok(()) };
        match event.step {
            RequestStep::Joined => match self.reserved.get(&event.request) {
                Some(name) => self.http.send("POST", &format!("/reservations/{name}/prefill_complete"), b"{}"),
                None => Ok(()),
            },
            RequestStep::Finished | RequestStep::Recalled => self.free(event.request),
            RequestStep::Sent | RequestStep::Computed => Ok(()),
        }
    }
}
