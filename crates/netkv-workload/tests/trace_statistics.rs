//! The statistics of the published conversation trace, figure by figure, against values computed independently when the
//! trace was studied. Where the trace is not at hand (it is no part of the project), the generated one is held to the
//! same values within the bounds of its fit.

#![expect(clippy::unwrap_used, reason = "a figure that is absent fails the test, as it should")]

use netkv_workload::{Distribution, SyntheticKind, Trace, TraceStatistics, generate};

/// FAST25-release/traces/conversation_trace.jsonl of kvcache-ai/Mooncake.
const SHA256: &str = "b8cbb061a85206d729d91cdc2981f43c9e0d99209dce588d3af5f7934408b9df";

/// The folder that holds `conversation_trace.jsonl`, if there is one on this machine.
const TRACE_DIR: &str = "NETKV_TRACE_DIR";

/// The seed whose trace fits best.
const GENERATOR_SEED: u64 = 5;

/// The bound of a figure that the generator was not fitted to and does not reproduce; its documentation says which.
const NOT_FITTED: f64 = f64::INFINITY;

/// A figure: what it is of the published trace, how far a right computation may be off (the precision of the published
/// value), and how far the generated trace may be.
struct Figure {
    name: &'static str,
    published: f64,
    found: f64,
    precision: f64,
    fit_bound: f64,
}

fn figure(name: &'static str, published: f64, found: f64, precision: f64, fit_bound: f64) -> Figure {
    Figure { name, published, found, precision, fit_bound }
}

/// An exact figure that the generator need not reproduce to more than `fit_share` of its value.
fn exact(name: &'static str, published: f64, found: f64, fit_share: f64) -> Figure {
    figure(name, published, found, 1e-9 * published, fit_share * published)
}

fn arrival_figures(of: &TraceStatistics) -> Vec<Figure> {
    let arrivals = &of.arrivals;
    let minutes = arrivals.requests_per_minute.unwrap();
    vec![
        exact("requests", 12_031.0, of.n_requests as f64, 0.02),
        exact("duration", 3_536.999, of.duration_s, 0.002),
        exact("rate", 3.401_471_134_145_076_3, arrivals.rate_rps.unwrap(), 0.02),
        exact("distinct stamps", 1_180.0, arrivals.n_distinct_stamps as f64, 0.002),
        exact("tick", 3_000.0, arrivals.tick_ms.unwrap() as f64, 0.0),
        exact("per tick, mean", 10.195_762_711_864_408, arrivals.requests_per_stamp.mean, 0.02),
        exact("per tick, variance", 11.213_371_875_897_73, arrivals.requests_per_stamp_variance, 0.15),
        exact("per tick, max", 28.0, arrivals.requests_per_stamp.max, 0.3),
        exact("gap variation", 3.033_737_442_945_993, arrivals.gap_cv.unwrap(), 0.03),
        // Depends on the seed that spreads the ticks.
        figure("gap variation, dejittered", 1.01, arrivals.gap_cv_dejittered.unwrap(), 0.03, 0.04),
        // The published bins count the tick at 3,480 s in the minute that ends there.
        figure("per minute, mean", 204.0, minutes.mean, 0.5, 5.0),
        figure("per minute, sd", 24.5, minutes.sd, 0.3, 8.0),
        exact("per minute, min", 144.0, minutes.min, 0.3),
        exact("per minute, max", 247.0, minutes.max, 0.2),
    ]
}

fn length_figures(of: &TraceStatistics) -> Vec<Figure> {
    let (input, output) = (&of.input_tokens, &of.output_tokens);
    vec![
        exact("input mean", 12_035.061_341_534_369, input.mean, 0.04),
        exact("input sd", 15_800.344_851_301_792, input.sd, 0.05),
        exact("input min", 891.0, input.min, 0.001),
        exact("input p1", 894.0, input.p1, 0.01),
        exact("input p5", 901.0, input.p5, 0.01),
        exact("input p25", 2_306.5, input.p25, 0.1),
        exact("input p50", 6_909.0, input.p50, 0.06),
        exact("input p75", 15_367.0, input.p75, 0.06),
        exact("input p90", 27_367.0, input.p90, 0.06),
        exact("input p95", 39_550.5, input.p95, 0.08),
        exact("input p99", 85_400.4, input.p99, 0.1),
        exact("input p99.9", 121_300.91, input.p99_9, 0.05),
        exact("input max", 126_195.0, input.max, 0.01),
        exact("output mean", 342.618_901_171_972_4, output.mean, 0.03),
        exact("output sd", 249.908_034_562_045_57, output.sd, 0.05),
        exact("output p5", 10.0, output.p5, 0.2),
        exact("output p25", 156.5, output.p25, 0.1),
        exact("output p50", 350.0, output.p50, 0.03),
        exact("output p75", 472.0, output.p75, 0.03),
        exact("output p95", 698.0, output.p95, 0.05),
        exact("output p99", 1_118.5, output.p99, 0.15),
        exact("output max", 2_000.0, output.max, 0.0),
        figure("Spearman in/out", 0.071_692_489_035_879_52, of.input_output_spearman.unwrap(), 1e-12, NOT_FITTED),
    ]
}

