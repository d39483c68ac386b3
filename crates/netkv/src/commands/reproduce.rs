//! `netkv reproduce`: every experiment of a list, the paper's first, then the figures and what became of the paper's
//! claims.

use super::run::run_experiment;
use super::{claims, figures, load_all};
use crate::args::{Changes, FiguresArgs, Place, ReproduceArgs};
use crate::clock::Moment;
use crate::failure::{Ending, Failure};
use crate::interrupt;
use crate::output::{print, tell};
use crate::recorded;
use netkv_grid::Experiment;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The list of experiments, in the folder of experiments.
const LIST: &str = "reproduce.toml";

/// The paper's numbers, in the folder of experiments.
const CLAIMS: &str = "paper/claims.toml";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    experiment: Vec<Entry>,
}

/// An experiment of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// Relative to the list.
    file: Spanned<PathBuf>,
    /// What it is there for.
    why: String,
    /// CPU seconds of all its cells, for the time that is left.
    cpu_s: f64,
    /// Whether the quick version runs it.
    quick: bool,
}

/// Runs all, reading all of them first, draws the figures and says what the paper's claims came to.
pub fn reproduce(args: &ReproduceArgs) -> Result<Ending, Failure> {
    let folder = Path::new("experiments");
    if !folder.is_dir() {
        return Err(Failure::input("there is no folder experiments/ here; call netkv reproduce in the project's root"));
    }
    let start = Moment::now();
    let entries: Vec<Entry> =
        read_list(&folder.join(LIST))?.into_iter().filter(|one| one.quick || !args.quick).collect();
    let paths: Vec<PathBuf> = entries.iter().map(|entry| folder.join(entry.file.get_ref())).collect();
    let mut experiments = load_all(&paths, args.quick, &Changes::default())?;
    let (results, out) = folders(&experiments, args);
    let place = Place { out: Some(results.clone()), quick: args.quick, stand_in: args.stand_in };
    let before = checksums(&experiments, &results);
    if !args.quick {
        unlisted(&experiments, &results);
    }
    let n_steps = experiments.len() + 1;
    let mut n_failed = 0;
    for (step, (experiment, entry)) in experiments.iter_mut().zip(&entries).enumerate() {
        let head = format!("step {} of {n_steps}{}", step + 1, left(&start, &entries, step));
        let path = experiment.path().display();
        tell(&format!("{head}: {path}, {} cells: {}", experiment.n_cells(), entry.why));
        n_failed += run_experiment(experiment, &[], &place, &args.options)?.1.n_failed;
        if interrupt::is_asked() {
            return Ok(Ending::Interrupted);
        }
    }
    tell(&format!("step {n_steps} of {n_steps}: figures in {}", out.display()));
    let figures = FiguresArgs {
        names: Vec::new(),
        results: Some(results.clone()),
        out: Some(out.clone()),
        quick: args.quick,
        claims: folder.join(CLAIMS),
    };
    figures::figures(&figures)?;
    if args.quick {
        tell("a reduced version: its tables and the paper's claims are not compared with anything");
    } else {
        tell(&compared(&before, &checksums(&experiments, &results)));
        let totals = claims::summary(&folder.join(CLAIMS), &results, &out)?;
        let page = out.join("claims.md");
        let head = format!("What became of the paper's claims (every one: netkv claims, or {}):", page.display());
        print(&format!("{head}\n{totals}"))?;
    }
    tell(&format!(
        "reproduced in {:.0} s; the figures are in {}, the tables in {}",
        start.elapsed_s(),
        out.display(),
        results.display()
    ));
    Ok(if n_failed > 0 { Ending::SomeCellsFailed } else { Ending::Done })
}

/// Where results and figures go. Tables of a recorded trace that is not found now are not replaced unasked: then all goes to
/// folders beside them, since figures and claims need all experiments together.
fn folders(experiments: &[Experiment], args: &ReproduceArgs) -> (PathBuf, PathBuf) {
    let (results, out) = if args.quick { ("results/quick", "figures/quick") } else { ("results", "figures") };
    let (results, out) = (PathBuf::from(results), PathBuf::from(out));
    let kept = |one: &Experiment| recorded::lost_trace(one, &results.join(one.name()));
    match experiments.iter().find_map(kept) {
        Some(trace) if !args.stand_in => {
            let beside = (results.join(recorded::STAND_IN), out.join(recorded::STAND_IN));
            tell(&recorded::note(&trace, &results, &beside.0));
            beside
        }
        Some(_) | None => (results, out),
    }
}

