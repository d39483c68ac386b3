//! Inputs made from descriptions, in every form that they are written in.

#![allow(dead_code, reason = "every test file uses a part of it")]

use netkv_site::{Choices, Cluster, Fault, Reading, arrange, read_site};
use std::fmt::Write as _;

/// A switch with the switches below it.
pub type Below<'a> = (String, Vec<String>, &'a [(&'a str, &'a str)]);

/// Servers on a switch, as lists, with their labels; `kind` is "labels" or "annotations".
pub struct Group {
    pub switch: Option<String>,
    pub nodes: Vec<String>,
    pub kind: &'static str,
    pub labels: Vec<(String, String)>,
}

/// A model of the newest form: switches by name, blocks of nodes.
pub fn newest(switches: &[Below<'_>], groups: &[Group]) -> String {
    let mut text = "# made by a test\nswitches:\n".to_owned();
    for (name, below, labels) in switches {
        writeln!(text, "  {name}:").expect("text grows");
        if !labels.is_empty() {
            text.push_str("    labels:\n");
            labels.iter().for_each(|(label, value)| writeln!(text, "      {label}: {value}").expect("text grows"));
        }
        text.push_str("    switches:\n");
        below.iter().for_each(|child| writeln!(text, "    - {child}").expect("text grows"));
    }
    text.push_str("blocks:\n");
    for group in groups {
        match &group.switch {
            Some(switch) => writeln!(text, "- switch: {switch}\n  nodes:").expect("text grows"),
            None => text.push_str("- nodes:\n"),
        }
        group.nodes.iter().for_each(|nodes| writeln!(text, "  - \"{nodes}\"").expect("text grows"));
        if !group.labels.is_empty() {
            writeln!(text, "  {}:", group.kind).expect("text grows");
            group
                .labels
                .iter()
                .for_each(|(label, value)| writeln!(text, "    {label}: \"{value}\"").expect("text grows"));
        }
    }
    text
}

/// A block of the oldest form: name, nvlink, nodes.
pub type OldBlock<'a> = (&'a str, Option<&'a str>, &'a str);

/// A model of the oldest form: lists of switches and of capacity blocks.
pub fn oldest(switches: &[(&str, &str)], leaves: &[(&str, &str)], blocks: &[OldBlock<'_>]) -> String {
    let mut text = "switches:\n".to_owned();
    switches
        .iter()
        .for_each(|(name, below)| writeln!(text, "- name: {name}\n  switches: [{below}]").expect("text grows"));
    leaves.iter().for_each(|(name, blocks)| {
        writeln!(text, "- name: {name}\n  capacity_blocks: [{blocks}]").expect("text grows")
    });
    text.push_str("capacity_blocks:\n");
    for (name, nvlink, nodes) in blocks {
        writeln!(text, "- name: {name}\n  type: H100").expect("text grows");
        nvlink.iter().for_each(|nvlink| writeln!(text, "  nvlink: {nvlink}").expect("text grows"));
        writeln!(text, "  nodes: [{nodes}]").expect("text grows");
    }
    text
}

/// What is made of a text.
pub fn imported(text: &str, reading: &Reading, choices: &Choices) -> Result<Cluster, Vec<Fault>> {
    arrange(read_site(text.as_bytes(), reading)?, choices)
}

/// What is said against a text: every fault on a line.
pub fn said(text: &str, reading: &Reading, choices: &Choices) -> String {
    match imported(text, reading, choices) {
        Ok(cluster) => panic!("was taken as {:?}", cluster.shape()),
        Err(faults) => faults.iter().map(|fault| format!("in:{fault}\n")).collect(),
    }
}

/// The shape that is made of a text.
#[track_caller]
pub fn shape(text: &str, choices: &Choices) -> [u32; 4] {
    imported(text, &Reading::default(), choices).unwrap_or_else(|faults| panic!("{faults:?}")).shape()
}

/// So many GPUs a server.
pub fn with_gpus(gpus: u32) -> Choices {
    Choices { gpus_per_node: Some(gpus), ..Choices::default() }
}
