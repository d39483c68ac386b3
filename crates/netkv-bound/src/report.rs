//! How far the policies of one cell are from its bounds.

use crate::instance::{Bound, Freedom, Instance, Unbounded};
use crate::scripted::{Choice, mean_ttft};
use crate::search::{Best, exhaustive, improve};
use netkv_policy::Selector;
use netkv_sim::{RunOutput, Scenario, run};
use std::fmt::Write;

/// What a policy makes of the cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its name.
    pub policy: &'static str,
    /// What it chooses.
    pub freedom: Freedom,
    /// Mean TTFT in seconds; none if it refused requests, whose time is in no mean, or none counts.
    pub mean: Option<f64>,
}

/// What is known of the policies with one freedom.
#[derive(Clone, Debug, PartialEq)]
pub struct Within {
    /// What they may choose.
    pub freedom: Freedom,
    /// No policy that serves every request is below.
    pub bound: Result<Bound, Unbounded>,
    /// A good assignment: the best policy's, improved; or the best of all, if there are few.
    pub best: Option<Best>,
    /// Whether it is the best of all.
    pub is_optimum: bool,
}

/// A cell with all its policies.
#[derive(Clone, Debug, PartialEq)]
pub struct Distances {
    /// Requests that count.
    pub requests: usize,
    /// With prefill instances given, then with both chosen.
    pub within: [Within; 2],
    /// By policy, in the order given.
    pub outcomes: Vec<Outcome>,
}

/// How much is searched for good assignments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// All assignments are tried if there are no more than this.
    pub exhaustive: u64,
    /// Else so many runs are made to improve the best policy's.
    pub runs: u64,
}

/// The cell of these scenarios, which differ in their policies alone.
///
/// # Errors
/// If there is no bound of any kind.
///
/// # Panics
/// If there is no scenario; and as [`netkv_sim::run`].
pub fn distances(scenarios: &[Scenario], effort: Effort) -> Result<Distances, Unbounded> {
    let runs: Vec<RunOutput> = scenarios.iter().map(run).collect();
    let known: Vec<&RunOutput> = runs.iter().collect();
    let instance = Instance::new(&scenarios[0], &known)?;
    let all = instance.reference().requests.len();
    let outcome = |(scenario, output): (&Scenario, &RunOutput)| Outcome {
        policy: scenario.policy.name(),
        freedom: freedom(scenario),
        mean: mean_ttft(output).filter(|_| output.requests.len() == all),
    };
    let outcomes: Vec<Outcome> = scenarios.iter().zip(&runs).map(outcome).collect();
    let reference = (mean_ttft(instance.reference()).unwrap_or(f64::INFINITY), instance.reference());
    let served = || outcomes.iter().zip(&runs).filter_map(|(own, output)| Some((own, own.mean?, output)));
    let of_decode = served().filter(|(own, ..)| own.freedom == Freedom::Decode).map(|(_, mean, output)| (mean, output));
    let (_, start) = least(reference, of_decode);
    let decode = within(&instance, Freedom::Decode, &instance.pools().choices(start), effort);
    // Who may choose both may leave prefill instances as they are given.
    let (mean, start) = least(reference, served().map(|(_, mean, output)| (mean, output)));
    let kept = decode.best.as_ref().filter(|best| best.mean <= mean);
    let start = kept.map_or_else(|| instance.pools().choices(start), |best| best.choices.clone());
    let both = within(&instance, Freedom::Both, &start, effort);
    let within = [decode, both];
    Ok(Distances { requests: instance.n_counted(), within, outcomes })
}

/// The run with the least mean.
fn least<'a>(first: (f64, &'a RunOutput), others: impl Iterator<Item = (f64, &'a RunOutput)>) -> (f64, &'a RunOutput) {
    others.fold(first, |best, other| if other.0 < best.0 { other } else { best })
}

/// The bound for a freedom, and a good assignment, from `start` on.
fn within(instance: &Instance<'_>, freedom: Freedom, start: &[Choice], effort: Effort) -> Within {
    let (scenario, pools) = (instance.scenario(), instance.pools());
    let optimum = exhaustive(scenario, pools, freedom, start, effort.exhaustive);
    let is_optimum = optimum.is_some();
    let improved = || (effort.runs > 0).then(|| improve(scenario, pools, freedom, start, effort.runs));
    Within { freedom, bound: instance.bound(freedom), best: optimum.or_else(improved), is_optimum }
}

/// What a scenario's policy may choose.
fn freedom(scenario: &Scenario) -> Freedom {
    let (prefill, decode) = (scenario.gpu.prefill, scenario.gpu.decode);
    let estimates = netkv_policy::Estimates {
        prefill: netkv_policy::PrefillModel { tokens: prefill.tokens, per_pair_fs: prefill.per_pair_fs },
        iteration: netkv_policy::IterationModel { requests: decode.requests, per_token_fs: decode.per_token_fs },
    };
    match scenario.policy.build(estimates, scenario.seed) {
        Selector::Decode(_) | Selector::Clairvoyant => Freedom::Decode,
        Selector::Pair(_) | Selector::Staged(_) => Freedom::Both,
    }
}

impl Distances {
    /// What is known of the policies with this freedom.
    pub const fn with(&self, freedom: Freedom) -> &Within {
        match freedom {
            Freedom::Decode => &self.within[0],
            Freedom::Both => &self.within[1],
        }
    }

    /// As a text for people, in milliseconds.
    pub fn text(&self) -> String {
        let mut text = format!("{} requests that count; mean TTFT in ms\n", self.requests);
        for within in &self.within {
            let title = match within.freedom {
                Freedom::Decode => "decode instances chosen, prefill instances given",
                Freedom::Both => "both chosen",
            };
            writeln!(text, "\n{title}").expect("text grows");
            let bound = match &within.bound {
                Ok(bound) => bound,
                Err(why) => {
                    writeln!(text, "  no bound: {why}").expect("text grows");
                    continue;
                }
            };
            writeln!(text, "  {:24} {:10.1}", "lower bound", bound.mean * 1e3).expect("text grows");
            for (part, seconds) in [
                ("prompt computed", bound.prefill),
                ("KV cache moved", bound.transfer),
                ("first iteration", bound.first_token),
                ("(each as if alone)", bound.alone),
            ] {
                writeln!(text, "    {part:22} {:10.1}", seconds * 1e3).expect("text grows");
            }
            let word = if within.is_optimum { "best assignment" } else { "best assignment found" };
            let best = within.best.iter().map(|best| (word, Some(best.mean)));
            let own = self.outcomes.iter().filter(|outcome| outcome.freedom == within.freedom);
            for (name, mean) in best.chain(own.map(|outcome| (outcome.policy, outcome.mean))) {
                match mean {
                    Some(mean) => {
                        let above = (mean / bound.mean - 1.0) * 100.0;
                        writeln!(text, "  {name:24} {:10.1}  +{above:.1} %", mean * 1e3)
                    }
                    None => writeln!(text, "  {name:24}          -  it refused requests"),
                }
                .expect("text grows");
            }
        }
        text
    }
}
