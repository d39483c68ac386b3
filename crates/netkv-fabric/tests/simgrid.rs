//! Agreement with SimGrid: every case of `tests/flowref/`, whose expected finish times were computed with SimGrid
//! 3.32 (CM02, TCP corrections off), within the tolerance that the case states.

use netkv_fabric::flowref::{Case, run};
use serde_json::Value;
use std::path::Path;

struct Agreement {
    name: String,
    flows: usize,
    /// Worst difference in units of what the case tolerates; must not exceed 1.
    worst_of_tolerance: f64,
    /// Worst difference beyond 20 ns, relative to the flow's own duration.
    worst_relative: f64,
}

fn compare(path: &Path) -> Agreement {
    let text = std::fs::read_to_string(path).expect("the case is readable");
    let json: Value = serde_json::from_str(&text).expect("the case is JSON");
    let number = |value: &Value| value.as_f64().expect("a number");
    let (abs_s, relative) = (number(&json["tolerance"]["abs_s"]), number(&json["tolerance"]["rel_fct"]));
    let finish_s = run(&Case::from_json(&text).expect("the case is valid"));
    let expected = json["expected_finish_s"].as_array().expect("expected times");
    assert_eq!(finish_s.len(), expected.len());
    let mut agreement = Agreement {
        name: json["name"].to_string(),
        flows: finish_s.len(),
        worst_of_tolerance: 0.0,
        worst_relative: 0.0,
    };
    for (index, &got) in finish_s.iter().enumerate() {
        let wanted = number(&expected[index]);
        let duration = wanted - number(&json["flows"][index]["start_s"]);
        let off = (got - wanted).abs();
        agreement.worst_of_tolerance = agreement.worst_of_tolerance.max(off / (abs_s + relative * duration));
        if duration > 0.0 {
            agreement.worst_relative = agreement.worst_relative.max((off - 2e-8).max(0.0) / duration);
        }
    }
    agreement
}

#[test]
fn every_reference_case_agrees_with_simgrid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flowref");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("the folder of cases").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert_eq!(paths.len(), 12, "no case was lost");
    let agreements: Vec<_> = paths.iter().map(|path| compare(path)).collect();
    for agreement in &agreements {
        println!(
            "{:24} {:5} flows, worst {:.3} of the tolerance, {:.1e} relative beyond 20 ns",
            agreement.name, agreement.flows, agreement.worst_of_tolerance, agreement.worst_relative
        );
    }
    for agreement in &agreements {
        assert!(agreement.worst_of_tolerance <= 1.0, "{} is out of tolerance", agreement.name);
    }
}
