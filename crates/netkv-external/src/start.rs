//! Starting a router: what stands before its command, and which release it is.

use crate::config::{External, Network, Protocol};
use crate::fault::{Fault, shown};
use crate::gate;
use crate::process::Process;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

/// The port of a server that is alone in its network.
const OWN_PORT: u16 = 8092;

/// Asks Python for the release of Dynamo that is installed, without a word of it being run.
const ASK_RELEASE: &str = "import importlib.metadata as m; print(m.version('ai-dynamo-runtime'))";

/// The longest release that is read, in bytes.
const RELEASE_LIMIT: usize = 256;

/// The module that is Dynamo's selection service.
const SERVICE: &str = "dynamo.select_service";

impl External {
    /// Starts it.
    pub(crate) fn start(&self) -> Result<Process, Fault> {
        let mut argv = behind_gate();
        match self.protocol {
            Protocol::Lines => argv.extend_from_slice(&self.command),
            Protocol::Dynamo(_) => {
                self.check_release()?;
                self.serve(&mut argv)?;
            }
        }
        // Dynamo writes a line for each decision otherwise.
        let quiet: &[(&str, &str)] = match self.protocol {
            Protocol::Lines => &[],
            Protocol::Dynamo(_) => &[("DYN_LOG", "error")],
        };
        Process::start(&self.shown_command(), &argv, quiet, self.timeout)
    }

    /// Its command as a person would write it.
    fn shown_command(&self) -> String {
        shown(self.command.join(" ").as_bytes(), 200).replace('\n', " ")
    }

    /// The rest of the command line of a server, which the gate starts.
    fn serve(&self, argv: &mut Vec<String>) -> Result<(), Fault> {
        let Some(program) = gate::program() else {
            return Err(Fault::new("a router that listens on a port is started by netkv's own program alone"));
        };
        let (network, port) = match self.network {
            Network::Own => ("own", OWN_PORT),
            Network::Host => ("host", free_port()?),
        };
        if self.network == Network::Own {
            // Its process ids are its own too: whatever it starts ends with the gate.
            let root = rustix::process::geteuid().is_root();
            argv.extend(["unshare", "--net", "--pid", "--fork", "--kill-child"].map(str::to_owned));
            argv.extend((!root).then(|| "--map-root-user".to_owned()));
            argv.push("--".to_owned());
        }
        argv.extend([program, gate::COMMAND, "tcp", &port.to_string(), network, "--"].map(str::to_owned));
        argv.extend_from_slice(&self.command);
        argv.extend(["--port".to_owned(), port.to_string()]);
        Ok(())
    }

    /// Whether the release of Dynamo is the one that the experiment names; each command is asked once.
    fn check_release(&self) -> Result<(), Fault> {
        static FOUND: Mutex<BTreeMap<Vec<String>, Result<String, Fault>>> = Mutex::new(BTreeMap::new());
        let found = match FOUND.lock() {
            Ok(mut found) => found.entry(self.command.clone()).or_insert_with(|| self.find_release()).clone()?,
            Err(_) => self.find_release()?,
        };
        if found == self.release {
            return Ok(());
        }
        let (found, wanted) = (shown(found.as_bytes(), 80), &self.release);
        Err(Fault::new(format!(
            "the router `{}` is Dynamo {found}, but policy.external.release says {wanted}: install that, or name the other",
            self.shown_command()
        )))
    }

    fn find_release(&self) -> Result<String, Fault> {
        let module = self.command.windows(2).position(|pair| pair == ["-m", SERVICE]);
        let Some(python) = module.filter(|&end| end > 0).map(|end| &self.command[..end]) else {
            return Err(Fault::new(format!(
                "policy.external.command is `{}`; with protocol \"dynamo\" it is Python, -m and {SERVICE}",
                self.shown_command()
            )));
        };
        let mut argv = behind_gate();
        argv.extend_from_slice(python);
        argv.extend(["-c", ASK_RELEASE].map(str::to_owned));
        let mut process = Process::start(&self.shown_command(), &argv, &[], self.timeout)?;
        let end = |bytes: &[u8]| Ok(bytes.iter().position(|&byte| byte == b'\n'));
        let release = process.answer(RELEASE_LIMIT, end).map_err(|fault| {
            Fault::new(format!(
                "which release of Dynamo it is cannot be found out: {fault}; if it is not installed there, \
                 `pip install ai-dynamo-runtime=={}`",
                self.release
            ))
        })?;
        Ok(String::from_utf8_lossy(&release).trim().to_owned())
    }
}

/// What stands before a command, so that it ends where this process is killed.
fn behind_gate() -> Vec<String> {
    let gate = gate::program().map(|program| [program, gate::COMMAND, "exec", "--"].map(str::to_owned).to_vec());
    gate.unwrap_or_default()
}

/// A port that nobody listens on now.
fn free_port() -> Result<u16, Fault> {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.map(|address| address.port()).map_err(|error| Fault::new(format!("no port is free: {error}")))
}
