//! What a live cluster is: an experiment file without its axes, and the plan of its network.

use crate::failure::Failure;
use netkv_grid::{Experiment, LoadOptions, Overrides, Workloads};
use netkv_oracle::{Granularity, Instance, Plan};
use netkv_sim::{NetworkPlan, OracleGranularity, OwnTraffic, Scenario, Unplanned, network_plan};
use std::env;
use std::path::{Path, PathBuf};

/// Sections that say what the network is; and what engines and policies are.
const NETWORK: [&str; 7] = ["cluster.", "fabric.", "oracle.", "transfer.", "model.", "prefill.", "decode."];
const ENGINES: [&str; 3] = ["policy.", "kv.", "slo."];

/// What of a file is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Its network.
    Network,
    /// Its engines and policies as well.
    Everything,
}

/// The scenario that a file is without its axes.
///
/// # Errors
/// All that is wrong with it, and keys that it sweeps although they are needed.
pub fn scenario(path: &Path, set: &[(String, String)], needs: Needs) -> Result<Scenario, Failure> {
    let options = LoadOptions {
        trace_dir: env::var_os("NETKV_TRACE_DIR").map(PathBuf::from),
        overrides: Overrides { set: set.to_vec(), seeds: Some(1) },
        without_axes: true,
        ..LoadOptions::default()
    };
    let experiment = Experiment::load(path, &options)?;
    let is_said = |key: &str| set.iter().any(|(known, _)| known == key);
    let is_needed = |key: &str| {
        let begins = |sections: &[&str]| sections.iter().any(|section| key.starts_with(section));
        begins(&NETWORK) || (needs == Needs::Everything && begins(&ENGINES))
    };
    let open: Vec<String> = experiment
        .left_axes()
        .iter()
        .filter(|axis| axis.is_of_files || (is_needed(&axis.key) && !is_said(&axis.key)))
        .map(|axis| match axis.is_of_files {
            true => format!("axis {} lays files over it: make a file that extends the one that is meant", axis.key),
            false => format!("it sweeps {}: --set {}=VALUE says which", axis.key, axis.key),
        })
        .collect();
    if !open.is_empty() {
        let path = path.display();
        return Err(Failure::input(format_args!("{path} is several clusters\n  {}", open.join("\n  "))));
    }
    let cell = experiment.cell(0).expect("a file without axes has one point");
    Ok(Workloads::new().scenario(&cell))
}

/// The plan of a scenario's network.
///
/// # Errors
/// If the paper's maps cannot tell it: one bandwidth for each tier.
pub fn plan(scenario: &Scenario, shown: &str) -> Result<Plan, Failure> {
    let NetworkPlan { instances, bandwidth_bytes_per_sec, latency, alone_bytes_per_sec, pods, racks } =
        network_plan(scenario).map_err(|why| {
            Failure::input(match why {
                Unplanned::UnequalInstances => format!(
                    "{shown}: instances differ in GPUs or network interfaces, and with them the bandwidth of a tier; the oracle's \
                     maps have one for each tier: serve each kind by an oracle of its own"
                ),
                Unplanned::Rails => {
                    format!("{shown}: fabric.wiring = \"rails\"; the oracle's racks are leaf switches: allowed: \"racks\"")
                }
            })
        })?;
    let instance = |planned: &netkv_sim::PlannedInstance| Instance {
        pod: planned.pod,
        rack: planned.rack,
        node: planned.node,
        prefills: planned.prefills,
        interface: planned.interface,
        leaving_bytes_per_s: planned.leaving_bytes_per_sec,
    };
    let plan = Plan {
        instances: instances.iter().map(instance).collect(),
        bandwidth_bytes_per_s: bandwidth_bytes_per_sec,
        latency_ns: latency.map(|latency| latency.as_nanos()),
        alone_bytes_per_s: alone_bytes_per_sec,
        pods,
        racks,
    };
    plan.check().map_err(|why| Failure::input(format_args!("{shown}: {why}")))?;
    Ok(plan)
}

/// How much of the congestion a way is told of, and whether the router's own transfers are in it.
///
/// # Errors
/// Granularities that only a simulation knows.
pub fn telling(scenario: &Scenario, shown: &str) -> Result<(Granularity, bool), Failure> {
    let granularity = match scenario.oracle {
        OracleGranularity::Static => Granularity::Static,
        OracleGranularity::Tier => Granularity::Tier,
        OracleGranularity::Zone => Granularity::Zone,
        OracleGranularity::Path | OracleGranularity::Exact => {
            return Err(Failure::input(format_args!(
                "{shown}: oracle.granularity is one that counters do not tell; allowed: \"static\", \"tier\", \"zone\": --set \
                 oracle.granularity=zone"
            )));
        }
    };
    Ok((granularity, scenario.own_traffic == OwnTraffic::Counted))
}
