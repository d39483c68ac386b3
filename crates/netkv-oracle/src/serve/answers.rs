//! What is answered to a request. Everything that does not change is made once.

use super::meters::{Meters, ROUTES, Route};
use super::snapshot::{Board, State};
use crate::plan::{Plan, TIERS};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use netkv_policy::CostOracle;
use netkv_units::InstanceId;
use serde_json::{Value, json};

/// Most instances of which the table of tiers is written out; its places say the same. Chosen by us: 2 MB.
const MAX_TABLE: usize = 1_024;

/// Most bytes of a query string.
const MAX_QUERY: usize = 256;

/// What is answered.
pub type Answer = Response<Full<Bytes>>;

/// What the answers are made of.
pub struct Answers {
    index: Bytes,
    tier_map: Bytes,
    tier_bandwidth: Bytes,
    tier_latency: Bytes,
    plan: Bytes,
    /// Of the answer with all maps: what stands before and after the congestion.
    before_congestion: String,
    stale_after_s: f64,
}

const JSON: &str = "application/json";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

impl Answers {
    /// Those of a plan; figures older than `stale_after_s` are said to be stale.
    pub fn new(plan: &Plan, stale_after_s: f64) -> Self {
        let (tier_map, bandwidth, latency) = (tier_map(plan), tier_bandwidth(plan), tier_latency(plan));
        let bytes = |value: &Value| Bytes::from(format!("{value}\n"));
        let known_by = plan.known_by();
        let plan_json = json!({ "known_by": known_by, "plan": plan });
        Self {
            index: Bytes::from(index()),
            before_congestion: format!(
                "{{\"tier_map\":{tier_map},\"tier_bandwidth\":{bandwidth},\"tier_latency\":{latency},\"congestion\":"
            ),
            tier_map: bytes(&tier_map),
            tier_bandwidth: bytes(&bandwidth),
            tier_latency: bytes(&latency),
            plan: bytes(&plan_json),
            stale_after_s,
        }
    }

    /// The answer to a request, and what it is counted as.
    pub fn to(
        &self,
        method: &Method,
        path: &str,
        query: Option<&str>,
        board: &Board,
        meters: &Meters,
    ) -> (Route, Answer) {
        let found = ROUTES.iter().find(|(route, known)| *route != Route::Other && *known == path);
        let route = found.map_or(Route::Other, |(route, _)| *route);
        if method != Method::GET && method != Method::HEAD {
            let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "allowed: GET and HEAD");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return (route, answer);
        }
        if query.is_some_and(|query| query.len() > MAX_QUERY || (!query.is_empty() && route != Route::Path)) {
            return (
                route,
                problem(StatusCode::BAD_REQUEST, "source and destination of /v1/path are the only parameters"),
            );
        }
        let answer = match route {
            Route::Index => answer(StatusCode::OK, TEXT, self.index.clone()),
            Route::Health => answer(StatusCode::OK, TEXT, Bytes::from_static(b"ok\n")),
            Route::Ready => self.ready(board),
            Route::Metrics => answer(StatusCode::OK, TEXT, Bytes::from(meters.text(board, self.stale_after_s))),
            Route::Oracle => {
                let congestion = self.congestion(&board.state());
                answer(StatusCode::OK, JSON, Bytes::from(format!("{}{congestion}}}\n", self.before_congestion)))
            }
            Route::TierMap => answer(StatusCode::OK, JSON, self.tier_map.clone()),
            Route::TierBandwidth => answer(StatusCode::OK, JSON, self.tier_bandwidth.clone()),
            Route::TierLatency => answer(StatusCode::OK, JSON, self.tier_latency.clone()),
            Route::Congestion => {
                answer(StatusCode::OK, JSON, Bytes::from(format!("{}\n", self.congestion(&board.state()))))
            }
            Route::Path => path_of(query.unwrap_or_default(), board, self.stale_after_s),
            Route::Plan => answer(StatusCode::OK, JSON, self.plan.clone()),
            Route::Other => problem(StatusCode::NOT_FOUND, "there is no such page; / lists them"),
        };
        (route, answer)
    }

    /// The figures with their age at this moment.
    fn congestion(&self, state: &State) -> String {
        let read_age_s = state.read.map(|read| read.elapsed_s());
        let age_s = read_age_s.zip(state.figures.oldest_lag_s()).map(|(age_s, lag_s)| age_s + lag_s);
        let is_stale = age_s.is_none_or(|age_s| age_s > self.stale_after_s);
        let number = |value: Option<f64>| value.map_or_else(|| "null".to_owned(), |value| format!("{value:.6}"));
        let error = state.error.as_ref().map_or(Value::Null, |error| Value::from(error.as_ref()));
        format!(
            "{{\"age_s\":{},\"read_age_s\":{},\"stale\":{is_stale},\"error\":{error},{}",
            number(age_s),
            number(read_age_s),
            state.json
        )
    }

    /// Whether the figures may be relied on.
    fn ready(&self, board: &Board) -> Answer {
        match board.view().age_s() {
            None => problem(StatusCode::SERVICE_UNAVAILABLE, "not all tiers are known yet"),
            Some(age_s) if age_s > self.stale_after_s => {
                problem(StatusCode::SERVICE_UNAVAILABLE, &format!("figures are {age_s:.1} s old"))
            }
            Some(_) => answer(StatusCode::OK, TEXT, Bytes::from_static(b"ready\n")),
        }
    }
}

