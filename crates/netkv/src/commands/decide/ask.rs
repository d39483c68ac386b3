//! The request of `netkv decide`: JSON, checked against the cluster.

use crate::commands::cluster::read_input;
use crate::failure::Failure;
use netkv_oracle::Plan;
use netkv_policy::{Candidate, Dispatched, PrefillCandidate, PromptView, Report};
use netkv_sim::Scenario;
use netkv_units::{Bytes, InstanceId, RequestId, SimDuration, SimTime};
use serde::Deserialize;
use std::path::Path;

/// What is asked, in the terms of policies.
pub struct Asked {
    /// The prompt.
    pub prompt: PromptView,
    /// Where it was computed, if that is said.
    pub source: Option<InstanceId>,
    /// Where it may be computed, for policies that choose that.
    pub prefill: Vec<PrefillCandidate>,
    /// Where it may be decoded, in ascending order.
    pub candidates: Vec<Candidate>,
}

/// The fields of a request; what is not said is none, or what the cluster's file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    #[serde(default)]
    request: u32,
    input_tokens: u32,
    source: Option<u32>,
    kv_bytes: Option<u64>,
    #[serde(default)]
    now_s: f64,
    #[serde(default)]
    ttft_left_s: f64,
    candidates: Vec<CandidateFields>,
    #[serde(default)]
    prefill: Vec<PrefillFields>,
}

