//! The text of a profile that was fitted.

use super::about::{FORMAT, ProfileOrigin, ProfiledModel};
use crate::fit::{Errors, Fit, FitErrors, PhaseFit};
use crate::span::Span;
use netkv_workload::KvLayout;
use std::fmt::Write as _;

/// A fit with what it is a fit of.
#[derive(Clone, Debug)]
pub struct FittedProfile<'a> {
    /// What was measured.
    pub model: &'a ProfiledModel,
    /// Where the measurements come from.
    pub origin: &'a ProfileOrigin,
    /// The fit.
    pub fit: &'a Fit,
}

impl FittedProfile<'_> {
    /// The profile file: the same bytes for the same measurements.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("a string takes any text");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        let (model, origin) = (self.model, self.origin);
        writeln!(
            text,
            "# Latencies of one model on one kind of GPU. Written by `netkv profile fit`: change the measurements"
        )?;
        writeln!(text, "# or the command below and write it again.")?;
        writeln!(text, "format = {}", quoted(FORMAT))?;
        for (key, value) in [("model", &model.model), ("precision", &model.precision), ("gpu", &model.gpu)] {
            writeln!(text, "{key} = {}", quoted(value))?;
        }
        writeln!(text, "tp = {}\n", model.tp)?;
        writeln!(text, "# KV cache of a token; an instance holds so many copies of it.\n[kv]")?;
        for (key, value) in layout_keys(model.kv) {
            writeln!(text, "{key} = {value}")?;
        }
        writeln!(text, "copies = {}\n", model.kv_copies)?;
        writeln!(text, "# All GPUs of an instance together.\n[memory]\nweights_gb = {}\n", model.weights_gb)?;
        writeln!(
            text,
            "# Time of a batch = base + curve(tokens computed) + per_pair (n h + n^2 / 2): of each prompt n tokens are"
        )?;
        writeln!(
            text,
            "# computed, h were before. Curve: [from, us]: each token beyond `from` adds so much, up to the next."
        )?;
        let prefill = ["per_token_us", "per_pair_ns", "valid_batch_tokens", "valid_context_tokens"];
        write_phase(text, "prefill", &self.fit.prefill, prefill)?;
        writeln!(text, "# Time of an iteration = base + curve(batch) + per_token S, S tokens of context in all.")?;
        let decode = ["per_request_us", "per_token_ns", "valid_batch", "valid_context_tokens"];
        write_phase(text, "decode", &self.fit.decode, decode)?;
        writeln!(text, "[origin]\nsource = {}\nlicence = {}", quoted(&origin.source), quoted(&origin.licence))?;
        writeln!(text, "command = {}", quoted(&origin.command))?;
        writeln!(
            text,
            "\n# Absolute relative errors: on the points that were fitted; on each point left out of the fit in turn; on"
        )?;
        writeln!(text, "# all points of one batch size (prefill: of as many tokens computed) left out in turn.")?;
        write_errors(text, "prefill", &self.fit.prefill.errors)?;
        writeln!(text)?;
        write_errors(text, "decode", &self.fit.decode.errors)
    }
}

fn write_phase(text: &mut String, name: &str, fit: &PhaseFit, keys: [&str; 4]) -> std::fmt::Result {
    let [curve, slope, levels, contexts] = keys;
    let span = |span: Span| format!("[{}, {}]", span.low, span.high);
    let steps: Vec<String> = fit.curve().map(|(from, slope)| format!("[{from}, {slope}]")).collect();
    writeln!(text, "[{name}]\nbase_ms = {}\n{curve} = [{}]", fit.base_ms(), steps.join(", "))?;
    writeln!(text, "{slope} = {}", fit.slope_ns())?;
    writeln!(text, "{levels} = {}\n{contexts} = {}\n", span(fit.levels), span(fit.contexts))
}

fn write_errors(text: &mut String, phase: &str, errors: &FitErrors) -> std::fmt::Result {
    writeln!(text, "[fit.{phase}]\npoints = {}", errors.n_points)?;
    for (kind, Errors { mape_percent, worst_percent }) in
        [("", errors.in_sample), ("left_out_", errors.left_out), ("level_out_", errors.level_out)]
    {
        writeln!(text, "{kind}mape_percent = {mape_percent:.2}\n{kind}worst_percent = {worst_percent:.2}")?;
    }
    Ok(())
}

fn layout_keys(layout: KvLayout) -> [(&'static str, String); 5] {
    match layout {
        KvLayout::Heads { layers, kv_heads, head_dim, dtype_bytes } => [
            ("layout", quoted("heads")),
            ("layers", layers.to_string()),
            ("kv_heads", kv_heads.to_string()),
            ("head_dim", head_dim.to_string()),
            ("dtype_bytes", dtype_bytes.to_string()),
        ],
        KvLayout::Latent { layers, latent_dim, rope_dim, dtype_bytes } => [
            ("layout", quoted("latent")),
            ("layers", layers.to_string()),
            ("latent_dim", latent_dim.to_string()),
            ("rope_dim", rope_dim.to_string()),
            ("dtype_bytes", dtype_bytes.to_string()),
        ],
    }
}

/// A string as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
