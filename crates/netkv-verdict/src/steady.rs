//! The alarm of the warm-up, in words.

use crate::points::{Answer, Point, Standing};
use crate::words::counted;

/// Points that are named. Chosen by us: what fits a line.
const NAMED: usize = 2;

impl Standing {
    /// Whether its TTFT stays about the same over the run; none if that cannot be told, or it is overloaded and that is said.
    pub fn is_steady(&self) -> Option<bool> {
        if self.is_short || self.is_overloaded() { None } else { self.drift_by_seed.is_steady() }
    }
}

impl Answer {
    /// The alarm of the warm-up, in one sentence; none if nothing drifts.
    pub fn warmup_words(&self) -> Option<String> {
        let all: Vec<(&Point, &Standing)> =
            self.points.iter().flat_map(|point| point.standings.iter().map(move |one| (point, one))).collect();
        let drifting: Vec<_> = all.iter().filter(|(_, one)| one.is_steady() == Some(false)).collect();
        let most = drifting.iter().filter_map(|(point, one)| Some((one.drift?, point, one)));
        let mut most: Vec<_> = most.collect();
        most.sort_by(|one, two| libm::log(two.0).abs().total_cmp(&libm::log(one.0).abs()));
        let named: Vec<String> = most
            .iter()
            .take(NAMED)
            .map(|(drift, point, one)| format!("{} where {}: {drift:.2}", one.name, point.place()))
            .collect();
        let n_judged = all.iter().filter(|(_, one)| one.is_steady().is_some()).count();
        (!drifting.is_empty()).then(|| {
            format!(
                "Warm-up: TTFT drifts over the counted requests in {} of {} that can be judged (most: {}): the warm-up is too \
                 short (measure.warmup), or the load changes.",
                drifting.len(),
                counted(n_judged, "row"),
                named.join("; ")
            )
        })
    }
}
