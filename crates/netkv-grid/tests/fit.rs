//! Fitting profiles: the coefficients of made-up GPUs are found again, and wrong tables are told what is wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic like the tests themselves")]

use netkv_grid::{Fit, FitOptions, FittedProfile, Profile, ProfileOrigin, ProfiledModel, fit};
use netkv_workload::KvLayout;
use std::fmt::Write;
use std::fs;

const HEADER: &str = "phase,tp,batch,ctx,cached,ms\n";

/// Fits one table; errors without the folder of the file.
fn fit_text(text: &str, options: &FitOptions) -> Result<Fit, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    fs::write(&path, text).unwrap();
    fit(&[&path], options).map_err(|errors| {
        errors.to_string().lines().map(|line| line.rsplit_once("/t.csv").unwrap().1.to_owned()).collect()
    })
}

#[track_caller]
fn check(text: &str, options: &FitOptions, expect: &[&str]) {
    assert_eq!(fit_text(text, options).unwrap_err(), expect);
}

/// Prefill of a made-up GPU: 12 ms, 30 us a token up to 256 and 60 us beyond, 1.25 ns a pair.
fn prefill_ms(batch: f64, context: f64, cached: f64) -> f64 {
    let tokens = batch * (context - cached);
    let pairs = batch * (context - cached) * (context + cached) / 2.0;
    12.0 + 0.030 * tokens.min(256.0) + 0.060 * (tokens - 256.0).max(0.0) + 1.25e-6 * pairs
}

/// Decode of a made-up GPU: 10 ms, 40 us a request, 25 ns a token.
fn decode_ms(batch: f64, context: f64) -> f64 {
    10.0 + 0.040 * batch + 25e-6 * batch * context
}

/// A table of what the made-up GPU takes, each time multiplied by what `noise` says of the row's number.
fn made_up(noise: impl Fn(usize) -> f64) -> String {
    let mut text = HEADER.to_owned();
    let mut number = 0;
    let mut row = |phase: &str, batch: u32, context: u32, cached: u32, ms: f64| {
        writeln!(text, "{phase},4,{batch},{context},{cached},{}", ms * noise(number)).unwrap();
        number += 1;
    };
    for (batch, tokens) in [(1, 16), (1, 128), (2, 100), (1, 512), (3, 512), (1, 4096), (1, 8192)] {
        for cached in [0, 2048, 65_536] {
            let ms = prefill_ms(f64::from(batch), f64::from(cached + tokens), f64::from(cached));
            row("prefill", batch, cached + tokens, cached, ms);
        }
    }
    for batch in [1, 2, 8, 32, 128] {
        for context in [256, 2048, 32_768] {
            row("decode", batch, context, 0, decode_ms(f64::from(batch), f64::from(context)));
        }
    }
    text
}

fn bend() -> FitOptions {
    FitOptions { prefill_bends: vec![256], ..FitOptions::default() }
}

#[test]
fn the_coefficients_of_a_made_up_gpu_are_found_again() {
    let fit = fit_text(&made_up(|_| 1.0), &bend()).unwrap();
    assert_eq!((fit.tp, fit.prefill.base_ms(), fit.prefill.slope_ns()), (4, 12.0, 1.25));
    assert_eq!(fit.prefill.curve().collect::<Vec<_>>(), [(0, 30.0), (256, 60.0)]);
    assert_eq!((fit.decode.base_ms(), fit.decode.slope_ns()), (10.0, 25.0));
    assert_eq!(fit.decode.curve().collect::<Vec<_>>(), [(0, 40.0)]);
    for errors in [fit.prefill.errors, fit.decode.errors] {
        let worst = [errors.in_sample, errors.left_out, errors.level_out].map(|errors| errors.worst_percent);
        assert!(worst.into_iter().all(|worst| worst < 1e-3), "{errors:?}");
    }
    assert_eq!((fit.prefill.errors.n_points, fit.decode.errors.n_points), (21, 15));
    assert_eq!((fit.prefill.levels.low, fit.prefill.levels.high), (16, 8192));
    assert_eq!((fit.prefill.contexts.low, fit.prefill.contexts.high), (16, 73_728));
}

#[test]
fn without_the_bend_the_errors_show_that_one_is_missing() {
    let straight = fit_text(&made_up(|_| 1.0), &FitOptions::default()).unwrap();
    assert!(straight.prefill.errors.in_sample.mape_percent > 3.0, "{:?}", straight.prefill.errors);
    assert!(straight.decode.errors.in_sample.mape_percent < 1e-3);
}

