//! The reader on a small workspace, whose imports are worked out by hand.

use super::graph::Graph;
use super::rooms::Structure;
use super::workspace::Package;
use std::collections::BTreeSet;
use std::fs;
use std::panic;
use tempfile::TempDir;

/// Two crates, `below` and `above`, of these files.
fn read(files: &[(&str, &str)]) -> (TempDir, Structure) {
    let folder = TempDir::new().expect("a temporary folder");
    for (path, text) in
        [("below/lib.rs", "mod deep;\npub use deep::Deep;"), ("below/deep.rs", "pub struct Deep;")].iter().chain(files)
    {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
        fs::write(path, text).expect("the file is written");
    }
    let package = |name: &str, uses: &[&str]| Package {
        name: name.to_owned(),
        library: name.to_owned(),
        root: folder.path().join(name).join("lib.rs"),
        uses: uses.iter().map(|used| (*used).to_owned()).collect(),
        tested_with: BTreeSet::new(),
    };
    let structure = Structure::of(vec![package("above", &["below", "anyhow"]), package("below", &[])]);
    (folder, structure)
}

/// The imports among the files of `above`, with the names that tie them.
fn imports(files: &[(&str, &str)]) -> Vec<String> {
    let (_folder, structure) = read(files);
    let (_, ties) = structure.graph_of_files(0);
    let line = |((user, used), names): (&(String, String), &BTreeSet<String>)| {
        format!("{user} -> {used}: {}", names.iter().cloned().collect::<Vec<_>>().join(", "))
    };
    ties.iter().map(line).collect()
}

/// A room `gpu` with a face that hands on two names.
const ROOM: [(&str, &str); 3] = [
    (
        "above/gpu.rs",
        "mod pool;\nmod engine;\npub(crate) use engine::{Engine, start};\npub(crate) use pool::Pool as Many;",
    ),
    ("above/gpu/pool.rs", "use super::Engine;\npub struct Pool(Engine);"),
    ("above/gpu/engine.rs", "pub struct Engine { pub(super) a: u8,\n pub(crate) b: u8 }\npub fn start() {}"),
];

fn with_room(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    ROOM.iter().chain(more).copied().collect()
}

#[test]
fn names_are_followed_through_faces_to_the_files_that_define_them() {
    let files = with_room(&[
        ("above/lib.rs", "mod gpu;\nmod user;\npub use user::run;"),
        (
            "above/user.rs",
            "use crate::gpu::{self, Many};\nuse below::Deep;\npub fn run(_: Many, _: Deep) { gpu::start() }",
        ),
    ]);
    let expected =
        ["gpu/pool.rs -> gpu/engine.rs: Engine", "user.rs -> gpu/engine.rs: start", "user.rs -> gpu/pool.rs: Pool"];
    assert_eq!(imports(&files), expected);
    let (_folder, structure) = read(&files);
    assert_eq!(structure.rooms(0), BTreeSet::from(["gpu".to_owned()]));
    assert_eq!(structure.open_fields().len(), 1, "b is seen in the whole crate, a in its room");
    assert!(structure.open_fields()[0].ends_with("above/gpu/engine.rs:2"));
}

#[test]
fn paths_count_wherever_they_stand_but_not_in_tests() {
    let user = "fn f() -> u8 { super::gpu::start(); 0 }\n\
        fn g() { println!(\"{:?}\", crate::other::value::<u8>()); }\n\
        macro_rules! make { ($name:ident) => { fn $name() { $crate::third::value() } } }\n\
        make!(made);\n\
        #[serde(with = \"crate::fourth::form\")] struct S;\n\
        #[cfg(test)] mod tests { use crate::fifth::value; }";
    let files = with_room(&[
        ("above/lib.rs", "mod gpu; mod user; mod other; mod third; mod fourth; mod fifth; mod sixth;"),
        ("above/user.rs", user),
        ("above/other.rs", "pub fn value<T>() {}"),
        ("above/third.rs", "pub fn value() {}"),
        ("above/fourth.rs", "pub fn form() {}"),
        ("above/fifth.rs", "pub fn value() {}"),
        ("above/sixth.rs", "use crate::user::made;"),
    ]);
    let expected = [
        "gpu/pool.rs -> gpu/engine.rs: Engine",
        "sixth.rs -> user.rs: made",
        "user.rs -> fourth.rs: form",
        "user.rs -> gpu/engine.rs: start",
        "user.rs -> other.rs: value",
        "user.rs -> third.rs: value",
    ];
    assert_eq!(imports(&files), expected);
}

