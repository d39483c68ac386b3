//! Rules that bound costs before they work them out, against the formula as it is written.

mod common;

use common::{ESTIMATES, ITERATION};
use netkv_policy::{
    Candidate, CostOracle, FlowConfig, GuardedTerms, GuardedWeights, NetKvGuarded, PathCost, Policy, PolicyConfig,
    PromptView, Rating, RequestView, Selector, TransferEvent, TransferStep,
};
use netkv_units::{Bytes, InstanceId, RequestId, SimDuration, SimTime, Stream, Tier};

/// Figures for each instance, whatever the source.
struct Figures(Vec<PathCost>);

impl CostOracle for Figures {
    fn path(&self, _: InstanceId, destination: InstanceId) -> PathCost {
        self.0[destination.index()]
    }
}

/// The formula: every cost of every candidate, term by term.
fn plain(
    weights: GuardedWeights,
    terms: GuardedTerms,
    request: &RequestView,
    candidates: &[Candidate],
    oracle: &Figures,
) -> usize {
    let input_tokens = request.prompt.input_tokens;
    let mut best = (0, 0, f64::INFINITY);
    for (index, known) in candidates.iter().enumerate() {
        let mut candidate = *known;
        if !terms.cache {
            candidate.hit_tokens = 0;
            candidate.transfer_bytes = request.prompt.kv_bytes;
        }
        let tokens = candidate.committed_tokens() + u64::from(input_tokens);
        let iteration_s = ITERATION.seconds(candidate.running + candidate.pending + 1, tokens);
        let standing = match (candidate.has_room(input_tokens), iteration_s <= weights.tbt_limit_s) {
            (true, true) => 2,
            (true, false) => 1,
            (false, _) => 0,
        };
        let path = oracle.path(request.source, candidate.instance);
        let congestion = path.congestion_ratio.min(weights.max_congestion_ratio);
        let sharing = if path.counts_in_flight || !terms.ledger { 0 } else { candidate.sharing_transfers };
        let bandwidth = path.bandwidth_bytes_per_sec * (1.0 - congestion) / (1.0 + f64::from(sharing));
        let network = path.latency.as_secs_f64() + candidate.transfer_bytes.get() as f64 / bandwidth;
        let wait = candidate.missing_tokens(input_tokens) as f64 / weights.drain_tokens_per_sec;
        let cost = if terms.load { network + wait + iteration_s } else { network };
        if standing > best.1 || (standing == best.1 && cost < best.2) {
            best = (index, standing, cost);
        }
    }
    best.0
}

/// A value of a few, so that there are ties, or of very many.
fn draw(stream: &mut Stream, few: &[u64], below: u64) -> u64 {
    if stream.below(2) == 0 { few[stream.below(few.len() as u64) as usize] } else { stream.below(below) }
}

fn random_candidate(stream: &mut Stream, instance: u32, prompt: &PromptView) -> Candidate {
    let hit_tokens = draw(stream, &[0, 512], u64::from(prompt.input_tokens) + 1) as u32;
    let skips = stream.below(4) > 0;
    let lacking = if skips { prompt.input_tokens.saturating_sub(hit_tokens) } else { prompt.input_tokens };
    Candidate {
        running: draw(stream, &[0, 1], 80) as u32,
        pending: draw(stream, &[0], 5) as u32,
        max_batch: draw(stream, &[64], 100) as u32,
        running_tokens: draw(stream, &[0, 20_000], 60_000),
        pending_tokens: draw(stream, &[0], 20_000),
        free_tokens: draw(stream, &[100_000], 20_000),
        queued_tokens: draw(stream, &[0, 0, 0], 10_000),
        hit_tokens,
        transfer_bytes: Bytes::new(u64::from(lacking) * 327_680),
        sharing_transfers: draw(stream, &[0, 1], 6) as u32,
        ..Candidate::unknown(InstanceId::new(instance))
    }
}

