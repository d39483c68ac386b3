//! Figures, tables and words of an experiment file: what is wrong with them, all at once, and that nothing depends on them.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_grid::{Experiment, LoadOptions};

const AXES: &str = "[[axis]]\nkey = 'workload.prefill_utilisation_ratio'\nvalues = [0.3, 0.6]\n\
                    [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";

fn errors(shown: &str) -> Vec<String> {
    let text = load(&format!("{AXES}{shown}")).expect_err("the experiment is wrong").to_string();
    text.lines().map(|line| line.rsplit_once("/x.toml").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

/// The errors are these, each of which begins with a place and holds some words.
fn check(shown: &str, expect: &[(&str, &str)]) {
    let errors = errors(shown);
    assert_eq!(errors.len(), expect.len(), "{errors:#?}");
    for (error, (place, words)) in errors.iter().zip(expect) {
        assert!(error.starts_with(place) && error.contains(words), "{error}\nhas not {place} {words}");
    }
}

#[test]
fn everything_that_is_wrong_with_a_figure_is_told_at_once_with_its_place_and_the_nearest_name() {
    let shown = "[[figure]]\nname = 'a figure'\nkind = 'lines'\nx = 'workload.prefill_utilization_ratio'\n\
                 metric = 'ttft_maen_ns'\npanel = 'regime'\nunit = 'ns'\n\
                 [[figure]]\nname = 'c'\nkind = 'line'\nx = 'policy.name'\nmetric = 'ttft_mean_ns'\n\
                 [[figure]]\nname = 'b'\nkind = 'intervals'\nshow = ['netkw']\nx = 'regime'\n\
                 [[figure]]\nname = 'b'\nkind = 'bars'\nx = 'workload.prefill_utilisation_ratio'\nat = 0.7\n\
                 metrics = 'ttft_mean_ns'\nonly = { 'policy.nam' = 'netkv', 'policy.name' = 'jsq' }\n";
    // Before it stand three lines of the header, and the axes.
    let at = |line: usize| format!(":{}:", 3 + AXES.lines().count() + line);
    let places = [2, 4, 5, 6, 7, 10, 13, 16, 17, 19, 22, 23, 24, 24].map(at);
    let words = [
        "name = \"a figure\" is not allowed; allowed: a name of files",
        "is no axis of this experiment; there are workload.prefill_utilisation_ratio, policy.name; did you mean \
         workload.prefill_utilisation_ratio?",
        "metric = \"ttft_maen_ns\" is no metric; `netkv schema` lists them; did you mean ttft_mean_ns?",
        "panel is not a key of a figure of kind lines",
        "unit = \"ns\" is not allowed; there are s, ms, %, GB, own",
        "\"line\" is no kind of figure; there are lines, intervals, bars, multiples, heat_map, steps, waterfall, cdf, spread; did \
         you mean lines?",
        "a figure of kind intervals needs a metric, or metrics",
        "show = \"netkw\" is no value of axis policy.name; there are netkv, round_robin; did you mean netkv?",
        "x = \"regime\" is no axis of this experiment",
        "there are two figures of name \"b\"",
        "at = 0.7 is no value of axis workload.prefill_utilisation_ratio; there are 0.3, 0.6",
        "metrics = \"ttft_mean_ns\" is not allowed; allowed: a list",
        "policy.nam is no axis of this experiment",
        "policy.name = \"jsq\" is no value of axis policy.name",
    ];
    let expect: Vec<(&str, &str)> = places.iter().map(String::as_str).zip(words).collect();
    check(shown, &expect);
}

#[test]
fn words_are_of_axes_or_of_keys_that_can_be_one() {
    let shown = "[words.'decode.max_bach']\ntitle = 'Batch'\n[words.'policy.name']\nnumber = 'percent'\nvalues = { netkv = 1 }\n";
    let errors = errors(shown);
    assert_eq!(errors.len(), 3, "{errors:#?}");
    assert!(errors[0].contains("neither an axis nor a key that can be one; did you mean decode.max_batch?"));
    assert!(
        errors[1].contains("number is not a key of words of policy.name")
            && errors[1].contains("did you mean numbers?")
    );
    assert!(errors[2].contains("words of netkv = 1 is not allowed; allowed: a table"));
}

#[test]
fn no_result_depends_on_what_is_shown_and_no_file_inherits_figures() {
    let figure =
        "[[figure]]\nname = 'a'\nkind = 'lines'\nx = 'workload.prefill_utilisation_ratio'\nmetric = 'ttft_mean_ns'\n";
    let words = "[words.'policy.name']\ntitle = 'Router'\n[report]\nsection = 'Mine'\n";
    let (plain, shown) = (load(AXES).unwrap(), load(&format!("{AXES}{figure}{words}")).unwrap());
    let keys = |experiment: &Experiment| experiment.cells().map(|cell| cell.key).collect::<Vec<_>>();
    assert_eq!(keys(&plain), keys(&shown));
    let text = shown.resolved_toml();
    assert!(
        text.contains("name = \"a\"") && text.contains("title = \"Router\"") && text.contains("section = \"Mine\"")
    );
    assert!(!plain.resolved_toml().contains("figure = ["));
    let folder =
        common::folder(&[("parent.toml", figure), ("child.toml", "extends = ['common.toml', 'parent.toml']\n")]);
    let child = Experiment::load(&folder.path().join("child.toml"), &LoadOptions::default()).unwrap();
    assert!(!child.resolved_toml().contains("figure = ["));
}

#[test]
fn the_files_of_an_axis_bring_words_for_its_values() {
    let body = "[[axis]]\nkey = 'regime'\nfiles = ['slow.toml']\n[[axis]]\nkey = 'other'\nfiles = ['more.toml']\n";
    let files =
        |word: &'static str| [("slow.toml", word), ("more.toml", "[word]\ntitle = 'More'\n[decode]\nmax_batch = 9\n")];
    let slow = "[word]\ntitle = 'Slow'\n[fabric]\nnic_gbps = 25.0\n";
    let experiment = load_beside(body, &files(slow)).unwrap();
    assert!(experiment.resolved_toml().contains("overlay.\"slow\".word.title = \"Slow\""));
    let without = load_beside(body, &files("[fabric]\nnic_gbps = 25.0\n")).unwrap();
    assert_eq!(experiment.cell(0).unwrap().key, without.cell(0).unwrap().key);
    assert!(experiment.resolved(&experiment.cell(0).unwrap()).iter().all(|row| !row.0.starts_with("word")));
    let wrong = load_beside(body, &files("[word]\ntitel = 'Slow'\n")).unwrap_err().to_string();
    assert!(
        wrong.contains("slow.toml:2:1: titel is not a key of word; it has title, about; did you mean title?"),
        "{wrong}"
    );
    assert!(wrong.contains("slow.toml:1:1: word needs title"), "{wrong}");
}

#[test]
fn a_wrong_kind_hides_no_other_mistake() {
    let at = |line: usize| format!(":{}:", 3 + AXES.lines().count() + line);
    let near = "[[figure]]\nname = 'a'\nkind = 'heatmap'\nx = 'workload.prefill_utilisation_ratio'\nrow = 'policy.name'\n\
                metric = 'ttft_maen_ns'\nagainst = 'best_blnd'\n";
    let words = [
        (1, "a figure of kind heat_map needs rows"),
        (3, "\"heatmap\" is no kind of figure"),
        (5, "row is not a key of a figure of kind heat_map"),
        (6, "did you mean ttft_mean_ns?"),
        (7, "against = \"best_blnd\" is no value of axis policy.name"),
    ];
    let told = errors(near);
    assert_eq!(told.len(), words.len(), "{told:#?}");
    for (line, words) in words {
        assert!(
            told.iter().any(|error| error.starts_with(&at(line)) && error.contains(words)),
            "{line} {words}: {told:#?}"
        );
    }
    let far = errors("[[figure]]\nname = 'a'\nkind = 'qqqqqqqq'\nmetrik = 'x'\nmetric = 'ttft_maen_ns'\n");
    assert!(
        far.len() == 3
            && far
                .iter()
                .any(|error| error.contains("metrik is not a key of any kind of figure; did you mean metric?")),
        "{far:#?}"
    );
    assert!(far.iter().any(|error| error.contains("did you mean ttft_mean_ns?")), "{far:#?}");
}

#[test]
fn the_cost_of_tokens_is_a_metric_where_a_price_is_named() {
    let figure = "[[figure]]\nname = 'a'\nkind = 'lines'\nx = 'workload.prefill_utilisation_ratio'\nmetric = 'cost_per_mtoken'\n";
    check(figure, &[(":", "is there if the experiment names a price: set cost.per_gpu_hour")]);
    load(&format!("{AXES}{figure}[cost]\nper_gpu_hour = 2.5\n")).expect("it is priced");
}
