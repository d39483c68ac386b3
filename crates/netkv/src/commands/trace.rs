//! `netkv trace`: what is in a trace, traces in other formats, and traces from the generator.

mod tokenizer;

use super::fetch::fetch_trace;
use crate::args::{KnobArgs, ReadingArgs, TraceCommand};
use crate::failure::{Ending, Failure};
use crate::output::{print, tell, write_with};
use netkv_grid::read_trace;
use netkv_workload::{
    Bursts, CLOCKS, Columns, FORMATS, Knobs, Packed, ReadTrace, Reading, SyntheticKind, TokenCount, Trace,
    TraceStatistics, generate_with,
};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use tokenizer::NamedTokenizer;

/// Describes, converts, fetches or generates a trace.
pub fn trace(command: &TraceCommand) -> Result<Ending, Failure> {
    match command {
        TraceCommand::Inspect { file, reading, json } => inspect(file, reading, *json)?,
        TraceCommand::Convert { file, out, block_tokens, reading } => convert(file, out, *block_tokens, reading)?,
        TraceCommand::Fetch(arguments) => fetch_trace(arguments)?,
        TraceCommand::Generate { kind, seed, knobs, out } => generate_to(kind, *seed, knobs, out.as_deref())?,
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
            "an experiment says who shares a prefix: workload.prefix = \"trace\" or \"none\", nobody; \"shared\" or \"sessions\", drawn",
        );
    }
    Ok(())
}

fn convert(file: &Path, out: &Path, block_tokens: Option<u32>, reading: &ReadingArgs) -> Result<(), Failure> {
    if file.canonicalize().ok().is_some_and(|file| out.canonicalize().is_ok_and(|out| out == file)) {
        return Err(Failure::usage(format_args!("{} would be replaced by what is made of it", file.display())));
    }
    let packed = Packed::of(out).map_err(Failure::usage)?;
    let mut trace = read(file, reading)?.trace;
    if let Some(new) = block_tokens {
        let own = trace.block_tokens();
        if !trace.has_prefixes() {
            let message = format!("--block-tokens: {} records no prefixes, so it has no blocks", file.display());
            return Err(Failure::usage(message));
        }
        trace = trace.reblocked(new).ok_or_else(|| {
            let allowed = "a size that divides it, or a multiple of it, with fewer than 2^32 blocks";
            Failure::usage(format!(
                "--block-tokens {new}: blocks of {own} tokens cannot be made so; allowed: {allowed}"
            ))
        })?;
    }
    write_trace(&trace, out, packed)?;
    let blocks = match trace.has_prefixes() {
        true => format!("blocks of {} tokens", trace.block_tokens()),
        false => "no prefixes recorded, so no hash_ids".to_owned(),
    };
    tell(&format!("{}: {} requests, {blocks}", out.display(), trace.len()));
    Ok(())
}

/// Writes a trace in the Mooncake format.
fn write_trace(trace: &Trace, out: &Path, packed: Packed) -> Result<(), Failure> {
    write_with(out, |temporary| {
        let mut file = BufWriter::new(File::create(temporary)?);
        packed.write(&mut file, |lines| trace.write_jsonl(lines))?;
        file.flush()
    })
}

/// Reads a file, and says as what.
fn read(file: &Path, reading: &ReadingArgs) -> Result<ReadTrace, Failure> {
    let shown = file.display();
    let counter = reading.tokenizer.as_deref().map(read_tokenizer).transpose()?;
    let reading = how(reading)?;
    let bytes = fs::read(file).map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    let counter = counter.as_ref().map(|counter| counter as &dyn TokenCount);
    let read = read_trace(&bytes, &reading, counter)
        .map_err(|errors| Failure::input(format_args!("{shown} is not a valid trace\n{errors}")))?;
    if let Some(told) = read.told() {
        tell(&format!("{shown} was read as {told}"));
        read.notes.iter().for_each(|note| tell(&format!("  {note}")));
    }
    Ok(read)
}

fn read_tokenizer(file: &Path) -> Result<NamedTokenizer, Failure> {
    let shown = file.display();
    let bytes = fs::read(file).map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    NamedTokenizer::of(file, &bytes).map_err(|problem| {
        let allowed = "a tokenizer.json, as Hugging Face has them beside models";
        Failure::input(format_args!("{shown} is no tokenizer: {problem}; allowed: {allowed}"))
    })
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

/// Time in bursts, where it is not said.
const BURST_SHARE: f64 = 0.1;

/// Length of a burst, where it is not said.
const BURST_S: f64 = 10.0;

/// The window in which bursts are foretold: a minute, one of those that inspecting counts in.
const FORETOLD_WINDOW_S: f64 = 60.0;

fn generate_to(name: &str, seed: u64, arguments: &KnobArgs, out: Option<&Path>) -> Result<(), Failure> {
    let kind = match name {
        "conversation" => SyntheticKind::Conversation,
        "synthetic" => SyntheticKind::Synthetic,
        "toolagent_approx" => SyntheticKind::ToolagentApprox,
        other => unreachable!("the command line has no kind {other}"),
    };
    let packed = out.map_or(Ok(Packed::Plain), Packed::of).map_err(Failure::usage)?;
    let knobs = knobs_of(arguments);
    let trace = generate_with(kind, seed, &knobs).map_err(|error| Failure::usage(format_args!("--{error}")))?;
    match out {
        Some(path) => {
            write_trace(&trace, path, packed)?;
            tell(&format!("{}: {} requests, sha256 {}", path.display(), trace.len(), trace.sha256()));
        }
        None => print(&String::from_utf8_lossy(&trace.to_jsonl()))?,
    }
    // The format has no place for it.
    if knobs != Knobs::default() {
        tell(&format!("netkv trace generate {name} --seed {seed}{}", shown(&knobs)));
    }
    if let Some(bursts) = knobs.bursts {
        let rows = trace.rows();
        let duration_s = (rows[rows.len() - 1].timestamp_ms - rows[0].timestamp_ms) as f64 / 1000.0;
        let added = bursts.dispersion(trace.len() as f64 / duration_s, FORETOLD_WINDOW_S) - 1.0;
        tell(&format!("bursts add {added:.2} to the variance/mean in {FORETOLD_WINDOW_S} s, on average over seeds"));
    }
    Ok(())
}

fn knobs_of(arguments: &KnobArgs) -> Knobs {
    let &KnobArgs { rate, turns, shared_blocks, burst_ratio, burst_share, burst_s } = arguments;
    let bursts = burst_ratio.map(|ratio| Bursts {
        ratio,
        time_share: burst_share.unwrap_or(BURST_SHARE),
        mean_s: burst_s.unwrap_or(BURST_S),
    });
    Knobs { rate_rps: rate, turns, shared_blocks, bursts }
}

/// Knobs as the command line has them, in full.
fn shown(knobs: &Knobs) -> String {
    let Knobs { rate_rps, turns, shared_blocks, bursts } = *knobs;
    [
        ("rate", rate_rps),
        ("turns", turns),
        ("shared-blocks", shared_blocks),
        ("burst-ratio", bursts.map(|bursts| bursts.ratio)),
        ("burst-share", bursts.map(|bursts| bursts.time_share)),
        ("burst-s", bursts.map(|bursts| bursts.mean_s)),
    ]
    .into_iter()
    .filter_map(|(knob, value)| value.map(|value| format!(" --{knob} {value}")))
    .collect()
}
