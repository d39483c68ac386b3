//! `netkv gather`: the finished cells of shards, wherever they ran, as one store and its tables.

use super::run::join;
use super::{load, results_folder};
use crate::answer::answer;
use crate::args::GatherArgs;
use crate::cells::coordinates;
use crate::failure::{Blame, Ending, Failure, Writing};
use crate::kept::{CELLS, kept_requests, open_store, requests_path};
use crate::output::{print, tell, write_file};
use crate::owner;
use crate::provenance::traces;
use crate::replications::settle;
use crate::results;
use netkv_grid::{Cell, Experiment, Record, Segment, SegmentHeader, Status, Store, Stored};
use netkv_sim::SIM_EPOCH;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Missing cells that are named. Chosen by us: what fits a terminal.
const MAX_SHOWN: usize = 10;

/// A folder of results and its store.
struct Source {
    folder: PathBuf,
    store: Store,
}

/// Puts them together, or says why that cannot be.
pub fn gather(args: &GatherArgs) -> Result<Ending, Failure> {
    let file = args.experiment.clone().or_else(|| owner::file_of(&args.folders[0]));
    let file = file.ok_or_else(|| {
        let folder = args.folders[0].display();
        Failure::usage(format_args!(
            "{folder} names no experiment file that is there: say which with --experiment FILE"
        ))
    })?;
    let mut experiment = load(&file, args.place.quick, &args.changes)?;
    let target = results_folder(&args.place, &experiment);
    owner::check(&experiment, &target)?;
    let mut sources = vec![Source::open(&experiment, &target)?];
    for folder in &args.folders {
        check_readable(folder)?;
        if folder.canonicalize().ok() != target.canonicalize().ok() {
            sources.push(Source::open(&experiment, folder)?);
        }
    }
    let first = experiment.seeds().len();
    let standing = settle(&mut experiment, |cell| Some(&any(&sources, cell)?.status));
    if let Some(missing) = missing(&experiment, &sources)? {
        let is_later = experiment.seeds().len() > first;
        if let Some(standing) = standing.filter(|_| is_later) {
            copy_all(&experiment, &target, &sources[1..])?;
            let (standing, target) = (standing.words(), target.display());
            tell(&format!(
                "{standing}\nthe cells of the looks before are in {target}: have shards run there, or copies of it"
            ));
        }
        tell(&missing);
        return Ok(Ending::Incomplete);
    }
    refuse_others(&experiment, &sources[1..])?;
    if !args.mixed {
        refuse_mixed(&experiment, &sources)?;
    }
    let (n_failed, store) = put_together(&experiment, &target, &sources[1..])?;
    let all: Vec<usize> = experiment.indices().collect();
    if let Some(answer) = answer(&experiment, &store, &all)? {
        print(&answer.text(false))?;
    }
    let failed = if n_failed == 0 { "none failed".to_owned() } else { format!("{n_failed} FAILED") };
    let (path, folders) = (experiment.path().display(), args.folders.len());
    let n_cells = experiment.n_cells();
    tell(&format!(
        "{path}: {n_cells} cells gathered from {folders} folders, {failed}; results in {}",
        target.display()
    ));
    Ok(if n_failed == 0 { Ending::Done } else { Ending::SomeCellsFailed })
}

/// Refuses what is no folder of results, or may not be read.
fn check_readable(folder: &Path) -> Result<(), Failure> {
    let shown = folder.display();
    match fs::read_dir(folder.join(CELLS)) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Failure::input(format_args!("{shown} is no folder of results: there is no {shown}/{CELLS}")))
        }
        Err(error) => Err(Failure::input(format_args!("cannot read {shown}/{CELLS}: {error}"))),
    }
}

/// What any of them has of a cell.
fn any<'a>(sources: &'a [Source], cell: &Cell) -> Option<&'a Stored> {
    let is_done = |stored: &&Stored| matches!(stored.status, Status::Done { .. });
    let all = || sources.iter().filter_map(|source| source.store.get(cell.key));
    all().find(is_done).or_else(|| all().next())
}

