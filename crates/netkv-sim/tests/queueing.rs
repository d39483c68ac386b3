//! Queues with closed forms: what the simulation makes of them, within 1 % of theory.
//!
//! A mean wait at high load needs tens of millions of requests to be known to a fraction of a percent. So what is
//! compared is the mean wait less a control: a quantity of the same run whose mean theory knows to be zero, and which
//! has most of the noise. Each estimate comes with its standard error, from the means of 40 batches of consecutive
//! requests; a case passes if the error is below 0.4 %, the estimate within 1 % of theory and within four errors, and
//! the mean without control within four of its larger errors.

mod common;

use common::{BACKGROUND, scenario};
use netkv_policy::PolicyConfig;
use netkv_sim::{DecodeLatency, FirstToken, Placement, PrefillLatency, RunOutput, Scenario, run};
use netkv_units::{BlockId, LatencyCurve, SimTime, Stream};
use netkv_workload::{BLOCK_TOKENS, Workload};

const MICRO_FS: u64 = 1_000_000_000;

/// A mean and its standard error.
#[derive(Clone, Copy, Debug)]
struct Estimate {
    mean: f64,
    error: f64,
}

impl Estimate {
    /// Of values one after the other that may depend on their neighbours.
    fn of(values: &[f64]) -> Self {
        const BATCHES: usize = 40;
        let size = values.len() / BATCHES;
        let means: Vec<f64> = values.chunks_exact(size).take(BATCHES).map(|batch| sum(batch) / size as f64).collect();
        let mean = sum(&means) / BATCHES as f64;
        let squares: Vec<f64> = means.iter().map(|one| (one - mean) * (one - mean)).collect();
        Self { mean, error: (sum(&squares) / (BATCHES * (BATCHES - 1)) as f64).sqrt() }
    }
}

/// Compares a mean with theory: within 1 % by the values less their control, within four standard errors by both.
/// `discreteness` is the share of theory by which whole iterations or nanoseconds may move it.
#[track_caller]
fn check(what: &str, values: &[f64], controlled: &[f64], theory: f64, discreteness: f64) {
    let in_percent = |estimate: Estimate| {
        format!("{:+.2} % ± {:.2} %", 100.0 * (estimate.mean / theory - 1.0), 100.0 * estimate.error / theory)
    };
    let (plain, close) = (Estimate::of(values), Estimate::of(controlled));
    println!("{what}: theory {theory:.6}, off by {}, without control {}", in_percent(close), in_percent(plain));
    assert!(close.error < 0.004 * theory, "{what}: the standard error of {close:?}");
    for (estimate, limit) in
        [(close, 4.0 * close.error + discreteness * theory), (close, 0.01 * theory), (plain, 4.0 * plain.error)]
    {
        assert!((estimate.mean - theory).abs() < limit, "{what}: {estimate:?} against {theory}");
    }
}

/// Times are in whole nanoseconds.
const NANOSECONDS: f64 = 1e-6;

fn sum(values: &[f64]) -> f64 {
    values.iter().sum()
}

/// A distribution of whole numbers: each with its probability.
struct Lengths {
    values: Vec<(u32, f64)>,
    cumulative: Vec<f64>,
}

impl Lengths {
    fn new(values: Vec<(u32, f64)>) -> Self {
        let mut reached = 0.0;
        let cumulative: Vec<f64> = values
            .iter()
            .map(|&(_, probability)| {
                reached += probability;
                reached
            })
            .collect();
        assert!((reached - 1.0).abs() < 1e-12, "probabilities add up to {reached}");
        Self { values, cumulative }
    }

    /// 1, 2, 3 and so on, each less likely than the one before by the same factor: the discrete exponential. What lies
    /// beyond 40 means, e^-40 of it, is left out.
    fn geometric(mean: u32) -> Self {
        let stop = 1.0 / f64::from(mean);
        let mut left = 1.0;
        let mut values: Vec<(u32, f64)> = Vec::new();
        for value in 1..=40 * mean {
            values.push((value, left * stop));
            left *= 1.0 - stop;
        }
        Self::new(values)
    }

