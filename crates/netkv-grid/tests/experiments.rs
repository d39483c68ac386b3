//! Experiment files: what they unfold into, and what they are told when something is wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_grid::{AxisValue, Cell, Experiment, LoadOptions, Reduction};
use std::fs;

/// Errors of an experiment without the folder of its files, one a line.
fn errors(body: &str) -> Vec<String> {
    errors_beside(body, &[])
}

fn errors_beside(body: &str, files: &[(&str, &str)]) -> Vec<String> {
    let text = load_beside(body, files).expect_err("the experiment is wrong").to_string();
    text.lines().map(|line| line.rsplit_once("/x.toml").map_or(line, |(_, rest)| rest).to_owned()).collect()
}

fn check(body: &str, expect: &[&str]) {
    assert_eq!(errors(body), expect);
}

fn axis_text(cell: &Cell) -> String {
    let values: Vec<_> = cell.axis_values().iter().map(ToString::to_string).collect();
    format!("{} s{}", values.join(" "), cell.seed)
}

#[test]
fn the_first_axis_is_the_slowest_and_the_seed_the_fastest() {
    let body = "[[axis]]\nkey = 'telemetry.interval_s'\nvalues = [0, 1.5]\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";
    let experiment = load(body).unwrap();
    let cells: Vec<String> = experiment.cells().map(|cell| axis_text(&cell)).collect();
    assert_eq!(
        cells,
        [
            "0.0 netkv s1",
            "0.0 netkv s2",
            "0.0 round_robin s1",
            "0.0 round_robin s2",
            "1.5 netkv s1",
            "1.5 netkv s2",
            "1.5 round_robin s1",
            "1.5 round_robin s2",
        ]
    );
    assert!(experiment.cells().enumerate().all(|(index, cell)| cell.index == index));
    assert_eq!(experiment.axes()[0].values, [AxisValue::Float(0.0), AxisValue::Float(1.5)]);
}

#[test]
fn zipped_axes_advance_together() {
    let body = "[[axis]]\nkey = 'cluster.prefill_instances'\nvalues = [4, 8]\nzip = 'z'\n\
                [[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2, 3]\n\
                [[axis]]\nkey = 'workload.rate_rps'\nvalues = [1.0, 2.0]\nzip = 'z'\n";
    let cells: Vec<String> = load(body).unwrap().cells().step_by(2).map(|cell| axis_text(&cell)).collect();
    assert_eq!(cells, ["4 1 1.0 s1", "4 2 1.0 s1", "4 3 1.0 s1", "8 1 2.0 s1", "8 2 2.0 s1", "8 3 2.0 s1"]);
}

#[test]
fn a_file_axis_lays_its_keys_over_the_tree_and_is_named_by_its_stem() {
    let files = [("slow.toml", "[fabric]\nnic_gbps = 25.0\n"), ("fast.toml", "[fabric]\nnic_gbps = 400.0\n")];
    let experiment = load_beside("[[axis]]\nkey = 'regime'\nfiles = ['slow.toml', 'fast.toml']\n", &files).unwrap();
    let nic_of = |cell: &Cell| {
        let resolved = experiment.resolved(cell);
        resolved.into_iter().find(|(key, _, _)| key == "fabric.nic_gbps").map(|(_, value, _)| value)
    };
    let found: Vec<_> = experiment.cells().map(|cell| (axis_text(&cell), nic_of(&cell).unwrap())).collect();
    let expect = [("slow s1", "25"), ("slow s2", "25"), ("fast s1", "400"), ("fast s2", "400")];
    assert_eq!(found, expect.map(|(cell, nic)| (cell.to_owned(), nic.to_owned())));
}

#[test]
fn an_axis_of_values_wins_over_a_file_that_sets_the_same_key() {
    let body = "[[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [50.0]\n[[axis]]\nkey = 'regime'\nfiles = ['fast.toml']\n";
    let experiment = load_beside(body, &[("fast.toml", "[fabric]\nnic_gbps = 400.0\n")]).unwrap();
    let resolved = experiment.resolved(&experiment.cell(0).unwrap());
    assert!(resolved.iter().any(|(key, value, _)| key == "fabric.nic_gbps" && value == "50"));
}

