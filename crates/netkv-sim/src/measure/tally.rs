//! Sums and order statistics over the requests of a run, which are added one after the other.
//!
//! Percentiles are exact order statistics (the ceil(q n)-th smallest), not interpolated, up to a number of requests;
//! beyond it they come from a histogram with three significant digits, as those of the time between tokens always do,
//! because there are millions of gaps.

use crate::measure::metrics::{METRICS, Value};
use crate::measure::record::{RequestRecord, RunEnd, RunTotals, TtftParts};
use hdrhistogram::Histogram;
use netkv_units::{SimDuration, SimTime, Tier};

/// Fixed limits on TTFT, in seconds, that every run is judged by besides its own objective. 2, 5 and 10 s are the
/// paper's objectives for chatbot, RAG and long-context (arXiv 2606.03910, section VI); 1 s is ours.
pub(crate) const FIXED_LIMITS_S: [u64; 4] = [1, 2, 5, 10];

/// Values that are kept one by one; more go into a histogram. Chosen by us: no trace that is replayed has as many.
const MAX_EXACT: usize = 1 << 17;

/// A duration in nanoseconds, over requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    sum: u128,
    n: u64,
    exact: Vec<u64>,
    /// All values, once there are too many to keep.
    histogram: Option<Histogram<u64>>,
}

impl Sample {
    fn add(&mut self, nanos: u64) {
        self.sum += u128::from(nanos);
        self.n += 1;
        if let Some(histogram) = &mut self.histogram {
            histogram.saturating_record(nanos.max(1));
        } else if self.exact.len() < MAX_EXACT {
            self.exact.push(nanos);
        } else {
            // Up to ten days; what is longer counts as that.
            let mut histogram = Histogram::new_with_bounds(1, 864_000_000_000_000, 3).expect("the bounds are valid");
            self.exact.drain(..).chain([nanos]).for_each(|value| histogram.saturating_record(value.max(1)));
            self.exact.shrink_to_fit();
            self.histogram = Some(histogram);
        }
    }

    pub(crate) fn mean(&self) -> Value {
        mean(self.sum, self.n)
    }

    /// The ceil(q n)-th smallest.
    pub(crate) fn quantile(&self, q: f64) -> Value {
        if self.n == 0 {
            return Value::Missing;
        }
        if let Some(histogram) = &self.histogram {
            return Value::Integer(histogram.value_at_quantile(q));
        }
        let rank = (q * self.n as f64).ceil() as usize;
        let mut values = self.exact.clone();
        let (_, value, _) = values.select_nth_unstable(rank.clamp(1, self.exact.len()) - 1);
        Value::Integer(*value)
    }
}

/// A mean of whole numbers, rounded down.
pub(crate) fn mean(sum: u128, n: u64) -> Value {
    sum.checked_div(u128::from(n)).map_or(Value::Missing, |mean| Value::Integer(mean as u64))
}

/// A share of a whole that may be nothing.
pub(crate) fn ratio(part: u64, whole: u64) -> Value {
    if whole == 0 { Value::Missing } else { Value::Float(part as f64 / whole as f64) }
}

/// What the requests of a run that count add up to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub(crate) requests: u64,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) ttft: Sample,
    /// Of those that moved bytes.
    pub(crate) transfer: Sample,
    /// The first iteration of those that entered a batch without a token.
    pub(crate) entry: Sample,
    /// Sums of the parts of TTFT, in nanoseconds.
    pub(crate) parts_ns: [u128; TtftParts::NAMES.len()],
    pub(crate) transfer_bytes: u128,
    /// Gaps between tokens, and how long they were together, in nanoseconds.
    pub(crate) gaps: u64,
    pub(crate) decoding_ns: u128,
    /// Requests with a gap, and the sum of their mean gaps, in nanoseconds.
    pub(crate) requests_with_gaps: u64,
    pub(crate) request_gaps_ns: u128,
    pub(crate) e2e_ns: u128,
    pub(crate) attained: u64,
    pub(crate) ttft_attained: u64,
    /// By fixed limit on TTFT: how many were within.
    pub(crate) within: [u64; FIXED_LIMITS_S.len()],
    pub(crate) prefill_hit_tokens: u64,
    pub(crate) prefill_host_tokens: u64,
    pub(crate) decode_hit_tokens: u64,
    pub(crate) by_tier: [u64; Tier::ALL.len()],
    first_arrival: Option<SimTime>,
    last_finish: SimTime,
}