#[test]
fn a_module_and_an_item_of_one_name_are_told_apart() {
    let files = [
        ("above/lib.rs", "mod fit; mod user; pub use fit::fit; use anyhow::{anyhow, Context};"),
        ("above/fit.rs", "pub fn fit() {}\npub struct Fit;"),
        ("above/user.rs", "use crate::fit;\nuse crate::fit::Fit;\nfn f(_: Fit) { fit::fit() }"),
    ];
    assert_eq!(imports(&files), ["user.rs -> fit.rs: Fit, fit"]);
}

#[test]
fn a_face_that_uses_what_it_hands_on_imports_it() {
    let face = "mod inner;\npub use inner::{Inner, Other};\npub struct Outer(Inner);";
    let files = [
        ("above/lib.rs", "mod face;"),
        ("above/face.rs", face),
        ("above/face/inner.rs", "use super::Outer; pub struct Inner; pub struct Other(Box<Outer>);"),
    ];
    assert_eq!(imports(&files), ["face.rs -> face/inner.rs: Inner", "face/inner.rs -> face.rs: Outer"]);
}

#[test]
fn what_cannot_be_followed_is_an_error() {
    for (text, complaint) in [
        ("use crate::nowhere::Thing;", "nothing is found at `crate::nowhere::Thing`"),
        ("fn f() { crate::other::nothing() }", "nothing is found at `crate::other::nothing`"),
        ("use below::Nothing;", "nothing is found at `below::Nothing`"),
        ("use crate::other::*;", "hides what is imported"),
        ("#[path = \"else.rs\"] mod elsewhere;", "does not follow this attribute"),
        ("fn {", "user.rs: "),
    ] {
        let files = [("above/lib.rs", "mod user; mod other;"), ("above/other.rs", ""), ("above/user.rs", text)];
        let ending = panic::catch_unwind(|| imports(&files)).expect_err("it is refused");
        let said = ending.downcast_ref::<String>().expect("a panic with a message");
        assert!(said.contains(complaint), "{text}: {said}");
    }
    let stray = [("above/lib.rs", ""), ("above/stray.rs", "")];
    assert!(panic::catch_unwind(|| imports(&stray)).is_err(), "a file that no mod leads to");
}

#[test]
fn circles_and_longer_ways_are_found() {
    let graph = |arrows: &[(char, char)]| {
        let mut graph = Graph::new(['z']);
        arrows.iter().for_each(|(user, used)| graph.add(user, used));
        graph
    };
    let circle =
        graph(&[('a', 'b'), ('b', 'c'), ('a', 'c'), ('c', 'd'), ('d', 'b'), ('e', 'e'), ('f', 'g'), ('g', 'f')]);
    assert_eq!(circle.circles(), [vec!['b', 'c', 'd'], vec!['f', 'g']]);
    let ways = graph(&[('a', 'b'), ('a', 'c'), ('a', 'd'), ('b', 'd'), ('c', 'd'), ('d', 'e'), ('a', 'e')]);
    assert_eq!(ways.circles(), Vec::<Vec<char>>::new());
    let arrows: Vec<String> = ways.reduced().arrows().map(|(user, used)| format!("{user}{used}")).collect();
    assert_eq!(arrows, ["ab", "ac", "bd", "cd", "de"]);
}
