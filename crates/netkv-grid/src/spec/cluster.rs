//! Instances: which GPUs form one, and which of them prefill.

use super::events::read_events;
use super::nodes::Nodes;
use super::pools::{Pools, read_tps};
use crate::reader::{Reader, list};
use crate::tree::Content;
use netkv_fabric::NodePlace;
use netkv_sim::{ClusterConfig, Placement};

/// The instances; they must fit the nodes and the profiles.
pub(super) fn read_cluster(
    reader: &mut Reader<'_>,
    pools: Option<&Pools>,
    nodes: Option<&Nodes>,
) -> Option<ClusterConfig> {
    // Known to be a key, whatever else is wrong.
    reader.accept("cluster.events");
    let tps = read_tps(reader, pools);
    let prefill_instances = reader.count("cluster.prefill_instances", 1, 1 << 20);
    let decode_instances = reader.count("cluster.decode_instances", 0, 1 << 20);
    let unused_gpus_per_node = reader.count("cluster.unused_gpus_per_node", 0, 65_535);
    let placement = read_placement(reader);
    let ((tp, decode_tp), prefill_instances) = (tps?, prefill_instances?);
    let (decode_instances, unused_gpus_per_node) = (decode_instances?, unused_gpus_per_node?);
    let parts = pools?.parts(reader, tp, decode_tp);
    let counts = Counts { tp, decode_tp, unused: unused_gpus_per_node, prefill_instances, decode_instances };
    let slots = counts.slots(reader, nodes?)?;
    counts.check_instances(reader, slots)?;
    let decode = if decode_instances > 0 {
        decode_instances
    } else {
        (slots - prefill_instances / counts.per_slot(tp)) * counts.per_slot(decode_tp)
    };
    let events = read_events(reader, Some((prefill_instances, decode)));
    let placement = placement?;
    check_placement(reader, &placement, prefill_instances / counts.per_slot(tp), slots)?;
    Some(ClusterConfig {
        tp,
        decode_tp,
        parts: parts?,
        prefill_instances,
        decode_instances: Some(decode_instances).filter(|&instances| instances > 0),
        unused_gpus_per_node,
        placement,
        events: events?,
    })
}

/// What is to be fitted into the nodes.
struct Counts {
    tp: u32,
    decode_tp: u32,
    unused: u32,
    prefill_instances: u32,
    /// 0: all that there is room for.
    decode_instances: u32,
}

impl Counts {
    /// GPUs that are given to one pool together.
    fn slot(&self) -> u32 {
        self.tp.max(self.decode_tp)
    }

    /// Instances of so many GPUs in these.
    fn per_slot(&self, tp: u32) -> u32 {
        self.slot() / tp
    }

    /// How many slots the nodes have; each must be filled by them, and give instances whole NICs or a share of one.
    fn slots(&self, reader: &mut Reader<'_>, nodes: &Nodes) -> Option<u32> {
        let mut slots = 0;
        for (index, node) in nodes.list.iter().enumerate() {
            // Nodes that are alike are wrong alike.
            if index > 0 && nodes.file.is_none() {
                slots += slots / index as u32;
                continue;
            }
            slots += self.slots_of(reader, nodes, index, node)?;
        }
        Some(slots)
    }

    fn slots_of(&self, reader: &mut Reader<'_>, nodes: &Nodes, index: usize, node: &NodePlace) -> Option<u32> {
        let Self { tp, decode_tp, unused, .. } = *self;
        let gpus = node.gpus;
        if unused >= gpus {
            let whole = format!(
                "cluster.unused_gpus_per_node = {unused} leaves none of {gpus} GPUs; allowed: 0 to {}",
                gpus - 1
            );
            nodes.fail(reader, index, "cluster.unused_gpus_per_node", &whole);
            return None;
        }
        let usable = gpus - unused;
        let pools = [("cluster.tp", tp), ("decode.tp", decode_tp)];
        for (key, tp) in if tp == decode_tp { &pools[..1] } else { &pools[..] } {
            if !usable.is_multiple_of(*tp) {
                let divisors: Vec<_> =
                    (1..=usable).filter(|tp| usable.is_multiple_of(*tp)).map(|tp| tp.to_string()).collect();
                let of = match (unused, nodes.file.is_some()) {
                    (0, false) => format!("cluster.gpus_per_node = {gpus}"),
                    (0, true) => format!("its {gpus} GPUs"),
                    _ => format!("the {usable} GPUs that cluster.unused_gpus_per_node = {unused} leaves of {gpus}"),
                };
                let message = format!("{key} = {tp} does not divide {of}; allowed: {}", divisors.join(", "));
                let key = if unused > 0 { "cluster.unused_gpus_per_node" } else { key };
                nodes.fail(reader, index, key, &message);
                return None;
            }
            let per_nic = gpus / node.nics;
            if !tp.is_multiple_of(per_nic) && !per_nic.is_multiple_of(*tp) {
                let message = format!(
                    "{key} = {tp}, and {per_nic} GPUs share a NIC: instances would have a part of one beside another; allowed: \
                     one a multiple of the other"
                );
                nodes.fail(reader, index, key, &message);
                return None;
            }
        }
        Some(usable / self.slot())
    }

