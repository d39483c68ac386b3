//! Answers to grids that are worked out by hand.

use netkv_frames::{ColumnData, Table};
use netkv_verdict::{Answer, Effect, Options, Reduced};

/// A cell: value of the axis `load`, policy, mean TTFT by seed in ms (none: it failed), drift.
struct Cells(Vec<(i64, &'static str, Vec<Option<f64>>, f64)>);

impl Cells {
    fn table(&self) -> Table {
        let rows: Vec<(i64, &str, i64, Option<f64>, f64)> = self
            .0
            .iter()
            .flat_map(|(load, policy, seeds, drift)| {
                let cells = seeds.iter().enumerate();
                cells.map(move |(seed, ttft)| (*load, *policy, seed as i64 + 1, *ttft, *drift))
            })
            .collect();
        let float = |value: &dyn Fn(f64, f64) -> f64| {
            ColumnData::Float(rows.iter().map(|row| Some(value(row.3?, row.4))).collect())
        };
        let mut table = Table::new();
        table.push("load", ColumnData::Integer(rows.iter().map(|row| Some(row.0)).collect()));
        table.push("policy.name", ColumnData::Text(rows.iter().map(|row| Some(row.1.to_owned())).collect()));
        table.push("seed", ColumnData::Integer(rows.iter().map(|row| Some(row.2)).collect()));
        let status = |ttft: Option<f64>| Some(if ttft.is_some() { "done" } else { "failed" }.to_owned());
        table.push("status", ColumnData::Text(rows.iter().map(|row| status(row.3)).collect()));
        table.push("requests", float(&|_, _| 100.0));
        table.push("offered_rps", float(&|_, _| 1.0));
        table.push("ttft_prefill_compute_ns", float(&|ttft, _| ttft * 0.5e6));
        table.push("refused_requests", float(&|_, _| 0.0));
        table.push("ttft_mean_ns", float(&|ttft, _| ttft * 1e6));
        table.push("ttft_p99_ns", float(&|ttft, _| ttft * 3e6));
        table.push("ttft_transfer_ns", float(&|ttft, _| ttft * 0.25e6));
        table.push("tbt_mean_ns", float(&|ttft, _| 20e6 + ttft * 1e3));
        table.push("slo_attainment_ratio", float(&|ttft, _| 1.0 - ttft * 1e-4));
        table.push("gpu_goodput_rps", float(&|_, _| 0.1));
        table.push("gpu_s_per_mtoken", float(&|_, _| 4000.0));
        table.push("ttft_drift_ratio", float(&|_, drift| drift));
        table
    }

    fn answer(&self) -> Answer {
        self.answer_of(None)
    }

    fn answer_of(&self, reduced: Option<Reduced>) -> Answer {
        let options = Options {
            experiment: "mine".to_owned(),
            axes: vec!["load".to_owned(), "policy.name".to_owned()],
            compared: "policy.name".to_owned(),
            baseline: "round_robin".to_owned(),
            confidence_ratio: 0.95,
            facts: vec!["trace: by hand".to_owned()],
            reduced,
        };
        Answer::of(&self.table(), options).expect("the table has every column")
    }
}

fn seeds(means: [f64; 3]) -> Vec<Option<f64>> {
    means.map(Some).to_vec()
}

fn grid() -> Cells {
    Cells(vec![
        (1, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (1, "jsq", seeds([900.0, 990.0, 1080.0]), 1.0),
        (1, "netkv", seeds([450.0, 496.0, 540.0]), 1.0),
        (2, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (2, "jsq", seeds([1001.0, 1100.0, 1201.0]), 1.0),
        (2, "netkv", seeds([1002.0, 1101.0, 1199.0]), 1.0),
        (3, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (3, "jsq", seeds([1001.0, 1100.0, 1201.0]), 1.0),
        (3, "netkv", seeds([1500.0, 1652.0, 1799.0]), 1.0),
        (4, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (4, "jsq", seeds([1001.0, 1100.0, 1201.0]), 1.0),
        (4, "netkv", seeds([900.0, 1200.0, 1150.0]), 1.0),
        (5, "round_robin", seeds([9000.0, 9100.0, 9200.0]), 1.9),
        (5, "jsq", seeds([9000.0, 9100.0, 9200.0]), 1.9),
        (5, "netkv", vec![Some(1000.0), Some(1000.0), None], 1.0),
    ])
}

#[test]
fn every_point_has_its_effect_against_the_best_that_ignores_the_network() {
    let answer = grid().answer();
    assert!(answer.asks_for_network());
    let blind: Vec<_> =
        answer.points.iter().map(|point| &*point.standings[point.best_blind.expect("two are")].name).collect();
    assert_eq!(blind, ["jsq", "round_robin", "round_robin", "round_robin", "round_robin"]);
    let effects: Vec<_> = answer
        .points
        .iter()
        .map(|point| point.standings[2].against_blind.expect("there are pairs of seeds").effect())
        .collect();
    assert_eq!(effects[..4], [Effect::Pays, Effect::Same, Effect::Harms, Effect::Open]);
    assert!(answer.points[4].standings[0].is_overloaded() && !answer.points[4].standings[2].is_overloaded());
    assert_eq!((answer.points[4].standings[2].n, answer.points[4].standings[2].n_failed), (2, 1));
}

/// Five comparisons that are not overloaded, one of them open: the one that barely pays counts twice.
#[test]
fn comparisons_are_corrected_for_their_number() {
    let mut cells = grid();
    cells.0[11] = (4, "netkv", seeds([900.0, 1000.0, 1125.0]), 1.0);
    cells.0.push((6, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0));
    cells.0.push((6, "netkv", seeds([900.0, 1200.0, 1150.0]), 1.0));
    let answer = cells.answer();
    let ratio = |point: usize| answer.points[point].standings[2].against_blind.expect("there are pairs of seeds");
    assert_eq!(ratio(3).effect(), Effect::Pays, "alone");
    assert_eq!(ratio(3).effect_after_holm(), Effect::Open, "one of five: {:?}", ratio(3).p_holm);
    for (point, effect) in [Effect::Pays, Effect::Same, Effect::Harms].into_iter().enumerate() {
        assert_eq!(ratio(point).effect_after_holm(), effect, "{:?}", ratio(point));
    }
    assert_eq!(ratio(4).p_holm, None, "what is overloaded is not compared");
    let text = answer.text(false);
    let words = "Many comparisons: Holm's correction over 5 comparisons, 5 % for all together: 3 of 4 stay settled; open after \
                 it: netkv where load = 4.";
    assert!(text.contains(words), "{text}");
    let json = answer.json();
    let of_four = &json["points"][3]["standings"][2]["ttft_against_best_blind"];
    assert!(of_four["effect"] == "pays" && of_four["effect_after_holm"] == "open", "{of_four}");
    assert!(of_four["p_holm"].as_f64() > of_four["p"].as_f64(), "{of_four}");
    assert!(json["points"][0]["standings"][1]["ttft_against_baseline"]["p_holm"].is_null());
}

#[test]
fn a_drift_over_the_counted_requests_is_an_alarm_of_the_warm_up() {
    let drifting = |drift: f64| {
        let cells = vec![
            (1, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
            (1, "netkv", seeds([900.0, 990.0, 1080.0]), drift),
        ];
        Cells(cells).answer()
    };
    let words = drifting(1.2).warmup_words().expect("an alarm");
    assert!(words.starts_with("Warm-up: TTFT drifts over the counted requests in 1 of 2 rows"), "{words}");
    assert!(words.contains("netkv where load = 1: 1.20"), "{words}");
    assert_eq!(drifting(1.2).json()["points"][0]["standings"][1]["steady"], false);
    assert_eq!(drifting(1.01).warmup_words(), None);
    assert_eq!(drifting(1.9).warmup_words(), None, "that is overload, and is said to be");
}

#[test]
fn the_answer_says_where_it_pays_where_it_harms_what_is_open_and_what_is_no_answer() {
    let text = grid().answer().text(false);
    for line in [
        "mine: 5 points x 3 values of policy.name, 3 seeds",
        "  trace: by hand",
        "load = 1  (the best of 5 points for netkv)",
        "load = 3  (the worst of 5 points for netkv)",
        "    pays at 1 point: -50.0 % where load = 1",
        "    no difference at 1 point",
        "    HARMS at 1 point: +50.0 % where load = 3",
        "    open at 1 point:",
        "    overloaded at 1 point, it alone keeps up at 1 of them",
        "    SLO attainment -5.5 to +4.9 points, most where load = 1, least where load = 3",
        "Overloaded: TTFT grew threefold or more over the run, or",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "no line {line:?} in\n{text}");
    }
    assert!(
        text.contains("jsq             990 ms    2.97 s    25.0 %  90.1 %  21.0 ms  0.900 [0.900, 0.900]"),
        "{text}"
    );
    let whole = grid().answer().text(true);
    assert!(whole.contains("1 of 3 cells FAILED") && whole.contains("load = 2\n"), "{whole}");
}

/// 100 requests in 100 s, half of TTFT a wait: a mean wait of more than 5 s depends on where the run ends.
#[test]
fn a_wait_that_is_long_against_the_run_is_overload_though_it_does_not_grow() {
    let cells = Cells(vec![
        (1, "round_robin", seeds([9000.0, 9100.0, 9200.0]), 1.0),
        (1, "netkv", seeds([1000.0, 1000.0, 1001.0]), 1.0),
        (2, "round_robin", seeds([10100.0, 10100.0, 10200.0]), 1.0),
        (2, "netkv", seeds([1000.0, 1000.0, 1001.0]), 1.0),
    ]);
    let answer = cells.answer();
    let overloaded = |point: usize, standing: usize| answer.points[point].standings[standing].is_overloaded();
    assert_eq!([overloaded(0, 0), overloaded(0, 1), overloaded(1, 0), overloaded(1, 1)], [false, false, true, false]);
}

#[test]
fn one_seed_leaves_everything_open_and_says_what_to_do() {
    let one = |policy, ttft| (1, policy, vec![Some(ttft)], 1.0);
    let text = Cells(vec![one("round_robin", 1000.0), one("netkv", 500.0)]).answer().text(false);
    assert!(text.contains("a single seed gives no interval: give the experiment several (seeds)"), "{text}");
}

#[test]
fn without_a_blind_policy_the_baseline_is_what_is_compared_with() {
    let cells = Cells(vec![
        (1, "netkv", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (1, "netkv_joint", seeds([500.0, 550.0, 601.0]), 1.0),
    ]);
    let mut answer = cells.answer();
    assert!(!answer.asks_for_network());
    let baseline = Options { baseline: "netkv".to_owned(), ..answer.options };
    answer = Answer::of(&cells.table(), baseline).expect("the table has every column");
    let text = answer.text(false);
    assert!(
        text.contains("Mean TTFT against netkv, seed by seed") && text.contains("pays at 1 point: -50.0 %"),
        "{text}"
    );
}

#[test]
fn the_json_says_the_same() {
    let json = grid().answer().json();
    assert_eq!(json["points"][0]["best_blind"], "jsq");
    let netkv = &json["points"][0]["standings"][2];
    assert_eq!((&netkv["name"], &netkv["network_view"]), (&"netkv".into(), &"aware".into()));
    assert_eq!(netkv["ttft_against_best_blind"]["effect"], "pays");
    assert_eq!(json["points"][4]["standings"][0]["overloaded"], true);
}

/// SLO attainment falls with TTFT here, so that the one with the best has to be overloaded by its drift.
#[test]
fn an_overloaded_policy_with_the_best_slo_attainment_is_named() {
    let aware = Cells(vec![
        (1, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (1, "netkv", seeds([800.0, 900.0, 1000.0]), 1.9),
        (2, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (2, "netkv", seeds([1200.0, 1300.0, 1400.0]), 1.9),
    ]);
    let text = aware.answer().text(false);
    assert!(
        text.contains("    though overloaded it has the best SLO attainment at 1 point: 91.0 % where load = 1\n"),
        "{text}"
    );
    assert_eq!(text.matches("overloaded, yet the best SLO attainment").count(), 1, "{text}");
    let blind = Cells(vec![
        (1, "round_robin", seeds([800.0, 900.0, 1000.0]), 1.9),
        (1, "netkv", seeds([1000.0, 1100.0, 1200.0]), 1.0),
        (2, "round_robin", seeds([700.0, 800.0, 900.0]), 1.9),
        (2, "netkv", seeds([1000.0, 1100.0, 1200.0]), 1.0),
    ]);
    let text = blind.answer().text(false);
    let said =
        "  round_robin, though overloaded, has the best SLO attainment at 2 points: up to 92.0 % where load = 2\n";
    assert!(text.contains(said), "{text}");
}

#[test]
fn a_reduced_answer_holds_overload_back_and_says_what_it_is_worth() {
    let lacks = "2 of 5 seeds, at most 1200 requests".to_owned();
    let reduced = Reduced { lacks: lacks.clone(), command: "netkv run map.toml".to_owned() };
    let answer = grid().answer_of(Some(reduced));
    let text = answer.text(true);
    assert!(text.contains("overloaded? too short to tell") && !text.contains("overloaded at"), "{text}");
    assert!(text.contains("    of these, 1 point may be overloaded: too short to tell\n"), "{text}");
    assert!(
        text.contains("Overloaded? TTFT grows or waits are long, but the runs of a reduced version are too short"),
        "{text}"
    );
    let last =
        format!("reduced version ({lacks}): a first look, do not decide on it; `netkv run map.toml` runs all of it");
    assert_eq!(text.lines().last(), Some(&*last));
    let json = answer.json();
    assert_eq!((&json["reduced"], &json["left_out"]), (&true.into(), &lacks.into()));
    let overloaded = |point: usize| &json["points"][point]["standings"][0]["overloaded"];
    assert!(overloaded(4).is_null() && overloaded(0).as_bool() == Some(false));
    assert_eq!(grid().answer().json()["reduced"], false);
    assert!(!grid().answer().text(true).contains("reduced version"));
}

#[test]
fn an_interval_that_says_nothing_is_open_and_that_is_explained_once() {
    let two = |policy, means: [f64; 2]| (1, policy, means.map(Some).to_vec(), 1.0);
    let cells = Cells(vec![two("round_robin", [1000.0, 1000.0]), two("netkv", [500.0, 1000.0])]);
    let text = cells.answer().text(false);
    assert!(text.contains("  0.707 [too wide]") && text.contains("0.707 [too wide] where load = 1: some"), "{text}");
    let why = "[too wide]: the interval is wider than a factor of 10 either way; it takes more seeds.";
    assert_eq!(text.matches(why).count(), 1, "{text}");
    assert!(!grid().answer().text(true).contains("[too wide]"));
}

#[test]
fn an_axis_that_changes_nothing_is_told_and_of_equal_points_the_first_is_named() {
    let rows = |load: i64| {
        [
            (load, "round_robin", seeds([1000.0, 1100.0, 1200.0]), 1.0),
            (load, "netkv", seeds([450.0, 496.0, 540.0]), 1.0),
        ]
    };
    let text = Cells((1..=6).flat_map(rows).collect()).answer().text(false);
    assert!(
        text.contains("load changes nothing here: everybody has the same numbers at each of its values."),
        "{text}"
    );
    assert!(text.contains("load = 1  (the best of 6 points for netkv)"), "{text}");
    assert!(text.contains("pays at 6 points: -55.0 % at each"), "{text}");
    assert!(!grid().answer().text(false).contains("changes nothing"));
}
