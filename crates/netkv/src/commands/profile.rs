//! `netkv profile`: latency profiles from measurements, and what a profile says.

use crate::args::{ProfileCommand, ProfileFitArgs};
use crate::failure::{Blame, Ending, Failure};
use crate::output::{print, tell, write_file};
use crate::picture::{check_picture, write_picture};
use netkv_figures::{FitColumn, FitPoint, FitSeries, fit_figure};
use netkv_grid::{
    Errors, Fit, FitErrors, FitOptions, FittedPoint, FittedProfile, Phase, PhaseFit, Profile, ProfileOrigin,
    ProfiledModel, Span, fit,
};
use netkv_units::LatencyCurve;
use netkv_workload::KvLayout;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The option that asks for a figure.
const FIGURE: &str = "--figure";

/// Fits or shows a profile.
pub fn profile(command: &ProfileCommand) -> Result<Ending, Failure> {
    match command {
        ProfileCommand::Fit(args) => fit_to(args)?,
        ProfileCommand::Show { file } => print(&shown(&Profile::load(file)?))?,
    }
    Ok(Ending::Done)
}

fn fit_to(args: &ProfileFitArgs) -> Result<(), Failure> {
    args.figure.as_deref().map_or(Ok(()), |path| check_picture(FIGURE, path))?;
    let tables: Vec<&Path> = args.tables.iter().map(AsRef::as_ref).collect();
    let options =
        FitOptions { tp: args.tp, prefill_bends: args.prefill_bends.clone(), decode_bends: args.decode_bends.clone() };
    let fit = fit(&tables, &options)?;
    print(&format!("{}\n{}", described(&fit.prefill), described(&fit.decode)))?;
    if let Some(path) = &args.out {
        let (model, origin) = (model(args, fit.tp)?, origin(args));
        write_file(path, FittedProfile { model: &model, origin: &origin, fit: &fit }.to_toml().as_bytes())?;
        tell(&format!("{}: {} bytes of KV cache per token of context", path.display(), model.bytes_per_token()));
    }
    if let Some(path) = &args.figure {
        // Measurements that contradict each other may leave an iteration no time.
        let svg = figure(args, &fit).map_err(|error| Failure::new(Blame::Input, error))?;
        write_picture(FIGURE, path, &svg)?;
    }
    Ok(())
}

/// The name of an option that was given, because `--out` needs it.
const GIVEN: &str = "--out needs it";

fn model(args: &ProfileFitArgs, tp: u32) -> Result<ProfiledModel, Failure> {
    if !(1..=tp).contains(&args.kv_copies) {
        let copies = args.kv_copies;
        return Err(Failure::usage(format_args!(
            "--kv-copies {copies}: an instance of {tp} GPUs holds 1 to {tp} copies"
        )));
    }
    let weights_gb = args.weights_gb.expect(GIVEN);
    if !(weights_gb > 0.0 && weights_gb.is_finite()) {
        return Err(Failure::usage(format_args!("--weights-gb {weights_gb} must be above 0")));
    }
    Ok(ProfiledModel {
        model: args.model.clone().expect(GIVEN),
        precision: args.precision.clone().expect(GIVEN),
        gpu: args.gpu.clone().expect(GIVEN),
        tp,
        kv: args.kv.expect(GIVEN),
        kv_copies: args.kv_copies,
        weights_gb,
    })
}

fn origin(args: &ProfileFitArgs) -> ProfileOrigin {
    ProfileOrigin {
        source: args.source.clone().expect(GIVEN),
        licence: args.licence.clone().expect(GIVEN),
        command: command(args),
    }
}

