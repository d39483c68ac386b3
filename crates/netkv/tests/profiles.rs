//! `netkv profile` as its users see it, and the profiles of the project: each is what its own command writes.

mod command;

use command::said as check;
use netkv_grid::Profile;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project is there")
}

/// The words of a command, of which some are in single quotes.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in command.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words
}

const TABLE: &str = "experiments/profiles/data/llama-3.1-70b-bf16-h100.csv";

#[test]
fn every_profile_of_the_project_is_what_its_command_writes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut n_profiles = 0;
    for entry in fs::read_dir(root().join("experiments/profiles")).expect("the profiles are there") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(OsStr::to_str).expect("a name in words").to_owned();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let profile = Profile::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        let (written, drawn) = (folder.path().join("p.toml"), folder.path().join("fit.svg"));
        let command = words(&profile.origin.command);
        let mut arguments: Vec<&str> = command.iter().skip(1).map(String::as_str).collect();
        let [out, figure] = [&written, &drawn].map(|path| path.to_str().expect("a path in words"));
        arguments.extend(["--out", out, "--figure", figure]);
        check(&root(), &arguments, 0);
        let again = format!(
            "write it again: {} --out {} --figure docs/profiles/{name}.svg",
            profile.origin.command,
            path.display()
        );
        assert_eq!(read(&written), read(&path), "{again}");
        assert!(read(&drawn) == read(&root().join(format!("docs/profiles/{name}.svg"))), "{again}");
        let row = row(&name, &profile);
        assert!(read(&root().join("docs/profiles.md")).contains(&row), "docs/profiles.md lacks\n{row}");
        n_profiles += 1;
    }
    assert!(n_profiles >= 7, "{n_profiles} profiles");
}

/// A profile's row in the table of errors.
fn row(name: &str, profile: &Profile) -> String {
    let mut cells = vec![format!("[{name}](profiles/{name}.svg)")];
    for fit in [&profile.prefill_fit, &profile.decode_fit] {
        cells.push(fit.n_points.to_string());
        let errors = [fit.in_sample, fit.left_out, fit.level_out];
        cells.extend(errors.map(|errors| format!("{:.2} ({:.2})", errors.mape_percent, errors.worst_percent)));
    }
    format!("| {} |\n", cells.join(" | "))
}

#[test]
fn a_fit_is_printed_drawn_and_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("a path in words").to_owned();
    let (svg, png, out) = (at("fit.svg"), at("fit.png"), at("p.toml"));
    let fit = ["profile", "fit", TABLE, "--tp", "8", "--prefill-bends", "256,2048"];
    let (printed, said) = check(&root(), &[&fit[..], &["--figure", &svg]].concat(), 0);
    assert!(said.is_empty(), "{said}");
    for line in [
        "prefill: 158 points",
        "per_token_us from 2048",
        "prompt lengths left out",
        "decode: 110 points",
        "batch sizes left out",
        "worst: 1 x 131072 tokens: 13.27 ms measured",
    ] {
        assert!(printed.contains(line), "{printed}");
    }
    let drawn = fs::read_to_string(&svg).expect("a figure");
    assert!(drawn.starts_with("<svg") && drawn.contains("Latency profile: tp 8"), "{}", &drawn[..200]);
    let described = [
        "--model",
        "It's a model",
        "--precision",
        "bf16",
        "--gpu",
        "G",
        "--kv",
        "latent:61,512,64,2",
        "--kv-copies",
        "8",
        "--weights-gb",
        "671",
        "--source",
        "S",
        "--licence",
        "L",
        "--out",
        &out,
        "--figure",
        &png,
    ];
    let (_, said) = check(&root(), &[&fit[..], &described].concat(), 0);
    assert!(said.contains("562176 bytes of KV cache per token"), "{said}");
    assert!(fs::read(&png).expect("a figure").starts_with(b"\x89PNG"));
    let command = Profile::load(Path::new(&out)).unwrap_or_else(|errors| panic!("{errors}")).origin.command;
    assert_eq!(
        command,
        format!(
            r"netkv profile fit {TABLE} --tp 8 --prefill-bends 256,2048 --model 'It'\''s a model' --precision bf16 --gpu G --kv latent:61,512,64,2 --kv-copies 8 --weights-gb 671 --source S --licence L"
        )
    );
    let (shown, _) = check(&root(), &["profile", "show", &out], 0);
    for part in [
        "p.toml: It's a model, bf16, G, tp 8",
        "70272 bytes per token x 8 copies (latent:61,512,64,2)",
        "computed tokens          1 to 32768",
        " us a token, ",
        " us a token beyond 256, ",
        " ns a token of context\n",
        "points left out          MAPE",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}

