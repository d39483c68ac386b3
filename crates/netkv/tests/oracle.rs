//! `netkv oracle serve` and `netkv decide`, and both with a real Prometheus where one is installed.

#![expect(clippy::disallowed_types, reason = "counters of the exporter grow with time")]

mod command;

use command::check;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Rack 0 prefills (instances 0 to 3); rack 1 of the same pod decodes (4 to 7), and the other pod (8 to 15).
const CLUSTER: &str = "extends = 'builtin:base'\nname = 'x'\nseeds = [1]\n[cluster]\nprefill_instances = 4\nplacement = [0, 1, 2, 3]\n\
    [[axis]]\nkey = 'workload.prefill_utilisation_ratio'\nvalues = [0.3, 0.6]\n\
    [[axis]]\nkey = 'policy.name'\nvalues = ['round_robin', 'netkv']\n";

/// Two fifths of the prompt to the other pod, or all of it to the next rack.
const REQUEST: &str = r#"{"source": 0, "input_tokens": 8000, "candidates":
    [{"instance": 8, "hit_tokens": 4800}, {"instance": 4}]}"#;

/// What the exporter's links carry at their line rate, in bytes per second.
const LINE_RATE: f64 = 1e9;

/// Ends its process whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// When the counters were as they are here, they, and the shares of the line rate at which they grow.
type Counters = (Instant, [f64; 2], [f64; 2]);

/// Counters of two links, which grow at the shares of their line rate that are set.
#[derive(Clone)]
struct Exporter {
    port: u16,
    state: Arc<Mutex<Counters>>,
}

const DEVICES: [&str; 2] = ["racks", "pods"];

impl Exporter {
    fn start(shares: [f64; 2]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let exporter = Self { port, state: Arc::new(Mutex::new((Instant::now(), [0.0; 2], shares))) };
        let own = exporter.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let _ = stream.read(&mut [0; 4096]);
                let counters = own.counters(None);
                let line =
                    |(device, value)| format!("node_network_transmit_bytes_total{{device=\"{device}\"}} {value}\n");
                let body: String = DEVICES.iter().zip(counters).map(line).collect();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
                let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
            }
        });
        exporter
    }

    /// The counters now; from now on they grow at these shares.
    fn counters(&self, shares: Option<[f64; 2]>) -> [f64; 2] {
        let mut state = self.state.lock().expect("whole");
        let seconds = state.0.elapsed().as_secs_f64();
        let own = state.2;
        state.0 = Instant::now();
        state.1.iter_mut().zip(own).for_each(|(counter, share)| *counter += share * LINE_RATE * seconds);
        state.2 = shares.unwrap_or(own);
        state.1
    }

    fn write_links(&self, here: &Path) {
        let row = |(device, kind)| format!("127.0.0.1:{},{device},{kind},,,,,8\n", self.port);
        let rows: String = DEVICES.iter().zip(["rack", "pod"]).map(row).collect();
        let text = format!("instance,device,kind,direction,pod,rack,switch,gbps\n{rows}");
        fs::write(here.join("links.csv"), text).expect("it is written");
    }
}

/// A running `netkv oracle serve`, and where it listens.
fn serve(here: &Path, prometheus: &str, more: &[&str]) -> (Running, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_netkv"))
        .current_dir(here)
        .args(["oracle", "serve", "--prometheus", prometheus, "--topology", "x.toml", "--links", "links.csv"])
        .args(["--listen", "127.0.0.1:0"])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    let running = Running(child);
    let url = line.strip_prefix("listening on ").and_then(|rest| rest.split(": ").next());
    let url = url.unwrap_or_else(|| panic!("it says where it listens: {line:?}")).to_owned();
    (running, url)
}

/// What it answers at a page.
fn get(url: &str, page: &str) -> Value {
    let address = url.strip_prefix("http://").expect("an address");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {page} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// The congestion, once it is as wanted.
#[track_caller]
fn wait(url: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let said = get(url, "/v1/congestion");
        if is_so(&said) {
            return said;
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("not within a minute: {what}; {}", get(url, "/v1/congestion"));
}

fn of_tier(said: &Value, tier: usize) -> f64 {
    said["tiers"][tier]["congestion"].as_f64().unwrap_or(-1.0)
}

/// The choice for the request of these tests.
#[track_caller]
fn decide(here: &Path, more: &[&str]) -> Value {
    let arguments = [&["decide", "--topology", "x.toml", "--request", REQUEST, "--json"], more].concat();
    serde_json::from_str(&check(here, &arguments, 0).stdout).expect("JSON")
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("x.toml"), CLUSTER).expect("it is written");
    let links = "instance,device,kind,direction,pod,rack,switch,gbps\na,racks,rack,,,,,8\na,pods,pod,,,,,8\n";
    fs::write(folder.path().join("links.csv"), links).expect("it is written");
    folder
}

/// A free port on which nobody listens, as a URL.
fn nobody() -> (u16, String) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    (port, format!("http://127.0.0.1:{port}"))
}