impl Source {
    fn open(experiment: &Experiment, folder: &Path) -> Result<Self, Failure> {
        Ok(Self { folder: folder.to_owned(), store: open_store(experiment, folder)? })
    }

    /// What it has of a cell, as far as that is enough.
    fn get(&self, experiment: &Experiment, cell: &Cell) -> Option<&Stored> {
        let stored = self.store.get(cell.key)?;
        let is_done = matches!(stored.status, Status::Done { .. });
        let needs = is_done && experiment.record() == Record::Requests;
        (!needs || kept_requests(&self.folder, cell, Some(stored)).is_some()).then_some(stored)
    }

    /// Why it has no cell of the experiment.
    fn why_none(&self, experiment: &Experiment) -> String {
        let mut others: BTreeSet<String> = BTreeSet::new();
        for (_, header) in self.store.segments() {
            if header.epoch != SIM_EPOCH {
                others.insert(format!("the model was epoch {}, it is {SIM_EPOCH} now", header.epoch));
            }
            let (own, theirs) = (traces(experiment), header.provenance.get("traces"));
            if let Some(theirs) = theirs.filter(|theirs| **theirs != own) {
                others.insert(format!("the trace was {theirs}, it is {own} here"));
            }
        }
        if others.is_empty() {
            others.insert("it ran another version of the file, or with other --set, --seeds or --quick".to_owned());
        }
        others.into_iter().collect::<Vec<_>>().join("; ")
    }
}

/// Refuses folders that have nothing of the experiment: whoever named one expects its cells in the tables.
fn refuse_others(experiment: &Experiment, sources: &[Source]) -> Result<(), Failure> {
    for source in sources {
        if !experiment.cells().any(|cell| source.get(experiment, &cell).is_some()) {
            return Err(Failure::input(format_args!(
                "{} has no cell of {}: {}",
                source.folder.display(),
                experiment.arguments(),
                source.why_none(experiment)
            )));
        }
    }
    Ok(())
}

/// What is missing, in words; none if nothing is. Two different results of one cell are an error.
fn missing(experiment: &Experiment, sources: &[Source]) -> Result<Option<String>, Failure> {
    let mut missing = Vec::new();
    let mut n_of: Vec<usize> = vec![0; sources.len()];
    for cell in experiment.cells() {
        let mut first: Option<(&Stored, &Path)> = None;
        for (source, n) in sources.iter().zip(&mut n_of) {
            let Some(stored) = source.get(experiment, &cell) else { continue };
            *n += 1;
            match first {
                Some((other, folder)) if is_conflict(&other.status, &stored.status) => {
                    return Err(conflict(experiment, &cell, folder, &source.folder));
                }
                Some(_) => {}
                None => first = Some((stored, &source.folder)),
            }
        }
        if first.is_none() {
            missing.push(cell);
        }
    }
    if missing.is_empty() {
        return Ok(None);
    }
    let n_cells = experiment.n_cells();
    let mut lines = vec![format!("{}: {} of {n_cells} cells are missing", experiment.path().display(), missing.len())];
    lines.extend(
        missing.iter().take(MAX_SHOWN).map(|cell| format!("cell {}: {}", cell.index, coordinates(experiment, cell))),
    );
    if missing.len() > MAX_SHOWN {
        lines.push(format!("and {} more", missing.len() - MAX_SHOWN));
    }
    for (source, n) in sources.iter().zip(n_of).filter(|(source, n)| *n > 0 || source.store.segments().next().is_some())
    {
        let why = if n == 0 { format!(": {}", source.why_none(experiment)) } else { String::new() };
        lines.push(format!("{} has {n} of them all{why}", source.folder.display()));
    }
    lines.push(format!(
        "no table is written; netkv run {} runs what is missing in its own folder",
        experiment.arguments()
    ));
    Ok(Some(lines.join("\n  ")))
}

