//! The traffic of others on the fabric.

use super::network::Fabric;
use super::seconds::PERIOD;
use crate::library::Library;
use crate::reader::{Range, Reader, list, one_of};
use crate::tree::{Content, Node};
use netkv_fabric::{
    BackgroundConfig, FlowBackground, LinkKind, ModulatedBackground, RecordedShare, SizePoint, SizeTable,
};
use netkv_units::SimDuration;
use std::collections::BTreeMap;

/// The share of a link that the background may take at most: the rest must carry KV caches in finite time. Chosen by
/// us, equal to the congestion that the policies read at most.
const MAX_BACKGROUND_RATIO: f64 = 0.95;

/// Bytes of a flow in a table of sizes. Chosen by us: a terabyte is beyond any flow.
const FLOW_BYTES: Range = Range::closed(0.0, 1e12);

/// What a table's sizes may be multiplied by. Chosen by us.
const SIZE_SCALE: Range = Range::closed(0.01, 1e6);

/// Least mean size of a flow, in bytes. Chosen by us: smaller than a packet is no fluid, and sizes are whole bytes.
const MIN_MEAN_FLOW_BYTES: f64 = 1e3;

/// Largest size of a flow, in bytes. Chosen by us: its time over the slowest link is within the range of time.
const MAX_FLOW_BYTES: f64 = 1e13;

/// Mean time between two flows, in seconds. Chosen by us: more than a million flows a second do not end in any time
/// that one would wait, and less than one in eleven days is a slip.
const FLOW_GAP_S: Range = Range::closed(1e-6, 1e6);

/// Most changes of links of a record. Chosen by us: each takes some tens of bytes in every run.
const MAX_RECORDED_CHANGES: usize = 1 << 24;

/// What `background.kind` may be.
#[derive(Clone, Copy)]
enum Kind {
    None,
    Steady,
    Modulated,
    Flows,
    Recorded,
}

/// The traffic of others. Its keys are checked whatever `kind` is, so that a slip does not wait for an axis; rules that
/// involve several keys are those of the kind.
pub(super) fn read_background(
    reader: &mut Reader<'_>,
    library: &Library,
    fabric: Option<&Fabric>,
) -> Option<BackgroundConfig> {
    let kinds = [
        ("none", Kind::None),
        ("steady", Kind::Steady),
        ("modulated", Kind::Modulated),
        ("flows", Kind::Flows),
        ("recorded", Kind::Recorded),
    ];
    let kind = reader.choice("background.kind", &kinds);
    let steady_ratio = reader.float("background.steady_ratio", Range::closed(0.0, MAX_BACKGROUND_RATIO));
    let pod_spread_ratio = reader.float("background.pod_spread_ratio", Range::below(0.0, 1.0));
    let modulated = read_modulated(reader, pod_spread_ratio);
    let flows = read_flows(reader, pod_spread_ratio);
    let file = reader.text("background.file");
    let (ratio, file) = (steady_ratio?, file?);
    let others_are_valid = modulated.is_some() && flows.is_some();
    match kind? {
        Kind::None => others_are_valid.then_some(BackgroundConfig::None),
        Kind::Steady => others_are_valid.then_some(BackgroundConfig::Steady { ratio }),
        Kind::Modulated => check_modulated(reader, modulated?).filter(|_| flows.is_some()),
        Kind::Flows => check_flows(reader, flows?, fabric?).filter(|_| modulated.is_some()),
        Kind::Recorded if file.is_empty() => {
            reader.fail(
                "background.kind",
                "background.kind = \"recorded\" needs background.file, a table of shares over time",
            );
            None
        }
        Kind::Recorded => check_recorded(reader, library, fabric?).filter(|_| others_are_valid),
    }
}

