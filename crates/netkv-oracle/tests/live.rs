//! The client: it tells what the service tells, and how old that is.

mod common;

use common::{Behaviour, Prometheus, Service, Setting, congestion, plan};
use netkv_oracle::{Granularity, LiveError, LiveOptions, LiveOracle, NEVER};
use netkv_policy::{Candidate, CostOracle, IterationModel, NetKv, NetKvConfig, PromptView, RequestView};
use netkv_units::{Bytes, InstanceId, LatencyCurve, RequestId, SimDuration, SimTime, Tier};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

const OPTIONS: LiveOptions =
    LiveOptions { every: Duration::from_millis(50), timeout: Duration::from_millis(500), max_bytes: 1 << 20 };

fn connect(service: &Service) -> LiveOracle {
    LiveOracle::connect(&format!("http://{}", service.address), OPTIONS).expect("it answers")
}

#[track_caller]
fn wait(what: &str, is_so: impl Fn() -> bool) {
    assert!(
        (0..400).any(|_| {
            thread::sleep(Duration::from_millis(25));
            is_so()
        }),
        "not within ten seconds: {what}"
    );
}

fn id(number: u32) -> InstanceId {
    InstanceId::new(number)
}

#[test]
fn every_path_is_what_the_service_tells_of_it() {
    let prometheus = Prometheus::start(Behaviour::Tell([0.2, 0.4, 0.9], 3.0));
    let setting = Setting { granularity: Granularity::Zone, ..Setting::new(prometheus.address) };
    let service = Service::start(setting);
    service.wait("figures", |said| congestion(said, 3).is_some());
    let oracle = connect(&service);
    for source in 0..8 {
        for destination in 0..8 {
            let own = oracle.path(id(source), id(destination));
            let said = service.json(&format!("/v1/path?source={source}&destination={destination}"));
            assert_eq!(Some(own.tier.index() as u64), said["tier"].as_u64());
            assert_eq!(Some(own.bandwidth_bytes_per_sec), said["bytes_per_s"].as_f64());
            assert_eq!(Some(own.latency.as_nanos()), said["latency_ns"].as_u64());
            assert!((own.congestion_ratio - said["congestion"].as_f64().unwrap_or(0.0)).abs() < 1e-9, "{own:?} {said}");
            assert_eq!(Some(own.counts_in_flight), said["counts_in_flight"].as_bool());
            if let Some(age_s) = said["age_s"].as_f64() {
                assert!((own.age.as_secs_f64() - age_s).abs() < 1.0, "{own:?} {said}");
            }
        }
    }
    assert_eq!(oracle.leaving(Tier::Rack), plan().leaving_rack());
    assert!(!oracle.share_interfaces(id(0), id(1)) && oracle.share_interfaces(id(1), id(1)));
    let unknown = oracle.path(id(0), id(77));
    assert_eq!(unknown.tier, Tier::Core, "what is not known is as far as can be");
}

/// What the test asks of a plan beside its own figures.
trait Rack {
    fn leaving_rack(&self) -> f64;
}

impl Rack for netkv_oracle::Plan {
    fn leaving_rack(&self) -> f64 {
        self.instances[0].leaving_bytes_per_s[1]
    }
}

#[test]
fn a_service_that_goes_leaves_the_last_figures_and_their_age() {
    let prometheus = Prometheus::start(Behaviour::Tell([0.5, 0.5, 0.5], 0.0));
    let setting = Setting::new(prometheus.address);
    let service = Service::start(setting.clone());
    service.wait("figures", |said| congestion(said, 3).is_some());
    let oracle = connect(&service);
    let address = service.address;
    let age_s = || oracle.path(id(0), id(4)).age.as_secs_f64();
    assert!(age_s() < 1.0 && oracle.status().error.is_none());
    drop(service);
    wait("that it is away", || matches!(oracle.status().error, Some(LiveError::Away(_))));
    wait("age", || age_s() > 0.6);
    let path = oracle.path(id(0), id(4));
    assert!((path.congestion_ratio - 0.5).abs() < 1e-9, "{path:?}");
    // Another one with another plan: both come together.
    let mut other = plan();
    other.bandwidth_bytes_per_s[3] = 1e9;
    let service = Service::start(Setting { listen: address, plan: other, ..setting });
    wait("the new plan", || oracle.path(id(0), id(4)).bandwidth_bytes_per_sec < 2e9);
    service.wait("figures", |said| congestion(said, 3).is_some());
    wait("that it is back", || oracle.status().error.is_none() && age_s() < 0.5);
}

