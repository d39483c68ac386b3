//! Conservation laws of a run, checked from nothing: slow and obvious, for tests.
//!
//! Requests: each one that has arrived and not ended is in just one place, or in two if its transfer goes on beside its
//! prefill; one whose prompt is computed where it decodes is in no other place; the scheduler's counts are those of these places. Tokens: context and tokens to come of a member add up to
//! its prompt and answer. Memory: private blocks, used and reserved, and references to prefix blocks are those of the
//! requests that hold them. Bytes: what has crossed the first links of transfers and what is left of their flows add up
//! to all bytes that were sent off, to the rounding of completions. Rates: see [`FlowNetwork::check_invariants`].
//!
//! [`FlowNetwork::check_invariants`]: netkv_fabric::FlowNetwork::check_invariants

use crate::gpu::{DecodeInstance, KvMemory, Load, Member, PrefillInstance};
use crate::present::Present;
use crate::requests::RequestState;
use crate::scenario::FirstToken;
use netkv_fabric::{Direction, LinkKind};
use netkv_units::{Nanobytes, RequestId};
use std::collections::BTreeSet;

/// What has left the run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Retired {
    /// Requests that finished.
    pub requests: u64,
    /// Bytes that their transfers moved.
    pub bytes: u64,
}

/// Checks every law between two events; `is_settled` if rates are up to date.
///
/// # Panics
/// If one does not hold.
pub(crate) fn check(present: Present<'_>, retired: Retired, is_settled: bool) {
    let check = Check::new(present);
    check.everybody_is_somewhere();
    for (decode, instance) in present.decode.instances().iter().enumerate() {
        check.counts_of(decode, instance);
        check.decode_memory(decode, instance);
    }
    for (prefill, instance) in present.prefill.instances().iter().enumerate() {
        check.prefill_memory(prefill, instance);
    }
    if !present.network.has_competing() {
        check.bytes(retired);
    }
    if is_settled {
        present.network.links().check_invariants();
    }
}

/// A simulation between two events, and who is where in it.
struct Check<'a> {
    present: Present<'a>,
    /// In a prefill queue, and being computed.
    queued: BTreeSet<RequestId>,
    computed: BTreeSet<RequestId>,
    /// Waiting for decode memory, and being moved: memory is reserved for these.
    waiting: BTreeSet<RequestId>,
    moving: BTreeSet<RequestId>,
    /// Being computed where they decode, or about to be: memory is reserved for these, too.
    local: BTreeSet<RequestId>,
}

/// Everybody that a decode instance has had: in its batch, waiting for the next, swapped out, on the way back.
fn members(instance: &DecodeInstance) -> impl Iterator<Item = &Member> {
    instance.engine().held().chain(instance.swapped()).chain(instance.returning())
}

impl<'a> Check<'a> {
    fn new(present: Present<'a>) -> Self {
        let (prefill, decode) = (present.prefill.instances(), present.decode.instances());
        let queued = prefill.iter().flat_map(|instance| instance.engine().queued()).collect();
        let running = prefill.iter().flat_map(|instance| instance.engine().running());
        let computed = running.map(|running| running.request).collect();
        let waiting: BTreeSet<_> = decode.iter().flat_map(DecodeInstance::waiting).collect();
        let local = decode.iter().flat_map(|instance| instance.engine().local());
        let local = local.map(|prompt| prompt.member.request).collect();
        let mut check = Self { present, queued, computed, waiting, moving: BTreeSet::new(), local };
        // Handed over, admitted, and not in an engine: on the way.
        let decoding: BTreeSet<_> = decode.iter().flat_map(members).map(|member| member.request).collect();
        let handed_over = |request: &RequestId| {
            let in_prefill = check.queued.contains(request) || check.computed.contains(request);
            let leaves_early = present.scenario.overlaps() && check.state(*request).decode().is_some();
            !in_prefill || (check.computed.contains(request) && leaves_early)
        };
        let elsewhere = [&check.waiting, &check.local, &decoding];
        let is_elsewhere = |request: &RequestId| elsewhere.iter().any(|place| place.contains(request));
        let moving = present.requests.unended().filter(|request| handed_over(request) && !is_elsewhere(request));
        check.moving = moving.collect();
        check
    }

