//! Time of a decision: `cargo bench`.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "it reads a clock; Dynamo's interface has hash maps"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use common::{BLOCK, loaded, parameters, place, pool};
use netkv_dynamo_scorer::Place;

fn main() {
    for n in [8_u32, 32, 256, 1_024] {
        let places: Vec<Place> = (0..n).map(|i| place(i / 64, i / 8, i)).collect();
        let parameters = parameters(&places);
        let workers = pool((0..n).map(|i| loaded(i as usize % 90, 600 + i as usize)));
        let request = common::request(8_000, &workers, false);
        let network = std::sync::Arc::new(netkv_dynamo_scorer::Network::new(&parameters));
        let config = dynamo_kv_router::KvRouterConfig::default();
        let policy = netkv_dynamo_scorer::policy(&config, parameters, network).expect("valid");
        let configs: std::collections::HashMap<u64, common::Config> =
            workers.keys().map(|&id| (id, common::config())).collect();
        let n_runs = 2_000;
        let began = std::time::Instant::now();
        for _ in 0..n_runs {
            use dynamo_kv_router::{WorkerSelectionInput, WorkerSelector};
            let input = WorkerSelectionInput::configured(&configs, &request, request.eligibility(), BLOCK);
            std::hint::black_box(policy.select_worker(input).expect("one is chosen"));
        }
        println!("{n} workers: {:.1} us", began.elapsed().as_secs_f64() / f64::from(n_runs) * 1e6);
    }
}
