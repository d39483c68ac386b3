//! Profile files (`netkv-profile/2`): latencies and memory of one model on one kind of GPU at one degree of tensor
//! parallelism, with the range that they hold for, their origin and their error.
//!
//! A unit is the end of a key's name, so a wrong unit is an unknown key. Coefficients become whole femtoseconds.

mod about;
mod range;
mod write;

pub use about::{ProfileOrigin, ProfiledModel};
pub use range::LatencyRange;
pub use write::FittedProfile;

use crate::fit::{Errors, FitErrors};
use crate::issue::{InputErrors, Origin};
use crate::reader::{Range, Reader, list};
use crate::source;
use crate::span::Span;
use crate::tree::{self, Content, Node};
use about::FORMAT;
use netkv_sim::{DecodeLatency, GpuProfile, PrefillLatency};
use netkv_units::{LatencyCurve, sha256_hex};
use netkv_workload::KvLayout;
use std::path::Path;
use std::sync::Arc;

/// Femtoseconds of a millisecond, a microsecond and a nanosecond.
const FEMTOS: [f64; 3] = [1e12, 1e9, 1e6];

/// Coefficients, in the unit of their key. Chosen by us: a hundred times what GPUs need; beyond it lies a wrong unit.
const COEFFICIENT: Range = Range::closed(0.0, 1e4);

/// Errors of a fit, in percent.
const PERCENT: Range = Range::closed(0.0, 1e4);

/// Keys that change no result: names, where the latencies come from, where they hold, and how good they are.
const NO_RESULT: [&str; 10] = [
    "format",
    "model",
    "precision",
    "gpu",
    "origin",
    "fit",
    "prefill.valid_batch_tokens",
    "prefill.valid_context_tokens",
    "decode.valid_batch",
    "decode.valid_context_tokens",
];

/// Largest number of tokens or requests of a range.
const MAX_COUNT: u64 = 10_000_000_000_000;

/// A profile that has been read.
#[derive(Clone, Debug)]
pub struct Profile {
    /// As the experiment file or the command line names it.
    pub label: String,
    /// SHA-256 of the file.
    pub sha256: Arc<str>,
    /// Everything that results depend on, for the keys of cells.
    canonical: Arc<str>,
    /// What is served on what, and how large it is.
    pub model: ProfiledModel,
    /// Latencies.
    pub gpu: GpuProfile,
    /// Where the latencies hold.
    pub valid: LatencyRange,
    /// Where the measurements come from.
    pub origin: ProfileOrigin,
    /// How well prefill fits them.
    pub prefill_fit: FitErrors,
    /// How well decode fits them.
    pub decode_fit: FitErrors,
}

impl Profile {
    /// Everything that results depend on, for the keys of cells.
    pub(crate) fn canonical(&self) -> &str {
        &self.canonical
    }

    /// Reads a profile file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, InputErrors> {
        let text = source::read(path, &Origin::file(path))?;
        Self::read(path, &path.display().to_string(), &text)
    }

    /// Reads the text of a profile.
    pub(crate) fn read(path: &Path, label: &str, text: &str) -> Result<Self, InputErrors> {
        let mut tree = tree::parse(path, text)?;
        let mut reader = Reader::new(&tree, &Origin::file(path), "a profile has no default values");
        reader.choice("format", &[(FORMAT, ())]);
        let model = read_model(&mut reader);
        let prefill = read_prefill(&mut reader);
        let decode = read_decode(&mut reader);
        let valid = read_valid(&mut reader);
        let [source, licence, command] =
            ["origin.source", "origin.licence", "origin.command"].map(|key| reader.text(key).map(str::to_owned));
        let [prefill_fit, decode_fit] = ["fit.prefill", "fit.decode"].map(|section| read_fit(&mut reader, section));
        let issues = reader.finish();
        if !issues.is_empty() {
            return Err(InputErrors::new(issues));
        }
        let complete = "a profile without errors is complete";
        NO_RESULT.iter().for_each(|key| tree::remove(&mut tree, key));
        Ok(Self {
            label: label.to_owned(),
            sha256: sha256_hex(text.as_bytes()).into(),
            canonical: Content::Table(tree).canonical().into(),
            model: model.expect(complete),
            gpu: GpuProfile {
                prefill: prefill.expect(complete),
                decode: decode.expect(complete),
                local: prefill.expect(complete),
            },
            valid: valid.expect(complete),
            origin: ProfileOrigin {
                source: source.expect(complete),
                licence: licence.expect(complete),
                command: command.expect(complete),
            },
            prefill_fit: prefill_fit.expect(complete),
            decode_fit: decode_fit.expect(complete),
        })
    }
}

fn read_model(reader: &mut Reader<'_>) -> Option<ProfiledModel> {
    let [model, precision, gpu] = ["model", "precision", "gpu"].map(|key| reader.text(key).map(str::to_owned));
    let tp = reader.count("tp", 1, 65_536);
    let kv = read_layout(reader);
    let kv_copies = reader.count("kv.copies", 1, tp.unwrap_or(65_536));
    let weights_gb = reader.float("memory.weights_gb", Range::above(0.0, 1e7));
    Some(ProfiledModel {
        model: model?,
        precision: precision?,
        gpu: gpu?,
        tp: tp?,
        kv: kv?,
        kv_copies: kv_copies?,
        weights_gb: weights_gb?,
    })
}