/// A Prometheus that reads an exporter five times a second, on this port.
fn prometheus(here: &Path, exporter: &Exporter, port: u16) -> Running {
    let config = format!(
        "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n- job_name: switches\n  static_configs:\n  - \
         targets: ['127.0.0.1:{}']\n",
        exporter.port
    );
    fs::write(here.join("prometheus.yml"), config).expect("it is written");
    let child = Command::new("prometheus")
        .current_dir(here)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus starts");
    Running(child)
}

/// Whether there is a Prometheus; if not, that is said past the capture of the tests' output.
fn has_prometheus(test: &str) -> bool {
    let found =
        Command::new("prometheus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        let said = format!("\nNOT RUN: {test}: no prometheus on this machine (Debian: apt-get install prometheus)\n\n");
        std::io::stderr().write_all(said.as_bytes()).expect("standard error");
    }
    found
}

#[test]
fn a_decision_moves_with_what_a_real_prometheus_tells() {
    if !has_prometheus("a_decision_moves_with_what_a_real_prometheus_tells") {
        return;
    }
    let folder = folder();
    let here = folder.path();
    let exporter = Exporter::start([0.1, 0.1]);
    exporter.write_links(here);
    let (port, url_of_prometheus) = nobody();
    // The service is there before Prometheus is.
    let (mut running, url) =
        serve(here, &url_of_prometheus, &["--every", "200ms", "--window", "2s", "--stale-after", "4s"]);
    let said = wait(&url, "that nobody answers", |said| said["error"].is_string());
    assert!(said["age_s"].is_null() && said["stale"] == true, "{said}");
    let mut prometheus = prometheus(here, &exporter, port);

    let near = |found: f64, wanted: f64| (found - wanted).abs() < 0.03;
    let said = wait(&url, "a tenth", |said| near(of_tier(said, 2), 0.1) && near(of_tier(said, 3), 0.1));
    assert!(said["age_s"].as_f64() < Some(2.0) && said["stale"] == false && said["error"].is_null(), "{said}");
    let far = decide(here, &["--oracle", &url]);
    assert_eq!(far["chosen"], 8, "two fifths over half the rate: {far}");

    exporter.counters(Some([0.1, 0.7]));
    wait(&url, "seven tenths between pods", |said| near(of_tier(said, 3), 0.7));
    let moved = decide(here, &["--oracle", &url]);
    assert_eq!(moved["chosen"], 4, "{moved}");
    let transfer_s = |decided: &Value, at: usize| {
        let terms = decided["candidates"][at]["rating"]["terms"].as_array().cloned().unwrap_or_default();
        terms.iter().find(|term| term["name"] == "transfer").and_then(|term| term["value"].as_f64()).expect("a term")
    };
    // Three times as long: 0.9 of the rate was left, 0.3 is.
    let ratio = transfer_s(&moved, 1) / transfer_s(&far, 1);
    assert!((ratio - 3.0).abs() < 0.4, "{ratio}");
    assert!((transfer_s(&moved, 0) / transfer_s(&far, 0) - 1.0).abs() < 0.1, "the way within the pod is as it was");
    assert_eq!(decide(here, &["--oracle", &url, "--policy", "netkv_static"])["chosen"], 8, "who does not ask stays");

    // Prometheus goes: the last figures stay, and grow old.
    prometheus.0.kill().expect("it is killed");
    prometheus.0.wait().expect("it ends");
    let said = wait(&url, "staleness", |said| said["stale"] == true);
    assert!(said["error"].is_string() && near(of_tier(&said, 3), 0.7), "{said}");
    let old = decide(here, &["--oracle", &url]);
    assert!(old["chosen"] == 4 && old["age_s"].as_f64() > Some(4.0), "{old}");

    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0), "a service that is told to end ends well");
}

