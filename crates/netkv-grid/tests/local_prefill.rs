//! Prompts that decode instances compute themselves, in experiment files: what is read, and what is refused.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

mod common;

use common::load;
use netkv_grid::Workloads;
use netkv_sim::{LocalPrefillConfig, LocalRule, MixedPass};
use netkv_units::SimDuration;

/// What the cells of one seed say.
fn configs(body: &str) -> Vec<LocalPrefillConfig> {
    let experiment = load(&format!("[workload]\nmax_requests = 1\n{body}")).unwrap_or_else(|errors| panic!("{errors}"));
    let workloads = Workloads::new();
    let cells = (0..experiment.n_cells()).map(|cell| experiment.cell(cell).unwrap());
    cells.filter(|cell| cell.seed == 1).map(|cell| workloads.scenario(&cell).local_prefill).collect()
}

#[test]
fn nothing_is_kept_unless_the_file_says_so_and_each_rule_gets_its_parameters() {
    let read = configs("");
    assert_eq!(read, [LocalPrefillConfig { rule: LocalRule::Never, chunk_tokens: 512, pass: MixedPass::Separate }]);
    let read = configs(
        "[local_prefill]\nchunk_tokens = 256\npass = 'joint'\nmax_tokens = 1000\nmax_ratio = 0.5\ntbt_limit_ms = 40.0\n\
         margin_factor = 1.0\nmin_chunk_tokens = 32\nmin_hit_ratio = 0.25\n\
         [[axis]]\nkey = 'local_prefill.rule'\nvalues = ['short', 'deflect', 'session']\n",
    );
    let tbt_limit = SimDuration::from_nanos(40_000_000);
    let rules = [
        LocalRule::Short { max_tokens: 1000, max_ratio: 0.5 },
        LocalRule::Deflect { tbt_limit, margin_factor: 1.0, min_chunk_tokens: 32 },
        LocalRule::Session { min_hit_ratio: 0.25 },
    ];
    assert_eq!(read, rules.map(|rule| LocalPrefillConfig { rule, chunk_tokens: 256, pass: MixedPass::Joint }));
}

#[test]
fn what_has_no_queue_is_not_deflected_from() {
    let refused = load("[prefill]\nengine = 'delay'\n[local_prefill]\nrule = 'deflect'\n");
    let text = refused.expect_err("there is no wait").to_string();
    let expect = "local_prefill.rule = \"deflect\" shortens the wait for prefill, and there is none with prefill.engine = \
                  \"delay\"; allowed with prefill.engine = \"batched\"";
    assert!(text.contains(expect), "{text}");
    assert!(load("[prefill]\nengine = 'delay'\n[local_prefill]\nrule = 'session'\n").is_ok());
}

/// Both rules did nothing then, and nobody was told.
#[test]
fn rules_that_look_at_caches_need_them() {
    for rule in ["short", "session"] {
        let refused = load(&format!("[kv]\nprefix_caching = false\n[local_prefill]\nrule = '{rule}'\n"));
        let text = refused.expect_err("nothing is cached").to_string();
        let expect =
            format!("local_prefill.rule = \"{rule}\" keeps prompts of which a decode instance holds a part, and with");
        assert!(text.contains(&expect), "{text}");
    }
    assert!(load("[kv]\nprefix_caching = false\n[local_prefill]\nrule = 'deflect'\n").is_ok());
}
