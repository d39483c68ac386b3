//! Profile files: what they say, and what they are told when something is wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

use netkv_grid::{Profile, Span};
use netkv_workload::KvLayout;
use std::fs;
use std::path::{Path, PathBuf};

fn experiments() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments")
}

const TEXT: &str = "\
format = 'netkv-profile/2'
model = 'M'
precision = 'bf16'
gpu = 'G'
tp = 4
[kv]
layout = 'heads'
layers = 80
kv_heads = 8
head_dim = 128
dtype_bytes = 2
copies = 1
[memory]
weights_gb = 141.2
[prefill]
base_ms = 15.5
per_token_us = [[0, 30], [256, 60.5]]
per_pair_ns = 1.25
valid_batch_tokens = [1, 32768]
valid_context_tokens = [2, 131072]
[decode]
base_ms = 10
per_request_us = [[0, 20]]
per_token_ns = 26.5
valid_batch = [1, 128]
valid_context_tokens = [128, 65536]
[origin]
source = 'S'
licence = 'L'
command = 'C'
[fit.prefill]
points = 6
mape_percent = 1
worst_percent = 2
left_out_mape_percent = 3
left_out_worst_percent = 4
level_out_mape_percent = 5
level_out_worst_percent = 6
[fit.decode]
points = 7
mape_percent = 1
worst_percent = 2
left_out_mape_percent = 3
left_out_worst_percent = 4
level_out_mape_percent = 5
level_out_worst_percent = 6
";

/// Reads a profile; errors without the folder of the file.
fn load(text: &str) -> Result<Profile, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    fs::write(&path, text).unwrap();
    Profile::load(&path).map_err(|errors| {
        errors.to_string().lines().map(|line| line.rsplit_once("/p.toml").unwrap().1.to_owned()).collect()
    })
}

/// What is said of the profile with `right` replaced by `wrong`.
#[track_caller]
fn check(right: &str, wrong: &str, expect: &[&str]) {
    assert!(TEXT.contains(right), "{right}");
    assert_eq!(load(&TEXT.replacen(right, wrong, 1)).unwrap_err(), expect);
}

#[test]
fn a_profile_says_what_a_batch_and_an_iteration_take() {
    let profile = load(TEXT).unwrap();
    // 15.5 ms + 256 x 30 us + 44 x 60.5 us + (300 x 100 + 300^2 / 2) x 1.25 ns.
    let prefill_ns = 15_500_000 + 256 * 30_000 + 44 * 60_500 + (300 * 100 + 300 * 300 / 2) * 5 / 4;
    assert_eq!(profile.gpu.prefill.batch([(300, 100)]).as_nanos(), prefill_ns);
    assert_eq!(profile.gpu.decode.iteration(3, 1000).as_nanos(), 10_000_000 + 3 * 20_000 + 26_500);
    assert_eq!(profile.valid.decode_context_tokens, Span { low: 128, high: 65_536 });
    assert_eq!((profile.prefill_fit.n_points, profile.decode_fit.level_out.worst_percent), (6, 6.0));
}

#[test]
fn a_token_takes_what_its_layout_says_times_the_copies() {
    assert_eq!(load(TEXT).unwrap().model.bytes_per_token(), 327_680);
    let latent = TEXT
        .replace(
            "layout = 'heads'\nlayers = 80\nkv_heads = 8\nhead_dim = 128",
            "layout = 'latent'\nlayers = 61\nlatent_dim = 512\nrope_dim = 64",
        )
        .replace("copies = 1", "copies = 4");
    let model = load(&latent).unwrap().model;
    assert_eq!(model.kv, KvLayout::DEEPSEEK_V3);
    assert_eq!(model.bytes_per_token(), 4 * 70_272);
}

#[test]
fn a_wrong_unit_is_a_key_that_there_is_not() {
    check(
        "base_ms = 15.5",
        "base_us = 15500",
        &[
            ": prefill.base_ms is missing; a profile has no default values",
            ":16:1: prefill.base_us is not a known key; did you mean prefill.base_ms?",
        ],
    );
}

