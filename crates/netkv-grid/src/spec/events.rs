//! Instances that fail, are drained or are added: `cluster.events`, a list of tables.

use super::seconds::SECONDS;
use crate::issue::{nearest, with_suggestion};
use crate::reader::{Reader, list, one_of};
use crate::tree::{Content, Node, Table};
use netkv_sim::{ClusterChange, ClusterEvent, LocalPrefillConfig, LocalRule, Pool, PrefillConfig, PrefillMode};
use netkv_units::SimTime;
use std::collections::BTreeMap;

const KEY: &str = "cluster.events";
pub(crate) const FIELDS: [&str; 5] = ["at_s", "kind", "pool", "instance", "until_s"];

const POOLS: [(&str, Pool); 2] = [("prefill", Pool::Prefill), ("decode", Pool::Decode)];

/// What a kind begins with; `add` is all that there is of it.
const KINDS: [(&str, ClusterChange); 3] =
    [("fail", ClusterChange::Fail), ("drain", ClusterChange::Drain), ("add", ClusterChange::Join)];

/// The schedule, in order of time, of pools of so many instances.
pub(super) fn read_events(reader: &mut Reader<'_>, counts: Option<(u32, u32)>) -> Option<Vec<ClusterEvent>> {
    let allowed =
        "a list of tables such as { at_s = 60.0, kind = \"fail\", pool = \"decode\", instance = 0, until_s = 90.0 }";
    reader.note(KEY, || allowed.to_owned());
    let node = reader.node(KEY)?;
    let Some(items) = list(node) else { return reader.refuse(KEY, node, allowed) };
    if items.is_empty() {
        return Some(Vec::new());
    }
    let read: Vec<_> = items.iter().map(|item| read_one(reader, item, counts)).collect();
    let mut events: Vec<(ClusterEvent, &Node)> = Vec::new();
    for (item, pair) in items.iter().zip(read.into_iter().collect::<Option<Vec<_>>>()?) {
        events.extend(pair.into_iter().flatten().map(|event| (event, item)));
    }
    events.sort_by_key(|(event, _)| event.at);
    check_order(reader, &events)?;
    check_left(reader, &events, counts?)?;
    Some(events.into_iter().map(|(event, _)| event).collect())
}

/// A change, and the one that ends it if it does.
fn read_one(reader: &mut Reader<'_>, item: &Node, counts: Option<(u32, u32)>) -> Option<[Option<ClusterEvent>; 2]> {
    let Content::Table(table) = &item.content else { return reader.refuse(KEY, item, "a table") };
    if let Some(unknown) = table.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        let message = format!("{KEY} has no field {unknown}; its fields: {}", FIELDS.join(", "));
        reader.fail_at(item, &with_suggestion(&message, nearest(unknown, FIELDS)));
        return None;
    }
    let seconds = |reader: &mut Reader<'_>, node: &Node, field: &str| {
        reader.float_of(&format!("{KEY}.{field}"), node, SECONDS).map(SimTime::from_secs_f64)
    };
    let change = word(reader, item, table, "kind", &KINDS);
    let pool = word(reader, item, table, "pool", &POOLS);
    let at = field(reader, item, table, "at_s").and_then(|node| seconds(reader, node, "at_s"));
    let instance = field(reader, item, table, "instance");
    let (change, pool, at, instance) = (change?, pool?, at?, instance?);
    let (prefill, decode) = counts?;
    let n = if pool == Pool::Prefill { prefill } else { decode };
    let number = reader.integer_of(&format!("{KEY}.instance"), instance, 0, u64::from(n) - 1)?;
    let begun = ClusterEvent { at, pool, instance: number as u32, change };
    let Some(until) = table.get("until_s") else { return Some([Some(begun), None]) };
    if change == ClusterChange::Join {
        reader.fail_at(
            until,
            &format!("{KEY}: kind = \"add\" has no until_s; write a \"drain\" or \"fail\" at that time"),
        );
        return None;
    }
    let back = seconds(reader, until, "until_s")?;
    if back <= at {
        reader.fail_at(until, &format!("{KEY}: until_s is not later than at_s"));
        return None;
    }
    Some([Some(begun), Some(ClusterEvent { at: back, change: ClusterChange::Join, ..begun })])
}

