//! The table of docs/validation.md: 100,000 transfers on 64, 1,024 and 16,384 GPUs, or those that are given.

use netkv_benches::{run, tree};
use std::time::Instant;

const TRANSFERS: u32 = 100_000;

fn main() {
    let given: Vec<u32> = std::env::args().skip(1).map(|gpus| gpus.parse().expect("a number of GPUs")).collect();
    let sizes = if given.is_empty() { vec![64, 1024, 16_384] } else { given };
    println!("| GPUs | links | load | most in flight | simulated s | s | us per transfer | peak MB so far |");
    println!("|-----:|------:|-----:|---------------:|------------:|--:|----------------:|---------------:|");
    for gpus in sizes {
        for load in [0.3, 0.5, 0.7] {
            let tree = tree(gpus);
            let start = Instant::now();
            let outcome = run(&tree, TRANSFERS, load, 1);
            let seconds = start.elapsed().as_secs_f64();
            let per_transfer = seconds * 1e6 / f64::from(TRANSFERS);
            println!(
                "| {gpus} | {} | {load} | {} | {:.1} | {seconds:.2} | {per_transfer:.1} | {} |",
                tree.n_links(),
                outcome.most_in_flight,
                outcome.end.as_secs_f64(),
                peak_mb()
            );
        }
    }
}

/// The most memory that this process has used, where the system tells it.
fn peak_mb() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb: Option<u64> = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kb.map_or_else(|| "?".to_owned(), |kb| (kb / 1024).to_string())
}