    fn draw(&self, stream: &mut Stream) -> u32 {
        let unit = stream.unit();
        let at = self.cumulative.partition_point(|&reached| reached <= unit);
        self.values[at.min(self.values.len() - 1)].0
    }

    /// Mean of a function of the number.
    fn mean(&self, of: impl Fn(u32) -> f64) -> f64 {
        self.values.iter().map(|&(value, probability)| probability * of(value)).sum()
    }
}

/// Poisson arrivals of prompts and answers of random lengths; no prompt shares a block with another.
fn poisson(rate_rps: f64, n: usize, prompts: &Lengths, answers: &Lengths) -> Workload {
    let [mut gaps, mut prompt_stream, mut answer_stream] =
        ["arrivals", "prompts", "answers"].map(|purpose| Stream::new(1, purpose));
    let (mut arrival_s, mut n_blocks) = (0.0, 0);
    let part = |_| {
        arrival_s += gaps.exponential(1.0 / rate_rps);
        let (input, output) = (prompts.draw(&mut prompt_stream), answers.draw(&mut answer_stream));
        let first = n_blocks;
        n_blocks += input.div_ceil(BLOCK_TOKENS);
        (SimTime::from_secs_f64(arrival_s), input, output, (first..n_blocks).map(BlockId::new).collect())
    };
    Workload::from_parts((0..n).map(part).collect())
}

fn constant(value: u32) -> Lengths {
    Lengths::new(vec![(value, 1.0)])
}

/// The wait for a single server that serves in order, less its control: (own service - gap to the next arrival) less
/// its mean, times the wait over the mean gap's excess over the mean service. A wait does not depend on what comes
/// after it, so the control's mean is zero. By Lindley's recursion it has the noise of the wait's whole random walk.
fn single_server(waits_s: &[f64], services_s: &[f64], arrivals_s: &[f64], rate_rps: f64, service_s: f64) -> Vec<f64> {
    let spare_s = 1.0 / rate_rps - service_s;
    let value = |at: usize| {
        let step = services_s[at] - (arrivals_s[at + 1] - arrivals_s[at]);
        waits_s[at] - waits_s[at] * (step + spare_s) / spare_s
    };
    (0..waits_s.len() - 1).map(value).collect()
}

/// Mean wait of M/G/1, of Pollaczek and Khinchine: the rate times the mean square of the service over twice the share
/// of time that the server is idle.
fn pollaczek_khinchine(rate_rps: f64, service_s: f64, service_squared: f64) -> f64 {
    rate_rps * service_squared / (2.0 * (1.0 - rate_rps * service_s))
}

fn arrivals_s(output: &RunOutput) -> Vec<f64> {
    output.requests.iter().map(|record| record.arrival.as_secs_f64()).collect()
}

/// One prefill instance that computes one prompt at a time, and nothing after it.
#[track_caller]
fn check_prefill(what: &str, rho: f64, prompts: &Lengths, latency: PrefillLatency, n: usize) {
    let service = |tokens: u32| latency.batch([(tokens, 0)]).as_secs_f64();
    let service_s = prompts.mean(service);
    let rate_rps = rho / service_s;
    let mut scenario = scenario(poisson(rate_rps, n, prompts, &constant(1)));
    scenario.cluster.prefill_instances = 1;
    scenario.cluster.placement = Placement::Listed(vec![0]);
    scenario.first_token = FirstToken::Prefill;
    scenario.gpu.prefill = latency;
    scenario.prefill.max_batch_requests = 1;
    let output = run(&scenario);
    let waits_s: Vec<f64> = output.requests.iter().map(|record| record.parts.prefill_queue.as_secs_f64()).collect();
    let services_s: Vec<f64> = output.requests.iter().map(|record| service(record.input_tokens)).collect();
    let theory_s = pollaczek_khinchine(rate_rps, service_s, prompts.mean(|tokens| service(tokens) * service(tokens)));
    let controlled = single_server(&waits_s, &services_s, &arrivals_s(&output), rate_rps, service_s);
    check(&format!("{what} at rho {rho}, wait in s"), &waits_s, &controlled, theory_s, NANOSECONDS);
    let used = output.totals.prefill_utilisation_ratio;
    assert!((used / rho - 1.0).abs() < 0.01, "{what}: utilisation {used} at rho {rho}");
}

