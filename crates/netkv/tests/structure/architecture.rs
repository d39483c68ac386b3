//! What ARCHITECTURE.md says of the structure, against the structure.

use super::picture;
use super::rooms::STRUCTURE;
use super::workspace;
use std::fs;

/// Where the pictures begin and end.
const MARKS: [&str; 2] = ["<!-- picture -->\n", "<!-- end of picture -->\n"];

/// The head of the table of rooms.
const TABLE: &str = "| room | what is in it |\n|---|---|\n";

#[test]
fn architecture_shows_the_structure_as_it_is() {
    let path = workspace::folder().join("ARCHITECTURE.md");
    let text = fs::read_to_string(&path).expect("ARCHITECTURE.md is there");
    let parts: Vec<&str> = MARKS.iter().flat_map(|mark| text.split(mark).skip(1)).collect();
    assert_eq!(parts.len(), 2, "one pair of marks in ARCHITECTURE.md");
    let before = text.split(MARKS[0]).next().expect("a first part");
    let drawn = format!("{before}{}\n{}\n{}{}", MARKS[0], picture::text(&STRUCTURE), MARKS[1], parts[1]);
    if std::env::var_os("NETKV_PICTURE").is_some_and(|value| value == "write") {
        fs::write(&path, &drawn).expect("ARCHITECTURE.md is written");
    }
    let shown = fs::read_to_string(&path).expect("ARCHITECTURE.md is there");
    assert!(
        shown == drawn,
        "the imports are not those of the pictures in ARCHITECTURE.md: run `just picture`, which is \
         NETKV_PICTURE=write cargo test --release -p netkv --test structure architecture_shows"
    );
}

#[test]
fn architecture_has_a_line_for_every_room() {
    let text = fs::read_to_string(workspace::folder().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let table = text.split(TABLE).nth(1).expect("a table of rooms");
    let mut described = Vec::new();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let [_, room, meaning, _] = line.split('|').collect::<Vec<_>>()[..] else { panic!("not two columns: {line}") };
        assert!(!meaning.trim().is_empty(), "nothing is said of {room}");
        described.push(room.trim().trim_matches('`').to_owned());
    }
    let packages = STRUCTURE.packages.iter().enumerate();
    let mut rooms: Vec<String> = packages
        .flat_map(|(number, package)| {
            STRUCTURE.rooms(number).into_iter().map(move |room| format!("{}/{room}", package.name))
        })
        .collect();
    described.sort();
    rooms.sort();
    assert_eq!(described, rooms, "the table of rooms in ARCHITECTURE.md, and the rooms that there are");
}

/// Each step of "Follow a number" names a file of a crate and a function in it.
#[test]
fn every_step_of_a_number_is_where_it_is_said_to_be() {
    let text = fs::read_to_string(workspace::folder().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md is there");
    let section = text.split("## Follow a number").nth(1).and_then(|rest| rest.split("\n## ").next());
    let mut n_steps = 0;
    for row in section.expect("the section is there").lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [_, number, file, function, ..] = cells[..] else { panic!("a row of the table: {row}") };
        if number.parse::<usize>().is_err() {
            continue;
        }
        n_steps += 1;
        assert_eq!(number.parse(), Ok(n_steps), "steps are numbered: {row}");
        let code = fs::read_to_string(workspace::folder().join("crates").join(file)).unwrap_or_default();
        let defines = ["(", "<"].iter().any(|next| code.contains(&format!("fn {function}{next}")));
        assert!(defines, "step {number}: {file} has no function {function}");
    }
    assert!(n_steps > 20, "{n_steps} steps");
}
