//! The client that a router embeds: it asks the service in a thread of its own, and answers from the last figures that came.

use crate::clock::Moment;
use crate::fetch::{Fetcher, Patience};
use crate::figures::Figures;
use crate::plan::Plan;
use crate::url::Base;
use crate::view::View;
use netkv_policy::{CostOracle, PathCost};
use netkv_units::{InstanceId, Tier};
use serde::Deserialize;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How the service is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveOptions {
    /// How often. The paper's oracle is refreshed once a second.
    pub every: Duration,
    /// An answer comes within this time, or is given up.
    pub timeout: Duration,
    /// Largest answer, in bytes.
    pub max_bytes: u64,
}

impl LiveOptions {
    /// Once a second, and given up after two; 64 MiB.
    pub const DEFAULT: Self =
        Self { every: Duration::from_secs(1), timeout: Duration::from_secs(2), max_bytes: 64 << 20 };
}

/// Why there is no oracle, or none that is up to date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError {
    /// The address makes no sense.
    #[error("{0}: {1}")]
    Address(String, String),
    /// The service cannot be asked, or answers with an error.
    #[error("{0}")]
    Away(String),
    /// What it answers is not understood.
    #[error("{0} is no netkv oracle of this version: {1}")]
    Answer(String, String),
    /// The system refuses a thread.
    #[error("no thread to ask the oracle in: {0}")]
    Thread(String),
}

/// How the client stands.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveStatus {
    /// Age of the oldest tier's congestion, in seconds; none if one is not known.
    pub age_s: Option<f64>,
    /// Answers that came.
    pub polls: u64,
    /// Questions without one.
    pub failures: u64,
    /// Why the last question had none, if so.
    pub error: Option<LiveError>,
}

/// A network cost oracle that lives elsewhere. Asking it never waits for a network: [`CostOracle::path`] answers from the last
/// figures, and says how old they are. An instance that the service does not know is as far as can be.
///
/// For several ways in one decision, [`LiveOracle::view`] is quicker, and all of one reading.
#[derive(Debug)]
pub struct LiveOracle {
    known: Arc<Mutex<Known>>,
    /// Ends the thread when it goes.
    _alive: Sender<()>,
}

#[derive(Debug)]
struct Known {
    plan: Arc<Plan>,
    figures: Arc<Figures>,
    /// When the figures were asked for, and how old the reading was then, in seconds; none before the first reading.
    asked: Moment,
    read_age_s: Option<f64>,
    polls: u64,
    failures: u64,
    error: Option<LiveError>,
}

#[derive(Deserialize)]
struct PlanAnswer {
    known_by: String,
    plan: Plan,
}

/// What is said of congestion; of what is told beside the figures, the age of the reading counts here.
#[derive(Deserialize)]
struct CongestionAnswer {
    read_age_s: Option<f64>,
    #[serde(flatten)]
    figures: FiguresAnswer,
}

#[derive(Deserialize)]
struct FiguresAnswer {
    plan: String,
    granularity: crate::figures::Granularity,
    counts_in_flight: bool,
    tiers: [crate::figures::Figure; 4],
    racks: Vec<crate::figures::BothWays>,
    pods: Vec<crate::figures::BothWays>,
    links: crate::figures::Heard,
    problems: Vec<String>,
}

impl LiveOracle {
    /// Asks the service at `url` for its plan and first figures, and goes on asking until the oracle is dropped.
    ///
    /// # Errors
    /// If the service cannot be asked now, or is none. Once connected, its absence shows in [`LiveOracle::status`] and in the
    /// age of paths alone.
    pub fn connect(url: &str, options: LiveOptions) -> Result<Self, LiveError> {
        let base = Base::parse(url).map_err(|why| LiveError::Address(url.to_owned(), why))?;
        let patience = Patience { timeout: options.timeout, max_bytes: options.max_bytes };
        let fetcher = Fetcher::new(base, patience, None).map_err(LiveError::Away)?;
        let known = Arc::new(Mutex::new(first(&fetcher)?));
        let (alive, ended) = mpsc::channel();
        let shared = Arc::clone(&known);
        let work = move || {
            while matches!(ended.recv_timeout(options.every), Err(RecvTimeoutError::Timeout)) {
                poll(&fetcher, &shared);
            }
        };
        let thread = thread::Builder::new().name("live-oracle".to_owned()).spawn(work);
        thread.map_err(|error| LiveError::Thread(error.to_string()))?;
        Ok(Self { known, _alive: alive })
    }

