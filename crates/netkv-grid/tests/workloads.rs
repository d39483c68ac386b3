//! Workloads in experiment files: what is refused, and what reaches the requests.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{folder, load, load_beside};
use netkv_grid::{Experiment, LoadOptions, Workloads};
use netkv_workload::RequestSource;
use std::sync::Arc;

#[track_caller]
fn check(body: &str, expect: &str) {
    let text = load(body).expect_err("the experiment is wrong").to_string();
    assert!(text.contains(expect), "{text}");
}

/// The requests of the first cell.
fn requests(experiment: &Experiment) -> Arc<dyn RequestSource> {
    Workloads::new().of(&experiment.cell(0).unwrap())
}

fn lengths(source: &dyn RequestSource) -> Vec<u32> {
    let (mut stream, mut blocks, mut lengths) = (source.draw(), Vec::new(), Vec::new());
    while let Some(request) = stream.next(&mut blocks) {
        lengths.push(request.input_tokens);
    }
    lengths
}

#[test]
fn a_filter_that_leaves_nothing_tells_what_there_was() {
    check(
        "[workload]\nmin_input_tokens = 9000000\nmax_input_tokens = 0\n",
        ":5:20: workload.min_input_tokens and max_input_tokens leave no request of the window: its",
    );
    check(
        "[workload]\nmin_input_tokens = 100\nmax_input_tokens = 50\n",
        ":6:20: workload.max_input_tokens = 50 is below workload.min_input_tokens = 100; allowed: 0 (no limit), or at least",
    );
    check(
        "[workload]\ntrace = 'endless:conversation:1'\nmax_input_tokens = 50\n",
        ":5:9: workload.min_input_tokens, max_input_tokens and prefix need a trace",
    );
}

#[test]
fn a_share_is_a_probability_and_a_prefix_of_whole_blocks() {
    check(
        "[workload]\nprefix_share_ratio = 1.5\n",
        ":5:22: workload.prefix_share_ratio = 1.5 is not allowed; allowed: at least 0 and at most 1",
    );
    check(
        "[workload]\nprefix = 'shared'\nprefix_tokens = 1000\n",
        ":6:17: workload.prefix_tokens = 1000 is no multiple of the prefix block of 512 tokens; the nearest: 1024",
    );
}

#[test]
fn a_load_by_capacity_is_its_share_of_the_rate() {
    let body = "[workload]\nload = 'capacity'\ncapacity_rps = 6.0\ncapacity_ratio = 2.5\nmax_requests = 120\n\
                [measure]\nwarmup = 'share'\nwarmup_share_ratio = 0.25\n";
    let experiment = load(body).unwrap();
    let source = requests(&experiment);
    assert!((source.len() as f64 / source.span().as_secs_f64() - 15.0).abs() < 1e-9);
    let scenario = Workloads::new().scenario(&experiment.cell(0).unwrap());
    assert_eq!(scenario.measure.warmup.as_nanos(), 2_000_000_000);
}

#[test]
fn the_stand_in_alone_is_scaled() {
    let body = "trace = 'mooncake_toolagent'\nmax_requests = 50\nstand_in_context_scale = 0.5\n";
    let files = |extra: &str| format!("extends = 'common.toml'\n[workload]\n{body}{extra}");
    let lengths_of = |extra: &str| {
        let folder = folder(&[("x.toml", &files(extra))]);
        let experiment = Experiment::load(&folder.path().join("x.toml"), &LoadOptions::default()).unwrap();
        (experiment.trace_origins()[0].label.clone(), lengths(&*requests(&experiment)))
    };
    let (label, scaled) = lengths_of("");
    assert_eq!(label, "mooncake-like generator (toolagent_approx), seed 1");
    let folder = folder(&[(
        "x.toml",
        "extends = 'common.toml'\n[workload]\ntrace = 'synthetic:toolagent_approx:1'\n\
                                      max_requests = 50\nstand_in_context_scale = 0.5\n",
    )]);
    let own = Experiment::load(&folder.path().join("x.toml"), &LoadOptions::default()).unwrap();
    let expect: Vec<u32> =
        lengths(&*requests(&own)).iter().map(|&tokens| (f64::from(tokens) * 0.5 + 0.5) as u32).collect();
    assert_eq!(scaled, expect, "asked for by name, the generated trace is what it is");
    assert_eq!(lengths_of("context = 'fixed'\ncontext_tokens = 700\n").1, vec![700; 50]);
}