#[test]
fn a_cell_has_the_same_key_wherever_and_however_it_is_written() {
    let one = load("[[axis]]\nkey = 'fabric.nic_gbps'\nvalues = [100, 200]\n").unwrap();
    let two = load(
        "record = 'requests'\n[measure]\nbaseline = 'netkv'\n[fabric]\nnic_gbps = 2e2\n[transfer]\nsetup_us = 100\n",
    );
    let two = two.unwrap();
    assert_eq!(one.cell(2).unwrap().key, two.cell(0).unwrap().key);
    assert_ne!(one.cell(0).unwrap().key, two.cell(0).unwrap().key);
    assert_ne!(two.cell(0).unwrap().key, two.cell(1).unwrap().key, "the seed counts");
}

#[test]
fn an_unknown_key_is_told_its_nearest_name_and_its_place() {
    check("[fabric]\nnic_gpbs = 100.0\n", &[":5:1: fabric.nic_gpbs is not a known key; did you mean fabric.nic_gbps?"]);
}

#[test]
fn a_mistyped_axis_fails_once_like_any_other_key() {
    check(
        "[[axis]]\nkey = 'policy.nmae'\nvalues = ['netkv', 'round_robin']\n",
        &[":5:7: policy.nmae is not a known key; did you mean policy.name?"],
    );
}

#[test]
fn what_names_a_mistyped_axis_rightly_is_no_error_of_its_own() {
    check(
        "[[axis]]\nkey = 'fabric.nic_gpbs'\nvalues = [50.0, 100.0]\n[sample]\npoints = 1\nseed = 1\naxes = ['fabric.nic_gbps']\n\
         [[exclude]]\n'fabric.nic_gbps' = [50.0]\n[[figure]]\nname = 'a'\nkind = 'lines'\nx = 'fabric.nic_gbps'\n\
         metric = 'ttft_mean_ns'\n",
        &[":5:7: fabric.nic_gpbs is not a known key; did you mean fabric.nic_gbps?"],
    );
}

#[test]
fn several_errors_are_all_reported_at_once_in_the_order_of_the_file() {
    check(
        "[cluster]\ntp = 'four'\n[slo]\ntbt_ms = -1\n[oracle]\ngranularity = 'teir'\n[fabric]\nlatency_us = [1, 2]\n",
        &[
            ":5:6: cluster.tp = \"four\" is not allowed; allowed: an integer, 1 to 65536",
            ":7:10: slo.tbt_ms = -1 is not allowed; allowed: above 0 and at most 1000000000",
            ":9:15: oracle.granularity = \"teir\" is not allowed; allowed: \"static\", \"tier\", \"zone\", \"path\", \
             \"exact\"; did you mean \"tier\"?",
            ":11:14: fabric.latency_us = [1, 2] is not allowed; allowed: a list of 4 numbers, at least 0 and at most \
             1000000000",
        ],
    );
}

#[test]
fn an_error_in_some_cells_is_reported_once_with_the_axis_value_that_causes_it() {
    let files = [("good.toml", "[slo]\ntbt_ms = 50.0\n"), ("bad.toml", "[cluster]\nprefill_instances = 16\n")];
    let body = "[[axis]]\nkey = 'regime'\nfiles = ['good.toml', 'bad.toml']\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin', 'load_aware']\n";
    let found = errors_beside(body, &files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].ends_with(
            "/bad.toml:2:21: cluster.prefill_instances = 16 leaves no decode instance: 64 GPUs at tp = 4 form 16 \
             instances; allowed: 1 to 15 (where regime = bad)"
        ),
        "{found:?}"
    );
}

#[test]
fn tensor_parallelism_must_divide_the_gpus_of_a_node_and_fit_the_profile() {
    check(
        "[cluster]\ntp = 3\n",
        &[
            ":5:6: cluster.tp = 3 does not divide cluster.gpus_per_node = 8; allowed: 1, 2, 4, 8",
            ":5:6: cluster.tp = 3, but the profile profiles/llama-3.1-70b-bf16-h100-tp4.toml is for tp = 4",
        ],
    );
}

#[test]
fn a_cluster_of_one_instance_is_refused() {
    let body = "[cluster]\npods = 1\nracks_per_pod = 1\nnodes_per_rack = 1\ngpus_per_node = 4\nprefill_instances = 1\n";
    check(
        body,
        &[":9:21: cluster.prefill_instances = 1 leaves no decode instance: 4 GPUs at tp = 4 form 1 instances, and at \
           least 2 are needed"],
    );
}

