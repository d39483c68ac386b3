//! `netkv oracle`: the network cost oracle of a cluster, over HTTP.

use super::cluster::{read_input, refused};
use crate::args::{OracleCommand, ServeArgs};
use crate::failure::{Blame, Ending, Failure};
use crate::interrupt;
use crate::operator::{self, Needs};
use crate::output::{print, tell};
use netkv_oracle::{
    Asking, Base, Board, Fetcher, Figures, Listing, Patience, Plan, Refresher, Refreshing, Server, Serving,
    default_query, default_stamps,
};
use netkv_site::links;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Largest answer of Prometheus that is read, in bytes: some hundred thousand series. Chosen by us.
const MAX_ANSWER: u64 = 32 << 20;

/// Largest content of a header, in bytes.
const MAX_HEADER: u64 = 8 << 10;

/// Most readings a second. Chosen by us: Prometheus itself rarely scrapes as often.
const SHORTEST: Duration = Duration::from_millis(100);

/// Serves.
pub fn oracle(command: &OracleCommand) -> Result<Ending, Failure> {
    let OracleCommand::Serve(args) = command;
    check(args)?;
    let base = Base::parse(&args.prometheus)
        .map_err(|why| Failure::usage(format_args!("--prometheus {}: {why}", args.prometheus)))?;
    let authorization = args.authorization_file.as_deref().map(authorization).transpose()?;
    let shown = args.topology.display().to_string();
    let scenario = operator::scenario(&args.topology, &args.set, Needs::Network)?;
    let plan = operator::plan(&scenario, &shown)?;
    let (granularity, counts_in_flight) = operator::telling(&scenario, &shown)?;
    let listing = listing(&args.links, &plan)?;
    if let Some(left_out) = listing.left_out() {
        tell(&format!("warning: {}: {left_out}", args.links.display()));
    }
    let patience = Patience { timeout: args.timeout, max_bytes: MAX_ANSWER };
    let fetcher = Fetcher::new(base, patience, authorization.as_deref())
        .map_err(|why| Failure::input(format_args!("the content of --authorization-file: {why}")))?;
    let asking = asking(args, &listing);
    let plan = Arc::new(plan);
    let figures = Figures::unknown(plan.known_by(), granularity, counts_in_flight);
    let board = Arc::new(Board::new(Arc::clone(&plan), figures));
    let serving = Serving {
        listen: args.listen,
        stale_after_s: args.stale_after.as_secs_f64(),
        max_connections: args.max_connections as usize,
    };
    let machine = |what: String| {
        move |error: std::io::Error| Failure::new(Blame::Machine, anyhow::Error::new(error).context(what))
    };
    let server =
        Server::listen(serving, Arc::clone(&board)).map_err(machine(format!("cannot listen on {}", args.listen)))?;
    let stop = interrupt::stop_of_service();
    let n_links = listing.len();
    let refreshing = Refreshing { fetcher, asking, listing, every: args.every, granularity, counts_in_flight };
    let say = |words: &str| tell(&format!("oracle: {words}"));
    let refresher = Refresher::start(refreshing, board, server.meters(), say)
        .map_err(machine("cannot read Prometheus".to_owned()))?;
    print(&format!("listening on http://{}: {} instances, {n_links} links\n", server.address(), plan.instances.len()))?;
    server.run(stop).map_err(machine("cannot serve".to_owned()))?;
    drop(refresher);
    Ok(Ending::Done)
}

/// What of the command line cannot be.
fn check(args: &ServeArgs) -> Result<(), Failure> {
    if !args.listen.ip().is_loopback() && !args.allow_remote {
        return Err(Failure::usage(format_args!(
            "--listen {}: other machines reach that address; --allow-remote says that they may, 127.0.0.1:{} is for this one",
            args.listen,
            args.listen.port()
        )));
    }
    if args.every < SHORTEST {
        return Err(Failure::usage("--every: allowed: 100ms or more"));
    }
    Ok(())
}

/// The links of a file, in a plan.
fn listing(path: &Path, plan: &Plan) -> Result<Listing, Failure> {
    let shown = path.display().to_string();
    let bytes = read_input(path, &shown)?;
    let links = links(&String::from_utf8_lossy(&bytes)).map_err(|faults| refused(&shown, &faults))?;
    Listing::new(links, plan).map_err(|faults| refused(&shown, &faults))
}

/// What Prometheus is asked.
fn asking(args: &ServeArgs, listing: &Listing) -> Asking {
    match &args.query {
        Some(query) => Asking { query: query.clone(), stamps: args.stamps.clone() },
        None => {
            let instances = listing.instances();
            Asking { query: default_query(&instances, args.window), stamps: Some(default_stamps(&instances)) }
        }
    }
}

/// The content of a header, from a file.
fn authorization(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_HEADER + 1).read_to_string(&mut text));
    read.map_err(|error| Failure::input(format_args!("cannot read {}: {error}", path.display())))?;
    let content = text.trim();
    if content.is_empty() || text.len() as u64 > MAX_HEADER {
        let path = path.display();
        return Err(Failure::input(format_args!("{path} is no header; allowed: one line, such as \"Bearer ...\"")));
    }
    Ok(content.to_owned())
}
