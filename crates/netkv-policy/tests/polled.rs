//! The routers that poll the instances, and SGLang's, on cases worked out by hand from their own numbers.

mod common;

use common::{LLMD, QUIET, SGLANG, SMG, check, check_tie, four, idle};
use netkv_policy::{Candidate, Dispatched, LlmdConfig, PolicyConfig, Report, SglangConfig, SmgConfig};

#[test]
fn sglang_takes_the_longest_prefix_while_loads_are_even() {
    let config = PolicyConfig::SglangCacheAware(SGLANG);
    let mut candidates = four();
    candidates[0].running = 60;
    candidates[2].running = 3;
    candidates[2].hit_tokens = 301;
    candidates[3].hit_tokens = 100;
    check(&config, &candidates, &QUIET, 2);
    // 300 of 1,000 tokens are not more than 0.3: the least loaded.
    candidates[2].hit_tokens = 300;
    check(&config, &candidates, &QUIET, 1);
    // Among equally long prefixes the least loaded.
    candidates[1] = Candidate { hit_tokens: 900, pending: 5, ..candidates[1] };
    candidates[3] = Candidate { hit_tokens: 900, pending: 4, ..candidates[3] };
    check(config, &candidates, &QUIET, 3);
}

#[test]
fn sglang_is_uneven_only_beyond_64_requests_and_one_and_a_half_times() {
    let config = PolicyConfig::SglangCacheAware(SGLANG);
    let loads = |most: u32, least: u32| {
        let mut candidates = [idle(0), idle(1)];
        candidates[0] = Candidate { hit_tokens: 1000, running: most, ..candidates[0] };
        candidates[1].pending = least;
        candidates
    };
    // 64 - 0 is not more than 64; 65 is, and 65 > 1.5 * 0.
    check(&config, &loads(64, 0), &QUIET, 0);
    check(&config, &loads(65, 0), &QUIET, 1);
    // 195 - 130 = 65 is more than 64, but 195 is not more than 1.5 * 130; 196 is.
    check(&config, &loads(195, 130), &QUIET, 0);
    check(config, &loads(196, 130), &QUIET, 1);
    // Its router's own test: 20 requests against none, thresholds 5 and 2.
    let tighter = SglangConfig { cache_threshold_ratio: 0.5, balance_abs_requests: 5, balance_rel_ratio: 2.0 };
    check(PolicyConfig::SglangCacheAware(tighter), &loads(20, 0), &QUIET, 1);
}

/// Two instances with these reports.
fn reporting(reports: [Report; 2]) -> [Candidate; 2] {
    [0, 1].map(|index| Candidate { report: reports[index], ..idle(index as u32) })
}

fn queued(tokens: u64, rate: f64) -> Report {
    Report { waiting_tokens: tokens, generated_tokens_per_sec: rate, used_tokens: 20_000, ..Report::default() }
}

#[test]
fn smg_drains_queued_tokens_at_the_generation_rate() {
    let config = PolicyConfig::SmgExpectedWait(SMG);
    // SMG's own tests: 8,000 / 100 = 80 s against 1,000 / 100 = 10 s; 5,000 / 50 = 100 s against 5,000 / 500 = 10 s;
    // without a rate 2,000 tokens a second: 10,000 / 2,000 = 5 s against 1,000 / 2,000 = 0.5 s.
    check(&config, &reporting([queued(8000, 100.0), queued(1000, 100.0)]), &QUIET, 1);
    check(&config, &reporting([queued(5000, 50.0), queued(5000, 500.0)]), &QUIET, 1);
    check(&config, &reporting([queued(10_000, 0.0), queued(1000, 0.0)]), &QUIET, 1);
    // 900 / 1,800 = 0.5 s is less than 1,100 / 2,000 = 0.55 s: no rate counts as 2,000.
    check(config, &reporting([queued(1100, 0.0), queued(900, 1800.0)]), &QUIET, 1);
}

