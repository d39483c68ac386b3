//! Layerwise transfer: a layer's KV cache leaves as soon as it is computed, while later layers still are (Splitwise,
//! ISCA '24; Mooncake, FAST '25).
//!
//! The flows of such a transfer enter the network when prefill begins, for all their bytes, and are held to what there
//! is to send: at the start of each prefill batch a flow's cap becomes what will be there at the end of the batch, less
//! what it has sent, over the time until then. A batch computes its layers one after the other at an even pace, so all
//! but the last one are there before it ends, and what is sent at an even rate up to that end never runs ahead of them by
//! more than a layer. With the end of the last batch the cap falls, and the last layer follows. Once a flow has been
//! held up by the network, it catches up within the next batch, or after prefill.

use netkv_units::{BytesPerSec, Nanobytes, SimTime};

/// How far the prefill of a prompt is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Tokens whose KV cache is there, all layers of it.
    pub present: u32,
    /// Tokens that the batch computes which ends at `until`.
    pub computing: u32,
    pub until: SimTime,
}

impl Progress {
    /// Of `input_tokens - skipped_tokens` tokens that are moved, the bytes that are there just before the batch ends: all
    /// of those present, and all layers but the last of those computed.
    pub(super) fn bytes_there(&self, skipped_tokens: u32, bytes_per_token: u64, layers: u32) -> u64 {
        let present = self.present.max(skipped_tokens);
        let computing = (self.present + self.computing).saturating_sub(present);
        let whole = u64::from(present - skipped_tokens) * bytes_per_token;
        whole + u64::from(computing) * bytes_per_token * u64::from(layers - 1) / u64::from(layers)
    }
}

/// The rate that moves `work` in `nanos`; none at the very end.
pub(super) fn even_rate(work: Nanobytes, nanos: u64) -> BytesPerSec {
    BytesPerSec::new(work.get().checked_div(u128::from(nanos)).unwrap_or(0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_layers_of_present_tokens_are_there_and_all_but_one_of_those_computed() {
        let progress = Progress { present: 100, computing: 50, until: SimTime::ZERO };
        assert_eq!(progress.bytes_there(0, 800, 80), 100 * 800 + 50 * 790);
        assert_eq!(progress.bytes_there(120, 800, 80), 30 * 790);
        assert_eq!(progress.bytes_there(150, 800, 80), 0);
        assert_eq!(progress.bytes_there(200, 800, 80), 0);
        assert_eq!(progress.bytes_there(0, 800, 1), 100 * 800, "of one layer nothing is there before the end");
    }
}
