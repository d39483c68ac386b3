//! The scorer: what Dynamo tells of workers becomes candidates of `netkv-policy`, and its terms become costs.

use crate::network::{Decision, Network, Place};
use crate::parameters::{Parameters, ParametersError, Source, TierCost};
use crate::source::{Told, sources};
use dynamo_kv_router::{
    WorkerCandidate, WorkerCandidates, WorkerInputs, WorkerScorer, WorkerSelectionContext, WorkerSelectionPolicyError,
};
use netkv_policy::{Candidate, Policy, PromptView, RequestView, Selector};
use netkv_units::{Bytes, InstanceId, SimDuration, SimTime, Tier};
use std::sync::Arc;

/// Seconds that a lower standing costs (no room, a limit that is not kept), so that one sum puts standing before seconds.
/// No first token takes so long.
pub const RANK_S: f64 = 1e6;

/// NetKV's cost of each worker, in seconds until the first token.
///
/// | of the rule | from Dynamo |
/// |---|---|
/// | prompt, its KV cache | `prompt_tokens`, times `kv_bytes_per_token` |
/// | requests on a worker | `active_requests`: those beyond `max_batch` wait |
/// | their context, free memory | `decode_cost_blocks`, which counts the new request in, times `block_size`; of `capacity_tokens` |
/// | what it has of the prompt | `device_overlap_blocks`, if `transfer_skips_cached` |
/// | transfers in flight | not told: none |
/// | promised time | not told: nothing is late |
///
/// A worker whose load is not told counts as loaded as the mean of the others: it is neither flooded nor starved.
pub struct NetKvScorer {
    rule: Box<dyn Policy>,
    parameters: Parameters,
    network: Arc<Network>,
    tiers: [TierCost; 4],
    /// Of one decision: candidates, and their places with that of a source after them.
    candidates: Vec<Candidate>,
    told: Vec<Told>,
    places: Vec<Option<Place>>,
}

/// The load of a worker.
#[derive(Clone, Copy)]
struct Load {
    requests: u32,
    /// Context of all its requests and the new one.
    potential_tokens: u64,
}

impl NetKvScorer {
    /// A scorer by these parameters, over this network.
    ///
    /// # Errors
    /// If the parameters are not valid.
    pub fn new(parameters: Parameters, network: Arc<Network>) -> Result<Self, ParametersError> {
        parameters.check()?;
        // None of these rules draws at random.
        let rule: Box<dyn Policy> = match parameters.policy().build(parameters.estimates(), 0) {
            Selector::Decode(rule) => rule,
            Selector::Staged(rule) => rule,
            Selector::Pair(_) | Selector::Clairvoyant => unreachable!("every rule here rates decode candidates"),
        };
        let tiers = Tier::ALL.map(|tier| parameters.tiers.of(tier));
        Ok(Self { rule, parameters, network, tiers, candidates: Vec::new(), told: Vec::new(), places: Vec::new() })
    }

    fn load(&self, worker: WorkerCandidate<'_>, block_tokens: u64) -> Option<Load> {
        let load = worker.load().filter(|load| load.is_available())?;
        Some(Load {
            requests: u32::try_from(load.active_requests()).unwrap_or(u32::MAX),
            potential_tokens: load.decode_cost_blocks().max(0.0) as u64 * block_tokens,
        })
    }

    /// What is taken of workers whose load is not told.
    fn usual_load(&self, workers: WorkerCandidates<'_>, block_tokens: u64, own_tokens: u64) -> Load {
        let (mut n, mut requests, mut tokens) = (0_u64, 0_u64, 0_u64);
        for load in workers.iter().filter_map(|worker| self.load(worker, block_tokens)) {
            n += 1;
            requests += u64::from(load.requests);
            tokens = tokens.saturating_add(load.potential_tokens);
        }
        if n == 0 {
            return Load { requests: 0, potential_tokens: own_tokens };
        }
        Load { requests: u32::try_from(requests / n).unwrap_or(u32::MAX), potential_tokens: tokens / n }
    }

