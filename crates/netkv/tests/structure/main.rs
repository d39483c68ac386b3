//! The structure of the code, read from cargo's metadata and the imports of every file: the crates' order, circles, and
//! what a room keeps to itself.

mod architecture;
mod code;
mod examples;
mod graph;
mod imports;
mod modules;
mod picture;
mod rooms;
mod workspace;

use graph::Graph;
use imports::Ties;
use rooms::STRUCTURE;
use std::fmt::Write;

/// The crates, each of which uses only those before it.
const ORDER: [&str; 16] = [
    "netkv-units",
    "netkv-fabric",
    "netkv-workload",
    "netkv-policy",
    "netkv-external",
    "netkv-script",
    "netkv-sim",
    "netkv-bound",
    "netkv-grid",
    "netkv-frames",
    "netkv-verdict",
    "netkv-claims",
    "netkv-site",
    "netkv-oracle",
    "netkv-figures",
    "netkv",
];

/// Most files that may use each other in a circle; 1 is none.
const MAX_CIRCLE: usize = 1;

#[test]
fn crates_depend_only_on_those_before_them() {
    let mut ordered = ORDER;
    ordered.sort_unstable();
    let names: Vec<&str> = STRUCTURE.packages.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, ordered, "a crate without a place in the order");
    let place = |name: &str| ORDER.iter().position(|known| *known == name).expect("a crate of the order");
    for (user, used) in STRUCTURE.graph_of_crates().arrows() {
        assert!(place(used) < place(user), "{user} depends on {used}");
    }
}

#[test]
fn polars_and_plotters_stay_behind_one_crate_each() {
    for (library, owner) in [
        ("polars", "netkv-frames"),
        ("plotters", "netkv-figures"),
        ("rayon", "netkv-grid"),
        ("serde-saphyr", "netkv-site"),
        ("hyper", "netkv-oracle"),
        ("tokio", "netkv-oracle"),
    ] {
        for package in STRUCTURE.packages.iter().filter(|package| package.name != owner) {
            let mut named = package.uses.iter().chain(&package.tested_with);
            assert!(!named.any(|name| name.starts_with(library)), "{} names {library}", package.name);
        }
    }
}

#[test]
fn figures_and_claims_know_neither_the_simulation_nor_the_grid() {
    for reader in ["netkv-figures", "netkv-claims", "netkv-verdict"] {
        let uses = &STRUCTURE.packages[STRUCTURE.package(reader)].uses;
        for name in ["netkv-sim", "netkv-grid"] {
            assert!(!uses.contains(name), "{reader} names {name}");
        }
    }
}

/// The circles of a graph with the names that tie them, as lines.
fn told(graph: &Graph<String>, ties: &Ties<String>, package: &str, least: usize) -> String {
    let mut text = String::new();
    for circle in graph.circles().iter().filter(|circle| circle.len() >= least) {
        writeln!(text, "{package}: {} in a circle", circle.len()).expect("text grows");
        for ((user, used), names) in
            ties.iter().filter(|((user, used), _)| circle.contains(user) && circle.contains(used))
        {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            writeln!(text, "    {user} -> {used}: {}", names.join(", ")).expect("text grows");
        }
    }
    text
}

/// Prints every circle: `cargo test --release -p netkv --test structure -- circles --nocapture`.
#[test]
fn files_use_each_other_in_no_circles() {
    let mut too_large = String::new();
    for (number, package) in STRUCTURE.packages.iter().enumerate() {
        let (graph, ties) = STRUCTURE.graph_of_files(number);
        print!("{}", told(&graph, &ties, &package.name, 2));
        too_large += &told(&graph, &ties, &package.name, MAX_CIRCLE + 1);
    }
    assert!(too_large.is_empty(), "files that use each other:\n{too_large}");
}

#[test]
fn rooms_use_each_other_in_no_circles() {
    let mut circles = String::new();
    for (number, package) in STRUCTURE.packages.iter().enumerate() {
        let (graph, ties) = STRUCTURE.graph_of_rooms(number);
        circles += &told(&graph, &ties, &package.name, 2);
    }
    assert!(circles.is_empty(), "rooms that use each other:\n{circles}");
}

/// In a crate with rooms, a field is public, private, or `pub(super)` within a room.
#[test]
fn no_field_is_seen_beyond_its_room() {
    let open = STRUCTURE.open_fields();
    assert!(open.is_empty(), "fields that a whole crate sees:\n{}", open.join("\n"));
}
