//! Policies in experiment files: what is read, and what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::{load, load_beside};
use netkv_grid::Workloads;
use netkv_policy::{
    BatchView, DynamoLoad, FlowConfig, Ledger, LlmdActiveConfig, LlmdAffinityConfig, LmetricConfig, LmetricLoad,
    NetKvConfig, PolicyConfig, TwoTierConfig, WaitModel, WhenFull,
};
use netkv_units::{SimDuration, Tier};

fn check(body: &str, expect: &[&str]) {
    let text = load_beside(body, &[]).expect_err("the experiment is wrong").to_string();
    let found: Vec<_> = text.lines().map(|line| line.rsplit_once("/x.toml").map_or(line, |(_, rest)| rest)).collect();
    assert_eq!(found, expect);
}

/// The policies of the cells of one seed.
fn policies(body: &str) -> Vec<PolicyConfig> {
    let body = format!("[workload]\nmax_requests = 1\n{body}");
    let experiment = load(&body).unwrap_or_else(|errors| panic!("{errors}"));
    let workloads = Workloads::new();
    let cells = (0..experiment.n_cells()).map(|cell| experiment.cell(cell).unwrap());
    cells.filter(|cell| cell.seed == 1).map(|cell| workloads.scenario(&cell).policy).collect()
}

#[test]
fn every_policy_of_the_list_can_be_asked_for() {
    let names = PolicyConfig::NAMES.map(|name| format!("'{name}'")).join(", ");
    let read = policies(&format!("[[axis]]\nkey = 'policy.name'\nvalues = [{names}]\n"));
    let found: Vec<_> = read.iter().map(PolicyConfig::name).collect();
    assert_eq!(found, PolicyConfig::NAMES);
}

#[test]
fn a_router_that_embeds_our_rule_has_the_parameters_of_the_base_file() {
    assert_eq!(policies("[policy]\nname = 'netkv_flow'\n"), [PolicyConfig::NetKvFlow(FlowConfig::CHOSEN)]);
}

#[test]
fn of_an_unknown_policy_the_nearest_is_named_and_else_all() {
    let n = PolicyConfig::all_names().count();
    let near = format!(
        ":5:8: policy.name = \"dynamo_decoed\" is not allowed; did you mean \"dynamo_decode\"? (`netkv keys policy.name` \
         lists all {n})"
    );
    check("[policy]\nname = 'dynamo_decoed'\n", &[near.as_str()]);
    let all: Vec<String> = PolicyConfig::all_names().map(|name| format!("\"{name}\"")).collect();
    let all = all.join(", ");
    let message = format!(":5:8: policy.name = \"ours\" is not allowed; allowed: {all}");
    check("[policy]\nname = 'ours'\n", &[message.as_str()]);
}

#[test]
fn an_unknown_or_wrong_parameter_is_told_what_is_allowed() {
    check(
        "[policy.dynamo]\ntopolgy_weight = 0.85\n",
        &[":5:1: policy.dynamo.topolgy_weight is not a known key; did you mean policy.dynamo.topology_weight?"],
    );
    check(
        "[policy.dynamo]\ntopology_domain = 'zone'\ntopology_weight = 1.5\n[policy.smg]\npoll_interval_s = 1e-6\n",
        &[
            ":5:19: policy.dynamo.topology_domain = \"zone\" is not allowed; allowed: \"node\", \"rack\", \"pod\"; did \
             you mean \"node\"?",
            ":6:19: policy.dynamo.topology_weight = 1.5 is not allowed; allowed: at least 0 and at most 1",
            ":8:19: policy.smg.poll_interval_s is too short; allowed: 0, or at least 0.001 and at most 1000000000",
        ],
    );
}

#[test]
fn parameters_reach_their_policies() {
    let read = policies(
        "[kv]\nblock_tokens = 32\n[policy]\ntbt_limit_ms = 30.0\n[policy.dynamo]\ntopology_domain = 'pod'\n\
         transfer_blocks_per_s = 5\n[policy.aibrix]\nroleset = 'node'\n[policy.llmd]\npoll_interval_s = 0\n\
         [[axis]]\nkey = 'policy.name'\n\
         values = ['netkv_guarded', 'mooncake_ttft', 'dep9118_static', 'aibrix_pd', 'llmd', 'smg_expected_wait', 'jsq']\n",
    );
    let [guarded, mooncake, dep9118, aibrix, llmd, smg, jsq] = &read[..] else { panic!("seven policies: {read:?}") };
    assert!(matches!(guarded, PolicyConfig::NetKvGuarded(weights) if (weights.tbt_limit_s - 0.03).abs() < 1e-12));
    assert!(matches!(mooncake, PolicyConfig::MooncakeTtft(config) if (config.tbt_limit_s - 0.03).abs() < 1e-12));
    let PolicyConfig::Dep9118Static(dep9118) = dep9118 else { panic!("{dep9118:?}") };
    assert_eq!((dep9118.dynamo.block_tokens, dep9118.dynamo.topology_domain), (32, Tier::Pod));
    assert!((dep9118.transfer_blocks_per_sec - 5.0).abs() < 1e-12);
    assert!(matches!(aibrix, PolicyConfig::AibrixPd(config) if config.roleset == Tier::Node));
    let intervals = [aibrix, llmd, smg, jsq].map(|policy| policy.poll_interval());
    let millis = |ms: u64| Some(SimDuration::from_nanos(ms * 1_000_000));
    assert_eq!(intervals, [millis(50), millis(0), millis(10_000), None]);
}