const LINEAR: PrefillLatency = PrefillLatency { tokens: LatencyCurve::linear(0, 500 * MICRO_FS), per_pair_fs: 0 };

#[test]
fn prompts_of_one_length_wait_as_in_m_d_1() {
    for rho in [0.3, 0.6, 0.8, 0.9] {
        check_prefill("M/D/1", rho, &constant(20), LINEAR, if rho < 0.5 { 800_000 } else { 600_000 });
    }
}

#[test]
fn prompts_of_exponential_lengths_wait_as_in_m_m_1() {
    check_prefill("M/M/1 in whole tokens", 0.8, &Lengths::geometric(20), LINEAR, 1_000_000);
}

#[test]
fn prompts_of_any_lengths_wait_as_in_m_g_1() {
    let two = Lengths::new(vec![(10, 0.9), (110, 0.1)]);
    check_prefill("M/G/1 of two lengths", 0.6, &two, LINEAR, 1_000_000);
    let uniform = Lengths::new((1..=1000).map(|tokens| (tokens, 1e-3)).collect());
    // At the mean length, two thirds of the time are attention's.
    let quadratic =
        PrefillLatency { tokens: LatencyCurve::linear(1000 * MICRO_FS, 5 * MICRO_FS), per_pair_fs: MICRO_FS / 25 };
    check_prefill("M/G/1 of uniform lengths, with attention", 0.7, &uniform, quadratic, 400_000);
}

/// One decode instance whose iterations take a millisecond whatever is in them; prompts reach it at once.
fn decode(workload: Workload, max_batch: u32) -> Scenario {
    let mut scenario = scenario(workload);
    scenario.cluster.prefill_instances = 7;
    scenario.cluster.placement = Placement::Listed((0..7).collect());
    scenario.gpu.prefill = PrefillLatency { tokens: LatencyCurve::linear(0, 0), per_pair_fs: 0 };
    scenario.gpu.decode = DecodeLatency { requests: LatencyCurve::linear(1000 * MICRO_FS, 0), per_token_fs: 0 };
    scenario.kv.bytes_per_token = 1;
    scenario.kv.prefix_caching = false;
    scenario.decode.max_batch = max_batch;
    scenario
}

const ITERATION_S: f64 = 0.001;

#[test]
fn a_batch_of_one_is_m_g_1_with_whole_iterations() {
    // Who comes while the engine runs starts at the end of the answer before, which is the end of an iteration: that
    // services are whole iterations is all that there is of discreteness, and the formula has it.
    let (rho, answers) = (0.8, Lengths::geometric(20));
    let service_s = 20.0 * ITERATION_S;
    let rate_rps = rho / service_s;
    let output = run(&decode(poisson(rate_rps, 600_000, &constant(2), &answers), 1));
    let waits_s: Vec<f64> = output.requests.iter().map(|record| record.parts.decode_wait.as_secs_f64()).collect();
    let services_s: Vec<f64> =
        output.requests.iter().map(|record| f64::from(record.output_tokens) * ITERATION_S).collect();
    let square = |tokens: u32| f64::from(tokens) * f64::from(tokens) * ITERATION_S * ITERATION_S;
    let theory_s = pollaczek_khinchine(rate_rps, service_s, answers.mean(square));
    let controlled = single_server(&waits_s, &services_s, &arrivals_s(&output), rate_rps, service_s);
    check("M/G/1 on a batch of one, wait in s", &waits_s, &controlled, theory_s, NANOSECONDS);
}

/// Mean wait of M/M/c over the mean service, by Erlang's formula: the share of arrivals that wait, over the servers
/// to spare. `load` is the rate times the mean service.
fn erlang_c(servers: u32, load: f64) -> f64 {
    let (mut term, mut below) = (1.0, 0.0);
    for n in 1..=servers {
        below += term;
        term *= load / f64::from(n);
    }
    let all_busy = term * f64::from(servers) / (f64::from(servers) - load);
    all_busy / (below + all_busy) / (f64::from(servers) - load)
}

