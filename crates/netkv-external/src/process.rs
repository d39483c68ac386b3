//! A router's process: started without a shell, spoken to through pipes, never waited for longer than its patience, and
//! killed with all that it started when this side is done with it, whatever the reason.
//!
//! All three pipes are read and written by `poll`, so that neither a router that reads nothing nor one that writes without
//! end can hold a cell up. What it writes to its standard error is kept for its last words.

use crate::deadline::Deadline;
use crate::fault::{Fault, LastWords, shown};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process_group, waitid};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// Times that its standard error is read in one turn: one that writes without end is not listened to for ever.
const CHUNKS: usize = 16;

/// Bytes that wait for a router before they are pressed upon it.
const HELD: usize = 1 << 16;

/// How long the end of a process that closed its output is waited for.
const FAREWELL: Duration = Duration::from_millis(500);

/// A process that decides.
#[derive(Debug)]
pub(crate) struct Process {
    /// How it is called in what is told of it.
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    stderr: Option<ChildStderr>,
    /// What it has not been given yet; what it wrote and was not taken.
    outbox: Vec<u8>,
    inbox: Vec<u8>,
    last_words: LastWords,
    /// How long one answer may take.
    patience: Duration,
}

impl Process {
    /// Starts `argv`, the program first; nothing in it is interpreted. `environment` is added where the variable is not
    /// set.
    pub(crate) fn start(
        name: &str,
        argv: &[String],
        environment: &[(&str, &str)],
        patience: Duration,
    ) -> Result<Self, Fault> {
        let [program, arguments @ ..] = argv else { return Err(Fault::new("policy.external.command is empty")) };
        let mut command = Command::new(program);
        command.args(arguments).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (variable, value) in environment.iter().filter(|(variable, _)| std::env::var_os(variable).is_none()) {
            command.env(variable, value);
        }
        let cannot = |error: io::Error| Fault::new(format!("the router cannot be started: {name}: {error}"));
        let mut child = command.spawn().map_err(cannot)?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            unreachable!("all three were asked for")
        };
        let process = Self {
            name: name.to_owned(),
            child,
            stdin: Some(stdin),
            stdout,
            stderr: Some(stderr),
            outbox: Vec::new(),
            inbox: Vec::new(),
            last_words: LastWords::default(),
            patience,
        };
        process.never_wait().map_err(|error| cannot(error.into()))?;
        Ok(process)
    }

    fn never_wait(&self) -> Result<(), Errno> {
        if let Some(stdin) = &self.stdin {
            ioctl_fionbio(stdin, true)?;
        }
        if let Some(stderr) = &self.stderr {
            ioctl_fionbio(stderr, true)?;
        }
        ioctl_fionbio(&self.stdout, true)
    }

    /// Its process id.
    #[cfg(test)]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Gives it something to read, at the latest with the next question.
    pub(crate) fn tell(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.outbox.extend_from_slice(bytes);
        if self.outbox.len() <= HELD { Ok(()) } else { self.flush() }
    }

    /// Gives it all that waits.
    pub(crate) fn flush(&mut self) -> Result<(), Fault> {
        let deadline = Deadline::after(self.patience);
        self.write()?;
        while !self.outbox.is_empty() {
            self.turn(deadline, "does not read what it is told", usize::MAX)?;
        }
        Ok(())
    }

    /// What it answers: the first bytes of its output that `complete` says are a whole answer. One of more than `limit`
    /// bytes is none.
    pub(crate) fn answer(
        &mut self,
        limit: usize,
        mut complete: impl FnMut(&[u8]) -> Result<Option<usize>, Fault>,
    ) -> Result<Vec<u8>, Fault> {
        let deadline = Deadline::after(self.patience);
        self.write()?;
        loop {
            if let Some(length) = complete(&self.inbox)?.filter(|length| *length <= limit) {
                let rest = self.inbox.split_off(length);
                return Ok(std::mem::replace(&mut self.inbox, rest));
            }
            if self.inbox.len() > limit {
                let begins = shown(&self.inbox, 80);
                return Err(self.fault(&format!("answered with more than {limit} bytes, which begin: {begins}")));
            }
            self.turn(deadline, "did not answer", limit)?;
        }
    }

    /// Whether it has said anything that nobody asked for.
    pub(crate) fn unasked(&self) -> &[u8] {
        &self.inbox
    }

    /// One turn: waits until anything can be read or written, and does it.
    fn turn(&mut self, deadline: Deadline, what: &str, limit: usize) -> Result<(), Fault> {
        let Some(left) = deadline.left() else {
            let text = format!("{what} within {} s (policy.external.timeout_s)", self.patience.as_secs_f64());
            return Err(self.fault(&text));
        };
        let left = Timespec::try_from(left).map_err(|_| self.fault("was given a time-out beyond all clocks"))?;
        let mut waiting = vec![PollFd::new(&self.stdout, PollFlags::IN)];
        waiting.extend(self.stderr.as_ref().map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        let writes = self.stdin.as_ref().filter(|_| !self.outbox.is_empty());
        waiting.extend(writes.map(|stdin| PollFd::new(stdin, PollFlags::OUT)));
        match poll(&mut waiting, Some(&left)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(self.fault(&format!("could not be waited for: {error}"))),
        }
        self.hear();
        self.write()?;
        self.read(limit)
    }

    /// Takes what it wrote to its standard error, or as much of it as is good for one turn.
    fn hear(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            let Some(stderr) = &mut self.stderr else { return };
            match stderr.read(&mut chunk) {
                Ok(0) => self.stderr = None,
                Ok(n) => self.last_words.add(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.stderr = None,
            }
        }
    }

    /// Takes what it wrote to its standard output, up to a little more than `limit`.
    fn read(&mut self, limit: usize) -> Result<(), Fault> {
        let mut chunk = [0; CHUNK];
        let before = self.inbox.len();
        while self.inbox.len() <= limit {
            match self.stdout.read(&mut chunk) {
                // What it said last may be the answer.
                Ok(0) if self.inbox.len() > before => return Ok(()),
                Ok(0) => return Err(self.ended()),
                Ok(n) => self.inbox.extend_from_slice(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(self.fault(&format!("could not be read: {error}"))),
            }
        }
        Ok(())
    }

    /// Writes as much as it takes now.
    fn write(&mut self) -> Result<(), Fault> {
        let mut written = 0;
        while let Some(stdin) = self.stdin.as_mut().filter(|_| written < self.outbox.len()) {
            match stdin.write(&self.outbox[written..]) {
                Ok(n) => written += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Err(self.ended()),
                Err(error) => return Err(self.fault(&format!("could not be written to: {error}"))),
            }
        }
        self.outbox.drain(..written);
        Ok(())
    }

    /// It closed one of its pipes: what became of it.
    fn ended(&mut self) -> Fault {
        let status = self.wait(FAREWELL);
        self.hear();
        match status {
            Some(status) => self.fault(&format!("ended {}", how(&status))),
            None => self.fault("closed its input or output and goes on"),
        }
    }

    /// How it ended, if it does so soon. It stays what it was to the system: its process id is nobody else's yet.
    fn wait(&self, patience: Duration) -> Option<WaitIdStatus> {
        let deadline = Deadline::after(patience);
        let looks = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.pid()?), looks) {
                Ok(Some(status)) => return Some(status),
                Ok(None) | Err(Errno::INTR) if deadline.left().is_some() => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }

    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Something that is wrong with it, and its last words.
    pub(crate) fn fault(&mut self, what: &str) -> Fault {
        self.hear();
        Fault::new(format!("the router `{}` {what}; {}", self.name, self.last_words.told()))
    }
}

/// How a process ended, in words.
fn how(status: &WaitIdStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("with exit code {code}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in an unknown way".to_owned(),
    }
}

impl Drop for Process {
    /// Kills it and the group that it leads, by its process id, and waits for it, so that nothing is left of it.
    fn drop(&mut self) {
        self.stdin = None;
        // It was not waited for, so its number is still its own, and that of its group.
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests;