/// A decode instance, as its router knows it: fields as in `netkv explain --json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CandidateFields {
    instance: u32,
    #[serde(default)]
    running: u32,
    #[serde(default)]
    pending: u32,
    max_batch: Option<u32>,
    #[serde(default)]
    running_tokens: u64,
    #[serde(default)]
    pending_tokens: u64,
    capacity_tokens: Option<u64>,
    free_tokens: Option<u64>,
    #[serde(default)]
    queued_tokens: u64,
    #[serde(default)]
    hit_tokens: u32,
    transfer_bytes: Option<u64>,
    #[serde(default)]
    sharing_transfers: u32,
    #[serde(default)]
    source_tier_transfers: u32,
    #[serde(default)]
    in_flight_prompt_tokens: u64,
    #[serde(default)]
    report: ReportFields,
    #[serde(default)]
    dispatched: DispatchedFields,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ReportFields {
    running: u32,
    waiting: u32,
    waiting_tokens: u64,
    used_tokens: u64,
    generated_tokens_per_s: f64,
    finished_requests_per_s: f64,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DispatchedFields {
    requests: u32,
    tokens: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrefillFields {
    instance: u32,
    #[serde(default)]
    requests: u32,
    #[serde(default)]
    backlog_tokens: u64,
    #[serde(default)]
    backlog_pairs: u64,
    #[serde(default)]
    hit_tokens: u32,
}

/// Longest times that are taken, in seconds: ten years.
const MAX_SECONDS: f64 = 3e8;

/// Reads a request: JSON itself, a file, or standard input.
///
/// # Errors
/// What is wrong with it.
pub fn read(given: &str, scenario: &Scenario, plan: &Plan) -> Result<Asked, Failure> {
    let is_text = given.trim_start().starts_with('{');
    let shown = match given {
        _ if is_text => "--request",
        "-" => "standard input",
        path => path,
    };
    let bytes = if is_text { given.as_bytes().to_vec() } else { read_input(Path::new(given), shown)? };
    let fields: Fields =
        serde_json::from_slice(&bytes).map_err(|error| Failure::input(format_args!("{shown}: {error}")))?;
    asked(fields, scenario, plan).map_err(|why| Failure::input(format_args!("{shown}: {why}")))
}

fn asked(fields: Fields, scenario: &Scenario, plan: &Plan) -> Result<Asked, String> {
    let input_tokens = fields.input_tokens;
    if input_tokens == 0 {
        return Err("input_tokens = 0; allowed: 1 or more".to_owned());
    }
    for (name, seconds) in [("now_s", fields.now_s), ("ttft_left_s", fields.ttft_left_s)] {
        if !(0.0..=MAX_SECONDS).contains(&seconds) {
            return Err(format!("{name} = {seconds}; allowed: seconds, 0 to {MAX_SECONDS}"));
        }
    }
    let known = |number: u32, what: &str| {
        let instance = InstanceId::new(number);
        let last = plan.instances.len() - 1;
        plan.instance(instance)
            .map(|_| instance)
            .ok_or_else(|| format!("{what} {number}; the cluster has the instances 0 to {last}"))
    };
    let kv_bytes = fields.kv_bytes.unwrap_or(u64::from(input_tokens) * scenario.kv.bytes_per_token);
    let mut candidates = Vec::new();
    for fields in fields.candidates {
        let instance = known(fields.instance, "candidate")?;
        candidates.push(candidate(fields, instance, (input_tokens, kv_bytes), scenario)?);
    }
    let mut prefill = Vec::new();
    for fields in fields.prefill {
        let PrefillFields { instance, requests, backlog_tokens, backlog_pairs, hit_tokens } = fields;
        let instance = known(instance, "prefill instance")?;
        if hit_tokens > input_tokens {
            return Err(format!("prefill instance {}: {hit_tokens} hit_tokens of {input_tokens}", instance.get()));
        }
        prefill.push(PrefillCandidate { instance, requests, backlog_tokens, backlog_pairs, hit_tokens });
    }
    candidates.sort_by_key(|candidate| candidate.instance);
    prefill.sort_by_key(|candidate| candidate.instance);
    let decode_ids: Vec<InstanceId> = candidates.iter().map(|candidate| candidate.instance).collect();
    let prefill_ids: Vec<InstanceId> = prefill.iter().map(|candidate| candidate.instance).collect();
    if decode_ids.is_empty() {
        return Err("candidates = []; allowed: one or more".to_owned());
    }
    if let Some(pair) =
        [&decode_ids, &prefill_ids].into_iter().find_map(|ids| ids.windows(2).find(|pair| pair[0] == pair[1]))
    {
        return Err(format!("instance {} is named twice", pair[0].get()));
    }
    Ok(Asked {
        prompt: PromptView {
            request: RequestId::new(fields.request),
            input_tokens,
            kv_bytes: Bytes::new(kv_bytes),
            now: SimTime::from_secs_f64(fields.now_s),
            ttft_left: SimDuration::from_secs_f64(fields.ttft_left_s),
        },
        source: fields.source.map(|source| known(source, "source")).transpose()?,
        prefill,
        candidates,
    })
}

/// One candidate for a prompt of so many tokens and bytes.
fn candidate(
    fields: CandidateFields,
    instance: InstanceId,
    (input_tokens, kv_bytes): (u32, u64),
    scenario: &Scenario,
) -> Result<Candidate, String> {
    let name = instance.get();
    let CandidateFields { running, pending, running_tokens, pending_tokens, hit_tokens, .. } = fields;
    if hit_tokens > input_tokens {
        return Err(format!("candidate {name}: {hit_tokens} hit_tokens of a prompt of {input_tokens}"));
    }
    let block_tokens = u64::from(scenario.kv.block_tokens);
    let capacity = fields.capacity_tokens.unwrap_or(u64::from(scenario.kv.decode_blocks) * block_tokens);
    let committed = running_tokens.saturating_add(pending_tokens);
    let free_tokens = fields.free_tokens.unwrap_or(capacity.saturating_sub(committed));
    if free_tokens > capacity {
        return Err(format!("candidate {name}: {free_tokens} free_tokens of a capacity of {capacity}"));
    }
    let report = fields.report;
    let rates = [report.generated_tokens_per_s, report.finished_requests_per_s];
    if rates.iter().any(|rate| !(rate.is_finite() && *rate >= 0.0)) {
        return Err(format!("candidate {name}: rates of its report are {rates:?}; allowed: 0 or more"));
    }
    let lacking = if scenario.transfer.skip_cached { input_tokens - hit_tokens } else { input_tokens };
    let moved = (u128::from(kv_bytes) * u128::from(lacking) / u128::from(input_tokens)) as u64;
    Ok(Candidate {
        instance,
        running,
        pending,
        max_batch: fields.max_batch.unwrap_or(scenario.decode.max_batch),
        running_tokens,
        pending_tokens,
        capacity_tokens: capacity,
        free_tokens,
        queued_tokens: fields.queued_tokens,
        hit_tokens,
        transfer_bytes: Bytes::new(fields.transfer_bytes.unwrap_or(moved)),
        sharing_transfers: fields.sharing_transfers,
        source_tier_transfers: fields.source_tier_transfers,
        in_flight_prompt_tokens: fields.in_flight_prompt_tokens,
        report: Report {
            running: report.running,
            waiting: report.waiting,
            waiting_tokens: report.waiting_tokens,
            used_tokens: report.used_tokens,
            generated_tokens_per_sec: report.generated_tokens_per_s,
            finished_requests_per_sec: report.finished_requests_per_s,
        },
        dispatched: Dispatched { requests: fields.dispatched.requests, tokens: fields.dispatched.tokens },
    })
}