fn random_figures(stream: &mut Stream) -> PathCost {
    let tier = Tier::ALL[stream.below(4) as usize];
    let congestion = [0.0, 0.3, stream.unit(), 1.0 - 1e-9][stream.below(4) as usize];
    PathCost {
        tier,
        bandwidth_bytes_per_sec: [1.8e12, 37.5e9, 18.75e9, 9.375e9][tier.index()],
        latency: SimDuration::from_nanos(draw(stream, &[0, 8_000], 50_000)),
        congestion_ratio: congestion,
        counts_in_flight: stream.below(4) == 0,
        age: SimDuration::ZERO,
    }
}

#[test]
fn bounding_costs_changes_no_choice() {
    let mut stream = Stream::new(1, "reference");
    let (mut decisions, mut positions) = (0, 0);
    for case in 0..40_000 {
        let flags = stream.below(8);
        let terms = GuardedTerms { ledger: flags & 1 > 0, cache: flags & 2 > 0, load: flags & 4 > 0 };
        let weights = GuardedWeights {
            max_congestion_ratio: [0.0, 0.95, 1.0 - f64::EPSILON][stream.below(3) as usize],
            tbt_limit_s: [0.0, 0.03, 0.05, 1.0][stream.below(4) as usize],
            drain_tokens_per_sec: 20_000.0,
        };
        let input_tokens = draw(&mut stream, &[512, 1024], 30_000) as u32;
        let prompt = PromptView {
            request: RequestId::new(0),
            now: SimTime::ZERO,
            input_tokens,
            kv_bytes: Bytes::new(u64::from(input_tokens) * 327_680),
            ttft_left: SimDuration::ZERO,
        };
        let request = RequestView { source: InstanceId::new(99), prompt };
        let n = 1 + stream.below(20) as u32;
        let mut candidates: Vec<_> = (0..n).map(|instance| random_candidate(&mut stream, instance, &prompt)).collect();
        let mut figures: Vec<_> = (0..n).map(|_| random_figures(&mut stream)).collect();
        if stream.below(3) == 0 {
            // Twins: the first must win.
            let (one, other) = (stream.below(u64::from(n)) as usize, stream.below(u64::from(n)) as usize);
            candidates[other] = Candidate { instance: candidates[other].instance, ..candidates[one] };
            figures[other] = figures[one];
        }
        let oracle = Figures(figures);
        let expect = plain(weights, terms, &request, &candidates, &oracle);
        let mut policy = NetKvGuarded::new(weights, terms, ITERATION);
        assert_eq!(policy.choose(&request, &candidates, &oracle), expect, "case {case}: {terms:?} {candidates:?}");
        assert_eq!(policy.select(&request, &candidates, &oracle), expect, "case {case} through the trait");
        decisions += 1;
        positions += usize::from(expect > 0);
    }
    assert!(positions * 2 > decisions, "the first candidate is not always right: {positions} of {decisions}");
}

/// Racks of two instances, pods of two racks; interfaces of 37.5 GB/s.
struct Fabric {
    congestion_ratio: [f64; 4],
}

impl CostOracle for Fabric {
    fn leaving(&self, group: Tier) -> f64 {
        [37.5e9, 37.5e9, 18.75e9, 18.75e9][group.index()]
    }

    fn alone(&self, over: Tier) -> f64 {
        [1.8e12, 37.5e9, 18.75e9, 9.375e9][over.index()]
    }

    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        let together = |&size: &usize| source.index() / size == destination.index() / size;
        let tier = Tier::ALL[[1, 2, 4].iter().position(together).unwrap_or(3)];
        PathCost {
            tier,
            bandwidth_bytes_per_sec: self.alone(tier),
            latency: SimDuration::from_nanos([0, 4_000, 8_000, 15_000][tier.index()]),
            congestion_ratio: self.congestion_ratio[tier.index()],
            counts_in_flight: false,
            age: SimDuration::from_nanos(500_000_000),
        }
    }
}

