//! The traffic of others in experiment files: what is read, and what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_fabric::{BackgroundConfig, FlowBackground, SizePoint, SizeTable};
use netkv_grid::{Experiment, Workloads};

fn check(body: &str, expect: &[&str]) {
    let text = load_beside(body, &[]).expect_err("the experiment is wrong").to_string();
    let found: Vec<_> = text.lines().map(|line| line.rsplit_once("/x.toml").map_or(line, |(_, rest)| rest)).collect();
    assert_eq!(found, expect);
}

/// The background of the first cell.
fn background(body: &str) -> BackgroundConfig {
    let experiment = load(&format!("[workload]\nmax_requests = 1\n{body}")).unwrap_or_else(|errors| panic!("{errors}"));
    Workloads::new().scenario(&experiment.cell(0).unwrap()).background
}

#[test]
fn a_background_that_can_take_a_whole_link_is_refused() {
    check(
        "[background]\nbusy_ratio = [0.5, 0.8]\n",
        &[
            ":5:14: the background can take 1.2000 of a link, the largest of background.busy_ratio and quiet_ratio times \
           1 + background.pod_spread_ratio; allowed: at most 0.95",
        ],
    );
    check(
        "[background]\nquiet_ratio = [0.3, 0.1]\n",
        &[":5:15: background.quiet_ratio = [0.3, 0.1] runs backwards; allowed: [low, high]"],
    );
}

#[test]
fn flows_take_a_known_table_of_sizes_or_an_own_one() {
    let flows = |sizes| {
        BackgroundConfig::Flows(FlowBackground {
            offered_load_ratio: 0.3,
            sizes,
            size_scale: 1.0,
            pod_spread_ratio: 0.5,
        })
    };
    assert_eq!(background("[background]\nkind = 'flows'\n"), flows(SizeTable::named("bulk").unwrap()));
    let data_mining = flows(SizeTable::named("data_mining").unwrap());
    assert_eq!(background("[background]\nkind = 'flows'\nsize_table = 'data_mining'\n"), data_mining);
    let points = [(1_000_000, 0.0), (1_000_000, 0.25), (2_500_000_000, 1.0)];
    let own = points.map(|(bytes, probability)| SizePoint { bytes, probability }).to_vec();
    let body = "[background]\nkind = 'flows'\nsize_table = [[1e6, 0], [1000000, 0.25], [2.5e9, 1.0]]\n";
    assert_eq!(background(body), flows(SizeTable::new(own).unwrap()));
}

#[test]
fn the_load_of_flows_is_above_0_and_below_1() {
    let percent = "; did you mean 0.015? It is a ratio, not a percentage";
    for (load, shown, hint) in [("0", "0", ""), ("1.0", "1", ""), ("1.5", "1.5", percent), ("-0.1", "-0.1", "")] {
        let message = format!(
            ":5:22: background.offered_load_ratio = {shown} is not allowed; allowed: above 0 and below 1{hint}"
        );
        check(&format!("[background]\noffered_load_ratio = {load}\n"), &[&message]);
    }
}

#[test]
fn a_table_of_sizes_is_a_distribution() {
    let table = |table: &str, expect: &str| check(&format!("[background]\nsize_table = {table}\n"), &[expect]);
    table(
        "'websearch'",
        ":5:14: background.size_table = \"websearch\" is not allowed; allowed: \"bulk\", \"web_search\", \
         \"data_mining\", \"hadoop\", or a list of [bytes, cumulative probability]; did you mean \"web_search\"?",
    );
    table(
        "[[1e6, 0.0], 5]",
        ":5:27: background.size_table = 5 is not allowed; allowed: a point [bytes, cumulative probability]",
    );
    table(
        "[[1e6, 0.0], [2e6, 1.5]]",
        ":5:33: background.size_table = 1.5 is not allowed; allowed: at least 0 and at most 1",
    );
    table("[[1e6, 0.0]]", ":5:14: background.size_table is no distribution: 1 points; allowed: at least 2");
    table(
        "[[1e6, 0.0], [2e6, 0.99]]",
        ":5:14: background.size_table is no distribution: the last probability is 0.99; allowed: 1",
    );
    table(
        "[[1e6, 0.1], [2e6, 1]]",
        ":5:14: background.size_table is no distribution: the first probability is 0.1; allowed: 0",
    );
    table(
        "[[1e6, 0], [2e6, 0.7], [3e6, 0.6], [4e6, 1]]",
        ":5:14: background.size_table is no distribution: probability 0.6 follows 0.7; allowed: a larger one",
    );
    table(
        "[[2e6, 0], [1e6, 1]]",
        ":5:14: background.size_table is no distribution: 1000000 bytes follow 2000000; allowed: as many or more",
    );
}