#[test]
fn smg_counts_1024_tokens_for_a_request_of_unknown_size() {
    let config = PolicyConfig::SmgExpectedWait(SMG);
    let rate = 2000.0;
    // Two waiting requests without a count of tokens: 2,048, between 2,047 and 2,049 queued ones.
    let unsized_queue = Report { waiting: 2, waiting_tokens: 0, ..queued(0, rate) };
    let with_queue = |tokens| Report { waiting: 2, ..queued(tokens, rate) };
    check(&config, &reporting([unsized_queue, with_queue(2047)]), &QUIET, 1);
    check(&config, &reporting([unsized_queue, with_queue(2049)]), &QUIET, 0);
    // Running requests count as many.
    let running = Report { running: 2, ..queued(0, rate) };
    check(&config, &reporting([running, queued(2047, rate)]), &QUIET, 1);
    check(config, &reporting([running, queued(2049, rate)]), &QUIET, 0);
}

#[test]
fn smg_counts_what_it_has_sent_since_the_report_and_what_no_report_tells() {
    let config = PolicyConfig::SmgExpectedWait(SMG);
    let mut candidates = reporting([queued(0, 100.0), queued(0, 100.0)]);
    candidates[0].dispatched = Dispatched { requests: 1, tokens: 1 };
    check(&config, &candidates, &QUIET, 1);
    // Its own test: 12 requests held, 5 + 2 reported, 3 sent since: 2 are unaccounted for, 2,048 tokens.
    let report = Report { running: 5, waiting: 2, ..queued(10, 100.0) };
    let dispatched = Dispatched { requests: 3, tokens: 30 };
    let held = Candidate { running: 7, pending: 5, report, dispatched, ..idle(0) };
    // (10 + 5 * 1,024 + 2 * 1,024 + 30) / 100 = 72.08 s, beside 7,207 and 7,209 queued tokens.
    check(&config, &[held, Candidate { report: queued(7207, 100.0), ..idle(1) }], &QUIET, 1);
    check(&config, &[held, Candidate { report: queued(7209, 100.0), ..idle(1) }], &QUIET, 0);
    // A report that covers all of them leaves nothing: with 10 sent since, (10 + 5 * 1,024 + 30) / 100 = 51.6 s.
    let covered = Candidate { dispatched: Dispatched { requests: 10, tokens: 30 }, ..held };
    check(&config, &[covered, Candidate { report: queued(5159, 100.0), ..idle(1) }], &QUIET, 1);
    check(config, &[covered, Candidate { report: queued(5161, 100.0), ..idle(1) }], &QUIET, 0);
}

#[test]
fn smg_keeps_off_full_caches() {
    // Its own test: weight 2 at 98 % is 2 * 0.98 / 0.02 = 98 s, an empty cache costs none.
    let heavier = PolicyConfig::SmgExpectedWait(SmgConfig { kv_pressure_s: 2.0, ..SMG });
    let full = |used_tokens| Report { used_tokens, ..queued(0, 100.0) };
    check(&heavier, &reporting([full(98_000), full(0)]), &QUIET, 1);
    let against = |tokens| Report { used_tokens: 0, ..queued(tokens, 100.0) };
    check(&heavier, &reporting([full(98_000), against(9799)]), &QUIET, 1);
    check(heavier, &reporting([full(98_000), against(9801)]), &QUIET, 0);
    // A full cache counts as 99.9 %: 0.15 * 999 = 149.85 s.
    let config = PolicyConfig::SmgExpectedWait(SMG);
    check(&config, &reporting([full(100_000), against(14_984)]), &QUIET, 1);
    check(config, &reporting([full(100_000), against(14_986)]), &QUIET, 0);
}

