//! Slurm's topology.conf: switches of the tree plugin, blocks of the block plugin.

use super::site::{Server, Site};
use super::tree::{Named, Switch, paths};
use crate::fault::{Fault, listed};
use crate::hostlist::expand;
use netkv_units::nearest;
use std::collections::BTreeMap;

/// Parameters, as Slurm's manual has them; case does not matter.
const PARAMETERS: [&str; 6] = ["SwitchName", "Switches", "Nodes", "LinkSpeed", "BlockName", "BlockSizes"];

/// A block with its servers.
#[derive(Debug)]
pub struct Block {
    /// Its name.
    pub own: Named,
    /// Its servers.
    pub servers: Vec<Named>,
}

/// Reads the file.
///
/// # Errors
/// Lines that are none of topology.conf, lists that are none, and what a tree or blocks must not have.
pub fn read(text: &str) -> Result<Site, Vec<Fault>> {
    let (mut switches, mut blocks, mut sizes, mut faults) = (Vec::new(), Vec::new(), None, Vec::new());
    for (line, content) in logical_lines(text) {
        let at = Some(line);
        match parameters(line, &content) {
            Err(fault) => faults.push(fault),
            Ok(given) => match entry(line, &given) {
                Err(fault) => faults.push(fault),
                Ok(Entry::Switch(switch)) => switches.push(switch),
                Ok(Entry::Block(block)) => blocks.push(block),
                Ok(Entry::Sizes(list)) if sizes.is_none() => sizes = Some((line, list)),
                Ok(Entry::Sizes(_)) => faults.push(Fault::at(at, "BlockSizes is there twice")),
            },
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    match (switches.is_empty(), blocks.is_empty()) {
        (false, true) if sizes.is_none() => of_tree(&switches),
        (true, false) => of_blocks(&blocks, sizes),
        (true, true) => Err(vec![Fault::whole("no SwitchName and no BlockName: nothing tells of servers")]),
        (false, _) => Err(vec![Fault::whole(
            "both SwitchName and BlockName or BlockSizes: the tree plugin has the first, the block plugin the others; \
             keep those of one",
        )]),
    }
}

/// Lines without comments, those that end in a backslash joined, with their first number.
fn logical_lines(text: &str) -> Vec<(u64, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(u64, String)> = None;
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.split('#').next().unwrap_or_default().trim_end();
        let (own, goes_on) = content.strip_suffix('\\').map_or((content, false), |own| (own, true));
        let (first, mut whole) = open.take().unwrap_or((line, String::new()));
        whole.push_str(own);
        if goes_on {
            open = Some((first, whole));
        } else if !whole.trim().is_empty() {
            lines.push((first, whole));
        }
    }
    lines.extend(open);
    lines
}

/// The parameters of a line by their names as in [`PARAMETERS`].
fn parameters(line: u64, content: &str) -> Result<BTreeMap<&'static str, String>, Fault> {
    let mut given = BTreeMap::new();
    for word in content.split_whitespace() {
        let Some((name, value)) = word.split_once('=') else {
            return Err(Fault::at(line, format!("{word:?} is no parameter; allowed: NAME=VALUE, without blanks")));
        };
        let Some(known) = PARAMETERS.iter().find(|known| known.eq_ignore_ascii_case(name)) else {
            let near = nearest(name, PARAMETERS).map_or_else(String::new, |near| format!("; did you mean {near}?"));
            return Err(Fault::at(line, format!("{name} is no parameter of topology.conf{near}")));
        };
        if given.insert(*known, value.to_owned()).is_some() {
            return Err(Fault::at(line, format!("{known} is there twice on one line")));
        }
    }
    Ok(given)
}

enum Entry {
    Switch(Switch),
    Block(Block),
    Sizes(Vec<u32>),
}