fn read_modulated(reader: &mut Reader<'_>, pod_spread_ratio: Option<f64>) -> Option<ModulatedBackground> {
    let share = Range::below(0.0, 1.0);
    let quiet_ratio = read_range(reader, "background.quiet_ratio", share);
    let busy_ratio = read_range(reader, "background.busy_ratio", share);
    let quiet_dwell_s = reader.float("background.quiet_dwell_s", PERIOD);
    let busy_dwell_s = reader.float("background.busy_dwell_s", PERIOD);
    Some(ModulatedBackground {
        quiet_ratio: quiet_ratio?,
        busy_ratio: busy_ratio?,
        quiet_dwell: SimDuration::from_secs_f64(quiet_dwell_s?),
        busy_dwell: SimDuration::from_secs_f64(busy_dwell_s?),
        pod_spread_ratio: pod_spread_ratio?,
    })
}

fn check_modulated(reader: &mut Reader<'_>, background: ModulatedBackground) -> Option<BackgroundConfig> {
    if background.max_ratio() > MAX_BACKGROUND_RATIO {
        let message = format!(
            "the background can take {:.4} of a link, the largest of background.busy_ratio and quiet_ratio times \
             1 + background.pod_spread_ratio; allowed: at most {MAX_BACKGROUND_RATIO}",
            background.max_ratio()
        );
        reader.fail("background.busy_ratio", &message);
        return None;
    }
    Some(BackgroundConfig::Modulated(background))
}

fn read_flows(reader: &mut Reader<'_>, pod_spread_ratio: Option<f64>) -> Option<FlowBackground> {
    let offered_load_ratio = reader.float("background.offered_load_ratio", Range::between(0.0, 1.0));
    let sizes = read_size_table(reader, "background.size_table");
    let size_scale = reader.float("background.size_scale", SIZE_SCALE);
    Some(FlowBackground {
        offered_load_ratio: offered_load_ratio?,
        sizes: sizes?,
        size_scale: size_scale?,
        pod_spread_ratio: pod_spread_ratio?,
    })
}

/// A known table by its name, or an own one as a list of points.
fn read_size_table(reader: &mut Reader<'_>, key: &str) -> Option<SizeTable> {
    let allowed = || format!("{}, or a list of [bytes, cumulative probability]", one_of(&SizeTable::NAMES));
    reader.note(key, allowed);
    let node = reader.node(key)?;
    if let Content::Text(name) = &node.content
        && let Some(table) = SizeTable::named(name)
    {
        return Some(table);
    }
    let Some(items) = list(node) else {
        return reader.refuse(key, node, &allowed());
    };
    let points: Vec<SizePoint> = items.iter().filter_map(|item| read_point(reader, key, item)).collect();
    if points.len() < items.len() {
        return None;
    }
    match SizeTable::new(points) {
        Ok(table) => Some(table),
        Err(message) => {
            reader.fail(key, &format!("{key} is no distribution: {message}"));
            None
        }
    }
}

fn read_point(reader: &mut Reader<'_>, key: &str, node: &Node) -> Option<SizePoint> {
    let Some([bytes, probability]) = list(node).map(Vec::as_slice) else {
        return reader.refuse(key, node, "a point [bytes, cumulative probability]");
    };
    let bytes = reader.float_of(key, bytes, FLOW_BYTES);
    let probability = reader.float_of(key, probability, Range::closed(0.0, 1.0));
    Some(SizePoint { bytes: bytes? as u64, probability: probability? })
}

