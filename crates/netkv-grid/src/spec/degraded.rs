//! Links that carry less than they should for some time: `fabric.degraded`, a list of tables.

use super::network::Fabric;
use super::seconds::SECONDS;
use crate::issue::{nearest, with_suggestion};
use crate::reader::{Range, Reader, list, one_of};
use crate::tree::{Content, Node, Table};
use netkv_fabric::{Degradation, Direction, LinkKind, cut_off};
use netkv_units::SimTime;

const KEY: &str = "fabric.degraded";
pub(crate) const FIELDS: [&str; 9] =
    ["kind", "direction", "pod", "rack", "switch", "gpu", "capacity_ratio", "from_s", "until_s"];

/// The degraded links of the fabric.
pub(super) fn read_degraded(reader: &mut Reader<'_>, fabric: Option<&Fabric>) -> Option<Vec<Degradation>> {
    let allowed = "a list of tables such as { kind = \"rack\", pod = 0, capacity_ratio = 0.5 }";
    reader.note(KEY, || allowed.to_owned());
    let node = reader.node(KEY)?;
    let Some(items) = list(node) else {
        return reader.refuse(KEY, node, allowed);
    };
    if items.is_empty() {
        return Some(Vec::new());
    }
    let read: Vec<_> = items.iter().map(|item| read_one(reader, item)).collect();
    let degraded: Vec<Degradation> = read.into_iter().collect::<Option<_>>()?;
    let tree = fabric?.tree();
    for (item, one) in items.iter().zip(&degraded) {
        let places = LinkKind::ALL.into_iter().flat_map(|kind| tree.links_of(kind)).map(|link| tree.place(link));
        if !places.into_iter().any(|place| one.matches(&place)) {
            let what =
                format!("{} describes no link of the fabric; all numbers count from 0", item.content.canonical());
            reader.fail_at(item, &format!("{KEY}: {what}"));
            return None;
        }
    }
    if let Some(what) = cut_off(&degraded, &tree) {
        reader.fail(KEY, &format!("{KEY} can cut off a part of the fabric: {what}; transfers would wait there"));
        return None;
    }
    Some(degraded)
}

fn read_one(reader: &mut Reader<'_>, item: &Node) -> Option<Degradation> {
    let Content::Table(table) = &item.content else {
        return reader.refuse(KEY, item, "a table");
    };
    if let Some(unknown) = table.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        let message = format!("{KEY} has no field {unknown}; its fields: {}", FIELDS.join(", "));
        reader.fail_at(item, &with_suggestion(&message, nearest(unknown, FIELDS)));
        return None;
    }
    let kind = word(reader, table, "kind", &LinkKind::ALL.map(|kind| (kind.name(), kind)))?;
    let directions = [Direction::Up, Direction::Down].map(|direction| (direction.name(), direction));
    let direction = word(reader, table, "direction", &directions)?;
    let number = |reader: &mut Reader<'_>, field: &str| match table.get(field) {
        None => Some(None),
        Some(node) => {
            reader.integer_of(&format!("{KEY}.{field}"), node, 0, u64::from(u32::MAX - 1)).map(|it| Some(it as u32))
        }
    };
    let float = |reader: &mut Reader<'_>, field: &str, range: Range, default: f64| match table.get(field) {
        None => Some(default),
        Some(node) => reader.float_of(&format!("{KEY}.{field}"), node, range),
    };
    let (pod, rack) = (number(reader, "pod"), number(reader, "rack"));
    let (switch, gpu) = (number(reader, "switch"), number(reader, "gpu"));
    let Some(kind) = kind else {
        reader
            .fail_at(item, &format!("{KEY}.kind is missing; allowed: {}", one_of(&LinkKind::ALL.map(LinkKind::name))));
        return None;
    };
    if !table.contains_key("capacity_ratio") {
        reader.fail_at(item, &format!("{KEY}.capacity_ratio is missing; allowed: 0 (down) to 1"));
        return None;
    }
    // A GPU has one NIC: without it their transfers would wait.
    let share = if kind >= LinkKind::Rack { Range::closed(0.0, 1.0) } else { Range::closed(0.001, 1.0) };
    let capacity_ratio = float(reader, "capacity_ratio", share, 1.0);
    let from_s = float(reader, "from_s", SECONDS, 0.0);
    let until_s = float(reader, "until_s", SECONDS, f64::INFINITY);
    if from_s? >= until_s? {
        reader.fail_at(item, &format!("{KEY}: until_s is not later than from_s"));
        return None;
    }
    Some(Degradation {
        kind,
        direction,
        pod: pod?,
        rack: rack?,
        switch: switch?,
        gpu: gpu?,
        capacity_ratio: capacity_ratio?,
        from: SimTime::from_secs_f64(from_s?),
        until: if until_s?.is_finite() { SimTime::from_secs_f64(until_s?) } else { SimTime::NEVER },
    })
}

/// One of the given words, or none if the field is not there; nothing if it is there and wrong.
fn word<T: Copy>(
    reader: &mut Reader<'_>,
    table: &Table,
    field: &str,
    words: &[(&'static str, T)],
) -> Option<Option<T>> {
    let Some(node) = table.get(field) else { return Some(None) };
    let found = match &node.content {
        Content::Text(text) => words.iter().find(|(name, _)| name == text),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    };
    if found.is_none() {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        return reader.refuse(&format!("{KEY}.{field}"), node, &one_of(&names));
    }
    Some(found.map(|(_, value)| *value))
}