#[test]
fn a_placement_list_must_name_each_prefill_instance_once() {
    check(
        "[cluster]\nprefill_instances = 3\nplacement = [0, 16]\n",
        &[
            ":6:13: cluster.placement lists 2 instances, but cluster.prefill_instances = 3",
            ":6:13: cluster.placement lists instance 16; allowed: 0 to 15",
        ],
    );
    check("[cluster]\nprefill_instances = 2\nplacement = [3, 3]\n", &[":6:13: cluster.placement has 3 twice"]);
    check(
        "[cluster]\nplacement = 'per_nod'\n",
        &[
            ":5:13: cluster.placement = \"per_nod\" is not allowed; allowed: \"scattered\", \"per_node\", \"per_rack\", \
           \"per_pod\", or a list of instance numbers; did you mean \"per_node\"?",
        ],
    );
}

#[test]
fn links_without_bandwidth_are_refused() {
    check(
        "[fabric]\nnic_gbps = 0\n",
        &[":5:12: fabric.nic_gbps = 0 is not allowed; allowed: above 0 and at most 1000000"],
    );
    check("[fabric]\nnic_gbps = 1e-6\n", &[":5:12: a NIC would carry 93 bytes/s; allowed: at least 1000"]);
}

#[test]
fn rails_must_divide_the_gpus_of_a_node_and_are_not_pooled() {
    check(
        "[fabric]\nwiring = \"rails\"\nrails = 3\n",
        &[":6:9: fabric.rails = 3 does not divide cluster.gpus_per_node = 8"],
    );
    check(
        "[fabric]\nwiring = \"rail\"\nroute = \"random\"\n",
        &[
            ":5:10: fabric.wiring = \"rail\" is not allowed; allowed: \"racks\", \"rails\"; did you mean \"rails\"?",
            ":6:9: fabric.route = \"random\" is not allowed; allowed: \"ecmp\", \"least_loaded\"",
        ],
    );
    check(
        "[fabric]\nwiring = \"rails\"\n[transfer]\ngranularity = \"instance\"\n",
        &[
            ":7:15: transfer.granularity = \"instance\" pools NICs of several rails; allowed with fabric.wiring = \"racks\"",
        ],
    );
}

#[test]
fn degraded_links_must_exist_and_leave_a_way() {
    let check = |items: &str, expect: &str| check(&format!("[fabric]\ndegraded = [{items}]\n"), &[expect]);
    check(
        "{ kind = \"rack\", pod = 7, capacity_ratio = 0.5 }",
        ":5:13: fabric.degraded: { capacity_ratio = 0.5, kind = \"rack\", pod = 7 } describes no link of the fabric; all \
         numbers count from 0",
    );
    check(
        "{ kind = \"pod\", gpus = 1, capacity_ratio = 0.5 }",
        ":5:13: fabric.degraded has no field gpus; its fields: kind, direction, pod, rack, switch, gpu, \
         capacity_ratio, from_s, until_s; did you mean gpu?",
    );
    check(
        "{ kind = \"pods\", capacity_ratio = 0.5 }",
        ":5:22: fabric.degraded.kind = \"pods\" is not allowed; allowed: \"nvlink\", \"nic\", \"rack\", \"pod\"; did you \
         mean \"pod\"?",
    );
    check("{ kind = \"pod\" }", ":5:13: fabric.degraded.capacity_ratio is missing; allowed: 0 (down) to 1");
    check(
        "{ capacity_ratio = 0.5 }",
        ":5:13: fabric.degraded.kind is missing; allowed: \"nvlink\", \"nic\", \"rack\", \"pod\"",
    );
    check(
        "{ kind = \"nic\", capacity_ratio = 0 }",
        ":5:46: fabric.degraded.capacity_ratio = 0 is not allowed; allowed: at least 0.001 and at most 1",
    );
    check(
        "{ kind = \"nic\", capacity_ratio = 0.5, from_s = 9, until_s = 3 }",
        ":5:13: fabric.degraded: until_s is not later than from_s",
    );
    check(
        "{ kind = \"pod\", pod = 1, capacity_ratio = 0 }",
        ":5:12: fabric.degraded can cut off a part of the fabric: no core is always connected to all pods; transfers \
         would wait there",
    );
}