/// The waits of requests that are served in order by the first server to be free: the recursion of Kiefer and Wolfowitz.
fn multi_server(servers: u32, arrivals_s: &[f64], services_s: &[f64]) -> Vec<f64> {
    let mut free_s = vec![0.0_f64; servers as usize];
    let wait = |(&arrival_s, &service_s): (&f64, &f64)| {
        let first = (0..free_s.len()).min_by(|&one, &two| free_s[one].total_cmp(&free_s[two])).expect("a server");
        let start_s = arrival_s.max(free_s[first]);
        free_s[first] = start_s + service_s;
        start_s - arrival_s
    };
    arrivals_s.iter().zip(services_s).map(wait).collect()
}

/// A batch of c with answers of exponential length is M/M/c but for iterations. An answer is the whole iterations that
/// an exponential time reaches into, so it is as long as theory's on average, but who finds a place in a running batch
/// waits for the iteration to end: half of one on average, here 1/4000 of an answer, and holds the place as much longer.
///
/// The control is the wait that the same arrivals and the same exponential times have in the recursion of M/M/c itself,
/// less Erlang's mean of it. It takes all of the noise and leaves the discreteness.
#[track_caller]
fn check_batch(servers: u32, rho: f64, n: usize) {
    const MEAN_ITERATIONS: f64 = 2000.0;
    let service_s = MEAN_ITERATIONS * ITERATION_S;
    let load = rho * f64::from(servers);
    let [mut gaps, mut answers] = ["arrivals", "answers"].map(|purpose| Stream::new(2, purpose));
    // The exponential whose whole iterations, rounded up, have that mean.
    let rounded_mean = -1.0 / libm::log1p(-1.0 / MEAN_ITERATIONS);
    let (mut arrival_s, mut times_s, mut parts) = (0.0, Vec::with_capacity(n), Vec::with_capacity(n));
    for request in 0..n {
        arrival_s += gaps.exponential(service_s / load);
        let unit = answers.exponential(1.0);
        times_s.push(unit * service_s);
        let iterations = (unit * rounded_mean).ceil().max(1.0) as u32;
        parts.push((SimTime::from_secs_f64(arrival_s), 2, iterations, vec![BlockId::from_index(request)]));
    }
    let output = run(&decode(Workload::from_parts(parts), servers));
    let waits_s: Vec<f64> = output.requests.iter().map(|record| record.parts.decode_wait.as_secs_f64()).collect();
    let theory_s = service_s * erlang_c(servers, load);
    let ideal_s = multi_server(servers, &arrivals_s(&output), &times_s);
    let controlled: Vec<f64> = waits_s.iter().zip(&ideal_s).map(|(wait, ideal)| wait - ideal + theory_s).collect();
    check(&format!("M/M/{servers} at rho {rho}, wait in s"), &waits_s, &controlled, theory_s, 0.001);
}

#[test]
fn a_batch_of_many_is_m_m_c() {
    check_batch(1, 0.8, 200_000);
    check_batch(4, 0.8, 200_000);
    check_batch(16, 0.9, 200_000);
}

/// Transfers into one decode instance share its interface max-min fairly: M/G/1 with processor sharing, whose mean
/// stay is the size over the rate, over the share that is idle, whatever the distribution of sizes.
#[track_caller]
fn check_transfers(what: &str, rho: f64, prompts: &Lengths) {
    let mut scenario = decode(poisson(rho, 200_000, prompts, &constant(1)), 10_000);
    let nic = scenario.fabric.nic.get() * u64::from(scenario.cluster.tp);
    // At rest the mean prompt takes a second.
    scenario.kv.bytes_per_token = nic / prompts.mean(f64::from) as u64;
    let output = run(&scenario);
    let alone = |tokens: u32| f64::from(tokens) / prompts.mean(f64::from);
    let stays_s: Vec<f64> = output.requests.iter().map(|record| record.transfer.as_secs_f64()).collect();
    // The control: the wait that the same transfers would have in turn, less Pollaczek and Khinchine's mean of it, as
    // many times as the mean stay has that mean beyond the second.
    let sizes_s: Vec<f64> = output.requests.iter().map(|record| alone(record.input_tokens)).collect();
    let square = prompts.mean(|tokens| alone(tokens) * alone(tokens));
    let in_turn_s = multi_server(1, &arrivals_s(&output), &sizes_s);
    let mean_in_turn_s = pollaczek_khinchine(rho, 1.0, square);
    let theory_s = 1.0 / (1.0 - rho);
    let weight = (theory_s - 1.0) / mean_in_turn_s;
    let controlled: Vec<f64> =
        stays_s.iter().zip(&in_turn_s).map(|(stay, in_turn)| stay - weight * (in_turn - mean_in_turn_s)).collect();
    check(&format!("{what} at rho {rho}, transfer in s"), &stays_s, &controlled, theory_s, NANOSECONDS);
}