    /// A worker as the rule sees it.
    fn candidate(&self, row: usize, load: Load, prompt: &PromptView, own_tokens: u64, cached_tokens: u32) -> Candidate {
        let Parameters { capacity_tokens, max_batch, kv_bytes_per_token, .. } = self.parameters;
        let hit_tokens = cached_tokens.min(prompt.input_tokens);
        let lacking = u64::from(prompt.input_tokens - hit_tokens);
        let running = load.requests.min(max_batch);
        Candidate {
            running,
            pending: load.requests - running,
            max_batch,
            // The rule adds the new request, which Dynamo's projection has in it already.
            running_tokens: load.potential_tokens.saturating_sub(own_tokens),
            capacity_tokens,
            // So that there is room if, and only if, the projection fits.
            free_tokens: capacity_tokens.saturating_add(lacking).saturating_sub(load.potential_tokens),
            hit_tokens,
            transfer_bytes: Bytes::new(lacking * kv_bytes_per_token),
            ..Candidate::unknown(InstanceId::new(row as u32))
        }
    }

    /// Fills in what the rule sees of every worker.
    fn fill(&mut self, prompt: &PromptView, context: &WorkerSelectionContext<'_>, workers: WorkerCandidates<'_>) {
        let block_tokens = u64::from(context.block_size());
        let own_tokens = context.request_blocks() * block_tokens;
        let usual = self.usual_load(workers, block_tokens, own_tokens);
        let network = Arc::clone(&self.network);
        self.candidates.clear();
        self.told.clear();
        network.look(|view| {
            for (row, worker) in workers.iter().enumerate() {
                let load = self.load(worker, block_tokens).unwrap_or(usual);
                let overlap = worker.cache().filter(|_| self.parameters.transfer_skips_cached);
                let cached_blocks = overlap.map_or(0.0, |cache| cache.device_overlap_blocks().max(0.0));
                let cached = (cached_blocks * block_tokens as f64) as u32;
                let candidate = self.candidate(row, load, prompt, own_tokens, cached);
                self.candidates.push(candidate);
                let is_preferred = worker.preferred_taint_multiplier().map(|multiplier| multiplier < 1.0);
                self.told.push(Told { place: view.decode(worker.worker().worker_id), is_preferred });
            }
        });
    }
}

impl WorkerScorer for NetKvScorer {
    fn required_worker_inputs(&self) -> WorkerInputs {
        let cache = if self.parameters.transfer_skips_cached { WorkerInputs::CACHE } else { WorkerInputs::NONE };
        let taint = match self.parameters.source {
            Source::PreferredDomain { .. } => WorkerInputs::PREFERRED_TAINT,
            Source::Mean {} | Source::RequiredDomain { .. } => WorkerInputs::NONE,
        };
        WorkerInputs::LOAD | cache | taint
    }

    fn score(
        &mut self,
        context: &WorkerSelectionContext<'_>,
        workers: WorkerCandidates<'_>,
        costs: &mut [f64],
    ) -> Result<(), WorkerSelectionPolicyError> {
        let input_tokens = u32::try_from(context.prompt_tokens()).unwrap_or(u32::MAX);
        let kv_bytes = Bytes::new(u64::from(input_tokens) * self.parameters.kv_bytes_per_token);
        let prompt = PromptView { input_tokens, kv_bytes, now: SimTime::ZERO, ttft_left: SimDuration::ZERO };
        self.fill(&prompt, context, workers);
        let (sources, congestion) =
            self.network.look(|view| (sources(self.parameters.source, &self.told, view), view.congestion()));
        let sources = sources?;
        let n_sources: u32 = sources.values().sum();
        self.places.clear();
        self.places.extend(self.told.iter().map(|told| told.place));
        self.places.push(None);
        let last = self.places.len() - 1;
        let request = RequestView { source: InstanceId::new(last as u32), prompt };
        costs.fill(0.0);
        for (place, count) in sources {
            self.places[last] = Some(place);
            let oracle = Decision { places: &self.places, tiers: self.tiers, congestion };
            let weight = f64::from(count) / f64::from(n_sources);
            for (cost, rating) in costs.iter_mut().zip(self.rule.rate(&request, &self.candidates, &oracle)) {
                *cost += weight * (f64::from(rating.rank) * RANK_S + rating.cost());
            }
        }
        Ok(())
    }
}
