//! The heat map, from made-up tables of links. No number here comes from a run.
#![allow(clippy::unwrap_used, reason = "tests")]

use netkv_figures::{heat_map, png};
use netkv_frames::{ColumnData, Metadata, Table};

/// Kind, direction, pod and rack.
type Link = (&'static str, &'static str, usize, Option<usize>);

/// MADE UP: `n_windows` windows of 2 s from `first` on; per pod two racks with two spines each, and two cores.
fn links(pods: usize, first: usize, n_windows: usize, background: f64) -> Table {
    let mut links: Vec<Link> = Vec::new();
    for direction in ["up", "down"] {
        links.extend((0..4 * pods).map(|link| ("rack", direction, link / 4, Some(link / 2))));
    }
    for direction in ["up", "down"] {
        links.extend((0..2 * pods).map(|link| ("pod", direction, link / 2, None)));
    }
    let rows = || (first..first + n_windows).flat_map(|window| links.iter().map(move |link| (window, link)));
    let text = |value: &dyn Fn(&Link) -> String| ColumnData::Text(rows().map(|(_, link)| Some(value(link))).collect());
    let mut table = Table::new();
    table.push("time_s", ColumnData::Float(rows().map(|(window, _)| Some(2.0 * (window + 1) as f64)).collect()));
    table.push("window_s", ColumnData::Float(rows().map(|_| Some(2.0)).collect()));
    table.push("kind", text(&|link| link.0.to_owned()));
    table.push("direction", text(&|link| link.1.to_owned()));
    table.push("pod", ColumnData::Integer(rows().map(|(_, link)| Some(link.2 as i64)).collect()));
    table.push("rack", ColumnData::Integer(rows().map(|(_, link)| link.3.map(|rack| rack as i64)).collect()));
    table.push("kv_ratio", ColumnData::Float(rows().map(|(window, _)| Some(0.5 * (window % 2) as f64)).collect()));
    table.push("background_ratio", ColumnData::Float(rows().map(|_| Some(background)).collect()));
    table
}

fn metadata() -> Metadata {
    let pairs = [
        ("experiment", "made-up"),
        ("cell", "7"),
        ("coordinates", "regime=<none> seed=3"),
        ("policy", "netkv"),
        ("trace", "made-up numbers for a test"),
        ("trace_fallback", "true"),
        ("sim_epoch", "1"),
    ];
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The texts of an SVG one after another, as they are read: a caption is broken into lines.
fn words_of(svg: &str) -> String {
    let texts = svg.split("<text").skip(1).filter_map(|rest| rest.split_once('>')?.1.split_once("</text>"));
    texts.map(|(words, _)| words.trim()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_heat_map_says_what_it_shows_and_has_the_same_bytes_twice() {
    let whole = heat_map([links(2, 0, 10, 0.25)], &metadata()).unwrap();
    let parts = heat_map([links(2, 0, 7, 0.25), links(2, 7, 3, 0.25)], &metadata()).unwrap();
    assert_eq!(whole, parts, "however the tables are cut");
    for words in [
        "over time, NetKV",
        "All traffic",
        "KV transfers alone",
        "Spines to leaf switch",
        "leaf 3",
        "pod 1",
        "mean 25 %",
        "mean 50 %",
        "Experiment made-up, cell 7: regime=&lt;none&gt;, seed=3.",
        "stand in for the recorded trace",
        "the mean over 2 s",
    ] {
        assert!(words_of(&whole).contains(words), "{words}");
    }
    assert_eq!(png(&whole).unwrap(), png(&parts).unwrap());
    let without = heat_map([links(2, 0, 10, 0.0)], &metadata()).unwrap();
    assert!(without.contains("there is no background traffic") && !without.contains("All traffic"));
}

#[test]
fn long_runs_and_large_fabrics_stay_readable() {
    let long = heat_map([links(2, 0, 5_000, 0.25)], &metadata()).unwrap();
    assert!(long.len() < 1_000_000, "{} bytes", long.len());
    let large = heat_map([links(60, 0, 10, 0.25)], &metadata()).unwrap();
    assert!(
        words_of(&large).contains("the mean over the links of a leaf switch, or of a pod"),
        "720 links are too many rows"
    );
    let larger = heat_map([links(500, 0, 10, 0.25)], &metadata()).unwrap();
    assert!(words_of(&larger).contains("the mean over all links of its kind"), "{}", larger.len());
}

#[test]
fn tables_that_cannot_be_drawn_are_refused() {
    let error = |tables: Vec<Table>| format!("{:#}", heat_map(tables, &metadata()).unwrap_err());
    assert!(error(vec![]).contains("there is no window of time to draw"));
    assert!(error(vec![Table::new()]).contains("there is no column"));
    assert!(error(vec![links(2, 0, 2, 0.1), links(1, 2, 2, 0.1)]).contains("not one for each link and window"));
}
