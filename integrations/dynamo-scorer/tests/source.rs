//! Where the KV cache is taken to come from.

mod common;

use common::{Worker, costs, loaded, parameters, place, pool};
use netkv_dynamo_scorer::{Level, Parameters, Place, PlacedPrefill, Source};
use std::collections::BTreeMap;

const RACKS: [Place; 4] = [place(0, 0, 1), place(0, 0, 2), place(0, 1, 0), place(1, 0, 0)];

fn with(source: Source, prefill: &[Place]) -> Parameters {
    let prefill = (100..).zip(prefill).map(|(id, &place)| PlacedPrefill { id, place }).collect();
    Parameters { source, prefill, ..parameters(&RACKS) }
}

fn idle(preferred: [bool; 4]) -> BTreeMap<u64, Worker> {
    pool(preferred.map(|is_preferred| Worker { is_preferred, ..loaded(0, 500) }))
}

fn of(source: Source, prefill: &[Place], preferred: [bool; 4], asks: bool) -> BTreeMap<u64, f64> {
    costs(&with(source, prefill), 8_000, &idle(preferred), asks).expect("one is chosen").1
}

const NOBODY: [bool; 4] = [false; 4];
const FIRST_RACK: [bool; 4] = [true, true, false, false];
const BY_RACK: Source = Source::PreferredDomain { level: Level::Rack };

#[test]
fn the_mean_is_over_all_prefill_workers() {
    let prefill = [place(0, 0, 0), place(0, 1, 1), place(0, 1, 1), place(1, 3, 0)];
    let mean = of(Source::Mean {}, &prefill, NOBODY, false);
    let alone = prefill.map(|one| of(Source::Mean {}, &[one], NOBODY, false));
    for (worker, cost) in mean {
        let expected: f64 = alone.iter().map(|costs| costs[&worker]).sum::<f64>() / 4.0;
        assert!((cost - expected).abs() < 1e-12, "worker {worker}: {cost} {expected}");
    }
}

#[test]
fn the_preferred_domain_is_where_the_cache_comes_from() {
    let prefill = [place(0, 0, 0), place(0, 1, 1), place(1, 3, 0)];
    assert_eq!(of(BY_RACK, &prefill, FIRST_RACK, true), of(Source::Mean {}, &prefill[..1], NOBODY, false));
    // Without a preference nothing is known: any of them.
    assert_eq!(of(BY_RACK, &prefill, FIRST_RACK, false), of(Source::Mean {}, &prefill, NOBODY, false));
    // No prefill worker is known there: the rack itself, on a node of its own.
    assert_eq!(of(BY_RACK, &prefill[1..], FIRST_RACK, true), of(Source::Mean {}, &[place(0, 0, 77)], NOBODY, false));
    // A preference that no candidate meets: a prefill worker where no candidate is.
    assert_eq!(of(BY_RACK, &prefill, NOBODY, true), of(Source::Mean {}, &prefill[2..], NOBODY, false));
}

#[test]
fn a_domain_that_is_two_racks_is_refused_with_what_to_do() {
    let parameters = with(BY_RACK, &[place(0, 0, 0)]);
    let error = costs(&parameters, 8_000, &idle([true, false, true, false]), true).expect_err("two racks");
    let said = error.to_string();
    assert!(said.contains("two Racks") && said.contains("kind: mean"), "{said}");
    // As pods they are one.
    let by_pod = Source::PreferredDomain { level: Level::Pod };
    let costs = of(by_pod, &[place(0, 5, 0), place(1, 0, 0)], [true, false, true, false], true);
    assert_eq!(costs, of(Source::Mean {}, &[place(0, 5, 0)], NOBODY, false));
}

#[test]
fn a_required_domain_is_that_of_all_candidates() {
    let required = Source::RequiredDomain { level: Level::Rack };
    let mut parameters = with(required, &[place(0, 0, 0), place(1, 0, 0)]);
    parameters.decode.truncate(2);
    let workers = pool([loaded(0, 500), loaded(40, 3_000)]);
    let (chosen, told) = costs(&parameters, 8_000, &workers, false).expect("one is chosen");
    assert_eq!(chosen, 1);
    assert!((told[&1] - (4e-6 + 2.62144 / 50.0 + 0.0125)).abs() < 1e-9, "from the rack: {told:?}");
    assert!(costs(&with(required, &[place(0, 0, 0)]), 8_000, &idle(NOBODY), false).is_err(), "three racks");
}

#[test]
fn without_any_prefill_worker_there_is_no_cost() {
    let error = costs(&with(Source::Mean {}, &[]), 8_000, &idle(NOBODY), false).expect_err("no source");
    assert!(error.to_string().contains("place_prefill"), "{error}");
}
