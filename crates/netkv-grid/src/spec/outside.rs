//! Policies that are not written here.

use super::policy::read_poll_interval;
use crate::library::Library;
use crate::reader::{Range, Reader, list};
use crate::tree::Content;
use netkv_policy::TieRule;
use netkv_script::{Script, ScriptConfig};

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
