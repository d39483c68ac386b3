//! Slurm's topology.yaml: several topologies by name, of which one is read.

use super::reading::Reading;
use super::site::Site;
use super::slurm_conf::{Block, of_blocks, of_tree};
use super::tree::{Named, Switch};
use super::yaml;
use crate::fault::{Fault, listed};
use crate::hostlist::expand;
use netkv_units::nearest;
use serde::Deserialize;
use serde_saphyr::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Topology {
    topology: Spanned<String>,
    #[serde(default)]
    cluster_default: bool,
    tree: Option<Tree>,
    block: Option<Blocks>,
    flat: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tree {
    switches: Vec<TreeSwitch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TreeSwitch {
    switch: Spanned<String>,
    children: Option<Spanned<String>>,
    nodes: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Blocks {
    #[serde(default)]
    block_sizes: Vec<Spanned<u32>>,
    blocks: Vec<OneBlock>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneBlock {
    block: Spanned<String>,
    nodes: Option<Spanned<String>>,
}

/// Reads the file, and of it the topology that is asked for.
///
/// # Errors
/// YAML that is none of topology.yaml, several topologies of which none is asked for, and what trees and blocks must not have.
pub fn read(text: &str, reading: &Reading) -> Result<Site, Vec<Fault>> {
    let topologies: Vec<Topology> = yaml::read(text).map_err(|fault| vec![fault])?;
    let (topology, note) = chosen(topologies, reading.topology.as_deref()).map_err(|fault| vec![fault])?;
    let line = line(&topology.topology);
    let name = &topology.topology.value;
    let mut site = match (topology.tree, topology.block) {
        (Some(tree), None) => of_tree(&switches(tree)?),
        (None, Some(blocks)) => {
            let sizes: Vec<u32> = blocks.block_sizes.iter().map(|size| size.value).collect();
            if sizes.contains(&0) {
                return Err(vec![Fault::at(line, "block_sizes has a 0; allowed: numbers of servers")]);
            }
            let at = blocks.block_sizes.first().and_then(self::line).unwrap_or(1);
            of_blocks(&blocks_of(blocks.blocks)?, (!sizes.is_empty()).then_some((at, sizes)))
        }
        (None, None) if topology.flat == Some(true) => {
            Err(vec![Fault::at(line, format!("topology {name} is flat: it tells of no switches"))])
        }
        (None, None) => Err(vec![Fault::at(line, format!("topology {name} has neither tree nor block"))]),
        (Some(_), Some(_)) => Err(vec![Fault::at(line, format!("topology {name} has both tree and block"))]),
    }?;
    site.notes.extend(note);
    Ok(site)
}

/// The topology of a name, the default one, or the only one.
fn chosen(mut all: Vec<Topology>, name: Option<&str>) -> Result<(Topology, Option<String>), Fault> {
    let names: Vec<String> = all.iter().map(|topology| topology.topology.value.clone()).collect();
    let shown = listed(names.iter().map(String::as_str));
    if let Some(name) = name {
        let at = names.iter().position(|own| own == name).ok_or_else(|| {
            let near = nearest(name, names.iter().map(String::as_str));
            let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
            Fault::whole(format!("--topology {name}: there is {shown}{near}"))
        })?;
        return Ok((all.swap_remove(at), None));
    }
    let default = all.iter().position(|topology| topology.cluster_default);
    match (all.len(), default) {
        (0, _) => Err(Fault::whole("no topology is in the file")),
        (1, _) => Ok((all.remove(0), None)),
        (_, Some(at)) => {
            let note = format!("topology {}, the cluster's default; there is {shown}", names[at]);
            Ok((all.swap_remove(at), Some(note)))
        }
        (_, None) => Err(Fault::whole(format!("several topologies: --topology NAME says which; there is {shown}"))),
    }
}

fn switches(tree: Tree) -> Result<Vec<Switch>, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut all = Vec::new();
    for switch in tree.switches {
        let below = names(switch.children.as_ref());
        let servers = names(switch.nodes.as_ref());
        match (below, servers) {
            (Ok(switches), Ok(servers)) => all.push(Switch { own: named(&switch.switch), switches, servers }),
            (below, servers) => faults.extend(below.err().into_iter().chain(servers.err())),
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

fn blocks_of(blocks: Vec<OneBlock>) -> Result<Vec<Block>, Vec<Fault>> {
    let block = |block: OneBlock| -> Result<Block, Fault> {
        Ok(Block { own: named(&block.block), servers: names(block.nodes.as_ref())? })
    };
    blocks.into_iter().map(block).collect::<Result<_, _>>().map_err(|fault| vec![fault])
}

/// The line of a value; none if it is not known.
pub fn line<T>(spanned: &Spanned<T>) -> Option<u64> {
    Some(spanned.referenced.line()).filter(|line| *line > 0)
}

/// A name with its line.
pub fn named(spanned: &Spanned<String>) -> Named {
    Named { name: spanned.value.clone(), line: line(spanned) }
}

/// The names of a list with its line.
pub fn names(list: Option<&Spanned<String>>) -> Result<Vec<Named>, Fault> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let line = line(list);
    let names = expand(&list.value).map_err(|message| Fault::at(line, message))?;
    Ok(names.into_iter().map(|name| Named { name, line }).collect())
}