#[test]
fn memory_must_hold_the_weights_and_blocks_must_fit_the_trace() {
    check(
        "[kv]\nhbm_gb_per_gpu = 24.0\n",
        &[
            ":5:18: kv.hbm_gb_per_gpu = 24 leaves no KV memory: 4 GPUs x 24 GB x kv.hbm_utilisation_ratio = 0.9 are 86.4 GB, \
           and the weights of profiles/llama-3.1-70b-bf16-h100-tp4.toml take 141.2 GB; allowed: at least 39.3 GB, or \
           cluster.tp = 8 with a profile for it",
        ],
    );
    check(
        "[kv]\ncapacity = 'fixed'\nfixed_gb_per_gpu = 0.001\n",
        &[":6:20: kv.fixed_gb_per_gpu = 0.001 leaves no KV memory: 4 GPUs have less than one block of 5.243 MB \
           (kv.block_tokens); allowed: at least 0.001311 GB"],
    );
    check(
        "[kv]\nblock_tokens = 48\n",
        &[":5:16: kv.block_tokens = 48 does not divide the trace's prefix block of 512 tokens; allowed: 1, 2, 4, 8, \
           16, 32, 64, 128, 256, 512"],
    );
}

#[test]
fn kv_memory_is_what_the_weights_leave() {
    let experiment = load("").unwrap();
    let blocks = ((4.0_f64 * 80.0 * 0.9 - 141.2) * 1e9 / 327_680.0 / 16.0).floor() as u32;
    let kv = *experiment.cell(0).unwrap().spec().kv();
    assert_eq!((kv.bytes_per_token, kv.prefill_blocks, kv.decode_blocks), (327_680, blocks, blocks));
}

#[test]
fn a_window_without_requests_is_refused() {
    check(
        "[workload]\nwindow_s = [9000, 9100]\n",
        &[":5:12: workload.window_s = [9000, 9100] holds no request: the trace goes from 0 to 3534 s"],
    );
    check(
        "[workload]\nwindow_s = [9, 9]\n",
        &[":5:12: workload.window_s = [9, 9] is empty; allowed: [start, end], start < end"],
    );
}

#[test]
fn axes_are_checked_before_they_are_used() {
    check(
        "[[axis]]\nkey = 'seeds'\nvalues = [1]\n",
        &[":5:7: seeds are an axis already: write seeds = [1, 2, ...] at the top"],
    );
    check(
        "[[axis]]\nkey = 'record'\nvalues = ['cells']\n",
        &[":5:7: record belongs to the experiment as a whole and cannot be an axis"],
    );
    check("[[axis]]\nkey = 'fabric'\nvalues = [1]\n", &[":5:7: fabric is a section; an axis sweeps one of its keys"]);
    check(
        "[[axis]]\nkey = 'cluster.tp'\nvalue = [1]\n",
        &[
            ":5:7: axis cluster.tp needs one of values = [...], range = { ... } and files = [...]",
            ":6:1: value is not a known key of an axis; did you mean values?",
        ],
    );
    check("[[axis]]\nkey = 'cluster.tp'\nvalues = [4, 4]\n", &[":5:7: axis cluster.tp has the value 4 twice"]);
    check(
        "[[axis]]\nkey = 'cluster.tp'\nvalues = [4]\n[[axis]]\nkey = 'cluster.tp'\nvalues = [8]\n",
        &[":8:7: axis cluster.tp sets what axis cluster.tp sets"],
    );
}

#[test]
fn zipped_axes_must_have_equal_lengths() {
    check(
        "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2]\nzip = 'z'\n\
         [[axis]]\nkey = 'workload.rate_rps'\nvalues = [1.0]\nzip = 'z'\n",
        &[":9:7: axes decode.max_batch and workload.rate_rps advance together (zip = \"z\") but have 2 and 1 values"],
    );
}

#[test]
fn too_many_cells_are_refused_before_they_are_read() {
    let values: Vec<String> = (1..=1000).map(|value| value.to_string()).collect();
    let values = values.join(", ");
    let body = format!(
        "[[axis]]\nkey = 'decode.max_batch'\nvalues = [{values}]\n[[axis]]\nkey = 'prefill.max_batch_requests'\n\
         values = [{values}]\n"
    );
    check(
        &body,
        &[": too many cells: 1000 values of decode.max_batch x 1000 values of prefill.max_batch_requests x 2 seeds; \
           allowed: at most 1000000"],
    );
}

