//! The figures of a run, one number each, as a table of columns: name, unit, meaning and how it is computed stand
//! in one place, and the result tables, their schema and their documentation are made from it.
//!
//! Percentiles are exact order statistics (the ceil(q n)-th smallest), not interpolated; those of the time between
//! tokens come from a histogram with three significant digits, because there are millions of gaps.

use crate::record::{RequestRecord, RunOutput, RunTotals, TtftParts};
use netkv_units::{SimDuration, Tier};

/// A number in a result table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count, a size, or a time in whole nanoseconds.
    Integer(u64),
    /// A ratio or a rate.
    Float(f64),
    /// There is no such number in this run: the mean of nothing, say.
    Missing,
}

/// One figure of a run.
pub struct Metric {
    /// Column name; its unit comes last.
    pub name: &'static str,
    /// Unit, in words.
    pub unit: &'static str,
    /// What it is.
    pub meaning: &'static str,
    /// Whether its values are integers.
    pub integer: bool,
    compute: fn(&Summary<'_>) -> Value,
}

/// What the columns are computed from.
struct Summary<'a> {
    output: &'a RunOutput,
    counted: Vec<&'a RequestRecord>,
    /// TTFT of the counted requests, ascending.
    ttft_ns: Vec<u64>,
    /// Transfer time of the counted requests that had one, ascending.
    transfer_ns: Vec<u64>,
}

impl<'a> Summary<'a> {
    fn of(output: &'a RunOutput) -> Self {
        let counted: Vec<_> = output.requests.iter().filter(|record| record.counted).collect();
        let mut ttft_ns: Vec<_> = counted.iter().map(|record| record.ttft.as_nanos()).collect();
        let moved = counted.iter().filter(|record| record.transfer_bytes > 0);
        let mut transfer_ns: Vec<_> = moved.map(|record| record.transfer.as_nanos()).collect();
        ttft_ns.sort_unstable();
        transfer_ns.sort_unstable();
        Self { output, counted, ttft_ns, transfer_ns }
    }

    fn totals(&self) -> &RunTotals {
        &self.output.totals
    }

    /// Mean of a whole number over the counted requests that have it, rounded down.
    fn mean(&self, value: impl Fn(&RequestRecord) -> Option<u64>) -> Value {
        let (mut sum, mut n) = (0_u128, 0_u128);
        for value in self.counted.iter().filter_map(|record| value(record)) {
            sum += u128::from(value);
            n += 1;
        }
        sum.checked_div(n).map_or(Value::Missing, |mean| Value::Integer(mean as u64))
    }

    fn mean_part(&self, part: usize) -> Value {
        self.mean(|record| Some(record.parts.values()[part].as_nanos()))
    }

    /// Sum of `part` over sum of `whole`, over the counted requests.
    fn ratio(&self, part: impl Fn(&RequestRecord) -> u64, whole: impl Fn(&RequestRecord) -> u64) -> Value {
        let (mut parts, mut wholes) = (0_u64, 0_u64);
        for record in &self.counted {
            parts += part(record);
            wholes += whole(record);
        }
        if wholes == 0 { Value::Missing } else { Value::Float(parts as f64 / wholes as f64) }
    }

    fn share(&self, holds: impl Fn(&RequestRecord) -> bool) -> Value {
        self.ratio(|record| u64::from(holds(record)), |_| 1)
    }

    fn tier_share(&self, tier: Tier) -> Value {
        let decoded = |record: &RequestRecord| u64::from(record.tier.is_some());
        self.ratio(|record| u64::from(record.tier == Some(tier)), decoded)
    }

    /// Requests a second, over the time from the first counted arrival to the last finish.
    fn per_second(&self, counts: impl Fn(&RequestRecord) -> bool) -> Value {
        let first = self.counted.iter().map(|record| record.arrival).min();
        let last = self.counted.iter().map(|record| record.finish).max();
        let (Some(first), Some(last)) = (first, last) else { return Value::Missing };
        let n = self.counted.iter().filter(|record| counts(record)).count();
        Value::Float(n as f64 / last.since(first).as_secs_f64().max(1e-9))
    }

    fn tbt_quantile(&self, q: f64) -> Value {
        let histogram = &self.output.tbt_histogram;
        if histogram.is_empty() { Value::Missing } else { Value::Integer(histogram.value_at_quantile(q)) }
    }
}

