//! The picture of the structure, as Mermaid: the crates, and the rooms of each crate that has more than one.

use super::graph::Graph;
use super::rooms::Structure;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Longest line in a box of files, in characters: Mermaid breaks longer ones where it likes.
const LONGEST_LINE: usize = 24;

/// A box of the picture.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Top files, by the rooms that they use, themselves or through others. Top files that use the same rooms share a
    /// box, which can make no circle where there is none.
    Top(BTreeSet<String>),
    /// A room.
    Room(String),
}

/// How a box looks.
struct Look {
    /// Its name in the chart's text.
    name: String,
    /// What stands in it.
    label: String,
    /// Its class, as Mermaid writes it; empty for none.
    class: &'static str,
}

/// All that stands between the markers.
pub fn text(structure: &Structure) -> String {
    let crates = structure.graph_of_crates();
    let mut text = "The crates, from their manifests:\n\n".to_owned();
    text += &chart(&crates, |name| Look { name: name.replace('-', "_"), label: name.clone(), class: "" });
    let mut with_rooms: Vec<usize> =
        (0..structure.packages.len()).filter(|package| structure.rooms(*package).len() > 1).collect();
    with_rooms.sort_by_key(|package| crates.reached_from(&structure.packages[*package].name).len());
    for package in with_rooms {
        let name = &structure.packages[package].name;
        write!(text, "\nThe rooms of `{name}`, from its files' imports:\n\n").expect("text grows");
        text += &rooms(structure, package);
    }
    text
}

/// The rooms of a crate, and its top files.
fn rooms(structure: &Structure, package: usize) -> String {
    let (files, _) = structure.graph_of_files(package);
    let rooms: BTreeMap<String, String> = structure
        .files(package)
        .filter_map(|source| structure.room(source).map(|room| (structure.path(source), room)))
        .collect();
    let used = |path: &String| files.reached_from(path).iter().filter_map(|used| rooms.get(used).cloned()).collect();
    let place =
        |path: &String| rooms.get(path).map_or_else(|| Place::Top(used(path)), |room| Place::Room(room.clone()));
    let is_drawn = |path: &String| path != "lib.rs" || files.arrows().any(|(user, used)| user == path || used == path);
    let drawn = structure.files(package).map(|source| structure.path(source)).filter(is_drawn);
    let places: BTreeMap<String, Place> = drawn.map(|path| (path.clone(), place(&path))).collect();
    let mut graph = Graph::new(places.values().cloned());
    for (user, used) in files.arrows() {
        graph.add(&places[user], &places[used]);
    }
    let names = |of: &Place| -> Vec<&str> {
        places.iter().filter(|(_, place)| *place == of).map(|(path, _)| path.trim_end_matches(".rs")).collect()
    };
    chart(&graph, |place| match place {
        Place::Top(_) => {
            Look { name: format!("{}_rs", names(place)[0]), label: in_lines(&names(place)), class: ":::files" }
        }
        Place::Room(room) => Look { name: format!("room_{room}"), label: format!("<b>{room}/</b>"), class: "" },
    })
}

/// Names in lines of about the same length.
fn in_lines(names: &[&str]) -> String {
    let mut lines = vec![String::new()];
    for name in names {
        let line = lines.last_mut().expect("there is a line");
        if line.is_empty() {
            line.push_str(name);
        } else if line.len() + name.len() < LONGEST_LINE {
            line.push_str(", ");
            line.push_str(name);
        } else {
            line.push(',');
            lines.push((*name).to_owned());
        }
    }
    lines.join("<br/>")
}

/// A chart of boxes and arrows from user to used, without the arrows that a longer way says as well.
fn chart<N: Ord + Clone>(graph: &Graph<N>, look: impl Fn(&N) -> Look) -> String {
    let mut text = "```mermaid\nflowchart TD\n".to_owned();
    for Look { name, label, class } in graph.nodes().map(&look) {
        writeln!(text, "    {name}[\"{label}\"]{class}").expect("text grows");
    }
    for (user, used) in graph.reduced().arrows() {
        writeln!(text, "    {} --> {}", look(user).name, look(used).name).expect("text grows");
    }
    if text.contains(":::files") {
        text += "    classDef files fill:none,stroke-dasharray:3\n";
    }
    text + "```\n"
}
