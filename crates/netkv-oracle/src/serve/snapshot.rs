//! What is known at the moment, for all who ask: they never wait for Prometheus.

use crate::clock::Moment;
use crate::figures::Figures;
use crate::plan::Plan;
use crate::view::View;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the last readings told.
#[derive(Clone, Debug)]
pub struct State {
    /// The figures of the last reading that succeeded.
    pub figures: Arc<Figures>,
    /// The same as JSON, without the opening brace: what stands before it depends on the time of a request.
    pub json: Arc<str>,
    /// When that was; none if there was none yet.
    pub read: Option<Moment>,
    /// Why the last reading failed, if it did.
    pub error: Option<Arc<str>>,
}

/// Where the state hangs. Changing it takes as long as changing a pointer.
#[derive(Debug)]
pub struct Board {
    plan: Arc<Plan>,
    state: Mutex<Arc<State>>,
}

impl Board {
    /// A board of a plan, before any reading.
    pub fn new(plan: Arc<Plan>, figures: Figures) -> Self {
        let state = State { json: json(&figures), figures: Arc::new(figures), read: None, error: None };
        Self { plan, state: Mutex::new(Arc::new(state)) }
    }

    /// The plan.
    pub const fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The state.
    pub fn state(&self) -> Arc<State> {
        Arc::clone(&self.lock())
    }

    /// What an oracle tells now.
    pub fn view(&self) -> View {
        let state = self.state();
        View::new(Arc::clone(&self.plan), Arc::clone(&state.figures), state.read.map(|read| read.elapsed_s()))
    }

    /// A reading that was asked for at a moment told this.
    pub fn succeed(&self, read: Moment, figures: Figures) {
        let state = State { json: json(&figures), figures: Arc::new(figures), read: Some(read), error: None };
        *self.lock() = Arc::new(state);
    }

    /// A reading failed: what was told before stays.
    pub fn fail(&self, why: &str) {
        let mut state = self.lock();
        let error = Some(Arc::from(why));
        *state = Arc::new(State { error, ..State::clone(&state) });
    }

    fn lock(&self) -> MutexGuard<'_, Arc<State>> {
        // A panic while it is held would leave the old pointer or the new one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(figures: &Figures) -> Arc<str> {
    let text = serde_json::to_string(figures).expect("figures are JSON");
    Arc::from(text.strip_prefix('{').expect("an object begins with a brace"))
}