/// The ceil(q n)-th smallest of an ascending list.
fn quantile(ascending: &[u64], q: f64) -> Value {
    if ascending.is_empty() {
        return Value::Missing;
    }
    let rank = (q * ascending.len() as f64).ceil() as usize;
    Value::Integer(ascending[rank.clamp(1, ascending.len()) - 1])
}

fn ttft_within(record: &RequestRecord) -> bool {
    record.ttft <= record.ttft_limit
}

/// Every metric of `output`, in the order of [`METRICS`].
pub fn metrics(output: &RunOutput) -> Vec<Value> {
    let summary = Summary::of(output);
    METRICS.iter().map(|metric| (metric.compute)(&summary)).collect()
}

macro_rules! metrics_table {
    ($($name:literal, $unit:literal, $kind:ident, $meaning:expr, $compute:expr;)*) => {
        /// Every figure of a run, in the order of its columns.
        pub const METRICS: &[Metric] = &[$(Metric {
            name: $name,
            unit: $unit,
            meaning: $meaning,
            integer: metrics_table!(@$kind),
            compute: $compute,
        }),*];
    };
    (@int) => { true };
    (@float) => { false };
}

metrics_table! {
    "requests", "requests", int, "requests that finished and count (arrived after the warm-up)",
        |s| Value::Integer(s.counted.len() as u64);
    "rejected_requests", "requests", int, "requests whose context can never fit a decode or prefill instance",
        |s| Value::Integer(s.totals().rejected);
    "output_tokens", "tokens", int, "tokens generated by counted requests",
        |s| Value::Integer(s.counted.iter().map(|record| u64::from(record.output_tokens)).sum());
    "ttft_mean_ns", "ns", int, "time to first token, mean",
        |s| s.mean(|record| Some(record.ttft.as_nanos()));
    "ttft_p50_ns", "ns", int, "time to first token, median", |s| quantile(&s.ttft_ns, 0.5);
    "ttft_p90_ns", "ns", int, "time to first token, 90th percentile", |s| quantile(&s.ttft_ns, 0.9);
    "ttft_p95_ns", "ns", int, "time to first token, 95th percentile", |s| quantile(&s.ttft_ns, 0.95);
    "ttft_p99_ns", "ns", int, "time to first token, 99th percentile", |s| quantile(&s.ttft_ns, 0.99);
    "ttft_prefill_queue_ns", "ns", int, "part of TTFT: waiting for prefill, mean", |s| s.mean_part(0);
    "ttft_prefill_compute_ns", "ns", int, "part of TTFT: prefill, mean", |s| s.mean_part(1);
    "ttft_selection_ns", "ns", int, "part of TTFT: choosing the decode instance, mean", |s| s.mean_part(2);
    "ttft_admission_wait_ns", "ns", int, "part of TTFT: waiting for KV memory on the decode instance, mean",
        |s| s.mean_part(3);
    "ttft_transfer_ns", "ns", int, "part of TTFT: moving the KV cache, mean", |s| s.mean_part(4);
    "ttft_decode_wait_ns", "ns", int, "part of TTFT: waiting for the next decode iteration, mean",
        |s| s.mean_part(5);
    "ttft_first_iteration_ns", "ns", int, "part of TTFT: the first decode iteration, mean", |s| s.mean_part(6);
    "transfer_p50_ns", "ns", int, "KV transfer time, median over requests that moved bytes",
        |s| quantile(&s.transfer_ns, 0.5);
    "transfer_p99_ns", "ns", int, "KV transfer time, 99th percentile over requests that moved bytes",
        |s| quantile(&s.transfer_ns, 0.99);
    "transfer_mean_bytes", "bytes", int, "KV bytes moved, mean over requests", |s| s.mean(|r| Some(r.transfer_bytes));
    "tbt_mean_ns", "ns", int, "time between tokens, mean over all gaps", mean_gap;
    "tbt_request_mean_ns", "ns", int, "time between tokens, mean over requests of the request's mean",
        |s| s.mean(|record| record.tbt_mean_ns().map(|mean| mean as u64));
    "tbt_p50_ns", "ns", int, "time between tokens, median over all gaps", |s| s.tbt_quantile(0.5);
    "tbt_p99_ns", "ns", int, "time between tokens, 99th percentile over all gaps", |s| s.tbt_quantile(0.99);
    "e2e_mean_ns", "ns", int, "from arrival to last token, mean",
        |s| s.mean(|record| Some(record.finish.since(record.arrival).as_nanos()));
    "slo_attainment_ratio", "1", float, "share of requests whose TTFT and mean TBT are within the objective",
        |s| s.share(|record| record.slo_attained);
    "slo_ttft_ratio", "1", float, "share of requests whose TTFT is within the objective", |s| s.share(ttft_within);
    "throughput_rps", "requests/s", float, "requests a second from first arrival to last finish",
        |s| s.per_second(|_| true);
    "goodput_rps", "requests/s", float, "requests within the objective a second", |s| s.per_second(|r| r.slo_attained);
    "prefill_hit_ratio", "1", float, "share of prompt tokens found in the prefill instance's prefix cache",
        |s| s.ratio(|r| u64::from(r.prefill_hit_tokens), |r| u64::from(r.input_tokens));
    "decode_hit_ratio", "1", float, "share of prompt tokens found in the decode instance's prefix cache",
        |s| s.ratio(|r| u64::from(r.decode_hit_tokens), |r| u64::from(r.input_tokens));
    "tier_node_ratio", "1", float, "share of transfers inside a node", |s| s.tier_share(Tier::Node);
    "tier_rack_ratio", "1", float, "share of transfers inside a rack", |s| s.tier_share(Tier::Rack);
    "tier_pod_ratio", "1", float, "share of transfers inside a pod", |s| s.tier_share(Tier::Pod);
    "tier_core_ratio", "1", float, "share of transfers between pods", |s| s.tier_share(Tier::Core);
    "prefill_utilisation_ratio", "1", float, "share of time that prefill instances computed, up to the last arrival",
        |s| Value::Float(s.totals().prefill_utilisation_ratio);
    "decode_utilisation_ratio", "1", float, "share of time that decode instances had a batch, up to the last arrival",
        |s| Value::Float(s.totals().decode_utilisation_ratio);
    "nvlink_utilisation_ratio", "1", float, "mean use of NVLink links", |s| Value::Float(s.totals().link_utilisation_ratio[0]);
    "nic_utilisation_ratio", "1", float, "mean use of NIC links, flows of others included", |s| Value::Float(s.totals().link_utilisation_ratio[1]);
    "rack_utilisation_ratio", "1", float, "mean use of rack links, background included",
        |s| Value::Float(s.totals().link_utilisation_ratio[2]);
    "pod_utilisation_ratio", "1", float, "mean use of pod links, background included",
        |s| Value::Float(s.totals().link_utilisation_ratio[3]);
    "rack_background_ratio", "1", float, "mean share of rack links that the background took",
        |s| Value::Float(s.totals().background_ratio[2]);
    "pod_background_ratio", "1", float, "mean share of pod links that the background took",
        |s| Value::Float(s.totals().background_ratio[3]);
    "transfers_in_flight_max", "transfers", int, "most KV transfers in flight at once",
        |s| Value::Integer(u64::from(s.totals().transfers_in_flight_max));
    "preemptions", "preemptions", int, "requests swapped out of decode memory",
        |s| Value::Integer(s.totals().preemptions);
    "duration_ns", "ns", int, "simulated time until the last request finished",
        |s| Value::Integer(s.totals().end.as_nanos());
    "events", "events", int, "events that the simulation handled", |s| Value::Integer(s.totals().events);
}

