//! Running cells on all cores. The order in which they end changes nothing: outcomes come back by position.
//!
//! A panic in a cell is a bug of ours; it becomes a failed outcome and the other cells go on. A policy from outside that cannot
//! go on ends its cell likewise, with its own words. So does a cell in which no
//! request counts: it would be a row of nothing that looks like a result. [`failure`] puts the
//! command that shows it again behind its message.

use crate::caught::catch;
use crate::experiment::Cell;
use netkv_sim::{
    METRICS, OutputDigest, RunEnd, RunOutput, Scenario, Tally, Value, metric_index, metrics, run_streamed,
    run_streamed_told,
};
use netkv_units::{Digest, SimTime};
use rayon::iter::{IntoParallelRefIterator, ParallelBridge, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Position in the experiment.
    pub index: usize,
    /// The cell's key.
    pub key: Digest,
    /// What became of it.
    pub status: Status,
}

/// What became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// It ran to its end.
    Done {
        /// Digest of every bit of its output, in hexadecimal.
        digest: String,
        /// Its metrics, in the order of [`netkv_sim::METRICS`].
        metrics: Vec<Value>,
    },
    /// It panicked, measured nothing, or came to a limit.
    Failed {
        /// What the panic said and where; why nothing was measured; or which limit that was.
        message: String,
    },
}

impl Status {
    /// The same, but failed if the run had more events than this.
    pub fn within(self, max_events: Option<u64>) -> Self {
        let Some(max_events) = max_events else { return self };
        let events = metric_index("events").expect("there is such a metric");
        match &self {
            Self::Done { metrics, .. } if matches!(metrics[events], Value::Integer(n) if n > max_events) => {
                Self::Failed { message: too_many_events(max_events) }
            }
            Self::Done { .. } | Self::Failed { .. } => self,
        }
    }
}

/// What the row of a cell says that has more events than it may.
pub fn too_many_events(max_events: u64) -> String {
    format!("it has more than {max_events} events (run.max_events)")
}

/// What a run of a cell gave.
pub struct CellRun {
    /// Digest of every bit of its output.
    pub digest: Digest,
    /// Its metrics, in the order of [`netkv_sim::METRICS`].
    pub metrics: Vec<Value>,
    /// Its whole output, if it was kept.
    pub output: Option<RunOutput>,
}

impl CellRun {
    /// Runs a scenario and keeps none of its requests.
    pub fn streamed(scenario: &Scenario) -> Self {
        let (mut digest, mut tally) = (OutputDigest::default(), Tally::default());
        let end = run_streamed(scenario, &mut |record| {
            digest.add(&record);
            tally.add(&record);
        });
        Self::of_stream(digest, &tally, &end)
    }

    /// The same; `told` hears now and then how many events there were and what time it is in the run, and may end it.
    ///
    /// # Errors
    /// What `told` ended it with.
    pub fn streamed_told<E>(scenario: &Scenario, told: &mut Told<'_, E>) -> Result<Self, E> {
        let (mut digest, mut tally) = (OutputDigest::default(), Tally::default());
        let mut sink = |record| {
            digest.add(&record);
            tally.add(&record);
        };
        let end = run_streamed_told(scenario, &mut sink, told)?;
        Ok(Self::of_stream(digest, &tally, &end))
    }

    /// Runs a scenario and keeps its requests; `told` is as in [`streamed_told`](Self::streamed_told).
    ///
    /// # Errors
    /// What `told` ended it with.
    pub fn whole_told<E>(scenario: &Scenario, told: &mut Told<'_, E>) -> Result<Self, E> {
        let mut requests = Vec::with_capacity(scenario.workload.len());
        let end = run_streamed_told(scenario, &mut |record| requests.push(record), told)?;
        Ok(RunOutput { requests, tbt_histogram: end.tbt_histogram, totals: end.totals }.into())
    }

    fn of_stream(digest: OutputDigest, tally: &Tally, end: &RunEnd) -> Self {
        let metrics = tally.metrics(end);
        Self { digest: digest.finish(&end.tbt_histogram, &end.totals), metrics, output: None }
    }
}

/// Hears how many events of a run there were and what time it is in it, and may end it.
pub type Told<'a, E> = dyn FnMut(u64, SimTime) -> Result<(), E> + 'a;

impl From<RunOutput> for CellRun {
    fn from(output: RunOutput) -> Self {
        Self { digest: output.digest(), metrics: metrics(&output), output: Some(output) }
    }
}

/// Told about each cell as it ends, from the thread that ran it; its output is there if it was kept.
pub type OnDone<'a> = dyn Fn(&Cell, &Outcome, Option<&RunOutput>) + Sync + 'a;

