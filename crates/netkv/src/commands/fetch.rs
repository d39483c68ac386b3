//! `netkv trace fetch`: published traces from where they are published.

use crate::args::FetchArgs;
use crate::catalogue::{Source, sources};
use crate::download::{Patience, Trouble, Wanted, fetch};
use crate::failure::{Blame, Failure, Writing};
use crate::output::{print, tell};
use anyhow::Error;
use indicatif::{ProgressBar, ProgressStyle};
use netkv_units::sha256_hex;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where traces are looked for.
const TRACE_DIR: &str = "NETKV_TRACE_DIR";

/// The bar of a download.
const BAR: &str = "{msg} {bytes} of {total_bytes} {wide_bar} {bytes_per_sec}";

/// Fetches the trace that is named, or lists all names.
pub fn fetch_trace(arguments: &FetchArgs) -> Result<(), Failure> {
    let sources = sources();
    let Some(name) = &arguments.name else { return list(&sources) };
    let Some(source) = sources.get(name) else {
        let known = sources.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format_args!("{name} is not a known trace; allowed: {known}")));
    };
    let folder = folder(arguments)?;
    fs::create_dir_all(&folder).writing(folder.display())?;
    let path = folder.join(&source.file);
    if path.exists() {
        return is_there(&path, source);
    }
    let url = url(source, arguments.mirror.as_deref());
    if source.sha256.is_empty() {
        tell(&format!("{name}: its checksum is not known here, so the file will be unverified"));
    }
    let sha256 = download(&url, &path, source, arguments)?;
    refuse_pointer(&path)?;
    let verified = verified(source);
    tell(&format!("{}: {verified}, sha256 {sha256}\nlicence: {}", path.display(), source.licence));
    Ok(())
}

fn list(sources: &std::collections::BTreeMap<String, Source>) -> Result<(), Failure> {
    let line = |(name, source): (&String, &Source)| {
        let sum = if source.sha256.is_empty() { "; checksum not known" } else { "" };
        format!("{name:<28}{} ({}{sum})\n", source.what, source.licence)
    };
    print(&sources.iter().map(line).collect::<String>())
}

/// The folder that the command line names, else that of the environment, else `traces`.
fn folder(arguments: &FetchArgs) -> Result<PathBuf, Failure> {
    let folder = arguments.to.clone().or_else(|| env::var_os(TRACE_DIR).map(PathBuf::from));
    let folder = folder.unwrap_or_else(|| PathBuf::from("traces"));
    if folder.is_file() {
        let message = format!("{} is a file; ${TRACE_DIR} and --to name a folder here", folder.display());
        return Err(Failure::usage(message));
    }
    Ok(folder)
}

/// The address, with another server before its path if one is named.
fn url(source: &Source, mirror: Option<&str>) -> String {
    let path = source.url.splitn(4, '/').nth(3).expect("an address has a path");
    mirror.map_or_else(|| source.url.clone(), |mirror| format!("{}/{path}", mirror.trim_end_matches('/')))
}

fn is_there(path: &Path, source: &Source) -> Result<(), Failure> {
    let shown = path.display();
    let bytes = fs::read(path).map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    let sha256 = sha256_hex(&bytes);
    if !source.sha256.is_empty() && source.sha256 != sha256 {
        let message =
            format!("{shown} is there, and is another file: sha256 {sha256}, not {}; move it away", source.sha256);
        return Err(Failure::input(message));
    }
    let verified = verified(source);
    tell(&format!("{shown} is there already: {verified}, sha256 {sha256}"));
    Ok(())
}

fn verified(source: &Source) -> String {
    if source.sha256.is_empty() { "unverified".to_owned() } else { format!("verified by {}", source.from) }
}

fn download(url: &str, path: &Path, source: &Source, arguments: &FetchArgs) -> Result<String, Failure> {
    let wanted = Wanted {
        url,
        path,
        sha256: Some(source.sha256.as_str()).filter(|sum| !sum.is_empty()),
        bytes: Some(source.bytes).filter(|&bytes| bytes > 0),
    };
    let patience = Patience { attempts: arguments.attempts, timeout: Duration::from_secs_f64(arguments.timeout_s) };
    let bar = ProgressBar::new(0).with_message(source.file.clone());
    bar.set_style(ProgressStyle::with_template(BAR).expect("the template is right"));
    let progress = |n_bytes: u64, total: Option<u64>| {
        bar.set_length(total.unwrap_or(n_bytes));
        bar.set_position(n_bytes);
    };
    let fetched = fetch(&wanted, patience, &|message| bar.suspend(|| tell(message)), &progress);
    bar.finish_and_clear();
    fetched.map_err(|trouble| match trouble {
        Trouble::Passing(problem) => {
            let message = format!("{problem}; what has arrived is kept, and the next call goes on from there");
            Failure::new(Blame::Machine, Error::msg(message))
        }
        Trouble::Lasting(problem) => Failure::input(problem),
        Trouble::Local(error) => {
            Failure::new(Blame::Machine, Error::new(error).context(format!("cannot write {}", path.display())))
        }
    })
}

/// What large-file storage gives where it does not give the file.
fn refuse_pointer(path: &Path) -> Result<(), Failure> {
    let is_pointer = fs::read(path).writing(path.display())?.starts_with(b"version https://git-lfs");
    if is_pointer {
        fs::remove_file(path).writing(path.display())?;
        return Err(Failure::input("the server sent a pointer of Git LFS instead of the file; nothing is kept"));
    }
    Ok(())
}