#[test]
fn names_seeds_and_records_are_checked() {
    let folder = common::folder(&[(
        "x.toml",
        "extends = 'common.toml'\nname = '../x'\nseeds = [1, 1]\nrecord = 'all'\n[measure]\nconfidence_ratio = 95\n",
    )]);
    let text = Experiment::load(&folder.path().join("x.toml"), &LoadOptions::default()).unwrap_err().to_string();
    let lines: Vec<_> = text.lines().map(|line| line.rsplit_once("x.toml:").unwrap().1).collect();
    assert_eq!(
        lines,
        [
            "2:8: name = \"../x\" names the folder of the results; allowed: a-z, 0-9, _ and -",
            "3:9: seeds has 1 twice",
            "4:10: record = \"all\" is not allowed; allowed: \"cells\", \"requests\"",
            "6:20: measure.confidence_ratio = 95 is not allowed; allowed: above 0 and below 1; did you mean 0.95? It is a \
             ratio, not a percentage",
        ]
    );
}

#[test]
fn traces_come_from_a_file_the_generator_or_not_at_all() {
    let row = "{\"timestamp\": 1000, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [0, 1]}\n";
    let body = "[workload]\ntrace = 't.jsonl'\nwindow_s = [0, 10]\n";
    let experiment = load_beside(body, &[("t.jsonl", row)]).unwrap();
    let origin = experiment.trace_origins()[0];
    assert_eq!((origin.label.as_str(), origin.fallback), ("t.jsonl", false));

    let experiment = load("").unwrap();
    assert_eq!(experiment.trace_origins()[0].label, "mooncake-like generator, seed 1");

    let found = errors_beside(body, &[("t.jsonl", "{\"timestamp\": 0}\n")]);
    assert!(found[0].contains(":5:9: the trace"), "{found:?}");
    let found = errors("[workload]\ntrace = 'synthetic:chat:1'\n");
    assert!(found[0].contains("\"synthetic:conversation:SEED\""), "{found:?}");
    let found = errors("[workload]\ntrace = 'none.jsonl'\n");
    assert!(found[0].contains(":5:9: cannot read the trace"), "{found:?}");
}

#[test]
fn the_published_trace_is_looked_for_beside_the_experiments_and_missed_with_a_notice() {
    let folder =
        common::folder(&[("x.toml", "extends = 'common.toml'\n[workload]\ntrace = 'mooncake_conversation'\n")]);
    let path = folder.path().join("x.toml");
    let experiment = Experiment::load(&path, &LoadOptions::default()).unwrap();
    let origin = experiment.trace_origins()[0].clone();
    assert!(origin.fallback, "{origin:?}");
    assert_eq!(origin.label, "mooncake-like generator, seed 1");
    assert!(experiment.notices().iter().any(|notice| notice.contains("was not found")), "{:?}", experiment.notices());

    let row = "{\"timestamp\": 700000, \"input_length\": 5, \"output_length\": 5, \"hash_ids\": [0]}\n";
    fs::create_dir(folder.path().join("traces")).unwrap();
    fs::write(folder.path().join("traces/conversation_trace.jsonl"), row).unwrap();
    let experiment = Experiment::load(&path, &LoadOptions::default()).unwrap();
    assert_eq!(experiment.trace_origins()[0].label, "conversation_trace.jsonl, not the published file");
    assert!(
        experiment.notices()[0].contains("is not the published Mooncake conversation trace"),
        "{:?}",
        experiment.notices()
    );
}

#[test]
fn a_baseline_that_is_not_run_is_a_notice_and_no_error() {
    let notices = |body: &str| load(body).unwrap().notices().to_vec();
    assert!(notices("[measure]\nbaseline = 'load_aware'\n")[0].contains("is not among the values of policy.name"));
    let axis = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2]\n[measure]\nbaseline_axis = 'decode.max_batch'\n";
    assert!(notices(&format!("{axis}baseline = '3'\n"))[0].contains("is not among the values of decode.max_batch"));
    assert_eq!(notices(&format!("{axis}baseline = '2'\n")), [""; 0]);
    let nowhere = "[measure]\nbaseline_axis = 'decode.max_batch'\nbaseline = '2'\n";
    assert!(notices(nowhere)[0].contains("is not among the values of decode.max_batch"));
}

#[test]
fn a_filter_takes_any_of_the_values_of_one_axis_and_all_axes() {
    let body = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2, 4]\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";
    let experiment = load(body).unwrap();
    let select = |filters: &[(&str, &str)]| {
        let filters: Vec<_> = filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        experiment.select(&filters)
    };
    assert_eq!(select(&[("policy.name", "netkv"), ("seed", "2")]).unwrap(), [1, 5, 9]);
    assert_eq!(select(&[("decode.max_batch", "1"), ("decode.max_batch", "4"), ("seed", "1")]).unwrap(), [0, 2, 8, 10]);
    assert_eq!(select(&[]).unwrap().len(), 12);
    assert!(select(&[("policy", "netkv")]).unwrap_err().contains("its axes: decode.max_batch, policy.name, seed"));
    assert!(select(&[("policy.name", "netvk")]).unwrap_err().ends_with("did you mean netkv?"));
}

