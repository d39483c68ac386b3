//! Instances: which GPUs form one, and which of them prefill.

use crate::profile::Profile;
use crate::reader::{Reader, list};
use crate::tree::Content;
use netkv_sim::{ClusterConfig, Placement};

/// Most GPUs of a cluster. Chosen by us: 64 times the largest cluster that the paper's kind of fabric is built for.
const MAX_GPUS: u64 = 1 << 20;

/// Keys that count GPUs.
const SHAPE: [&str; 4] = ["cluster.pods", "cluster.racks_per_pod", "cluster.nodes_per_rack", "cluster.gpus_per_node"];

/// Pods, racks of a pod, nodes of a rack, GPUs of a node.
pub(super) fn read_shape(reader: &mut Reader<'_>) -> Option<[u32; 4]> {
    let counts = SHAPE.map(|key| reader.count(key, 1, 65_536));
    let [pods, racks, nodes, gpus] = counts;
    let shape = [pods?, racks?, nodes?, gpus?];
    let total: u64 = shape.iter().fold(1, |product: u64, &count| product.saturating_mul(u64::from(count)));
    if total > MAX_GPUS {
        reader.fail(SHAPE[0], &format!("the cluster has {total} GPUs; allowed: at most {MAX_GPUS}"));
        return None;
    }
    Some(shape)
}

/// The instances; they must fit the nodes and the profile.
pub(super) fn read_cluster(reader: &mut Reader<'_>, profile: Option<&Profile>) -> Option<ClusterConfig> {
    let tp = reader.count("cluster.tp", 1, 65_536);
    let prefill_instances = reader.count("cluster.prefill_instances", 1, 1 << 20);
    let placement = read_placement(reader);
    let (tp, prefill_instances) = (tp?, prefill_instances?);
    if let Some(profile) = profile.filter(|profile| profile.model.tp != tp) {
        let message = format!("cluster.tp = {tp}, but the profile {} is for tp = {}", profile.label, profile.model.tp);
        reader.fail("cluster.tp", &message);
    }
    // Errors of the shape are reported with the fabric; a second reading must not report them again.
    let [pods, racks, nodes, gpus] = reader.quietly(read_shape)?;
    if !gpus.is_multiple_of(tp) {
        let divisors: Vec<_> = (1..=gpus).filter(|tp| gpus.is_multiple_of(*tp)).map(|tp| tp.to_string()).collect();
        let message = format!(
            "cluster.tp = {tp} does not divide cluster.gpus_per_node = {gpus}; allowed: {}",
            divisors.join(", ")
        );
        reader.fail("cluster.tp", &message);
        return None;
    }
    let instances = pods * racks * nodes * gpus / tp;
    if prefill_instances >= instances {
        reader.fail("cluster.prefill_instances", &no_decode_instance(prefill_instances, instances, tp));
        return None;
    }
    let placement = placement?;
    check_placement(reader, &placement, prefill_instances, instances)?;
    Some(ClusterConfig { tp, prefill_instances, placement })
}

fn no_decode_instance(prefill_instances: u32, instances: u32, tp: u32) -> String {
    let gpus = instances * tp;
    let there_are = format!("{gpus} GPUs at tp = {tp} form {instances} instances");
    let start = format!("cluster.prefill_instances = {prefill_instances} leaves no decode instance: {there_are}");
    if instances == 1 {
        format!("{start}, and at least 2 are needed")
    } else {
        format!("{start}; allowed: 1 to {}", instances - 1)
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

fn check_placement(
    reader: &mut Reader<'_>,
    placement: &Placement,
    prefill_instances: u32,
    instances: u32,
) -> Option<()> {
    let Placement::Listed(listed) = placement else { return Some(()) };
    let mut good = true;
    if listed.len() != prefill_instances as usize {
        let n_listed = listed.len();
        let message = format!(
            "cluster.placement lists {n_listed} instances, but cluster.prefill_instances = {prefill_instances}"
        );
        reader.fail("cluster.placement", &message);
        good = false;
    }
    for instance in listed.iter().filter(|&&instance| instance >= instances) {
        let last = instances - 1;
        let message = format!("cluster.placement lists instance {instance}; allowed: 0 to {last}");
        reader.fail("cluster.placement", &message);
        good = false;
    }
    good.then_some(())
}
