//! Reads Prometheus again and again, in a thread of its own.

use super::links::{Listing, Of, Told};
use super::meters::Meters;
use super::prometheus::{Asking, Reading, read};
use super::snapshot::Board;
use crate::clock::Moment;
use crate::fetch::Fetcher;
use crate::figures::{Figures, Granularity};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What is read, how and how often.
pub struct Refreshing {
    /// Who asks Prometheus.
    pub fetcher: Fetcher,
    /// What.
    pub asking: Asking,
    /// The links that the answers are of.
    pub listing: Listing,
    /// How often.
    pub every: Duration,
    /// How much of the figures a way is told of.
    pub granularity: Granularity,
    /// Whether the router's own transfers are in the counters.
    pub counts_in_flight: bool,
}

/// The thread. Dropping it ends the thread once a reading under way is over, without waiting for it.
pub struct Refresher {
    _alive: Sender<()>,
    _thread: JoinHandle<()>,
}

/// What is remembered from reading to reading.
struct Memory {
    refreshing: Refreshing,
    plan: String,
    /// By link: what was told of it last, and when that was asked for.
    links: Vec<Option<(Moment, Told)>>,
}

impl Refresher {
    /// Begins to read. `tell` hears when readings begin to fail, succeed again, or have other problems than before.
    ///
    /// # Errors
    /// If the system refuses the thread.
    pub fn start(
        refreshing: Refreshing,
        board: Arc<Board>,
        meters: Arc<Meters>,
        tell: impl Fn(&str) + Send + 'static,
    ) -> io::Result<Self> {
        let (alive, ended) = mpsc::channel();
        let every = refreshing.every;
        let plan = board.plan().known_by();
        let links = vec![None; refreshing.listing.len()];
        let mut memory = Memory { refreshing, plan, links };
        let work = move || {
            let mut said: Option<Vec<String>> = None;
            loop {
                let began = Moment::now();
                let state = memory.refresh(&board, &meters);
                let (is_first, changed) = (said.is_none(), said.as_ref() != Some(&state));
                if changed && !(is_first && state.is_empty()) {
                    tell(&words(&state));
                }
                said = Some(state);
                let rest = every.saturating_sub(Duration::from_secs_f64(began.elapsed_s()));
                match ended.recv_timeout(rest) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("refresher".to_owned()).spawn(work)?;
        Ok(Self { _alive: alive, _thread: thread })
    }
}

/// What is to be told of a reading.
fn words(problems: &[String]) -> String {
    if problems.is_empty() { "Prometheus tells of all links".to_owned() } else { problems.join("; ") }
}

impl Memory {
    /// One reading; what is wrong, if anything.
    fn refresh(&mut self, board: &Board, meters: &Meters) -> Vec<String> {
        let began = Moment::now();
        let result = read(&self.refreshing.fetcher, &self.refreshing.asking, &self.refreshing.listing);
        meters.refreshed(result.is_ok(), began.elapsed_s());
        match result {
            Ok(reading) => {
                let figures = self.take(&reading);
                let problems = figures.problems.clone();
                board.succeed(reading.asked, figures);
                problems
            }
            Err(why) => {
                board.fail(&why);
                vec![why]
            }
        }
    }

    /// The figures after a reading: links that it does not tell of stay as they were, and get older.
    fn take(&mut self, reading: &Reading) -> Figures {
        for (link, told) in self.links.iter_mut().zip(&reading.told) {
            if let Some(told) = told {
                *link = Some((reading.asked, *told));
            }
        }
        let aged = |link: &Option<(Moment, Told)>| {
            link.map(|(asked, told)| Told { lag_s: told.lag_s + reading.asked.since_s(&asked), ..told })
        };
        let known: Vec<Option<Told>> = self.links.iter().map(aged).collect();
        let Refreshing { granularity, counts_in_flight, ref listing, .. } = self.refreshing;
        let of = Of { plan: &self.plan, granularity, counts_in_flight };
        listing.figures(of, &known, reading.heard, &reading.problems)
    }
}
