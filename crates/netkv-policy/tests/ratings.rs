//! What a policy says of its reasons is what it decides by.

mod common;

use common::{ALL, ESTIMATES, Oracle, four};
use netkv_policy::{Candidate, PolicyConfig, PromptView, Rating, RequestView, Selector};
use netkv_units::{Bytes, InstanceId, RequestId, SimDuration, SimTime, Stream};

/// A candidate with small figures, so that there are ties, or with large ones.
fn random_candidate(stream: &mut Stream, idle: Candidate, prompt: &PromptView) -> Candidate {
    let most = [3, 40][stream.below(2) as usize];
    let mut draw = |below: u64| stream.below(below);
    let mut candidate = idle;
    candidate.running = draw(most) as u32;
    candidate.pending = draw(most) as u32;
    candidate.running_tokens = 1000 * draw(most);
    candidate.pending_tokens = 1000 * draw(most);
    candidate.free_tokens = 500 * draw(most);
    candidate.queued_tokens = [0, 0, 700][draw(3) as usize];
    candidate.hit_tokens = prompt.input_tokens.min(512 * draw(3) as u32);
    candidate.transfer_bytes = Bytes::new(prompt.kv_bytes.get() / (1 + draw(3)));
    candidate.sharing_transfers = draw(3) as u32;
    candidate.in_flight_prompt_tokens = 160 * draw(most);
    candidate.report.running = draw(most) as u32;
    candidate.report.waiting = draw(most) as u32;
    candidate.report.waiting_tokens = 100 * draw(most);
    candidate.report.used_tokens = 1000 * draw(90);
    candidate.report.generated_tokens_per_sec = 100.0 * draw(most) as f64;
    candidate.dispatched.requests = draw(3) as u32;
    candidate.dispatched.tokens = 100 * draw(most);
    candidate
}

/// Whether the chosen one is among the best by its ratings, to rounding and to what a policy takes for a tie.
fn is_best(ratings: &[Rating], chosen: usize) -> bool {
    let least_rank = ratings.iter().map(|rating| rating.rank).min();
    let same = ratings.iter().filter(|rating| Some(rating.rank) == least_rank);
    let least = same.map(Rating::cost).fold(f64::INFINITY, f64::min);
    Some(ratings[chosen].rank) == least_rank && ratings[chosen].cost() <= least + 1e-9 * least.abs() + 1.01e-6
}

#[test]
fn the_chosen_candidate_has_the_least_rating() {
    let mut stream = Stream::new(1, "ratings");
    let mut rated = Vec::new();
    for config in ALL {
        let mut selector = config.build(ESTIMATES, 1);
        for _ in 0..2000 {
            let input_tokens = 600 + stream.below(3000) as u32;
            let ttft_left = SimDuration::from_nanos(stream.below(600_000_000));
            let kv_bytes = Bytes::new(u64::from(input_tokens) * 1_000_000);
            let prompt =
                PromptView { request: RequestId::new(0), input_tokens, kv_bytes, now: SimTime::ZERO, ttft_left };
            let request = RequestView { source: InstanceId::new(9), prompt };
            let candidates = four().map(|idle| random_candidate(&mut stream, idle, &prompt));
            let congestion_ratio = [0.0, 0.0, stream.unit(), stream.unit()];
            let oracle = Oracle { congestion_ratio, counts_in_flight: false };
            let (ratings, chosen) = match &mut selector {
                Selector::Decode(policy) => {
                    let ratings = policy.rate(&request, &candidates, &oracle);
                    (ratings, policy.select(&request, &candidates, &oracle))
                }
                Selector::Staged(policy) => {
                    let ratings = policy.rate(&request, &candidates, &oracle);
                    (ratings, policy.select(&request, &candidates, &oracle))
                }
                Selector::Pair(policy) => {
                    let ratings = policy.rate(&request, &candidates, &oracle);
                    let source = common::idle_prefill(9);
                    (ratings, policy.select_pair(&prompt, &[source], &candidates, &oracle).1)
                }
                Selector::Clairvoyant => break,
            };
            if ratings.is_empty() {
                break;
            }
            assert!(is_best(&ratings, chosen), "{}: {chosen} of {ratings:?}", config.name());
            let names = |rating: &Rating| rating.terms.iter().map(|term| (term.name, term.unit)).collect::<Vec<_>>();
            assert!(ratings.iter().all(|rating| names(rating) == names(&ratings[0])), "{}", config.name());
            assert!(ratings[0].terms.iter().all(|term| term.unit == ratings[0].terms[0].unit), "{}", config.name());
            rated.push(config.name());
        }
    }
    rated.dedup();
    let others: Vec<_> = PolicyConfig::NAMES.into_iter().filter(|name| !rated.contains(name)).collect();
    assert_eq!(others, ["round_robin", "random", "power_of_two", "aibrix_pd", "clairvoyant"]);
}
