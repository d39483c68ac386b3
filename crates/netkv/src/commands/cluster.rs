//! `netkv cluster`: an experiment file of the cluster that other tools tell of.

use crate::args::{ClusterCommand, ClusterImportArgs, NvLinkArg};
use crate::failure::{Ending, Failure, Writing};
use crate::output::{Prepared, folder_of, print, tell};
use netkv_grid::{Experiment, LoadOptions};
use netkv_site::{
    Choices, Cluster, FORMATS, Fault, MAX_INPUT_BYTES, NvLink, Reading, Roles, arrange, expand, read_site, written,
};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Imports a cluster.
pub fn cluster(command: &ClusterCommand) -> Result<Ending, Failure> {
    let ClusterCommand::Import(args) = command;
    let out = args.out.display().to_string();
    if args.out.exists() && !args.force {
        return Err(Failure::usage(format_args!(
            "{out} is there already: give another name, or --force to replace it"
        )));
    }
    let name = experiment_name(&args.out)?;
    let set = settings(&args.set)?;
    let choices = choices(args)?;
    let shown =
        if args.input == Path::new("-") { "standard input".to_owned() } else { args.input.display().to_string() };
    let failed = |faults: Vec<Fault>| refused(&shown, &faults);
    let bytes = read_input(&args.input, &shown)?;
    let site = read_site(&bytes, &reading(args)).map_err(failed)?;
    let format = site.format;
    let cluster = arrange(site, &choices).map_err(failed)?;
    let source: String = shown.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let text = written(&cluster, &name, &source, &set, args.assume_base).map_err(failed)?;
    write(&args.out, &text)?;
    tell(&format!("{shown} was read as {format}"));
    cluster.notes.iter().for_each(|note| tell(&format!("  {note}")));
    let shape = shape_in_words(&cluster);
    print(&format!(
        "{out}: {shape}\n  netkv plan {out}    what would run\n  netkv run {out}     runs it and answers\n"
    ))?;
    Ok(Ending::Done)
}

/// All that is wrong with an input.
pub(super) fn refused(shown: &str, faults: &[Fault]) -> Failure {
    let lines: Vec<String> = faults.iter().map(|fault| format!("{shown}:{fault}")).collect();
    let plural = if faults.len() == 1 { "thing is" } else { "things are" };
    Failure::input(format_args!("{} {plural} missing or wrong\n{}", faults.len(), lines.join("\n")))
}

/// The name of the experiment: the file's, in the letters that a folder has.
fn experiment_name(out: &Path) -> Result<String, Failure> {
    let stem = out.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain =
        |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter.to_ascii_lowercase() } else { '_' };
    let name: String = stem.chars().map(plain).collect();
    if name.is_empty() || out.extension().is_none_or(|extension| extension != "toml") {
        return Err(Failure::usage("--out is the name of an experiment file, such as my-cluster.toml"));
    }
    Ok(name)
}

/// The keys of `--set` as TOML values; a word that is no TOML is a string.
fn settings(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut set = BTreeMap::new();
    for setting in given {
        let parts = setting.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
        let is_key = |key: &str| {
            let is_plain =
                |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            key.split('.').count() > 1 && key.split('.').all(is_plain)
        };
        let Some((key, value)) = parts.filter(|(key, value)| is_key(key) && !value.is_empty()) else {
            return Err(Failure::usage(format_args!(
                "--set {setting}: allowed: KEY=VALUE, such as fabric.nic_gbps=400"
            )));
        };
        let parsed: Option<toml::Table> = toml::from_str(&format!("value = {value}")).ok();
        let value = parsed
            .filter(|table| table.len() == 1)
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.to_owned()));
        if set.insert(key.to_owned(), value.to_string()).is_some() {
            return Err(Failure::usage(format_args!("--set {key}: this was said before; once is allowed")));
        }
    }
    Ok(set)
}

fn choices(args: &ClusterImportArgs) -> Result<Choices, Failure> {
    let names = |option: &str, lists: &[String]| -> Result<Vec<String>, Failure> {
        let names: Result<Vec<Vec<String>>, String> = lists.iter().map(|list| expand(list)).collect();
        names.map(|names| names.concat()).map_err(|message| Failure::usage(format_args!("{option}: {message}")))
    };
    let roles = match (&args.role_label, args.prefill_servers.is_empty()) {
        (Some(label), _) => Roles::Label(label.clone()),
        (None, false) => Roles::Listed(names("--prefill-servers", &args.prefill_servers)?),
        (None, true) => Roles::Untold,
    };
    Ok(Choices {
        gpus_per_node: args.gpus_per_node,
        nvlink: args.nvlink.map(|scope| match scope {
            NvLinkArg::Node => NvLink::Node,
            NvLinkArg::SubDomain => NvLink::SubDomain,
            NvLinkArg::Domain => NvLink::Domain,
        }),
        equal_part: args.take.is_some(),
        joined: args.joined,
        under: args.under.clone(),
        pod_tier: args.pod_tier,
        leave_out: names("--leave-out", &args.leave_out)?,
        roles,
    })
}

fn reading(args: &ClusterImportArgs) -> Reading {
    let named = |name: &String| FORMATS.iter().find(|(known, _)| known == name).map(|(_, format)| *format);
    Reading {
        format: args.format.as_ref().and_then(named),
        tier_labels: args.tier_label.clone(),
        domain_label: args.domain_label.clone(),
        topology: args.topology.clone(),
        gpus_are_told: args.gpus_per_node.is_some(),
    }
}

/// The input, up to the most that is read and a byte.
pub(super) fn read_input(path: &Path, shown: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_INPUT_BYTES + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    Ok(bytes)
}

/// Writes the file if it is a valid experiment; else nothing is there that was not there before.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::create_dir_all(folder_of(path)).writing(path.display())?;
    let prepared = Prepared::write(path, |temporary| fs::write(temporary, text))?;
    let options =
        LoadOptions { trace_dir: std::env::var_os("NETKV_TRACE_DIR").map(Into::into), ..LoadOptions::default() };
    if let Err(errors) = Experiment::load(prepared.temporary(), &options) {
        // The file has not yet its name.
        let temporary = prepared.temporary().display().to_string();
        let said = errors.to_string().replace(&temporary, &path.display().to_string());
        return Err(Failure::input(format_args!("{} would be no valid experiment\n{said}", path.display())));
    }
    prepared.commit()
}

/// "2 pods x 2 racks x 4 nodes x 8 GPUs = 128 GPUs".
fn shape_in_words(cluster: &Cluster) -> String {
    let shape = cluster.shape();
    let words = ["pods", "racks", "nodes", "GPUs"];
    let parts: Vec<String> = shape.iter().zip(words).map(|(count, word)| format!("{count} {word}")).collect();
    let total: u64 = shape.iter().map(|count| u64::from(*count)).product();
    format!("{} = {total} GPUs", parts.join(" x "))
}