impl Tally {
    /// Adds a request, if it counts.
    pub fn add(&mut self, record: &RequestRecord) {
        if !record.counted {
            return;
        }
        self.requests += 1;
        self.input_tokens += u64::from(record.input_tokens);
        self.output_tokens += u64::from(record.output_tokens);
        self.ttft.add(record.ttft.as_nanos());
        if record.transfer_bytes > 0 {
            self.transfer.add(record.transfer.as_nanos());
        }
        if record.parts.first_iteration > SimDuration::ZERO {
            self.entry.add(record.parts.first_iteration.as_nanos());
        }
        for (count, limit_s) in self.within.iter_mut().zip(FIXED_LIMITS_S) {
            *count += u64::from(record.ttft <= SimDuration::from_nanos(limit_s * 1_000_000_000));
        }
        for (sum, part) in self.parts_ns.iter_mut().zip(record.parts.values()) {
            *sum += u128::from(part.as_nanos());
        }
        self.transfer_bytes += u128::from(record.transfer_bytes);
        self.gaps += u64::from(record.output_tokens - 1);
        self.decoding_ns += u128::from(record.decoding.as_nanos());
        if let Some(mean) = record.tbt_mean_ns() {
            self.requests_with_gaps += 1;
            self.request_gaps_ns += u128::from(mean as u64);
        }
        self.e2e_ns += u128::from(record.finish.since(record.arrival).as_nanos());
        self.attained += u64::from(record.slo_attained);
        self.ttft_attained += u64::from(record.ttft <= record.ttft_limit);
        self.prefill_hit_tokens += u64::from(record.prefill_hit_tokens);
        self.prefill_host_tokens += u64::from(record.prefill_host_tokens);
        self.decode_hit_tokens += u64::from(record.decode_hit_tokens);
        if let Some(tier) = record.tier {
            self.by_tier[tier.index()] += 1;
        }
        self.first_arrival = Some(self.first_arrival.map_or(record.arrival, |first| first.min(record.arrival)));
        self.last_finish = self.last_finish.max(record.finish);
    }

    /// Every metric of the run, in the order of [`METRICS`].
    pub fn metrics(&self, end: &RunEnd) -> Vec<Value> {
        self.whole(&end.tbt_histogram, &end.totals)
    }

    pub(crate) fn whole(&self, tbt_histogram: &Histogram<u64>, totals: &RunTotals) -> Vec<Value> {
        let whole = Whole { tally: self, tbt_histogram, totals };
        METRICS.iter().map(|metric| (metric.compute)(&whole)).collect()
    }
}

/// What metrics are computed from.
pub(crate) struct Whole<'a> {
    pub(crate) tally: &'a Tally,
    tbt_histogram: &'a Histogram<u64>,
    pub(crate) totals: &'a RunTotals,
}

impl Whole<'_> {
    /// So many of the requests that were promised something: refused ones were, too.
    pub(crate) fn of_promised(&self, kept: u64) -> Value {
        ratio(kept, self.tally.requests + self.totals.refused_counted)
    }

    pub(crate) fn mean_part(&self, part: usize) -> Value {
        mean(self.tally.parts_ns[part], self.tally.requests)
    }

    pub(crate) fn tier_share(&self, tier: Tier) -> Value {
        ratio(self.tally.by_tier[tier.index()], self.tally.by_tier.iter().sum())
    }

    /// `n` requests a second, over the time from the first counted arrival to the last finish.
    pub(crate) fn per_second(&self, n: u64) -> Value {
        let Some(first) = self.tally.first_arrival else { return Value::Missing };
        Value::Float(n as f64 / self.tally.last_finish.since(first).as_secs_f64().max(1e-9))
    }

    /// A sum over the decisions whose rankings were compared, as their mean.
    pub(crate) fn of_decisions(&self, sum: f64) -> Value {
        let decisions = self.totals.rankings.decisions;
        if decisions == 0 { Value::Missing } else { Value::Float(sum / decisions as f64) }
    }

    pub(crate) fn tbt_quantile(&self, q: f64) -> Value {
        let histogram = self.tbt_histogram;
        if histogram.is_empty() { Value::Missing } else { Value::Integer(histogram.value_at_quantile(q)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: impl IntoIterator<Item = u64>) -> Sample {
        let mut sample = Sample::default();
        values.into_iter().for_each(|value| sample.add(value));
        sample
    }

    #[test]
    fn a_quantile_is_the_smallest_value_that_covers_its_share() {
        let found = sample([40, 10, 30, 20]);
        assert_eq!(found.quantile(0.5), Value::Integer(20));
        assert_eq!(found.quantile(0.51), Value::Integer(30));
        assert_eq!(found.quantile(0.99), Value::Integer(40));
        assert_eq!(sample([]).quantile(0.5), Value::Missing);
    }

    #[test]
    fn many_values_have_the_same_mean_and_quantiles_to_three_digits() {
        let n = 3 * MAX_EXACT as u64;
        // Each of 1 to n once, in another order: the factor has no common divisor with n.
        let found = sample((0..n).map(|index| (index * 1_000_003) % n + 1));
        assert!(found.exact.is_empty() && found.histogram.is_some());
        assert_eq!(found.mean(), Value::Integer(n.div_ceil(2)));
        for q in [0.01, 0.5, 0.9, 0.99] {
            let Value::Integer(value) = found.quantile(q) else { panic!("there is one") };
            assert!((value as f64 / (q * n as f64) - 1.0).abs() < 1e-3, "{value} at {q}");
        }
    }
}
