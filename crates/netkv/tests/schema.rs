//! The page about results is what `netkv schema --markdown` prints. If columns change, `just golden` writes it anew.

use std::path::Path;
use std::process::Command;

#[test]
fn the_page_about_results_is_that_of_the_schema() {
    let output = Command::new(env!("CARGO_BIN_EXE_netkv")).args(["schema", "--markdown"]).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && !text.contains("{{"), "{text}");
    for line in text.lines().filter(|line| line.starts_with('|')) {
        let n_bars = line.matches('|').count();
        assert!([4, 5].contains(&n_bars), "a bar within a column: {line}");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results.md");
    if std::env::var_os("NETKV_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, &text).expect("the page is written");
    }
    let page = std::fs::read_to_string(&path).expect("the page is there");
    assert!(text == page, "docs/results.md is of other columns: `just golden` writes it anew");
}
