//! Which prompts decode instances compute themselves.

use super::seconds::POSITIVE_SECONDS;
use crate::reader::{Range, Reader};
use netkv_sim::{KvConfig, LocalPrefillConfig, LocalRule, MixedPass, PrefillConfig, PrefillMode};
use netkv_units::SimDuration;

/// Most tokens of a chunk or of what a prompt may lack. Chosen by us.
const MAX_TOKENS: u32 = 1 << 20;

/// The rule, with the parameters of every rule: they are checked, used or not.
pub(super) fn read_local_prefill(
    reader: &mut Reader<'_>,
    prefill: Option<&PrefillConfig>,
    kv: Option<&KvConfig>,
) -> Option<LocalPrefillConfig> {
    const KEY: &str = "local_prefill.rule";
    let rule =
        reader.choice(KEY, &[("never", "never"), ("short", "short"), ("deflect", "deflect"), ("session", "session")]);
    let chunk_tokens = reader.count("local_prefill.chunk_tokens", 1, MAX_TOKENS);
    let pass = reader.choice("local_prefill.pass", &[("separate", MixedPass::Separate), ("joint", MixedPass::Joint)]);
    let max_tokens = reader.count("local_prefill.max_tokens", 1, MAX_TOKENS);
    let max_ratio = reader.float("local_prefill.max_ratio", Range::above(0.0, 1.0));
    let tbt_limit_ms = reader.float("local_prefill.tbt_limit_ms", POSITIVE_SECONDS);
    let margin_factor = reader.float("local_prefill.margin_factor", Range::closed(1.0, 1e6));
    let min_chunk_tokens = reader.count("local_prefill.min_chunk_tokens", 1, MAX_TOKENS);
    let min_hit_ratio = reader.float("local_prefill.min_hit_ratio", Range::above(0.0, 1.0));
    let (rule, max_tokens, max_ratio, min_hit_ratio) = (rule?, max_tokens?, max_ratio?, min_hit_ratio?);
    let tbt_limit = SimDuration::from_secs_f64(tbt_limit_ms? * 1e-3);
    let (margin_factor, min_chunk_tokens) = (margin_factor?, min_chunk_tokens?);
    if rule == "deflect" && prefill.is_some_and(|prefill| prefill.engine == PrefillMode::Delay) {
        reader.fail(
            KEY,
            "local_prefill.rule = \"deflect\" shortens the wait for prefill, and there is none with prefill.engine = \
             \"delay\"; allowed with prefill.engine = \"batched\"",
        );
    }
    if ["short", "session"].contains(&rule) && kv.is_some_and(|kv| !kv.prefix_caching) {
        let message = format!(
            "local_prefill.rule = \"{rule}\" keeps prompts of which a decode instance holds a part, and with \
             kv.prefix_caching = false none ever does; allowed with it: \"never\", \"deflect\""
        );
        reader.fail(KEY, &message);
    }
    let rule = match rule {
        "short" => LocalRule::Short { max_tokens, max_ratio },
        "deflect" => LocalRule::Deflect { tbt_limit, margin_factor, min_chunk_tokens },
        "session" => LocalRule::Session { min_hit_ratio },
        _ => LocalRule::Never,
    };
    Some(LocalPrefillConfig { rule, chunk_tokens: chunk_tokens?, pass: pass? })
}
