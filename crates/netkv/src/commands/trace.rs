//! `netkv trace`: what is in a trace, traces in other formats, and traces from the generator.

use super::fetch::fetch_trace;
use crate::args::{ReadingArgs, TraceCommand};
use crate::failure::{Ending, Failure};
use crate::output::{print, tell, write_file};
use netkv_workload::{
    BLOCK_TOKENS, CLOCKS, Columns, FORMATS, Packed, ReadTrace, Reading, SyntheticKind, TraceStatistics, generate,
    read_trace,
};
use std::fs;
use std::path::Path;

/// Describes, converts, fetches or generates a trace.
pub fn trace(command: &TraceCommand) -> Result<Ending, Failure> {
    match command {
        TraceCommand::Inspect { file, reading, json } => inspect(file, reading, *json)?,
        TraceCommand::Convert { file, out, reading } => convert(file, out, reading)?,
        TraceCommand::Fetch(arguments) => fetch_trace(arguments)?,
        TraceCommand::Generate { kind, seed, out } => generate_to(kind, *seed, out.as_deref())?,
    }
    Ok(Ending::Done)
}

fn inspect(file: &Path, reading: &ReadingArgs, is_json: bool) -> Result<(), Failure> {
    let read = read(file, reading)?;
    let statistics = TraceStatistics::of(&read.trace);
    let text = if is_json {
        serde_json::to_string_pretty(&statistics).expect("statistics have string keys and finite numbers")
    } else {
        statistics.to_string()
    };
    print(&format!("{}\n", text.trim_end()))?;
    if !read.trace.has_prefixes() {
        tell(
            "an experiment says who shares a prefix: workload.prefix = \"trace\" or \"none\", nobody; \"shared\", drawn",
        );
    }
    Ok(())
}

fn convert(file: &Path, out: &Path, reading: &ReadingArgs) -> Result<(), Failure> {
    if file.canonicalize().ok().is_some_and(|file| out.canonicalize().is_ok_and(|out| out == file)) {
        return Err(Failure::usage(format_args!("{} would be replaced by what is made of it", file.display())));
    }
    let packed = Packed::of(out).map_err(Failure::usage)?;
    let trace = read(file, reading)?.trace;
    write_file(out, &packed.pack(trace.to_jsonl()))?;
    let blocks = match trace.has_prefixes() {
        true => format!("blocks of {} tokens", trace.block_tokens()),
        false => "no prefixes recorded, so no hash_ids".to_owned(),
    };
    tell(&format!("{}: {} requests, {blocks}", out.display(), trace.len()));
    Ok(())
}

/// Reads a file, and says as what.
fn read(file: &Path, reading: &ReadingArgs) -> Result<ReadTrace, Failure> {
    let shown = file.display();
    let reading = how(reading)?;
    let bytes = fs::read(file).map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    let read = read_trace(&bytes, &reading)
        .map_err(|errors| Failure::input(format_args!("{shown} is not a valid trace\n{errors}")))?;
    if let Some(told) = read.told() {
        tell(&format!("{shown} was read as {told}"));
        read.notes.iter().for_each(|note| tell(&format!("  {note}")));
    }
    let block_tokens = read.trace.block_tokens();
    if block_tokens != BLOCK_TOKENS {
        tell(&format!("  an experiment simulates its blocks of {block_tokens} tokens as blocks of {BLOCK_TOKENS}"));
    }
    Ok(read)
}

/// What the command line says about how to read.
fn how(arguments: &ReadingArgs) -> Result<Reading, Failure> {
    if let Some(name) = &arguments.format {
        let format = FORMATS.iter().find(|format| format.name == name).expect("the command line knows the formats");
        return Ok(Reading::As(format));
    }
    if arguments.column.is_empty() {
        return Ok(Reading::Detected);
    }
    let [mut arrival, mut input, mut output] = [None, None, None];
    for column in &arguments.column {
        let (place, name) = match column.split_once('=') {
            Some(("arrival", name)) => (&mut arrival, name),
            Some(("input", name)) => (&mut input, name),
            Some(("output", name)) => (&mut output, name),
            Some(_) | None => {
                let message = format!("--column {column}: allowed: arrival=NAME, input=NAME, output=NAME");
                return Err(Failure::usage(message));
            }
        };
        if place.replace(name.to_owned()).is_some() {
            return Err(Failure::usage(format!("--column {column}: this was said before; once is allowed")));
        }
    }
    let (Some(input), Some(output)) = (input, output) else {
        return Err(Failure::usage("--column input=NAME and --column output=NAME are needed"));
    };
    let &(_, clock) =
        CLOCKS.iter().find(|(name, _)| *name == arguments.unit).expect("the command line knows the units");
    Ok(Reading::Columns(Columns { arrival: arrival.map(|name| (name, clock)), input, output }))
}

fn generate_to(kind: &str, seed: u64, out: Option<&Path>) -> Result<(), Failure> {
    let kind = match kind {
        "conversation" => SyntheticKind::Conversation,
        "synthetic" => SyntheticKind::Synthetic,
        "toolagent_approx" => SyntheticKind::ToolagentApprox,
        other => unreachable!("the command line has no kind {other}"),
    };
    let packed = out.map_or(Ok(Packed::Plain), Packed::of).map_err(Failure::usage)?;
    let trace = generate(kind, seed);
    let bytes = trace.to_jsonl();
    let Some(path) = out else { return print(&String::from_utf8_lossy(&bytes)) };
    write_file(path, &packed.pack(bytes))?;
    tell(&format!("{}: {} requests, sha256 {}", path.display(), trace.len(), trace.sha256()));
    Ok(())
}