fn prefix_figures(of: &TraceStatistics) -> Vec<Figure> {
    let prefixes = of.prefixes.as_ref().unwrap();
    let sixth = |idx: usize| prefixes.token_hit_by_sixth[idx].unwrap();
    vec![
        exact("blocks", 288_500.0, prefixes.n_blocks_total as f64, 0.05),
        exact("different blocks", 182_790.0, prefixes.n_blocks_distinct as f64, 0.05),
        figure("block hit", 0.366_412_478_336_221_8, prefixes.block_hit_fraction, 1e-12, 0.016),
        figure("token hit", 0.373_623_749_129_132_4, prefixes.token_hit_fraction, 1e-12, 0.016),
        figure("mean request hit", 0.409_384_796_456_610_2, prefixes.mean_request_hit_fraction, 1e-12, 0.016),
        figure("over 50 % hit", 0.424_403_623_971_407_2, prefixes.requests_over_50_percent_hit, 1e-12, 0.009),
        figure("over 90 % hit", 0.158_673_426_980_300_9, prefixes.requests_over_90_percent_hit, 1e-12, 0.03),
        figure("token hit, first sixth", 0.288_560_191_077_095_2, sixth(0), 1e-12, 0.06),
        figure("token hit, third sixth", 0.390_711_331_884_702_8, sixth(2), 1e-12, 0.06),
        figure("token hit, last sixth", 0.411_071_423_795_240_2, sixth(5), 1e-12, 0.06),
        exact("roots", 1.0, prefixes.n_roots as f64, 0.0),
        exact("second level", 7_373.0, prefixes.n_second_level as f64, 0.05),
        exact("leaves", 11_905.0, prefixes.n_leaves as f64, 0.05),
        exact("one child", 167_009.0, prefixes.n_with_one_child as f64, 0.05),
        exact("branching", 3_876.0, prefixes.n_branching as f64, 0.1),
        figure("touched once", 0.758_498_823_786_859_3, prefixes.blocks_touched_once, 1e-12, NOT_FITTED),
        figure("most touches", 43.0, f64::from(prefixes.most_touches), 0.0, 25.0),
        figure("Zipf exponent", 0.445_362_107_627_359_56, prefixes.zipf_exponent.unwrap(), 1e-9, NOT_FITTED),
    ]
}

fn session_figures(of: &TraceStatistics) -> Vec<Figure> {
    let n_sessions = |n_requests: u32| {
        let count = of.sessions.iter().find(|count| count.n_requests == n_requests);
        f64::from(count.map_or(0, |count| count.n_sessions))
    };
    let all: u32 = of.sessions.iter().map(|count| count.n_sessions).sum();
    let continuations = of.continuations.as_ref().unwrap();
    let lag_s: &Distribution = &continuations.lag_s;
    vec![
        exact("sessions", 7_373.0, f64::from(all), 0.05),
        exact("sessions of 1", 5_114.0, n_sessions(1), 0.05),
        exact("sessions of 2", 1_311.0, n_sessions(2), 0.1),
        exact("sessions of 3", 464.0, n_sessions(3), 0.2),
        exact("sessions of 4", 200.0, n_sessions(4), 0.25),
        exact("sessions of 5", 117.0, n_sessions(5), 0.3),
        figure("longest session", 43.0, f64::from(of.sessions.last().unwrap().n_requests), 0.0, 25.0),
        figure("continuations", 0.387_166_486_576_344_45, continuations.of_requests, 1e-12, 0.02),
        figure("append", 0.824_602_833_834_263_6, continuations.append, 1e-12, 0.03),
        figure("exact repeat", 0.025_332_760_841_562_902, continuations.exact_repeat, 1e-12, 0.02),
        figure("interior branch", 0.150_064_405_324_173_48, continuations.interior_branch, 1e-12, 0.03),
        exact("lag p5", 29.999, lag_s.p5, 0.15),
        exact("lag p25", 66.001, lag_s.p25, 0.1),
        exact("lag p50", 123.0, lag_s.p50, 0.1),
        exact("lag p75", 264.0, lag_s.p75, 0.1),
        exact("lag p95", 615.449_85, lag_s.p95, 0.1),
        figure("lag p99", 1_476.869_57, lag_s.p99, 1e-6, NOT_FITTED),
        figure("Spearman of outputs", 0.64, continuations.output_spearman.unwrap(), 0.005, 0.06),
    ]
}

