//! Progress on standard error: a bar on a terminal, else a plain line every few seconds, or nothing.

use crate::clock::Moment;
use crate::output::{is_diverted, tell};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

/// Seconds between two plain lines. Chosen by us: a log of an hour stays readable.
const PLAIN_INTERVAL_S: f64 = 5.0;

/// Seconds until something is said of a grid that is read. Chosen by us: nobody waits longer without a word.
const READING_INTERVAL_S: f64 = 3.0;

/// Says how far a grid is read, if that takes long.
pub fn tell_reading(n_read: usize, n_points: usize) {
    static LAST: Mutex<Option<Moment>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if n_read < n_points && last.get_or_insert_with(Moment::now).elapsed_s() >= READING_INTERVAL_S {
        *last = Some(Moment::now());
        tell(&format!("read {n_read} of {n_points} points of the grid"));
    }
}

/// How far a run is.
pub struct Progress {
    shown: Shown,
    name: String,
    n_total: usize,
    n_done: usize,
    n_failed: usize,
    start: Moment,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    Plain { last: Moment },
}

impl Progress {
    /// The start of a run of `n_total` cells.
    pub fn new(name: &str, n_total: usize, quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if !is_diverted() && std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(n_total as u64);
            let template = "{prefix} [{bar:40}] {pos}/{len} cells, {elapsed} passed, {eta} to go{msg}";
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            bar.set_style(style.progress_chars("=> "));
            bar.set_prefix(name.to_owned());
            bar.tick();
            Shown::Bar(bar)
        } else {
            Shown::Plain { last: Moment::now() }
        };
        Self { shown, name: name.to_owned(), n_total, n_done: 0, n_failed: 0, start: Moment::now() }
    }

    /// Cells that are on the disk now.
    pub fn add(&mut self, n_done: usize, n_failed: usize) {
        self.n_done += n_done;
        self.n_failed += n_failed;
        let ended = self.n_done + self.n_failed;
        let failed = if self.n_failed == 0 { String::new() } else { format!(" ({} failed)", self.n_failed) };
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_message(failed);
                bar.set_position(ended as u64);
            }
            Shown::Plain { last } => {
                if last.elapsed_s() >= PLAIN_INTERVAL_S {
                    *last = Moment::now();
                    let left_s = self.start.elapsed_s() / ended as f64 * (self.n_total - ended) as f64;
                    tell(&format!("{}: {ended}/{} cells{failed}, about {left_s:.0} s to go", self.name, self.n_total));
                }
            }
        }
    }

    /// Takes a bar away, so that the last line stands alone.
    pub fn finish(&self) {
        match &self.shown {
            Shown::Bar(bar) => bar.finish_and_clear(),
            Shown::Nothing | Shown::Plain { .. } => {}
        }
    }
}