/// The experiments of the list, all of whose files are there, each once.
fn read_list(path: &Path) -> Result<Vec<Entry>, Failure> {
    let place = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::input(format_args!("{place}: cannot read it: {error}")))?;
    let list: List = toml::from_str(&text).map_err(|error| Failure::input(format_args!("{place}: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut wrong = Vec::new();
    for (position, entry) in list.experiment.iter().enumerate() {
        let (file, line) = (entry.file.get_ref(), text[..entry.file.span().start].lines().count());
        let shown = file.display();
        if !folder.join(file).is_file() {
            wrong.push(format!(
                "{place}:{line}: there is no file {shown} in {}: mend or drop the entry",
                folder.display()
            ));
        }
        if list.experiment[..position].iter().any(|other| other.file.get_ref() == file) {
            wrong.push(format!("{place}:{line}: {shown} stands twice in the list: drop one"));
        }
        if !(entry.cpu_s > 0.0 && entry.cpu_s.is_finite()) {
            wrong.push(format!("{place}:{line}: {shown}: cpu_s = {} is not allowed; allowed: above 0", entry.cpu_s));
        }
    }
    if wrong.is_empty() { Ok(list.experiment) } else { Err(Failure::input(wrong.join("\n"))) }
}

/// The time that is left, by the share of all CPU seconds that is done; nothing before anything is.
fn left(start: &Moment, entries: &[Entry], step: usize) -> String {
    let cpu_s = |entries: &[Entry]| entries.iter().map(|entry| entry.cpu_s).sum::<f64>();
    let (done, all) = (cpu_s(&entries[..step]), cpu_s(entries));
    let elapsed_s = start.elapsed_s();
    // What was there before took no time, and tells nothing about what is left.
    if done < 1.0 || elapsed_s < 1.0 {
        return String::new();
    }
    let left_s = elapsed_s * (all - done) / done;
    if left_s < 90.0 { format!(", about {left_s:.0} s left") } else { format!(", about {:.0} min left", left_s / 60.0) }
}

/// By experiment and table: its checksum, as the manifest has it.
type Checksums = BTreeMap<(String, String), String>;

fn checksums(experiments: &[Experiment], results: &Path) -> Checksums {
    let mut sums = Checksums::new();
    for experiment in experiments {
        let text = std::fs::read_to_string(results.join(experiment.name()).join("manifest.toml"));
        let manifest: Option<toml::Table> = text.ok().and_then(|text| toml::from_str(&text).ok());
        let Some(files) = manifest.as_ref().and_then(|manifest| manifest.get("sha256")?.as_table()) else { continue };
        for (file, sum) in files {
            sums.insert((experiment.name().to_owned(), file.clone()), sum.as_str().unwrap_or_default().to_owned());
        }
    }
    sums
}

/// Whether the tables are those that were there before.
fn compared(before: &Checksums, after: &Checksums) -> String {
    let (mut equal, mut others, mut new) = (0, Vec::new(), 0);
    for (place, sum) in after {
        match before.get(place) {
            Some(old) if old == sum => equal += 1,
            Some(_) => others.push(format!("{}/{}", place.0, place.1)),
            None => new += 1,
        }
    }
    let new = if new > 0 { format!(", {new} were not there before") } else { String::new() };
    if others.is_empty() {
        return format!("{equal} tables equal those that were there before, to the last bit{new}");
    }
    format!("{equal} tables equal those that were there before; OTHER than before: {}{new}", others.join(", "))
}

/// Results of experiments that the list does not have are not made again.
fn unlisted(experiments: &[Experiment], results: &Path) {
    let Ok(folders) = std::fs::read_dir(results) else { return };
    let mut names: Vec<String> = folders
        .flatten()
        .filter(|entry| entry.path().join("manifest.toml").is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !experiments.iter().any(|experiment| experiment.name() == name))
        .collect();
    names.sort_unstable();
    if !names.is_empty() {
        tell(&format!("note: results of {} are not in experiments/{LIST} and were left as they are", names.join(", ")));
    }
}