fn mean_gap(summary: &Summary<'_>) -> Value {
    let gaps: u64 = summary.counted.iter().map(|record| u64::from(record.output_tokens.saturating_sub(1))).sum();
    let time = summary.counted.iter().fold(SimDuration::ZERO, |sum, record| sum + record.decoding);
    time.as_nanos().checked_div(gaps).map_or(Value::Missing, Value::Integer)
}

const _: () = assert!(TtftParts::NAMES.len() == 7, "one column for each part of TTFT");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_smallest_value_that_covers_its_share() {
        let values = [10, 20, 30, 40];
        assert_eq!(quantile(&values, 0.5), Value::Integer(20));
        assert_eq!(quantile(&values, 0.51), Value::Integer(30));
        assert_eq!(quantile(&values, 0.99), Value::Integer(40));
        assert_eq!(quantile(&[], 0.5), Value::Missing);
    }

    #[test]
    fn column_names_are_unique_and_end_with_their_unit() {
        let mut names: Vec<_> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        for metric in METRICS {
            let suffix = match metric.unit {
                "ns" => "_ns",
                "bytes" => "_bytes",
                "1" => "_ratio",
                "requests/s" => "_rps",
                _ => "",
            };
            assert!(metric.name.ends_with(suffix), "{} is in {}", metric.name, metric.unit);
        }
    }
}