/// The command again, without where it writes to: the same for the same fit.
fn command(args: &ProfileFitArgs) -> String {
    let listed = |numbers: &[u32]| {
        let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
        (!numbers.is_empty()).then(|| numbers.join(","))
    };
    let options = [
        ("--tp", args.tp.map(|tp| tp.to_string())),
        ("--prefill-bends", listed(&args.prefill_bends)),
        ("--decode-bends", listed(&args.decode_bends)),
        ("--model", args.model.clone()),
        ("--precision", args.precision.clone()),
        ("--gpu", args.gpu.clone()),
        ("--kv", args.kv.map(layout)),
        ("--kv-copies", (args.kv_copies > 1).then(|| args.kv_copies.to_string())),
        ("--weights-gb", args.weights_gb.map(|size| size.to_string())),
        ("--source", args.source.clone()),
        ("--licence", args.licence.clone()),
    ];
    let mut words = vec!["netkv profile fit".to_owned()];
    words.extend(args.tables.iter().map(|path| in_shell(&path.display().to_string())));
    for (option, value) in options {
        words.extend(value.map(|value| format!("{option} {}", in_shell(&value))));
    }
    words.join(" ")
}

/// A word as a shell reads it back.
fn in_shell(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,+".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn layout(kv: KvLayout) -> String {
    match kv {
        KvLayout::Heads { layers, kv_heads, head_dim, dtype_bytes } => {
            format!("heads:{layers},{kv_heads},{head_dim},{dtype_bytes}")
        }
        KvLayout::Latent { layers, latent_dim, rope_dim, dtype_bytes } => {
            format!("latent:{layers},{latent_dim},{rope_dim},{dtype_bytes}")
        }
    }
}

/// A phase's coefficients and errors.
fn described(fit: &PhaseFit) -> String {
    let mut text = format!("{}: {} points\n", fit.phase, fit.errors.n_points);
    for coefficient in &fit.coefficients {
        let dropped = if coefficient.is_dropped { "  dropped: the best fit had it below 0" } else { "" };
        line(&mut text, &format!("{:24} {}{dropped}", coefficient.name, coefficient.value));
    }
    let what = match fit.phase {
        Phase::Prefill => "computed tokens",
        Phase::Decode => "requests",
    };
    range(&mut text, what, fit.levels);
    range(&mut text, "context", fit.contexts);
    errors(&mut text, fit.phase, &fit.errors);
    let worst = fit.points.iter().max_by(|one, two| one.error_percent.abs().total_cmp(&two.error_percent.abs()));
    if let Some(worst) = worst {
        let FittedPoint { batch, context, cached, measured_ms, fitted_ms, error_percent } = worst;
        let cached = if *cached > 0 { format!(", {cached} of them cached") } else { String::new() };
        line(
            &mut text,
            &format!(
                "worst: {batch} x {context} tokens{cached}: {measured_ms:.2} ms measured, {fitted_ms:.2} ms fitted \
                 ({error_percent:+.1} %)"
            ),
        );
    }
    text
}

fn errors(text: &mut String, phase: Phase, errors: &FitErrors) {
    let level = match phase {
        Phase::Prefill => "prompt lengths left out",
        Phase::Decode => "batch sizes left out",
    };
    for (name, Errors { mape_percent, worst_percent }) in
        [("in sample", errors.in_sample), ("points left out", errors.left_out), (level, errors.level_out)]
    {
        line(text, &format!("{name:24} MAPE {mape_percent:.2} %, worst {worst_percent:.2} %"));
    }
}

fn line(text: &mut String, content: &str) {
    writeln!(text, "  {content}").expect("a string takes any text");
}

/// A profile in words.
fn shown(profile: &Profile) -> String {
    let model = &profile.model;
    let mut text = format!("{}: {}, {}, {}, tp {}\n", profile.label, model.model, model.precision, model.gpu, model.tp);
    let one = model.kv.bytes_per_token().get();
    let copies = if model.kv_copies == 1 { String::new() } else { format!(" x {} copies", model.kv_copies) };
    line(&mut text, &format!("{:24} {one} bytes per token{copies} ({})", "KV cache", layout(model.kv)));
    line(&mut text, &format!("{:24} {} GB", "weights", model.weights_gb));
    let (prefill, decode) = (&profile.gpu.prefill, &profile.gpu.decode);
    let valid = &profile.valid;
    writeln!(text, "prefill: {}", formula(&prefill.tokens, "token", prefill.per_pair_fs, "pair"))
        .expect("a string takes any text");
    range(&mut text, "computed tokens", valid.prefill_batch_tokens);
    range(&mut text, "context", valid.prefill_context_tokens);
    errors(&mut text, Phase::Prefill, &profile.prefill_fit);
    writeln!(text, "decode: {}", formula(&decode.requests, "request", decode.per_token_fs, "token of context"))
        .expect("a string takes any text");
    range(&mut text, "requests", valid.decode_batch);
    range(&mut text, "context", valid.decode_context_tokens);
    errors(&mut text, Phase::Decode, &profile.decode_fit);
    line(&mut text, &format!("{:24} {} ({})", "origin", profile.origin.source, profile.origin.licence));
    line(&mut text, &format!("{:24} {}", "command", profile.origin.command));
    text
}

