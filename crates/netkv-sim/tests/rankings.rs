//! What is counted of decisions: it changes no run, and telemetry of the present ranks as the present does.

mod common;

use common::{BACKGROUND, POLICIES, millis, scenario};
use netkv_policy::PolicyConfig;
use netkv_sim::{OracleGranularity, Placement, RankingCounts, Scenario, run};
use netkv_units::SimDuration;
use netkv_workload::Workload;

/// All prompts are computed in one rack, so that every way has a congestion.
fn crowded(granularity: OracleGranularity, interval: SimDuration) -> Scenario {
    let mut scenario = scenario(Workload::poisson(3.0, 400, 700, 20, 3));
    scenario.cluster.prefill_instances = 2;
    scenario.cluster.placement = Placement::Listed(vec![0, 1]);
    scenario.fabric.rack_oversubscription = 2.0;
    scenario.fabric.pod_oversubscription = 2.0;
    scenario.background = BACKGROUND;
    scenario.policy = PolicyConfig::NetKvGuarded(common::WEIGHTS);
    scenario.oracle = granularity;
    scenario.telemetry.interval = interval;
    scenario.measure.rankings = true;
    scenario
}

#[test]
fn counting_changes_nothing() {
    for policy in POLICIES {
        let mut scenario = crowded(OracleGranularity::Zone, millis(1000));
        scenario.policy = policy.clone();
        let counted = run(&scenario);
        scenario.measure.rankings = false;
        let plain = run(&scenario);
        assert_eq!(counted.digest(), plain.digest(), "{}", policy.name());
        assert_eq!(plain.totals.rankings, RankingCounts::default());
        // The clairvoyant sees the truth, who does not look has nothing to be told, and who picks both at once is not asked
        // when prefill is done.
        let looks = !matches!(
            policy,
            PolicyConfig::RoundRobin
                | PolicyConfig::Random
                | PolicyConfig::Clairvoyant
                | PolicyConfig::AibrixPd(_)
                | PolicyConfig::MooncakeTtft(_)
        );
        assert_eq!(counted.totals.rankings.decisions, if looks { 400 } else { 0 }, "{}", policy.name());
    }
}

#[test]
fn telemetry_of_the_present_ranks_as_the_present_does() {
    for granularity in [OracleGranularity::Tier, OracleGranularity::Zone, OracleGranularity::Path] {
        let counts = run(&crowded(granularity, SimDuration::ZERO)).totals.rankings;
        assert_eq!(counts, RankingCounts { decisions: 400, ..RankingCounts::default() }, "{granularity:?}");
    }
}

#[test]
fn old_telemetry_ranks_wrongly_only_where_congestion_drifted_as_far_as_the_margin() {
    for granularity in [OracleGranularity::Zone, OracleGranularity::Path] {
        let counts = run(&crowded(granularity, millis(2000))).totals.rankings;
        assert!(0 < counts.inverted && counts.inverted < counts.beyond_margin, "{counts:?}");
        assert!(counts.beyond_margin < 400 && counts.changed > 0 && counts.lost > 0.0, "{counts:?}");
    }
    // By tier, the way between pods is never told to be freer than the way inside one.
    let counts = run(&crowded(OracleGranularity::Tier, millis(2000))).totals.rankings;
    assert!(counts.inverted == 0 && counts.beyond_margin > 0, "{counts:?}");
}

#[test]
fn requests_of_the_warm_up_do_not_count() {
    let mut scenario = crowded(OracleGranularity::Zone, millis(1000));
    scenario.measure.warmup = millis(60_000);
    let output = run(&scenario);
    let counted = output.requests.iter().filter(|record| record.counted).count() as u64;
    assert_eq!(output.totals.rankings.decisions, counted);
    assert!(0 < counted && counted < 400);
}
