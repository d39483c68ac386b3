//! Whether pods, racks and nodes are of equal size, and the largest part of a cluster that is.

use super::parts::{Pod, Rack, Unit};
use crate::hostlist::compress;
use std::collections::{BTreeMap, BTreeSet};

/// Why a cluster is not of equal parts, in words; none if it is.
pub fn unequal(pods: &[Pod]) -> Option<String> {
    let racks = || pods.iter().flat_map(|pod| &pod.racks);
    let of_units = racks().flat_map(|rack| &rack.units).map(|unit| (unit.servers.join("+"), gpus(unit) as usize));
    differing("node", "GPUs", of_units)
        .or_else(|| differing("rack", "nodes", racks().map(|rack| (rack.name.clone(), rack.units.len()))))
        .or_else(|| {
            let name = |pod: &Pod| pod.name.clone().unwrap_or_default();
            differing("pod", "racks", pods.iter().map(|pod| (name(pod), pod.racks.len())))
        })
}

fn gpus(unit: &Unit) -> u32 {
    unit.gpus.iter().sum()
}

/// "rack r3 has 7 nodes, 11 racks have 9": the sizes that are not the most frequent one, and that.
fn differing(what: &str, of: &str, sizes: impl Iterator<Item = (String, usize)>) -> Option<String> {
    let mut by_size: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    sizes.for_each(|(name, size)| by_size.entry(size).or_default().push(name));
    if by_size.len() < 2 {
        return None;
    }
    let (&usual, most) = by_size.iter().max_by_key(|(size, names)| (names.len(), **size))?;
    let n_usual = most.len();
    let others = by_size.iter().filter(|(size, _)| **size != usual).map(|(size, names)| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{what} {} has {size} {of}", crate::fault::listed(names))
    });
    Some(format!("{}, {n_usual} have {usual}", others.collect::<Vec<_>>().join(", ")))
}

/// The part with the most GPUs in which all nodes have as many GPUs, all racks as many nodes, all pods as many racks. Of
/// several, the one with the most nodes in a rack, then with the most racks in a pod. The first ones of each are taken.
pub fn take(pods: Vec<Pod>) -> Vec<Pod> {
    let units = || pods.iter().flat_map(|pod| pod.racks.iter().flat_map(|rack| &rack.units));
    let n_gpus: BTreeSet<u32> = units().map(gpus).collect();
    // All that is compared, in order: GPUs, nodes of a rack, racks of a pod; then what the part is.
    let mut best = ([0; 3], [0; 4]);
    for &n_gpus in &n_gpus {
        let fitting = |rack: &Rack| rack.units.iter().filter(|unit| gpus(unit) == n_gpus).count();
        let sizes: Vec<Vec<usize>> = pods.iter().map(|pod| pod.racks.iter().map(fitting).collect()).collect();
        let n_units: BTreeSet<usize> = sizes.iter().flatten().copied().filter(|size| *size > 0).collect();
        for n_units in n_units {
            let racks = |sizes: &Vec<usize>| sizes.iter().filter(|size| **size >= n_units).count();
            let n_racks: Vec<usize> = sizes.iter().map(racks).collect();
            for &wanted in n_racks.iter().filter(|n_racks| **n_racks > 0) {
                let n_pods = n_racks.iter().filter(|n_racks| **n_racks >= wanted).count();
                let rank = [n_pods * wanted * n_units * n_gpus as usize, n_units, wanted];
                best = best.max((rank, [n_pods, wanted, n_units, n_gpus as usize]));
            }
        }
    }
    let (_, [_, n_racks, n_units, n_gpus]) = best;
    let rack = |rack: Rack| {
        let units: Vec<Unit> =
            rack.units.into_iter().filter(|unit| gpus(unit) as usize == n_gpus).take(n_units).collect();
        (units.len() == n_units).then_some(Rack { name: rack.name, units })
    };
    let pod = |pod: Pod| {
        let racks: Vec<Rack> = pod.racks.into_iter().filter_map(rack).take(n_racks).collect();
        (racks.len() == n_racks).then_some(Pod { name: pod.name, racks })
    };
    pods.into_iter().filter_map(pod).collect()
}

/// Which of `all` servers a part is without.
pub fn without(all: &[&str], part: &[Pod]) -> String {
    let units = part.iter().flat_map(|pod| pod.racks.iter().flat_map(|rack| &rack.units));
    let kept: BTreeSet<&str> = units.flat_map(|unit| unit.servers.iter().map(String::as_str)).collect();
    let out: Vec<&str> = all.iter().filter(|name| !kept.contains(**name)).copied().collect();
    format!("has {} of {} servers, without {}", kept.len(), all.len(), compress(&out))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cluster of one-GPU nodes with so many in each rack.
    fn cluster(pods: &[&[usize]]) -> Vec<Pod> {
        let unit = |name: String| Unit { servers: vec![name], prefill: vec![None], gpus: vec![1] };
        let mut number = 0;
        let mut rack = |nodes: usize| {
            let units = (0..nodes).map(|_| {
                number += 1;
                unit(format!("n{number}"))
            });
            Rack { name: format!("r{nodes}"), units: units.collect() }
        };
        let mut pod = |racks: &[usize]| Pod { name: None, racks: racks.iter().map(|nodes| rack(*nodes)).collect() };
        pods.iter().map(|racks| pod(racks)).collect()
    }

    fn shape(pods: &[Pod]) -> [usize; 3] {
        [pods.len(), pods[0].racks.len(), pods[0].racks[0].units.len()]
    }

    #[test]
    fn the_largest_equal_part_is_that_of_a_search_through_all() {
        for racks in [
            &[&[9, 9, 7][..], &[9, 5]][..],
            &[&[1], &[8]],
            &[&[2, 2, 2, 2], &[3, 3]],
            &[&[4, 4], &[4, 4], &[4]],
            &[&[5, 1, 1, 1, 1, 1], &[5, 1, 1, 1, 1, 1]],
        ] {
            let taken = take(cluster(racks));
            assert_eq!(unequal(&taken), None, "{racks:?}");
            let mut most = 0;
            for n_racks in 1..=6 {
                for n_units in 1..=9 {
                    let fits = |pod: &&&[usize]| pod.iter().filter(|nodes| **nodes >= n_units).count() >= n_racks;
                    most = most.max(racks.iter().filter(fits).count() * n_racks * n_units);
                }
            }
            assert_eq!(shape(&taken).iter().product::<usize>(), most, "{racks:?}");
        }
    }

    #[test]
    fn what_differs_is_said_with_what_is_usual() {
        let said = unequal(&cluster(&[&[9, 9, 7], &[9, 9, 9]])).expect("unequal");
        assert_eq!(said, "rack r7 has 7 nodes, 5 have 9");
    }
}
