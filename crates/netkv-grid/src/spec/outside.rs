//! Policies that are not written here.

use super::policy::read_poll_interval;
use crate::library::Library;
use crate::reader::{Range, Reader, list};
use crate::tree::Content;
use netkv_external::{Domain, DynamoOptions, External, Network, Protocol};
use netkv_policy::{PolicyConfig, TieRule};
use netkv_script::{Script, ScriptConfig};
use netkv_sim::{KvConfig, LocalPrefillConfig, LocalRule, SchedulerConfig};
use std::time::Duration;

/// A number that a script is given.
const PARAMETER: Range = Range::closed(-1e18, 1e18);

/// Most of them. Chosen by us.
const MAX_PARAMETERS: usize = 64;

/// The policy of a script, if `is_used`; its keys are checked in any case.
pub(super) fn read_script(
    reader: &mut Reader<'_>,
    library: &Library,
    ties: Option<TieRule>,
    is_used: bool,
) -> Option<Script> {
    const FILE: &str = "policy.script.file";
    reader.note(FILE, || "a path, seen from the file that names it; \"\": none".to_owned());
    let file = reader.text(FILE);
    let poll_interval = read_poll_interval(reader, "policy.script.poll_interval_s");
    let parameters = read_parameters(reader);
    let (file, poll_interval, parameters) = (file?, poll_interval?, parameters?);
    if !is_used {
        return None;
    }
    if file.is_empty() {
        reader.fail(FILE, "policy.name = \"script\" needs policy.script.file, a policy in Rhai (docs/policies.md)");
        return None;
    }
    library.script(reader, FILE, ScriptConfig { ties: ties?, parameters, poll_interval })
}

fn read_parameters(reader: &mut Reader<'_>) -> Option<Vec<f64>> {
    const KEY: &str = "policy.script.parameters";
    let allowed = format!("a list of at most {MAX_PARAMETERS} numbers, {PARAMETER}");
    reader.note(KEY, || allowed.clone());
    let node = reader.node(KEY)?;
    let Some(items) = list(node).filter(|items| items.len() <= MAX_PARAMETERS) else {
        return reader.refuse(KEY, node, &allowed);
    };
    let number = |content: &Content| match *content {
        Content::Float(number) => Some(number),
        Content::Integer(number) => Some(number as f64),
        Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Flag(_) => None,
    };
    let numbers: Option<Vec<f64>> =
        items.iter().map(|item| number(&item.content).filter(|&number| PARAMETER.contains(number))).collect();
    numbers.or_else(|| reader.refuse(KEY, node, &allowed))
}

/// How long an answer of a router may take.
const TIMEOUT: Range = Range::closed(0.001, 3600.0);

/// Most words of a command. Chosen by us.
const MAX_WORDS: usize = 256;

/// The router that is a program, if `is_used`; its keys are checked in any case.
pub(super) fn read_external(
    reader: &mut Reader<'_>,
    library: &Library,
    kv: Option<&KvConfig>,
    is_used: bool,
) -> Option<External> {
    const COMMAND: &str = "policy.external.command";
    let command = read_command(reader);
    let is_dynamo = reader.choice("policy.external.protocol", &[("lines", false), ("dynamo", true)]);
    let timeout_s = reader.float("policy.external.timeout_s", TIMEOUT);
    reader.note("policy.external.release", || "a version; \"\": any".to_owned());
    let release = reader.text("policy.external.release");
    let network = reader.choice("policy.external.network", &[("own", Network::Own), ("host", Network::Host)]);
    let (command, is_dynamo, timeout_s, release, network) = (command?, is_dynamo?, timeout_s?, release?, network?);
    if !is_used {
        return None;
    }
    if command.first().is_none_or(String::is_empty) {
        reader.fail(
            COMMAND,
            "policy.name = \"external\" needs policy.external.command, a program and its arguments: \
             command = [\"python3\", \"router.py\"] (docs/external.md)",
        );
        return None;
    }
    if is_dynamo && release.is_empty() {
        let message = "policy.external.protocol = \"dynamo\" needs policy.external.release, the version of ai-dynamo-runtime \
                       that is installed, such as \"1.6.1\": it is checked, and results of two are not mixed (docs/external.md)";
        reader.fail("policy.external.release", message);
        return None;
    }
    let protocol = match is_dynamo {
        true => Protocol::Dynamo(DynamoOptions { block_tokens: kv?.block_tokens, domain: Domain::None }),
        false => Protocol::Lines,
    };
    let identity = library.command(&command);
    Some(External::new(command, protocol, Duration::from_secs_f64(timeout_s), release.to_owned(), network, identity))
}

fn read_command(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    const KEY: &str = "policy.external.command";
    let allowed = format!("a list of at most {MAX_WORDS} strings: the program and its arguments; no shell sees them");
    reader.note(KEY, || allowed.clone());
    let node = reader.node(KEY)?;
    let Some(items) = list(node).filter(|items| items.len() <= MAX_WORDS) else {
        return reader.refuse(KEY, node, &allowed);
    };
    let word = |content: &Content| match content {
        Content::Text(text) if !text.contains('\0') => Some(text.clone()),
        Content::Text(_)
        | Content::Float(_)
        | Content::Integer(_)
        | Content::Table(_)
        | Content::List(_)
        | Content::Flag(_) => None,
    };
    let words: Option<Vec<String>> = items.iter().map(|item| word(&item.content)).collect();
    words.or_else(|| reader.refuse(KEY, node, &allowed))
}

/// What a router of Dynamo's is not told of cannot be in its books.
pub(super) fn check_external(
    reader: &mut Reader<'_>,
    policy: Option<&PolicyConfig>,
    scheduler: Option<&SchedulerConfig>,
    local_prefill: Option<&LocalPrefillConfig>,
) {
    let is_external = matches!(policy, Some(PolicyConfig::Outside(outside)) if outside.name() == "external");
    let is_dynamo = |reader: &mut Reader<'_>| {
        reader.choice("policy.external.protocol", &[("lines", false), ("dynamo", true)]) == Some(true)
    };
    if !is_external || !is_dynamo(reader) {
        return;
    }
    if scheduler.is_some_and(|scheduler| scheduler.replicas > 1) {
        let message = "policy.external.protocol = \"dynamo\" goes with scheduler.replicas = 1: replicas of Dynamo tell each other of \
                       their requests in a way of their own (docs/external.md)";
        reader.fail("scheduler.replicas", message);
    }
    if local_prefill.is_some_and(|local| local.rule != LocalRule::Never) {
        let message = "policy.external.protocol = \"dynamo\" goes with local_prefill.rule = \"never\": the service is not told of \
                       prompts that decode instances compute themselves (docs/external.md)";
        reader.fail("local_prefill.rule", message);
    }
}
