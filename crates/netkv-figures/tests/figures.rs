//! Every figure and the report, from made-up results. No number here comes from a run.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{invent, invent_all, invented, loads, policies, shipped, write_manifest};
use netkv_figures::{comparison, draw, figures, report};
use std::path::Path;

#[test]
fn every_figure_and_the_report_are_drawn_with_the_same_bytes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    invent_all(&results);
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let written = draw(&results, &first, &[], None).unwrap();
    let all = figures(&results).unwrap();
    assert_eq!((all.len(), written.len()), (27, 2 * 27));
    assert_eq!((all[0].name.as_str(), all[26].name.as_str()), ("paper_topology", "oracle"), "ranks are kept");
    draw(&results, &second, &[], None).unwrap();
    report(&results, &[], &first.join("report.html"), None).unwrap();
    report(&results, &[], &second.join("report.html"), None).unwrap();
    for path in written.iter().map(|path| path.file_name().unwrap()).chain([std::ffi::OsStr::new("report.html")]) {
        let bytes = std::fs::read(first.join(path)).unwrap();
        assert!(bytes.len() > 4000, "{} is nearly empty", path.display());
        assert_eq!(bytes, std::fs::read(second.join(path)).unwrap(), "{}", path.display());
    }
    let page = std::fs::read_to_string(first.join("report.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), all.len());
    let warnings: Vec<&str> = page.lines().filter(|line| line.contains("class=\"warning\"")).collect();
    assert_eq!(warnings.len(), 1, "the same trace is told once");
    let experiments: std::collections::BTreeSet<_> = all.iter().map(|figure| &figure.experiment).collect();
    assert!(experiments.iter().all(|experiment| warnings[0].contains(*experiment)), "{warnings:?}");
    assert!(page.contains("stand in for the recorded trace"));
    assert!(
        page.contains("90 % t intervals over seeds") && !page.contains("95 % t"),
        "coverage is that of the results"
    );
    assert!(!page.contains("<not a trace>"));
    assert_eq!(std::fs::read_dir(&first).unwrap().count(), written.len() + 1, "nothing else is left behind");
}

#[test]
fn the_table_of_policies_has_a_row_for_each_in_each_condition_and_says_what_it_is_against() {
    let folder = tempfile::tempdir().unwrap();
    assert!(comparison(folder.path(), folder.path()).unwrap().is_empty(), "there are no results");
    invent_all(folder.path());
    let page = std::fs::read_to_string(&comparison(folder.path(), folder.path()).unwrap()[0]).unwrap();
    assert_eq!(page.matches(" baseline |").count(), 6 * 4, "four columns in three regimes, for two kinds of prefill");
    assert_eq!(page.lines().filter(|line| line.starts_with("| NetKV ")).count(), 2 * 6, "static and live");
    // By hand, from `invented`: clairvoyant, in the congested regime, seed by seed against round-robin.
    let ratio = |seed: u64| {
        invented("ttft_mean_ns", 6, 1.6, 0.6, seed) as u64 as f64
            / invented("ttft_mean_ns", 0, 1.6, 0.6, seed) as u64 as f64
    };
    let mean_log = (1..=5).map(|seed| libm::log(ratio(seed))).sum::<f64>() / 5.0;
    let congested = page.split("## Congested, prefill instances by cache_aware").nth(1).unwrap();
    let line = congested.lines().find(|line| line.starts_with("| Clairvoyant")).unwrap();
    assert!(line.contains(&format!("| {:.3} [", libm::exp(mean_log))), "{line}");
    assert!(page.contains("90 % t intervals") && page.contains("stand in for the recorded trace"));
}

#[test]
fn one_panel_is_drawn_without_a_regime_axis_and_figures_without_results_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("results");
    invent(&results, "load", &[loads(&[0.3, 0.6, 0.7]), policies()], &[("", 0.5)], 1);
    let written = draw(&results, folder.path(), &[], None).unwrap();
    let all = figures(&results).unwrap();
    assert_eq!(written.len(), 2 * all.len());
    assert!(all.len() == 7 && all.iter().all(|figure| figure.experiment == "load"));
    let svg = std::fs::read_to_string(folder.path().join("ttft_parts.svg")).unwrap();
    assert!(svg.contains("at a prefill load of 60 %") && !svg.contains("Gb/s"));
    let ratio = std::fs::read_to_string(folder.path().join("ratio_vs_load.svg")).unwrap();
    assert!(ratio.contains("relative to Round-robin") && ratio.contains("One seed gives no interval."));
    report(&results, &[], &folder.path().join("report.html"), None).unwrap();
}

#[test]
fn errors_say_what_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let error = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        format!("{:#}", draw(folder.path(), folder.path(), &names, None).unwrap_err())
    };
    assert!(error(&[]).contains("there is nothing to draw"));
    invent_all(folder.path());
    assert!(
        error(&["fig4"]).contains("there is no figure \"fig4\" of results that are there; there are paper_topology, ")
    );
    let mut said = shipped("theory_context");
    said.remove("workload");
    write_manifest(folder.path(), "theory_context", &said);
    assert!(error(&["theory_context"]).contains("the manifest has no workload.tick_s"));
    said["figure"][0].as_table_mut().unwrap().insert("metrik".to_owned(), toml::Value::from("ttft_mean_ns"));
    write_manifest(folder.path(), "theory_context", &said);
    let unknown = error(&[]);
    assert!(unknown.contains("figure theory_context of experiment theory_context") && unknown.contains("metrik"));
    std::fs::remove_file(folder.path().join("theory_context/manifest.toml")).unwrap();
    let mut said = shipped("load");
    said["figure"][0]["name"] = toml::Value::from("oracle");
    write_manifest(folder.path(), "load", &said);
    let twice = error(&[]);
    assert!(twice.contains("two figures are called oracle: of experiment load and of oracle"), "{twice}");
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert!(report(folder.path(), &[], &folder.path().join("report.html"), None).is_err());
}

/// For looking at them: `NETKV_SHOW=folder cargo test -p netkv-figures show` leaves them in that folder.
#[test]
fn show() {
    let Some(folder) = std::env::var_os("NETKV_SHOW") else { return };
    let folder = Path::new(&folder);
    invent_all(&folder.join("results"));
    draw(&folder.join("results"), folder, &[], None).unwrap();
    report(&folder.join("results"), &[], &folder.join("report.html"), None).unwrap();
    let one = folder.join("one");
    invent(&one.join("results"), "load", &[loads(&[0.3, 0.6, 0.7]), policies()], &[("", 0.5)], 1);
    draw(&one.join("results"), &one, &[], None).unwrap();
}
