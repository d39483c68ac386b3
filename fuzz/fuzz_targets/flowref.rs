//! Any text as a flowref/1 case. A valid one ends, and no flow ends before it starts.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netkv_fabric::flowref::{Case, run};

fuzz_target!(|text: &str| {
    match Case::from_json(text) {
        Err(errors) => assert!(!errors.to_string().is_empty(), "an error without a word"),
        Ok(case) => {
            for finish_s in run(&case) {
                assert!(finish_s >= 0.0, "a flow ends at {finish_s}");
            }
        }
    }
});