#[test]
fn a_point_that_does_not_fit_shows_most_where_it_is_left_out() {
    // Rows 0 to 20 are prefill; row 21 + 14 is the decode of the largest batch with the longest context, 20 % off.
    let fit = fit_text(&made_up(|row| if row == 35 { 1.2 } else { 1.0 }), &bend()).unwrap();
    let errors = fit.decode.errors;
    let left_out = 100.0 * (1.0 - 1.0 / 1.2);
    assert!((errors.left_out.worst_percent - left_out).abs() < 1e-6, "{errors:?}");
    assert!(errors.in_sample.worst_percent < left_out, "{errors:?}");
    // Its whole batch size left out leaves the made-up GPU, too.
    assert!((errors.level_out.worst_percent - left_out).abs() < 1e-6, "{errors:?}");
    assert!(fit.prefill.errors.left_out.worst_percent < 1e-3);
}

#[test]
fn a_term_that_would_be_negative_is_dropped() {
    let mut text = made_up(|_| 1.0);
    let decode = text.find("decode").unwrap();
    text.truncate(decode);
    for batch in [1.0, 2.0, 8.0, 32.0, 128.0] {
        for context in [256.0, 2048.0, 32_768.0] {
            let ms = 10.0 - 0.040 * batch + 25e-6 * batch * context;
            writeln!(text, "decode,4,{batch},{context},0,{ms}").unwrap();
        }
    }
    let fit = fit_text(&text, &bend()).unwrap();
    let coefficients: Vec<_> =
        fit.decode.coefficients.iter().map(|one| (one.name.as_str(), one.value > 0.0, one.is_dropped)).collect();
    assert_eq!(
        coefficients,
        [("base_ms", true, false), ("per_request_us", false, true), ("per_token_ns", true, false)]
    );
}

