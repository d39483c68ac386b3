//! What is made of the values on each seed: means, changes, shares, and what is least, most, flat or ahead over points.
//!
//! Every comparison is between values of the same seed, whose runs share arrivals, and so is its interval.

use crate::file::{Claim, Measure, Take, factor};
use crate::ours::Ours;
use crate::samples::{BySeed, POLICY_AXIS, Samples, mean, pairs};

/// Ours, in the claim's unit; none if a cell that it needs did not finish.
pub(crate) fn measure(claim: &Claim, samples: &Samples) -> Option<Ours> {
    let places = samples.places(&claim.at);
    match (claim.take, claim.measure) {
        (Some(Take::Least), _) => extreme(&each(claim, samples, &places)?, false),
        (Some(Take::Most), _) => extreme(&each(claim, samples, &places)?, true),
        (Some(Take::WhereLeast), _) => where_least(claim, samples, &places),
        (None, Measure::SpreadPercent) => spread_percent(claim, samples, &places),
        (None, Measure::LowestPercent) => lowest_percent(claim, samples, &places),
        (None, _) => at(claim, samples, places.first()?),
    }
}

fn by_seed(claim: &Claim, samples: &Samples, place: &[String]) -> BySeed {
    samples.by_seed(place, &claim.metrics())
}

/// The same place with another policy.
fn with_policy(samples: &Samples, place: &[String], policy: &str) -> Option<Vec<String>> {
    let axis = samples.axes.iter().position(|axis| axis == POLICY_AXIS)?;
    let mut place = place.to_vec();
    policy.clone_into(&mut place[axis]);
    Some(place)
}

/// The measure at one place.
fn at(claim: &Claim, samples: &Samples, place: &[String]) -> Option<Ours> {
    let own = by_seed(claim, samples, place);
    let of = |policy: &str| Some(by_seed(claim, samples, &with_policy(samples, place, policy)?));
    let factor = factor(claim.measure, claim.take.filter(|take| *take != Take::WhereLeast), &claim.metric, &claim.unit);
    let factor = factor.unwrap_or(1.0);
    let values: Vec<f64> = own.values().copied().collect();
    match claim.measure {
        Measure::Value => Some(samples.mean(&values)?.scaled(factor)),
        Measure::Sd => Some(Ours { value: samples.sd(&values)? * factor, interval: None }),
        Measure::Difference => {
            let differences: Vec<f64> =
                pairs(&own, &of(&claim.against)?).into_iter().map(|(own, other)| own - other).collect();
            Some(samples.mean(&differences)?.scaled(factor))
        }
        Measure::ChangePercent => {
            let ratio = samples.ratio(&pairs(&own, &of(&claim.against)?))?;
            Some(ratio.shifted(-1.0).scaled(100.0))
        }
        Measure::SharePercent => {
            let (from, to) = (of(&claim.against)?, of(&claim.of)?);
            let gone = |other: &BySeed| -> BySeed {
                let by_seed = from.iter().filter_map(|(seed, from)| Some((seed.clone(), from - other.get(seed)?)));
                by_seed.collect()
            };
            Some(samples.ratio(&pairs(&gone(&own), &gone(&to)))?.scaled(100.0))
        }
        Measure::SpreadPercent | Measure::LowestPercent => None,
    }
}

/// The measure at each place, but where it would compare a policy with itself; none if one is missing.
fn each(claim: &Claim, samples: &Samples, places: &[&[String]]) -> Option<Vec<Ours>> {
    let itself = |place: &&&[String]| place.contains(&claim.against);
    places.iter().filter(|place| !itself(place)).map(|place| at(claim, samples, place)).collect()
}

