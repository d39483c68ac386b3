//! Random scenarios, in which everything that can happen does.

use super::{BACKGROUND, POLICIES, flows, millis, scenario};
use netkv_sim::{
    ClusterChange, ClusterEvent, FirstToken, LocalPrefillConfig, LocalRule, MixedPass, OracleGranularity, Overlap,
    Pool, PrefillQueue, Scenario, SelectionMoment,
};
use netkv_units::{BlockId, LatencyCurve, RequestId, SimTime, Stream};
use netkv_workload::{SessionWorkload, Turn, Workload};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Sessions whose prompts grow, interleaved; arrivals on a coarse grid so that many events fall on one instant.
fn workload(stream: &mut Stream) -> Workload {
    let n = 40 + stream.below(60);
    let mut sessions: Vec<Vec<u32>> = Vec::new();
    let mut next_block = 0;
    let mut at_ms = 0;
    let mut parts = Vec::new();
    for _ in 0..n {
        at_ms += 10 * stream.below(40);
        let session = stream.below(12) as usize;
        if session >= sessions.len() {
            sessions.push(Vec::new());
        }
        let session = session.min(sessions.len() - 1);
        let keep = stream.below(sessions[session].len() as u64 + 1) as usize;
        sessions[session].truncate(keep);
        for _ in 0..=stream.below(3) {
            sessions[session].push(next_block);
            next_block += 1;
        }
        let input = 512 * (sessions[session].len() as u32 - 1) + 1 + stream.below(512) as u32;
        let blocks = sessions[session].iter().map(|&block| BlockId::new(block)).collect();
        let output = 1 + stream.below(300) as u32;
        parts.push((SimTime::from_nanos(at_ms * 1_000_000), input, output, blocks));
        // A partial last block is a leaf: a longer prompt has another id there.
        if !input.is_multiple_of(512) {
            sessions[session].pop();
        }
    }
    Workload::from_parts(parts)
}

/// A scenario with tight memory, shared prefixes, traffic of others and any policy.
pub fn random_scenario(seed: u64) -> Scenario {
    let mut stream = Stream::new(seed, "scenario");
    let mut scenario = scenario(workload(&mut stream));
    scenario.seed = seed;
    scenario.policy = POLICIES[stream.below(POLICIES.len() as u64) as usize].clone();
    scenario.oracle =
        [OracleGranularity::Static, OracleGranularity::Tier, OracleGranularity::Path, OracleGranularity::Exact]
            [stream.below(4) as usize];
    if stream.below(2) == 0 {
        scenario.background = BACKGROUND;
    }
    match Stream::new(seed, "later additions").below(6) {
        0 => scenario.background = flows(0.3),
        1 => scenario.oracle = OracleGranularity::Zone,
        _ => {}
    }
    scenario.telemetry.interval = millis([0, 30, 1000][stream.below(3) as usize]);
    scenario.telemetry.delay = millis([0, 500][stream.below(2) as usize]);
    scenario.gpu.prefill.tokens = [
        LatencyCurve::linear(0, 10_000_000_000),
        LatencyCurve::new(3, &[(0, 100_000_000_000), (200, 7_000_000_001), (900, 50_000_000_000)]),
    ][stream.below(2) as usize];
    scenario.gpu.local.tokens = scenario.gpu.prefill.tokens;
    scenario.gpu.decode.requests = [
        LatencyCurve::linear(10_000_000_000_000, 0),
        LatencyCurve::new(10_000_000_000_000, &[(0, 1_234_567_891), (3, 0), (5, 2_345_678_912)]),
    ][stream.below(2) as usize];
    scenario.gpu.decode.per_token_fs = [0, 26_470_001][stream.below(2) as usize];
    scenario.decode.max_batch = [2, 64][stream.below(2) as usize];
    scenario.decode.watermark_blocks = [0, 1, 10][Stream::new(seed, "watermark").below(3) as usize];
    // The longest prompt and answer take 37 512-token blocks and 300 tokens at the most; often that is all there is.
    let (mut requests, mut longest) = (scenario.workload.draw(), 0);
    while let Some(own) = requests.next(&mut Vec::new()) {
        longest = longest.max(own.input_tokens + own.output_tokens);
    }
    drop(requests);
    let least = longest.div_ceil(16) + scenario.decode.watermark_blocks;
    scenario.kv.decode_blocks = least + [0, 20, 100, 10_000][stream.below(4) as usize];
    scenario.kv.prefill_blocks = least + [0, 500][stream.below(2) as usize];
    scenario.kv.prefix_caching = stream.below(4) > 0;
    scenario.transfer.skip_cached = stream.below(2) == 0;
    if stream.below(3) == 0 {
        scenario.first_token = FirstToken::Prefill;
    }
    draw_order(&mut scenario, &mut Stream::new(seed, "order"));
    scenario
}

