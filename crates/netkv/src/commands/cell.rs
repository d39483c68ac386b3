//! `netkv cell`: one cell again, bit for bit.

use super::{load, results_folder};
use crate::args::CellArgs;
use crate::cells::{coordinates, find_cell};
use crate::clock::cpu_timed;
use crate::failure::{Ending, Failure};
use crate::kept::CELLS;
use crate::output::{print, write_file};
use crate::watch;
use crate::watched::Watched;
use netkv_grid::{CellRun, Status, Store, Workloads};
use netkv_sim::{METRICS, RequestRecord, RunOutput, Scenario, TtftParts, Value};
use std::fmt::Write as _;

/// Runs the cell and prints its metrics, or its timing.
pub fn cell(args: &CellArgs) -> Result<Ending, Failure> {
    watch::check(&args.watch)?;
    let experiment = load(&args.experiment, args.place.quick)?;
    let cell = find_cell(&experiment, args.cell)?;
    let scenario = Workloads::new().scenario(&cell);
    if args.timing {
        print(&timing(&scenario))?;
        return Ok(Ending::Done);
    }
    let run = match (watch::config(&args.watch, &scenario)?, &args.requests) {
        (Some(config), _) => {
            let (output, seen) = netkv_sim::run_observed(&scenario, &config);
            watch::write(
                &args.watch,
                &Watched { experiment: &experiment, cell: &cell, scenario: &scenario, output: &output, seen: &seen },
            )?;
            CellRun::from(output)
        }
        (None, Some(_)) => netkv_sim::run(&scenario).into(),
        (None, None) => CellRun::streamed(&scenario),
    };
    if let (Some(path), Some(output)) = (&args.requests, &run.output) {
        write_file(path, requests_csv(output).as_bytes())?;
    }
    let digest = run.digest.to_string();
    let store = Store::open(&results_folder(&args.place, &experiment).join(CELLS))?;
    let compared = match store.get(cell.key).map(|stored| &stored.status) {
        Some(Status::Done { digest: stored, .. }) if *stored == digest => "the same as stored",
        Some(Status::Done { .. }) => {
            "NOT the stored one: the model changed without a new epoch, or is not deterministic"
        }
        Some(Status::Failed { .. }) => "failed when it was run before",
        None => "nothing stored",
    };
    let mut text = format!("cell {}: {}\n", cell.index, coordinates(&experiment, &cell));
    text.push_str(&format!("digest {digest} ({compared})\n"));
    for (metric, value) in METRICS.iter().zip(&run.metrics) {
        text.push_str(&format!("{:32} {}\n", metric.name, shown(*value)));
    }
    print(&text)?;
    Ok(Ending::Done)
}

/// A number as text; nothing for a missing one.
fn shown(value: Value) -> String {
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Missing => String::new(),
    }
}

/// Runs the cell for its time alone: requests are counted and let go.
fn timing(scenario: &Scenario) -> String {
    let (mut requests, mut output_tokens) = (0_u64, 0_u64);
    let (end, sim_cpu_s) = cpu_timed(|| {
        netkv_sim::run_streamed(scenario, &mut |record| {
            requests += 1;
            output_tokens += u64::from(record.output_tokens);
        })
    });
    let line = serde_json::json!({
        "sim_cpu_s": sim_cpu_s,
        "requests": requests,
        "output_tokens": output_tokens,
        "events": end.totals.events,
    });
    format!("{line}\n")
}

fn requests_csv(output: &RunOutput) -> String {
    let parts = TtftParts::NAMES.map(|name| format!("ttft_{name}_ns")).join(",");
    let mut text = format!(
        "request,arrival_ns,input_tokens,output_tokens,prefill_instance,decode_instance,tier,prefill_hit_tokens,\
         decode_hit_tokens,transfer_bytes,{parts},ttft_ns,decoding_ns,tbt_max_ns,finish_ns,ttft_limit_ns,preemptions,\
         slo_attained,counted\n"
    );
    for record in &output.requests {
        write_request(&mut text, record).expect("a string takes any text");
    }
    text
}

fn write_request(text: &mut String, record: &RequestRecord) -> std::fmt::Result {
    let decode = record.decode_instance.map_or_else(String::new, |instance| instance.get().to_string());
    let tier = record.tier.map_or_else(String::new, |tier| tier.index().to_string());
    let parts = record.parts.values().map(|part| part.as_nanos().to_string()).join(",");
    let fields = [
        u64::from(record.request.get()).to_string(),
        record.arrival.as_nanos().to_string(),
        record.input_tokens.to_string(),
        record.output_tokens.to_string(),
        record.prefill_instance.get().to_string(),
        decode,
        tier,
        record.prefill_hit_tokens.to_string(),
        record.decode_hit_tokens.to_string(),
        record.transfer_bytes.to_string(),
        parts,
        record.ttft.as_nanos().to_string(),
        record.decoding.as_nanos().to_string(),
        record.tbt_max.as_nanos().to_string(),
        record.finish.as_nanos().to_string(),
        record.ttft_limit.as_nanos().to_string(),
        record.preemptions.to_string(),
        record.slo_attained.to_string(),
        record.counted.to_string(),
    ];
    writeln!(text, "{}", fields.join(","))
}
