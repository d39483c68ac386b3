//! The language of experiment files: ranges, exclusions, seeds, elements of lists, names, changes on a command line.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_grid::{Cell, Experiment, InputErrors, LoadOptions, Overrides};
use std::fs;

fn texts(cells: impl Iterator<Item = Cell>) -> Vec<String> {
    let text = |cell: Cell| cell.axis_values().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    cells.map(text).collect()
}

/// Errors of an experiment without the folder of its files, one a line.
fn errors(found: Result<Experiment, InputErrors>) -> Vec<String> {
    let text = found.expect_err("the experiment is wrong").to_string();
    text.lines().map(|line| line.rsplit_once("/x.toml").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

#[track_caller]
fn check(body: &str, expect: &[&str]) {
    assert_eq!(errors(load(body)), expect);
}

/// Loads `body` with changes.
fn changed(body: &str, set: &[(&str, &str)], seeds: Option<u32>) -> Result<Experiment, InputErrors> {
    let folder = common::folder(&[("x.toml", &format!("extends = 'common.toml'\nname = 'x'\n{body}"))]);
    let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let options = LoadOptions { overrides: Overrides { set, seeds }, ..LoadOptions::default() };
    Experiment::load(&folder.path().join("x.toml"), &options)
}

/// The value of a key and the name of the file that it comes from.
fn resolved(experiment: &Experiment, key: &str) -> (String, String) {
    let rows = experiment.resolved(&experiment.cell(0).unwrap());
    let (_, value, origin) = rows.into_iter().find(|(own, _, _)| own == key).unwrap();
    (value, origin.file.file_name().unwrap().to_string_lossy().into_owned())
}

#[test]
fn a_range_is_the_list_that_one_would_have_typed() {
    let ranged = "[[axis]]\nkey = 'workload.prefill_utilisation_ratio'\nrange = { from = 0.3, to = 0.9, step = 0.15 }\n\
                  [[axis]]\nkey = 'decode.max_batch'\nrange = { from = 1, to = 100, count = 3, scale = 'log' }\n";
    let listed = "[[axis]]\nkey = 'workload.prefill_utilisation_ratio'\nvalues = [0.3, 0.45, 0.6, 0.75, 0.9]\n\
                  [[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 10, 100]\n";
    let (ranged, listed) = (load(ranged).unwrap(), load(listed).unwrap());
    assert_eq!(texts(ranged.cells()), texts(listed.cells()));
    let keys = |experiment: &Experiment| experiment.cells().map(|cell| cell.key).collect::<Vec<_>>();
    assert_eq!(keys(&ranged), keys(&listed));
    assert_eq!(ranged.resolved_toml(), listed.resolved_toml());
}

#[test]
fn what_is_wrong_with_a_range_stands_at_its_place() {
    check(
        "[[axis]]\nkey = 'decode.max_batch'\nrange = { from = 9, to = 1, step = 2 }\n",
        &[
            ":6:18: from = 9 of axis decode.max_batch is above to = 1, and step = 2 goes up; exchange from and to, or write \
           step = -2",
        ],
    );
    check(
        "[[axis]]\nkey = 'decode.max_batch'\nrange = { from = 1, to = 9, step = 2 }\nvalues = [1]\n",
        &[":5:7: axis decode.max_batch needs one of values = [...], range = { ... } and files = [...]"],
    );
}

const GRID: &str = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2, 4]\n\
                    [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";

#[test]
fn excluded_points_are_no_points_of_the_grid() {
    let body = format!("{GRID}[[exclude]]\ndecode.max_batch = [1, 4.0]\n'policy.name' = 'netkv'\n");
    let experiment = load(&body).unwrap();
    assert_eq!(texts(experiment.cells().step_by(2)), ["1 round_robin", "2 netkv", "2 round_robin", "4 round_robin"]);
    assert!(experiment.cells().enumerate().all(|(index, cell)| cell.index == index));
    assert_eq!((experiment.n_cells(), experiment.n_excluded_cells()), (8, 4));
    let whole = load(GRID).unwrap();
    let whole: Vec<_> = whole.cells().map(|cell| cell.key).collect();
    assert!(experiment.cells().all(|cell| whole.contains(&cell.key)), "the others are the cells that they were");
    // A file that extends it has other axes, and leaves out nothing.
    let files = [("parent.toml", format!("extends = 'common.toml'\n{body}"))];
    let folder = common::folder(&[("parent.toml", &files[0].1), ("y.toml", "extends = 'parent.toml'\nexclude = []\n")]);
    let experiment = Experiment::load(&folder.path().join("y.toml"), &LoadOptions::default()).unwrap();
    assert_eq!(experiment.n_excluded_cells(), 0);
}

#[test]
fn an_exclude_that_means_nothing_is_refused() {
    let excluding = |exclude: &str, expect: &[&str]| check(&format!("{GRID}[[exclude]]\n{exclude}"), expect);
    excluding(
        "policy.nmae = 'netkv'\n",
        &[":11:8: exclude names policy.nmae, which is no axis; the axes: decode.max_batch, policy.name; did you mean \
           policy.name?"],
    );
    excluding(
        "policy.name = ['netkv', 'round_robbin']\n",
        &[":11:25: exclude has policy.name = round_robbin, which is no value of that axis; its values: netkv, \
           round_robin; did you mean round_robin?"],
    );
    excluding("", &[":10:1: exclude without a key would leave out every point"]);
    excluding(
        "policy.name = ['netkv', 'round_robin']\n",
        &[":10:1: exclude leaves out every point; nothing would be run"],
    );
    let zipped = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2]\nzip = 'z'\n\
                  [[axis]]\nkey = 'workload.rate_rps'\nvalues = [1.0, 2.0]\nzip = 'z'\n\
                  [[exclude]]\ndecode.max_batch = 1\nworkload.rate_rps = 2\n";
    check(
        zipped,
        &[
            ":12:1: exclude leaves out nothing: no point has all of its values, since axes that advance together (zip) do \
           not meet there",
        ],
    );
}

#[test]
fn a_number_of_seeds_counts_them_from_1() {
    let seeds = |seeds: &str| {
        let text = format!("extends = 'common.toml'\nseeds = {seeds}\n");
        let folder = common::folder(&[("x.toml", &text)]);
        Experiment::load(&folder.path().join("x.toml"), &LoadOptions::default())
    };
    let three = seeds("3").unwrap();
    assert_eq!(three.seeds(), [1, 2, 3]);
    assert_eq!(three.resolved_toml(), seeds("[1, 2, 3]").unwrap().resolved_toml());
    assert_eq!(
        errors(seeds("0")),
        [":2:9: seeds = 0 is not allowed; allowed: a number of seeds, 1 to 1000000, or a list of integers"]
    );
}

#[test]
fn an_axis_may_be_one_element_of_a_list() {
    let body = "[[axis]]\nkey = 'fabric.latency_us.3'\nvalues = [15, 30]\n";
    let experiment = load(body).unwrap();
    let whole = load("[fabric]\nlatency_us = [2, 4, 8, 30]\n").unwrap();
    assert_eq!(experiment.cell(2).unwrap().key, whole.cell(0).unwrap().key);
    check(
        "[[axis]]\nkey = 'fabric.latency_us.4'\nvalues = [15, 30]\n",
        &[":5:7: axis fabric.latency_us.4: fabric.latency_us has 4 elements; allowed: fabric.latency_us.0 to \
           fabric.latency_us.3"],
    );
    check(
        "[[axis]]\nkey = 'fabric.latency_us[3]'\nvalues = [15, 30]\n",
        &[":5:7: fabric.latency_us[3]: an element of a list is written fabric.latency_us.3; the first is \
           fabric.latency_us.0"],
    );
    check(
        "[[axis]]\nkey = 'cluster.placement.0'\nvalues = [1, 2]\n",
        &[":5:7: axis cluster.placement.0: cluster.placement is a string, not a list with elements"],
    );
}

#[test]
fn changes_of_a_command_line_lie_above_the_files_and_below_the_axes() {
    let experiment = changed(GRID, &[("fabric.nic_gbps", "50"), ("oracle.granularity", "exact")], Some(3)).unwrap();
    assert_eq!(resolved(&experiment, "fabric.nic_gbps"), ("50".to_owned(), "--set".to_owned()));
    assert_eq!(resolved(&experiment, "oracle.granularity").0, "\"exact\"");
    assert_eq!(experiment.seeds(), [1, 2, 3]);
    assert_eq!(experiment.name(), "x+fabric.nic_gbps=50+oracle.granularity=exact+seeds=3");
    let written = load(&format!("{GRID}[fabric]\nnic_gbps = 50\n[oracle]\ngranularity = 'exact'\n")).unwrap();
    assert_eq!(experiment.cell(0).unwrap().key, written.cell(0).unwrap().key);
    let notice = experiment.notices().iter().find(|notice| notice.contains("is changed by")).unwrap();
    assert!(
        notice.ends_with(
            "x.toml is changed by --set fabric.nic_gbps=50 --set oracle.granularity=exact --seeds 3: its results are in a \
             folder of their own, x+fabric.nic_gbps=50+oracle.granularity=exact+seeds=3, and those of the file as it is stay \
             as they are"
        ),
        "{notice}"
    );
}

#[test]
fn a_change_that_cannot_be_made_is_refused() {
    let check = |set: &[(&str, &str)], expect: &[&str]| {
        let found = errors(changed(GRID, set, None));
        let found: Vec<String> = found
            .iter()
            .map(|line| match line.find("(/").zip(line.find("x.toml:")) {
                Some((start, end)) => format!("{}({}", &line[..start], &line[end..]),
                None => line.clone(),
            })
            .collect();
        assert_eq!(found, expect);
    };
    let axis = changed(GRID, &[("policy.name", "netkv")], None).unwrap_err().to_string();
    assert!(axis.starts_with("--set: policy.name is an axis of the experiment (/"), "{axis}");
    assert!(
        axis.ends_with(
            "x.toml:7:7), whose values would overrule it; run some of them with `netkv run --filter policy.name=VALUE`, or \
             change the axis"
        ),
        "{axis}"
    );
    check(&[("fabric.nic_gpbs", "50")], &["--set: fabric.nic_gpbs is not a known key; did you mean fabric.nic_gbps?"]);
    check(&[("nic_gbps", "50")], &["--set: nic_gbps is not a known key; did you mean fabric.nic_gbps?"]);
    check(&[("fabric", "50")], &["--set: fabric is a section; set one of its keys, such as fabric.cores"]);
    check(&[("seeds", "5")], &["--set: seeds: write --seeds N for the seeds 1 to N"]);
    check(&[("axis", "[]")], &["--set: axis is no key of a cell: change it in the file"]);
    check(&[("cluster.tp", "4"), ("cluster.tp", "8")], &["--set: cluster.tp is set twice"]);
    check(&[("cluster.tp", "four")], &["--set: cluster.tp = \"four\" is not allowed; allowed: an integer, 1 to 65536"]);
    check(
        &[("fabric.latency_us.7", "4")],
        &["--set: fabric.latency_us has 4 elements; allowed: fabric.latency_us.0 to fabric.latency_us.3"],
    );
}

#[test]
fn a_key_that_an_axis_of_files_overrules_is_refused() {
    let files = [
        ("slow.toml", "[fabric]\nnic_gbps = 25.0\n[decode]\nmax_batch = 8\n"),
        ("fast.toml", "[fabric]\nnic_gbps = 400.0\n"),
    ];
    let axis = "[[axis]]\nkey = 'regime'\nfiles = ['slow.toml', 'fast.toml']\n";
    let beside = |body: &str| {
        let text = load_beside(&format!("{axis}{body}"), &files).unwrap_err().to_string();
        let folder = text.split_once("x.toml").unwrap().0.to_owned();
        text.replace(&folder, "")
    };
    assert_eq!(
        beside("[fabric]\nnic_gbps = 50\n"),
        "x.toml:8:1: fabric.nic_gbps = 50 does nothing: axis regime sets it by slow.toml:2:1 and 1 more of its files; \
         remove it, or put it into the files of the axis"
    );
    assert_eq!(
        beside("[decode]\nmax_batch = 16\n"),
        "x.toml:8:1: decode.max_batch = 16 does nothing where regime = slow: axis regime sets it by slow.toml:4:1; remove it, \
         or put it into the files of the axis"
    );
    // What the file of the axis extends is what its files replace; what lies above it is not.
    let parent = format!("extends = 'common.toml'\n{axis}");
    let all = [("parent.toml", parent.as_str()), files[0], files[1], ("own.toml", "[fabric]\nnic_gbps = 50\n")];
    let folder = common::folder(&all);
    let load = |text: &str| {
        fs::write(folder.path().join("x.toml"), text).unwrap();
        Experiment::load(&folder.path().join("x.toml"), &LoadOptions::default())
    };
    assert!(load("extends = 'parent.toml'\n").is_ok());
    assert!(load("extends = ['own.toml', 'parent.toml']\n").is_ok());
    let above = load("extends = ['parent.toml', 'own.toml']\n").unwrap_err().to_string();
    assert!(above.contains("own.toml:2:1: fabric.nic_gbps = 50 does nothing: axis regime sets it by"), "{above}");
    let overrides = Overrides { set: vec![("fabric.nic_gbps".to_owned(), "50".to_owned())], seeds: None };
    let options = LoadOptions { overrides, ..LoadOptions::default() };
    load("extends = 'parent.toml'\n").unwrap();
    let set = Experiment::load(&folder.path().join("x.toml"), &options).unwrap_err().to_string();
    assert!(set.starts_with("--set: fabric.nic_gbps = 50 does nothing: axis regime sets it by"), "{set}");
}

#[test]
fn a_file_without_a_name_is_called_like_itself() {
    let folder = common::folder(&[("My Load.toml", "extends = 'common.toml'\n")]);
    let experiment = Experiment::load(&folder.path().join("My Load.toml"), &LoadOptions::default()).unwrap();
    assert_eq!(experiment.name(), "my_load", "and not base, which is the name of what it extends");
}

#[test]
fn a_file_that_lacks_most_keys_is_told_so_once() {
    let folder = common::folder(&[
        ("x.toml", "name = 'x'\n[cluster]\ntp = 4\n[fabric]\nnic_gpbs = 100\n"),
        ("y.toml", "extends = 'x.toml'\n"),
    ]);
    let base = fs::read_to_string(common::experiments().join("base.toml")).unwrap();
    let cells = base.split("\n[report]").next().unwrap();
    let n = cells.lines().filter(|line| line.contains(" = ") && !line.starts_with(['#', ' '])).count();
    let told = format!(
        ": it extends no file and sets 2 of the {n} keys of an experiment, and there are no default values; write extends = \
         \"builtin:base\" at its top, which sets all"
    );
    let load =
        |name: &str| Experiment::load(&folder.path().join(name), &LoadOptions::default()).unwrap_err().to_string();
    let lines: Vec<String> =
        load("x.toml").lines().map(|line| line.rsplit_once("/x.toml").unwrap().1.to_owned()).collect();
    assert_eq!(lines, [told.as_str(), ":5:1: fabric.nic_gpbs is not a known key; did you mean fabric.nic_gbps?",]);
    assert!(load("y.toml").contains("y.toml: with all that it extends it sets 1 of the "), "{}", load("y.toml"));
    let beside = common::experiments().join("regimes/null.toml");
    let text = Experiment::load(&beside, &LoadOptions::default()).unwrap_err().to_string();
    assert!(text.contains("write extends = \"../base.toml\" at its top"), "{text}");
}

#[test]
fn one_missing_key_is_told_where_all_keys_are() {
    let base = fs::read_to_string(common::experiments().join("base.toml")).unwrap();
    let profiles = common::experiments().canonicalize().unwrap().join("profiles");
    let text = base
        .replace("tp = 4  ", "#")
        .replace("\"profiles/", &format!("\"{}/", profiles.display()))
        .replace("mooncake_conversation", "synthetic:conversation:1");
    let folder = common::folder(&[("x.toml", &text)]);
    let errors = errors(Experiment::load(&folder.path().join("x.toml"), &LoadOptions::default()));
    assert_eq!(
        errors,
        [": cluster.tp is missing; there are no default values: extend experiments/base.toml, which has every key"]
    );
}

#[test]
fn a_percentage_where_a_ratio_is_meant_is_answered_with_the_ratio() {
    check(
        "[workload]\nprefix_share_ratio = 60\n[background]\nquiet_ratio = [0.05, 25]\n",
        &[
            ":5:22: workload.prefix_share_ratio = 60 is not allowed; allowed: at least 0 and at most 1; did you mean 0.6? It \
             is a ratio, not a percentage",
            ":7:22: background.quiet_ratio = 25 is not allowed; allowed: at least 0 and below 1; did you mean 0.25? It \
             is a ratio, not a percentage",
        ],
    );
}

#[test]
fn a_missing_file_is_answered_with_the_nearest_name() {
    let folder = common::folder(&[
        ("load.toml", "extends = 'comon.toml'\n"),
        ("y.toml", "extends = 'common.toml'\n[workload]\ntrace = 'trce.jsonl'\n"),
        ("trace.jsonl", "{}\n"),
    ]);
    let load = |name: &str| {
        let text = Experiment::load(&folder.path().join(name), &LoadOptions::default()).unwrap_err().to_string();
        text.replace(&format!("{}/", folder.path().display()), "")
    };
    let none = "No such file or directory (os error 2)";
    assert_eq!(load("laod.toml"), format!("laod.toml: cannot read it: {none}; did you mean load.toml?"));
    assert_eq!(load("load"), format!("load: cannot read it: {none}; did you mean load.toml?"));
    assert_eq!(load("load.toml"), format!("load.toml:1:11: cannot read comon.toml: {none}; did you mean common.toml?"));
    assert_eq!(
        load("y.toml"),
        format!("y.toml:3:9: cannot read the trace trce.jsonl: {none}; did you mean trace.jsonl?")
    );
}

/// A trace with these timestamps.
fn trace(stamps_ms: impl Iterator<Item = u64>) -> String {
    let row = |stamp: u64| {
        format!("{{\"timestamp\": {stamp}, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [0, 1]}}\n")
    };
    stamps_ms.map(row).collect()
}

#[test]
fn a_trace_without_ticks_is_not_spread_over_ticks() {
    let body = "[workload]\nwindow_s = [0, 600]\ntrace = 't.jsonl'\n";
    let load = |stamps: &mut dyn Iterator<Item = u64>, more: &str| {
        load_beside(&format!("{body}{more}"), &[("t.jsonl", &trace(stamps))])
    };
    let odd = || (0..500_u64).map(|index| index * 217 + index * index % 97);
    assert_eq!(
        errors(load(&mut odd(), "")),
        [
            ":6:9: workload.trace = \"t.jsonl\" has no ticks of workload.tick_s = 3 s: the median gap between its timestamps is \
          218 ms, and workload.arrivals = \"dejittered\" would delay each request by up to 3 s; write workload.arrivals = \
          \"raw_ticks\", which leaves them where they are"
        ]
    );
    assert!(load(&mut odd(), "arrivals = 'raw_ticks'\n").is_ok());
    let seconds = || (0..500).map(|index| index * 1000);
    let told = errors(load(&mut seconds(), ""));
    assert!(told[0].ends_with("where they are, or workload.tick_s = 1, the tick that it has"), "{told:?}");
    assert!(load(&mut seconds(), "tick_s = 1.0\n").is_ok());
    assert!(
        load(&mut (0..200).map(|index| index * index % 7 * 3000 + index * 21_000), "").is_ok(),
        "empty ticks are ticks"
    );
}

#[test]
fn what_is_wrong_with_other_axes_is_told_beside_a_mistyped_one() {
    let n = netkv_policy::PolicyConfig::all_names().count();
    let near = format!(
        ":9:20: policy.name = \"nekv\" is not allowed; did you mean \"netkv\"? (`netkv keys policy.name` lists all {n})"
    );
    check(
        "[[axis]]\nkey = 'fabric.nic_gpbs'\nvalues = [50.0, 100.0]\n[[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'nekv']\n\
         [[axis]]\nkey = 'decode.max_batch'\nvalues = [8, 16, 0]\n",
        &[
            ":5:7: fabric.nic_gpbs is not a known key; did you mean fabric.nic_gbps?",
            near.as_str(),
            ":12:18: decode.max_batch = 0 is not allowed; allowed: an integer, 1 to 1048576",
        ],
    );
}

#[test]
fn a_value_twice_hides_no_other_error() {
    let body = "[fabric]\ncores = -1\n[[axis]]\nkey = 'decode.max_batch'\nvalues = [16, 0, 16]\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'netvk']\n";
    let errors = load(body).unwrap_err().to_string();
    for words in ["axis decode.max_batch has the value 16 twice", "decode.max_batch = 0", "netvk", "fabric.cores = -1"]
    {
        assert!(errors.contains(words), "{words} is not in\n{errors}");
    }
}

#[test]
fn a_file_without_its_axes_is_one_point_of_the_keys_as_they_are_without() {
    let axes = "[fabric]\nnic_gbps = 42\n[[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [50, 100]\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['jsq', 'netkv']\n[[exclude]]\n\"policy.name\" = 'jsq'\n\"fabric.nic_gbps\" = 50\n";
    let folder = common::folder(&[("x.toml", &format!("extends = 'common.toml'\nname = 'x'\n{axes}"))]);
    let load = |set: &[(&str, &str)]| {
        let set = set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let overrides = Overrides { set, seeds: Some(1) };
        let options = LoadOptions { overrides, without_axes: true, ..LoadOptions::default() };
        Experiment::load(&folder.path().join("x.toml"), &options).unwrap()
    };
    let experiment = load(&[]);
    assert_eq!((experiment.n_cells(), resolved(&experiment, "fabric.nic_gbps").0), (1, "42".to_owned()));
    let left: Vec<&str> = experiment.left_axes().iter().map(|axis| axis.key.as_str()).collect();
    assert_eq!(left, ["fabric.nic_gbps", "policy.name"]);
    assert!(experiment.left_axes().iter().all(|axis| !axis.is_of_files));
    // A key of an axis may be set then: nothing overrules it.
    assert_eq!(resolved(&load(&[("fabric.nic_gbps", "77")]), "fabric.nic_gbps").0, "77");
}