#[test]
fn ctrl_c_ends_the_service_well() {
    let folder = folder();
    let (mut running, url) = serve(folder.path(), &nobody().1, &[]);
    assert_eq!(get(&url, "/v1/tier_map")["tiers"][0][8], 3);
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    assert_eq!(running.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn what_cannot_be_served_is_refused_with_a_remedy() {
    let folder = folder();
    let here = folder.path();
    let url = nobody().1;
    fs::write(here.join("swept.toml"), format!("{CLUSTER}[[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [50.0, 100.0]\n"))
        .expect("written");
    fs::write(here.join("bad.toml"), "extends = 'builtin:base'\nname = 'x'\n[cluster]\npods = 0\n").expect("written");
    fs::write(here.join("rack9.csv"), "instance,device,kind,direction,pod,rack,switch,gbps\na,e,rack,up,0,9,,8\n")
        .expect("written");
    let cases: [(&[&str], i32, &str); 11] = [
        (&["--listen", "0.0.0.0:0"], 64, "--allow-remote says that they may, 127.0.0.1:0 is for this one"),
        (&["--listen", "[::]:9464"], 64, "other machines reach that address"),
        (&["--listen", "localhost"], 64, "invalid socket address"),
        (&["--prometheus", "prometheus:9090"], 64, "allowed: http://HOST:PORT"),
        (&["--prometheus", "http://me:secret@a"], 64, "no user and password in an address"),
        (&["--every", "10"], 64, "allowed: a time such as 500ms"),
        (&["--every", "1ms"], 64, "100ms or more"),
        (&["--topology", "bad.toml"], 65, "cluster.pods"),
        (&["--topology", "swept.toml"], 65, "--set fabric.nic_gbps=VALUE says which"),
        (&["--links", "rack9.csv"], 65, "rack9.csv:2: rack = \"9\"; allowed: 0 to 3"),
        (&["--set", "oracle.granularity=path"], 65, "--set oracle.granularity=zone"),
    ];
    for (more, code, words) in cases {
        let mut arguments = vec!["oracle", "serve"];
        for usual in [["--prometheus", &url], ["--topology", "x.toml"], ["--links", "links.csv"]] {
            if more[0] != usual[0] {
                arguments.extend(usual);
            }
        }
        arguments.extend(more);
        let ended = check(here, &arguments, code);
        assert!(ended.stderr.contains(words) && ended.stdout.is_empty(), "{more:?}: {}", ended.stderr);
    }
}

#[test]
fn a_request_is_decided_without_a_service_as_well() {
    let folder = folder();
    let here = folder.path();
    assert_eq!(decide(here, &[])["chosen"], 8);
    let busy = decide(here, &["--congestion", "0,0,0.1,0.7"]);
    assert_eq!(busy["chosen"], 4);
    assert_eq!(busy["candidates"][1]["path"]["congestion"], 0.7);
    assert_eq!(busy["kv_bytes"], 8_000 * 327_680_u64);
    let said = check(here, &["decide", "--topology", "x.toml", "--request", REQUEST], 0).stdout;
    for words in ["transfer ms", "chosen: instance 8, ", "before instance 4", "core", "netkv decides"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    // Rules that choose otherwise, or the prefill instance as well.
    for policy in ["round_robin", "cache_aware", "netkv_flow", "netkv_joint", "llmd", "dynamo_decode", "mooncake_ttft"]
    {
        assert!(decide(here, &["--policy", policy])["chosen"].is_u64(), "{policy}");
    }
    fs::write(
        here.join("pair.json"),
        r#"{"input_tokens": 100, "prefill": [{"instance": 1, "backlog_tokens": 90000}, {"instance": 2}], "candidates": [{"instance": 5}]}"#,
    )
    .expect("written");
    let pair = ["decide", "--topology", "x.toml", "--request", "pair.json", "--policy", "netkv_joint", "--json"];
    let pair: Value = serde_json::from_str(&check(here, &pair, 0).stdout).expect("JSON");
    assert_eq!(pair["source"], 2, "instance 1 has a queue");
    let full = r#"{"source": 0, "input_tokens": 8000, "candidates": [{"instance": 4, "free_tokens": 10}]}"#;
    let refusing = ["decide", "--topology", "x.toml", "--request", full, "--set", "policy.when_full=refuse"];
    let ended = command::netkv(here, &refusing);
    assert!(
        ended.stdout.contains("refused") || ended.stderr.contains("policy.when_full"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let folder = folder();
    let here = folder.path();
    let cases: [(&str, &str); 9] = [
        (r#"{"source": 0, "candidates": []}"#, "missing field `input_tokens`"),
        (r#"{"source": 0, "input_tokens": 0, "candidates": [{"instance": 4}]}"#, "input_tokens = 0"),
        (r#"{"source": 0, "input_tokens": 9, "candidates": []}"#, "candidates = []"),
        (
            r#"{"source": 99, "input_tokens": 9, "candidates": [{"instance": 4}]}"#,
            "source 99; the cluster has the instances 0 to 15",
        ),
        (
            r#"{"source": 0, "input_tokens": 9, "candidates": [{"instance": 4}, {"instance": 4}]}"#,
            "instance 4 is named twice",
        ),
        (r#"{"source": 0, "input_tokens": 9, "candidates": [{"instance": 4, "runing": 1}]}"#, "unknown field `runing`"),
        (
            r#"{"source": 0, "input_tokens": 9, "candidates": [{"instance": 4, "hit_tokens": 10}]}"#,
            "10 hit_tokens of a prompt of 9",
        ),
        (r#"{"input_tokens": 9, "candidates": [{"instance": 4}]}"#, "the request needs \"source\""),
        ("nothing.json", "cannot read nothing.json"),
    ];
    for (request, words) in cases {
        let ended = check(here, &["decide", "--topology", "x.toml", "--request", request], 65);
        assert!(ended.stderr.contains(words), "{request}: {}", ended.stderr);
    }
    let away = nobody().1;
    for (more, code, words) in [
        (["--oracle", &away], 75, "--oracle cannot be asked"),
        (["--oracle", "nowhere"], 64, "allowed: http://HOST:PORT"),
        (["--policy", "clairvoyant"], 64, "looks ahead in a simulation"),
        (["--policy", "netkw"], 65, "netkv"),
        (["--congestion", "0,0,1,2"], 64, "allowed: four shares"),
    ] {
        let arguments = [&["decide", "--topology", "x.toml", "--request", REQUEST][..], &more].concat();
        let ended = check(here, &arguments, code);
        assert!(ended.stderr.contains(words), "{more:?}: {}", ended.stderr);
    }
}