#[test]
fn wrong_options_and_wrong_tables_are_told_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("t.csv"), "phase,tp,batch,ctx,sm\n").expect("a table is written");
    fs::write(folder.path().join("p.toml"), "format = 'netkv-profile/3'\n").expect("a profile is written");
    let table = root().join(TABLE);
    let table = table.to_str().expect("a path in words");
    let described =
        ["--model", "M", "--precision", "bf16", "--gpu", "G", "--source", "S", "--licence", "L", "--out", "out.toml"];
    let full = |more: &[&'static str]| -> Vec<String> {
        let all = ["profile", "fit", table, "--tp", "8"].into_iter().chain(described).chain(more.iter().copied());
        all.map(str::to_owned).collect()
    };
    let words = |words: &[&str]| -> Vec<String> { words.iter().copied().map(str::to_owned).collect() };
    for (arguments, code, told) in [
        (words(&["profile", "fit"]), 64, "<DATA.csv>"),
        (words(&["profile", "fit", "t.csv", "--out", "out.toml"]), 64, "--weights-gb <GB>"),
        (words(&["profile", "fit", "t.csv", "--figure", "fit.jpg"]), 64, "--figure fit.jpg must end in .png or .svg"),
        (words(&["profile", "fit", "t.csv", "--kv", "head:80,8,128,2"]), 64, "a KV cache is heads:LAYERS"),
        (words(&["profile", "fit", "t.csv", "--kv", "heads:80,8,128"]), 64, "a KV cache is heads:LAYERS"),
        (words(&["profile", "fit", "t.csv", "--prefill-bends", "a"]), 64, "--prefill-bends"),
        (full(&["--kv", "heads:80,8,128,2", "--weights-gb", "0"]), 64, "--weights-gb 0 must be above 0"),
        (full(&["--kv", "heads:80,8,128,2", "--weights-gb", "1", "--kv-copies", "9"]), 64, "holds 1 to 8 copies"),
        (words(&["profile", "fit", "none.csv"]), 65, "none.csv: cannot read it"),
        (words(&["profile", "fit", "t.csv"]), 65, "t.csv:1:20: \"sm\" is not a known column"),
        (words(&["profile", "fit", table]), 65, "choose one with --tp"),
        (words(&["profile", "show", "p.toml"]), 65, "p.toml:1:10: format = \"netkv-profile/3\" is not allowed"),
        (words(&["profile", "show", "none.toml"]), 65, "none.toml: cannot read it"),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (printed, said) = check(folder.path(), &arguments, code);
        assert!(said.contains(told), "{said}");
        assert!(printed.is_empty() || code == 64, "{printed}");
    }
    assert!(!folder.path().join("out.toml").exists(), "a refused profile is not written");
}

