//! `netkv flows`: a flowref/1 case through the fabric model.

use crate::args::FlowsArgs;
use crate::clock::cpu_timed;
use crate::failure::{Ending, Failure};
use crate::output::print;
use netkv_fabric::flowref::{self, Case};
use std::fs;

/// Prints the finish time of every flow.
pub fn flows(args: &FlowsArgs) -> Result<Ending, Failure> {
    let shown = args.case.display();
    let text =
        fs::read_to_string(&args.case).map_err(|error| Failure::input(format_args!("cannot read {shown}: {error}")))?;
    let case = Case::from_json(&text)
        .map_err(|errors| Failure::input(format_args!("{shown} is not a valid flowref/1 case\n{errors}")))?;
    let (finish_s, run_cpu_s) = cpu_timed(|| flowref::run(&case));
    // JSON has no infinity: a flow that never ends is null.
    let mut answer = serde_json::json!({ "finish_s": finish_s });
    if args.timing {
        answer["run_cpu_s"] = run_cpu_s.into();
    }
    print(&format!("{answer}\n"))?;
    Ok(Ending::Done)
}
