//! `netkv trace`: what is in a trace, and traces from the generator.

use crate::args::TraceCommand;
use crate::failure::{Ending, Failure};
use crate::output::{print, tell, write_file};
use netkv_workload::{SyntheticKind, Trace, TraceStatistics, generate};
use std::fs;
use std::path::Path;

/// Describes or generates a trace.
pub fn trace(command: &TraceCommand) -> Result<Ending, Failure> {
    match command {
        TraceCommand::Inspect { file, json } => inspect(file, *json)?,
        TraceCommand::Generate { kind, seed, out } => generate_to(kind, *seed, out.as_deref())?,
    }
    Ok(Ending::Done)
}

fn inspect(file: &Path, is_json: bool) -> Result<(), Failure> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    let trace = Trace::parse(&bytes)
        .map_err(|errors| Failure::input(format_args!("{shown} is not a valid trace\n{errors}")))?;
    let statistics = TraceStatistics::of(&trace);
    let text = if is_json {
        serde_json::to_string_pretty(&statistics).expect("statistics have string keys and finite numbers")
    } else {
        statistics.to_string()
    };
    print(&format!("{}\n", text.trim_end()))
}

fn generate_to(kind: &str, seed: u64, out: Option<&Path>) -> Result<(), Failure> {
    let kind = match kind {
        "conversation" => SyntheticKind::Conversation,
        "synthetic" => SyntheticKind::Synthetic,
        "toolagent_approx" => SyntheticKind::ToolagentApprox,
        other => unreachable!("the command line has no kind {other}"),
    };
    let trace = generate(kind, seed);
    let bytes = trace.to_jsonl();
    let Some(path) = out else { return print(&String::from_utf8_lossy(&bytes)) };
    write_file(path, &bytes)?;
    tell(&format!("{}: {} requests, sha256 {}", path.display(), trace.len(), trace.sha256()));
    Ok(())
}