    /// What the oracle tells at this moment: for one decision.
    pub fn view(&self) -> View {
        let known = lock(&self.known);
        let read_age_s = known.read_age_s.map(|age_s| age_s + known.asked.elapsed_s());
        View::new(Arc::clone(&known.plan), Arc::clone(&known.figures), read_age_s)
    }

    /// How it stands.
    pub fn status(&self) -> LiveStatus {
        let age_s = self.view().age_s();
        let known = lock(&self.known);
        LiveStatus { age_s, polls: known.polls, failures: known.failures, error: known.error.clone() }
    }
}

impl CostOracle for LiveOracle {
    fn path(&self, source: InstanceId, destination: InstanceId) -> PathCost {
        self.view().path(source, destination)
    }

    fn leaving(&self, group: Tier) -> f64 {
        self.view().leaving(group)
    }

    fn leaving_from(&self, instance: InstanceId, group: Tier) -> f64 {
        self.view().leaving_from(instance, group)
    }

    fn share_interfaces(&self, one: InstanceId, other: InstanceId) -> bool {
        self.view().share_interfaces(one, other)
    }

    fn alone(&self, over: Tier) -> f64 {
        self.view().alone(over)
    }

    fn tier(&self, one: InstanceId, other: InstanceId) -> Tier {
        self.view().tier(one, other)
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    // What is held is whole whenever the lock is free.
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn first(fetcher: &Fetcher) -> Result<Known, LiveError> {
    let (known_by, plan) = ask_plan(fetcher)?;
    let (asked, read_age_s, figures) = ask_figures(fetcher)?;
    if figures.plan != known_by {
        return Err(LiveError::Away(format!("{} changed its plan while it was asked: ask again", fetcher.base())));
    }
    let (plan, figures) = (Arc::new(plan), Arc::new(figures));
    Ok(Known { plan, figures, asked, read_age_s, polls: 1, failures: 0, error: None })
}

/// Asks once more; a service with another plan is asked for that too.
fn poll(fetcher: &Fetcher, known: &Mutex<Known>) {
    let result = ask_figures(fetcher).and_then(|(asked, read_age_s, figures)| {
        let is_same = lock(known).figures.plan == figures.plan;
        let plan = if is_same { None } else { Some(ask_plan(fetcher)?) };
        if plan.as_ref().is_some_and(|(known_by, _)| *known_by != figures.plan) {
            return Err(LiveError::Away(format!("{} changed its plan while it was asked", fetcher.base())));
        }
        Ok((asked, read_age_s, figures, plan))
    });
    let mut known = lock(known);
    match result {
        Ok((asked, read_age_s, figures, plan)) => {
            if let Some((_, plan)) = plan {
                known.plan = Arc::new(plan);
            }
            (known.asked, known.read_age_s, known.figures) = (asked, read_age_s, Arc::new(figures));
            known.polls += 1;
            known.error = None;
        }
        Err(error) => {
            known.failures += 1;
            known.error = Some(error);
        }
    }
}

fn ask_plan(fetcher: &Fetcher) -> Result<(String, Plan), LiveError> {
    let wrong = |why: String| LiveError::Answer(fetcher.base().to_string(), why);
    let bytes = fetcher.get("/v1/plan", &[]).map_err(LiveError::Away)?;
    let PlanAnswer { known_by, plan } = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    plan.check().map_err(wrong)?;
    Ok((known_by, plan))
}

fn ask_figures(fetcher: &Fetcher) -> Result<(Moment, Option<f64>, Figures), LiveError> {
    let wrong = |why: String| LiveError::Answer(fetcher.base().to_string(), why);
    // Before it is sent: figures are never older than is said.
    let asked = Moment::now();
    let bytes = fetcher.get("/v1/congestion", &[]).map_err(LiveError::Away)?;
    let answer: CongestionAnswer = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    let FiguresAnswer { plan, granularity, counts_in_flight, tiers, racks, pods, links, problems } = answer.figures;
    let figures = Figures { plan, granularity, counts_in_flight, tiers, racks, pods, links, problems };
    figures.check().map_err(wrong)?;
    if answer.read_age_s.is_some_and(|age_s| !(0.0..1e9).contains(&age_s)) {
        return Err(wrong(format!("a reading that is {:?} s old", answer.read_age_s)));
    }
    Ok((asked, answer.read_age_s, figures))
}
