//! Profile files (`netkv-profile/1`): latencies and memory of one model on one kind of GPU at one degree of tensor
//! parallelism, with their origin and error.
//!
//! A unit is the end of a key's name, so a wrong unit is an unknown key. Coefficients become whole femtoseconds.

use crate::issue::{InputErrors, Origin};
use crate::reader::{Range, Reader};
use crate::tree::{self, Content};
use netkv_sim::{DecodeLatency, GpuProfile, PrefillLatency};
use std::path::Path;
use std::sync::Arc;

/// The only format so far.
const FORMAT: &str = "netkv-profile/1";

/// Femtoseconds of a millisecond, a microsecond and a nanosecond.
const FEMTOS: [f64; 3] = [1e12, 1e9, 1e6];

/// Coefficients, in the unit of their key. Chosen by us: a hundred times what GPUs need; beyond it lies a wrong unit.
const COEFFICIENT: Range = Range::closed(0.0, 1e4);

/// Errors of a fit, in percent.
const PERCENT: Range = Range::closed(0.0, 1e4);

/// A profile that has been read.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// As the experiment file names it.
    pub(crate) label: String,
    /// SHA-256 of the file.
    pub(crate) sha256: Arc<str>,
    /// Everything that results depend on, for the keys of cells.
    pub(crate) canonical: Arc<str>,
    /// Latencies.
    pub(crate) gpu: GpuProfile,
    /// GPUs of the instance that was measured.
    pub(crate) tp: u32,
    /// Layers of the model.
    pub(crate) layers: u32,
    /// Bytes of KV cache of one token.
    pub(crate) bytes_per_token: u64,
    /// Memory taken by the weights, all GPUs of an instance together.
    pub(crate) weights_gb: f64,
}

/// Reads the text of a profile.
pub(crate) fn read_profile(path: &Path, label: &str, text: &str) -> Result<Profile, InputErrors> {
    let mut tree = tree::parse(path, text)?;
    let mut reader = Reader::new(&tree, &Origin::file(path), "a profile has no default values");
    reader.choice("format", &[(FORMAT, ())]);
    for key in ["model", "precision", "gpu", "origin.source", "origin.licence", "origin.method"] {
        reader.text(key);
    }
    for key in ["prefill_mape_percent", "prefill_worst_percent", "decode_mape_percent", "decode_worst_percent"] {
        reader.float(&format!("origin.{key}"), PERCENT);
    }
    check_span(&mut reader, "prefill.valid_tokens");
    check_span(&mut reader, "decode.valid_batch");
    check_span(&mut reader, "decode.valid_context_tokens");
    let tp = reader.count("tp", 1, 65_536);
    let weights_gb = reader.float("memory.weights_gb", Range::above(0.0, 1e7));
    let bytes_per_token = read_bytes_per_token(&mut reader);
    let layers = reader.quietly(|reader| reader.count("kv.layers", 1, 10_000));
    let prefill = read_prefill(&mut reader);
    let decode = read_decode(&mut reader);
    let issues = reader.finish();
    if !issues.is_empty() {
        return Err(InputErrors::new(issues));
    }
    let complete = "a profile without errors is complete";
    tree::remove(&mut tree, "origin");
    Ok(Profile {
        label: label.to_owned(),
        sha256: crate::library::sha256_hex(text.as_bytes()).into(),
        canonical: Content::Table(tree).canonical().into(),
        gpu: GpuProfile { prefill: prefill.expect(complete), decode: decode.expect(complete) },
        tp: tp.expect(complete),
        layers: layers.expect(complete),
        bytes_per_token: bytes_per_token.expect(complete),
        weights_gb: weights_gb.expect(complete),
    })
}

/// A range of measured points that is not empty.
fn check_span(reader: &mut Reader<'_>, key: &str) {
    let Some([low, high]) = reader.floats::<2>(key, Range::closed(1.0, 1e9)) else { return };
    if low >= high {
        reader.fail(key, &format!("{key} = [{low}, {high}] is an empty range; allowed: [low, high]"));
    }
}

/// Keys and values of every layer and head.
fn read_bytes_per_token(reader: &mut Reader<'_>) -> Option<u64> {
    let counts = [("kv.layers", 10_000), ("kv.kv_heads", 10_000), ("kv.head_dim", 100_000), ("kv.dtype_bytes", 16)]
        .map(|(key, high)| reader.integer(key, 1, high));
    counts.into_iter().try_fold(2, |product, count| Some(product * count?))
}

fn read_prefill(reader: &mut Reader<'_>) -> Option<PrefillLatency> {
    let [per_ms, per_us, per_ns] = FEMTOS;
    let base_fs = read_femtos(reader, "prefill.base_ms", per_ms);
    let per_token_fs = read_femtos(reader, "prefill.per_token_us", per_us);
    let per_pair_fs = read_femtos(reader, "prefill.per_pair_ns", per_ns);
    let floor_fs = read_femtos(reader, "prefill.floor_ms", per_ms);
    let latency = PrefillLatency {
        base_fs: base_fs?,
        per_token_fs: per_token_fs?,
        per_pair_fs: per_pair_fs?,
        floor_fs: floor_fs?,
    };
    if latency.base_fs + latency.per_token_fs + latency.floor_fs == 0 {
        reader.fail("prefill.per_token_us", "prefill takes no time: base, per_token and floor are all zero");
        return None;
    }
    Some(latency)
}

fn read_decode(reader: &mut Reader<'_>) -> Option<DecodeLatency> {
    let [per_ms, per_us, per_ns] = FEMTOS;
    let base_fs = read_femtos(reader, "decode.base_ms", per_ms);
    let per_request_fs = read_femtos(reader, "decode.per_request_us", per_us);
    let per_token_fs = read_femtos(reader, "decode.per_token_ns", per_ns);
    let latency = DecodeLatency { base_fs: base_fs?, per_request_fs: per_request_fs?, per_token_fs: per_token_fs? };
    if latency.iteration(1, 1).as_nanos() == 0 {
        reader.fail("decode.base_ms", "a decode iteration takes less than a nanosecond");
        return None;
    }
    Some(latency)
}

fn read_femtos(reader: &mut Reader<'_>, key: &str, femtos_per_unit: f64) -> Option<u64> {
    Some((reader.float(key, COEFFICIENT)? * femtos_per_unit).round() as u64)
}