/// Among those whose cost is near the least of the best standing, by the terms of every candidate, the first that the cache- and
/// load-aware rule likes best.
fn plain_flow(request: &RequestView, candidates: &[Candidate], ratings: &[Rating], tolerance_ratio: f64) -> usize {
    let cost =
        |rating: &Rating| rating.terms.iter().filter(|term| term.name != "tie").map(|term| term.value).sum::<f64>();
    let rank = ratings.iter().map(|rating| rating.rank).min().expect("there is a candidate");
    let of_rank = || ratings.iter().enumerate().filter(|(_, rating)| rating.rank == rank);
    let least = of_rank().map(|(_, rating)| cost(rating)).fold(f64::INFINITY, f64::min);
    let most = candidates.iter().map(Candidate::committed_tokens).max().expect("there is a candidate").max(1) as f64;
    let score = |index: usize| {
        let candidate = &candidates[index];
        let cached = f64::from(candidate.hit_tokens) / f64::from(request.prompt.input_tokens);
        candidate.committed_tokens() as f64 / most - 10.0 * cached
    };
    let near = of_rank().filter(|(_, rating)| cost(rating) <= least * (1.0 + tolerance_ratio));
    near.map(|(index, _)| index)
        .min_by(|&one, &other| score(one).total_cmp(&score(other)))
        .expect("there is a candidate")
}

#[test]
fn bounding_costs_changes_no_choice_among_near_equals() {
    let mut stream = Stream::new(2, "reference");
    let (mut decisions, mut positions) = (0, 0);
    for case in 0..400 {
        let tolerance_ratio = [0.0, 0.3][stream.below(2) as usize];
        let config = FlowConfig { tolerance_ratio, chooses_prefill: false, ..FlowConfig::CHOSEN };
        let Selector::Decode(mut policy) = PolicyConfig::NetKvFlow(config).build(ESTIMATES, 1) else {
            unreachable!("the prefill instance is given")
        };
        let n = 2 + stream.below(20) as u32;
        let mut under_way = Vec::new();
        for step in 0..50 {
            let now = SimTime::from_nanos(step * 20_000_000);
            let input_tokens = draw(&mut stream, &[512, 1024], 30_000) as u32;
            let kv_bytes = Bytes::new(u64::from(input_tokens) * 327_680);
            let ttft_left = SimDuration::from_nanos(stream.below(600_000_000));
            let source = InstanceId::new(stream.below(u64::from(n)) as u32);
            let request = RequestView {
                source,
                prompt: PromptView { request: RequestId::new(0), now, input_tokens, kv_bytes, ttft_left },
            };
            let candidates: Vec<_> =
                (0..n).map(|instance| random_candidate(&mut stream, instance, &request.prompt)).collect();
            let oracle = Fabric { congestion_ratio: [0.0, 0.0, stream.unit(), stream.unit()] };
            let chosen = policy.select(&request, &candidates, &oracle);
            let ratings = policy.rate(&request, &candidates, &oracle);
            let expect = plain_flow(&request, &candidates, &ratings, tolerance_ratio);
            assert_eq!(chosen, expect, "case {case}, step {step}: {ratings:?} {candidates:?}");
            decisions += 1;
            positions += usize::from(chosen > 0);
            let bytes = candidates[chosen].transfer_bytes;
            let destination = candidates[chosen].instance;
            let tier = oracle.path(source, destination).tier;
            let begin = TransferEvent { source, destination, tier, bytes, now, step: TransferStep::Begun };
            policy.observe(&begin);
            under_way.push(begin);
            if stream.below(3) > 0 {
                let over = under_way.swap_remove(stream.below(under_way.len() as u64) as usize);
                policy.observe(&TransferEvent { now, step: TransferStep::Ended, ..over });
            }
        }
    }
    assert!(positions * 2 > decisions, "the first candidate is not always right: {positions} of {decisions}");
}
