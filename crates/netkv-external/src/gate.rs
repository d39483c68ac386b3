//! The gate: what a router's process runs behind. It is a process of `netkv` itself (`netkv router-gate ...`), so that a router
//! ends even where `netkv` is killed without a word.
//!
//! `exec -- COMMAND...` asks the system to kill this process when the thread that started it ends, and becomes the command.
//!
//! `tcp PORT own|host -- COMMAND...` starts a server that listens on a port, and joins its own standard input and output to a
//! connection to it. With `own` it runs in a network namespace that was just made, where nobody else reaches the server: its
//! loopback interface is brought up first. When its input ends, so does the server.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

/// The hidden command of `netkv` that is the gate.
pub const COMMAND: &str = "router-gate";

/// Bytes passed on at once.
const CHUNK: usize = 1 << 16;

/// How often a server that does not listen yet is tried.
const RETRY: Duration = Duration::from_millis(10);

/// The program that is the gate when it is given [`COMMAND`].
static PROGRAM: OnceLock<String> = OnceLock::new();

/// Says that this very program is the gate when it is given [`COMMAND`]. Without that routers run behind none: they end with
/// what asks them, but not where it is killed.
pub fn offer() {
    if let Some(path) = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned)) {
        let _ = PROGRAM.set(path);
    }
}

/// The program that is the gate, if there is one.
pub(crate) fn program() -> Option<&'static str> {
    PROGRAM.get().map(String::as_str)
}

/// Runs the gate; returns only what went wrong.
pub fn run(arguments: &[OsString]) -> String {
    let words: Vec<&str> = arguments.iter().map(|argument| argument.to_str().unwrap_or("")).collect();
    match words[..] {
        ["exec", "--", _, ..] => become_command(&arguments[2..]),
        ["tcp", port, network @ ("own" | "host"), "--", _, ..] => match port.parse() {
            Ok(port) => serve(port, network == "own", &arguments[4..]),
            Err(_) => format!("`{port}` is no port"),
        },
        _ => "this command is netkv's own: it runs routers (docs/external.md)".to_owned(),
    }
}

/// Becomes the command, and dies with who started it.
fn become_command(argv: &[OsString]) -> String {
    die_with_parent();
    let error = Command::new(&argv[0]).args(&argv[1..]).exec();
    format!("{}: {error}", argv[0].display())
}

#[cfg(target_os = "linux")]
fn die_with_parent() {
    // Where that is refused the router still ends when its input does.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
}

#[cfg(not(target_os = "linux"))]
const fn die_with_parent() {}

/// Starts the server, and passes on what comes.
fn serve(port: u16, in_own_network: bool, argv: &[OsString]) -> String {
    if in_own_network && let Err(why) = loopback_up() {
        return why;
    }
    let own = std::env::current_exe().map_or_else(|_| "netkv".into(), OsString::from);
    let mut command = Command::new(own);
    command.args([COMMAND, "exec", "--"]).args(argv);
    command.stdin(Stdio::null()).stdout(Stdio::from(io::stderr())).stderr(Stdio::inherit());
    let server = match command.spawn() {
        Ok(server) => Arc::new(Mutex::new(server)),
        Err(error) => return format!("{}: {error}", argv[0].display()),
    };
    let why = join(port, &server);
    if let Ok(mut server) = server.lock() {
        let _ = server.kill();
        let _ = server.wait();
    }
    why
}

/// Brings the loopback interface up.
fn loopback_up() -> Result<(), String> {
    let done = Command::new("ip").args(["link", "set", "lo", "up"]).stdout(Stdio::null()).status();
    match done {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`ip link set lo up` failed in the router's network namespace: {status}")),
        Err(error) => Err(format!("`ip link set lo up` could not be run ({error}): install iproute2")),
    }
}

/// Connects, and passes on what comes, until one side ends.
fn join(port: u16, server: &Arc<Mutex<Child>>) -> String {
    let (input, output) = match (duplicate(&io::stdin()), duplicate(&io::stdout())) {
        (Ok(input), Ok(output)) => (input, output),
        (Err(error), _) | (_, Err(error)) => return format!("no standard input and output: {error}"),
    };
    let connection = loop {
        if let Some(ended) = ended(server) {
            return ended;
        }
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(connection) => break connection,
            Err(_) => thread::sleep(RETRY),
        }
    };
    let (Ok(()), Ok(inward)) = (connection.set_nodelay(true), connection.try_clone()) else {
        return "the connection to the server cannot be used".to_owned();
    };
    let asked = thread::Builder::new().spawn(move || {
        let ended = pass(input, &inward);
        let _ = inward.shutdown(Shutdown::Both);
        ended
    });
    let Ok(asked) = asked else { return "no thread for the router's gate".to_owned() };
    let answered = pass(Prompt(&connection), output);
    if asked.is_finished() {
        return String::new();
    }
    thread::sleep(10 * RETRY);
    ended(server).unwrap_or_else(|| match answered {
        Ok(()) => "the server closed the connection".to_owned(),
        Err(error) => format!("the connection to the server broke: {error}"),
    })
}

/// A connection whose reader acknowledges at once what came. A server that writes small answers one after the other holds the
/// second back until the first is acknowledged, which the system puts off for 40 ms.
struct Prompt<'a>(&'a TcpStream);

impl Read for Prompt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        acknowledge(self.0);
        let n = self.0.read(buffer)?;
        acknowledge(self.0);
        Ok(n)
    }
}

#[cfg(target_os = "linux")]
fn acknowledge(connection: &TcpStream) {
    // Where that is refused answers come late, but come.
    let _ = rustix::net::sockopt::set_tcp_quickack(connection, true);
}

#[cfg(not(target_os = "linux"))]
const fn acknowledge(_: &TcpStream) {}

/// How the server ended, if it did.
fn ended(server: &Arc<Mutex<Child>>) -> Option<String> {
    let status = server.lock().ok()?.try_wait().ok()??;
    Some(format!("the server ended ({status})"))
}

fn duplicate(of: &impl AsFd) -> io::Result<File> {
    of.as_fd().try_clone_to_owned().map(File::from)
}

/// Passes on what comes until there is no more.
fn pass(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&chunk[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
