//! A cluster, a stand-in for Prometheus that behaves as it is told, and a client that sees every byte.

#![allow(dead_code, reason = "every test file uses a part of it")]

use netkv_oracle::{
    Asking, Base, Board, Fetcher, Figures, Granularity, Instance, Listing, Patience, Plan, Refresher, Refreshing,
    Server, Serving,
};
use netkv_site::links;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The links that the tests' clusters list: a rack's, a pod's.
pub const LINKS: &str = "instance,device,kind,direction,pod,rack,switch,gbps\nleaf0,e0,rack,up,0,0,,8\nleaf1,e0,rack,up,0,1,,8\ncore,e0,pod,up,0,,,8\n";

/// Two pods of two racks of two nodes of an instance.
pub fn plan() -> Plan {
    let instance = |number: u32| Instance {
        pod: number / 4,
        rack: number / 2,
        node: number,
        prefills: number.is_multiple_of(2),
        interface: number,
        leaving_bytes_per_s: [50e9, 100e9, 400e9],
    };
    Plan {
        instances: (0..8).map(instance).collect(),
        bandwidth_bytes_per_s: [450e9, 50e9, 25e9, 12.5e9],
        latency_ns: [1_000, 3_000, 8_000, 15_000],
        alone_bytes_per_s: [450e9, 50e9, 50e9, 50e9],
        pods: 2,
        racks: 4,
    }
}

/// What the stand-in does when it is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum Behaviour {
    /// Tells these shares of the three links, sampled so many seconds ago.
    Tell([f64; 3], f64),
    /// Answers with this status and body.
    Say(u16, String),
    /// Sends bytes without end.
    Flood,
    /// Takes the question and says nothing.
    Hang,
    /// Sends an answer a byte at a time.
    Trickle,
}

/// A stand-in for Prometheus.
pub struct Prometheus {
    pub address: SocketAddr,
    behaviour: Arc<Mutex<Behaviour>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Prometheus {
    /// One on a free port.
    pub fn start(behaviour: Behaviour) -> Self {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour)
    }

    /// One on this port.
    pub fn start_on(address: SocketAddr, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let (behaviour, ended) = (Arc::new(Mutex::new(behaviour)), Arc::new(AtomicBool::new(false)));
        let (shared, stop) = (Arc::clone(&behaviour), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (behaviour, stop) = (shared.lock().expect("whole").clone(), Arc::clone(&stop));
                thread::spawn(move || drop(behave(stream.expect("a connection"), &behaviour, &stop)));
            }
        });
        Self { address, behaviour, ended, thread: Some(thread) }
    }

    pub fn become_like(&self, behaviour: Behaviour) {
        *self.behaviour.lock().expect("whole") = behaviour;
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn behave(mut stream: TcpStream, behaviour: &Behaviour, stop: &AtomicBool) -> std::io::Result<()> {
    let mut question = Vec::new();
    let mut part = [0; 4096];
    while !question.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = stream.read(&mut part)?;
        if n == 0 {
            return Ok(());
        }
        question.extend_from_slice(&part[..n]);
    }
    let is_about_stamps = String::from_utf8_lossy(&question).contains("stamps");
    let send = |stream: &mut TcpStream, status: u16, body: &str| {
        write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    match behaviour {
        Behaviour::Tell(shares, age_s) => {
            let values = shares.map(|share| if is_about_stamps { 1000.0 - age_s } else { share * 1e9 });
            let series = ["leaf0", "leaf1", "core"].iter().zip(values).map(|(instance, value)| {
                format!(r#"{{"metric":{{"instance":"{instance}","device":"e0"}},"value":[1000,"{value}"]}}"#)
            });
            let all: Vec<String> = series.collect();
            let body =
                format!(r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#, all.join(","));
            send(&mut stream, 200, &body)
        }
        Behaviour::Say(status, body) => send(&mut stream, *status, body),
        Behaviour::Flood => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            while !stop.load(Ordering::SeqCst) {
                stream.write_all(&[b'1'; 65_536])?;
            }
            Ok(())
        }
        Behaviour::Hang => {
            // Until whoever asks gives up.
            stream.read(&mut part).map(drop)
        }
        Behaviour::Trickle => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")?;
            while !stop.load(Ordering::SeqCst) {
                stream.write_all(b" ")?;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        }
    }
}

/// A service under test, which stops when it is dropped.
pub struct Service {
    pub address: SocketAddr,
    /// What it has told people.
    pub told: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    refresher: Option<Refresher>,
}

/// How a service under test differs from the usual.
#[derive(Clone)]
pub struct Setting {
    pub prometheus: SocketAddr,
    pub listen: SocketAddr,
    pub plan: Plan,
    pub granularity: Granularity,
    pub stale_after_s: f64,
    pub max_connections: usize,
}

impl Setting {
    pub fn new(prometheus: SocketAddr) -> Self {
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let granularity = Granularity::Tier;
        Self { prometheus, listen, plan: plan(), granularity, stale_after_s: 30.0, max_connections: 64 }
    }
}

impl Service {
    pub fn start(setting: Setting) -> Self {
        let plan = Arc::new(setting.plan);
        let listing = Listing::new(links(LINKS).expect("a table"), &plan).expect("links of the plan");
        let patience = Patience { timeout: Duration::from_millis(400), max_bytes: 100_000 };
        let base = Base::parse(&format!("http://{}", setting.prometheus)).expect("an address");
        let fetcher = Fetcher::new(base, patience, Some("Bearer secret")).expect("a header");
        let (granularity, counts_in_flight) = (setting.granularity, true);
        let figures = Figures::unknown(plan.known_by(), granularity, counts_in_flight);
        let board = Arc::new(Board::new(Arc::clone(&plan), figures));
        let Setting { listen, stale_after_s, max_connections, .. } = setting;
        let serving = Serving { listen, stale_after_s, max_connections };
        let server = Server::listen(serving, Arc::clone(&board)).expect("a port");
        let asking = Asking { query: "rates".to_owned(), stamps: Some("stamps".to_owned()) };
        let every = Duration::from_millis(50);
        let refreshing = Refreshing { fetcher, asking, listing, every, granularity, counts_in_flight };
        let told = Arc::new(Mutex::new(Vec::new()));
        let words = Arc::clone(&told);
        let say = move |said: &str| words.lock().expect("whole").push(said.to_owned());
        let refresher = Refresher::start(refreshing, board, server.meters(), say).expect("a thread");
        let (address, stop) = (server.address(), Arc::new(AtomicBool::new(false)));
        let seen = Arc::clone(&stop);
        let thread = thread::spawn(move || server.run(&seen).expect("it serves"));
        Self { address, told, stop, thread: Some(thread), refresher: Some(refresher) }
    }

    /// Status and body of an answer.
    pub fn get(&self, path: &str) -> (u16, String) {
        let answer = send(self.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {path}: {answer:?}"));
        (head[9..12].parse().expect("a status"), body.to_owned())
    }

    pub fn json(&self, path: &str) -> serde_json::Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }

    /// The congestion, once it is as wanted.
    #[track_caller]
    pub fn wait(&self, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        for _ in 0..400 {
            let said = self.json("/v1/congestion");
            if is_so(&said) {
                return said;
            }
            thread::sleep(Duration::from_millis(25));
        }
        panic!("not within ten seconds: {what}; {}", self.json("/v1/congestion"));
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.refresher = None;
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server ends");
        }
    }
}

/// All that comes back for these bytes until the other side closes.
pub fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The congestion of a tier.
pub fn congestion(said: &serde_json::Value, tier: usize) -> Option<f64> {
    said["tiers"][tier]["congestion"].as_f64()
}
