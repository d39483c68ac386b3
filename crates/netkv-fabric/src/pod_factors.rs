//! How unequal pods are in the traffic of other tenants.

use netkv_units::Stream;

/// By pod: evenly spaced from 1 + spread to 1 - spread, in an order drawn from the seed.
pub(crate) fn pod_factors(pods: u32, spread: f64, seed: u64) -> Vec<f64> {
    let mut factors: Vec<f64> = (0..pods)
        .map(|pod| if pods == 1 { 1.0 } else { 1.0 + spread * (1.0 - 2.0 * f64::from(pod) / f64::from(pods - 1)) })
        .collect();
    Stream::new(seed, "background pods").shuffle(&mut factors);
    factors
}