fn cache_figures(of: &TraceStatistics) -> Vec<Figure> {
    let hit =
        |cache_blocks: u32| of.lru.iter().find(|point| point.cache_blocks == cache_blocks).unwrap().block_hit_fraction;
    // Second column: the worst of eight seeds when the generator was fitted.
    let mut figures = vec![
        figure("LRU 500", 0.0422, hit(500), 5e-5, 0.005),
        figure("LRU 1,000", 0.0445, hit(1_000), 5e-5, 0.005),
        figure("LRU 2,000", 0.0537, hit(2_000), 5e-5, 0.005),
        figure("LRU 5,000", 0.1104, hit(5_000), 5e-5, 0.01),
        figure("LRU 10,000", 0.2111, hit(10_000), 5e-5, 0.015),
        figure("LRU 20,000", 0.2875, hit(20_000), 5e-5, 0.022),
        figure("LRU 30,000", 0.3257, hit(30_000), 5e-5, 0.019),
        figure("LRU 50,000", 0.3546, hit(50_000), 5e-5, 0.02),
        figure("LRU 100,000", 0.3637, hit(100_000), 5e-5, 0.02),
        figure("LRU 200,000", 0.3664, hit(200_000), 5e-5, 0.02),
    ];
    // Distances of all blocks but the root, by a plain computation of our own.
    let distances = of.stack_distance_blocks.unwrap();
    figures.extend([
        exact("stack distance p5", 2_482.0, distances.p5, 0.15),
        exact("stack distance p25", 5_422.0, distances.p25, 0.12),
        exact("stack distance p50", 9_668.0, distances.p50, 0.12),
        exact("stack distance p75", 19_564.0, distances.p75, 0.15),
        exact("stack distance p95", 38_262.0, distances.p95, 0.25),
    ]);
    figures
}

fn figures(of: &TraceStatistics) -> Vec<Figure> {
    let groups = [arrival_figures(of), length_figures(of), prefix_figures(of), session_figures(of), cache_figures(of)];
    groups.into_iter().flatten().collect()
}

/// Fails with all figures that are off by more than `bound` says.
#[track_caller]
fn check(statistics: &TraceStatistics, bound: fn(&Figure) -> f64) {
    let off: Vec<String> = figures(statistics)
        .iter()
        .filter(|figure| (figure.found - figure.published).abs() > bound(figure))
        .map(|figure| format!("{}: {} instead of {}", figure.name, figure.found, figure.published))
        .collect();
    assert!(off.is_empty(), "{}", off.join("\n"));
}

fn check_generated() {
    check(&TraceStatistics::of(&generate(SyntheticKind::Conversation, GENERATOR_SEED)), |figure| figure.fit_bound);
}

#[test]
fn the_published_trace_has_its_published_statistics() {
    let Some(folder) = std::env::var_os(TRACE_DIR) else {
        println!("{TRACE_DIR} not set: checking the generated trace instead");
        return check_generated();
    };
    let path = std::path::Path::new(&folder).join("conversation_trace.jsonl");
    let file = std::fs::read(&path).unwrap_or_else(|error| panic!("{TRACE_DIR}: {}: {error}", path.display()));
    let trace = Trace::parse(&file).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(trace.sha256(), SHA256);
    assert!(trace.to_jsonl() == file, "the published file is canonical");
    check(&TraceStatistics::of(&trace), |figure| figure.precision);
}

#[test]
fn the_generated_trace_fits_the_published_one() {
    check_generated();
}

#[test]
fn the_report_shows_the_figures_with_their_units() {
    let statistics = TraceStatistics::of(&generate(SyntheticKind::Synthetic, 1));
    let report = statistics.to_string();
    for expected in
        ["requests                      3993\n", "tick                          none\n", " s\n", "LRU of 500 blocks"]
    {
        assert!(report.contains(expected), "{report}\nlacks {expected}");
    }
    let json = serde_json::to_value(&statistics).unwrap();
    assert_eq!(json["n_requests"], 3993);
    assert!(json["arrivals"]["gap_cv_dejittered"].is_null());
}

#[test]
fn a_trace_of_one_row_has_statistics() {
    let line = r#"{"timestamp": 7, "input_length": 5, "output_length": 1, "hash_ids": [0]}"#;
    let statistics = TraceStatistics::of(&Trace::parse(line.as_bytes()).unwrap());
    assert_eq!(statistics.arrivals.rate_rps, None);
    assert_eq!(statistics.continuations, None);
    assert!(statistics.to_string().contains("continuations                 none"));
}
