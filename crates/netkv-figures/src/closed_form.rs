//! The closed form of the first theorem (docs/theory.md), drawn over runs.
//!
//! What the model takes to compute a prompt and to make the first token is in the tables, and the same in every run;
//! the network is in the manifest, which says what the tables were made from; the rest is the formula: transfers that
//! arrive as a Poisson process and share one way are M/G/1 with processor sharing, and a fluid queue once they are too
//! many for it.

use crate::data::Results;
use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

/// Steps of a curve.
const STEPS: u32 = 200;

/// A closed form.
pub(crate) struct Curve {
    /// The policy that it is of.
    pub(crate) policy: &'static str,
    /// Whether it is a limit rather than exact.
    pub(crate) dashed: bool,
    /// In ascending order of x, in the axes' units.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The way that the transfers of a policy share.
struct Way {
    bytes_per_s: f64,
    /// Set-up and latency.
    before_s: f64,
    rate_rps: f64,
    /// How long requests arrive for.
    span_s: f64,
}

impl Way {
    /// Of two numbers of bytes, the one between them that the way just carries, if there is one.
    fn critical_bytes(&self, from: f64, to: f64) -> Option<f64> {
        Some(self.bytes_per_s / self.rate_rps).filter(|critical| (from..to).contains(critical))
    }

    /// Mean time from the decision to the last byte, each transfer of `bytes`.
    fn transfer_s(&self, bytes: f64) -> f64 {
        let alone_s = bytes / self.bytes_per_s;
        let load = self.rate_rps * alone_s;
        // Beyond capacity the limit of many requests, as derived under theorem 1 in docs/theory.md.
        self.before_s + if load < 1.0 { alone_s / (1.0 - load) } else { self.span_s * (load - 1.0) }
    }
}

/// Mean TTFT of both policies against context length.
pub(crate) fn shared_way(results: &Results) -> Result<Vec<Curve>> {
    let keys = Keys(results.manifest().get("experiment").and_then(Value::as_table).cloned().unwrap_or_default());
    let mean = |policy: &str, x: f64, metric: &str| {
        let row = results.row("", policy, x, metric).and_then(|row| row.value.mean);
        row.with_context(|| format!("no {metric} of {policy} at {x} tokens"))
    };
    let span_s = keys.number("workload.tick_s")?;
    let descriptors = keys.number("transfer.setup_us_per_descriptor").unwrap_or(0.0);
    anyhow::ensure!(
        descriptors <= 0.0,
        "the closed form knows no cost of a descriptor: transfer.setup_us_per_descriptor = 0"
    );
    let latency_s = |tier: usize| -> Result<f64> {
        let all = keys.get("fabric.latency_us")?.as_array();
        let one = all.and_then(|all| all.get(tier)).and_then(Value::as_float);
        Ok(1e-6 * (one.context("fabric.latency_us has no such tier")? + keys.number("transfer.setup_us")?))
    };
    let product = |names: &[&str]| {
        names.iter().try_fold(1.0, |product, name| Ok::<_, anyhow::Error>(product * keys.number(name)?))
    };
    // The closed form is of nodes that are alike, and of one tp; results of before there were others do not say so.
    for key in ["cluster.nics_per_node", "cluster.unused_gpus_per_node", "decode.tp"] {
        let is_mixed = keys.number(key).is_ok_and(|number| number > 0.0);
        ensure!(!is_mixed, "the closed form knows no mixed cluster, and {key} is not 0");
    }
    let topology = keys.get("fabric.topology").ok().and_then(Value::as_str).unwrap_or_default();
    ensure!(topology.is_empty(), "the closed form knows no mixed cluster, and fabric.topology is \"{topology}\"");
    let nics = product(&["cluster.racks_per_pod", "cluster.nodes_per_rack", "cluster.gpus_per_node"])?;
    let nic_bytes_per_s = 1e9 / 8.0 * product(&["fabric.nic_gbps", "fabric.nic_efficiency_ratio"])?;
    let uplink = nics * nic_bytes_per_s / product(&["fabric.pod_oversubscription", "fabric.cores"])?;
    let nvlink = 1e9 * product(&["fabric.nvlink_gbytes_per_s", "cluster.tp"])?;
    let ways = [("cache_aware", uplink, latency_s(3)?), ("netkv_guarded", nvlink, latency_s(0)?)];
    let curves = |(policy, bytes_per_s, before_s): (&'static str, f64, f64)| -> Result<Vec<Curve>> {
        let way = Way { bytes_per_s, before_s, rate_rps: mean(policy, results.xs[0], "requests")? / span_s, span_s };
        let largest = results.xs[results.xs.len() - 1];
        let bytes_per_token = mean(policy, largest, "transfer_mean_bytes")? / largest;
        let compute: Vec<f64> = results
            .xs
            .iter()
            .map(|&x| {
                let parts = ["ttft_prefill_compute_ns", "ttft_first_iteration_ns"];
                parts.iter().try_fold(0.0, |sum, part| Ok::<_, anyhow::Error>(sum + 1e-9 * mean(policy, x, part)?))
            })
            .collect::<Result<_>>()?;
        let ttft_s = |x: f64| interpolated(&results.xs, &compute, x) + way.transfer_s(x * bytes_per_token);
        let smallest = results.xs[0];
        let critical = way.critical_bytes(smallest * bytes_per_token, largest * bytes_per_token);
        let critical = critical.map_or(f64::INFINITY, |bytes| bytes / bytes_per_token);
        let points = |from: f64, to: f64| between(from, to).map(|x| (x, ttft_s(x))).collect();
        // Ever closer to the context that the way just carries, where the first branch has no bound.
        let below = Curve { policy, dashed: false, points: points(smallest, largest.min(critical * (1.0 - 1e-6))) };
        let above = Curve { policy, dashed: true, points: points(critical, largest) };
        Ok(if critical < largest { vec![below, above] } else { vec![below] })
    };
    let curves: Result<Vec<Vec<Curve>>> = ways.into_iter().map(curves).collect();
    Ok(curves?.into_iter().flatten().collect())
}

/// Numbers from one to another, ever closer to each other towards both ends.
fn between(from: f64, to: f64) -> impl Iterator<Item = f64> {
    (0..=STEPS).map(move |step| {
        let share = f64::from(step) / f64::from(STEPS);
        let eased = (1.0 - libm::cos(std::f64::consts::PI * share)) / 2.0;
        from * libm::exp(eased * libm::log(to / from))
    })
}

/// The value at `x`, straight between its neighbours on logarithmic axes.
fn interpolated(xs: &[f64], values: &[f64], x: f64) -> f64 {
    let right = xs.partition_point(|&other| other < x).clamp(1, xs.len() - 1);
    let share = libm::log(x / xs[right - 1]) / libm::log(xs[right] / xs[right - 1]);
    values[right - 1] * libm::exp(share * libm::log(values[right] / values[right - 1]))
}

/// The keys of an experiment.
struct Keys(Table);

impl Keys {
    fn get(&self, name: &str) -> Result<&Value> {
        let (section, key) = name.split_once('.').context("a key is in a section")?;
        let value = self.0.get(section).and_then(|section| section.get(key));
        value.with_context(|| format!("the manifest has no {name}"))
    }