#[test]
fn a_reduced_experiment_keeps_the_first_and_the_last_number_and_all_names_and_says_what_it_lacks() {
    let body = "[[axis]]\nkey = 'decode.max_batch'\nvalues = [1, 2, 3, 4]\n\
                [[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";
    let folder = common::folder(&[("x.toml", &format!("extends = 'common.toml'\nname = 'x'\n{body}"))]);
    let options =
        LoadOptions { reduction: Some(Reduction { max_seeds: 2, max_requests: 100 }), ..LoadOptions::default() };
    let experiment = Experiment::load(&folder.path().join("x.toml"), &options).unwrap();
    let cells: Vec<String> = experiment.cells().step_by(2).map(|cell| axis_text(&cell)).collect();
    assert_eq!(cells, ["1 netkv s1", "1 round_robin s1", "4 netkv s1", "4 round_robin s1"]);
    let resolved = experiment.resolved(&experiment.cell(0).unwrap());
    assert!(resolved.iter().any(|(key, value, _)| key == "workload.max_requests" && value == "100"));
    let lacks = "2 of 5 seeds, at most 100 requests, decode.max_batch without 2, 3";
    assert_eq!(experiment.reduced().and_then(netkv_grid::Reduced::words).as_deref(), Some(lacks));
    assert_eq!(load("").unwrap().reduced(), None);
}

#[test]
fn policies_on_one_seed_share_their_requests_and_seeds_do_not() {
    let body = "[workload]\nmax_requests = 50\n[[axis]]\nkey = 'policy.name'\nvalues = ['netkv', 'round_robin']\n";
    let experiment = load(body).unwrap();
    let workloads = netkv_grid::Workloads::new();
    let built: Vec<_> = experiment.cells().map(|cell| workloads.of(&cell)).collect();
    assert!(std::sync::Arc::ptr_eq(&built[0], &built[2]));
    assert_ne!(built[0].last_arrival(), built[1].last_arrival());
    assert_eq!(built[0].len(), 50);
    let scenario = workloads.scenario(&experiment.cell(0).unwrap());
    assert_eq!(scenario.seed, 1);
}

#[test]
fn prefill_utilisation_sets_the_rate_by_the_mean_cold_prefill() {
    let body = "[workload]\nmax_requests = 200\ncontext = 'fixed'\ncontext_tokens = 8192\n";
    let experiment = load(body).unwrap();
    let workload = netkv_grid::Workloads::new().of(&experiment.cell(0).unwrap());
    // The slopes from 0, 256 and 2,048 tokens, and 8192^2 / 2 pairs, in one chunk; eight instances, utilisation 0.6.
    let tokens_s = 29.853e-6 * 256.0 + 56.7297e-6 * 1792.0 + 66.6031e-6 * 6144.0;
    let prefill_s = 15.3733e-3 + tokens_s + 0.99297e-9 * 8192.0 * 8192.0 / 2.0;
    let rate = workload.len() as f64 / workload.span().as_secs_f64();
    assert!((rate * prefill_s / 8.0 - 0.6).abs() < 1e-6, "{rate}");
}

#[test]
fn the_resolved_experiment_is_valid_toml_and_names_what_the_axes_do() {
    let body = "[[axis]]\nkey = 'regime'\nfiles = ['a.toml']\n[[axis]]\nkey = 'cluster.placement'\n\
                values = ['per_node', [0, 1, 2, 3, 4, 5, 6, 7]]\n";
    let experiment = load_beside(body, &[("a.toml", "[fabric]\nnic_gbps = 50.0\n")]).unwrap();
    let text = experiment.resolved_toml();
    let parsed: toml::Table = toml::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(parsed["axis"][0]["overlay"]["a"]["fabric"]["nic_gbps"].as_float(), Some(50.0));
    assert_eq!(parsed["axis"][1]["values"][1].as_str(), Some("[0, 1, 2, 3, 4, 5, 6, 7]"));
    assert_eq!(parsed["fabric"]["nic_gbps"].as_float(), Some(100.0));
}