#[test]
fn what_prompts_beside_it_add_to_an_iteration_is_told_apart() {
    let mut text = "phase,tp,batch,ctx,prefill_tokens,ms\n".to_owned();
    for (index, batch) in [4.0, 8.0, 16.0, 32.0, 64.0].into_iter().enumerate() {
        for (context, beside) in [(1536.0, batch), (5120.0, batch / 8.0), (8704.0, batch * 8.0)] {
            let ms = decode_ms(batch, context) + 0.045 * beside;
            writeln!(text, "decode,2,{batch},{context},{beside},{ms}").unwrap();
            let tokens = batch * 100.0 + context;
            writeln!(text, "prefill,2,1,{tokens},0,{}", 5.0 + 0.1 * tokens + index as f64).unwrap();
        }
    }
    let fit = fit_text(&text, &FitOptions::default()).unwrap();
    assert_eq!(fit.decode.interference_us, Some(45.0));
    assert_eq!((fit.decode.base_ms(), fit.decode.slope_ns()), (10.0, 25.0));
    assert_eq!(fit.prefill.interference_us, None);
    for point in &fit.decode.points {
        let alone = decode_ms(f64::from(point.batch), f64::from(point.context));
        assert!((point.measured_ms / alone - 1.0).abs() < 1e-6 && (point.fitted_ms / alone - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_written_profile_reads_back_and_takes_as_long_as_the_fit_says() {
    let fit = fit_text(&made_up(|row| 1.0 + 0.01 * (row % 5) as f64), &bend()).unwrap();
    let model = ProfiledModel {
        model: "A \"model\"".to_owned(),
        precision: "fp8".to_owned(),
        gpu: "G".to_owned(),
        tp: fit.tp,
        kv: KvLayout::DEEPSEEK_V3,
        kv_copies: 4,
        weights_gb: 70.5,
    };
    let origin = ProfileOrigin { source: "S".to_owned(), licence: "L".to_owned(), command: "C 'c'".to_owned() };
    let text = FittedProfile { model: &model, origin: &origin, fit: &fit }.to_toml();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    fs::write(&path, &text).unwrap();
    let profile = Profile::load(&path).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!((&profile.model, &profile.origin), (&model, &origin));
    assert_eq!(
        (profile.valid.prefill_batch_tokens, profile.valid.decode_batch),
        (fit.prefill.levels, fit.decode.levels)
    );
    for point in &fit.prefill.points {
        let prompt = (point.context - point.cached, point.cached);
        let batch = profile.gpu.prefill.batch((0..point.batch).map(|_| prompt));
        assert!((batch.as_nanos() as f64 * 1e-6 / point.fitted_ms - 1.0).abs() < 1e-6, "{point:?}");
    }
    for point in &fit.decode.points {
        let iteration =
            profile.gpu.decode.iteration(point.batch.into(), u64::from(point.batch) * u64::from(point.context));
        assert!((iteration.as_nanos() as f64 * 1e-6 / point.fitted_ms - 1.0).abs() < 1e-6, "{point:?}");
    }
    let written = format!("{:.2}", profile.decode_fit.left_out.worst_percent);
    assert_eq!(written, format!("{:.2}", fit.decode.errors.left_out.worst_percent));
}

#[test]
fn every_mistake_in_a_table_is_told_with_its_place() {
    check(
        "phase,tp,batch,ctx,cahced,ms,ms\n",
        &FitOptions::default(),
        &[
            ":1:20: \"cahced\" is not a known column; known: phase, tp, batch, ctx, [cached], [prefill_tokens], ms; \
             did you mean cached?",
            ":1:30: column ms is there twice",
        ],
    );
    check(
        "phase,batch,ctx,us\n",
        &FitOptions::default(),
        &[
            ":1:1: column ms is missing; a table has the columns phase, tp, batch, ctx, [cached], [prefill_tokens], ms",
            ":1:1: column tp is missing; a table has the columns phase, tp, batch, ctx, [cached], [prefill_tokens], ms",
            ":1:17: \"us\" is not a known column; known: phase, tp, batch, ctx, [cached], [prefill_tokens], ms; did you \
             mean ms?",
        ],
    );
    let rows = "prefil,4,1,256,0,7\nprefill,4.5,1,256,0,7\n\nprefill,4,0,x,0,-7\nprefill,4,1,256,0,nan\n\
                prefill,4,1,256,256,7\ndecode,4,1,256,9,7\ndecode,4,1,256,0\n";
    check(
        &format!("{HEADER}{rows}"),
        &FitOptions::default(),
        &[
            ":2:1: phase = \"prefil\" is not allowed; allowed: prefill, decode; did you mean prefill?",
            ":3:9: tp = \"4.5\" is not allowed; allowed: an integer, at least 1 and at most 65536",
            ":5:11: batch = \"0\" is not allowed; allowed: an integer, at least 1 and at most 100000",
            ":5:13: ctx = \"x\" is not allowed; allowed: an integer, at least 1 and at most 100000000",
            ":5:17: ms = \"-7\" is not allowed; allowed: a number, above 0 and at most 10000000",
            ":6:19: ms = \"nan\" is not allowed; allowed: a number, above 0 and at most 10000000",
            ":7:1: cached is not below ctx: nothing is computed",
            ":8:1: cached is for rows of prefill; allowed here: 0",
            ":9:1: a row of 5 fields; allowed: 6, as in the header",
        ],
    );
    check(
        " \n",
        &FitOptions::default(),
        &[": there is no table in it; its columns are phase, tp, batch, ctx, [cached], [prefill_tokens], ms"],
    );
    check(HEADER, &FitOptions::default(), &[": there is no measurement in it"]);
}

#[test]
fn a_table_that_cannot_be_fitted_is_told_what_it_lacks() {
    let all = made_up(|_| 1.0);
    let two = format!("{all}decode,8,1,256,0,9\n");
    check(&two, &bend(), &[": there are rows with tp = 4, 8: choose one with --tp"]);
    let asked = |tp| FitOptions { tp: Some(tp), ..bend() };
    check(&two, &asked(2), &[": there is no row with tp = 2; there are 4, 8"]);
    check(
        &two,
        &asked(8),
        &[
            ": decode at tp = 8: 1 points; at least 4 are needed for 3 coefficients",
            ": prefill at tp = 8: 0 points; at least 5 are needed for 4 coefficients",
        ],
    );
    let bends = |prefill_bends: &[u32]| FitOptions { prefill_bends: prefill_bends.to_vec(), ..FitOptions::default() };
    let message = ": prefill at tp = 4: a slope from 8000 with 1 different numbers of computed tokens; at least 2 are \
                   needed for each slope";
    check(&all, &bends(&[256, 8000]), &[message]);
    let message = ": prefill at tp = 4: bends at [512, 256]; allowed: at most 7, ascending, from 1";
    check(&all, &bends(&[512, 256]), &[message]);
    let alike: String = all
        .lines()
        .filter(|line| !line.contains("decode") || line.contains(",256,"))
        .fold(String::new(), |text, line| text + line + "\n");
    let message = ": decode at tp = 4: its points do not tell base_ms, per_request_us, per_token_ns apart: they differ \
                   in too few ways";
    check(&alike, &bend(), &[message]);
    let one_batch = alike.replace("decode,4,2,", "decode,4,1,").replace("decode,4,8,", "decode,4,1,");
    let one_batch = one_batch.replace("decode,4,32,", "decode,4,1,");
    check(&one_batch, &bend(), &[": decode at tp = 4: 2 different batch sizes; at least 3 are needed"]);
}