fn is_conflict(one: &Status, other: &Status) -> bool {
    matches!((one, other), (Status::Done { .. }, Status::Done { .. })) && one != other
}

fn conflict(experiment: &Experiment, cell: &Cell, one: &Path, other: &Path) -> Failure {
    let (one, other, index) = (one.display(), other.display(), cell.index);
    let message = format!(
        "cell {index} ({}) has two different results, in {one} and in {other}: a machine computes otherwise, or the model \
         changed without a new SIM_EPOCH; netkv cell {} {index} tells which is right",
        coordinates(experiment, cell),
        experiment.arguments()
    );
    Failure::new(Blame::Bug, anyhow::Error::msg(message))
}

/// Refuses cells that more than one netkv ran.
fn refuse_mixed(experiment: &Experiment, sources: &[Source]) -> Result<(), Failure> {
    let mut by: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    // A segment says it of all its cells, and belongs to one source.
    let mut seen: BTreeSet<*const SegmentHeader> = BTreeSet::new();
    for cell in experiment.cells() {
        for source in sources {
            let Some(stored) = source.get(experiment, &cell) else { continue };
            if !seen.insert(Arc::as_ptr(&stored.segment)) {
                break;
            }
            let of = |name: &str| stored.segment.provenance.get(name).map_or("unknown", String::as_str);
            let who = ["version", "commit", "compiler", "target"].map(|name| format!("{name} {}", of(name))).join(", ");
            by.entry(who).or_default().insert(source.folder.display().to_string());
            break;
        }
    }
    if by.len() <= 1 {
        return Ok(());
    }
    let lines = by.iter().map(|(who, folders)| {
        format!("\n  netkv {who}: in {}", folders.iter().cloned().collect::<Vec<_>>().join(", "))
    });
    Err(Failure::input(format_args!(
        "cells were run by {} versions of netkv: run them with one, or say --mixed and let netkv verify run some of each \
         again{}",
        by.len(),
        lines.collect::<String>()
    )))
}

/// Copies what the sources have into the folder.
fn copy_all(experiment: &Experiment, target: &Path, sources: &[Source]) -> Result<(), Failure> {
    join(experiment, target)?.alone(|| copy(experiment, target, sources))
}

fn copy(experiment: &Experiment, target: &Path, sources: &[Source]) -> Result<(), Failure> {
    let cells_folder = target.join(CELLS);
    let read = |path: &Path| fs::read(path).ok();
    let mut own: BTreeSet<Vec<u8>> =
        Store::open(&cells_folder)?.segments().filter_map(|(path, _)| read(path)).collect();
    for source in sources {
        for (path, _) in source.store.segments().filter(|(_, header)| header.is_current()) {
            let Some(bytes) = read(path).filter(|bytes| own.insert(bytes.clone())) else { continue };
            Segment::copy(&cells_folder, &bytes).writing(cells_folder.display())?;
        }
        for cell in experiment.cells() {
            if let Some(bytes) = kept_requests(&source.folder, &cell, source.store.get(cell.key)) {
                write_file(&requests_path(target, &cell), &bytes)?;
            }
        }
    }
    Ok(())
}

/// Copies what the sources have into the folder, and writes its tables; says how many cells failed.
fn put_together(experiment: &Experiment, target: &Path, sources: &[Source]) -> Result<(usize, Store), Failure> {
    let sharing = join(experiment, target)?;
    sharing.alone(|| {
        copy(experiment, target, sources)?;
        let store = open_store(experiment, target)?;
        results::write(experiment, &store, target)?;
        let is_failed = |cell: &Cell| matches!(store.get(cell.key).map(|one| &one.status), Some(Status::Failed { .. }));
        Ok((experiment.cells().filter(is_failed).count(), store))
    })
}