#[test]
fn before_prometheus_answers_there_are_the_static_maps() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let service = Service::start(Setting::new(nobody));
    let oracle = connect(&service);
    let path = oracle.path(id(0), id(4));
    assert_eq!((path.tier, path.congestion_ratio, path.age), (Tier::Core, 0.0, NEVER));
    assert_eq!(path.bandwidth_bytes_per_sec, 12.5e9);
    assert_eq!(oracle.status().age_s, None);
}

#[test]
fn what_is_no_oracle_is_refused() {
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
    let refused = |url: &str| LiveOracle::connect(url, OPTIONS).expect_err("it is refused");
    assert!(matches!(refused("ftp://a"), LiveError::Address(..)));
    assert!(matches!(refused(&format!("http://{nobody}")), LiveError::Away(_)));
    let say = |body: &str| Prometheus::start(Behaviour::Say(200, body.to_owned()));
    for body in ["<html>", "{}", r#"{"known_by":"x","plan":{"instances":[]}}"#] {
        let other = say(body);
        assert!(matches!(refused(&format!("http://{}", other.address)), LiveError::Answer(..)), "{body}");
    }
    for ill in [Behaviour::Hang, Behaviour::Trickle, Behaviour::Flood, Behaviour::Say(500, String::new())] {
        let other = Prometheus::start(ill.clone());
        assert!(matches!(refused(&format!("http://{}", other.address)), LiveError::Away(_)), "{ill:?}");
    }
}

/// The paper's rule, by the live oracle: a candidate in the other pod that has most of the prompt is taken until the links
/// between pods fill.
#[test]
fn a_policy_decides_by_what_is_told_now() {
    let prometheus = Prometheus::start(Behaviour::Tell([0.1, 0.1, 0.1], 0.0));
    let service = Service::start(Setting::new(prometheus.address));
    service.wait("figures", |said| congestion(said, 3).is_some());
    let oracle = connect(&service);
    let curve = LatencyCurve::linear(12_400_000_000_000, 100_000_000_000);
    let policy = NetKv::new(NetKvConfig::PRINTED, IterationModel { requests: curve, per_token_fs: 0 });
    let prompt = PromptView {
        request: RequestId::new(0),
        input_tokens: 8_000,
        kv_bytes: Bytes::new(2_621_440_000),
        now: SimTime::ZERO,
        ttft_left: SimDuration::from_nanos(500_000_000),
    };
    let candidate = |number, hit_tokens: u32| Candidate {
        max_batch: 128,
        free_tokens: 400_000,
        hit_tokens,
        transfer_bytes: Bytes::new(prompt.kv_bytes.get() * u64::from(8_000 - hit_tokens) / 8_000),
        ..Candidate::unknown(id(number))
    };
    let request = RequestView { source: id(0), prompt };
    let candidates = [candidate(3, 0), candidate(5, 4_800)];
    let choose = || policy.choose(&request, &candidates, &oracle.view());
    // 117 ms for all of it to the next rack, 93 ms for two fifths to the other pod.
    assert_eq!(choose(), Some(1));
    prometheus.become_like(Behaviour::Tell([0.1, 0.1, 0.6], 0.0));
    wait("congestion", || oracle.path(id(0), id(5)).congestion_ratio > 0.5);
    // 210 ms.
    assert_eq!(choose(), Some(0));
}