/// A folder with an experiment on a profile that was measured over short prompts and few requests alone.
fn narrow() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let experiments = root().join("experiments");
    let real = fs::read_to_string(experiments.join("profiles/llama-3.1-70b-bf16-h100-tp8.toml")).expect("a profile");
    let narrow = real
        .replace("valid_batch_tokens = [1, 32768]", "valid_batch_tokens = [1, 4096]")
        .replace("valid_batch = [1, 256]", "valid_batch = [4, 64]");
    for (name, text) in [("real.toml", &real), ("narrow.toml", &narrow)] {
        fs::write(folder.path().join(name), text).expect("a profile is written");
    }
    let smoke = experiments.join("smoke.toml");
    let body = format!(
        "extends = '{}'\nname = 'x'\nseeds = [1]\n[cluster]\ntp = 8\nprefill_instances = 4\n[workload]\ntrace = \
         'synthetic:conversation:1'\nwindow_s = [0.0, 3540.0]\nmax_requests = 20\ncontext = 'fixed'\ncontext_tokens = 6000\n\
         load = 'rate'\n",
        smoke.display()
    );
    for name in ["real", "narrow"] {
        let text = format!("{body}[model]\nprofile = '{name}.toml'\n");
        fs::write(folder.path().join(format!("{name}-experiment.toml")), text).expect("an experiment is written");
    }
    folder
}

#[test]
fn a_run_outside_the_measured_range_is_told_once_and_its_manifest_says_so() {
    let here = narrow();
    let outside = [
        "prefill batches of 1 to 8,192 tokens (measured: 1 to 4,096)",
        "decode batches of 1 to 128 requests (measured: 4 to 64)",
    ];
    let (_, said) = check(here.path(), &["run", "narrow-experiment.toml"], 0);
    let warning =
        format!("warning: narrow-experiment.toml extrapolates latencies of narrow.toml: {}\n", outside.join("; "));
    assert_eq!(said.matches(&warning).count(), 1, "{said}");
    assert_eq!(said.matches("warning").count(), 1, "{said}");
    let manifest = |results: &str| -> toml::Table {
        let text = fs::read_to_string(here.path().join(results).join("x/manifest.toml")).expect("a manifest");
        toml::from_str(&text).expect("valid TOML")
    };
    let profile = |manifest: &toml::Table| manifest["profile"].as_array().expect("a list")[0].clone();
    let found = profile(&manifest("results"));
    assert_eq!(found["name"].as_str(), Some("narrow.toml"));
    let found: Vec<&str> =
        found["outside_valid_range"].as_array().expect("a list").iter().flat_map(|one| one.as_str()).collect();
    assert_eq!(found, outside);

    let (_, said) = check(here.path(), &["run", "real-experiment.toml", "--out", "real"], 0);
    assert!(!said.contains("warning"), "{said}");
    assert_eq!(profile(&manifest("real"))["outside_valid_range"].as_array().map(Vec::len), Some(0));
}

#[test]
fn every_profile_of_the_project_can_be_run() {
    let here = tempfile::tempdir().expect("a temporary folder");
    let experiments = root().join("experiments");
    let mut n_run = 0;
    for entry in fs::read_dir(experiments.join("profiles")).expect("the profiles are there") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let profile = Profile::load(&path).unwrap_or_else(|errors| panic!("{errors}"));
        let hbm_gb = if profile.model.gpu.starts_with("H200") { 141 } else { 80 };
        let text = format!(
            "extends = '{}'\nname = 'x{n_run}'\nseeds = [1]\n[cluster]\ntp = {}\nprefill_instances = 4\n[kv]\n\
             hbm_gb_per_gpu = {hbm_gb}\n[workload]\ntrace = 'synthetic:conversation:1'\nwindow_s = [0.0, 600.0]\n\
             max_requests = 40\n[measure]\nwarmup_s = 0\n[model]\nprofile = '{}'\n",
            experiments.join("base.toml").display(),
            profile.model.tp,
            path.display()
        );
        fs::write(here.path().join("x.toml"), text).expect("an experiment is written");
        let (printed, _) = check(here.path(), &["cell", "x.toml", "0"], 0);
        assert!(printed.lines().any(|line| line.starts_with("requests ") && line.ends_with(" 40")), "{printed}");
        n_run += 1;
    }
    assert!(n_run >= 7, "{n_run} profiles");
}
