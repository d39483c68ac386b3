//! The router as a policy: asked for every decision, told of every event, with a second copy of it beside the first that is
//! asked the same as long as it answers the same.

use crate::config::{External, Protocol};
use crate::dynamo::Dynamo;
use crate::fault::Fault;
use crate::lines::Lines;
use crate::question::{Event, Question, Router};
use netkv_policy::{Candidate, CostOracle, Policy, PolicyFault, Repetition, RequestEvent, RequestView, TransferEvent};

/// A router, started with the first question.
pub(crate) struct Asked {
    external: External,
    seed: u64,
    n_asked: u64,
    router: Option<Box<dyn Router>>,
    twin: Twin,
}

/// The second copy.
enum Twin {
    /// It has answered the same so far.
    Agrees(Option<Box<dyn Router>>),
    /// It answered this question otherwise, and was let go.
    Differed(u64),
}

impl Asked {
    /// One that is not started yet.
    pub(crate) fn new(external: External, seed: u64) -> Self {
        Self { external, seed, n_asked: 0, router: None, twin: Twin::Agrees(None) }
    }

    fn decide(
        &mut self,
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> Result<usize, Fault> {
        self.n_asked += 1;
        let question = Question { number: self.n_asked, request, candidates, oracle };
        if self.router.is_none() {
            self.router = Some(start(&self.external, self.seed)?);
            self.twin = Twin::Agrees(Some(start(&self.external, self.seed)?));
        }
        let Some(router) = &mut self.router else { unreachable!("it was started") };
        router.ask(&question)?;
        let Twin::Agrees(Some(twin)) = &mut self.twin else { return router.answer(&question) };
        twin.ask(&question)?;
        let (chosen, again) = (router.answer(&question)?, twin.answer(&question)?);
        if chosen != again {
            self.twin = Twin::Differed(self.n_asked);
        }
        Ok(chosen)
    }

    fn heed(&mut self, event: Event<'_>) {
        let twin = match &mut self.twin {
            Twin::Agrees(twin) => twin.as_mut(),
            Twin::Differed(_) => None,
        };
        for router in self.router.iter_mut().chain(twin) {
            router.heed(event).unwrap_or_else(|fault| raise(&fault));
        }
    }
}

/// Starts a router.
pub(crate) fn start(external: &External, seed: u64) -> Result<Box<dyn Router>, Fault> {
    Ok(match external.protocol {
        Protocol::Lines => Box::new(Lines::new(external.start()?, seed, &external.release)),
        Protocol::Dynamo(options) => Box::new(Dynamo::new(external.start()?, options, external.timeout)),
    })
}

/// Ends the run with a fault.
pub(crate) fn raise(fault: &Fault) -> ! {
    PolicyFault::raise(format!("policy external: {fault}"))
}

impl Policy for Asked {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.decide(request, candidates, oracle).unwrap_or_else(|fault| raise(&fault))
    }

    fn observe(&mut self, event: &TransferEvent) {
        self.heed(Event::Transfer(event));
    }

    fn follow(&mut self, event: &RequestEvent) {
        self.heed(Event::Request(event));
    }

    fn repetition(&self) -> Option<Repetition> {
        let agreed = match self.twin {
            Twin::Agrees(_) => self.n_asked,
            Twin::Differed(number) => number - 1,
        };
        Some(Repetition { asked: self.n_asked, agreed })
    }
}
