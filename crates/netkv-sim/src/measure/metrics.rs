//! The figures of a run, one number each, as a table of columns: name, unit, meaning and how it is computed stand
//! in one place, and the result tables, their schema and their documentation are made from it.
//!
//! Requests are added up one after the other ([`Tally`]), so that a run of any length can be told in bounded memory.

use super::record::{RunEnd, RunOutput, RunTotals, TtftParts};
use super::tally::Tally;
use super::value::{Value, mean, ratio};
use hdrhistogram::Histogram;
use netkv_units::Tier;

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
    compute: fn(&Whole<'_>) -> Value,
}

/// What metrics are computed from.
struct Whole<'a> {
    tally: &'a Tally,
    tbt_histogram: &'a Histogram<u64>,
    totals: &'a RunTotals,
}

impl Whole<'_> {
    /// So many of the requests that were promised something: refused ones were, too.
    fn of_promised(&self, kept: u64) -> Value {
        ratio(kept, self.tally.requests + self.totals.refused_counted)
    }

    fn mean_part(&self, part: usize) -> Value {
        mean(self.tally.parts_ns[part], self.tally.requests)
    }

    fn tier_share(&self, tier: Tier) -> Value {
        ratio(self.tally.by_tier[tier.index()], self.tally.by_tier.iter().sum())
    }

    /// `n` requests a second, over the time from the first counted arrival to the last finish.
    fn per_second(&self, n: u64) -> Value {
        let Some(first) = self.tally.first_arrival else { return Value::Missing };
        Value::Float(n as f64 / self.tally.last_finish.since(first).as_secs_f64().max(1e-9))
    }

    /// Counted requests that arrived each second, refused ones included.
    fn offered_rps(&self) -> Option<f64> {
        let span = self.arrival_span_s()?;
        // So many gaps as there are arrivals after the first.
        let gaps = (self.tally.requests + self.totals.refused_counted).checked_sub(1)?;
        Some(gaps as f64 / span)
    }

    /// Seconds from the first counted arrival to the last; none if there is no time between them.
    fn arrival_span_s(&self) -> Option<f64> {
        let first = self.tally.first_arrival?;
        Some(self.tally.last_arrival.since(first).as_secs_f64()).filter(|&span| span > 0.0)
    }

    /// Requests within the objective of those that arrive each second, times `factor`.
    fn goodput(&self, factor: f64) -> Value {
        let promised = self.tally.requests + self.totals.refused_counted;
        let goodput = self.offered_rps().map(|rps| rps * self.tally.attained as f64 / promised as f64 * factor);
        goodput.map_or(Value::Missing, Value::Float)
    }

    /// GPU seconds, of all GPUs of the cluster while requests arrived, for a million tokens of attained requests.
    fn gpu_s_per_mtoken(&self) -> Value {
        match self.arrival_span_s() {
            Some(span) if self.tally.attained_tokens > 0 => {
                let gpu_s = span * f64::from(self.totals.gpus);
                Value::Float(gpu_s / (self.tally.attained_tokens as f64 * 1e-6))
            }
            Some(_) | None => Value::Missing,
        }
    }

    /// TTFT weighed by how late its request is among those counted, over TTFT weighed by how early.
    fn ttft_drift(&self) -> Value {
        let late = self.tally.late_ttft_ns;
        let all = u128::from(self.tally.requests.saturating_sub(1)) * self.tally.ttft.sum();
        if all == late { Value::Missing } else { Value::Float(late as f64 / (all - late) as f64) }
    }

    /// A sum over the decisions whose rankings were compared, as their mean.
    fn of_decisions(&self, sum: f64) -> Value {
        let decisions = self.totals.rankings.decisions;
        if decisions == 0 { Value::Missing } else { Value::Float(sum / decisions as f64) }
    }

    /// A figure of turns; none in an open loop.
    fn of_turns(&self, value: Value) -> Value {
        if self.totals.turns.turns == 0 { Value::Missing } else { value }
    }

    fn tbt_quantile(&self, q: f64) -> Value {
        let histogram = self.tbt_histogram;
        if histogram.is_empty() { Value::Missing } else { Value::Integer(histogram.value_at_quantile(q)) }
    }
}

