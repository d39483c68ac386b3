//! The paper's figures and tables, from made-up results and made-up printed numbers. No number here comes from a run or
//! from the paper.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{floats, invent, invent_paper, shipped, text, write_manifest};
use netkv_claims::Claims;
use netkv_figures::{draw, paper_tables};
use std::path::Path;

/// MADE UP.
const CLAIMS: &str = r#"
[[claims]]
area = "load"
place = "Table II"
says = "mean TTFT"
experiment = "paper_load"
at = { application = "rag" }
axes = ["workload.capacity_ratio", "policy.name"]
metric = "ttft_mean_ns"
unit = "ms"
rows = [[1, "round_robin", 701.0], [1, "netkv", 612.0], [2, "netkv", 633.0]]

[[claims]]
area = "load"
place = "Table II"
says = "gain"
experiment = "paper_load"
at = { application = "rag", "workload.capacity_ratio" = 1.0, "policy.name" = "netkv" }
metric = "ttft_mean_ns"
measure = "change_percent"
against = "round_robin"
unit = "%"
rows = [[-12.7]]

[[claims]]
area = "topology"
place = "Figure 1"
says = "gain"
experiment = "paper_topology"
at = { application = "chatbot", "policy.name" = "netkv" }
axes = ["fabric.pod_oversubscription", "background.steady_ratio"]
metric = "ttft_mean_ns"
measure = "change_percent"
against = "cache_load_aware"
unit = "%"
rows = [[1.0, 0.0, -33.3], [8.0, 0.4, 4.4]]

[[claims]]
area = "ablation"
place = "Table IV"
says = "SLO"
experiment = "paper_ablation"
at = { application = "rag", "policy.name" = "netkv" }
metric = "slo_ttft_ratio"
measure = "difference"
against = "cache_load_aware"
unit = "points"
rows = [[7.7]]
"#;

fn claims(folder: &Path) -> Claims {
    let path = folder.join("claims.toml");
    std::fs::write(&path, CLAIMS).unwrap();
    Claims::read(&path).unwrap()
}

fn svg(results: &Path, name: &str, claims: Option<&Claims>) -> anyhow::Result<String> {
    let out = tempfile::tempdir().unwrap();
    draw(results, out.path(), &[name.to_owned()], claims)?;
    Ok(std::fs::read_to_string(out.path().join(format!("{name}.svg"))).unwrap())
}

/// The texts of an SVG one after another, as they are read: a caption is broken into lines.
fn words_of(svg: &str) -> String {
    let texts = svg.split("<text").skip(1).filter_map(|rest| rest.split_once('>')?.1.split_once("</text>"));
    texts.map(|(words, _)| words.trim()).collect::<Vec<_>>().join(" ")
}

#[test]
fn printed_numbers_stand_in_the_cells_that_they_are_of() {
    let folder = tempfile::tempdir().unwrap();
    invent_paper(folder.path());
    let claims = claims(folder.path());
    let with = words_of(&svg(folder.path(), "paper_topology", Some(&claims)).unwrap());
    assert!(
        with.contains(" −33.3 ") && with.contains(" +4.4 "),
        "a lower mean has a minus, a higher one a plus: {with}"
    );
    assert!(with.contains("Small numbers: what the paper prints."));
    let without = words_of(&svg(folder.path(), "paper_topology", None).unwrap());
    assert!(!without.contains(" −33.3 ") && without.contains("there is no claims file"));
}

#[test]
fn open_marks_are_drawn_for_printed_numbers_alone() {
    let folder = tempfile::tempdir().unwrap();
    invent_paper(folder.path());
    let claims = claims(folder.path());
    let (with, without) = (svg(folder.path(), "paper_load", Some(&claims)), svg(folder.path(), "paper_load", None));
    let (with, without) = (with.unwrap(), without.unwrap());
    // Nothing else in such a figure is drawn with lines of 1.5 pixels, which are 12 units: three numbers and the key.
    // Those that look alike and follow each other are one path, which begins anew for each.
    let path = |rest: &str| rest.split("/>").next().unwrap_or_default().matches('M').count();
    let outlines = |svg: &str| svg.split("stroke-width=\"12\"").skip(1).map(path).sum::<usize>();
    assert_eq!((outlines(&with), outlines(&without)), (4, 0));
    assert!(words_of(&with).contains("Open marks: the numbers that the paper prints."));
    assert_eq!(with, svg(folder.path(), "paper_load", Some(&claims)).unwrap(), "the same bytes twice");
    let other = words_of(&svg(folder.path(), "paper_staleness", Some(&claims)).unwrap());
    assert!(other.contains("The paper prints no number that belongs here."));
}

#[test]
fn the_objective_is_that_of_the_manifest() {
    let folder = tempfile::tempdir().unwrap();
    invent_paper(folder.path());
    let mut said = shipped("paper_load");
    let caption = |said: &toml::Table| {
        write_manifest(folder.path(), "paper_load", said);
        words_of(&svg(folder.path(), "paper_load", None).unwrap())
    };
    let fixed = caption(&said);
    assert!(fixed.contains("SLO: TTFT within 2 s (Chatbot), 5 s (RAG), 10 s (Long context)."), "{fixed}");
    said["slo"]["ttft"] = toml::Value::from("slowdown");
    said["slo"]["ttft_slowdown"] = toml::Value::from(1.5);
    let relative = caption(&said);
    assert!(relative.contains("SLO: TTFT within 1.5 times that of an idle system."), "{relative}");
    said.remove("slo");
    assert!(caption(&said).contains("The objective is not said in the results."));
}

