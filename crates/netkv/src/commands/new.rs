//! `netkv new`: an experiment file to begin with.

use crate::args::NewArgs;
use crate::failure::{Ending, Failure};
use crate::output::{print, write_file};

/// The keys that a cluster has, with words.
const TEMPLATE: &str = include_str!("new.toml");

/// Writes the file and says what to do with it.
pub fn new(args: &NewArgs) -> Result<Ending, Failure> {
    let file = args.file.display().to_string();
    if args.file.exists() && !args.force {
        return Err(Failure::usage(format_args!(
            "{file} is there already: give another name, or --force to replace it"
        )));
    }
    let stem = args.file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let letter =
        |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter.to_ascii_lowercase() } else { '_' };
    let name: String = stem.chars().map(letter).collect();
    if name.is_empty() {
        return Err(Failure::usage("the file needs a name, such as my-cluster.toml"));
    }
    write_file(&args.file, TEMPLATE.replace("{file}", &file).replace("{name}", &name).as_bytes())?;
    print(&format!(
        "{file}: set what differs on your cluster, then\n  netkv plan {file}    what would run\n  netkv run {file}     \
         runs it and answers\n"
    ))?;
    Ok(Ending::Done)
}
