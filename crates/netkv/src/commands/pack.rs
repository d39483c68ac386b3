//! `netkv pack`: the results of experiments with all that makes them again, as one archive.
//!
//! Nothing in it but provenance.parquet tells a time or a host, and the same results are packed into the same bytes.

use super::{load_all, results_folder};
use crate::args::PackArgs;
use crate::changed::differing;
use crate::failure::{Ending, Failure};
use crate::kin::quoted;
use crate::output::{tell, write_file};
use netkv_frames::{MANIFEST, distinct, table_of};
use netkv_grid::Experiment;
use netkv_units::sha256_hex;
use netkv_workload::Packed;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use tar::{Builder, EntryType, Header};
use toml::{Table, Value};

/// The table that tells where and with what cells were run.
const PROVENANCE: &str = "provenance.parquet";
/// The checksums of all other files.
const SUMS: &str = "SHA256SUMS";

/// Files of an archive, by their names in it.
type Files = BTreeMap<String, Vec<u8>>;

/// Packs them.
pub fn pack(args: &PackArgs) -> Result<Ending, Failure> {
    let packed = packing(&args.output)?;
    let experiments = load_all(&args.experiments, args.place.quick, &args.changes)?;
    let mut files = Files::new();
    let root = root(&experiments)?;
    for experiment in &experiments {
        add_sources(&mut files, experiment, &root)?;
        add_results(&mut files, experiment, &results_folder(&args.place, experiment))?;
    }
    let readme = readme(&experiments, args, &files, &root)?;
    files.insert("README.md".to_owned(), readme.into_bytes());
    let sums: String = files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256_hex(bytes))).collect();
    files.insert(SUMS.to_owned(), sums.into_bytes());
    let top = top_folder(&args.output);
    let archive = packed.pack(archive(&top, &files)?);
    write_file(&args.output, &archive)?;
    let (output, n, mb) = (args.output.display(), files.len(), archive.len() as f64 / 1e6);
    tell(&format!(
        "{output}: {n} files of {} experiments, {mb:.1} MB, sha256 {}",
        experiments.len(),
        sha256_hex(&archive)
    ));
    Ok(Ending::Done)
}

/// How the archive is packed, by its name.
fn packing(output: &Path) -> Result<Packed, Failure> {
    let name = output.file_name().unwrap_or_default().to_string_lossy();
    let plain = name.trim_end_matches(".gz").trim_end_matches(".zst");
    if plain.ends_with(".tar") && plain != ".tar" {
        return Packed::of(output).map_err(Failure::usage);
    }
    Err(Failure::usage(format_args!("{}: an archive ends in .tar.zst, .tar.gz or .tar", output.display())))
}

/// The folder that all files of an archive are in.
fn top_folder(output: &Path) -> String {
    let name = output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.split(".tar").next().unwrap_or("results").to_owned()
}

/// The innermost folder that all files of experiments are in.
fn root(experiments: &[Experiment]) -> Result<PathBuf, Failure> {
    let mut root: Option<PathBuf> = None;
    for file in experiments.iter().flat_map(Experiment::files) {
        let file = canonical(file)?;
        let folder = file.parent().unwrap_or(Path::new("/")).to_owned();
        root = Some(match root {
            None => folder,
            Some(root) => {
                root.components().zip(folder.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
            }
        });
    }
    root.ok_or_else(|| Failure::input("there is no file to pack"))
}

fn canonical(file: &Path) -> Result<PathBuf, Failure> {
    file.canonicalize().map_err(|error| Failure::input(format_args!("cannot read {}: {error}", file.display())))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| Failure::input(format_args!("cannot read {}: {error}", file.display())))
}

/// A file's name in the archive.
fn name_in(file: &Path, root: &Path) -> Result<String, Failure> {
    let file = canonical(file)?;
    let below = file.strip_prefix(root).unwrap_or(&file);
    Ok(format!("experiments/{}", below.display()))
}

/// The files that the experiment is made of.
fn add_sources(files: &mut Files, experiment: &Experiment, root: &Path) -> Result<(), Failure> {
    let here = root.display().to_string();
    for file in experiment.files() {
        let bytes = read(file)?;
        if root.parent().is_some() && String::from_utf8_lossy(&bytes).contains(&here) {
            return Err(Failure::input(format_args!(
                "{} names files by where they are on this machine ({here}/...): write their names as seen from it",
                file.display()
            )));
        }
        files.insert(name_in(file, root)?, bytes);
    }
    Ok(())
}

