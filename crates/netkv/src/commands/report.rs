//! `netkv report`: one page about some experiments, from their result tables alone.

use crate::args::{Changes, ReportArgs};
use crate::failure::{Blame, Ending, Failure};
use crate::kin;
use crate::output::tell;
use netkv_claims::Claims;
use netkv_grid::{Experiment, nearest};
use std::io;
use std::path::{Path, PathBuf};

/// The page of all results, which `netkv figures` writes as well.
const OF_ALL: &str = "figures/report.html";

/// An experiment that was asked for: where its results are, its name, and what it was called on the command line.
struct Asked<'a> {
    results: PathBuf,
    name: String,
    said: &'a Path,
}

/// Writes the page.
pub fn report(args: &ReportArgs) -> Result<Ending, Failure> {
    let usual = PathBuf::from(if args.quick { "results/quick" } else { "results" });
    let results = args.results.clone().unwrap_or(usual);
    let asked: Vec<Asked<'_>> =
        args.experiments.iter().map(|said| find(said, &results, &args.changes)).collect::<Result<_, _>>()?;
    let results = asked.first().map_or(results, |first| first.results.clone());
    if let Some(other) = asked.iter().find(|one| one.results != results) {
        let (one, two) = (results.display(), other.results.display());
        return Err(Failure::usage(format_args!("one page is of one folder of results, not of {one} and {two}")));
    }
    let there = netkv_figures::experiments(&results);
    asked.iter().try_for_each(|one| check(one, &there, &args.changes))?;
    asked.iter().for_each(tell_of_others);
    let mut names: Vec<String> = asked.into_iter().map(|one| one.name).collect();
    names.sort_unstable();
    names.dedup();
    let usual = match names.as_slice() {
        [] if args.quick || args.results.is_some() => results.join("report.html"),
        [] => PathBuf::from(OF_ALL),
        [one] => results.join(one).join("report.html"),
        _ => results.join("report.html"),
    };
    let page = args.out.clone().unwrap_or(usual);
    let has_claims = args.claims.is_file() && !args.quick;
    let claims = if has_claims { Some(Claims::read(&args.claims).map_err(Failure::input)?) } else { None };
    netkv_figures::report(&results, &names, &page, claims.as_ref()).map_err(blame)?;
    tell(&format!("report: {}", page.display()));
    if names.is_empty() {
        tell_older(&results, &there);
    }
    Ok(Ending::Done)
}

/// Tells which pages and figures show other tables of some experiments than there are now in a folder of all results.
pub(super) fn tell_older(results: &Path, experiments: &[String]) {
    older_notes(results, experiments).iter().for_each(|note| tell(note));
}

/// The same for the experiment whose tables are in a folder.
pub(super) fn tell_older_of(folder: &Path) {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    if let Some((results, name)) = folder.parent().zip(name) {
        tell_older(results, &[name]);
    }
}

/// Where the figures of a folder of results are: `figures/quick` of `results/quick`; none of a folder called otherwise.
fn figures_of(results: &Path) -> Option<PathBuf> {
    results.strip_prefix("results").ok().map(|rest| Path::new("figures").join(rest))
}

fn older_notes(results: &Path, experiments: &[String]) -> Vec<String> {
    let figures = figures_of(results);
    let older = netkv_figures::older(results, experiments, figures.as_deref());
    let option = match results.to_str() {
        Some("results") => String::new(),
        Some("results/quick") => " --quick".to_owned(),
        _ => format!(" --results {}", results.display()),
    };
    let out = figures.filter(|_| option.starts_with(" --results"));
    let drawn = out.map_or_else(|| option.clone(), |out| format!("{option} --out {}", out.display()));
    let mut notes = Vec::new();
    let mut note = |what: String, verb: &str, command: &str, anew: &str| {
        notes.push(format!("note: {what} {verb} tables of before: {command} {anew} anew"));
    };
    for (page, name) in &older.alone {
        note(page.display().to_string(), "shows", &format!("netkv report {name}{option}"), "writes it");
    }
    for page in &older.pages {
        let is_drawn = page.starts_with("figures");
        let command = if is_drawn { format!("netkv figures{drawn}") } else { format!("netkv report{option}") };
        note(page.display().to_string(), "shows", &command, "writes it");
    }
    if let Some(first) = older.figures.first() {
        let (what, verb) = match older.figures.len() {
            1 => (first.display().to_string(), "shows"),
            n => (format!("{} and {} more figures", first.display(), n - 1), "show"),
        };
        note(what, verb, &format!("netkv figures{drawn}"), "draws them");
    }
    notes
}

/// An experiment by its file, the folder of its results, or its name; with what the command line changed when it ran.
fn find<'a>(said: &'a Path, results: &Path, changes: &Changes) -> Result<Asked<'a>, Failure> {
    let changed = changes.overrides().label();
    if said.extension().is_some_and(|extension| extension == "toml") {
        let name = format!("{}{changed}", Experiment::name_in(said)?);
        return Ok(Asked { results: results.to_owned(), name, said });
    }
    let name = said.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = format!("{name}{changed}");
    let folder = said.parent().filter(|parent| !parent.as_os_str().is_empty());
    Ok(Asked { results: folder.unwrap_or(results).to_owned(), name, said })
}

/// Says so if there are results of the same experiment with changes, which the page of the file as it is does not show.
fn tell_of_others(asked: &Asked<'_>) {
    if asked.name.contains('+') {
        return;
    }
    let own = asked.results.join(&asked.name);
    let others: Vec<PathBuf> = kin::folders(&asked.results, &asked.name)
        .into_iter()
        .filter(|other| *other != own && other.parent() == own.parent())
        .collect();
    if !others.is_empty() {
        tell(&format!("note: the page is of {} alone{}", own.display(), kin::hint(&others, "netkv report")));
    }
}

/// Without results there is no report.
fn check(asked: &Asked<'_>, there: &[String], changes: &Changes) -> Result<(), Failure> {
    let Asked { results, name, said } = asked;
    if there.contains(name) {
        return Ok(());
    }
    let shown = results.display();
    let by_name = Path::new("experiments").join(format!("{name}.toml"));
    let file = if said.is_file() { Some((*said).to_owned()) } else { Some(by_name).filter(|file| file.is_file()) };
    if let Some(file) = file {
        let quick = if results.ends_with("quick") { " --quick" } else { "" };
        let command = format!("netkv run {}{}{quick}", file.display(), changes.overrides().arguments());
        let others = kin::hint(&kin::folders(results, name), "netkv report");
        let message = format!("{name} has no results in {shown}: make them first with {command}{others}");
        return Err(Failure::input(message));
    }
    let known =
        if there.is_empty() { "there are none yet: netkv run EXPERIMENT.toml".to_owned() } else { there.join(", ") };
    let near = nearest(name, there.iter().map(String::as_str));
    let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Failure::input(format_args!("there are no results of {name} in {shown}; there are those of {known}{hint}")))
}

/// A disk that does not do what it should is the machine's fault; results that cannot be drawn are the input's.
pub(super) fn blame(error: anyhow::Error) -> Failure {
    let of_machine = |cause: &io::Error| cause.kind() != io::ErrorKind::NotFound;
    let is_machine = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(of_machine);
    Failure::new(if is_machine { Blame::Machine } else { Blame::Input }, error)
}
