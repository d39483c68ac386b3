//! A small claims file against a small summary, worked out by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

use netkv_claims::{Claims, Verdict, judge, markdown, tally, text};
use netkv_frames::{ColumnData, Metadata, Table, write_table};
use std::fs;
use std::path::Path;

/// Three policies at two loads: means of TTFT in ms, with an interval of plus and minus 10 ms.
const MEANS: [(&str, f64, f64); 6] = [
    ("round_robin", 1.0, 200.0),
    ("cache_load_aware", 1.0, 150.0),
    ("netkv", 1.0, 100.0),
    ("round_robin", 2.0, 300.0),
    ("cache_load_aware", 2.0, 180.0),
    ("netkv", 2.0, 190.0),
];

/// Writes the summary of experiment "x" into `results`.
fn summary(results: &Path) {
    let n = MEANS.len();
    let text = |values: Vec<&str>| ColumnData::Text(values.into_iter().map(|value| Some(value.to_owned())).collect());
    let floats = |value: &dyn Fn(usize) -> Option<f64>| ColumnData::Float((0..n).map(value).collect());
    let ms = |at: usize| MEANS[at].2 * 1e6;
    let mut table = Table::new();
    table.push("load", floats(&|at| Some(MEANS[at].1)));
    table.push("policy.name", text(MEANS.iter().map(|mean| mean.0).collect()));
    table.push("metric", text(vec!["ttft_mean_ns"; n]));
    table.push("mean", floats(&|at| Some(ms(at))));
    table.push("sd", floats(&|_| Some(4e6)));
    table.push("ci_low", floats(&|at| Some(ms(at) - 10e6)));
    table.push("ci_high", floats(&|at| Some(ms(at) + 10e6)));
    let base = |at: usize| MEANS.iter().find(|mean| mean.0 == "cache_load_aware" && mean.1 == MEANS[at].1).unwrap().2;
    for (name, off) in [("ratio_mean", 0.0), ("ratio_ci_low", -0.02), ("ratio_ci_high", 0.02)] {
        table.push(name, floats(&|at| Some(MEANS[at].2 / base(at) + off)));
    }
    for (name, off) in [("diff_mean", 0.0), ("diff_ci_low", -1e6), ("diff_ci_high", 1e6)] {
        table.push(name, floats(&|at| Some((MEANS[at].2 - base(at)) * 1e6 + off)));
    }
    let metadata: Metadata = [("baseline".to_owned(), "cache_load_aware".to_owned())].into();
    fs::create_dir_all(results.join("x")).unwrap();
    write_table(&results.join("x/summary.parquet"), &mut table, &metadata).unwrap();
}

fn block(body: &str) -> String {
    format!("[[claims]]\narea = \"a\"\nplace = \"Table I\"\nsays = \"TTFT\"\n{body}\n")
}

/// The verdicts of a claims file.
fn verdicts(text: &str) -> Result<Vec<(Option<f64>, Verdict)>, String> {
    let folder = tempfile::tempdir().unwrap();
    summary(folder.path());
    let path = folder.path().join("claims.toml");
    fs::write(&path, text).unwrap();
    let claims = Claims::read(&path).map_err(|error| error.to_string())?;
    let judged = judge(&claims, folder.path()).map_err(|error| error.to_string())?;
    Ok(judged.into_iter().map(|one| (one.ours.map(|ours| ours.value), one.verdict)).collect())
}

const CELLS: &str =
    "experiment = \"x\"\naxes = [\"load\", \"policy.name\"]\nmetric = \"ttft_mean_ns\"\nunit = \"ms\"\n";

#[test]
fn a_number_holds_is_off_or_is_left_open_by_the_seeds() {
    let rows = "tolerance = { absolute = 5.0, percent = 1.0 }\nrows = [[1.0, \"netkv\", 104.0], [1, \"netkv\", 114.9], \
                [1.0, \"netkv\", 116.0], [2.0, \"round_robin\", 306.0], [2.0, \"round_robin\", 1000.0]]";
    let found = verdicts(&block(&format!("{CELLS}{rows}"))).unwrap();
    // 1 % of 1,000 is more than 5.
    let expect = [Verdict::Holds, Verdict::Open, Verdict::Off(-16.0), Verdict::Open, Verdict::Off(-700.0)].map(Some);
    assert_eq!(found.iter().map(|one| Some(one.1.clone())).collect::<Vec<_>>(), expect);
    assert!((found[0].0.unwrap() - 100.0).abs() < 1e-9);
}