#[test]
fn parameters_reach_the_rules_of_other_systems() {
    let read = policies(
        "[kv]\nblock_tokens = 32\n[policy.dynamo]\nload = 'requests'\ncache_threshold_ratio = 0.25\n\
         balance_abs_requests = 7\n[policy.llmd]\naffinity_threshold_ratio = 0.5\nmax_ttft_penalty_s = 2\n\
         idle_requests = 3\nmin_affinity = 'pod'\n[policy.lmetric]\nload = 'blocks'\n[[axis]]\nkey = 'policy.name'\n\
         values = ['dynamo_decode', 'dynamo_two_tier', 'llmd_affinity', 'llmd_active', 'llmd_topology_filter', 'lmetric']\n",
    );
    let active = LlmdActiveConfig { idle_requests: 3, min_affinity: Tier::Pod };
    let [PolicyConfig::DynamoDecode(dynamo), rest @ ..] = &read[..] else { panic!("six policies: {read:?}") };
    assert_eq!((dynamo.load, dynamo.block_tokens), (DynamoLoad::Requests, 32));
    let expect = [
        PolicyConfig::DynamoTwoTier(TwoTierConfig {
            block_tokens: 32,
            cache_threshold_ratio: 0.25,
            balance_abs_requests: 7,
            balance_rel_ratio: 1.1,
        }),
        PolicyConfig::LlmdAffinity(LlmdAffinityConfig {
            block_tokens: 32,
            affinity_threshold_ratio: 0.5,
            max_ttft_penalty: SimDuration::from_nanos(2_000_000_000),
            peak_prefill_tokens_per_sec: 15_926.0,
            queue_threshold_tokens: 4_194_304,
        }),
        PolicyConfig::LlmdActive(active),
        PolicyConfig::LlmdTopologyFilter(active),
        PolicyConfig::Lmetric(LmetricConfig { block_tokens: 32, load: LmetricLoad::Blocks }),
    ];
    assert_eq!(rest, expect);
    check(
        "[policy.dynamo]\nbalance_rel_ratio = 0.9\n[policy.llmd]\nmin_affinity = 'zone'\nqueue_threshold_tokens = 0\n",
        &[
            ":5:21: policy.dynamo.balance_rel_ratio = 0.9 is not allowed; allowed: at least 1 and at most 1000000000",
            ":7:16: policy.llmd.min_affinity = \"zone\" is not allowed; allowed: \"node\", \"rack\", \"pod\"; did you mean \
             \"node\"?",
            ":8:26: policy.llmd.queue_threshold_tokens = 0 is not allowed; allowed: an integer, 1 to 1099511627776",
        ],
    );
}

#[test]
fn the_paper_s_rule_is_as_printed_unless_the_file_says_otherwise() {
    let printed = policies("[policy]\nname = 'netkv'\n");
    let expect = NetKvConfig { reserve_tokens: 3052, ..NetKvConfig::PRINTED };
    // 1 GB in tokens of 327,680 bytes, rounded up.
    assert_eq!(printed, [PolicyConfig::NetKv(expect)]);
    let changed = policies(
        "[policy]\nname = 'netkv_static'\ntbt_limit_ms = 40.0\ndrain_tokens_per_s = 5.0\n[policy.netkv]\n\
         ledger = 'interface'\nledger_cap = 0\nmax_congestion_ratio = 0.9\nbatch = 'running'\nwait = 'memory'\n\
         reserve_gb = 0\nguard = 'room_and_tbt'\nwhen_full = 'wait'\n",
    );
    let expect = NetKvConfig {
        ledger: Ledger::Interface,
        ledger_cap: 0,
        max_congestion_ratio: 0.9,
        batch: BatchView::Running,
        wait: WaitModel::Memory { drain_tokens_per_sec: 5.0 },
        reserve_tokens: 0,
        guard_tbt_s: Some(0.04),
        when_full: WhenFull::Wait,
    };
    assert_eq!(changed, [PolicyConfig::NetKvStatic(expect)]);
}

#[test]
fn a_rule_that_refuses_decides_when_the_prompt_is_computed() {
    check(
        "[selection]\nat = 'arrival'\n[policy]\nname = 'netkv'\n[policy.netkv]\nwhen_full = 'refuse'\n",
        &[
            ":9:13: policy.netkv.when_full = \"refuse\" of policy netkv refuses prompts that are computed; allowed with \
           selection.at = \"prefill_done\"; with another, write when_full = \"wait\"",
        ],
    );
}
