//! When requests arrive: ticks, gaps, and the rate from minute to minute.

use super::distribution::{Distribution, coefficient_of_variation, mean_and_sd, percentile_of_sorted};
use crate::shape::{Arrivals, Jitters};
use crate::trace::Trace;
use netkv_units::SimDuration;
use serde::Serialize;

/// Stamps are called ticks if the middle 90 % of their gaps differ by less than this share of the median. Chosen by us:
/// the published ticks are good to 0.2 %, and gaps of random arrivals differ by far more.
const TICK_TOLERANCE: f64 = 0.01;

/// The seed that spreads arrivals within their ticks here. Chosen by us: any will do.
const DEJITTER_SEED: u64 = 0;

/// Windows in which requests are counted, in seconds. Chosen by us, from about a gap between requests to some minutes.
const WINDOWS_S: [f64; 5] = [1.0, 5.0, 20.0, 60.0, 300.0];

/// Fewer windows than this say nothing about a variance. Chosen by us.
const MIN_WINDOWS: usize = 10;

const MS_PER_SEC: f64 = 1000.0;
const MS_PER_MINUTE: u64 = 60_000;

/// Gaps are those of ticks if they are whole numbers of ticks but for this share of a tick, ... Chosen by us: the
/// published ticks are good to 0.2 %, and gaps of some ticks add up their errors.
const MULTIPLE_TOLERANCE: f64 = 0.05;

/// ... in so many of all gaps. Chosen by us: of gaps that know no tick, one in ten comes that near to a whole number.
const MULTIPLE_SHARE: f64 = 0.9;

/// The gaps between neighbouring distinct timestamps of a trace, to tell whether these are ticks.
#[derive(Clone, Debug)]
pub struct StampGaps(Vec<f64>);

impl StampGaps {
    /// Those of a trace.
    pub fn of(trace: &Trace) -> Self {
        let mut stamps_ms: Vec<u64> = trace.rows().iter().map(|row| row.timestamp_ms).collect();
        stamps_ms.dedup();
        Self(stamps_ms.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect())
    }

    /// Length of a tick, if the stamps are ticks.
    pub fn tick_ms(&self) -> Option<u64> {
        find_tick_ms(&self.0)
    }

    /// Whether stamps may be ticks of this length, some of them without a request. Two gaps at the least say that they
    /// are not.
    pub fn may_be_ticks_of(&self, tick: SimDuration) -> bool {
        let tick_ms = tick.as_secs_f64() * MS_PER_SEC;
        let is_multiple = |gap_ms: &&f64| {
            let ticks = (**gap_ms / tick_ms + 0.5).floor();
            ticks >= 1.0 && (**gap_ms / tick_ms - ticks).abs() <= MULTIPLE_TOLERANCE
        };
        let n_multiples = self.0.iter().filter(is_multiple).count();
        self.0.len() < 2 || n_multiples as f64 >= MULTIPLE_SHARE * self.0.len() as f64
    }

    /// The median gap, in ms; nothing if all requests have one timestamp.
    pub fn median_ms(&self) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        (!sorted.is_empty()).then(|| percentile_of_sorted(&sorted, 50.0))
    }
}

/// When requests arrive.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ArrivalStatistics {
    /// Requests over duration; nothing if all have one timestamp.
    pub rate_rps: Option<f64>,
    /// Number of distinct timestamps.
    pub n_distinct_stamps: usize,
    /// Length of a tick, if the stamps are ticks.
    pub tick_ms: Option<u64>,
    /// Gaps between neighbouring distinct timestamps; nothing if there is only one.
    pub stamp_gap_ms: Option<Distribution>,
    /// Requests with one timestamp.
    pub requests_per_stamp: Distribution,
    /// Variance of the requests with one timestamp.
    pub requests_per_stamp_variance: f64,
    /// Coefficient of variation of the gaps between requests; 1 for a Poisson process.
    pub gap_cv: Option<f64>,
    /// The same after spreading arrivals uniformly over their ticks; nothing if the stamps are no ticks.
    pub gap_cv_dejittered: Option<f64>,
    /// Requests in each full minute; nothing if the trace is shorter.
    pub requests_per_minute: Option<Distribution>,
    /// Variance over mean of the requests per minute; 1 for a Poisson process.
    pub per_minute_variance_to_mean: Option<f64>,
    /// Variance over mean of the requests in windows of some lengths, short ones first, after spreading arrivals over their
    /// ticks. Without the windows of which the trace has fewer than ten.
    pub count_dispersion: Vec<CountDispersion>,
}

/// How unevenly requests come, at one scale of time: their index of dispersion of counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CountDispersion {
    /// Length of a window.
    pub window_s: f64,
    /// Variance over mean of the requests in a window; 1 for a Poisson process.
    pub variance_to_mean: f64,
}

/// Time from the first to the last timestamp.
pub(super) fn duration_s(trace: &Trace) -> f64 {
    let rows = trace.rows();
    (rows[rows.len() - 1].timestamp_ms - rows[0].timestamp_ms) as f64 / MS_PER_SEC
}