#[test]
fn coefficients_are_not_negative_and_not_absurd() {
    let allowed = "is not allowed; allowed: at least 0 and at most 10000";
    check("base_ms = 10", "base_ms = -10", &[&format!(":22:11: decode.base_ms = -10 {allowed}")]);
    check(
        "per_pair_ns = 1.25",
        "per_pair_ns = 1.25e9",
        &[&format!(":18:15: prefill.per_pair_ns = 1250000000 {allowed}")],
    );
    check("[256, 60.5]", "[256, -60.5]", &[&format!(":17:32: prefill.per_token_us = -60.5 {allowed}")]);
    check(
        "[[0, 20]]",
        "[[0, '20']]",
        &[":23:23: decode.per_request_us = \"20\" is not allowed; allowed: a number, at least 0 and at most 10000"],
    );
}

#[test]
fn a_curve_is_a_list_of_steps_that_ascend_from_zero() {
    let allowed = "a list of 1 to 8 pairs [from, microseconds], the first from 0";
    check("[[0, 20]]", "20", &[&format!(":23:18: decode.per_request_us = 20 is not allowed; allowed: {allowed}")]);
    check("[[0, 20]]", "[]", &[&format!(":23:18: decode.per_request_us = [] is not allowed; allowed: {allowed}")]);
    check(
        "[[0, 20]]",
        "[[0, 20, 1]]",
        &[&format!(":23:19: decode.per_request_us = [0, 20, 1] is not allowed; allowed: {allowed}")],
    );
    check(
        "[[0, 20]]",
        "[[1, 20]]",
        &[&format!(":23:18: decode.per_request_us does not ascend from 0; allowed: {allowed}")],
    );
    check(
        "[256, 60.5]",
        "[0, 60.5]",
        &[&format!(":17:16: prefill.per_token_us does not ascend from 0; allowed: {allowed}")],
    );
}

#[test]
fn a_profile_in_which_nothing_takes_time_is_refused() {
    let nothing = TEXT.replace("base_ms = 15.5", "base_ms = 0").replace("[[0, 30], [256, 60.5]]", "[[0, 0]]");
    let message = ":17:16: prefill takes no time: base_ms and the first per_token_us are both zero";
    assert_eq!(load(&nothing).unwrap_err(), [message]);
    let nothing =
        TEXT.replace("base_ms = 10", "base_ms = 0").replace("[[0, 20]]", "[[0, 0]]").replace("= 26.5", "= 0.1");
    assert_eq!(load(&nothing).unwrap_err(), [":22:11: a decode iteration takes less than a nanosecond"]);
}

#[test]
fn a_range_is_not_empty() {
    let allowed = "is an empty range; allowed: [low, high], low < high";
    check("[1, 128]", "[128, 1]", &[&format!(":25:15: decode.valid_batch = [128, 1] {allowed}")]);
    check("[1, 32768]", "[7, 7]", &[&format!(":19:22: prefill.valid_batch_tokens = [7, 7] {allowed}")]);
    check(
        "[128, 65536]",
        "[128]",
        &[
            ":26:24: decode.valid_context_tokens = [128] is not allowed; allowed: two integers [low, high], 1 to 10000000000000",
        ],
    );
}

#[test]
fn every_mistake_is_told_at_once() {
    let wrong = TEXT
        .replace("netkv-profile/2", "netkv-profile/1")
        .replace("layout = 'heads'", "layout = 'head'")
        .replace("copies = 1", "copies = 5")
        .replace("source = 'S'", "sauce = 'S'")
        .replace("points = 7\n", "");
    let expected = [
        ": fit.decode.points is missing; a profile has no default values",
        ": origin.source is missing; a profile has no default values",
        ":1:10: format = \"netkv-profile/1\" is not allowed; allowed: \"netkv-profile/2\"; did you mean \"netkv-profile/2\"?",
        ":7:10: kv.layout = \"head\" is not allowed; allowed: \"heads\", \"latent\"; did you mean \"heads\"?",
        ":12:10: kv.copies = 5 is not allowed; allowed: an integer, 1 to 4",
        ":28:1: origin.sauce is not a known key; did you mean origin.source?",
    ];
    assert_eq!(load(&wrong).unwrap_err(), expected);
}

#[test]
fn the_profiles_of_the_project_are_valid() {
    let mut labels = Vec::new();
    for entry in fs::read_dir(experiments().join("profiles")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            labels.push(Profile::load(&path).unwrap_or_else(|errors| panic!("{errors}")).label);
        }
    }
    assert!(labels.iter().any(|label| label.ends_with("llama-3.1-70b-bf16-h100-tp4.toml")), "{labels:?}");
}
