//! A small claims file against a small table of cells, worked out by hand.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

use netkv_claims::{Claims, Verdict, agreements, judge, markdown, tally, text};
use netkv_frames::{ColumnData, Metadata, Table, TableKind, write_table};
use std::fs;
use std::path::Path;

/// Three policies at two loads: means of TTFT in ms.
const MEANS: [(&str, f64, f64); 6] = [
    ("round_robin", 1.0, 200.0),
    ("cache_load_aware", 1.0, 150.0),
    ("netkv", 1.0, 100.0),
    ("round_robin", 2.0, 300.0),
    ("cache_load_aware", 2.0, 180.0),
    ("netkv", 2.0, 190.0),
];

/// What three seeds make of a mean, of all policies alike: the sd is 4 % of it, half an interval t(0.975, 2) = 4.3027
/// times that over the root of 3, 9.9365 %, and the ratio of two policies has no spread at all.
const SEEDS: [(i64, f64); 3] = [(1, 0.96), (2, 1.0), (3, 1.04)];
const HALF_RATIO: f64 = 0.099_365;

/// Writes the cells of experiment "x" into `results`, without the last `n_lost`.
fn cells(results: &Path, n_lost: usize) {
    let all: Vec<_> = MEANS.iter().flat_map(|mean| SEEDS.map(|seed| (mean, seed))).collect();
    let kept = &all[..all.len() - n_lost];
    let text = |value: &dyn Fn(usize) -> String| ColumnData::Text((0..kept.len()).map(|at| Some(value(at))).collect());
    let mut table = Table::new();
    table.push("cell", ColumnData::Integer((0..kept.len() as i64).map(Some).collect()));
    table.push("key", text(&|at| format!("k{at}")));
    table.push("seed", ColumnData::Integer(kept.iter().map(|one| Some(one.1.0)).collect()));
    table.push("load", ColumnData::Float(kept.iter().map(|one| Some(one.0.1)).collect()));
    table.push("policy.name", text(&|at| kept[at].0.0.to_owned()));
    table.push("trace_origin", text(&|_| "made up".to_owned()));
    table.push("status", text(&|_| "done".to_owned()));
    table.push("message", ColumnData::Text(vec![None; kept.len()]));
    table.push("digest", text(&|_| "d".to_owned()));
    let ttft = kept.iter().map(|(mean, (_, factor))| Some((mean.2 * factor * 1e6).round() as i64));
    table.push("ttft_mean_ns", ColumnData::Integer(ttft.collect()));
    table.push("ttft_transfer_ns", ColumnData::Integer(vec![Some(30_000_000); kept.len()]));
    let metadata: Metadata = [("n_cells", all.len().to_string()), ("confidence_ratio", "0.95".to_owned())]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
    fs::create_dir_all(results.join("x")).unwrap();
    write_table(&results.join("x/cells.parquet"), TableKind::Cells, &table, &metadata).unwrap();
}

fn block(body: &str) -> String {
    format!("[[claims]]\narea = \"a\"\nplace = \"Table I\"\nsays = \"TTFT\"\n{body}\n")
}

/// The verdicts of a claims file.
fn verdicts(text: &str) -> Result<Vec<(Option<f64>, Verdict)>, String> {
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path(), 0);
    fs::write(folder.path().join("y.toml"), "name = \"y\"").unwrap();
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
    // 1 % of 1,000 is more than 5; 100 ms reach to 109.94.
    let expect = [Verdict::Holds, Verdict::Open, Verdict::Off(-16.0), Verdict::Open, Verdict::Off(-700.0)].map(Some);
    assert_eq!(found.iter().map(|one| Some(one.1.clone())).collect::<Vec<_>>(), expect);
    assert!((found[0].0.unwrap() - 100.0).abs() < 1e-9);
}

/// The first claim of a file with this measure of netkv, judged.
fn first(keys: &str, printed: f64) -> netkv_claims::Judged {
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path(), 0);
    let path = folder.path().join("claims.toml");
    let netkv = "experiment = \"x\"\nmetric = \"ttft_mean_ns\"\n";
    fs::write(&path, block(&format!("{netkv}{keys}\ntolerance = {{ absolute = 0.5 }}\nrows = [[{printed}]]"))).unwrap();
    judge(&Claims::read(&path).unwrap(), folder.path()).unwrap().remove(0)
}

