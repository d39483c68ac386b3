//! The service, with a Prometheus that is well, ill or away.

#![expect(clippy::disallowed_types, reason = "what must not wait is timed")]

mod common;

use common::{Behaviour, Prometheus, Service, Setting, congestion, send};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

fn near(found: Option<f64>, wanted: f64) -> bool {
    found.is_some_and(|found| (found - wanted).abs() < 1e-9)
}

#[test]
fn the_four_maps_are_told_with_their_age() {
    let prometheus = Prometheus::start(Behaviour::Tell([0.2, 0.4, 0.9], 7.0));
    let service = Service::start(Setting::new(prometheus.address));
    let said = service.wait("figures", |said| near(congestion(said, 2), 0.3));
    assert!(near(congestion(&said, 3), 0.9) && near(congestion(&said, 0), 0.0), "{said}");
    let age_s = said["age_s"].as_f64().expect("an age");
    assert!((7.0..9.0).contains(&age_s) && said["stale"] == false && said["error"].is_null(), "{said}");
    assert_eq!(said["links"]["told"], 3);
    let all = service.json("/v1/oracle");
    assert_eq!(all["tier_map"], service.json("/v1/tier_map"));
    assert_eq!(all["tier_map"]["tiers"][0].to_string(), "[0,1,2,2,3,3,3,3]");
    assert_eq!(all["tier_map"]["instances"][4]["role"], "prefill");
    assert_eq!(all["tier_bandwidth"], service.json("/v1/tier_bandwidth"));
    assert_eq!(all["tier_bandwidth"]["gbits_per_s"][3], 100.0);
    assert_eq!(service.json("/v1/tier_latency")["us"].to_string(), "[1.0,3.0,8.0,15.0]");
    assert!(near(congestion(&all["congestion"], 3), 0.9), "{all}");
    let path = service.json("/v1/path?source=0&destination=2");
    assert_eq!(
        (path["tier"].as_u64(), path["name"].as_str(), path["latency_ns"].as_u64()),
        (Some(2), Some("pod"), Some(8000))
    );
    assert!(path["age_s"].as_f64().is_some_and(|age_s| age_s >= 7.0), "{path}");
    assert_eq!(service.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(service.get("/readyz").0, 200);
    let metrics = service.get("/metrics").1;
    for line in [
        "netkv_oracle_congestion_ratio{tier=\"core\"} 0.9\n",
        "netkv_oracle_stale 0\n",
        "netkv_oracle_refresh_failures_total 0\n",
        "netkv_oracle_links_told 3\n",
        "netkv_oracle_requests_total{path=\"/v1/oracle\",code=\"200\"} 1\n",
        "# TYPE netkv_oracle_request_seconds histogram\n",
    ] {
        assert!(metrics.contains(line), "{line}{metrics}");
    }
}

#[test]
fn prometheus_may_come_later_and_go_again() {
    let address = nobody();
    let service = Service::start(Setting { stale_after_s: 0.5, ..Setting::new(address) });
    let said = service.wait("that nobody answers", |said| said["error"].is_string());
    assert!(said["age_s"].is_null() && said["stale"] == true && congestion(&said, 2).is_none(), "{said}");
    assert!(near(congestion(&said, 0), 0.0), "inside a node nothing is shared");
    assert_eq!(service.get("/healthz").0, 200, "it runs");
    assert_eq!(service.get("/readyz").0, 503, "and knows nothing");
    assert!(service.get("/metrics").1.contains("netkv_oracle_age_seconds NaN\n"));

    let prometheus = Prometheus::start_on(address, Behaviour::Tell([0.5, 0.5, 0.5], 0.0));
    let said = service.wait("figures", |said| near(congestion(said, 2), 0.5));
    assert!(said["error"].is_null(), "{said}");
    prometheus.become_like(Behaviour::Tell([0.7, 0.7, 0.7], 0.0));
    service.wait("new figures", |said| near(congestion(said, 2), 0.7));

    drop(prometheus);
    let said = service.wait("that it is away", |said| said["stale"] == true);
    assert!(said["error"].as_str().is_some_and(|said| said.contains("cannot be asked")), "{said}");
    assert!(near(congestion(&said, 2), 0.7) && said["age_s"].as_f64() > Some(0.5), "the last ones stay: {said}");
    assert_eq!(service.get("/readyz").0, 503);
    assert!(service.get("/metrics").1.contains("netkv_oracle_stale 1\n"));

    let _again = Prometheus::start_on(address, Behaviour::Tell([0.1, 0.1, 0.1], 0.0));
    service.wait("that it is back", |said| near(congestion(said, 2), 0.1) && said["stale"] == false);
    let told = service.told.lock().expect("whole").clone();
    assert!(told.len() >= 4 && told.len() < 12, "each change is told once: {told:?}");
    assert!(told.last().is_some_and(|last| last.contains("tells of all links")), "{told:?}");
}

#[test]
fn what_makes_no_sense_is_told_and_what_was_known_stays() {
    let prometheus = Prometheus::start(Behaviour::Tell([0.5, 0.5, 0.5], 0.0));
    let service = Service::start(Setting::new(prometheus.address));
    service.wait("figures", |said| near(congestion(said, 3), 0.5));
    let say = |status, body: &str| Behaviour::Say(status, body.to_owned());
    let deep = format!("{}{}", "[".repeat(50_000), "]".repeat(40_000));
    for (behaviour, words) in [
        (say(200, "<html>no</html>"), "no answer to a query"),
        (
            say(200, "{\"status\":\"success\",\"data\":{\"result\":[{\"metric\":{},\"value\":[1,\"x\"]}]}}"),
            "is no number",
        ),
        (say(200, "{\"status\":\"success\",\"data\":{\"result\":[{\"met"), "cut off"),
        (say(200, "{\"status\":\"error\",\"error\":\"query timed out\"}"), "query timed out"),
        (say(200, &deep), "no answer to a query"),
        (
            say(400, "{\"status\":\"error\",\"error\":\"parse error\"}"),
            "status 400: {\"status\":\"error\",\"error\":\"parse",
        ),
        (say(302, "elsewhere"), "status 302"),
        (Behaviour::Flood, "more than 100000 bytes"),
        (Behaviour::Hang, "timeout"),
        (Behaviour::Trickle, "timeout"),
    ] {
        prometheus.become_like(behaviour.clone());
        let said = service.wait(words, |said| said["error"].as_str().is_some_and(|error| error.contains(words)));
        assert!(near(congestion(&said, 3), 0.5), "{behaviour:?}: {said}");
        assert!(!said.to_string().contains("secret"), "{said}");
        prometheus.become_like(Behaviour::Tell([0.5, 0.5, 0.5], 0.0));
        service.wait("it is well again", |said| said["error"].is_null());
    }
    // An answer without some links is no failure: these get older, and are named.
    prometheus.become_like(say(200, "{\"status\":\"success\",\"data\":{\"result\":[]}}"));
    let said = service.wait("no links", |said| said["links"]["told"] == 0);
    assert!(near(congestion(&said, 3), 0.5) && said["error"].is_null(), "{said}");
    assert!(said["problems"][0].as_str().is_some_and(|problem| problem.contains("leaf0, e0: no series")), "{said}");
    let older = service.wait("age", |said| said["age_s"].as_f64() > Some(0.3));
    assert!(older["read_age_s"].as_f64() < older["age_s"].as_f64(), "{older}");
}

#[test]
fn nobody_waits_for_prometheus() {
    let prometheus = Prometheus::start(Behaviour::Hang);
    let service = Service::start(Setting::new(prometheus.address));
    let slowest = (0..100).map(|_| {
        let began = Instant::now();
        service.json("/v1/congestion");
        began.elapsed()
    });
    // A reading takes 400 ms here, and one is always under way.
    let slowest = slowest.max().expect("a hundred");
    assert!(slowest < Duration::from_millis(200), "{slowest:?}");
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let service = Service::start(Setting::new(nobody()));
    for (path, status) in [
        ("/v1/elsewhere", 404),
        ("/other", 404),
        ("/v1/path", 400),
        ("/v1/path?source=0", 400),
        ("/v1/path?source=0&destination=8", 400),
        ("/v1/path?source=-1&destination=1", 400),
        ("/v1/congestion?tier=2", 400),
    ] {
        let (found, body) = service.get(path);
        assert_eq!(found, status, "{path}: {body}");
        assert!(body.starts_with("{\"error\":"), "{path}: {body}");
    }
    let post = send(
        service.address,
        "POST /v1/congestion HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
    );
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"), "{post}");
    let head = send(service.address, "HEAD /v1/tier_map HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let answer = send(service.address, &long);
    assert!(answer.starts_with("HTTP/1.1 4") || answer.is_empty(), "{answer}");
    assert!(send(service.address, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert_eq!(service.get("/healthz").0, 200, "it lives");
}

#[test]
fn clients_that_say_nothing_take_their_own_place_alone() {
    let service = Service::start(Setting { max_connections: 4, ..Setting::new(nobody()) });
    let mut idle: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(service.address).expect("a place")).collect();
    idle[0].write_all(b"GET /v1/cong").expect("half a request");
    thread::sleep(Duration::from_millis(100));
    assert_eq!(service.get("/healthz").0, 200);
    idle.push(TcpStream::connect(service.address).expect("the last place"));
    thread::sleep(Duration::from_millis(100));
    let refused = send(service.address, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(refused, "", "there is no place");
    drop(idle);
    thread::sleep(Duration::from_millis(100));
    assert!(service.get("/metrics").1.contains("netkv_oracle_refused_connections_total 1\n"));
}