fn range(text: &mut String, what: &str, span: Span) {
    line(text, &format!("{what:24} {} to {}", span.low, span.high));
}

/// "15.2 ms + 30.5 us a request + 26.7 ns a token of context".
fn formula(curve: &LatencyCurve, unit: &str, slope_fs: u64, slope_unit: &str) -> String {
    let steps: Vec<String> = curve
        .steps()
        .iter()
        .map(|&(from, slope_fs)| {
            let beyond = if from == 0 { String::new() } else { format!(" beyond {from}") };
            format!("{} us a {unit}{beyond}", slope_fs as f64 / 1e9)
        })
        .collect();
    format!("{} ms + {} + {} ns a {slope_unit}", curve.base_fs() as f64 / 1e12, steps.join(", "), slope_fs as f64 / 1e6)
}

fn figure(args: &ProfileFitArgs, fit: &Fit) -> anyhow::Result<String> {
    let named = [&args.model, &args.precision, &args.gpu].map(|name| name.as_deref()).into_iter().flatten();
    let name = named.chain([format!("tp {}", fit.tp).as_str()]).collect::<Vec<_>>().join(", ");
    let source = args.source.as_deref().map_or_else(String::new, |source| format!(" Measurements: {source}."));
    let caption = format!(
        "Points: measurements. Lines: the profile, joined between the points. MAPE: mean absolute error in percent of the \
         measurement; left out: each point when the fit is made without it.{source}"
    );
    fit_figure(&format!("Latency profile: {name}"), &[column(&fit.prefill), column(&fit.decode)], &caption)
}

fn column(fit: &PhaseFit) -> FitColumn {
    let (title, x_title) = match fit.phase {
        Phase::Prefill => ("Prefill batches", "Tokens computed in the batch"),
        Phase::Decode => ("Decode iterations", "Context of each request (tokens)"),
    };
    let mut series: BTreeMap<u32, Vec<FitPoint>> = BTreeMap::new();
    for point in &fit.points {
        let computed = f64::from(point.batch) * f64::from(point.context - point.cached);
        let (key, x) = match fit.phase {
            Phase::Prefill => (point.cached, computed),
            Phase::Decode => (point.batch, f64::from(point.context)),
        };
        let FittedPoint { measured_ms, fitted_ms, error_percent, .. } = *point;
        series.entry(key).or_default().push(FitPoint { x, measured_ms, fitted_ms, error_percent });
    }
    let labelled = |(index, (key, mut points)): (usize, (u32, Vec<FitPoint>))| {
        points.sort_by(|one, two| one.x.total_cmp(&two.x));
        let label = match (fit.phase, key) {
            (Phase::Prefill, 0) => "none cached".to_owned(),
            (Phase::Prefill, cached) if cached % 1024 == 0 => format!("{}k", cached / 1024),
            (Phase::Prefill, cached) => cached.to_string(),
            (Phase::Decode, 1) => "1 request".to_owned(),
            (Phase::Decode, batch) if index == 0 => format!("{batch} requests"),
            (Phase::Decode, batch) => batch.to_string(),
        };
        FitSeries { label, points }
    };
    let FitErrors { n_points, in_sample, left_out, .. } = fit.errors;
    FitColumn {
        title: title.to_owned(),
        note: format!(
            "{n_points} points; MAPE {:.1} % in sample, {:.1} % left out; worst {:.1} %",
            in_sample.mape_percent, left_out.mape_percent, in_sample.worst_percent
        ),
        x_title: x_title.to_owned(),
        series: series.into_iter().enumerate().map(labelled).collect(),
    }
}