#[track_caller]
fn near(judged: &netkv_claims::Judged, value: f64, half: f64, verdict: &Verdict) {
    let ours = judged.ours.unwrap();
    let (low, high) = ours.interval.unwrap();
    assert!((ours.value - value).abs() < 1e-4, "{judged:?}");
    assert!((value - half - low).abs() < 1e-3 && (value + half - high).abs() < 1e-3, "{judged:?}");
    assert_eq!(judged.verdict, *verdict);
}

const AT_1: &str = "at = { load = 1.0, \"policy.name\" = \"netkv\" }\n";

#[test]
fn comparisons_are_seed_by_seed_whatever_the_baseline() {
    let change = |against: &str| format!("{AT_1}measure = \"change_percent\"\nagainst = \"{against}\"\nunit = \"%\"");
    let third = -100.0 / 3.0;
    near(&first(&change("cache_load_aware"), -33.5), third, 0.0, &Verdict::Holds);
    // Unpaired intervals would reach 9 points to either side and leave these open.
    assert!(matches!(first(&change("cache_load_aware"), -35.5).verdict, Verdict::Off(_)));
    assert!(matches!(first(&change("round_robin"), -55.0).verdict, Verdict::Off(_)));
    near(&first(&change("round_robin"), -50.2), -50.0, 0.0, &Verdict::Holds);
    let difference = format!("{AT_1}measure = \"difference\"\nagainst = \"cache_load_aware\"\nunit = \"ms\"");
    near(&first(&difference, -52.0), -50.0, 50.0 * HALF_RATIO, &Verdict::Open);
    // From 200 by way of 150 to 100.
    let share = "at = { load = 1.0, \"policy.name\" = \"cache_load_aware\" }\nmeasure = \"share_percent\"\n\
                 against = \"round_robin\"\nof = \"netkv\"\nunit = \"%\"";
    near(&first(share, 50.0), 50.0, 0.0, &Verdict::Holds);
}

#[test]
fn a_difference_of_metrics_has_an_interval_of_its_own() {
    let keys = format!("{AT_1}unit = \"ms\"");
    let text = block(&format!(
        "experiment = \"x\"\nmetric = \"ttft_mean_ns - ttft_transfer_ns\"\n{keys}\ntolerance = {{ absolute = 0.5 }}\nrows = [[60]]"
    ));
    // 100 - 30, and down to 60.06.
    assert_eq!(verdicts(&text).unwrap(), [(Some(70.0), Verdict::Open)]);
}

#[test]
fn a_claim_holds_firmly_if_the_whole_interval_does() {
    let keys = format!("{AT_1}unit = \"ms\"");
    let wide = first(&keys, 100.3);
    assert_eq!((wide.verdict.clone(), wide.is_firm()), (Verdict::Holds, false));
    let narrow = first(&format!("{AT_1}measure = \"change_percent\"\nagainst = \"round_robin\"\nunit = \"%\""), -50.2);
    assert_eq!((narrow.verdict.clone(), narrow.is_firm()), (Verdict::Holds, true));
    let all = tally(&[wide, narrow]).pop().unwrap();
    assert_eq!((all.holds, all.firmly), (2, 1));
}

#[test]
fn a_bound_has_one_side() {
    let keys = |bound: &str| format!("{AT_1}unit = \"ms\"\nbound = \"{bound}\"");
    assert_eq!(first(&keys("at_most"), 500.0).verdict, Verdict::Holds);
    assert_eq!(first(&keys("at_least"), 500.0).verdict, Verdict::Off(-400.0));
    assert_eq!(first(&keys("at_least"), 5.0).verdict, Verdict::Holds);
    assert_eq!(first(&keys("at_most"), 95.0).verdict, Verdict::Open);
}