/// The tables, if they are all of what the file says now.
fn add_results(files: &mut Files, experiment: &Experiment, folder: &Path) -> Result<(), Failure> {
    let run = format!("netkv run {}", experiment.arguments());
    let shown = folder.display();
    let text = fs::read_to_string(folder.join(MANIFEST))
        .map_err(|error| Failure::input(format_args!("there are no tables in {shown} ({error}): {run} makes them")))?;
    let manifest: Table =
        toml::from_str(&text).map_err(|_| Failure::input(format_args!("{shown}/{MANIFEST} is damaged: {run}")))?;
    let now: Table = toml::from_str(&experiment.resolved_toml()).expect("a resolved experiment is valid TOML");
    let before = manifest.get("experiment").and_then(Value::as_table).cloned().unwrap_or_default();
    if let Some(key) = differing(&before, &now).first() {
        return Err(Failure::input(format_args!(
            "the tables in {shown} are of another version of the file ({key}): {run}"
        )));
    }
    let count =
        |name: &str| manifest.get("cells").and_then(|cells| cells.get(name)).and_then(Value::as_integer).unwrap_or(0);
    let n_missing = count("all") - count("done") - count("failed");
    if n_missing != 0 {
        return Err(Failure::input(format_args!("{n_missing} cells are missing in the tables in {shown}: {run}")));
    }
    let into = format!("results/{}", experiment.name());
    for (name, sum) in manifest.get("sha256").and_then(Value::as_table).into_iter().flatten() {
        let bytes = read(&folder.join(name))?;
        if sum.as_str() != Some(&*sha256_hex(&bytes)) {
            return Err(Failure::input(format_args!(
                "{shown}/{name} is not the table that its manifest describes: {run}"
            )));
        }
        files.insert(format!("{into}/{name}"), bytes);
    }
    files.insert(format!("{into}/{MANIFEST}"), text.into_bytes());
    if let Ok(bytes) = fs::read(folder.join(PROVENANCE)) {
        files.insert(format!("{into}/{PROVENANCE}"), bytes);
    }
    Ok(())
}

/// What is in the archive, by what it was made, and how to make it again.
fn readme(experiments: &[Experiment], args: &PackArgs, files: &Files, root: &Path) -> Result<String, Failure> {
    let quick = if args.place.quick { " --quick" } else { "" };
    let mut text =
        String::from("# Results of netkv\n\n| experiment | file | cells | seeds | run by |\n|---|---|---|---|---|\n");
    let mut runs = String::new();
    let mut needs: Vec<String> = Vec::new();
    for experiment in experiments {
        let file = name_in(experiment.path(), root)?;
        let changes = experiment.arguments();
        let changes = changes.strip_prefix(&experiment.path().display().to_string()).unwrap_or_default();
        let own = |name: &str| format!("results/{}/{name}", experiment.name());
        let manifest = files.get(&own(MANIFEST)).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        let manifest: Table = toml::from_str(&manifest.unwrap_or_default()).unwrap_or_default();
        let cells = manifest.get("cells").map(|cells| (cells.get("done"), cells.get("failed")));
        let shown = |value: Option<&Value>| value.map_or_else(|| "?".to_owned(), Value::to_string);
        let cells =
            cells.map_or_else(String::new, |(done, failed)| format!("{} done, {} failed", shown(done), shown(failed)));
        let by = files.get(&own(PROVENANCE)).map_or_else(|| "not recorded".to_owned(), |bytes| run_by(bytes));
        let n_seeds = manifest.get("replications").and_then(|found| found.get("seeds")).and_then(Value::as_integer);
        let n_seeds = n_seeds.unwrap_or(experiment.seeds().len() as i64);
        text.push_str(&format!("| {} | {file} | {cells} | {n_seeds} | {by} |\n", experiment.name()));
        runs.push_str(&format!("netkv run {}{changes}{quick} --out again\n", quoted(&file)));
        for origin in experiment.trace_origins() {
            let stands_in = if origin.fallback { ", generated: no recorded trace was found" } else { "" };
            needs.push(format!("- trace: {} (sha256 {}{stands_in})", origin.label, origin.sha256));
        }
        for profile in experiment.profiles() {
            needs.push(format!("- latency profile: {} (sha256 {})", profile.label, profile.sha256));
        }
    }
    needs.sort();
    needs.dedup();
    let version = env!("CARGO_PKG_VERSION");
    text.push_str(&format!(
        "\nPacked by netkv {version}. `{SUMS}` has the checksum of every file: `sha256sum --check {SUMS}`. Columns are explained in \
         the tables themselves and by `netkv schema`; `manifest.toml` says what each table is a result of.\n\n\
         They depend on nothing but the files in `experiments/`, the model of this version, and\n\n{}\n\n\
         ## To make them again\n\n\
         With netkv as named above in `PATH`, in this folder (recorded traces: `netkv trace fetch`, or `NETKV_TRACE_DIR`):\n\n\
         ```\n{runs}grep ' results/' {SUMS} | grep -v {PROVENANCE} | sed 's| results/| again/|' | sha256sum --check\n```\n\n\
         Every table comes out the same to the last bit, on any machine and any number of cores; `{PROVENANCE}`, which says when and \
         where cells were run, does not.\n",
        needs.join("\n")
    ));
    Ok(text)
}

/// By what cells were run, in words.
fn run_by(provenance: &[u8]) -> String {
    let Ok((table, _)) = table_of(provenance.to_vec()) else { return "not readable".to_owned() };
    let columns: Vec<Vec<String>> =
        ["version", "commit", "compiler", "target"].iter().filter_map(|name| table.words(name).ok()).collect();
    let row = |at: usize| columns.iter().map(|column| column[at].as_str()).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..table.n_rows()).map(row).collect();
    distinct(rows.iter().map(String::as_str)).join("; ")
}

/// The files as a tar archive: by name, of nobody, of no time.
fn archive(top: &str, files: &Files) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| Failure::input(format_args!("a file cannot be packed: {error}"));
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, format!("{top}/{name}"), &bytes[..]).map_err(failed)?;
    }
    builder.into_inner().map_err(failed)
}
