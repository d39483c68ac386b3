//! Sums and order statistics over the requests of a run, which are added one after the other.
//!
//! Percentiles are exact order statistics (the ceil(q n)-th smallest), not interpolated, up to a number of requests;
//! beyond it they come from a histogram with three significant digits, as those of the time between tokens always do,
//! because there are millions of gaps.

use super::record::{RequestRecord, TtftParts};
use super::value::{Value, mean};
use hdrhistogram::Histogram;
use netkv_units::{SimDuration, SimTime, Tier};

/// Fixed limits on TTFT, in seconds, that every run is judged by besides its own objective. 2, 5 and 10 s are the
/// paper's objectives for chatbot, RAG and long-context (arXiv 2606.03910, section VI); 1 s is ours.
pub(super) const FIXED_LIMITS_S: [u64; 4] = [1, 2, 5, 10];

/// Values that are kept one by one; more go into a histogram. Chosen by us: no trace that is replayed has as many.
const MAX_EXACT: usize = 1 << 17;

/// A duration in nanoseconds, over requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
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

    /// Of all values, in nanoseconds.
    pub(super) const fn sum(&self) -> u128 {
        self.sum
    }

    pub(super) fn mean(&self) -> Value {
        mean(self.sum, self.n)
    }

    /// The ceil(q n)-th smallest.
    pub(super) fn quantile(&self, q: f64) -> Value {
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

/// What the requests of a run that count add up to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub(super) requests: u64,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) ttft: Sample,
    /// Of those that moved bytes.
    pub(super) transfer: Sample,
    /// The first iteration of those that entered a batch without a token.
    pub(super) entry: Sample,
    /// Sums of the parts of TTFT, in nanoseconds.
    pub(super) parts_ns: [u128; TtftParts::NAMES.len()],
    pub(super) transfer_bytes: u128,
    /// Gaps between tokens, and how long they were together, in nanoseconds.
    pub(super) gaps: u64,
    pub(super) decoding_ns: u128,
    /// Requests with a gap, and the sum of their mean gaps, in nanoseconds.
    pub(super) requests_with_gaps: u64,
    pub(super) request_gaps_ns: u128,
    pub(super) e2e_ns: u128,
    pub(super) attained: u64,
    /// Output tokens of those.
    pub(super) attained_tokens: u64,
    pub(super) ttft_attained: u64,
    /// By fixed limit on TTFT: how many were within.
    pub(super) within: [u64; FIXED_LIMITS_S.len()],
    pub(super) prefill_hit_tokens: u64,
    pub(super) prefill_host_tokens: u64,
    pub(super) decode_hit_tokens: u64,
    /// Requests whose prompts were computed where they were decoded.
    pub(super) local: u64,
    pub(super) by_tier: [u64; Tier::ALL.len()],
    /// Sum of TTFT, each weighed by how many counted requests arrived before it, in nanoseconds.
    pub(super) late_ttft_ns: u128,
    pub(super) first_arrival: Option<SimTime>,
    pub(super) last_arrival: SimTime,
    pub(super) last_finish: SimTime,
}

impl Tally {
    /// Adds a request, if it counts.
    pub fn add(&mut self, record: &RequestRecord) {
        if !record.counted {
            return;
        }
        self.late_ttft_ns += u128::from(self.requests) * u128::from(record.ttft.as_nanos());
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
        self.attained_tokens += u64::from(record.output_tokens) * u64::from(record.slo_attained);
        self.ttft_attained += u64::from(record.ttft <= record.ttft_limit);
        self.prefill_hit_tokens += u64::from(record.prefill_hit_tokens);
        self.prefill_host_tokens += u64::from(record.prefill_host_tokens);
        self.decode_hit_tokens += u64::from(record.decode_hit_tokens);
        self.local += u64::from(record.prefilled_locally());
        if let Some(tier) = record.tier {
            self.by_tier[tier.index()] += 1;
        }
        self.first_arrival = Some(self.first_arrival.map_or(record.arrival, |first| first.min(record.arrival)));
        self.last_arrival = self.last_arrival.max(record.arrival);
        self.last_finish = self.last_finish.max(record.finish);
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
