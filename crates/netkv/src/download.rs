//! A file from the network: whole and with the right checksum, or not at all.
//!
//! What has arrived stays in a file beside the target, `NAME.part`, so that a try after a broken one, or tomorrow's, goes
//! on where it ended. A file whose checksum is wrong is thrown away.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::http::Response;
use ureq::{Agent, Body, Proxy};

/// Bytes that are read at once.
const CHUNK: usize = 1 << 16;

/// The largest file that is fetched where its size is not known, in bytes. Chosen by us: no trace is as large.
const MAX_BYTES: u64 = 16 << 30;

/// What is to be fetched.
pub struct Wanted<'a> {
    /// From where.
    pub url: &'a str,
    /// To where.
    pub path: &'a Path,
    /// Its SHA-256, if it is known.
    pub sha256: Option<&'a str>,
    /// Its size, if it is known.
    pub bytes: Option<u64>,
}

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Tries in all.
    pub attempts: u32,
    /// How long a connection may take, or say nothing. A thirtieth of it is waited after the first failed try, twice as
    /// long after each further one.
    pub timeout: Duration,
}

/// Why there is no file.
#[derive(Debug)]
pub enum Trouble {
    /// To try again may help.
    Passing(String),
    /// To try again is useless.
    Lasting(String),
    /// The machine's.
    Local(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

/// Fetches a file; its SHA-256. `progress` is told how many bytes are there, and of how many if that is known.
pub fn fetch(
    wanted: &Wanted<'_>,
    patience: Patience,
    tell: &dyn Fn(&str),
    progress: &dyn Fn(u64, Option<u64>),
) -> Result<String, Trouble> {
    let agent = agent(wanted.url, patience);
    let mut part = Part::open(wanted)?;
    let mut attempt = 1;
    loop {
        match part.go_on(&agent, wanted, progress) {
            Ok(()) => {}
            Err(Trouble::Passing(problem)) if attempt < patience.attempts => {
                tell(&format!("{problem}; trying again ({attempt} of {})", patience.attempts - 1));
                std::thread::sleep(patience.timeout / 30 * (1 << (attempt - 1).min(10)));
                attempt += 1;
                continue;
            }
            Err(trouble) => return Err(trouble),
        }
        match part.finish(wanted)? {
            Ok(sha256) => return Ok(sha256),
            // What an earlier run left may be to blame.
            Err(problem) if part.was_there => {
                tell(&format!("{problem}; starting anew"));
                part.restart()?;
            }
            Err(problem) => {
                fs::remove_file(&part.path)?;
                return Err(Trouble::Lasting(problem));
            }
        }
    }
}

fn agent(url: &str, patience: Patience) -> Agent {
    // The environment's: ALL_PROXY, HTTPS_PROXY, HTTP_PROXY and NO_PROXY. What is on this machine is asked without.
    let is_here = ["http://127.0.0.1", "http://localhost"].iter().any(|here| url.starts_with(here));
    let proxy = if is_here { None } else { Proxy::try_from_env() };
    Agent::config_builder()
        .proxy(proxy)
        .timeout_connect(Some(patience.timeout))
        .timeout_recv_response(Some(patience.timeout))
        .timeout_per_read(Some(patience.timeout))
        .http_status_as_error(false)
        .user_agent(concat!("netkv/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// What has arrived.
struct Part {
    path: PathBuf,
    file: File,
    n_bytes: u64,
    /// Digest of it.
    hasher: Sha256,
    /// Whether some of it is an earlier run's.
    was_there: bool,
}

impl Part {
    fn open(wanted: &Wanted<'_>) -> Result<Self, Trouble> {
        let mut name = wanted.path.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        let mut n_bytes = 0;
        loop {
            let n = file.read(&mut chunk)?;
            if n == 0 {
                break;
            }
            hasher.update(&chunk[..n]);
            n_bytes += n as u64;
        }
        Ok(Self { path, file, n_bytes, hasher, was_there: n_bytes > 0 })
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        (self.n_bytes, self.hasher, self.was_there) = (0, Sha256::new(), false);
        Ok(())
    }

    /// Asks for what is missing, and appends it.
    fn go_on(
        &mut self,
        agent: &Agent,
        wanted: &Wanted<'_>,
        progress: &dyn Fn(u64, Option<u64>),
    ) -> Result<(), Trouble> {
        if wanted.bytes.is_some_and(|bytes| bytes == self.n_bytes) {
            return Ok(());
        }
        let mut request = agent.get(wanted.url).header("Accept-Encoding", "identity");
        if self.n_bytes > 0 {
            request = request.header("Range", format!("bytes={}-", self.n_bytes));
        }
        let passing = |error: &dyn std::fmt::Display| Trouble::Passing(format!("{}: {error}", wanted.url));
        let mut response = request.call().map_err(|error| passing(&error))?;
        let total = self.answer(&response, wanted)?;
        let most = wanted.bytes.unwrap_or(MAX_BYTES);
        let mut body = response.body_mut().with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let n = body.read(&mut chunk).map_err(|error| passing(&error))?;
            if n == 0 {
                break;
            }
            self.file.write_all(&chunk[..n])?;
            self.hasher.update(&chunk[..n]);
            self.n_bytes += n as u64;
            progress(self.n_bytes, total);
            if self.n_bytes > most {
                self.restart()?;
                return Err(Trouble::Lasting(format!("{}: more than {most} bytes came", wanted.url)));
            }
        }
        match total {
            Some(total) if self.n_bytes < total => {
                let problem = format!("{}: the connection ended after {} of {total} bytes", wanted.url, self.n_bytes);
                Err(Trouble::Passing(problem))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Makes ready for the body of an answer; how long the whole file will be, if the server says so.
    fn answer(&mut self, response: &Response<Body>, wanted: &Wanted<'_>) -> Result<Option<u64>, Trouble> {
        let url = wanted.url;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let length = header("content-length").and_then(|text| text.parse::<u64>().ok());
        let total = match response.status().as_u16() {
            206 => {
                let range = header("content-range").and_then(content_range);
                let Some((_, total)) = range.filter(|(first, _)| *first == self.n_bytes) else {
                    self.restart()?;
                    return Err(Trouble::Passing(format!("{url}: the server sent another part than was asked for")));
                };
                total
            }
            200 => {
                self.restart()?;
                length
            }
            416 => {
                self.restart()?;
                return Err(Trouble::Passing(format!("{url}: the server has less than is here already")));
            }
            408 | 429 | 500.. => return Err(Trouble::Passing(format!("{url}: the server said {}", response.status()))),
            _ => return Err(Trouble::Lasting(format!("{url}: the server said {}", response.status()))),
        };
        match (total, wanted.bytes) {
            (Some(total), Some(bytes)) if total != bytes => {
                let problem = format!("{url}: the server says {total} bytes, and the file has {bytes}");
                Err(Trouble::Lasting(problem))
            }
            (total, bytes) => Ok(total.or(bytes)),
        }
    }

    /// Puts the file in its place if it is the right one; its SHA-256, or what is wrong with it.
    fn finish(&mut self, wanted: &Wanted<'_>) -> Result<Result<String, String>, Trouble> {
        let digest = self.hasher.clone().finalize();
        let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some(expected) = wanted.sha256
            && expected != sha256
        {
            return Ok(Err(format!("{}: the checksum is {sha256}, not {expected}; nothing is kept", wanted.url)));
        }
        self.file.sync_all()?;
        fs::rename(&self.path, wanted.path)?;
        if let Some(folder) = wanted.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        Ok(Ok(sha256))
    }
}

/// First byte and whole length of "bytes 5-9/10" or "bytes 5-9/*".
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.parse().ok()?, total.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::sha256_hex;
    use std::cell::RefCell;
    use std::io::{BufRead as _, BufReader};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;
    use std::thread;
    use tempfile::TempDir;

    /// What a server does with one connection, given the request's head.
    type Act = fn(&mut TcpStream, &str);

    /// A server that does each of these in turn, and then is gone. Its address, and the heads that it was sent.
    fn server(acts: Vec<Act>) -> (String, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = format!("http://{}/a/trace.csv", listener.local_addr().expect("it has an address"));
        let (heads, received) = mpsc::channel();
        thread::spawn(move || {
            for act in acts {
                let (mut stream, _) = listener.accept().expect("a client");
                let reader = BufReader::new(stream.try_clone().expect("a second handle"));
                let lines = reader.lines().map_while(Result::ok).take_while(|line| !line.is_empty());
                let head: String = lines.map(|line| line + "\n").collect();
                act(&mut stream, &head);
                // Nobody may be listening any more.
                let _ = heads.send(head);
            }
        });
        (address, received)
    }

    const FILE: &[u8] = b"prompt_size,token_size\n100,20\n200,30\n";

    fn say(stream: &mut TcpStream, head: &str, body: &[u8]) {
        let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).expect("the client listens");
    }

    fn whole(stream: &mut TcpStream, _: &str) {
        say(stream, &format!("200 OK\r\nContent-Length: {}", FILE.len()), FILE);
    }

    /// Says that it sends all, and closes after ten bytes.
    fn truncated(stream: &mut TcpStream, _: &str) {
        say(stream, &format!("200 OK\r\nContent-Length: {}", FILE.len()), &FILE[..10]);
    }

    fn rest(stream: &mut TcpStream, head: &str) {
        let range = head.lines().find_map(|line| line.to_lowercase().strip_prefix("range: bytes=").map(str::to_owned));
        let first: usize =
            range.and_then(|range| range.trim_end_matches('-').parse().ok()).expect("a range is asked for");
        let (last, all) = (FILE.len() - 1, FILE.len());
        let range = format!("Content-Range: bytes {first}-{last}/{all}\r\nContent-Length: {}", all - first);
        say(stream, &format!("206 Partial Content\r\n{range}"), &FILE[first..]);
    }

    fn unavailable(stream: &mut TcpStream, _: &str) {
        say(stream, "503 Service Unavailable\r\nContent-Length: 0", b"");
    }

    /// Says nothing until the client is gone.
    fn stalled(stream: &mut TcpStream, _: &str) {
        let _ = stream.read(&mut [0]);
    }

    fn stalled_in_the_body(stream: &mut TcpStream, head: &str) {
        truncated(stream, head);
        stalled(stream, head);
    }

    fn redirected(stream: &mut TcpStream, _: &str) {
        say(stream, "302 Found\r\nLocation: /b/trace.csv\r\nContent-Length: 0", b"");
    }

    fn too_short_a_length(stream: &mut TcpStream, _: &str) {
        say(stream, "200 OK\r\nContent-Length: 10", FILE);
    }

    fn missing(stream: &mut TcpStream, _: &str) {
        say(stream, "404 Not Found\r\nContent-Length: 0", b"");
    }

    /// Fetches from a server with these manners, into a folder that has this part of the file already.
    struct Fetched {
        folder: TempDir,
        result: Result<String, Trouble>,
        heads: mpsc::Receiver<String>,
        told: String,
    }

    fn fetched(acts: Vec<Act>, part: &[u8], bytes: Option<u64>) -> Fetched {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("trace.csv");
        if !part.is_empty() {
            fs::write(folder.path().join("trace.csv.part"), part).expect("the part is written");
        }
        let (url, heads) = server(acts);
        let sha256 = sha256_hex(FILE);
        let wanted = Wanted { url: &url, path: &path, sha256: Some(&sha256), bytes };
        let patience = Patience { attempts: 3, timeout: Duration::from_millis(300) };
        let told = RefCell::new(String::new());
        let result = fetch(&wanted, patience, &|message| *told.borrow_mut() += message, &|_, _| {});
        Fetched { folder, result, heads, told: told.into_inner() }
    }

    impl Fetched {
        #[track_caller]
        fn is_whole(&self) {
            assert!(self.result.is_ok(), "{:?} {}", self.result, self.told);
            assert_eq!(fs::read(self.folder.path().join("trace.csv")).expect("it is there"), FILE);
            assert_eq!(fs::read_dir(self.folder.path()).expect("the folder").count(), 1, "nothing else is left");
        }

        #[track_caller]
        fn fails(&self, is_passing: bool, with: &str, part: Option<&[u8]>) {
            let problem = match &self.result {
                Err(Trouble::Passing(problem)) if is_passing => problem,
                Err(Trouble::Lasting(problem)) if !is_passing => problem,
                other => panic!("{other:?}"),
            };
            assert!(problem.contains(with), "{problem}");
            assert!(!self.folder.path().join("trace.csv").exists(), "there is no file that is not right");
            assert_eq!(fs::read(self.folder.path().join("trace.csv.part")).ok().as_deref(), part);
        }
    }

    #[test]
    fn a_file_is_fetched_at_once_or_after_a_redirection() {
        fetched(vec![whole], b"", None).is_whole();
        let redirected = fetched(vec![redirected, whole], b"", Some(FILE.len() as u64));
        redirected.is_whole();
        assert!(redirected.heads.iter().nth(1).is_some_and(|head| head.starts_with("GET /b/trace.csv")));
    }

    #[test]
    fn what_broke_off_goes_on_where_it_ended() {
        let broken = fetched(vec![truncated, unavailable, rest], b"", None);
        broken.is_whole();
        let heads: Vec<String> = broken.heads.iter().collect();
        assert!(!heads[0].to_lowercase().contains("range:") && heads[2].to_lowercase().contains("range: bytes=10-"));
        assert!(broken.told.contains("trying again (1 of 2)") && broken.told.contains("503"), "{}", broken.told);
        fetched(vec![stalled, stalled_in_the_body, rest], b"", None).is_whole();
        // From an earlier call; and from a server that knows no ranges.
        fetched(vec![rest], &FILE[..20], None).is_whole();
        fetched(vec![whole], &FILE[..20], None).is_whole();
    }

    #[test]
    fn a_server_that_never_has_all_of_it_is_given_up_and_what_came_is_kept() {
        let broken = fetched(vec![truncated, truncated, truncated], b"", None);
        broken.fails(true, "", Some(&FILE[..10]));
        fetched(vec![stalled, stalled, stalled], b"", None).fails(true, "", Some(b""));
    }

    #[test]
    fn a_wrong_checksum_keeps_nothing() {
        fetched(vec![too_short_a_length], b"", None).fails(false, "nothing is kept", None);
        // What an earlier call left is tried without before that.
        let spoilt = fetched(vec![rest, whole], b"something else here!", None);
        spoilt.is_whole();
        assert!(spoilt.told.contains("starting anew"));
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        fetched(vec![missing], b"", None).fails(false, "404", Some(b""));
        fetched(vec![whole], b"", Some(99)).fails(false, "the server says 37 bytes, and the file has 99", Some(b""));
        fetched(vec![too_short_a_length], b"", Some(37)).fails(false, "says 10 bytes", Some(b""));
    }
}