/// Runs cells, in their order, on `jobs` threads; outcomes come back in the same order. `take` is asked before each is
/// begun, from one thread at a time, and leaves out those that it does not take. When `stop` is set, cells that have not
/// started are left out. A runner that gives up on a cell says why.
///
/// # Errors
/// If the system starts no thread; one job needs none.
///
/// # Panics
/// If `on_done` does.
pub fn run_cells(
    cells: &[Cell],
    jobs: NonZeroUsize,
    stop: &AtomicBool,
    take: &(dyn Fn(&Cell) -> bool + Sync),
    runner: impl Fn(&Cell) -> Result<CellRun, String> + Sync,
    on_done: &OnDone<'_>,
) -> io::Result<Vec<Outcome>> {
    let run = |(position, cell): (usize, &Cell)| {
        let (outcome, output) = run_cell(cell, &runner);
        on_done(cell, &outcome, output.as_ref());
        (position, outcome)
    };
    let asked = cells.iter().enumerate().take_while(|_| !stop.load(Ordering::Relaxed));
    let taken = asked.filter(|(_, cell)| take(cell));
    let mut outcomes: Vec<(usize, Outcome)> = if jobs.get() == 1 {
        taken.map(run).collect()
    } else {
        // The bridge hands cells out one by one and in order, so that no thread is left with a block of long ones.
        pool(jobs)?.install(|| taken.par_bridge().map(run).collect())
    };
    outcomes.sort_unstable_by_key(|(position, _)| *position);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

fn pool(jobs: NonZeroUsize) -> io::Result<ThreadPool> {
    let named = ThreadPoolBuilder::new().num_threads(jobs.get()).thread_name(|thread| format!("cell-{thread}"));
    named.build().map_err(io::Error::other)
}

/// What `work` makes of each cell, in their order, on `jobs` threads; cells that have not begun when `stop` is set have
/// nothing.
///
/// # Errors
/// If the system starts no thread; one job needs none.
///
/// # Panics
/// If `work` does.
pub fn for_each_cell<T: Send>(
    cells: &[Cell],
    jobs: NonZeroUsize,
    stop: &AtomicBool,
    work: impl Fn(&Cell) -> T + Sync,
) -> io::Result<Vec<Option<T>>> {
    let done = |cell: &Cell| (!stop.load(Ordering::Relaxed)).then(|| work(cell));
    if jobs.get() == 1 {
        return Ok(cells.iter().map(done).collect());
    }
    Ok(pool(jobs)?.install(|| cells.par_iter().map(done).collect()))
}

/// Starts the threads that grids are read with.
///
/// # Errors
/// If the system starts no thread.
pub fn start_threads() -> io::Result<()> {
    ThreadPoolBuilder::new().build_global().map_err(io::Error::other)
}

/// Runs one cell; a panic of the runner becomes a failed outcome.
fn run_cell(cell: &Cell, runner: &(impl Fn(&Cell) -> Result<CellRun, String> + Sync)) -> (Outcome, Option<RunOutput>) {
    let (status, output) = match catch(|| runner(cell)).flatten() {
        Ok(run) => match measured_nothing(&run.metrics).or_else(|| no_number(&run.metrics)) {
            Some(message) => (Status::Failed { message }, None),
            None => (Status::Done { digest: run.digest.to_string(), metrics: run.metrics }, run.output),
        },
        Err(message) => (Status::Failed { message }, None),
    };
    (Outcome { index: cell.index, key: cell.key, status }, output)
}

/// Why a run whose metrics are these measured nothing, if no request counts in it.
pub fn measured_nothing(metrics: &[Value]) -> Option<String> {
    let value = |name: &str| metrics[metric_index(name).expect("there is such a metric")];
    if value("requests") != Value::Integer(0) {
        return None;
    }
    let lost = |name: &str| match value(name) {
        Value::Integer(n) => n,
        Value::Float(_) | Value::Missing => 0,
    };
    let (rejected, refused) = (lost("rejected_requests"), lost("refused_requests"));
    let why = if refused > 0 || rejected > 0 {
        format!("{rejected} fit no instance and {refused} were refused")
    } else {
        "all that arrived did so within the warm-up (measure.warmup), or none was in the window (workload.window_s)"
            .to_owned()
    };
    Some(format!("no request counts, so nothing was measured: {why}"))
}

/// The first metric that is no number, if there is one: a row must not hold it.
fn no_number(metrics: &[Value]) -> Option<String> {
    let is_number = |value: &Value| match value {
        Value::Integer(number) => i64::try_from(*number).is_ok(),
        Value::Float(number) => number.is_finite(),
        Value::Missing => true,
    };
    let at = metrics.iter().position(|value| !is_number(value))?;
    Some(format!("{} came out as {:?}: a bug of the model", METRICS[at].name, metrics[at]))
}

/// What a failed cell's row says: the message of its panic, then the command that runs it again. `experiment` is what
/// [`Experiment::arguments`](crate::Experiment::arguments) says.
pub fn failure(message: &str, experiment: &str, index: usize) -> String {
    format!("{message}; again: netkv cell {experiment} {index}")
}