/// When things are done: the queue, the choice of the decode instance, the transfer.
fn draw_order(scenario: &mut Scenario, stream: &mut Stream) {
    if stream.below(2) == 0 {
        let ageing_tokens_per_sec = [0, 100, 5000][stream.below(3) as usize];
        scenario.prefill.queue = PrefillQueue::ShortestFirst { ageing_tokens_per_sec };
    }
    scenario.prefill.host_tier_tokens = 512 * [0, 0, 3, 50][stream.below(4) as usize];
    scenario.prefill.max_batch_tokens = [300, 8192][stream.below(2) as usize];
    scenario.selection = [SelectionMoment::Arrival, SelectionMoment::PrefillStart, SelectionMoment::PrefillDone]
        [stream.below(3) as usize];
    if scenario.selection < SelectionMoment::PrefillDone && stream.below(3) > 0 {
        scenario.transfer.overlap = Overlap::Layerwise { layers: [1, 2, 80][stream.below(3) as usize] };
    }
}

/// The same with some prompts computed on decode instances, by any rule.
pub fn random_local(seed: u64) -> Scenario {
    let mut scenario = random_scenario(seed);
    let mut stream = Stream::new(seed, "local prefill");
    let rule = match stream.below(4) {
        0 => LocalRule::Short { max_tokens: [600, 1_000_000][stream.below(2) as usize], max_ratio: 0.7 },
        1 => LocalRule::Short { max_tokens: 1_000_000, max_ratio: 1.1 },
        2 => LocalRule::Session { min_hit_ratio: [0.01, 0.5][stream.below(2) as usize] },
        _ => LocalRule::Deflect {
            tbt_limit: millis([15, 50][stream.below(2) as usize]),
            margin_factor: [1.0, 1.3][stream.below(2) as usize],
            min_chunk_tokens: [1, 64][stream.below(2) as usize],
        },
    };
    let chunk_tokens = [100, 512, 8192][stream.below(3) as usize];
    let pass = [MixedPass::Separate, MixedPass::Joint][stream.below(2) as usize];
    scenario.local_prefill = LocalPrefillConfig { rule, chunk_tokens, pass };
    scenario
}

/// Up to so many changes of each of these instances, over a span: they fail, are drained, join and come back.
pub fn random_changes(
    stream: &mut Stream,
    span_ms: u64,
    instances: impl Iterator<Item = (Pool, u32)>,
    most: u64,
) -> Vec<ClusterEvent> {
    let mut events = Vec::new();
    for (pool, instance) in instances {
        let (mut ms, mut is_there) = (stream.below(span_ms), stream.below(4) > 0);
        for _ in 0..stream.below(most + 1) {
            let gone = [ClusterChange::Fail, ClusterChange::Fail, ClusterChange::Drain][stream.below(3) as usize];
            let change = if is_there { gone } else { ClusterChange::Join };
            events.push(ClusterEvent { at: SimTime::ZERO + millis(ms), pool, instance, change });
            // Often between two instants of the grid that much else happens on.
            (ms, is_there) = (ms + 1 + stream.below(span_ms / 4), !is_there);
        }
    }
    events.sort_by_key(|event| event.at);
    events
}

/// The same with its prefix blocks cut into blocks of `block_tokens`, which divide 512: who shared a block shares its parts.
pub fn in_finer_blocks(coarse: &Scenario, block_tokens: u32) -> Scenario {
    let (mut drawn, mut parts, mut blocks) = (coarse.workload.draw(), Vec::new(), Vec::new());
    let (per_block, mut numbers) = (512 / block_tokens, BTreeMap::new());
    while let Some(own) = drawn.next(&mut blocks) {
        let names = blocks.iter().flat_map(|block| (0..per_block).map(move |part| (*block, part)));
        let finer = names.take(own.input_tokens.div_ceil(block_tokens) as usize).map(|name| {
            let next = BlockId::from_index(numbers.len());
            *numbers.entry(name).or_insert(next)
        });
        parts.push((own.arrival, own.input_tokens, own.output_tokens, finer.collect()));
    }
    drop(drawn);
    Scenario { workload: Arc::new(Workload::in_blocks(block_tokens, parts)), ..coarse.clone() }
}

/// The same with its requests in sessions of random turns, some of several requests, some without a think time.
pub fn in_sessions(open: &Scenario, seed: u64) -> Scenario {
    let mut stream = Stream::new(seed, "sessions");
    let (mut drawn, mut parts, mut blocks) = (open.workload.draw(), Vec::new(), Vec::new());
    while let Some(own) = drawn.next(&mut blocks) {
        parts.push((own.arrival, own.input_tokens, own.output_tokens, blocks.clone()));
    }
    drop(drawn);
    let workload = Workload::from_parts(parts);
    let mut sessions: Vec<Vec<Turn>> = Vec::new();
    let mut ids = (0..workload.len()).map(RequestId::from_index).peekable();
    while ids.peek().is_some() {
        let burst = [1, 1, 1, 4][stream.below(4) as usize];
        let think = millis([0, 10, 500, 3_000][stream.below(4) as usize]);
        let turn = Turn { think, requests: ids.by_ref().take(burst).collect() };
        if sessions.len() < 12 {
            sessions.push(vec![turn]);
        } else {
            let session = stream.below(12) as usize;
            sessions[session].push(turn);
        }
    }
    let n_starts = 1 + stream.below(sessions.len() as u64);
    let starts = (0..n_starts).map(|_| SimTime::from_nanos(stream.below(5) * 1_000_000_000)).collect();
    Scenario { workload: Arc::new(SessionWorkload::new(workload, sessions, starts)), ..open.clone() }
}
