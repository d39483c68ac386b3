//! A script that decides.

use crate::code::Code;
use crate::language::float;
use crate::signals::{Decode, Prefill, Prompt, Step, Transfer};
use netkv_policy::{
    Breaker, Candidate, CostOracle, Policy, PolicyFault, PrefillCandidate, PromptView, Rating, RequestEvent,
    RequestView, StagedPolicy, Term, TransferEvent,
};
use rhai::{Array, CallFnOptions, Dynamic, EvalAltResult, FuncArgs, Map, Scope};
use std::sync::Arc;

/// The policy of a script.
pub(crate) struct ScriptPolicy {
    script: Arc<Code>,
    /// What the script keeps between decisions: its `this`.
    state: Dynamic,
    breaker: Breaker,
    observes: bool,
    follows: bool,
}

impl ScriptPolicy {
    /// That of a script, with the draws of `seed` among equals.
    pub(crate) fn new(script: Arc<Code>, seed: u64) -> Self {
        let (observes, follows) = (script.has("observe"), script.has("follow"));
        let breaker = script.config.ties.breaker(seed);
        Self { script, state: Map::new().into(), breaker, observes, follows }
    }

    /// Calls one of its functions.
    fn call(script: &Code, state: &mut Dynamic, function: &str, arguments: impl FuncArgs) -> Dynamic {
        let options = CallFnOptions::new().bind_this_ptr(state);
        let mut scope = Scope::new();
        let result =
            script.engine.call_fn_with_options::<Dynamic>(options, &mut scope, &script.ast, function, arguments);
        result.unwrap_or_else(|error| PolicyFault::raise(told(script, function, error)))
    }

    /// What it says that each of `n` costs; none for one that cannot be taken.
    fn costs(script: &Code, function: &str, answer: Dynamic, n: usize) -> Vec<Option<f64>> {
        let fail = |why: String| -> ! { PolicyFault::raise(format!("{}: fn {function} {why}", script.file)) };
        let type_name = answer.type_name();
        let costs: Array =
            answer.try_cast().unwrap_or_else(|| fail(format!("gives a {type_name}, not an array of costs")));
        if costs.len() != n {
            fail(format!("gives {} costs for {n} candidates", costs.len()));
        }
        let cost = |(at, cost): (usize, &Dynamic)| match float(cost) {
            Some(cost) if !cost.is_nan() => Some(cost),
            Some(_) => fail(format!("says that candidate {at} costs NaN")),
            None if cost.is_unit() => None,
            None => fail(format!("gives a {} as cost of candidate {at}; allowed: a number, or ()", cost.type_name())),
        };
        costs.iter().enumerate().map(cost).collect()
    }

    /// What it says that each candidate costs.
    fn decode_costs(
        script: &Code,
        state: &mut Dynamic,
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> Vec<Option<f64>> {
        let seen = |candidate: &Candidate| {
            let path = oracle.path(request.source, candidate.instance);
            Dynamic::from(Decode(Arc::new((*candidate, Some(path)))))
        };
        let prompt = Prompt::new(request.prompt, Some(request.source), &script.config.parameters);
        let seen: Array = candidates.iter().map(seen).collect();
        let answer = Self::call(script, state, "costs", (prompt, seen));
        Self::costs(script, "costs", answer, candidates.len())
    }
}

/// The error of a script, with the place where it is: that of the innermost call.
fn told(script: &Code, function: &str, mut error: Box<EvalAltResult>) -> String {
    while let EvalAltResult::ErrorInFunctionCall(_, _, cause, _) = *error {
        error = cause;
    }
    let position = error.take_position();
    let column = position.position().unwrap_or(1);
    // What comes of a limit has no place.
    let place = position.line().map_or_else(|| format!(": fn {function}"), |line| format!(":{line}:{column}"));
    format!("{}{place}: {error}", script.file)
}

impl Policy for ScriptPolicy {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.place(request, candidates, oracle).unwrap_or_else(|| {
            PolicyFault::raise(format!(
                "{}: fn costs takes no candidate, and this request must go somewhere",
                self.script.file
            ))
        })
    }

    fn place(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Option<usize> {
        let costs = Self::decode_costs(&self.script, &mut self.state, request, candidates, oracle);
        self.breaker.least(costs.into_iter().enumerate().filter_map(|(at, cost)| Some((at, cost?))))
    }

    fn observe(&mut self, event: &TransferEvent) {
        if self.observes {
            let _ = Self::call(&self.script, &mut self.state, "observe", (Transfer(*event),));
        }
    }

    fn follow(&mut self, event: &RequestEvent) {
        if self.follows {
            let _ = Self::call(&self.script, &mut self.state, "follow", (Step(*event),));
        }
    }

    fn rate(&self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> Vec<Rating> {
        // Asked in vain: what the script would keep of it is dropped.
        let mut state = self.state.clone();
        let costs = Self::decode_costs(&self.script, &mut state, request, candidates, oracle);
        let rating = |cost: Option<f64>| Rating::new(vec![Term::new("cost", "", cost.unwrap_or(f64::INFINITY))]);
        costs.into_iter().map(rating).collect()
    }
}

impl StagedPolicy for ScriptPolicy {
    fn select_prefill(
        &mut self,
        prompt: &PromptView,
        prefill: &[PrefillCandidate],
        decode: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> usize {
        let seen = |source: &PrefillCandidate| {
            let paths = decode.iter().map(|candidate| oracle.path(source.instance, candidate.instance)).collect();
            Dynamic::from(Prefill(Arc::new((*source, paths))))
        };
        let sources: Array = prefill.iter().map(seen).collect();
        let candidates: Array =
            decode.iter().map(|candidate| Dynamic::from(Decode(Arc::new((*candidate, None))))).collect();
        let prompt = Prompt::new(*prompt, None, &self.script.config.parameters);
        let answer = Self::call(&self.script, &mut self.state, "prefill_costs", (prompt, sources, candidates));
        let costs = Self::costs(&self.script, "prefill_costs", answer, prefill.len());
        let taken = self.breaker.least(costs.into_iter().enumerate().filter_map(|(at, cost)| Some((at, cost?))));
        taken.unwrap_or_else(|| {
            PolicyFault::raise(format!("{}: fn prefill_costs takes no prefill instance", self.script.file))
        })
    }
}