impl Tally {
    /// Every metric of the run, in the order of [`METRICS`].
    pub fn metrics(&self, end: &RunEnd) -> Vec<Value> {
        self.whole(&end.tbt_histogram, &end.totals)
    }

    fn whole(&self, tbt_histogram: &Histogram<u64>, totals: &RunTotals) -> Vec<Value> {
        let whole = Whole { tally: self, tbt_histogram, totals };
        METRICS.iter().map(|metric| (metric.compute)(&whole)).collect()
    }
}

/// Every metric of `output`, in the order of [`METRICS`].
pub fn metrics(output: &RunOutput) -> Vec<Value> {
    let mut tally = Tally::default();
    output.requests.iter().for_each(|record| tally.add(record));
    tally.whole(&output.tbt_histogram, &output.totals)
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
        |s| Value::Integer(s.tally.requests);
    "rejected_requests", "requests", int, "requests whose context can never fit a decode or prefill instance",
        |s| Value::Integer(s.totals.rejected);
    "refused_requests", "requests", int,
        "requests that the policy refused once their prompt was computed: no decode instance could take them",
        |s| Value::Integer(s.totals.refused);
    "output_tokens", "tokens", int, "tokens generated by counted requests",
        |s| Value::Integer(s.tally.output_tokens);
    "ttft_mean_ns", "ns", int, "time to first token, mean",
        |s| s.tally.ttft.mean();
    "ttft_p50_ns", "ns", int, "time to first token, median", |s| s.tally.ttft.quantile(0.5);
    "ttft_p90_ns", "ns", int, "time to first token, 90th percentile", |s| s.tally.ttft.quantile(0.9);
    "ttft_p95_ns", "ns", int, "time to first token, 95th percentile", |s| s.tally.ttft.quantile(0.95);
    "ttft_p99_ns", "ns", int, "time to first token, 99th percentile", |s| s.tally.ttft.quantile(0.99);
    "ttft_prefill_queue_ns", "ns", int, "part of TTFT: waiting for prefill, mean", |s| s.mean_part(0);
    "ttft_prefill_compute_ns", "ns", int, "part of TTFT: prefill, mean", |s| s.mean_part(1);
    "ttft_selection_ns", "ns", int, "part of TTFT: choosing the decode instance, mean", |s| s.mean_part(2);
    "ttft_admission_wait_ns", "ns", int, "part of TTFT: waiting for KV memory on the decode instance, mean",
        |s| s.mean_part(3);
    "ttft_transfer_ns", "ns", int, "part of TTFT: moving the KV cache, mean", |s| s.mean_part(4);
    "ttft_decode_wait_ns", "ns", int, "part of TTFT: waiting for the next decode iteration, mean",
        |s| s.mean_part(5);
    "ttft_first_iteration_ns", "ns", int, "part of TTFT: the first decode iteration, mean", |s| s.mean_part(6);
    "transfer_mean_ns", "ns", int, "KV transfer time, mean over requests that moved bytes",
        |s| s.tally.transfer.mean();
    "transfer_p50_ns", "ns", int, "KV transfer time, median over requests that moved bytes",
        |s| s.tally.transfer.quantile(0.5);
    "transfer_p95_ns", "ns", int, "KV transfer time, 95th percentile over requests that moved bytes",
        |s| s.tally.transfer.quantile(0.95);
    "transfer_p99_ns", "ns", int, "KV transfer time, 99th percentile over requests that moved bytes",
        |s| s.tally.transfer.quantile(0.99);
    "transfer_mean_bytes", "bytes", int, "KV bytes moved, mean over requests but those of local_prefill_ratio",
        |s| mean(s.tally.transfer_bytes, s.tally.requests - s.tally.local);
    "tbt_mean_ns", "ns", int, "time between tokens, mean over all gaps",
        |s| mean(s.tally.decoding_ns, s.tally.gaps);
    "tbt_request_mean_ns", "ns", int, "time between tokens, mean over requests of the request's mean",
        |s| mean(s.tally.request_gaps_ns, s.tally.requests_with_gaps);
    "tbt_p50_ns", "ns", int, "time between tokens, median over all gaps", |s| s.tbt_quantile(0.5);
    "tbt_p95_ns", "ns", int, "time between tokens, 95th percentile over all gaps", |s| s.tbt_quantile(0.95);
    "tbt_p99_ns", "ns", int, "time between tokens, 99th percentile over all gaps", |s| s.tbt_quantile(0.99);
    "tbt_entry_mean_ns", "ns", int,
        "iteration of the decode batch that a request enters, mean over requests: TBT as the paper counts it",
        |s| s.tally.entry.mean();
    "tbt_entry_p95_ns", "ns", int, "iteration of the decode batch that a request enters, 95th percentile",
        |s| s.tally.entry.quantile(0.95);
    "tbt_entry_p99_ns", "ns", int, "iteration of the decode batch that a request enters, 99th percentile",
        |s| s.tally.entry.quantile(0.99);
    "e2e_mean_ns", "ns", int, "from arrival to last token, mean",
        |s| mean(s.tally.e2e_ns, s.tally.requests);
    "slo_attainment_ratio", "1", float, "share of requests whose TTFT and mean TBT are within the objective, refused ones included",
        |s| s.of_promised(s.tally.attained);
    "slo_ttft_ratio", "1", float, "share of requests whose TTFT is within the objective, refused ones included",
        |s| s.of_promised(s.tally.ttft_attained);
    "ttft_within_1s_ratio", "1", float, "share of requests whose TTFT is within 1 s, refused ones included",
        |s| s.of_promised(s.tally.within[0]);
    "ttft_within_2s_ratio", "1", float, "share of requests whose TTFT is within 2 s, refused ones included",
        |s| s.of_promised(s.tally.within[1]);
    "ttft_within_5s_ratio", "1", float, "share of requests whose TTFT is within 5 s, refused ones included",
        |s| s.of_promised(s.tally.within[2]);
    "ttft_within_10s_ratio", "1", float, "share of requests whose TTFT is within 10 s, refused ones included",
        |s| s.of_promised(s.tally.within[3]);
    "throughput_rps", "requests/s", float, "requests a second from first arrival to last finish",
        |s| s.per_second(s.tally.requests);
    "goodput_rps", "requests/s", float, "requests within the objective a second",
        |s| s.per_second(s.tally.attained);
    "offered_rps", "requests/s", float, "counted requests that arrive each second, from the first to the last of them",
        |s| s.offered_rps().map_or(Value::Missing, Value::Float);
    "offered_goodput_rps", "requests/s", float,
        "requests within the objective of those that arrive each second: what is served after the last arrival dilutes nothing",
        |s| s.goodput(1.0);
    "gpu_goodput_rps", "requests/s", float, "offered_goodput_rps for each GPU of the cluster",
        |s| s.goodput(1.0 / f64::from(s.totals.gpus));
    "gpu_s_per_mtoken", "GPU s/Mtoken", float,
        "GPU seconds of the whole cluster for a million output tokens of requests within the objective: times the price of a GPU second, their cost",
        |s| s.gpu_s_per_mtoken();
    "ttft_drift_ratio", "1", float,
        "TTFT weighed by lateness over TTFT weighed by earliness: 1 if it stays the same over the run, 2 if it grows evenly from nothing, as under overload",
        |s| s.ttft_drift();
    "local_prefill_ratio", "1", float,
        "share of requests whose prompts were computed on their decode instances ([local_prefill]): nothing of them was moved",
        |s| ratio(s.tally.local, s.tally.requests);
    "prefill_hit_ratio", "1", float, "share of prompt tokens found in the prefix cache of the instance that computed the prompt",
        |s| ratio(s.tally.prefill_hit_tokens, s.tally.input_tokens);
    "prefill_host_hit_ratio", "1", float, "share of prompt tokens loaded from the prefill instance's host memory",
        |s| ratio(s.tally.prefill_host_tokens, s.tally.input_tokens);
    "decode_hit_ratio", "1", float, "share of prompt tokens found in the decode instance's prefix cache",
        |s| ratio(s.tally.decode_hit_tokens, s.tally.input_tokens);
    "tier_node_ratio", "1", float, "share of transfers inside a node", |s| s.tier_share(Tier::Node);
    "tier_rack_ratio", "1", float, "share of transfers inside a rack", |s| s.tier_share(Tier::Rack);
    "tier_pod_ratio", "1", float, "share of transfers inside a pod", |s| s.tier_share(Tier::Pod);
    "tier_core_ratio", "1", float, "share of transfers between pods", |s| s.tier_share(Tier::Core);
    "prefill_utilisation_ratio", "1", float, "share of time that prefill instances computed, up to the last arrival",
        |s| Value::Float(s.totals.prefill_utilisation_ratio);
    "decode_utilisation_ratio", "1", float, "share of time that decode instances had a batch or computed a prompt, up to the last arrival",
        |s| Value::Float(s.totals.decode_utilisation_ratio);
    "nvlink_utilisation_ratio", "1", float, "mean use of NVLink links", |s| Value::Float(s.totals.link_utilisation_ratio[0]);
    "nic_utilisation_ratio", "1", float, "mean use of NIC links, flows of others included", |s| Value::Float(s.totals.link_utilisation_ratio[1]);
    "rack_utilisation_ratio", "1", float, "mean use of rack links, background included",
        |s| Value::Float(s.totals.link_utilisation_ratio[2]);
    "pod_utilisation_ratio", "1", float, "mean use of pod links, background included",
        |s| Value::Float(s.totals.link_utilisation_ratio[3]);
    "rack_background_ratio", "1", float, "mean share of rack links that the background took",
        |s| Value::Float(s.totals.background_ratio[2]);
    "pod_background_ratio", "1", float, "mean share of pod links that the background took",
        |s| Value::Float(s.totals.background_ratio[3]);
    "transfers_in_flight_max", "transfers", int, "most KV transfers in flight at once",
        |s| Value::Integer(u64::from(s.totals.transfers_in_flight_max));
    "preemptions", "preemptions", int, "requests swapped out of decode memory",
        |s| Value::Integer(s.totals.preemptions);
    "failovers", "failovers", int, "times that a request lost an instance that failed and began again (cluster.events)",
        |s| Value::Integer(s.totals.failovers);
    "rank_inversion_ratio", "1", float,
        "share of decisions in which the way that the oracle ranks first is not first at present (measure.rankings)",
        |s| s.of_decisions(s.totals.rankings.inverted as f64);
    "rank_drift_ratio", "1", float,
        "share of decisions in which congestion has drifted as far as the margin of the way that the oracle ranks first",
        |s| s.of_decisions(s.totals.rankings.beyond_margin as f64);
    "rank_loss_ratio", "1", float,
        "bandwidth that the way ranked first lacks, at present, of that of the best one, mean over decisions",
        |s| s.of_decisions(s.totals.rankings.lost);
    "choice_change_ratio", "1", float, "share of decisions that would be others if the oracle showed the present",
        |s| s.of_decisions(s.totals.rankings.changed as f64);
    "decisions_repeated_ratio", "1", float,
        "policy external: share of its decisions before the first in which a second copy of the router, asked the same, chose otherwise; 1: it never did",
        |s| s.totals.repetition.map_or(Value::Missing, |one| ratio(one.agreed, one.asked));
    "turns", "turns", int,
        "turns of sessions that count and ended (workload.loop); a turn's requests are sent at once, and all must end",
        |s| s.of_turns(Value::Integer(s.totals.turns.turns));
    "turn_mean_ns", "ns", int, "from a turn's arrival to the end of the last of its requests, mean over turns",
        |s| mean(s.totals.turns.turn_ns, s.totals.turns.turns);
    "think_mean_ns", "ns", int, "time between an answer and the turn that follows it, mean over turns",
        |s| mean(s.totals.turns.think_ns, s.totals.turns.thinks);
    "sessions", "sessions", int, "sessions that began in the time that counts and ended",
        |s| s.of_turns(Value::Integer(s.totals.turns.sessions));
    "session_mean_ns", "ns", int, "from a session's first arrival to its last answer, think times included, mean over sessions",
        |s| mean(s.totals.turns.session_ns, s.totals.turns.sessions);
    "duration_ns", "ns", int, "simulated time until the last request finished",
        |s| Value::Integer(s.totals.end.as_nanos());
    "events", "events", int, "events that the simulation handled", |s| Value::Integer(s.totals.events);
}

/// Position of a metric in [`METRICS`]; none if there is none of that name.
pub fn metric_index(name: &str) -> Option<usize> {
    METRICS.iter().position(|metric| metric.name == name)
}

const _: () = assert!(TtftParts::NAMES.len() == 7, "one column for each part of TTFT");

#[cfg(test)]
mod tests {
    use super::*;

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