#[test]
fn what_is_lowest_where_and_how_flat_is_told_over_points() {
    let netkv = "at = { \"policy.name\" = \"netkv\" }\n";
    let of = |keys: &str, printed| first(&format!("{netkv}{keys}"), printed);
    near(&of("measure = \"lowest_percent\"\nunit = \"%\"", 100.0), 50.0, 0.0, &Verdict::Off(-50.0));
    let among = "measure = \"lowest_percent\"\nunit = \"%\"\namong = [\"round_robin\"]";
    near(&of(among, 100.0), 100.0, 0.0, &Verdict::Holds);
    let spread = 100.0 * 90.0 / 145.0;
    near(&of("measure = \"spread_percent\"\nunit = \"%\"", 62.0), spread, spread * HALF_RATIO, &Verdict::Holds);
    let change = "measure = \"change_percent\"\nagainst = \"cache_load_aware\"\nunit = \"%\"\n";
    near(&of(&format!("{change}take = \"least\""), -33.0), -100.0 / 3.0, 0.0, &Verdict::Holds);
    near(&of(&format!("{change}take = \"most\""), 5.6), 100.0 / 18.0, 0.0, &Verdict::Holds);
    near(&of(&format!("{change}take = \"where_least\""), 1.0), 1.0, 0.0, &Verdict::Holds);
    assert!(matches!(of(&format!("{change}take = \"where_least\""), 2.0).verdict, Verdict::Off(_)));
}

#[test]
fn whole_tables_are_told_how_well_they_agree() {
    // Twice ours at every place: a perfect correlation, and half of each off on average.
    let rows: Vec<String> =
        MEANS.iter().map(|(policy, load, mean)| format!("[{load:?}, \"{policy}\", {}]", 2.0 * mean)).collect();
    let doubled = [rows.join(", "), rows.join(", ")].join(", ");
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path(), 0);
    let path = folder.path().join("claims.toml");
    fs::write(&path, block(&format!("{CELLS}rows = [{doubled}]"))).unwrap();
    let judged = judge(&Claims::read(&path).unwrap(), folder.path()).unwrap();
    let agreement = agreements(&judged).pop().unwrap();
    assert_eq!(agreement.n, 12);
    assert!((agreement.correlation.unwrap() - 1.0).abs() < 1e-9);
    assert!((agreement.mean_difference + 1120.0 / 6.0).abs() < 1e-9);
    assert!(text(&[], &judged).contains("Table I, ttft_mean_ns: 12 numbers, correlation 1.00"));
}

#[test]
fn what_is_not_there_yet_is_not_measured_and_what_never_will_be_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path(), 3);
    fs::write(folder.path().join("x.toml"), "name = \"x\"").unwrap();
    fs::write(folder.path().join("y.toml"), "name = \"yonder\"").unwrap();
    let path = folder.path().join("claims.toml");
    let run = |text: &str| {
        fs::write(&path, text).unwrap();
        judge(&Claims::read(&path).unwrap(), folder.path()).map_err(|error| error.to_string())
    };
    // The last three cells, netkv at load 2, are still to be run.
    let lost = run(&block(&format!("{CELLS}rows = [[2.0, \"netkv\", 190]]"))).unwrap();
    let command = Verdict::NotMeasured(format!("netkv run {}", folder.path().join("x.toml").display()));
    assert_eq!(lost[0].verdict, command);
    let yonder = run(&block("experiment = \"yonder\"\nmetric = \"a_ns\"\nunit = \"ms\"\nrows = [[1]]")).unwrap();
    assert!(matches!(&yonder[0].verdict, Verdict::NotMeasured(command) if command.ends_with("y.toml")));
    let error = run(&block("experiment = \"yonedr\"\nmetric = \"a_ns\"\nunit = \"ms\"\nrows = [[1]]")).unwrap_err();
    assert!(
        error.contains("claims.toml:8: there is no experiment yonedr: beside this file there are x, yonder"),
        "{error}"
    );
    assert!(error.ends_with("did you mean yonder?"), "{error}");
    fs::write(folder.path().join("x/cells.parquet"), "no parquet").unwrap();
    let error = run(&block(&format!("{CELLS}rows = [[2.0, \"netkv\", 190]]"))).unwrap_err();
    assert!(error.contains("cells.parquet") && error.ends_with("run it again"), "{error}");
}

