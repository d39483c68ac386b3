//! Seeds until an interval is narrow enough: the same cells however they are run, and coverage that is paid for.

mod command;

use command::{check, folder, said};
use netkv_frames::{Estimate, two_sided_quantile};
use netkv_grid::{Experiment, LoadOptions};
use std::fs;
use std::path::Path;

const UNTIL: &str =
    "seeds = 3\nreplications = { until = { metric = 'prefill_hit_ratio', rel_half_width = 0.3 }, max = 20 }\n";

fn read(here: &Path, out: &str, name: &str) -> Vec<u8> {
    fs::read(here.join(out).join("x").join(name)).expect("it is there")
}

#[test]
fn seeds_are_added_until_the_interval_is_narrow_enough_and_no_way_to_run_them_matters() {
    let here = folder(UNTIL);
    let ran = check(here.path(), &["run", "x.toml", "--jobs", "2"], 0);
    let manifest = String::from_utf8(read(here.path(), "results", "manifest.toml")).expect("text");
    let manifest: toml::Table = toml::from_str(&manifest).expect("TOML");
    let n_seeds = manifest["replications"]["seeds"].as_integer().expect("a number");
    assert!([6, 12].contains(&n_seeds), "more than the first look and less than all: {manifest}");
    assert_eq!(manifest["replications"]["enough"].as_bool(), Some(true));
    assert_eq!(manifest["cells"]["done"].as_integer(), Some(6 * n_seeds));
    assert!(
        ran.stderr.contains("NOT narrow enough: prefill_hit_ratio within ")
            && ran.stderr.contains("going on to 6 seeds")
    );
    assert!(
        ran.stdout.contains(&format!("replications: {n_seeds} seeds, look "))
            && ran.stdout.contains(": narrow enough: ")
    );
    assert!(check(here.path(), &["run", "x.toml"], 0).stderr.contains("nothing to do"));
    // Cells keep their numbers whatever the look.
    let (cell, _) = said(here.path(), &["cell", "x.toml", "20"], 0);
    assert!(cell.contains("policy.name=cache_load_aware seed=1") && cell.contains("the same as stored"), "{cell}");
    // One after the other, stopped in between by a filter, and in shards that share nothing.
    let of = |out: &str| ["cells.parquet", "summary.parquet", "manifest.toml"].map(|name| read(here.path(), out, name));
    check(here.path(), &["run", "x.toml", "--out", "one", "--jobs", "1", "--filter", "regime=null"], 0);
    check(here.path(), &["run", "x.toml", "--out", "one", "--jobs", "1", "--quiet"], 0);
    assert!(of("one") == of("results"));
    let (mut rounds, mut code) = (0, Some(3));
    while code == Some(3) {
        rounds += 1;
        for number in ["1", "2"] {
            let out = format!("part{number}");
            if rounds > 1 {
                let to = here.path().join(&out).join("x/cells");
                fs::remove_dir_all(&to).expect("it is there");
                fs::create_dir_all(&to).expect("a folder");
                for file in fs::read_dir(here.path().join("all/x/cells")).expect("gathered").flatten() {
                    if file.path().is_file() {
                        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
                    }
                }
            }
            check(here.path(), &["run", "x.toml", "--shard", &format!("{number}/2"), "--out", &out, "--quiet"], 0);
        }
        let gather = ["gather", "part1/x", "part2/x", "--experiment", "x.toml", "--out", "all"];
        code = command::netkv(here.path(), &gather).code;
    }
    assert_eq!(code, Some(0));
    assert!(rounds > 1 && of("all") == of("results"), "{rounds} rounds");
}

#[test]
fn a_number_of_seeds_that_is_given_is_meant_and_wrong_rules_are_refused() {
    let here = folder(UNTIL);
    let told = check(here.path(), &["run", "x.toml", "--seeds", "2", "--quiet"], 0).stderr;
    assert!(told.contains("replications of x.toml are left out: the number of seeds was given, 2"), "{told}");
    for (rule, words) in [
        ("seeds = 3\nreplications.max = 3", "replications.max = 3 adds none to the 3 of seeds; allowed: more than 3"),
        (
            "seeds = 1\nreplications.max = 3",
            "replications.max = 3 has no interval to begin with; allowed: at least 2 seeds",
        ),
        ("replications.until.metric = 'ttft_mean'", "replications.until.metric = \"ttft_mean\" is not allowed"),
        ("replications.until.rel_half_width = 0", "replications.until.rel_half_width = 0 is not allowed"),
        ("replications.maximum = 3", "replications.maximum is not a known key"),
    ] {
        fs::write(here.path().join("x.toml"), command::text(&format!("{rule}\n"))).expect("written");
        let refused = check(here.path(), &["run", "x.toml"], 65).stderr;
        assert!(refused.contains(words), "{refused}");
    }
}

/// The rule of an experiment, played 4,000 times with normal values of a known mean: how often the interval at which it stops
/// holds that mean. Without the correction it is less often than it says; with it, at least as often.
#[test]
fn an_interval_at_which_the_rule_stops_covers_as_often_as_it_says() {
    let here =
        folder("seeds = 5\nreplications = { until = { metric = 'ttft_mean_ns', rel_half_width = 0.1 }, max = 40 }\n");
    let experiment = Experiment::load(&here.path().join("x.toml"), &LoadOptions::default()).expect("it is valid");
    let looks = experiment.replications().looks();
    assert_eq!(looks, [5, 10, 20, 40]);
    let (each, asked) = (experiment.confidence_ratio(), experiment.asked_confidence_ratio());
    let coverage = |confidence: f64| {
        let quantiles: Vec<f64> = looks.iter().map(|&n| two_sided_quantile(confidence, n)).collect();
        let mut random = netkv_units::Stream::new(1, "coverage");
        let n_trials = 4000;
        let held = (0..n_trials).filter(|_| {
            // The sum of twelve uniform numbers is nearly normal; the deviation is a fifth of the mean.
            let mut value = || 1.0 + 0.2 * ((0..12).map(|_| random.unit()).sum::<f64>() - 6.0);
            let values: Vec<f64> = (0..40).map(|_| value()).collect();
            let estimates = looks.iter().zip(&quantiles).map(|(&n, &quantile)| Estimate::of(&values[..n], quantile));
            let estimates: Vec<Estimate> = estimates.map(|estimate| estimate.expect("there are values")).collect();
            let is_narrow = |one: &&Estimate| one.rel_half_width().is_some_and(|width| width <= 0.1);
            let (low, high) =
                estimates.iter().find(is_narrow).or(estimates.last()).and_then(Estimate::interval).expect("one");
            low <= 1.0 && 1.0 <= high
        });
        held.count() as f64 / f64::from(n_trials)
    };
    let (naive, corrected) = (coverage(asked), coverage(each));
    println!("coverage at 95 %: {naive} as if looked at once, {corrected} as it is");
    assert!(naive < 0.945, "without the correction: {naive}");
    assert!(corrected >= 0.95, "with it: {corrected}");
}