impl ArrivalStatistics {
    pub(super) fn of(trace: &Trace) -> Self {
        let stamps_ms: Vec<u64> = trace.rows().iter().map(|row| row.timestamp_ms).collect();
        let groups: Vec<&[u64]> = stamps_ms.chunk_by(|one, other| one == other).collect();
        let gaps_ms: Vec<f64> = groups.windows(2).map(|pair| (pair[1][0] - pair[0][0]) as f64).collect();
        let group_sizes: Vec<f64> = groups.iter().map(|group| group.len() as f64).collect();
        let tick_ms = find_tick_ms(&gaps_ms);
        let duration_s = duration_s(trace);
        let requests_per_stamp = Distribution::of(group_sizes).expect("a trace has a row");
        let minutes = requests_per_full_minute(&stamps_ms);
        let spread_s = tick_ms.map_or_else(|| in_seconds(&stamps_ms), |tick_ms| dejittered_s(&stamps_ms, tick_ms));
        Self {
            rate_rps: (duration_s > 0.0).then(|| trace.len() as f64 / duration_s),
            n_distinct_stamps: groups.len(),
            tick_ms,
            requests_per_stamp,
            requests_per_stamp_variance: requests_per_stamp.sd * requests_per_stamp.sd,
            gap_cv: coefficient_of_variation(&gaps_of(stamps_ms.iter().map(|&stamp| stamp as f64))),
            gap_cv_dejittered: tick_ms.and_then(|_| coefficient_of_variation(&gaps_of(spread_s.iter().copied()))),
            count_dispersion: count_dispersion(&spread_s),
            per_minute_variance_to_mean: mean_and_sd(&minutes).map(|(mean, sd)| sd * sd / mean),
            requests_per_minute: Distribution::of(minutes),
            stamp_gap_ms: Distribution::of(gaps_ms),
        }
    }
}

/// The median gap, if nearly all gaps are alike.
fn find_tick_ms(gaps_ms: &[f64]) -> Option<u64> {
    let mut sorted = gaps_ms.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    // A single gap is alike to itself, and says nothing.
    if sorted.len() < 2 {
        return None;
    }
    let [low, median, high] = [5.0, 50.0, 95.0].map(|percent| percentile_of_sorted(&sorted, percent));
    // A tick of 1 ms is the resolution of the format, which needs no spreading.
    (median > 1.0 && high - low <= TICK_TOLERANCE * median).then(|| (median + 0.5).floor() as u64)
}

fn in_seconds(stamps_ms: &[u64]) -> Vec<f64> {
    stamps_ms.iter().map(|&stamp| stamp as f64 / MS_PER_SEC).collect()
}

/// Arrivals spread uniformly over their ticks, in order.
fn dejittered_s(stamps_ms: &[u64], tick_ms: u64) -> Vec<f64> {
    let tick = SimDuration::from_nanos(tick_ms * 1_000_000);
    let mut jitters = Jitters::new(Arrivals::Dejittered { tick }, DEJITTER_SEED);
    let mut times_s: Vec<f64> =
        stamps_ms.iter().map(|&stamp| stamp as f64 / MS_PER_SEC + jitters.draw().as_secs_f64()).collect();
    times_s.sort_unstable_by(f64::total_cmp);
    times_s
}

fn count_dispersion(times_s: &[f64]) -> Vec<CountDispersion> {
    let (first_s, last_s) = (times_s[0], times_s[times_s.len() - 1]);
    let of_windows = |window_s: f64| {
        let n_windows = ((last_s - first_s) / window_s) as usize;
        // More windows than requests by far, as in a sparse trace, tell no more than the requests do.
        if n_windows < MIN_WINDOWS || n_windows > 1_000 * times_s.len() {
            return None;
        }
        let mut counts = vec![0.0; n_windows];
        for at_s in times_s {
            if let Some(count) = counts.get_mut(((at_s - first_s) / window_s) as usize) {
                *count += 1.0;
            }
        }
        let (mean, sd) = mean_and_sd(&counts).filter(|&(mean, _)| mean > 0.0)?;
        Some(CountDispersion { window_s, variance_to_mean: sd * sd / mean })
    };
    WINDOWS_S.into_iter().filter_map(of_windows).collect()
}

fn gaps_of(times: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
    times.clone().skip(1).zip(times).map(|(later, earlier)| later - earlier).collect()
}

/// Requests in each minute since the first one that the trace covers wholly.
fn requests_per_full_minute(stamps_ms: &[u64]) -> Vec<f64> {
    let first_ms = stamps_ms[0];
    let n_minutes = (stamps_ms[stamps_ms.len() - 1] - first_ms) / MS_PER_MINUTE;
    // A trace can be sparse: walking its requests, not its minutes, would lose the empty ones.
    let n_minutes = usize::try_from(n_minutes).expect("minutes fit the address space");
    let mut counts = vec![0.0; n_minutes];
    for stamp_ms in stamps_ms {
        let minute = ((stamp_ms - first_ms) / MS_PER_MINUTE) as usize;
        if let Some(count) = counts.get_mut(minute) {
            *count += 1.0;
        }
    }
    counts
}
