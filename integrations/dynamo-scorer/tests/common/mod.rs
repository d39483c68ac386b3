//! A pool of decode workers as Dynamo's router sees it, and a request for it.

#![allow(dead_code, reason = "every test file uses a part of it")]
#![allow(clippy::disallowed_types, reason = "Dynamo's interface has hash maps")]

use dynamo_kv_router::protocols::{RoutingConstraints, WorkerConfigLike, WorkerId, WorkerWithDpRank};
use dynamo_kv_router::scheduling::{OverlapSignals, ScheduleMode};
use dynamo_kv_router::{
    KvRouterConfig, KvSchedulerError, SchedulingRequest, WorkerInputView, WorkerLoadProjection, WorkerPicker,
    WorkerSelectionContext, WorkerSelectionInput, WorkerSelectionPolicy, WorkerSelectionPolicyError, WorkerSelector,
};
use netkv_dynamo_scorer::{
    Iteration, LeastCost, NetKvScorer, Network, Parameters, Place, PlacedPrefill, PlacedWorker, Rule, Source, TierCost,
    Tiers,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

/// Tokens of a KV block.
pub const BLOCK: u32 = 16;

/// The taint of the domain that is preferred in these tests.
pub const TAINT: &str = "dynamo.topology/rack=r0";

/// A worker and what the router knows of it.
#[derive(Clone, Debug, Default)]
pub struct Worker {
    /// None: its load is not told.
    pub load: Option<WorkerLoadProjection>,
    pub device_blocks: usize,
    pub is_preferred: bool,
}

/// A worker with so many requests and blocks, those of the new request counted in.
pub fn loaded(requests: usize, blocks: usize) -> Worker {
    let load = WorkerLoadProjection { active_decode_blocks: blocks, active_requests: requests, ..Default::default() };
    Worker { load: Some(load), ..Worker::default() }
}

pub struct Config(HashSet<String>);

impl WorkerConfigLike for Config {
    fn data_parallel_start_rank(&self) -> u32 {
        0
    }

    fn data_parallel_size(&self) -> u32 {
        1
    }

    fn max_num_batched_tokens(&self) -> Option<u64> {
        None
    }

    fn total_kv_blocks(&self) -> Option<u64> {
        None
    }

    fn taints(&self) -> &HashSet<String> {
        &self.0
    }
}

pub const fn place(pod: u32, rack: u32, node: u32) -> Place {
    Place { pod, rack, node }
}

/// Decode workers at these places, with ids from 1 on, and one prefill worker in the first node.
pub fn parameters(places: &[Place]) -> Parameters {
    let tier = |gbytes_per_s, latency_us| TierCost { gbytes_per_s, latency_us, congestion_ratio: 0.0 };
    Parameters {
        rule: Rule::Netkv { reserve_tokens: 0 },
        source: Source::Mean {},
        kv_bytes_per_token: 327_680,
        capacity_tokens: 400_000,
        max_batch: 128,
        iteration: Iteration { base_ms: 12.4, per_request_ms: 0.1, per_token_ns: 0.0 },
        transfer_skips_cached: false,
        tiers: Tiers { node: tier(450.0, 2.0), rack: tier(50.0, 4.0), pod: tier(25.0, 8.0), core: tier(12.5, 12.0) },
        decode: (1..).zip(places).map(|(id, &place)| PlacedWorker { id, place }).collect(),
        prefill: vec![PlacedPrefill { id: 100, place: place(0, 0, 0) }],
    }
}

pub fn request(input_tokens: usize, workers: &BTreeMap<WorkerId, Worker>, preferred: bool) -> SchedulingRequest {
    let rank = WorkerWithDpRank::from_worker_id;
    let mut overlap = OverlapSignals::default();
    for (&id, worker) in workers.iter().filter(|(_, worker)| worker.device_blocks > 0) {
        overlap.tier_overlap_blocks.device.insert(rank(id), worker.device_blocks);
    }
    let preferred_taints = if preferred { HashMap::from([(TAINT.to_owned(), 0.85)]) } else { HashMap::new() };
    SchedulingRequest {
        mode: ScheduleMode::QueryOnly { request_id: None },
        token_seq: None,
        isl_tokens: input_tokens,
        lora_name: None,
        expected_output_tokens: None,
        affinity_target: None,
        pinned_worker: None,
        allowed_worker_ids: None,
        routing_constraints: RoutingConstraints { required_taints: HashSet::new(), preferred_taints },
        router_config_override: None,
        track_prefill_tokens: false,
        priority_jump: 0.0,
        strict_priority: 0,
        policy_class: None,
        session_context: None,
        overlap,
        kv_transfer_candidates: None,
        retain_kv_transfer_chain: false,
        shared_cache_hits: None,
        worker_loads: workers.iter().filter_map(|(&id, worker)| Some((rank(id), worker.load?))).collect(),
        resp_tx: None,
    }
}

pub fn select(
    policy: &WorkerSelectionPolicy,
    request: &SchedulingRequest,
    workers: &BTreeMap<WorkerId, Worker>,
) -> Result<WorkerId, KvSchedulerError> {
    let taints = |worker: &Worker| worker.is_preferred.then(|| TAINT.to_owned()).into_iter().collect();
    let configs: HashMap<WorkerId, Config> = workers.iter().map(|(&id, worker)| (id, Config(taints(worker)))).collect();
    let input = WorkerSelectionInput::configured(&configs, request, request.eligibility(), BLOCK);
    policy.select_worker(input).map(|result| result.worker.worker_id)
}

/// Notes the costs that the scorer gave, and picks as the crate's own picker does.
struct Noting(Arc<Mutex<BTreeMap<WorkerId, f64>>>);

impl WorkerPicker for Noting {
    fn pick(
        &mut self,
        context: &WorkerSelectionContext<'_>,
        input: WorkerInputView<'_>,
    ) -> Result<usize, WorkerSelectionPolicyError> {
        let costs = input.candidates().iter().map(|one| (one.worker().worker_id, one.cost()));
        *self.0.lock().expect("no test panics here") = costs.collect();
        LeastCost.pick(context, input)
    }
}

/// The worker that is chosen, and the costs of all.
pub fn costs(
    parameters: &Parameters,
    input_tokens: usize,
    workers: &BTreeMap<WorkerId, Worker>,
    preferred: bool,
) -> Result<(WorkerId, BTreeMap<WorkerId, f64>), KvSchedulerError> {
    let scorer =
        NetKvScorer::new(parameters.clone(), Arc::new(Network::new(parameters))).expect("the parameters are valid");
    let noted = Arc::default();
    let picker = Box::new(Noting(Arc::clone(&noted)));
    let policy = WorkerSelectionPolicy::new(KvRouterConfig::default(), "decode", vec![Box::new(scorer)], picker);
    let chosen = select(&policy, &request(input_tokens, workers, preferred), workers)?;
    let costs = noted.lock().expect("no test panics here").clone();
    Ok((chosen, costs))
}

/// Workers with ids from 1 on.
pub fn pool(workers: impl IntoIterator<Item = Worker>) -> BTreeMap<WorkerId, Worker> {
    (1..).zip(workers).collect()
}

/// A worker without taints.
pub fn config() -> Config {
    Config(HashSet::new())
}
