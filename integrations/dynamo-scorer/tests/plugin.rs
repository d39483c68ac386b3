//! The plugin as Dynamo loads it: from YAML, through its registry, for each pool.

mod common;

use common::{loaded, place, pool, request, select};
use dynamo_kv_router::plugins::RouterPluginRegistry;
use dynamo_kv_router::{KvRouterConfig, RoutingPartitionRef, WorkerSelectionPolicy, WorkerType};
use netkv_dynamo_scorer::{Network, NetworkError, register};
use netkv_units::Tier;
use std::sync::{Arc, Mutex};

/// The example of the README.
const YAML: &str = include_str!("../router.yaml");

fn loaded_from(yaml: &str, pool: WorkerType) -> Result<(WorkerSelectionPolicy, Arc<Network>), String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), yaml).expect("the parameters are written");
    let told = Arc::new(Mutex::new(None));
    let mut registry = RouterPluginRegistry::default();
    let keep = Arc::clone(&told);
    register(&mut registry, move |network| *keep.lock().expect("no panic") = Some(network)).expect("it is the first");
    let path = Some(file.path().display().to_string());
    let config = KvRouterConfig { router_policy_config: path, ..Default::default() };
    let factory = registry.resolve_for_worker_type(&config, pool).map_err(|error| error.to_string())?;
    let policy = factory.expect("one is selected")(&config, pool, RoutingPartitionRef::new("model", "default"));
    let network = told.lock().expect("no panic").take().expect("the network was handed over");
    Ok((policy, network))
}

#[test]
fn the_example_is_loaded_and_told_of_the_network() {
    let (policy, network) = loaded_from(YAML, WorkerType::Decode).expect("it is valid");
    let workers = pool([loaded(0, 500), loaded(0, 500)]);
    let request = request(8_000, &workers, false);
    network.place_prefill(7, Some(place(0, 0, 0)));
    network.place_decode(1, Some(place(0, 1, 0)));
    network.place_decode(2, Some(place(0, 0, 1)));
    assert_eq!(select(&policy, &request, &workers).expect("one is chosen"), 2);
    // The rack's own links are nearly full: the way over the spines is quicker.
    network.set_congestion(Tier::Rack, 0.9).expect("it is a share");
    assert_eq!(select(&policy, &request, &workers).expect("one is chosen"), 1);
    network.set_congestion(Tier::Rack, 0.0).expect("it is a share");
    assert_eq!(select(&policy, &request, &workers).expect("one is chosen"), 2);
    network.place_prefill(7, None);
    assert!(select(&policy, &request, &workers).is_err(), "no source is left");
    for ratio in [1.0, -0.1, f64::NAN] {
        let refused = network.set_congestion(Tier::Pod, ratio).expect_err("it is no share");
        let NetworkError::Congestion { tier, .. } = refused;
        assert_eq!(tier, Tier::Pod);
    }
}

#[test]
fn what_is_wrong_with_the_parameters_is_told_at_startup() {
    for (from, to, says) in [
        ("gbytes_per_s: 50", "gbytes_per_s: 0", "tiers.rack.gbytes_per_s is 0: expected above 0"),
        ("max_batch: 128", "max_batch: 0", "max_batch is 0"),
        ("name: netkv", "name: netvk", "netvk"),
        ("kv_bytes_per_token:", "kv_byte_per_token:", "kv_byte_per_token"),
        ("base_ms: 12.4", "base_ms: .nan", "iteration.base_ms"),
        ("kind: mean", "kind: median", "median"),
    ] {
        assert!(YAML.contains(from), "{from} is in the example");
        let error = loaded_from(&YAML.replace(from, to), WorkerType::Decode).err().expect("it is refused");
        assert!(error.contains(says), "{to}: {error}");
    }
    let joint = "name: netkv_joint, max_congestion_ratio: 1.5, tbt_limit_ms: 50, drain_tokens_per_s: 0, price: -1";
    let error = loaded_from(&YAML.replace("name: netkv", joint), WorkerType::Decode).err().expect("it is refused");
    for key in ["rule.max_congestion_ratio", "rule.drain_tokens_per_s", "rule.price"] {
        assert!(error.contains(key), "all at once: {error}");
    }
}

#[test]
fn every_rule_chooses_the_near_one_of_two_idle_workers() {
    let guarded = "max_congestion_ratio: 0.95, tbt_limit_ms: 50, drain_tokens_per_s: 20000";
    for rule in [
        "name: netkv".to_owned(),
        "name: netkv_static".to_owned(),
        format!("name: netkv_guarded, {guarded}"),
        format!("name: netkv_joint, {guarded}, price: 3"),
    ] {
        let (policy, network) = loaded_from(&YAML.replace("name: netkv", &rule), WorkerType::Decode).expect("valid");
        network.place_prefill(7, Some(place(0, 0, 0)));
        network.place_decode(1, Some(place(0, 1, 0)));
        network.place_decode(2, Some(place(0, 0, 1)));
        let workers = pool([loaded(0, 500), loaded(0, 500)]);
        assert_eq!(select(&policy, &request(8_000, &workers, false), &workers).expect("one is chosen"), 2, "{rule}");
    }
}

#[test]
fn a_pool_of_another_kind_is_refused_with_what_to_do() {
    let yaml = YAML.replace("decode: near", "prefill: near");
    let (policy, _) = loaded_from(&yaml, WorkerType::Prefill).expect("a factory cannot fail");
    let workers = pool([loaded(0, 500)]);
    let error = select(&policy, &request(8_000, &workers, false), &workers).expect_err("prefill is not its business");
    assert!(error.to_string().contains("worker_selection.decode"), "{error}");
}
