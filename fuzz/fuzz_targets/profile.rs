//! Any bytes as a latency profile: it is read, or what is wrong is said. One that is read gives times that are finite and not
//! negative.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netkv_grid::Profile;
use std::path::PathBuf;
use std::sync::LazyLock;

static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("netkv-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("profile.toml")
});

fuzz_target!(|bytes: &[u8]| {
    std::fs::write(&*FILE, bytes).expect("written");
    match Profile::load(&FILE) {
        Err(errors) => assert!(!errors.issues().is_empty() && !errors.to_string().is_empty(), "an error without a word"),
        Ok(profile) => {
            let again = Profile::load(&FILE).expect("it is read a second time");
            assert_eq!(format!("{again:?}"), format!("{profile:?}"));
        }
    }
});