/// The largest or the least of several, and of the ends of their intervals.
fn extreme(all: &[Ours], is_most: bool) -> Option<Ours> {
    let pick = |values: Vec<f64>| {
        let values = values.into_iter();
        if is_most { values.max_by(f64::total_cmp) } else { values.min_by(f64::total_cmp) }
    };
    let ends: Option<(Vec<f64>, Vec<f64>)> = all.iter().map(|one| one.interval).collect();
    let interval = ends.and_then(|(lows, highs)| pick(lows).zip(pick(highs)));
    Some(Ours { value: pick(all.iter().map(|one| one.value).collect())?, interval })
}

/// The value of the axis that is left open at which the measure is least; the interval reaches over all values whose
/// intervals meet that of the least.
fn where_least(claim: &Claim, samples: &Samples, places: &[&[String]]) -> Option<Ours> {
    let mut open = samples.axes.iter().enumerate().filter(|(_, axis)| !claim.at.contains_key(*axis));
    let (axis, None) = (open.next()?.0, open.next()) else { return None };
    let all = each(claim, samples, places)?;
    let values: Vec<f64> = places.iter().map(|place| place[axis].parse().ok()).collect::<Option<_>>()?;
    let least = (0..all.len()).min_by(|&one, &other| all[one].value.total_cmp(&all[other].value))?;
    let interval = all[least].interval.and_then(|(_, high)| {
        let meets = |at: &usize| all[*at].interval.is_none_or(|(low, _)| low <= high);
        let meeting: Vec<Ours> =
            (0..all.len()).filter(meets).map(|at| Ours { value: values[at], interval: None }).collect();
        Some((extreme(&meeting, false)?.value, extreme(&meeting, true)?.value))
    });
    Some(Ours { value: values[least], interval })
}

/// The difference between the places with the largest and the least mean, seed by seed, in percent of all means.
fn spread_percent(claim: &Claim, samples: &Samples, places: &[&[String]]) -> Option<Ours> {
    let mut all: Vec<(f64, BySeed)> = Vec::new();
    for place in places {
        let own = by_seed(claim, samples, place);
        let values: Vec<f64> = own.values().copied().collect();
        all.push((mean(&values)?, own));
    }
    all.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (least, most) = all.first().zip(all.last())?;
    let differences: Vec<f64> = pairs(&most.1, &least.1).into_iter().map(|(most, least)| most - least).collect();
    let middle = mean(&all.iter().map(|one| one.0).collect::<Vec<_>>())?;
    (middle != 0.0).then(|| Some(samples.mean(&differences)?.scaled(100.0 / middle)))?
}

/// At how many of the points none of the others has a lower mean; the interval counts those where the seeds decide that
/// it is lower than all, and those where they do not decide that one is lower than it.
fn lowest_percent(claim: &Claim, samples: &Samples, places: &[&[String]]) -> Option<Ours> {
    let all = samples.values.get(POLICY_AXIS)?;
    let others = if claim.among.is_empty() { all } else { &claim.among };
    let own_policy = claim.at.get(POLICY_AXIS)?;
    let (mut won, mut surely, mut perhaps) = (0, 0, 0);
    for place in places {
        let own = by_seed(claim, samples, place);
        let mut margins = Vec::new();
        for other in others.iter().filter(|other| *other != own_policy) {
            let theirs = by_seed(claim, samples, &with_policy(samples, place, other)?);
            let margin: Vec<f64> = pairs(&own, &theirs).into_iter().map(|(own, other)| own - other).collect();
            margins.push(samples.mean(&margin)?);
        }
        won += usize::from(margins.iter().all(|margin| margin.value <= 0.0));
        surely += usize::from(margins.iter().all(|margin| margin.interval.is_some_and(|(_, high)| high < 0.0)));
        perhaps += usize::from(margins.iter().all(|margin| margin.interval.is_none_or(|(low, _)| low <= 0.0)));
    }
    let percent = |count: usize| 100.0 * count as f64 / places.len() as f64;
    (!places.is_empty()).then(|| Ours { value: percent(won), interval: Some((percent(surely), percent(perhaps))) })
}