    fn state(&self, request: RequestId) -> &'a RequestState {
        &self.present.requests[request]
    }

    fn everybody_is_somewhere(&self) {
        let members = self.present.decode.instances().iter().flat_map(members);
        let mut late: Vec<RequestId> = members.map(|member| member.request).collect();
        late.extend(self.waiting.iter().chain(&self.moving).chain(&self.local));
        late.sort_unstable();
        assert!(late.is_sorted_by(|one, two| one < two), "nobody is in two places of the decode side: {late:?}");
        assert!(self.queued.is_disjoint(&self.computed), "who waits is not computed");
        let in_flight = self.present.network.transfers_in_flight() as usize;
        assert_eq!(self.moving.len(), in_flight, "transfers are counted");
        let unended: BTreeSet<RequestId> = self.present.requests.unended().collect();
        let found: BTreeSet<_> = late.iter().chain(&self.queued).chain(&self.computed).copied().collect();
        assert_eq!(found, unended, "whoever has not ended is somewhere");
        let twice = late.iter().filter(|request| self.queued.contains(request) || self.computed.contains(request));
        assert!(
            twice.count() == 0 || self.present.scenario.overlaps(),
            "only overlapping transfers leave during prefill"
        );
    }

    /// What an instance was given, and the tokens of its members.
    fn counts_of(&self, decode: usize, instance: &DecodeInstance) {
        let mut load = Load::default();
        for request in self.present.requests.unended().filter(|&one| self.state(one).decode() == Some(decode)) {
            let input_tokens = self.state(request).own().input_tokens;
            load.in_flight_prompt_tokens += self.present.scenario.kv.in_blocks(input_tokens);
            if members(instance).any(|member| member.request == request) {
                continue;
            }
            load.outside += 1;
            load.outside_tokens += u64::from(input_tokens);
            load.queued_tokens += u64::from(input_tokens) * u64::from(self.waiting.contains(&request));
            let is_seen = [&self.waiting, &self.moving, &self.local].iter().any(|place| place.contains(&request));
            if !is_seen {
                load.unseen += 1;
                load.unseen_tokens += u64::from(input_tokens);
            }
        }
        load.queued_tokens += instance.swapped().map(|member| u64::from(member.context_tokens)).sum::<u64>();
        for member in instance.swapped().chain(instance.returning()) {
            load.outside += 1;
            load.outside_tokens += u64::from(member.context_tokens);
        }
        assert_eq!(instance.load(), load, "what decode instance {decode} was given");
        for prompt in instance.engine().local() {
            assert_eq!(self.state(prompt.member.request).decode(), Some(decode), "a prompt is where it was sent");
            assert!(prompt.present < prompt.member.context_tokens, "a prompt that is complete is in the batch");
        }
        let local = instance.engine().local().map(|prompt| &prompt.member);
        for member in members(instance).chain(local) {
            let state = self.state(member.request);
            let made_before = state.is_local() || self.present.scenario.first_token == FirstToken::Prefill;
            let all = state.own().input_tokens + state.own().output_tokens - u32::from(made_before);
            assert_eq!(member.context_tokens + member.remaining_tokens, all, "tokens of {:?}", member.request);
        }
    }

    fn decode_memory(&self, decode: usize, instance: &DecodeInstance) {
        let on_the_way: Vec<RequestId> =
            self.moving.iter().copied().filter(|&request| self.state(request).decode() == Some(decode)).collect();
        let arriving = on_the_way.iter().map(|&request| self.state(request).decode_grant().private_blocks);
        let computed_here = || instance.engine().local().map(|prompt| &prompt.member);
        let kept = instance.returning().chain(computed_here()).map(|member| member.private_blocks);
        let reserved: u32 = arriving.chain(kept).sum();
        let used: u32 = instance.engine().held().map(|member| member.private_blocks).sum();
        let held = instance.engine().held().chain(instance.returning()).chain(computed_here());
        let holders = held.map(|member| member.request).chain(on_the_way.iter().copied());
        self.memory(instance.memory(), used, reserved, holders);
    }

    fn prefill_memory(&self, prefill: usize, instance: &PrefillInstance) {
        let is_here = |request: &&RequestId| {
            let state = self.state(**request);
            !state.is_local() && state.prefill() == prefill
        };
        let computed: Vec<_> = self.computed.iter().filter(is_here).copied().collect();
        // A prompt that is moved while it is computed counts once.
        let done = self.waiting.union(&self.moving).filter(is_here).filter(|request| !self.computed.contains(request));
        let done: Vec<_> = done.copied().collect();
        let blocks = |requests: &[RequestId]| -> u32 {
            requests.iter().map(|&request| self.state(request).prefill_grant().private_blocks).sum()
        };
        let holds = |request: &RequestId| self.state(*request).prefill_grant().held().is_some();
        let holders = computed.iter().chain(&done).copied().filter(holds);
        self.memory(instance.memory(), blocks(&done), blocks(&computed), holders);
    }

    fn memory(&self, memory: &KvMemory, used: u32, reserved: u32, holders: impl Iterator<Item = RequestId>) {
        assert_eq!(memory.private(), (used, reserved), "private blocks, used and reserved");
        assert_eq!(memory.free() + memory.used() + memory.reserved(), memory.capacity(), "no block is lost");
        let references: usize = holders.map(|request| self.present.requests.prompt(request).prefix.len()).sum();
        let expected = if self.present.scenario.kv.prefix_caching { references } else { 0 };
        assert_eq!(memory.references(), expected, "references to prefix blocks");
    }

    fn bytes(&self, retired: Retired) {
        let (network, now) = (self.present.network, self.present.now);
        let (tree, links) = (network.topology().tree(), network.links());
        let mut found = Nanobytes::ZERO;
        for kind in [LinkKind::NvLink, LinkKind::Nic] {
            for link in tree.links_of(kind).filter(|&link| tree.place(link).direction == Direction::Up) {
                found += links.moved(link, now);
                for flow in links.flows_on(link) {
                    found += links.remaining(now, flow);
                }
            }
        }
        let (in_flight, in_flight_bytes) = network.traffic().set_up();
        let arrived = self.present.requests.states().map(|state| state.transfer_bytes()).filter(|&bytes| bytes > 0);
        let (transfers, sent) = arrived
            .fold((retired.requests + in_flight, retired.bytes + in_flight_bytes), |(transfers, sent), bytes| {
                (transfers + 1, sent + bytes)
            });
        let (lost, lost_bytes) = network.traffic().lost();
        let transfers = transfers + lost;
        // Each flow's completion is off by half a nanosecond at the most.
        let interfaces = [LinkKind::NvLink, LinkKind::Nic].into_iter().flat_map(|kind| tree.links_of(kind));
        let fastest = u128::from(interfaces.map(|link| tree.capacity(link).get()).max().unwrap_or_default());
        let flows = u128::from(network.topology().cluster().flows());
        let tolerance = u128::from(transfers) * flows * fastest / 2;
        let sent = u128::from(sent) * 1_000_000_000 + lost_bytes.get();
        assert!(found.get().abs_diff(sent) <= tolerance, "{} nanobytes of {sent}", found.get());
    }
}
