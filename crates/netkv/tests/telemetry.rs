//! `netkv telemetry import`: from files, and from a real Prometheus where one is installed.

mod command;

use command::check;
use netkv_grid::{Experiment, LoadOptions};
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The truth: 2 ms, 25 us a descriptor, 10 GB/s, which is 80 % of 100 Gb/s.
const TRUTH: [f64; 3] = [2e-3, 25e-6, 10e9];

const NAMES: [&str; 4] = [
    "vllm:nixl_xfer_time_seconds_count",
    "vllm:nixl_xfer_time_seconds_sum",
    "vllm:nixl_bytes_transferred_sum",
    "vllm:nixl_num_descriptors_sum",
];

/// Cumulative counters after so many steps, each of one transfer: blocks of 16 and 64 kB by turns.
fn counters(steps: u32) -> [f64; 4] {
    let mut total = [0.0; 4];
    for step in 0..steps {
        let descriptors = 200.0 + f64::from(step * 37 % 11) * 150.0;
        let bytes = descriptors * if step % 2 == 0 { 16_384.0 } else { 65_536.0 };
        let time = TRUTH[0] + TRUTH[1] * descriptors + bytes / TRUTH[2];
        total.iter_mut().zip([1.0, time, bytes, descriptors]).for_each(|(sum, more)| *sum += more);
    }
    total
}

/// Number of a key in the first cell of a file.
fn number(path: &Path, key: &str) -> f64 {
    let experiment = Experiment::load(path, &LoadOptions::default()).unwrap_or_else(|errors| panic!("{errors}"));
    let cell = experiment.cell(0).expect("a cell");
    let resolved = experiment.resolved(&cell);
    let (_, value, _) = resolved.iter().find(|(known, ..)| known == key).expect(key);
    value.parse().expect(key)
}

/// Imports `nixl.json` of a folder and checks that an experiment which extends the result has the truth.
#[track_caller]
fn check_truth(here: &Path, more: &[&str]) {
    let arguments =
        [&["telemetry", "import", "nixl.json", "-o", "my-network.toml", "--nic-gbps", "100"], more].concat();
    let said = check(here, &arguments, 0).stdout;
    assert!(said.contains("the rate was fitted"), "{said}");
    let file = here.join("x.toml");
    fs::write(&file, "extends = ['builtin:base', 'my-network.toml']\nname = 'x'\nseeds = 1\n").expect("it is written");
    for (key, truth) in [
        ("transfer.setup_us", 2_000.0),
        ("transfer.setup_us_per_descriptor", 25.0),
        ("fabric.nic_efficiency_ratio", 0.8),
        ("fabric.nic_gbps", 100.0),
    ] {
        let found = number(&file, key);
        assert!((found / truth - 1.0).abs() < 1e-3, "{key} = {found}, {truth} in truth");
    }
}

#[test]
fn what_is_fitted_and_recorded_is_an_experiments() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let series = |name: &str, label: &str, values: Vec<Value>| json!({ "metric": { "__name__": name, "instance": "leaf1", "device": label }, "values": values });
    let mut result: Vec<Value> = (0..4)
        .map(|part| {
            let values = (1..12).map(|step| json!([f64::from(step) * 15.0, counters(step)[part].to_string()]));
            series(NAMES[part], "worker", values.collect())
        })
        .collect();
    let bytes =
        [0.0, 6.25e9, 12.5e9].into_iter().enumerate().map(|(at, value)| json!([10.0 * at as f64, value.to_string()]));
    result.push(series("node_network_transmit_bytes_total", "eth1", bytes.collect()));
    let answer = json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }).to_string();
    fs::write(here.join("nixl.json"), answer).expect("it is written");
    let links = "instance,device,kind,direction,pod,rack,switch,gbps\nleaf1,eth1,rack,up,0,1,,10\n";
    fs::write(here.join("links.csv"), links).expect("it is written");
    check_truth(here, &["--links", "links.csv", "--record", "busy.csv"]);
    let recorded = fs::read_to_string(here.join("busy.csv")).expect("a record");
    assert_eq!(recorded.lines().nth(1), Some("0,rack,up,0,1,,0.5"), "{recorded}");
    let text = fs::read_to_string(here.join("my-network.toml")).expect("the file");
    assert!(text.contains("kind = \"recorded\"\nfile = \"busy.csv\"\n"), "{text}");
    check(here, &["plan", "x.toml"], 0);
    let twice = ["telemetry", "import", "nixl.json", "-o", "my-network.toml", "--nic-gbps", "100"];
    assert!(check(here, &twice, 64).stderr.contains("is there already"));
    let slow = ["telemetry", "import", "nixl.json", "-o", "slow.toml", "--nic-gbps", "50"];
    assert!(check(here, &slow, 65).stderr.contains("a worker moves 10.000 GB/s, more than a NIC of 50 Gb/s"));
    let none = ["telemetry", "import", "links.csv", "-o", "none.toml", "--nic-gbps", "50"];
    assert!(check(here, &none, 65).stderr.contains("links.csv:1: "));
    assert!(!here.join("slow.toml").exists() && !here.join("none.toml").exists());
}

/// Ends its process whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An exporter on a port of its own, which goes one step further each time that it is asked.
fn exporter() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for (step, stream) in (1..).zip(listener.incoming()) {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let samples =
                NAMES.iter().zip(counters(step)).map(|(name, value)| format!("{name}{{engine=\"0\"}} {value}\n"));
            let body: String = samples.collect();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n";
            let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    port
}

/// What Prometheus answers; none if it does not yet.
fn ask(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let query = "%7B__name__%3D~%22vllm%3Anixl_.*%22%7D%5B5m%5D";
    write!(stream, "GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
}

#[test]
fn a_real_prometheus_tells_the_truth_of_its_exporter() {
    if Command::new("prometheus").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
        // Past the capture of the tests' output.
        let said =
            b"\nNOT RUN: a_real_prometheus_tells_the_truth_of_its_exporter: no prometheus on this machine (Debian: \
                     apt-get install prometheus)\n\n";
        std::io::stderr().write_all(said).expect("standard error");
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let here = folder.path();
    let config = format!(
        "global:\n  scrape_interval: 200ms\n  scrape_timeout: 200ms\nscrape_configs:\n- job_name: vllm\n  static_configs:\n  - \
         targets: ['127.0.0.1:{}']\n",
        exporter()
    );
    fs::write(here.join("prometheus.yml"), config).expect("it is written");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let child = Command::new("prometheus")
        .current_dir(here)
        .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"])
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus starts");
    let _running = Running(child);
    let n_samples = |answer: &str| -> usize {
        let answer: Value = serde_json::from_str(answer).unwrap_or_default();
        let lengths = |one: &Value| one["values"].as_array().map_or(0, Vec::len);
        let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        if results.len() == NAMES.len() { results.iter().map(lengths).min().unwrap_or(0) } else { 0 }
    };
    let answer = (0..600).find_map(|_| {
        thread::sleep(Duration::from_millis(100));
        ask(port).filter(|answer| n_samples(answer) >= 8)
    });
    fs::write(here.join("nixl.json"), answer.expect("Prometheus answers within a minute")).expect("it is written");
    check_truth(here, &[]);
}