#[test]
fn changes_are_paired_to_the_baseline_and_from_the_means_to_others() {
    let of = |measure: &str, against: &str, printed: f64| {
        let body = format!(
            "experiment = \"x\"\nat = {{ load = 1.0, \"policy.name\" = \"netkv\" }}\nmetric = \"ttft_mean_ns\"\n\
             measure = \"{measure}\"\nagainst = \"{against}\"\nunit = \"%\"\ntolerance = {{ absolute = 0.5 }}\nrows = [[{printed}]]"
        );
        verdicts(&block(&body)).unwrap().pop().unwrap()
    };
    let near = |found: (Option<f64>, Verdict), value: f64, verdict: Verdict| {
        assert!((found.0.unwrap() - value).abs() < 1e-9, "{found:?}");
        assert_eq!(found.1, verdict);
    };
    near(of("change_percent", "cache_load_aware", -33.5), -100.0 / 3.0, Verdict::Holds);
    // The paired interval reaches 2 % to either side.
    near(of("change_percent", "cache_load_aware", -35.5), -100.0 / 3.0, Verdict::Open);
    // 10 of 100 and 10 of 200 make 50 x 11.2 % unpaired.
    near(of("change_percent", "round_robin", -55.0), -50.0, Verdict::Open);
    assert!(matches!(of("change_percent", "round_robin", -60.0).1, Verdict::Off(_)));
}

#[test]
fn what_is_lowest_where_and_how_flat_is_counted_over_points() {
    let body = |measure: &str, printed: f64| {
        format!(
            "experiment = \"x\"\nat = {{ \"policy.name\" = \"netkv\" }}\nmetric = \"ttft_mean_ns\"\nmeasure = \"{measure}\"\n\
             unit = \"%\"\ntolerance = {{ absolute = 0.1 }}\nrows = [[{printed}]]"
        )
    };
    let found = verdicts(&block(&body("lowest_percent", 100.0))).unwrap();
    assert_eq!(found, [(Some(50.0), Verdict::Off(-50.0))]);
    let found = verdicts(&block(&body("spread_percent", 0.0))).unwrap();
    assert!((found[0].0.unwrap() - 100.0 * 90.0 / 145.0).abs() < 1e-9);
}

#[test]
fn fitted_numbers_and_those_that_cannot_be_had_are_told_apart() {
    let fitted = format!(
        "{CELLS}tolerance = {{ absolute = 5.0 }}\nfitted = true\nrows = [[1.0, \"netkv\", 100.0], [1.0, \"netkv\", 200.0]]"
    );
    let none = "not_reproducible = \"no packets here\"\nrows = [[3.0]]";
    let unmeasured = "experiment = \"y\"\nmetric = \"ttft_mean_ns\"\nrows = [[3.0]]";
    let text_of = [fitted.as_str(), none, unmeasured].map(block).join("\n");
    let found: Vec<Verdict> = verdicts(&text_of).unwrap().into_iter().map(|one| one.1).collect();
    assert_eq!(found[..2], [Verdict::Fitted(true), Verdict::Fitted(false)]);
    assert_eq!(found[2], Verdict::NotReproducible("no packets here".to_owned()));
    assert!(matches!(found[3], Verdict::NotMeasured(_)));
    let folder = tempfile::tempdir().unwrap();
    summary(folder.path());
    let path = folder.path().join("claims.toml");
    fs::write(&path, text_of).unwrap();
    let judged = judge(&Claims::read(&path).unwrap(), folder.path()).unwrap();
    let all = tally(&judged).pop().unwrap();
    assert_eq!((all.fitted, all.not_reproducible, all.not_measured, all.holds), (2, 1, 1, 0));
    assert!(text(&[], &judged).contains("not reproducible: no packets here"));
    assert!(markdown(&[], &judged).contains("| fitted, and still off |"));
}

#[test]
fn a_claim_about_cells_that_are_not_there_is_told_where_and_what_there_is() {
    let check = |body: &str, expect: &str| {
        let error = verdicts(&block(body)).unwrap_err();
        assert!(error.contains("claims.toml:1: ") && error.contains(expect), "{error}");
    };
    check(&format!("{CELLS}rows = [[3.0, \"netkv\", 1.0]]"), "axis load of x has no value 3; it has 1, 2");
    check(&format!("{CELLS}rows = [[1.0, \"netkw\", 1.0]]"), "axis policy.name of x has no value netkw; it has");
    check(&format!("{CELLS}rows = [[1.0, 1.0]]"), "a row has 1 values before its number, for 2 axes");
    let one = "experiment = \"x\"\nat = { speed = 1 }\nmetric = \"ttft_mean_ns\"\nrows = [[1.0]]";
    check(one, "x has no axis speed; it has load, policy.name");
    check("experiment = \"x\"\nat = { load = 1 }\nmetric = \"ttft_mean_ns\"\nrows = [[1.0]]", "3 points of x fit");
    check(&format!("{CELLS}rows = []").replace("ttft_mean_ns", "ttft"), "rows is empty");
    check(&format!("{CELLS}rows = [[1.0, \"netkv\", 1.0]]").replace("ttft_mean_ns", "ttft"), "there is no metric ttft");
    check("experiment = \"x\"\nmetric = \"m\"\nagainst = \"netkv\"\nrows = [[1.0]]", "against = \"POLICY\" belongs to");
    assert!(verdicts("[[claims]]\narea = 1\n").unwrap_err().contains("claims.toml: TOML parse error at line 2"));
}