#[test]
fn transfers_share_an_interface_as_in_processor_sharing() {
    check_transfers("M/D/1-PS", 0.5, &constant(1000));
    check_transfers("M/D/1-PS", 0.8, &constant(1000));
    check_transfers("M/G/1-PS of two sizes", 0.6, &Lengths::new(vec![(500, 0.9), (5500, 0.1)]));
}

/// How many requests each arrival finds in the system.
fn found_by_arrivals(output: &RunOutput) -> Vec<f64> {
    let mut finishes: Vec<SimTime> = output.requests.iter().map(|record| record.finish).collect();
    finishes.sort_unstable();
    let gone = |now: SimTime| finishes.partition_point(|&finish| finish < now);
    output.requests.iter().enumerate().map(|(before, record)| (before - gone(record.arrival)) as f64).collect()
}

/// A batch that is never full is M/G/infinity: whatever the distribution of answers, the number in it is Poisson with
/// the mean of rate times mean service, so e^-mean of the time it is empty.
#[test]
fn a_batch_that_is_never_full_is_m_g_infinity() {
    let two = || Lengths::new(vec![(100, 0.75), (1700, 0.25)]);
    for (what, answers) in [("constant", constant(500)), ("geometric", Lengths::geometric(500)), ("two", two())] {
        let (load, service_s) = (1.5, 500.0 * ITERATION_S);
        let workload = poisson(load / service_s, 300_000, &constant(2), &answers);
        let output = run(&decode(workload, 10_000));
        let found = found_by_arrivals(&output);
        check(&format!("M/G/infinity, answers {what}, running"), &found, &found, load, 0.5 * ITERATION_S / service_s);
        let (busy, theory) = (output.totals.decode_utilisation_ratio, 1.0 - libm::exp(-load));
        println!("M/G/infinity, answers {what}, busy: {busy:.5} of the time, theory {theory:.5}");
        assert!((busy / theory - 1.0).abs() < 0.01, "busy {busy} against {theory}");
    }
}

/// Little's law over the whole life of a request, in a system with every kind of wait: Poisson arrivals find, on
/// average, as many requests as come during one's stay.
#[test]
fn arrivals_find_as_many_requests_as_littles_law_says() {
    let rate_rps = 4.0;
    let prompts = Lengths::new(vec![(200, 0.5), (900, 0.4), (2000, 0.1)]);
    let workload = poisson(rate_rps, 100_000, &prompts, &Lengths::geometric(50));
    for policy in [PolicyConfig::RoundRobin, PolicyConfig::NetKvGuarded(common::WEIGHTS)] {
        let mut scenario = scenario(workload.clone());
        scenario.background = BACKGROUND;
        scenario.policy = policy.clone();
        scenario.gpu.decode.per_token_fs = MICRO_FS;
        scenario.decode.max_batch = 8;
        let output = run(&scenario);
        let stays_s: Vec<f64> =
            output.requests.iter().map(|record| record.finish.since(record.arrival).as_secs_f64()).collect();
        let found = found_by_arrivals(&output);
        let expected = rate_rps * sum(&stays_s) / stays_s.len() as f64;
        // A crowded time shows in both: what counts is the noise of their difference.
        let controlled: Vec<f64> =
            found.iter().zip(&stays_s).map(|(found, stay_s)| found - rate_rps * stay_s + expected).collect();
        check(&format!("Little's law under {}, requests", policy.name()), &found, &controlled, expected, NANOSECONDS);
    }
}