    fn number(&self, name: &str) -> Result<f64> {
        let value = self.get(name)?;
        let whole = value.as_integer().map(|whole| whole as f64);
        value.as_float().or(whole).with_context(|| format!("{name} in the manifest is no number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The limit as docs/theory.md derives it: with z the root of z = load (1 - e^-z), by Newton's steps from the right,
    /// a transfer from time t is done at t e^z; those that are not when arrivals end leave in order.
    fn derived(load: f64) -> f64 {
        let mut z = load;
        for _ in 0..100 {
            let left = load * libm::exp(-z);
            z -= (z - load + left) / (1.0 - left);
        }
        let left = libm::exp(-z);
        let late = 1.0 - left;
        late * left / 2.0 + late * late / 2.0 + load / z * (z - late - late * late / 2.0)
    }

    #[test]
    fn a_way_offered_more_than_it_carries_keeps_transfers_for_the_excess_of_the_span() {
        let mean = |load| Way { rate_rps: load, bytes_per_s: 1.0, before_s: 0.0, span_s: 1.0 }.transfer_s(1.0);
        for load in [1.001, 1.2, 1.6, 3.0, 20.0] {
            assert!((mean(load) - derived(load)).abs() < 1e-9, "{} at {load}", derived(load));
        }
    }

    #[test]
    fn interpolation_is_exact_for_powers() {
        let xs = [1.0, 4.0, 16.0];
        let cubes: Vec<f64> = xs.iter().map(|x| x * x * x).collect();
        for x in [1.0, 2.0, 4.0, 11.0, 16.0] {
            assert!((interpolated(&xs, &cubes, x) / (x * x * x) - 1.0).abs() < 1e-12);
        }
        let places: Vec<f64> = between(1.0, 16.0).collect();
        assert!(places[0] == 1.0 && (places[STEPS as usize] - 16.0).abs() < 1e-12 && places.is_sorted());
    }
}
