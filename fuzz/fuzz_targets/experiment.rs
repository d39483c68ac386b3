//! Any bytes as an experiment file: it is read, or everything that is wrong is said. What is read is read again the same, and
//! what its manifest would say is TOML.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use netkv_grid::{Experiment, LoadOptions};
use std::path::PathBuf;
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("netkv-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("x.toml")
});

/// What would have files of this machine read, or generated traces made at each run.
const LEFT_OUT: [&[u8]; 4] = [b"/dev", b"/proc", b"synthetic:", b"mooncake"];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    if LEFT_OUT.iter().any(|words| bytes.windows(words.len()).any(|window| window == *words)) {
        return Corpus::Reject;
    }
    // Every file extends the base experiment: without, all that is said is that keys are missing.
    let mut text = b"extends = \"builtin:base\"\nworkload.trace = \"endless:conversation:1\"\nworkload.max_requests = 50\n".to_vec();
    text.extend_from_slice(bytes);
    std::fs::write(&*FILE, &text).expect("written");
    let load = || Experiment::load(&FILE, &LoadOptions::default());
    match load() {
        Err(errors) => assert!(!errors.issues().is_empty() && !errors.to_string().is_empty(), "an error without a word"),
        Ok(experiment) => {
            let resolved = experiment.resolved_toml();
            toml::from_str::<toml::Table>(&resolved).expect("a resolved experiment is TOML");
            let again = load().expect("it is read a second time");
            assert_eq!(again.resolved_toml(), resolved);
            let keys = |experiment: &Experiment| {
                experiment.cells().take(50).map(|cell| cell.key.to_string()).collect::<Vec<_>>()
            };
            assert_eq!(keys(&experiment), keys(&again));
        }
    }
    Corpus::Keep
});