fn read_layout(reader: &mut Reader<'_>) -> Option<KvLayout> {
    const HEADS: [&str; 2] = ["kv.kv_heads", "kv.head_dim"];
    const LATENT: [&str; 2] = ["kv.latent_dim", "kv.rope_dim"];
    let Some(is_latent) = reader.choice("kv.layout", &[("heads", false), ("latent", true)]) else {
        let either = HEADS.iter().chain(&LATENT).chain(&["kv.layers", "kv.dtype_bytes"]);
        either.for_each(|key| reader.accept(key));
        return None;
    };
    let names = if is_latent { LATENT } else { HEADS };
    let layers = reader.count("kv.layers", 1, 10_000);
    let [first, second] = names.map(|key| reader.count(key, 1, 100_000));
    let dtype_bytes = reader.count("kv.dtype_bytes", 1, 16);
    let (layers, first, second, dtype_bytes) = (layers?, first?, second?, dtype_bytes?);
    Some(if is_latent {
        KvLayout::Latent { layers, latent_dim: first, rope_dim: second, dtype_bytes }
    } else {
        KvLayout::Heads { layers, kv_heads: first, head_dim: second, dtype_bytes }
    })
}

fn read_prefill(reader: &mut Reader<'_>) -> Option<PrefillLatency> {
    let tokens = read_curve(reader, "prefill.base_ms", "prefill.per_token_us");
    let per_pair_fs = read_femtos(reader, "prefill.per_pair_ns", FEMTOS[2]);
    let latency = PrefillLatency { tokens: tokens?, per_pair_fs: per_pair_fs? };
    if latency.tokens.at(1) == 0 {
        reader.fail("prefill.per_token_us", "prefill takes no time: base_ms and the first per_token_us are both zero");
        return None;
    }
    Some(latency)
}

fn read_decode(reader: &mut Reader<'_>) -> Option<DecodeLatency> {
    let requests = read_curve(reader, "decode.base_ms", "decode.per_request_us");
    let per_token_fs = read_femtos(reader, "decode.per_token_ns", FEMTOS[2]);
    let latency = DecodeLatency { requests: requests?, per_token_fs: per_token_fs? };
    if latency.iteration(1, 1).as_nanos() == 0 {
        reader.fail("decode.base_ms", "a decode iteration takes less than a nanosecond");
        return None;
    }
    Some(latency)
}

/// A curve: its base in milliseconds, and `[[from, microseconds], ...]`.
fn read_curve(reader: &mut Reader<'_>, base: &str, slopes: &str) -> Option<LatencyCurve> {
    let [per_ms, per_us, _] = FEMTOS;
    let base_fs = read_femtos(reader, base, per_ms);
    let node = reader.node(slopes)?;
    let allowed = format!("a list of 1 to {} pairs [from, microseconds], the first from 0", LatencyCurve::MAX_STEPS);
    let pairs = list(node).filter(|items| (1..=LatencyCurve::MAX_STEPS).contains(&items.len()));
    let Some(pairs) = pairs else { return reader.refuse(slopes, node, &allowed) };
    let mut steps: Vec<(u32, u64)> = Vec::new();
    for pair in pairs {
        let Some([from, slope]) = list(pair).map(Vec::as_slice) else { return reader.refuse(slopes, pair, &allowed) };
        let from = reader.integer_of(slopes, from, 0, u64::from(u32::MAX));
        let slope = reader.float_of(slopes, slope, COEFFICIENT);
        steps.push((from? as u32, femtos(slope?, per_us)));
    }
    if steps[0].0 != 0 || !steps.is_sorted_by(|one, two| one.0 < two.0) {
        reader.fail(slopes, &format!("{slopes} does not ascend from 0; allowed: {allowed}"));
        return None;
    }
    Some(LatencyCurve::new(base_fs?, &steps))
}

fn read_femtos(reader: &mut Reader<'_>, key: &str, femtos_per_unit: f64) -> Option<u64> {
    Some(femtos(reader.float(key, COEFFICIENT)?, femtos_per_unit))
}

/// The nearest number of femtoseconds.
fn femtos(value: f64, femtos_per_unit: f64) -> u64 {
    (value * femtos_per_unit).round() as u64
}

fn read_valid(reader: &mut Reader<'_>) -> Option<LatencyRange> {
    let prefill_batch_tokens = read_span(reader, "prefill.valid_batch_tokens");
    let prefill_context_tokens = read_span(reader, "prefill.valid_context_tokens");
    let decode_batch = read_span(reader, "decode.valid_batch");
    let decode_context_tokens = read_span(reader, "decode.valid_context_tokens");
    Some(LatencyRange {
        prefill_batch_tokens: prefill_batch_tokens?,
        prefill_context_tokens: prefill_context_tokens?,
        decode_batch: decode_batch?,
        decode_context_tokens: decode_context_tokens?,
    })
}

/// A range of measured points that is not empty.
fn read_span(reader: &mut Reader<'_>, key: &str) -> Option<Span> {
    let node = reader.node(key)?;
    let Some([low, high]) = list(node).map(Vec::as_slice) else {
        return reader.refuse(key, node, &format!("two integers [low, high], 1 to {MAX_COUNT}"));
    };
    let [low, high] = [low, high].map(|end: &Node| reader.integer_of(key, end, 1, MAX_COUNT));
    let (low, high) = (low?, high?);
    if low >= high {
        reader.fail(key, &format!("{key} = [{low}, {high}] is an empty range; allowed: [low, high], low < high"));
        return None;
    }
    Some(Span { low, high })
}

fn read_fit(reader: &mut Reader<'_>, section: &str) -> Option<FitErrors> {
    let n_points = reader.count(&format!("{section}.points"), 1, u32::MAX);
    let [in_sample, left_out, level_out] = ["", "left_out_", "level_out_"].map(|kind| {
        let [mape, worst] =
            ["mape", "worst"].map(|name| reader.float(&format!("{section}.{kind}{name}_percent"), PERCENT));
        Some(Errors { mape_percent: mape?, worst_percent: worst? })
    });
    Some(FitErrors { n_points: n_points?, in_sample: in_sample?, left_out: left_out?, level_out: level_out? })
}
