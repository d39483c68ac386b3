//! What a scheduler knows when it decides: of the prompt, of each instance, and of the network.

use super::oracle::{DecisionOracle, Told};
use super::replicas::{Books, Sent};
use super::signals::Signals;
use crate::measure::ttft_limit;
use crate::present::Present;
use netkv_policy::{Candidate, PrefillCandidate, PromptView};
use netkv_units::{Bytes, RequestId};

/// What was known at the last decision; the memory is used again for the next.
#[derive(Default)]
pub(super) struct Known {
    /// The decode instances that take requests, in order.
    pub(super) decode: Vec<Candidate>,
    /// Those prefill instances, while one of them is still to be chosen.
    pub(super) prefill: Vec<PrefillCandidate>,
    /// By candidate: its position in its pool.
    pub(super) decode_at: Vec<usize>,
    pub(super) prefill_at: Vec<usize>,
    /// Hashes of the transfer's flows, by rank.
    hashes: Vec<u64>,
    /// By instance: the rate that the transfer would get now, for the exact oracle.
    pub(super) exact_rate: Vec<f64>,
}

/// What the scheduler that decides knows by itself.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    /// Reports, if it looks at them, and which of the schedulers it is.
    pub(super) signals: Option<(&'a Signals, usize)>,
    /// What it knows of what was sent, and all there is to know; none if it knows all.
    pub(super) books: Option<(&'a Books, &'a Books)>,
}

impl Own<'_> {
    /// What was counted of a decode instance, with what the scheduler knows in the place of all there is to know.
    fn as_known(&self, decode: usize, counted: Sent) -> Sent {
        let Some((known, all)) = self.books else { return counted };
        let (known, all) = (known.sent(decode), all.sent(decode));
        Sent {
            requests: counted.requests + known.requests - all.requests,
            tokens: counted.tokens + known.tokens - all.tokens,
            prompt_tokens: counted.prompt_tokens + known.prompt_tokens - all.prompt_tokens,
        }
    }
}

impl Known {
    /// Sees the instances for a decision on a request, whose prefill instance is `source` unless it is to be chosen too.
    pub(super) fn see(
        &mut self,
        present: Present<'_>,
        own: Own<'_>,
        request: RequestId,
        source: Option<usize>,
        looks_at_state: bool,
    ) {
        let topology = present.network.topology();
        let instances = topology.cluster().decode();
        self.decode_at.clear();
        self.decode_at.extend((0..instances.len()).filter(|&decode| present.decode.takes(decode)));
        self.decode.clear();
        self.decode.extend(self.decode_at.iter().map(|&decode| {
            if looks_at_state {
                candidate(present, own, request, source, decode)
            } else {
                Candidate::unknown(instances[decode])
            }
        }));
        self.prefill.clear();
        if source.is_none() {
            let n = present.prefill.instances().len();
            self.prefill_at.clear();
            self.prefill_at.extend((0..n).filter(|&prefill| present.prefill.takes(prefill)));
            let known = self.prefill_at.iter().map(|&prefill| prefill_candidate(present, request, prefill));
            self.prefill.extend(known);
        }
        self.hashes.clear();
        self.hashes.extend((0..topology.cluster().flows()).map(|rank| topology.hash(request, rank)));
    }

    /// The oracle for that decision; blind if nobody looks at it.
    pub(super) fn oracle<'a>(&'a self, present: Present<'a>, told: Told, looks_at_state: bool) -> DecisionOracle<'a> {
        let oracle = DecisionOracle::new(told, present.network, present.now, &self.hashes, &self.exact_rate);
        if looks_at_state { oracle.with_congestion() } else { oracle }
    }
}

/// What is known of a request's prompt.
pub(super) fn prompt_view(present: Present<'_>, request: RequestId) -> PromptView {
    let own = present.requests[request].own();
    let alone = present.network.topology().alone();
    let promised = own.arrival + ttft_limit(present.scenario, alone, own.input_tokens);
    PromptView {
        request,
        input_tokens: own.input_tokens,
        kv_bytes: Bytes::new(present.network.bytes_to_move(own.input_tokens, 0)),
        now: present.now,
        ttft_left: promised.max(present.now).since(present.now),
    }
}

/// What is known of one decode instance.
pub(super) fn candidate(
    present: Present<'_>,
    own: Own<'_>,
    request: RequestId,
    source: Option<usize>,
    decode: usize,
) -> Candidate {
    let (scenario, network) = (present.scenario, present.network);
    let instance = &present.decode.instances()[decode];
    let (engine, memory, load) = (instance.engine(), instance.memory(), instance.load());
    let prompt = present.requests.prompt(request);
    let hit_tokens = memory.hit_tokens(prompt.prefix);
    let room = memory.available_besides(prompt.prefix).saturating_sub(scenario.decode.watermark_blocks);
    let ledger = own.books.map_or(network.ledger(), |(known, _)| known.ledger());
    let tier = |prefill| network.topology().tier(prefill, decode);
    let (sharing_transfers, source_tier_transfers) = ledger.sharing(source, decode, tier);
    let seen = own.signals.map(|(signals, replica)| signals.seen_of(replica, decode));
    let (report, dispatched) = seen.unwrap_or_default();
    let in_flight_prompt_tokens = load.in_flight_prompt_tokens;
    let counted = Sent { requests: load.outside, tokens: load.outside_tokens, prompt_tokens: in_flight_prompt_tokens };
    let outside = own.as_known(decode, counted);
    Candidate {
        instance: network.topology().cluster().decode()[decode],
        running: engine.n_running() as u32,
        pending: outside.requests + engine.n_joining() as u32,
        max_batch: scenario.decode.max_batch,
        running_tokens: engine.running_tokens(),
        pending_tokens: outside.tokens + engine.joining_tokens(),
        capacity_tokens: scenario.kv.tokens_of(memory.capacity()),
        free_tokens: scenario.kv.tokens_of(room),
        queued_tokens: load.queued_tokens,
        hit_tokens,
        transfer_bytes: Bytes::new(network.bytes_to_move(prompt.input_tokens, hit_tokens)),
        sharing_transfers,
        source_tier_transfers,
        in_flight_prompt_tokens: outside.prompt_tokens,
        report,
        dispatched,
    }
}

/// What is known of one prefill instance.
fn prefill_candidate(present: Present<'_>, request: RequestId, prefill: usize) -> PrefillCandidate {
    let instance = &present.prefill.instances()[prefill];
    let engine = instance.engine();
    PrefillCandidate {
        instance: present.network.topology().cluster().prefill()[prefill],
        requests: engine.n_requests() as u32,
        backlog_tokens: engine.backlog_tokens(),
        backlog_pairs: engine.backlog_pairs(),
        hit_tokens: instance.memory().hit_tokens(present.requests.prompt(request).prefix),
    }
}