fn check_flows(reader: &mut Reader<'_>, flows: FlowBackground, fabric: &Fabric) -> Option<BackgroundConfig> {
    let tree = fabric.tree();
    let (mean, max) = (flows.mean_bytes(), flows.sizes.max_bytes() as f64 * flows.size_scale);
    if mean < MIN_MEAN_FLOW_BYTES || max > MAX_FLOW_BYTES {
        let message = format!(
            "flows of {mean:.0} bytes on average, {max:.0} at most, by background.size_table and size_scale; allowed: \
             at least {MIN_MEAN_FLOW_BYTES} on average, {MAX_FLOW_BYTES} at most"
        );
        reader.fail("background.size_table", &message);
        return None;
    }
    if !tree.is_even() {
        let message = "flows load racks, pods and NICs that are alike; fabric.topology has unequal ones; allowed: another background.kind";
        reader.fail("background.kind", message);
        return None;
    }
    if !flows.has_pairs(&tree) {
        let message = "flows go from rack to rack; allowed: cluster.racks_per_pod of at least 2, or 2 pods or more and \
                       background.pod_spread_ratio = 0";
        reader.fail("background.kind", message);
        return None;
    }
    let gap_s = flows.mean_gap_s(&tree);
    if !FLOW_GAP_S.contains(gap_s) {
        let message = format!(
            "background.offered_load_ratio = {} by flows of {mean:.0} bytes is one flow every {gap_s:.2e} s; allowed: \
             {FLOW_GAP_S}; background.size_scale makes larger flows that are fewer",
            flows.offered_load_ratio
        );
        reader.fail("background.offered_load_ratio", &message);
        return None;
    }
    let (kind, load) = flows.largest_load_ratio(&tree);
    if load > MAX_BACKGROUND_RATIO {
        let links = match kind {
            LinkKind::NvLink | LinkKind::Nic => "NICs",
            LinkKind::Rack => "rack links",
            LinkKind::Pod => "pod links",
        };
        let message = format!(
            "background.offered_load_ratio = {} is {load:.4} of the {links} of the busiest pod, by \
             background.pod_spread_ratio and the fabric's oversubscriptions; allowed: at most {MAX_BACKGROUND_RATIO}",
            flows.offered_load_ratio
        );
        reader.fail("background.offered_load_ratio", &message);
        return None;
    }
    Some(BackgroundConfig::Flows(flows))
}

/// A record whose rows are all of links that the fabric has.
fn check_recorded(reader: &mut Reader<'_>, library: &Library, fabric: &Fabric) -> Option<BackgroundConfig> {
    let recording = library.recording(reader)?;
    let tree = fabric.tree();
    let places: Vec<_> =
        LinkKind::ALL.into_iter().flat_map(|kind| tree.links_of(kind)).map(|link| tree.place(link)).collect();
    let key = |share: &RecordedShare| (share.kind, share.direction, share.pod, share.rack, share.switch);
    let described: BTreeMap<_, &RecordedShare> = recording.shares.iter().map(|share| (key(share), share)).collect();
    let n_links = |share: &RecordedShare| places.iter().filter(|place| share.matches(place)).count();
    let sizes: BTreeMap<_, usize> = described.iter().map(|(key, share)| (*key, n_links(share))).collect();
    if let Some(((kind, _, pod, rack, switch), _)) = sizes.iter().find(|(_, size)| **size == 0) {
        let part =
            |name: &str, number: &Option<u32>| number.map_or_else(String::new, |number| format!(", {name} {number}"));
        let what = [("pod", pod), ("rack", rack), ("switch", switch)].map(|(name, number)| part(name, number)).concat();
        let message = format!(
            "background.file has shares of {}{what}, but the fabric has no such link; all numbers count from 0, racks through \
             all pods",
            kind.name()
        );
        reader.fail("background.file", &message);
        return None;
    }
    let changes: usize = recording.shares.iter().map(|share| sizes[&key(share)]).sum();
    if changes > MAX_RECORDED_CHANGES {
        let message = format!("background.file is {changes} changes of links; allowed: at most {MAX_RECORDED_CHANGES}");
        reader.fail("background.file", &message);
        return None;
    }
    Some(BackgroundConfig::Recorded(recording))
}

/// Two numbers, the first at most the second.
fn read_range(reader: &mut Reader<'_>, key: &str, range: Range) -> Option<(f64, f64)> {
    let [low, high] = reader.floats::<2>(key, range)?;
    if low > high {
        reader.fail(key, &format!("{key} = [{low}, {high}] runs backwards; allowed: [low, high]"));
        return None;
    }
    Some((low, high))
}