/// A trace with blocks of 16 tokens is simulated in them: two chats of one document of 800 tokens hit all of it, 50 blocks, and
/// not the 512 tokens that one block of 512 would be.
#[test]
fn blocks_are_of_the_size_that_the_trace_has() {
    let ids = |first: usize, own: usize| (first..first + 50).chain(own..own + 10).collect::<Vec<_>>();
    let row = |at: u32, ids: &[usize]| {
        format!(
            "{{\"chat_id\": {at}, \"parent_chat_id\": -1, \"timestamp\": {at}, \"input_length\": {}, \"output_length\": 5, \
             \"hash_ids\": {ids:?}}}\n",
            16 * ids.len()
        )
    };
    let file = [row(5, &ids(0, 100)), row(15, &ids(0, 200)), row(25, &ids(0, 300))].concat();
    let of = |more: &str| {
        let body = format!(
            "[workload]\ntrace = 'chats.jsonl'\narrivals = 'raw_ticks'\nwindow_s = [0.0, 60.0]\nload = 'native'\n\
             [cluster]\nprefill_instances = 1\nplacement = 'per_node'\n[measure]\nwarmup_s = 0.0\n{more}"
        );
        load_beside(&body, &[("chats.jsonl", &file)])
    };
    let experiment = of("").unwrap();
    let of_first = |experiment: &Experiment| Workloads::new().scenario(&experiment.cell(0).unwrap());
    let scenario = of_first(&experiment);
    assert_eq!(scenario.workload.block_tokens(), 16);
    let records = netkv_sim::run(&scenario).requests;
    let hits: Vec<u32> = records.iter().map(|record| record.prefill_hit_tokens).collect();
    assert_eq!(hits, [0, 800, 800]);
    let told = experiment.notices().join("; ");
    assert!(told.contains("prefixes in blocks of 16 tokens"), "{told}");

    let coarse = of("[kv]\nblock_tokens = 64\n").unwrap_err().to_string();
    assert!(
        coarse.contains(
            "kv.block_tokens = 64 does not divide the trace's prefix block of 16 tokens; allowed: 1, 2, 4, 8, 16; or with `netkv \
             trace convert --block-tokens 64` a trace with blocks of 64"
        ),
        "{coarse}"
    );
    let finer = of_first(&of("[kv]\nblock_tokens = 8\n").unwrap());
    assert_eq!((finer.workload.block_tokens(), finer.kv.block_tokens), (16, 8));
}

/// Turns of drawn sessions begin as the turn before: prompts share, the label says by which model, and each seed draws its own.
#[test]
fn a_trace_of_lengths_gets_sessions() {
    let row = |at: u32| {
        format!("{{\"timestamp\": {}, \"input_length\": {}, \"output_length\": 100}}\n", 1000 * at, 1000 + at % 7 * 150)
    };
    let lengths: String = (0..2000).map(row).collect();
    let of = |prefix: &str| {
        let body = format!(
            "[workload]\ntrace = 'lengths.jsonl'\narrivals = 'raw_ticks'\nwindow_s = [0.0, 2000.0]\nload = 'native'\n\
             prefix = '{prefix}'\n"
        );
        load_beside(&body, &[("lengths.jsonl", &lengths)]).unwrap()
    };
    let drawn = of("sessions");
    let shared = |experiment: &Experiment, cell: usize| {
        let requests = Workloads::new().of(&experiment.cell(cell).unwrap());
        let (mut stream, mut blocks, mut seen) = (requests.draw(), Vec::new(), std::collections::BTreeSet::new());
        let mut n_shared = Vec::new();
        while stream.next(&mut blocks).is_some() {
            n_shared.push(blocks.iter().filter(|&&block| !seen.insert(block)).count());
        }
        n_shared
    };
    let first = shared(&drawn, 0);
    let n_sharing = first.iter().filter(|&&n| n > 0).count();
    assert!((300..800).contains(&n_sharing), "{n_sharing} of 2000 go on with a session");
    assert_eq!(first, shared(&drawn, 0));
    assert_ne!(first, shared(&drawn, 1), "another seed");
    assert_eq!(shared(&of("none"), 0).iter().sum::<usize>(), 0);
    let label = &drawn.trace_origins()[0].label;
    assert!(label.ends_with(": drawn to be turns of sessions, by the fit of the conversation trace"), "{label}");
    let closed = "[workload]\ntrace = 'lengths.jsonl'\narrivals = 'raw_ticks'\nwindow_s = [0.0, 2000.0]\nload = 'sessions'\n\
                  loop = 'closed'\nprefix = 'sessions'\n";
    let refused = load_beside(closed, &[("lengths.jsonl", &lengths)]).unwrap_err().to_string();
    assert!(refused.contains("records neither chats nor prefixes"), "{refused}");
}

/// Who draws no prefixes needs none of whole blocks: the length in base.toml is none of 2,048.
#[test]
fn a_prefix_of_a_group_is_of_whole_blocks_where_one_is_drawn() {
    let row = "{\"timestamp\": 700000, \"input_length\": 3000, \"output_length\": 5, \"hash_ids\": [0, 1]}\n";
    let of = |more: &str| {
        let body = format!(
            "[workload]\ntrace = 'coarse.jsonl'\narrivals = 'raw_ticks'\nload = 'native'\n{more}[measure]\nwarmup_s = 0.0\n"
        );
        load_beside(&body, &[("coarse.jsonl", row)])
    };
    assert_eq!(Workloads::new().scenario(&of("").unwrap().cell(0).unwrap()).workload.block_tokens(), 2048);
    let refused = of("prefix = 'shared'\n").unwrap_err().to_string();
    assert!(refused.contains("no multiple of the prefix block of 2048 tokens; the nearest: 2048"), "{refused}");
}
