//! `netkv decide`: one request, the instance that a policy chooses for it, and what each would cost.

mod ask;
mod decided;
mod json;
mod words;

use crate::args::DecideArgs;
use crate::failure::{Blame, Ending, Failure};
use crate::operator::{self, Needs};
use crate::output::{print, tell};
use ask::Asked;
use decided::{Decided, Network};
use netkv_oracle::{Figure, Figures, Granularity, LiveError, LiveOptions, LiveOracle, View};
use netkv_policy::{Candidate, CostOracle, PrefillCandidate, Rating, RequestView, Selector};
use netkv_sim::{Scenario, estimates};
use netkv_units::InstanceId;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file whose engines and policies are meant if none is named.
const BASE: &str = "builtin:base";

/// How long the oracle may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Decides.
pub fn decide(args: &DecideArgs) -> Result<Ending, Failure> {
    let parameters = args.topology.as_ref().map_or_else(|| BASE.to_owned(), |path| path.display().to_string());
    let path = args.topology.clone().unwrap_or_else(|| PathBuf::from("builtin:/base.toml"));
    let set: Vec<(String, String)> =
        args.set.iter().cloned().chain([("policy.name".to_owned(), args.policy.clone())]).collect();
    let scenario = operator::scenario(&path, &set, Needs::Everything)?;
    let view = view(args, &scenario, &path, &parameters)?;
    let asked = ask::read(&args.request, &scenario, view.plan())?;
    if args.topology.is_none() {
        tell(&format!("note: engines and the policy's parameters are those of {BASE}; --topology FILE gives yours"));
    }
    let (source, chosen, ratings) = choose(&scenario, args, &asked, &view)?;
    let path = |candidate: &Candidate| view.path(source, candidate.instance);
    let decided = Decided {
        policy: &args.policy,
        parameters: &parameters,
        network: match &args.oracle {
            Some(url) => Network::Oracle(url),
            None if args.congestion.is_some() => Network::Told,
            None => Network::Idle,
        },
        view: &view,
        prompt: asked.prompt,
        source,
        candidates: &asked.candidates,
        paths: asked.candidates.iter().map(path).collect(),
        ratings: (ratings.len() == asked.candidates.len()).then_some(ratings),
        chosen,
    };
    print(&if args.json { format!("{:#}\n", json::of(&decided)) } else { words::of(&decided) })?;
    Ok(Ending::Done)
}

/// What is known of the network: from a running oracle, or from the file.
fn view(args: &DecideArgs, scenario: &Scenario, path: &Path, shown: &str) -> Result<View, Failure> {
    if let Some(url) = &args.oracle {
        let options = LiveOptions { timeout: PATIENCE, ..LiveOptions::DEFAULT };
        let oracle = LiveOracle::connect(url, options).map_err(|error| {
            let blame = match error {
                LiveError::Address(..) => Blame::Usage,
                LiveError::Answer(..) => Blame::Input,
                LiveError::Away(_) | LiveError::Thread(_) => Blame::Machine,
            };
            Failure::new(blame, anyhow::Error::new(error).context("--oracle cannot be asked"))
        })?;
        let view = oracle.view();
        if args.topology.is_some() {
            let own = operator::plan(scenario, shown)?;
            if own != *view.plan() {
                tell(&format!("warning: the network of {} is not that of {url}, which counts", path.display()));
            }
        }
        if view.age_s().is_none() {
            tell(&format!("warning: {url} does not know the congestion of all tiers yet: it counts as none"));
        }
        return Ok(view);
    }
    let plan = operator::plan(scenario, shown)?;
    let (granularity, counts_in_flight) = operator::telling(scenario, shown)?;
    let granularity = if args.congestion.is_some() { Granularity::Tier } else { granularity };
    let shares = args.congestion.unwrap_or_default();
    let mut figures = Figures::unknown(plan.known_by(), granularity, counts_in_flight);
    figures.tiers = shares.map(|share| Figure::known(share, 0.0));
    Ok(View::new(Arc::new(plan), Arc::new(figures), Some(0.0)))
}

/// Source, choice and ratings by the policy.
fn choose(
    scenario: &Scenario,
    args: &DecideArgs,
    asked: &Asked,
    view: &View,
) -> Result<(InstanceId, Option<usize>, Vec<Rating>), Failure> {
    let Asked { prompt, ref candidates, .. } = *asked;
    let prefill = || -> Result<Vec<PrefillCandidate>, Failure> {
        if !asked.prefill.is_empty() {
            return Ok(asked.prefill.clone());
        }
        let one =
            |instance| PrefillCandidate { instance, requests: 0, backlog_tokens: 0, backlog_pairs: 0, hit_tokens: 0 };
        let message = format!(
            "{} chooses the prefill instance as well: the request needs \"prefill\", or \"source\"",
            args.policy
        );
        asked.source.map(|source| vec![one(source)]).ok_or_else(|| Failure::input(message))
    };
    let known = || {
        let message = format!("{} chooses the decode instance alone: the request needs \"source\"", args.policy);
        asked.source.ok_or_else(|| Failure::input(message))
    };
    let on = |source| RequestView { source, prompt };
    match scenario.policy.build(estimates(scenario), args.seed) {
        Selector::Decode(mut policy) => {
            let request = on(known()?);
            let chosen = policy.place(&request, candidates, view);
            Ok((request.source, chosen, policy.rate(&request, candidates, view)))
        }
        Selector::Staged(mut policy) => {
            let source = match asked.source {
                Some(source) => source,
                None => {
                    let prefill = prefill()?;
                    prefill[policy.select_prefill(&prompt, &prefill, candidates, view)].instance
                }
            };
            let request = on(source);
            let chosen = policy.place(&request, candidates, view);
            Ok((source, chosen, policy.rate(&request, candidates, view)))
        }
        Selector::Pair(mut policy) => {
            let prefill = prefill()?;
            let (from, to) = policy.select_pair(&prompt, &prefill, candidates, view);
            let request = on(prefill[from].instance);
            Ok((request.source, Some(to), policy.rate(&request, candidates, view)))
        }
        Selector::Clairvoyant => {
            Err(Failure::usage("--policy clairvoyant: it looks ahead in a simulation, which a live cluster is none"))
        }
    }
}