fn field<'a>(reader: &mut Reader<'_>, item: &Node, table: &'a Table, name: &str) -> Option<&'a Node> {
    let node = table.get(name);
    if node.is_none() {
        reader.fail_at(item, &format!("{KEY}.{name} is missing; each event has {}", FIELDS[..4].join(", ")));
    }
    node
}

fn word<T: Copy>(
    reader: &mut Reader<'_>,
    item: &Node,
    table: &Table,
    name: &str,
    words: &[(&'static str, T)],
) -> Option<T> {
    let node = field(reader, item, table, name)?;
    let found = match &node.content {
        Content::Text(text) => words.iter().find(|(word, _)| word == text),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    };
    let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
    found.map(|(_, value)| *value).or_else(|| reader.refuse(&format!("{KEY}.{name}"), node, &one_of(&names)))
}

/// An instance that is there fails or is drained, one that is not there comes; never two at once.
fn check_order(reader: &mut Reader<'_>, events: &[(ClusterEvent, &Node)]) -> Option<()> {
    let mut seen: BTreeMap<(Pool, u32), (ClusterChange, SimTime)> = BTreeMap::new();
    for (event, item) in events {
        let last = seen.insert((event.pool, event.instance), (event.change, event.at));
        let joins = event.change == ClusterChange::Join;
        let is_good = match last {
            // An instance whose first change is to join is not there before.
            None => true,
            Some((change, at)) => at < event.at && joins != (change == ClusterChange::Join),
        };
        if !is_good {
            let message = format!(
                "{KEY}: at {} s the instance is {}; an instance has one event at a time",
                event.at.since(SimTime::ZERO).as_secs_f64(),
                if joins { "there already" } else { "not there, or something else becomes of it" }
            );
            reader.fail_at(item, &message);
            return None;
        }
    }
    Some(())
}

/// At every moment each pool has an instance that takes requests.
fn check_left(reader: &mut Reader<'_>, events: &[(ClusterEvent, &Node)], counts: (u32, u32)) -> Option<()> {
    for ((word, pool), n) in POOLS.into_iter().zip([counts.0, counts.1]) {
        let mut there = i64::from(n);
        let mut first: BTreeMap<u32, ClusterChange> = BTreeMap::new();
        for (event, _) in events.iter().filter(|(event, _)| event.pool == pool) {
            first.entry(event.instance).or_insert(event.change);
        }
        there -= first.values().filter(|change| **change == ClusterChange::Join).count() as i64;
        let mut own = events.iter().filter(|(event, _)| event.pool == pool).peekable();
        if there == 0 {
            reader
                .fail(KEY, &format!("{KEY} leaves no {word} instance at the start; allowed: at least one at any time"));
            return None;
        }
        while let Some((event, item)) = own.next() {
            there += if event.change == ClusterChange::Join { 1 } else { -1 };
            let is_last = own.peek().is_none_or(|(next, _)| next.at > event.at);
            if is_last && there == 0 {
                let at = event.at.since(SimTime::ZERO).as_secs_f64();
                let message =
                    format!("{KEY} leaves no {word} instance from {at} s on; allowed: at least one at any time");
                reader.fail_at(item, &message);
                return None;
            }
        }
    }
    Some(())
}

/// What goes with instances that come and go.
pub(super) fn check_events(
    reader: &mut Reader<'_>,
    events: &[ClusterEvent],
    prefill: Option<&PrefillConfig>,
    local: Option<&LocalPrefillConfig>,
    overlaps: bool,
) {
    if events.is_empty() {
        return;
    }
    if prefill.is_some_and(|prefill| prefill.engine == PrefillMode::Delay) {
        reader.fail(
            KEY,
            "cluster.events need prefill instances that hold prompts; allowed with prefill.engine = \"batched\"",
        );
    }
    if local.is_some_and(|local| local.rule != LocalRule::Never) {
        reader.fail(KEY, "cluster.events go with local_prefill.rule = \"never\" alone");
    }
    if overlaps {
        reader.fail(KEY, "cluster.events go with transfer.overlap = \"none\" alone");
    }
}
