//! Handlers that have the policy choose: what it is told of each instance and of the network, and what it decided.

use crate::explain::Reasons;
use crate::network::transfers::interface;
use crate::scenario::{OracleGranularity, SelectionMoment};
use crate::scheduler::oracle::{DecisionOracle, flow_hashes};
use crate::scheduler::rankings::Rankings;
use crate::serving::{is_counted, ttft_limit};
use crate::simulation::Simulation;
use netkv_fabric::{FlowNetwork, Path};
use netkv_policy::{Candidate, Policy, PrefillCandidate, PromptView, RequestView, Selector};
use netkv_units::{Bytes, BytesPerSec, LinkId, RequestId};

impl Simulation<'_> {
    /// Whether the decode instance of a request is chosen at `moment`. A policy that picks the prefill instance as well
    /// picks both on arrival, whatever the experiment says.
    pub(crate) fn selects_at(&self, moment: SelectionMoment) -> bool {
        !matches!(self.policy, Selector::Pair(_)) && self.scenario.selection == moment
    }

    /// Has the policy choose a decode instance for a request whose prefill instance is known; false if it refuses it.
    #[must_use]
    pub(crate) fn select_decode(&mut self, request: RequestId) -> bool {
        let (chosen, reasons) = match self.policy {
            Selector::Clairvoyant => (Some(self.foresee_best(request)), Reasons::default()),
            Selector::Decode(_) | Selector::Pair(_) | Selector::Staged(_) => self.ask_policy(request),
        };
        let Some(mut chosen) = chosen else { return false };
        if self.is_questioned(request) {
            chosen = self.record_decision(request, chosen, reasons);
        }
        self.assign_decode(request, chosen);
        true
    }

    /// The policy's choice of a decode instance, none if it refuses the request, and its reasons if somebody asks for them.
    fn ask_policy(&mut self, request: RequestId) -> (Option<usize>, Reasons) {
        let source = self.requests[request].prefill as usize;
        let looks_at_state = self.policy.looks_at_state();
        let candidates = self.candidates(request, Some(source), looks_at_state);
        let granularity = self.scenario.oracle;
        if granularity == OracleGranularity::Exact {
            self.probe_candidates(request);
        }
        let view = RequestView { source: self.cluster.prefill[source], prompt: self.prompt_view(request) };
        let counts = is_counted(self.scenario, self.requests[request].own.arrival);
        let (is_questioned, mut reasons) = (self.is_questioned(request) && looks_at_state, Reasons::default());
        let chosen = self.consult(request, granularity, looks_at_state, |policy, rankings, oracle| {
            let policy: &mut dyn Policy = match policy {
                Selector::Decode(policy) => &mut **policy,
                Selector::Staged(policy) => &mut **policy,
                Selector::Pair(_) | Selector::Clairvoyant => unreachable!("it is not asked for d"),
            };
            if is_questioned {
                reasons = Reasons::of(&view, &candidates, oracle, policy.rate(&view, &candidates, oracle));
            }
            let chosen = policy.place(&view, &candidates, oracle);
            if let Some(rankings) = rankings {
                rankings.compare(&view, &candidates, oracle, chosen, counts);
            }
            chosen
        });
        assert!(chosen.is_none_or(|at| at < candidates.len()), "the policy chose {chosen:?} of {}", candidates.len());
        self.scratch.candidates = candidates;
        (chosen, reasons)
    }

    /// Has the policy choose the prefill instance of a request that arrives, if it is one that does, and the decode
    /// instance with it if it chooses both at once; returns the prefill instance.
    pub(crate) fn select_prefill(&mut self, request: RequestId) -> Option<usize> {
        if matches!(self.policy, Selector::Decode(_) | Selector::Clairvoyant) {
            return None;
        }
        let candidates = self.candidates(request, None, true);
        let mut prefill = std::mem::take(&mut self.scratch.prefill_candidates);
        prefill.clear();
        prefill.extend((0..self.prefill.len()).map(|index| self.prefill_candidate(request, index)));
        // The exact rate is that of one transfer, from a known source.
        let exact = self.scenario.oracle == OracleGranularity::Exact;
        let granularity = if exact { OracleGranularity::Path } else { self.scenario.oracle };
        let prompt = self.prompt_view(request);
        let (is_questioned, mut reasons) = (self.is_questioned(request), Reasons::default());
        let (p, d) = self.consult(request, granularity, true, |policy, _, oracle| match policy {
            Selector::Pair(policy) => {
                let (p, d) = policy.select_pair(&prompt, &prefill, &candidates, oracle);
                if is_questioned {
                    let view = RequestView { source: prefill[p].instance, prompt };
                    reasons = Reasons::of(&view, &candidates, oracle, policy.rate(&view, &candidates, oracle));
                    reasons.prefill.clone_from(&prefill);
                }
                (p, Some(d))
            }
            Selector::Staged(policy) => (policy.select_prefill(&prompt, &prefill, &candidates, oracle), None),
            Selector::Decode(_) | Selector::Clairvoyant => unreachable!("it chooses no prefill instance"),
        });
        assert!(p < prefill.len() && d.is_none_or(|d| d < candidates.len()), "the policy chose {p} and {d:?}");
        (self.scratch.candidates, self.scratch.prefill_candidates) = (candidates, prefill);
        self.requests[request].prefill = p as u32;
        if let Some(mut d) = d.filter(|_| self.needs_decode(request)) {
            if is_questioned {
                d = self.record_decision(request, d, reasons);
            }
            self.assign_decode(request, d);
        }
        Some(p)
    }

    /// Asks the policy with the oracle as it stands.
    fn consult<T>(
        &mut self,
        request: RequestId,
        granularity: OracleGranularity,
        looks_at_state: bool,
        ask: impl FnOnce(&mut Selector, &mut Option<Rankings>, &DecisionOracle<'_>) -> T,
    ) -> T {
        flow_hashes(self.scenario.seed, request.get(), self.cluster.flows, &mut self.scratch.hashes);
        if looks_at_state {
            // What is seen live is what holds after all changes of this instant so far.
            self.network.resolve();
        }
        let age = self.monitor.refresh(self.now);
        if granularity == OracleGranularity::Zone {
            self.monitor.refresh_zones(&self.tree, &self.network);
        }
        let oracle = DecisionOracle {
            granularity,
            bandwidth: self.scenario.oracle_bandwidth,
            cluster: &self.cluster,
            tree: &self.tree,
            network: &self.network,
            monitor: &self.monitor,
            age,
            tier_congestion: if looks_at_state {
                self.monitor.tier_congestion(&self.tree, &self.network)
            } else {
                [0.0; 4]
            },
            zones: self.monitor.zones.as_ref(),
            shows_present: false,
            hashes: &self.scratch.hashes,
            exact_rate: &self.scratch.exact_rate,
        };
        ask(&mut self.policy, &mut self.rankings, &oracle)
    }

    /// A request will decode on this instance.
    fn assign_decode(&mut self, request: RequestId, chosen: usize) {
        let state = &mut self.requests[request];
        state.decode = Some(chosen as u32);
        let input_tokens = state.own.input_tokens;
        let in_blocks = self.in_blocks(input_tokens);
        let instance = &mut self.decode[chosen];
        instance.outside += 1;
        instance.outside_tokens += u64::from(input_tokens);
        instance.unseen += 1;
        instance.unseen_tokens += u64::from(input_tokens);
        instance.in_flight_prompt_tokens += in_blocks;
        if let Some(signals) = &mut self.signals {
            signals.dispatch(chosen, input_tokens);
        }
    }

    /// Tokens of a prompt, rounded up to whole blocks of the engine.
    pub(crate) fn in_blocks(&self, input_tokens: u32) -> u64 {
        let block_tokens = u64::from(self.scenario.kv.block_tokens);
        u64::from(input_tokens).div_ceil(block_tokens) * block_tokens
    }

    pub(crate) fn prompt_view(&self, request: RequestId) -> PromptView {
        let own = &self.requests[request].own;
        let promised = own.arrival + ttft_limit(self.scenario, own.input_tokens);
        let kv_bytes = Bytes::new(self.bytes_to_move(own.input_tokens, 0));
        PromptView { input_tokens: own.input_tokens, kv_bytes, ttft_left: promised.max(self.now).since(self.now) }
    }

    /// What the scheduler knows about every decode instance.
    fn candidates(&mut self, request: RequestId, source: Option<usize>, looks_at_state: bool) -> Vec<Candidate> {
        if looks_at_state {
            self.refresh_live_reports();
        }
        let mut candidates = std::mem::take(&mut self.scratch.candidates);
        candidates.clear();
        for decode in 0..self.decode.len() {
            if !looks_at_state {
                candidates.push(Candidate::unknown(self.cluster.decode[decode]));
                continue;
            }
            let instance = &mut self.decode[decode];
            instance.engine.catch_up(self.now, &mut instance.memory, &mut self.tbt);
            candidates.push(self.candidate(request, source, decode));
        }
        candidates
    }

    /// What the scheduler knows about one decode instance.
    pub(crate) fn candidate(&self, request: RequestId, source: Option<usize>, decode: usize) -> Candidate {
        let instance = &self.decode[decode];
        let destination = self.cluster.decode[decode];
        let input_tokens = self.requests[request].own.input_tokens;
        let prefix = self.requests.prefix(request);
        let hit_tokens = instance.memory.hit_tokens(prefix);
        let room = instance.memory.available_besides(prefix).saturating_sub(self.scenario.decode.watermark_blocks);
        let (sharing_transfers, source_tier_transfers) = match source {
            Some(prefill) => {
                let tier = self.cluster.tier(self.cluster.prefill[prefill], destination);
                let interface = interface(tier);
                let sending = self.prefill[prefill].sending_by_interface()[interface];
                (instance.receiving[interface].max(sending), self.prefill[prefill].sending[tier.index()])
            }
            None => (instance.receiving.iter().sum(), 0),
        };
        let (report, dispatched) =
            self.signals.as_ref().map_or_else(Default::default, |signals| signals.seen_of(decode));
        Candidate {
            instance: destination,
            running: instance.engine.n_running() as u32,
            pending: instance.outside + instance.engine.n_joining() as u32,
            max_batch: self.scenario.decode.max_batch,
            running_tokens: instance.engine.running_tokens(),
            pending_tokens: instance.outside_tokens + instance.engine.joining_tokens(),
            capacity_tokens: self.block_tokens(instance.memory.capacity()),
            free_tokens: self.block_tokens(room),
            queued_tokens: instance.queued_tokens,
            hit_tokens,
            transfer_bytes: Bytes::new(self.bytes_to_move(input_tokens, hit_tokens)),
            sharing_transfers,
            source_tier_transfers,
            in_flight_prompt_tokens: instance.in_flight_prompt_tokens,
            report,
            dispatched,
        }
    }

    /// What the scheduler knows about one prefill instance.
    fn prefill_candidate(&self, request: RequestId, prefill: usize) -> PrefillCandidate {
        let instance = &self.prefill[prefill];
        PrefillCandidate {
            instance: self.cluster.prefill[prefill],
            requests: instance.engine.n_requests() as u32,
            backlog_tokens: instance.engine.backlog_tokens(),
            backlog_pairs: instance.engine.backlog_pairs(),
            hit_tokens: instance.memory.hit_tokens(self.requests.prefix(request)),
        }
    }

    /// Tokens that this many blocks of the engine hold.
    pub(crate) fn block_tokens(&self, blocks: u32) -> u64 {
        u64::from(blocks) * u64::from(self.scenario.kv.block_tokens)
    }

    /// Finds the rate that the transfer would really get to each decode instance if it started now, beside those in
    /// flight: the ones that are being set up send as soon as it would.
    fn probe_candidates(&mut self, request: RequestId) {
        let mut entering = Vec::new();
        for index in 0..self.entering.len() {
            let other = self.entering[index];
            if self.requests[other].transfer_bytes == 0 {
                continue;
            }
            flow_hashes(self.scenario.seed, other.get(), self.cluster.flows, &mut self.scratch.hashes);
            self.find_paths(other, self.requests[other].decode.expect("it was chosen") as usize);
            entering.append(&mut self.scratch.paths);
        }
        flow_hashes(self.scenario.seed, request.get(), self.cluster.flows, &mut self.scratch.hashes);
        self.scratch.exact_rate.clear();
        self.scratch.exact_rate.resize(self.cluster.prefill.len() + self.cluster.decode.len(), 0.0);
        let mut rates = Vec::new();
        for decode in 0..self.decode.len() {
            self.find_paths(request, decode);
            let paths: Vec<&[LinkId]> = self.scratch.paths.iter().chain(&entering).map(|path| path.links()).collect();
            self.network.probe(&paths, &mut rates);
            rates.truncate(self.scratch.paths.len());
            // The transfer ends with its slowest flow.
            let slowest = rates.iter().copied().min().unwrap_or(BytesPerSec::ZERO);
            let rate = slowest.get() as f64 * rates.len() as f64;
            self.scratch.exact_rate[self.cluster.decode[decode].index()] = rate;
        }
    }

    /// Finds the ways of a transfer's flows, by rank.
    fn find_paths(&mut self, request: RequestId, decode: usize) {
        let mut paths = std::mem::take(&mut self.scratch.paths);
        paths.clear();
        let ranks = self.scratch.hashes.iter().enumerate();
        paths.extend(ranks.map(|(rank, &hash)| self.way(&self.network, (request, decode), rank as u32, hash)));
        self.scratch.paths = paths;
    }

    /// The way of a rank's flow from a request's prefill instance to a decode instance, over a network in this state.
    pub(crate) fn way(
        &self,
        network: &FlowNetwork,
        (request, decode): (RequestId, usize),
        rank: u32,
        hash: u64,
    ) -> Path {
        let source = self.cluster.prefill[self.requests[request].prefill as usize];
        let (source, destination) =
            (self.cluster.gpu(source, rank), self.cluster.gpu(self.cluster.decode[decode], rank));
        self.tree.route(source, destination, hash, network)
    }
}