#[test]
fn smg_draws_among_waits_within_a_microsecond() {
    let config = PolicyConfig::SmgExpectedWait(SMG);
    check_tie(&config, &four(), &[0, 1, 2, 3]);
    // One token more at 2,000 a second is 500 us.
    let mut candidates = four();
    candidates[1].dispatched.tokens = 1;
    check_tie(config, &candidates, &[0, 2, 3]);
}

fn waiting(waiting: u32) -> Report {
    Report { waiting, ..Report::default() }
}

#[test]
fn llmd_scores_queues_between_the_shortest_and_the_longest() {
    // Its own test: queues of 10, 5 and 0 score 0, 0.5 and 1. With weight 2 that is 0, 1 and 2, and a prefix of
    // 333 or 334 of 1,000 tokens with weight 3 is 0.999 or 1.002.
    let config = PolicyConfig::Llmd(LLMD);
    let mut candidates = [idle(0), idle(1), idle(2)];
    for (candidate, queue) in candidates.iter_mut().zip([10, 5, 0]) {
        candidate.report = waiting(queue);
    }
    check(&config, &candidates, &QUIET, 2);
    candidates[1].hit_tokens = 333;
    check(&config, &candidates, &QUIET, 2);
    candidates[1].hit_tokens = 334;
    check(&config, &candidates, &QUIET, 1);
    // 666 tokens are 1.998 of the 2 that the longest queue lacks.
    candidates[1].hit_tokens = 0;
    candidates[0].hit_tokens = 666;
    check(&config, &candidates, &QUIET, 2);
    candidates[0].hit_tokens = 667;
    check(config, &candidates, &QUIET, 0);
}

#[test]
fn llmd_looks_at_reports_and_not_at_what_it_has_sent() {
    let config = PolicyConfig::Llmd(LLMD);
    let mut candidates = [idle(0), idle(1)];
    candidates[0] = Candidate { pending: 50, dispatched: Dispatched { requests: 50, tokens: 1 }, ..candidates[0] };
    check_tie(&config, &candidates, &[0, 1]);
    // With equal queues every instance scores 1 for its own, and the free share of the KV cache decides.
    candidates[0].report = Report { waiting: 7, used_tokens: 40_000, ..Report::default() };
    candidates[1].report = Report { waiting: 7, used_tokens: 41_000, ..Report::default() };
    check(&config, &candidates, &QUIET, 0);
    // 1 % of the cache is 0.02, 7 tokens of prefix are 0.021.
    candidates[1].hit_tokens = 6;
    check(&config, &candidates, &QUIET, 0);
    candidates[1].hit_tokens = 7;
    check(config, &candidates, &QUIET, 1);
}

#[test]
fn llmd_with_topology_adds_the_fixed_score_of_the_level() {
    let config = PolicyConfig::LlmdTopology(LLMD);
    check(&config, &four(), &QUIET, 0);
    check(&config, &four()[1..], &QUIET, 0);
    // Host 1 against rack 0.2: 0.8 is 267 tokens of prefix (0.801), not 266 (0.798).
    let mut candidates = four();
    candidates[1].hit_tokens = 266;
    check(&config, &candidates, &QUIET, 0);
    candidates[1].hit_tokens = 267;
    check(&config, &candidates, &QUIET, 1);
    // Rack 0.2 against zone 0.05: 0.15 is 7.5 % of the KV cache with weight 2; zone against region 0.03: 1.5 %.
    let mut upper = four()[1..].to_vec();
    upper[0].report.used_tokens = 7400;
    check(&config, &upper, &QUIET, 0);
    upper[0].report.used_tokens = 7600;
    check(&config, &upper, &QUIET, 1);
    upper[1].report.used_tokens = 1600;
    upper[0].report.used_tokens = 50_000;
    check(config, &upper, &QUIET, 2);
    // Without weight the level counts for nothing.
    let without = LlmdConfig { topology_weight: 0.0, ..LLMD };
    check_tie(PolicyConfig::LlmdTopology(without), &four(), &[0, 1, 2, 3]);
}
