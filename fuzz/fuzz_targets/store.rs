//! Any bytes as a segment of the store: as they are, or, if the first one is odd, each line as a record with a right checksum
//! behind a right header. What is taken from it is what a run can have left.
#![no_main]

use libfuzzer_sys::fuzz_target;
use netkv_grid::{Segment, SegmentHeader, Status, Store};
use netkv_units::Digester;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("netkv-fuzz-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
});

/// The first line of a segment of this version.
static HEADER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let header = SegmentHeader::new(BTreeMap::from([("host".to_owned(), "here".to_owned())]));
    let segment = Segment::create(&FOLDER.join("header"), &header, &[]).expect("a segment");
    std::fs::read(segment.path()).expect("its bytes")
});

fn checked(record: &[u8]) -> Vec<u8> {
    let check = Digester::new().bytes(record).finish().to_string();
    [b"{\"check\":\"", &check.as_bytes()[..16], b"\",\"record\":", record, b"}\n"].concat()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, rest)) = bytes.split_first() else { return };
    let segment = if first % 2 == 0 {
        rest.to_vec()
    } else {
        let lines = rest.split(|&byte| byte == b'\n').map(checked);
        HEADER.iter().copied().chain(lines.flatten()).collect()
    };
    std::fs::write(FOLDER.join("segment-000001.jsonl"), &segment).expect("written");
    let max_events = (first >= 128).then_some(1000);
    let Ok(store) = Store::open_within(&FOLDER, max_events) else { return };
    assert!(store.n_damaged_lines() <= segment.iter().filter(|&&byte| byte == b'\n').count() + 1);
    for line in segment.split(|&byte| byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let Some(stored) = line["record"]["key"].as_str().and_then(|key| store.get_by_name(key)) else { continue };
        assert!(stored.wall_s >= 0.0);
        if let Status::Done { digest, metrics } = &stored.status {
            assert_eq!((digest.len(), metrics.len()), (32, netkv_columns()));
            assert!(metrics.iter().filter_map(|value| value.number()).all(f64::is_finite));
        }
    }
});

fn netkv_columns() -> usize {
    static N: LazyLock<usize> = LazyLock::new(|| {
        let line: serde_json::Value = serde_json::from_slice(&HEADER).expect("JSON");
        line["record"]["columns"].as_array().expect("columns").len()
    });
    *N
}
