//! The table "Distance to the bound" in docs/comparison.md, from `golden/distances.csv`, and that from the simulator.
//!
//! `NETKV_BOUND=write cargo test --release -p netkv-bound --test distances` finds every number anew, in a quarter of an hour,
//! and writes both; `NETKV_BOUND=page` writes the page from the file. Otherwise the page is held against the file, and a part of the file against what is found now; the best
//! assignments, whose search takes long, are held against bounds and policies alone.

mod cells;

use cells::{AtPoint, EFFORT, at_point, load};
use netkv_bound::{Distances, Effort, Freedom, distances};
use netkv_sim::SIM_EPOCH;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the tables begin and end on the page.
const MARKS: [&str; 2] = ["<!-- distances -->\n", "<!-- end of distances -->\n"];

/// What stands before the policies in a row of the file, all in milliseconds but the first four.
const HEAD: [&str; 8] =
    ["regime", "placement", "seed", "requests", "bound_decode", "bound_both", "found_decode", "found_both"];

/// The points that are found anew in every run of the tests: the first seed of this regime.
const CHECKED: (&str, u64) = ("base", 1);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every point and seed of the experiment.
fn points() -> Vec<AtPoint> {
    let experiment = load(&root().join("experiments/bound.toml")).expect("the experiment is valid");
    let mut points: Vec<AtPoint> = Vec::new();
    for cell in experiment.cells() {
        let point = at_point(&experiment, &cell);
        if points.iter().all(|other| other.name != point.name) {
            points.push(point);
        }
    }
    points
}

/// A number of milliseconds as the file has it.
fn millis(seconds: Option<f64>) -> String {
    seconds.map_or_else(String::new, |seconds| format!("{:.2}", seconds * 1e3))
}

/// A row of the file, by column.
fn row(point: &AtPoint, found: &Distances) -> Row {
    let mut row = BTreeMap::new();
    let mut set = |name: &str, value: String| row.insert(name.to_owned(), value);
    set("regime", point.values[0].clone());
    set("placement", point.values[1].clone());
    set("seed", point.seed.to_string());
    set("requests", found.requests.to_string());
    for (freedom, name) in [(Freedom::Decode, "decode"), (Freedom::Both, "both")] {
        let within = found.with(freedom);
        set(&format!("bound_{name}"), millis(within.bound.as_ref().ok().map(|bound| bound.mean)));
        set(&format!("found_{name}"), millis(within.best.as_ref().map(|best| best.mean)));
    }
    for outcome in &found.outcomes {
        set(outcome.policy, millis(outcome.mean));
    }
    row
}

/// The policies of the experiment, by what they choose.
const BY_FREEDOM: [(Freedom, &str, &[&str]); 2] = [
    (Freedom::Decode, "decode", &["round_robin", "cache_load_aware", "netkv", "clairvoyant"]),
    (Freedom::Both, "both", &["netkv_joint", "netkv_flow"]),
];

fn columns() -> Vec<&'static str> {
    HEAD.into_iter().chain(BY_FREEDOM.iter().flat_map(|(_, _, policies)| policies.iter().copied())).collect()
}

fn csv(rows: &[Row]) -> String {
    let mut text = format!("# simulation epoch {SIM_EPOCH}; mean TTFT in ms\n{}\n", columns().join(","));
    for row in rows {
        let values: Vec<&str> = columns().iter().map(|&column| row[column].as_str()).collect();
        writeln!(text, "{}", values.join(",")).expect("text grows");
    }
    text
}

fn read(text: &str) -> Vec<Row> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let names: Vec<&str> = lines.next().expect("a head").split(',').collect();
    let row = |line: &str| names.iter().map(|&name| name.to_owned()).zip(line.split(',').map(str::to_owned)).collect();
    lines.map(row).collect()
}

/// Seeds of the experiment, and the 97.5 % quantile of Student's t with one degree of freedom less (the usual tables; a test
/// of `netkv-frames` has it too).
const SEEDS: usize = 5;
const QUANTILE: f64 = 2.776_445_105;

/// Geometric mean, 95 % interval of it, and largest of what these are above 1, in percent.
fn above(ratios: &[f64]) -> String {
    assert_eq!(ratios.len(), SEEDS, "another number of seeds has another quantile");
    let n = SEEDS as f64;
    let logs: Vec<f64> = ratios.iter().map(|&ratio| libm::log(ratio)).collect();
    let mean = logs.iter().sum::<f64>() / n;
    let variance = logs.iter().map(|log| (log - mean) * (log - mean)).sum::<f64>() / (n - 1.0);
    let half = QUANTILE * (variance / n).sqrt();
    let worst = logs.iter().copied().fold(0.0, f64::max);
    let [mean, low, high, worst] = [mean, mean - half, mean + half, worst].map(|log| (libm::exp(log) - 1.0) * 100.0);
    format!("{mean:.1} [{low:.1}, {high:.1}], {worst:.0}")
}

/// A row of the file, by column.
type Row = BTreeMap<String, String>;

