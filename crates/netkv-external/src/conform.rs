//! A rule of ours against the product that it says it is: asked the same at every decision, the product's choice carried out.

use crate::config::{External, Protocol};
use crate::dynamo::Dynamo;
use crate::fault::Fault;
use crate::policy::raise;
use crate::question::{Event, Question, Router};
use netkv_policy::{
    Candidate, CostOracle, Estimates, Outside, Policy, PolicyConfig, RequestEvent, RequestView, Selector,
};
use netkv_units::{InstanceId, SimDuration};
use std::sync::{Arc, Mutex, PoisonError};

/// Costs that differ by no more than this, relatively, are equal.
const TOLERANCE: f64 = 1e-12;

/// Differences that are kept.
const KEPT: usize = 10;

/// What the comparison found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conformity {
    /// Decisions that were compared.
    pub decisions: u64,
    /// Of these, the ones in which the product chose what the rule rates best, or one of those that it rates best alike.
    pub equal: u64,
    /// Decisions in which the rule rates more than one candidate best.
    pub ties: u64,
    /// Of these, the ones in which the product chose one of them.
    pub ties_equal: u64,
    /// Decisions after which the product told how many KV blocks the chosen one would hold.
    pub blocks_told: u64,
    /// Of these, the ones in which the rule says the same, to the block.
    pub blocks_equal: u64,
    /// The first decisions that differ in the choice or in its blocks.
    pub first: Vec<Difference>,
}

impl Conformity {
    /// Share of equal decisions.
    pub fn ratio(&self) -> f64 {
        self.equal as f64 / self.decisions.max(1) as f64
    }
}

/// A decision in which the two differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Its number, from 1.
    pub decision: u64,
    /// The request.
    pub request: u32,
    /// Its prompt.
    pub input_tokens: u32,
    /// What the product chose, and what that costs by our rule.
    pub theirs: (InstanceId, f64),
    /// The KV blocks that it would hold, by our rule and by the product's word, if it told.
    pub blocks: Option<(f64, u64)>,
    /// What our rule rates best, how many there are of it, and what that costs.
    pub ours: (InstanceId, usize, f64),
    /// Whether the choices are equal and only the blocks differ.
    pub only_blocks: bool,
}

/// The product, with a rule beside it.
#[derive(Clone, Debug)]
pub struct Conformance {
    product: External,
    rule: PolicyConfig,
    found: Arc<Mutex<Conformity>>,
}

impl Conformance {
    /// Dynamo's selection service, with a rule of ours beside it that rates candidates by one sum.
    pub fn new(product: External, rule: PolicyConfig) -> Self {
        Self { product, rule, found: Arc::default() }
    }

    /// What was found so far.
    pub fn found(&self) -> Conformity {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Outside for Conformance {
    fn name(&self) -> &'static str {
        "external"
    }

    fn identity(&self) -> &str {
        self.product.identity()
    }

    fn poll_interval(&self) -> Option<SimDuration> {
        None
    }

    fn build(&self, estimates: Estimates, seed: u64) -> Selector {
        let Selector::Decode(rule) = self.rule.build(estimates, seed) else {
            unreachable!("a rule that rates decode instances chooses them alone")
        };
        Selector::Decode(Box::new(Compared {
            product: self.product.clone(),
            rule,
            service: None,
            decisions: 0,
            found: self.found.clone(),
        }))
    }
}

struct Compared {
    product: External,
    rule: Box<dyn Policy>,
    service: Option<Dynamo>,
    decisions: u64,
    found: Arc<Mutex<Conformity>>,
}

impl Compared {
    fn decide(
        &mut self,
        request: &RequestView,
        candidates: &[Candidate],
        oracle: &dyn CostOracle,
    ) -> Result<usize, Fault> {
        self.decisions += 1;
        let question = Question { number: self.decisions, request, candidates, oracle };
        let service = match &mut self.service {
            Some(service) => service,
            none => {
                let Protocol::Dynamo(options) = self.product.protocol else {
                    return Err(Fault::new("the product is spoken to by protocol \"dynamo\""));
                };
                none.insert(Dynamo::new(self.product.start()?, options, self.product.timeout))
            }
        };
        service.ask(&question)?;
        let ratings = self.rule.rate(request, candidates, oracle);
        let costs: Vec<(u8, f64)> = ratings.iter().map(|rating| (rating.rank, rating.cost())).collect();
        // The first term is in KV blocks, as is what the product tells.
        let blocks = |position: usize| ratings[position].terms.first().map(|term| term.value);
        let chosen = service.answer(&question)?;
        let told = service.projected_blocks;
        self.note(&question, &costs, chosen, blocks(chosen).zip(told));
        Ok(chosen)
    }

    fn note(&self, question: &Question<'_>, costs: &[(u8, f64)], chosen: usize, told: Option<(f64, u64)>) {
        let best = costs.iter().copied().min_by(|one, two| one.0.cmp(&two.0).then(one.1.total_cmp(&two.1)));
        let Some(best) = best else { return };
        // Where costs are no whole blocks, both sides round.
        let as_good = |cost: (u8, f64)| cost.0 == best.0 && cost.1 <= best.1 * (1.0 + TOLERANCE);
        let tied: Vec<usize> = (0..costs.len()).filter(|&position| as_good(costs[position])).collect();
        let is_equal = as_good(costs[chosen]);
        // Blocks are whole: both sides count them exactly.
        let same_blocks = told.map(|(ours, theirs)| ours == theirs as f64);
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.decisions += 1;
        found.equal += u64::from(is_equal);
        found.ties += u64::from(tied.len() > 1);
        found.ties_equal += u64::from(tied.len() > 1 && is_equal);
        found.blocks_told += u64::from(same_blocks.is_some());
        found.blocks_equal += u64::from(same_blocks == Some(true));
        if found.first.len() < KEPT && (!is_equal || same_blocks == Some(false)) {
            let instance = |position: usize| question.candidates[position].instance;
            found.first.push(Difference {
                decision: question.number,
                request: question.request.prompt.request.get(),
                input_tokens: question.request.prompt.input_tokens,
                theirs: (instance(chosen), costs[chosen].1),
                blocks: told,
                ours: (instance(tied[0]), tied.len(), best.1),
                only_blocks: is_equal,
            });
        }
    }
}

impl Policy for Compared {
    fn select(&mut self, request: &RequestView, candidates: &[Candidate], oracle: &dyn CostOracle) -> usize {
        self.decide(request, candidates, oracle).unwrap_or_else(|fault| raise(&fault))
    }

    fn follow(&mut self, event: &RequestEvent) {
        if let Some(service) = &mut self.service {
            service.heed(Event::Request(event)).unwrap_or_else(|fault| raise(&fault));
        }
    }
}