fn answer(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

fn problem(status: StatusCode, message: &str) -> Answer {
    answer(status, JSON, Bytes::from(format!("{}\n", json!({ "error": message }))))
}

fn index() -> String {
    let pages = ROUTES.iter().filter(|(route, _)| *route != Route::Other).map(|(_, path)| format!("{path}\n"));
    format!("netkv oracle {}\n{}", env!("CARGO_PKG_VERSION"), pages.collect::<String>())
}

/// From a pair of instances to its tier: where each is, and the table that follows.
fn tier_map(plan: &Plan) -> Value {
    let n = plan.instances.len();
    let instance = |(number, instance): (usize, &crate::plan::Instance)| {
        let role = if instance.prefills { "prefill" } else { "decode" };
        json!({ "instance": number, "role": role, "pod": instance.pod, "rack": instance.rack, "node": instance.node })
    };
    let id = InstanceId::from_index;
    let row = |one: usize| (0..n).map(|other| plan.tier(id(one), id(other)).index()).collect::<Vec<_>>();
    let tiers = (n <= MAX_TABLE).then(|| (0..n).map(row).collect::<Vec<_>>());
    let instances: Vec<Value> = plan.instances.iter().enumerate().map(instance).collect();
    json!({ "names": TIERS, "instances": instances, "tiers": tiers })
}

fn tier_bandwidth(plan: &Plan) -> Value {
    let gbits_per_s = plan.bandwidth_bytes_per_s.map(|rate| rate * 8e-9);
    json!({ "names": TIERS, "bytes_per_s": plan.bandwidth_bytes_per_s, "gbits_per_s": gbits_per_s })
}

fn tier_latency(plan: &Plan) -> Value {
    json!({ "names": TIERS, "us": plan.latency_ns.map(|nanos| nanos as f64 * 1e-3) })
}

/// What a policy is told of one way: `source=3&destination=7`.
fn path_of(query: &str, board: &Board, stale_after_s: f64) -> Answer {
    let view = board.view();
    let number = |name: &str| {
        let text = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
        text.parse::<u32>().ok().map(InstanceId::new).filter(|instance| view.plan().instance(*instance).is_some())
    };
    let (Some(source), Some(destination)) = (number("source"), number("destination")) else {
        let last = view.plan().instances.len() - 1;
        let message = format!("allowed: /v1/path?source=A&destination=B, instances 0 to {last}");
        return problem(StatusCode::BAD_REQUEST, &message);
    };
    let (path, way) = (view.path(source, destination), view.figures().way(view.plan(), source, destination));
    let age_s = way.lag_s.and(view.read_age_s()).map(|_| path.age.as_secs_f64());
    let body = json!({
        "source": source.get(),
        "destination": destination.get(),
        "tier": path.tier.index(),
        "name": TIERS[path.tier.index()],
        "bytes_per_s": path.bandwidth_bytes_per_sec,
        "latency_ns": path.latency.as_nanos(),
        "congestion": way.congestion,
        "counts_in_flight": path.counts_in_flight,
        "age_s": age_s,
        "stale": age_s.is_none_or(|age_s| age_s > stale_after_s),
    });
    answer(StatusCode::OK, JSON, Bytes::from(format!("{body}\n")))
}
