//! `netkv claims`: every number that the paper claims beside ours.

use crate::args::ClaimsArgs;
use crate::failure::{Ending, Failure};
use crate::output::{print, write_file};
use netkv_claims::{Agreement, Claims, Fitted, Judged, Verdict, agreements, judge, markdown, tally, text};
use netkv_grid::nearest;
use serde_json::json;
use std::path::Path;

/// Reads, judges and prints.
pub fn claims(args: &ClaimsArgs) -> Result<Ending, Failure> {
    let claims = Claims::read(&args.claims).map_err(Failure::input)?;
    let mut judged = judge(&claims, &args.results).map_err(Failure::input)?;
    check_areas(&judged, &args.area)?;
    if let Some(page) = &args.page {
        write_file(page, markdown(&claims.fitted, &judged).as_bytes())?;
    }
    if !args.area.is_empty() {
        judged.retain(|one| args.area.contains(&one.claim.area));
    }
    print(&if args.json { as_json(&claims.fitted, &judged) } else { text(&claims.fitted, &judged) })?;
    let is_complete = judged.iter().all(|one| !matches!(one.verdict, Verdict::NotMeasured(_)));
    Ok(if is_complete { Ending::Done } else { Ending::SomeCellsFailed })
}

/// The totals of the claims of a folder of results; the page about them goes to `out`.
pub fn summary(claims: &Path, results: &Path, out: &Path) -> Result<String, Failure> {
    let claims = Claims::read(claims).map_err(Failure::input)?;
    let judged = judge(&claims, results).map_err(Failure::input)?;
    write_file(&out.join("claims.md"), markdown(&claims.fitted, &judged).as_bytes())?;
    Ok(netkv_claims::totals(&tally(&judged)))
}

fn check_areas(judged: &[Judged], wanted: &[String]) -> Result<(), Failure> {
    let areas: Vec<String> = tally(judged).into_iter().map(|tally| tally.area).filter(|area| area != "all").collect();
    let Some(unknown) = wanted.iter().find(|area| !areas.contains(area)) else { return Ok(()) };
    let hint = nearest(unknown, areas.iter().map(String::as_str));
    let hint = hint.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Failure::usage(format_args!("there is no area {unknown}; there are {}{hint}", areas.join(", "))))
}

fn as_json(fitted: &[Fitted], judged: &[Judged]) -> String {
    let coefficient = |one: &Fitted| json!({ "coefficient": one.coefficient, "value": one.value, "to": one.to });
    let claim = |one: &Judged| {
        let claim = &one.claim;
        let (verdict, note) = match &one.verdict {
            Verdict::Holds => ("holds", None),
            Verdict::Off(_) => ("off", None),
            Verdict::Open => ("open", None),
            Verdict::Fitted(_) => ("fitted", None),
            Verdict::NotReproducible(why) => ("not_reproducible", Some(why)),
            Verdict::NotMeasured(command) => ("not_measured", Some(command)),
        };
        json!({
            "area": claim.area,
            "place": claim.place,
            "says": claim.says,
            "experiment": claim.experiment,
            "at": claim.at,
            "metric": claim.metric,
            "against": claim.against,
            "unit": claim.unit,
            "printed": claim.printed,
            "tolerance": claim.tolerance,
            "band": [claim.band().0, claim.band().1],
            "line": claim.line,
            "ours": one.ours.map(|ours| ours.value),
            "interval": one.ours.and_then(|ours| ours.interval).map(|(low, high)| [low, high]),
            "verdict": verdict,
            "firm": one.is_firm(),
            "note": note,
        })
    };
    let agreement = |one: &Agreement| {
        json!({
            "place": one.place,
            "metric": one.metric,
            "n": one.n,
            "correlation": one.correlation,
            "mean_difference": one.mean_difference,
            "unit": one.unit,
        })
    };
    let all = json!({
        "agreement": agreements(judged).iter().map(agreement).collect::<Vec<_>>(),
        "fitted": fitted.iter().map(coefficient).collect::<Vec<_>>(),
        "claims": judged.iter().map(claim).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}