    /// Whether instances of both pools fill slots, and there are as many.
    fn check_instances(&self, reader: &mut Reader<'_>, slots: u32) -> Option<()> {
        const PREFILL: &str = "cluster.prefill_instances";
        const DECODE: &str = "cluster.decode_instances";
        let pools = [(PREFILL, self.prefill_instances, self.tp), (DECODE, self.decode_instances, self.decode_tp)];
        for (key, instances, tp) in pools {
            let per_slot = self.per_slot(tp);
            if !instances.is_multiple_of(per_slot) {
                let message = format!(
                    "{key} = {instances}, but {per_slot} instances of {tp} GPUs take the place of one of the other pool's {}; \
                     allowed: multiples of {per_slot}",
                    self.slot()
                );
                reader.fail(key, &message);
                return None;
            }
        }
        let [prefill, decode] = pools.map(|(_, instances, tp)| instances / self.per_slot(tp));
        if prefill >= slots {
            reader.fail(PREFILL, &self.no_decode_instance(slots));
            return None;
        }
        if decode > slots - prefill {
            let most = (slots - prefill) * self.per_slot(self.decode_tp);
            let message = format!(
                "{DECODE} = {}, but beside {PREFILL} = {} there is room for {most}; allowed: 0 (all of them) to {most}",
                self.decode_instances, self.prefill_instances
            );
            reader.fail(DECODE, &message);
            return None;
        }
        Some(())
    }

    fn no_decode_instance(&self, slots: u32) -> String {
        let Self { prefill_instances, tp, .. } = self;
        let gpus = slots * self.slot();
        let instances = slots * self.per_slot(*tp);
        let there_are = format!("{gpus} GPUs at tp = {tp} form {instances} instances");
        let start = format!("cluster.prefill_instances = {prefill_instances} leaves no decode instance: {there_are}");
        if slots == 1 {
            format!("{start}, and at least {} are needed", 2 * self.per_slot(*tp))
        } else {
            format!("{start}; allowed: 1 to {}", instances - self.per_slot(*tp))
        }
    }
}

fn read_placement(reader: &mut Reader<'_>) -> Option<Placement> {
    const KEY: &str = "cluster.placement";
    const RULES: [(&str, Placement); 4] = [
        ("scattered", Placement::Scattered),
        ("per_node", Placement::PerNode),
        ("per_rack", Placement::PerRack),
        ("per_pod", Placement::PerPod),
    ];
    let allowed = r#""scattered", "per_node", "per_rack", "per_pod", or a list of instance numbers"#;
    reader.note(KEY, || allowed.to_owned());
    let node = reader.node(KEY)?;
    if list(node).is_some() {
        let instances = reader.integers(KEY, 0, u64::from(u32::MAX))?;
        return Some(Placement::Listed(instances.into_iter().map(|instance| instance as u32).collect()));
    }
    let rule = match &node.content {
        Content::Text(text) => RULES.iter().find(|(name, _)| name == text).map(|(_, rule)| rule.clone()),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    };
    rule.or_else(|| reader.refuse(KEY, node, allowed))
}

/// A list names as many slots as prefill; with one tp in both pools these are instances.
fn check_placement(reader: &mut Reader<'_>, placement: &Placement, prefill: u32, slots: u32) -> Option<()> {
    let Placement::Listed(listed) = placement else { return Some(()) };
    let mut good = true;
    if listed.len() != prefill as usize {
        let n_listed = listed.len();
        let message =
            format!("cluster.placement lists {n_listed} instances, but cluster.prefill_instances = {prefill}");
        reader.fail("cluster.placement", &message);
        good = false;
    }
    for slot in listed.iter().filter(|&&slot| slot >= slots) {
        let last = slots - 1;
        let message = format!("cluster.placement lists instance {slot}; allowed: 0 to {last}");
        reader.fail("cluster.placement", &message);
        good = false;
    }
    good.then_some(())
}