/// By regime and placement, in order: the rows, one a seed.
fn by_place(rows: &[Row]) -> Vec<(String, Vec<&Row>)> {
    let mut places: Vec<(String, Vec<&Row>)> = Vec::new();
    for row in rows {
        let name = format!("`{}`, {}", row["regime"], row["placement"].replace('_', " "));
        match places.iter_mut().find(|(other, _)| *other == name) {
            Some((_, own)) => own.push(row),
            None => places.push((name, vec![row])),
        }
    }
    places
}

/// A number of milliseconds, by seed.
fn values(rows: &[&Row], column: &str) -> Vec<f64> {
    rows.iter().map(|row| row[column].parse().expect("a number of milliseconds")).collect()
}

/// How far these columns are above that one.
fn table(title: &str, rows: &[Row], base: (&str, &str), columns: &[(&str, &str)]) -> String {
    let mut text = format!("\n| {title} | {} (s)", base.1);
    columns.iter().for_each(|(_, name)| write!(text, " | {name}").expect("text grows"));
    writeln!(text, " |\n|---|--:{}|", "|--:".repeat(columns.len())).expect("text grows");
    for (place, own) in by_place(rows) {
        let bases = values(&own, base.0);
        write!(text, "| {place} | {:.2}", bases.iter().sum::<f64>() / bases.len() as f64 / 1e3).expect("text grows");
        for (column, _) in columns {
            let ratios: Vec<f64> = values(&own, column).iter().zip(&bases).map(|(value, base)| value / base).collect();
            write!(text, " | {}", above(&ratios)).expect("text grows");
        }
        writeln!(text, " |").expect("text grows");
    }
    text
}

/// The tables of the page.
fn tables(rows: &[Row]) -> String {
    let mut text = String::new();
    for ((_, name, policies), title) in BY_FREEDOM.into_iter().zip(["Decode instance chosen", "Both chosen"]) {
        let names: Vec<String> = policies.iter().map(|policy| format!("`{policy}`")).collect();
        let policies: Vec<(&str, &str)> = policies.iter().copied().zip(names.iter().map(String::as_str)).collect();
        let (bound, found) = (format!("bound_{name}"), format!("found_{name}"));
        let all: Vec<(&str, &str)> = [(found.as_str(), "best found")].into_iter().chain(policies.clone()).collect();
        text += &table(&format!("{title}, above the bound (%)"), rows, (&bound, "bound"), &all);
        text += &table(&format!("{title}, above the best found (%)"), rows, (&found, "best found"), &policies);
    }
    text + "\n"
}

/// The page with these tables.
fn page(text: &str, tables: &str) -> String {
    let (before, rest) = text.split_once(MARKS[0]).expect("the page has a mark");
    let (_, after) = rest.split_once(MARKS[1]).expect("the page has an end mark");
    format!("{before}{}{tables}{}{after}", MARKS[0], MARKS[1])
}

#[test]
fn the_page_says_what_is_found() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/distances.csv");
    let comparison = root().join("docs/comparison.md");
    let points = points();
    let asked = std::env::var("NETKV_BOUND").unwrap_or_default();
    if asked == "write" {
        let found = points.iter().map(|point| {
            let found = distances(&point.scenarios, EFFORT).expect("it has bounds");
            println!("{}\n{}", point.name, found.text());
            row(point, &found)
        });
        let rows: Vec<_> = found.collect();
        fs::write(&golden, csv(&rows)).expect("the file is written");
    }
    let kept = fs::read_to_string(&golden).expect("the file is there");
    let rows = read(&kept);
    assert_eq!(csv(&rows), kept, "the file is of this epoch and has these columns");
    if asked == "write" || asked == "page" {
        let text = fs::read_to_string(&comparison).expect("the page is there");
        fs::write(&comparison, page(&text, &tables(&rows))).expect("the page is written");
    }
    let text = fs::read_to_string(&comparison).expect("the page is there");
    assert_eq!(page(&text, &tables(&rows)), text, "docs/comparison.md shows other numbers: see the top of this test");
    for (point, kept) in points.iter().zip(&rows).filter(|(point, _)| (point.values[0].as_str(), point.seed) == CHECKED)
    {
        let found = row(point, &distances(&point.scenarios, Effort { exhaustive: 0, runs: 0 }).expect("it has bounds"));
        let is_searched = |column: &&&str| column.starts_with("found_");
        for column in columns().iter().filter(|column| !is_searched(column)) {
            assert_eq!(found[*column], kept[*column], "{column} of {}", point.name);
        }
    }
    for row in &rows {
        check_order(row);
    }
}

/// Bound, best assignment, policies.
fn check_order(row: &Row) {
    let value = |column: &str| -> f64 { row[column].parse().expect("a number of milliseconds") };
    for (_, name, policies) in BY_FREEDOM {
        let (bound, found) = (value(&format!("bound_{name}")), value(&format!("found_{name}")));
        assert!(bound <= found, "{row:?}");
        for policy in policies {
            assert!(found <= value(policy), "{policy} in {row:?}");
        }
    }
    assert!(value("found_both") <= value("found_decode"), "who may choose both may leave one as it is: {row:?}");
}