/// What a line describes.
fn entry(line: u64, given: &BTreeMap<&str, String>) -> Result<Entry, Fault> {
    let at = |message: String| Fault::at(line, message);
    let list = |name: &str| -> Result<Vec<Named>, Fault> {
        let names = given.get(name).map_or_else(|| Ok(Vec::new()), |list| expand(list)).map_err(at)?;
        Ok(names.into_iter().map(|name| Named { name, line: Some(line) }).collect())
    };
    let named = |name: &String| Named { name: name.clone(), line: Some(line) };
    let only = |allowed: &[&str]| match given.keys().find(|name| !allowed.contains(name)) {
        Some(name) => Err(at(format!("{name} does not go with {}", allowed[0]))),
        None => Ok(()),
    };
    if let Some(name) = given.get("SwitchName") {
        only(&["SwitchName", "Switches", "Nodes", "LinkSpeed"])?;
        return Ok(Entry::Switch(Switch { own: named(name), switches: list("Switches")?, servers: list("Nodes")? }));
    }
    if let Some(name) = given.get("BlockName") {
        only(&["BlockName", "Nodes"])?;
        return Ok(Entry::Block(Block { own: named(name), servers: list("Nodes")? }));
    }
    if let Some(text) = given.get("BlockSizes") {
        only(&["BlockSizes"])?;
        let sizes: Option<Vec<u32>> = text.split(',').map(|size| size.parse().ok().filter(|size| *size > 0)).collect();
        return sizes
            .map(Entry::Sizes)
            .ok_or_else(|| at(format!("BlockSizes={text}; allowed: numbers of servers, such as 18,36")));
    }
    Err(at("neither SwitchName nor BlockName nor BlockSizes".to_owned()))
}

/// Servers from the switches of a tree.
pub fn of_tree(switches: &[Switch]) -> Result<Site, Vec<Fault>> {
    let paths = paths(switches, false)?;
    let mut notes = Vec::new();
    if !paths.empty.is_empty() {
        notes.push(format!("switches without servers: {}", listed(paths.empty.iter().map(String::as_str))));
    }
    let server = |named: &Named| Server {
        name: named.name.clone(),
        line: named.line,
        switches: paths.above[&named.name].clone(),
        ..Server::default()
    };
    Ok(Site { format: "slurm tree", servers: paths.order.iter().map(server).collect(), notes })
}

/// Servers from blocks, each a rack of its own. Blocks in a row are put together as the larger ones of `sizes` are: Slurm fills
/// these from neighbouring blocks.
pub fn of_blocks(blocks: &[Block], sizes: Option<(u64, Vec<u32>)>) -> Result<Site, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut on: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for block in blocks {
        if names.insert(&block.own.name, block.own.line).is_some() {
            faults.push(Fault::at(block.own.line, format!("block {} is described twice", block.own.name)));
        }
        for server in &block.servers {
            if let Some(first) = on.insert(&server.name, &block.own.name) {
                let (name, own) = (&server.name, &block.own.name);
                faults.push(Fault::at(server.line, format!("server {name} is in block {own} and in {first}")));
            }
        }
    }
    let multiples = sizes.map_or_else(|| Ok(Vec::new()), |(line, sizes)| multiples(line, &sizes));
    let multiples = multiples.unwrap_or_else(|fault| {
        faults.push(fault);
        Vec::new()
    });
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut servers = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let around = multiples.iter().map(|multiple| {
            let first = at / multiple * multiple;
            let last = (first + multiple).min(blocks.len()) - 1;
            format!("{}..{}", blocks[first].own.name, blocks[last].own.name)
        });
        let switches: Vec<String> = [block.own.name.clone()].into_iter().chain(around).collect();
        servers.extend(block.servers.iter().map(|server| Server {
            name: server.name.clone(),
            line: server.line,
            switches: switches.clone(),
            domain: Some(block.own.name.clone()),
            ..Server::default()
        }));
    }
    let mut notes = vec!["a block is read as a rack, and as what may be an NVLink domain".to_owned()];
    if !multiples.is_empty() {
        notes.push("larger BlockSizes are read as the tiers above, of blocks in a row".to_owned());
    }
    Ok(Site { format: "slurm block", servers, notes })
}

/// How many of the least blocks each larger size has.
fn multiples(line: u64, sizes: &[u32]) -> Result<Vec<usize>, Fault> {
    let Some((base, larger)) = sizes.split_first() else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for size in larger {
        let multiple = size / base;
        let before = all.last().copied().unwrap_or(1);
        if size % base != 0 || !multiple.is_power_of_two() || multiple as usize <= before {
            let message = format!("BlockSizes: {size} is no power of two larger than the size before it, times {base}");
            return Err(Fault::at(line, message));
        }
        all.push(multiple as usize);
    }
    Ok(all)
}