#[test]
fn fitted_numbers_and_those_that_cannot_be_had_are_told_apart() {
    let fitted = format!(
        "{CELLS}tolerance = {{ absolute = 5.0 }}\nfitted = true\nrows = [[1.0, \"netkv\", 100.0], [1.0, \"netkv\", 200.0]]"
    );
    let none = "not_reproducible = \"no packets here\"\nrows = [[3.0]]";
    let unmeasured = "experiment = \"y\"\nmetric = \"ttft_mean_ns\"\nunit = \"s\"\nrows = [[3.0]]";
    let text_of = [fitted.as_str(), none, unmeasured].map(block).join("\n");
    let found: Vec<Verdict> = verdicts(&text_of).unwrap().into_iter().map(|one| one.1).collect();
    assert_eq!(found[..2], [Verdict::Fitted(true), Verdict::Fitted(false)]);
    assert_eq!(found[2], Verdict::NotReproducible("no packets here".to_owned()));
    assert!(matches!(found[3], Verdict::NotMeasured(_)));
    let folder = tempfile::tempdir().unwrap();
    cells(folder.path(), 0);
    fs::write(folder.path().join("y.toml"), "name = \"y\"").unwrap();
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
    let check = |line: usize, body: &str, expect: &str| {
        let error = verdicts(&block(body)).unwrap_err();
        assert!(error.contains(&format!("claims.toml:{line}: ")) && error.contains(expect), "{error}");
    };
    let cells = |rows: &str| format!("{CELLS}rows = [{rows}]");
    let bare =
        |keys: &str| format!("experiment = \"x\"\nmetric = \"ttft_mean_ns\"\nunit = \"ms\"\n{keys}\nrows = [[1.0]]");
    check(9, &cells("[3.0, \"netkv\", 1.0]"), "axis load of x has no value 3; it has 1, 2");
    let near =
        "axis policy.name of x has no value netkw; it has round_robin, cache_load_aware, netkv; did you mean netkv?";
    check(10, &cells("[1.0, \"netkv\", 1.0],\n[1.0, \"netkw\", 1.0]"), near);
    check(9, &cells("[1.0, 1.0]"), "a row has 1 values before its number, for 2 axes");
    check(9, &cells("[1.0, \"netkv\", \"one\"]"), "the last value of a row is its number");
    check(9, &bare("at = { laod = 1 }"), "x has no axis laod; it has load, policy.name; did you mean load?");
    check(9, &bare("at = { load = 1 }"), "3 points of x fit; a claim is at one: it gives load");
    check(1, &cells(""), "rows is empty");
    let other = cells("[1.0, \"netkv\", 1.0]").replace("ttft_mean_ns", "ttft_maen_ns");
    check(9, &other, "there is no metric ttft_maen_ns; `netkv schema` lists them; did you mean ttft_mean_ns?");
    check(1, &bare("against = \"netkv\""), "against = \"POLICY\" belongs to");
    check(1, &bare("of = \"netkv\""), "of = \"POLICY\" belongs to");
    check(1, &bare("among = [\"netkv\"]"), "among = [\"POLICY\"] belongs to");
    check(1, &bare("measure = \"sd\"\ntake = \"most\""), "take goes with");
    let change = |other: &str| {
        let keys = format!("{AT_1}measure = \"change_percent\"\nagainst = \"{other}\"");
        bare(&keys).replace("unit = \"ms\"", "unit = \"%\"")
    };
    check(11, &change("roundrobin"), "x has no policy roundrobin to compare with; did you mean round_robin?");
    let unit = "unit = \"%\" is not one of this measure of ttft_mean_ns; allowed: \"us\", \"ms\", \"s\"";
    check(1, &bare("").replace("\"ms\"", "\"%\""), unit);
    check(1, &change("netkv").replace("\"%\"", "\"ms\""), "allowed: %");
    assert!(verdicts("[[claims]]\narea = 1\n").unwrap_err().contains("claims.toml: TOML parse error at line 2"));
}