#[test]
fn flows_that_could_not_be_carried_or_simulated_are_refused() {
    check(
        "[background]\nkind = 'flows'\noffered_load_ratio = 0.7\n",
        &[":6:22: background.offered_load_ratio = 0.7 is 1.0500 of the rack links of the busiest pod, by \
           background.pod_spread_ratio and the fabric's oversubscriptions; allowed: at most 0.95"],
    );
    check(
        "[fabric]\npod_oversubscription = 20\n[background]\nkind = 'flows'\noffered_load_ratio = 0.3\n",
        &[":8:22: background.offered_load_ratio = 0.3 is 1.1250 of the pod links of the busiest pod, by \
           background.pod_spread_ratio and the fabric's oversubscriptions; allowed: at most 0.95"],
    );
    let small = "[background]\nkind = 'flows'\noffered_load_ratio = 0.3\nsize_table = 'hadoop'\nsize_scale = 0.1\n";
    check(
        small,
        &[":6:22: background.offered_load_ratio = 0.3 by flows of 12042 bytes is one flow every 1.34e-7 s; allowed: \
           at least 0.000001 and at most 1000000; background.size_scale makes larger flows that are fewer"],
    );
    check(
        "[background]\nkind = 'flows'\nsize_table = [[0, 0], [1000, 1]]\n",
        &[":6:14: flows of 500 bytes on average, 1000 at most, by background.size_table and size_scale; allowed: \
           at least 1000 on average, 10000000000000 at most"],
    );
    check(
        "[cluster]\nracks_per_pod = 1\nnodes_per_rack = 4\n[background]\nkind = 'flows'\n",
        &[":8:8: flows go from rack to rack; allowed: cluster.racks_per_pod of at least 2, or 2 pods or \
           more and background.pod_spread_ratio = 0"],
    );
    // Rules of other kinds do not count.
    assert_eq!(background("[background]\nkind = 'none'\noffered_load_ratio = 0.99\n"), BackgroundConfig::None);
    let spread =
        "[cluster]\nracks_per_pod = 1\nnodes_per_rack = 4\n[background]\nkind = 'flows'\npod_spread_ratio = 0\n";
    assert!(matches!(background(spread), BackgroundConfig::Flows(_)));
}

#[test]
fn kind_and_granularity_and_tables_can_be_axes() {
    let body = "[workload]\nmax_requests = 1\n\
                [[axis]]\nkey = 'background.kind'\nvalues = ['none', 'modulated', 'flows']\n\
                [[axis]]\nkey = 'background.size_table'\nvalues = ['bulk', [[1e8, 0], [1e9, 1]]]\n\
                [[axis]]\nkey = 'oracle.granularity'\nvalues = ['static', 'tier', 'zone', 'path', 'exact']\n";
    assert_eq!(load(body).unwrap().n_cells(), 3 * 2 * 5 * 2);
}

/// An experiment with a record beside it, or what is said of that.
fn said_of_record(record: &str, body: &str) -> Result<Experiment, String> {
    let body = format!("[background]\nkind = 'recorded'\nfile = 'record.csv'\n{body}");
    load_beside(&body, &[("record.csv", record)]).map_err(|errors| errors.to_string())
}

const NO_FILE: &str = ":5:8: background.kind = \"recorded\" needs background.file, a table of shares over time";

const HEADER: &str = "time_s,kind,direction,pod,rack,switch,ratio\n";

#[test]
fn a_record_is_part_of_what_a_cell_is_known_by() {
    let key = |record: &str| {
        let experiment = said_of_record(&format!("{HEADER}{record}"), "").unwrap_or_else(|said| panic!("{said}"));
        experiment.cell(0).expect("a cell").key
    };
    let one = key("0,rack,up,,,,0.2\n10,rack,,1,,,0.5\n20,end,,,,,\n");
    assert_eq!(one, key("0,rack,up,,,,0.2\n10,rack,,1,,,0.5\n20,end,,,,,\n"));
    assert_ne!(one, key("0,rack,up,,,,0.2\n10,rack,,1,,,0.6\n20,end,,,,,\n"));
    key("0,nic,,,,,0.1\n");
}

#[test]
fn records_that_are_none_are_said_with_their_line() {
    for (record, words) in [
        ("", "\"\" is no first line of a record"),
        ("time,kind\n", "record.csv:1:1: \"time,kind\" is no first line"),
        (&format!("{HEADER}0,rack,,,,,0.2\n1,rack,,,,,0.3\n"), "the record has no end; its last row says"),
        (
            &format!("{HEADER}0,rakc,,,,,0.2\n"),
            "record.csv:2:1: kind = \"rakc\"; allowed: nic, rack, pod; did you mean rack?",
        ),
        (&format!("{HEADER}0,rack,,,,,0.99\n"), "ratio = \"0.99\"; allowed: a number, 0 to 0.95"),
        (&format!("{HEADER}0,rack,,,,,NaN\n"), "ratio = \"NaN\""),
        (&format!("{HEADER}5,rack,,,,,0.2\n4,rack,,,,,0.2\n6,end,,,,,\n"), "record.csv:3:1: time_s = 4 is before"),
        (&format!("{HEADER}0,rack,,9,,,0.2\n"), "has shares of rack, pod 9, but the fabric has no such link"),
        (&format!("{HEADER}0,rack,,,,0.2\n"), "6 fields; allowed: 7"),
        (&format!("{HEADER}0,rack,,,,,0.2\n5,end,,,,,\n6,rack,,,,,0.2\n"), "record.csv:4:1: a row behind the end"),
        (&format!("{HEADER}5,rack,,,,,0.2\n5,end,,,,,\n"), "not later than its last share"),
        (HEADER, "the record has no row"),
    ] {
        let said = said_of_record(record, "").expect_err(words);
        assert!(said.contains(words), "{words}\n{said}");
    }
    check("[background]\nkind = 'recorded'\n", &[NO_FILE]);
}
