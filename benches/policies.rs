//! How long a decision takes, the signals given: by the number of candidates.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use netkv_benches::{Table, candidates, flow, guarded, netkv, request};
use netkv_policy::{CostOracle, Policy};

/// Numbers of candidates.
const SIZES: [u32; 4] = [12, 100, 1000, 10_000];

fn main() {
    divan::main();
}

fn decide(bencher: Bencher<'_, '_>, n: u32, table: &Table, tbt_limit_s: f64) {
    let (policy, candidates) = (guarded(tbt_limit_s), candidates(n, 1));
    bencher.counter(ItemsCount::new(n)).bench(|| policy.choose(&request(), black_box(&candidates), table));
}

/// The paper's rule over an oracle whose type is known, as a router embeds it; instances at every distance.
#[divan::bench(args = SIZES)]
fn netkv_mixed(bencher: Bencher<'_, '_>, n: u32) {
    let (policy, table, candidates) = (netkv(), Table::mixed(), candidates(n, 1));
    bencher.counter(ItemsCount::new(n)).bench(|| policy.choose(&request(), black_box(&candidates), &table));
}

/// The same where the network tells no instance apart.
#[divan::bench(args = SIZES)]
fn netkv_one_pod(bencher: Bencher<'_, '_>, n: u32) {
    let (policy, table, candidates) = (netkv(), Table::one_pod(), candidates(n, 1));
    bencher.counter(ItemsCount::new(n)).bench(|| policy.choose(&request(), black_box(&candidates), &table));
}

/// The guarded rule; instances at every distance.
#[divan::bench(args = SIZES)]
fn guarded_mixed(bencher: Bencher<'_, '_>, n: u32) {
    decide(bencher, n, &Table::mixed(), 0.05);
}

/// All instances equally far: the network tells none of them apart.
#[divan::bench(args = SIZES)]
fn guarded_one_pod(bencher: Bencher<'_, '_>, n: u32) {
    decide(bencher, n, &Table::one_pod(), 0.05);
}

/// No instance keeps the TBT limit, so every cost is worked out: the most that a decision takes.
#[divan::bench(args = SIZES)]
fn guarded_overloaded(bencher: Bencher<'_, '_>, n: u32) {
    decide(bencher, n, &Table::mixed(), 0.0);
}

fn decide_flow(bencher: Bencher<'_, '_>, n: u32, table: &Table) {
    let candidates = candidates(n, 1);
    let mut policy = flow(table, &candidates, n as usize / 2);
    let oracle: &dyn CostOracle = table;
    let decide = || policy.select(&request(), black_box(&candidates), black_box(oracle));
    bencher.counter(ItemsCount::new(n)).bench_local(decide);
}

/// `netkv_flow` with a transfer in flight for every other instance; through pointers, as the simulator calls it.
#[divan::bench(args = SIZES)]
fn flow_mixed(bencher: Bencher<'_, '_>, n: u32) {
    decide_flow(bencher, n, &Table::mixed());
}

/// The same where no instance is near, so that the bound sets few aside.
#[divan::bench(args = SIZES)]
fn flow_one_pod(bencher: Bencher<'_, '_>, n: u32) {
    decide_flow(bencher, n, &Table::one_pod());
}

/// Over an oracle behind a pointer, as the simulator calls every policy.
#[divan::bench(args = SIZES)]
fn netkv_dynamic(bencher: Bencher<'_, '_>, n: u32) {
    let (mut policy, table, candidates) = (netkv(), Table::mixed(), candidates(n, 1));
    let oracle: &dyn CostOracle = &table;
    let decide = || policy.select(&request(), black_box(&candidates), black_box(oracle));
    bencher.counter(ItemsCount::new(n)).bench_local(decide);
}
