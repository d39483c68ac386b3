//! Figures of experiments that name none, from made-up results. No number here comes from a run.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Axis, floats, invent, policies, shipped, text, write_manifest};
use netkv_figures::{draw, figures};
use netkv_frames::AxisValue;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// MADE UP results of an experiment of one's own, and its manifest: axes, and the words of the base experiment.
fn own(folder: &Path, axes: &[Axis<'_>], zip: &[&str]) {
    invent(folder, "own", axes, &[("", 0.5)], 3);
    let mut said = Table::new();
    said.insert("words".to_owned(), shipped("load")["words"].clone());
    let value = |value: &AxisValue| match value {
        AxisValue::Integer(value) => Value::from(*value),
        AxisValue::Float(value) => Value::from(*value),
        AxisValue::Text(value) => Value::from(value.as_str()),
        AxisValue::Boolean(value) => Value::from(*value),
    };
    let axis = |(key, values): &Axis<'_>| {
        let mut axis = Table::new();
        axis.insert("key".to_owned(), Value::from(*key));
        axis.insert("values".to_owned(), Value::Array(values.iter().map(value).collect()));
        if zip.contains(key) {
            axis.insert("zip".to_owned(), Value::from("together"));
        }
        Value::Table(axis)
    };
    said.insert("axis".to_owned(), Value::Array(axes.iter().map(axis).collect()));
    write_manifest(folder, "own", &said);
}

/// Draws all figures of these axes; returns their names and the words of each.
fn drawn(axes: &[Axis<'_>], name: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    own(folder.path(), axes, &[]);
    let out = std::env::var_os("NETKV_SHOW")
        .map_or_else(|| folder.path().join("figures"), |out| PathBuf::from(out).join(name));
    draw(folder.path(), &out, &[], None).unwrap();
    let names = figures(folder.path()).unwrap().into_iter().map(|figure| figure.name);
    let words = |name: String| {
        let svg = std::fs::read_to_string(out.join(format!("{name}.svg"))).unwrap();
        let texts = svg.split("<text").skip(1).filter_map(|rest| rest.split_once('>')?.1.split_once("</text>"));
        (name, texts.map(|(words, _)| words.trim()).collect::<Vec<_>>().join(" "))
    };
    names.map(words).collect()
}

fn names(drawn: &[(String, String)]) -> Vec<&str> {
    drawn.iter().map(|figure| figure.0.as_str()).collect()
}

fn integers(values: &[i64]) -> Vec<AxisValue> {
    values.iter().copied().map(AxisValue::Integer).collect()
}

#[test]
fn two_numeric_axes_are_lines_with_panels_and_a_heat_map() {
    let axes = [
        ("decode.max_batch", integers(&[8, 16, 32, 64])),
        ("fabric.nic_gbps", floats(&[25.0, 100.0, 400.0])),
        policies(),
    ];
    let drawn = drawn(&axes, "two");
    assert_eq!(names(&drawn), ["own_ratio", "own_ttft", "own_slo", "own_map"]);
    let ratio = &drawn[0].1;
    assert!(ratio.contains("Largest decode batch") && ratio.contains("Line rate of a GPU (Gb/s): 100"), "{ratio}");
    assert!(ratio.contains("relative to Round-robin") && ratio.contains("Mean TTFT, ratio to Round-robin"), "{ratio}");
    let map = &drawn[3].1;
    assert!(map.contains("Cache-aware") && !map.contains("paper"), "{map}");
    assert_eq!(map.matches("Round-robin").count(), 1, "the baseline has no panel: {map}");
}

#[test]
fn without_a_numeric_axis_there_are_intervals_with_a_mark_for_each_value_of_another_axis() {
    let axes = [
        ("fabric.route", vec![text("ecmp"), text("least_loaded")]),
        ("kv.prefix_caching", vec![AxisValue::Boolean(false), AxisValue::Boolean(true)]),
        policies(),
    ];
    let drawn = drawn(&axes, "words");
    assert_eq!(names(&drawn), ["own_ratio"]);
    let words = &drawn[0].1;
    assert!(words.contains("fabric.route ecmp least_loaded") && words.contains("kv.prefix_caching: true"), "{words}");
    let alone = self::drawn(&[policies()], "alone");
    assert!(names(&alone) == ["own_ratio"] && alone[0].1.contains("Clairvoyant"));
}

#[test]
fn more_panels_than_fit_are_left_out_and_said() {
    let axes = [
        ("decode.max_batch", integers(&[8, 64])),
        ("fabric.route", vec![text("ecmp"), text("least_loaded")]),
        ("fabric.nic_gbps", floats(&[25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0])),
        ("policy.name", vec![text("round_robin"), text("netkv_guarded")]),
    ];
    let drawn = drawn(&axes, "many");
    let words = &drawn[0].1;
    assert!(
        words.contains("ecmp Line rate of a GPU (Gb/s): 1600") && words.contains("12 panels; 2 more are left out."),
        "{words}"
    );
}

#[test]
fn one_policy_is_drawn_as_it_is_and_axes_that_advance_together_are_one() {
    let folder = tempfile::tempdir().unwrap();
    let axes = [("decode.max_batch", integers(&[8, 64]))];
    assert_eq!(names(&drawn(&axes, "one")), ["own_ttft", "own_slo"]);
    // Of those that advance together only some combinations are there; the figure must not miss the others.
    let both = [("decode.max_batch", integers(&[8])), ("fabric.nic_gbps", floats(&[25.0])), policies()];
    own(folder.path(), &both, &["decode.max_batch", "fabric.nic_gbps"]);
    assert_eq!(figures(folder.path()).unwrap().len(), 1, "axes of one value are none");
}