#[test]
fn steps_of_a_waterfall_are_named_in_words_and_compared_with_both() {
    let folder = tempfile::tempdir().unwrap();
    invent_paper(folder.path());
    let words = words_of(&svg(folder.path(), "paper_bridge", None).unwrap());
    for expected in ["Paper", "Prefill queue", "Own flows in c", "Against Round-robin", "Against Cache+load-aware"] {
        assert!(words.contains(expected), "{expected}: {words}");
    }
}

#[test]
fn an_axis_or_a_metric_that_is_missing_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let policies = |names: &[&str]| ("policy.name", names.iter().map(|name| text(name)).collect::<Vec<_>>());
    let both = policies(&["cache_load_aware", "netkv"]);
    let error = |name: &str| format!("{:#}", svg(folder.path(), name, None).unwrap_err());
    let spans = ("fabric.pod_oversubscription", floats(&[1.0, 8.0]));
    let shares = ("background.steady_ratio", floats(&[0.0, 0.4]));
    invent(folder.path(), "paper_topology", &[spans, shares, both.clone()], &[("", 0.5)], 2);
    assert!(error("paper_topology").contains("there is no column \"application\""), "{}", error("paper_topology"));
    let applications = ("application", vec![text("rag")]);
    let loads = ("workload.capacity_ratio", floats(&[0.5, 1.0]));
    invent(folder.path(), "paper_ablation", &[applications.clone(), loads, both.clone()], &[("", 0.5)], 2);
    let many = error("paper_ablation");
    assert!(many.contains("its axis \"workload.capacity_ratio\" has 2 values"), "{many}");
    invent(folder.path(), "paper_ablation", &[applications, both.clone()], &[("", 0.5)], 2);
    let none = error("paper_ablation");
    assert!(none.contains("there is no policy \"netkv_topo_only\""), "{none}");
    let steps = ("step", vec![text("00_paper"), text("01_more")]);
    invent(folder.path(), "paper_bridge", &[steps, both], &[("", 0.5)], 2);
    assert!(error("paper_bridge").contains("there is no policy \"round_robin\""));
    common::without_metric(folder.path(), "paper_bridge", "ttft_mean_ns");
    assert!(error("paper_bridge").contains("has no metric \"ttft_mean_ns\""), "{}", error("paper_bridge"));
}

#[test]
fn the_tables_hold_ours_and_in_brackets_theirs() {
    let folder = tempfile::tempdir().unwrap();
    assert!(paper_tables(folder.path(), folder.path(), None).unwrap().is_none(), "there are no results");
    invent_paper(folder.path());
    let claims = claims(folder.path());
    let path = paper_tables(folder.path(), folder.path(), Some(&claims)).unwrap().unwrap();
    let page = std::fs::read_to_string(path).unwrap();
    assert_eq!(page.matches("\n## ").count(), 7);
    // By hand, from `invented`: NetKV at 100 % in RAG, over five seeds.
    let ttft = |seed: u64| common::invented("ttft_mean_ns", 5, 0.5, 0.3 + 1.0 / 64.0, seed) as u64 as f64 * 1e-6;
    let mean = (1..=5).map(ttft).sum::<f64>() / 5.0;
    let line = page.lines().find(|line| line.starts_with("| 100 % | NetKV |")).unwrap();
    assert!(line.contains(&format!("| {mean:.0} ± ")) && line.contains("(612)") && line.contains("(−12.7)"), "{line}");
    let totals = page.split("Table IV, below").nth(1).unwrap();
    let points = totals.lines().find(|line| line.starts_with("| SLO (points)")).unwrap();
    assert_eq!(points.matches("(+7.7)").count(), 1, "of RAG alone: {points}");
    let silent = paper_tables(folder.path(), folder.path(), None).unwrap().unwrap();
    assert!(std::fs::read_to_string(silent).unwrap().contains("There is no claims file"));
}

/// For looking at them: `NETKV_SHOW=folder NETKV_RESULTS=results cargo test -p netkv-figures look` leaves the figures of
/// real results in that folder.
#[test]
fn look() {
    let (Some(out), Some(results)) = (std::env::var_os("NETKV_SHOW"), std::env::var_os("NETKV_RESULTS")) else {
        return;
    };
    let claims = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/paper/claims.toml");
    let claims = Claims::read(&claims).unwrap();
    let names = std::env::var("NETKV_NAMES").unwrap_or_default();
    let names: Vec<String> = names.split_whitespace().map(str::to_owned).collect();
    draw(Path::new(&results), Path::new(&out), &names, Some(&claims)).unwrap();
    paper_tables(Path::new(&results), Path::new(&out), Some(&claims)).unwrap();
}
