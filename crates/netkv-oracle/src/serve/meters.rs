//! What the service counts of itself, as Prometheus reads it.

use super::snapshot::Board;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The page that names the others.
    Index,
    /// Whether it runs.
    Health,
    /// Whether it knows anything, and that is not stale.
    Ready,
    /// What it counts.
    Metrics,
    /// All four maps.
    Oracle,
    /// From a pair to its tier.
    TierMap,
    /// From a tier to its bandwidth.
    TierBandwidth,
    /// From a tier to its latency.
    TierLatency,
    /// From a tier to its congestion.
    Congestion,
    /// What a policy is told of one way.
    Path,
    /// The plan that clients read once.
    Plan,
    /// Anything else.
    Other,
}

/// All routes, with the paths that they are counted by.
pub const ROUTES: [(Route, &str); 12] = [
    (Route::Index, "/"),
    (Route::Health, "/healthz"),
    (Route::Ready, "/readyz"),
    (Route::Metrics, "/metrics"),
    (Route::Oracle, "/v1/oracle"),
    (Route::TierMap, "/v1/tier_map"),
    (Route::TierBandwidth, "/v1/tier_bandwidth"),
    (Route::TierLatency, "/v1/tier_latency"),
    (Route::Congestion, "/v1/congestion"),
    (Route::Path, "/v1/path"),
    (Route::Plan, "/v1/plan"),
    (Route::Other, "other"),
];

/// Status codes that it answers with.
const CODES: [u16; 5] = [200, 400, 404, 405, 503];

/// Upper bounds of the buckets of request times, in seconds; and of reading times. Chosen by us.
const REQUEST_BOUNDS_S: [f64; 8] = [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 10e-3, 100e-3];

/// Counters. All are read and written without order: each is right by itself.
#[derive(Debug, Default)]
pub struct Meters {
    refreshes: AtomicU64,
    refresh_failures: AtomicU64,
    refresh_nanos: AtomicU64,
    requests: [[AtomicU64; CODES.len()]; ROUTES.len()],
    /// By bucket, the last without a bound.
    request_times: [AtomicU64; REQUEST_BOUNDS_S.len() + 1],
    request_nanos: AtomicU64,
    connections: AtomicU64,
    refused_connections: AtomicU64,
}

fn add(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

impl Meters {
    /// A reading of Prometheus ended.
    pub fn refreshed(&self, succeeded: bool, seconds: f64) {
        add(&self.refreshes, 1);
        add(&self.refresh_failures, u64::from(!succeeded));
        add(&self.refresh_nanos, (seconds * 1e9) as u64);
    }

    /// A request was answered.
    pub fn answered(&self, route: Route, code: u16, seconds: f64) {
        let route = ROUTES.iter().position(|(known, _)| *known == route).expect("every route is listed");
        let code = CODES.iter().position(|known| *known == code).expect("every code is listed");
        add(&self.requests[route][code], 1);
        add(&self.request_times[REQUEST_BOUNDS_S.partition_point(|bound| *bound < seconds)], 1);
        add(&self.request_nanos, (seconds * 1e9) as u64);
    }

    /// A connection came, and was taken or not.
    pub fn connected(&self, is_taken: bool) {
        add(if is_taken { &self.connections } else { &self.refused_connections }, 1);
    }

    /// All of it in Prometheus' text format. Figures older than `stale_after_s` are stale.
    pub fn text(&self, board: &Board, stale_after_s: f64) -> String {
        let mut text = String::new();
        let mut one = |name: &str, kind: &str, help: &str, value: f64| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}");
        };
        let view = board.view();
        let (age_s, links) = (view.age_s(), view.figures().links);
        let not_known = f64::NAN;
        one(
            "netkv_oracle_age_seconds",
            "gauge",
            "Age of the oldest tier's congestion; NaN before all are known.",
            age_s.unwrap_or(not_known),
        );
        one(
            "netkv_oracle_read_age_seconds",
            "gauge",
            "Time since Prometheus was read last; NaN if it never was.",
            view.read_age_s().unwrap_or(not_known),
        );
        let is_stale = age_s.is_none_or(|age_s| age_s > stale_after_s);
        one(
            "netkv_oracle_stale",
            "gauge",
            "Whether the figures are stale, or not known.",
            f64::from(u8::from(is_stale)),
        );
        one("netkv_oracle_refreshes_total", "counter", "Readings of Prometheus.", get(&self.refreshes) as f64);
        one("netkv_oracle_refresh_failures_total", "counter", "Those that failed.", get(&self.refresh_failures) as f64);
        one(
            "netkv_oracle_refresh_seconds_total",
            "counter",
            "Time that they took.",
            get(&self.refresh_nanos) as f64 * 1e-9,
        );
        one("netkv_oracle_links_listed", "gauge", "Links that are listed.", f64::from(links.listed));
        one("netkv_oracle_links_told", "gauge", "Links that the last reading told of.", f64::from(links.told));
        one(
            "netkv_oracle_links_over_line_rate",
            "gauge",
            "Links above their line rate.",
            f64::from(links.over_line_rate),
        );
        one("netkv_oracle_connections_total", "counter", "Connections taken.", get(&self.connections) as f64);
        one(
            "netkv_oracle_refused_connections_total",
            "counter",
            "Connections closed, since there were too many.",
            get(&self.refused_connections) as f64,
        );
        let congestion = view.figures().tiers.iter().zip(crate::plan::TIERS);
        let _ = writeln!(
            text,
            "# HELP netkv_oracle_congestion_ratio Share of a tier that is taken; NaN if it is not known.\n# TYPE netkv_oracle_congestion_ratio gauge"
        );
        for (figure, tier) in congestion {
            let share = figure.congestion.unwrap_or(not_known);
            let _ = writeln!(text, "netkv_oracle_congestion_ratio{{tier=\"{tier}\"}} {share}");
        }
        self.requests(&mut text);
        text
    }

    fn requests(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "# HELP netkv_oracle_requests_total Requests answered.\n# TYPE netkv_oracle_requests_total counter"
        );
        for ((_, path), by_code) in ROUTES.iter().zip(&self.requests) {
            for (code, n) in CODES.iter().zip(by_code).filter(|(_, n)| get(n) > 0) {
                let _ = writeln!(text, "netkv_oracle_requests_total{{path=\"{path}\",code=\"{code}\"}} {}", get(n));
            }
        }
        let name = "netkv_oracle_request_seconds";
        let _ = writeln!(
            text,
            "# HELP {name} Time to make an answer, without reading and writing it.\n# TYPE {name} histogram"
        );
        let mut n = 0;
        for (bound, count) in REQUEST_BOUNDS_S.iter().zip(&self.request_times) {
            n += get(count);
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {n}");
        }
        n += get(&self.request_times[REQUEST_BOUNDS_S.len()]);
        let sum = get(&self.request_nanos) as f64 * 1e-9;
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {n}\n{name}_sum {sum}\n{name}_count {n}");
    }
}
