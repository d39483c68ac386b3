//! Where latencies were measured, and what lies beyond.

use crate::span::Span;

/// What was measured: beyond it latencies are extrapolated. Or what an experiment asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyRange {
    /// Tokens computed in a prefill batch.
    pub prefill_batch_tokens: Span,
    /// Tokens of a prompt, those computed earlier included.
    pub prefill_context_tokens: Span,
    /// Requests in a decode batch.
    pub decode_batch: Span,
    /// Context of a decoding request, in tokens.
    pub decode_context_tokens: Span,
}

impl LatencyRange {
    /// The range that holds both.
    pub(crate) fn joined(self, other: Self) -> Self {
        Self {
            prefill_batch_tokens: self.prefill_batch_tokens.joined(other.prefill_batch_tokens),
            prefill_context_tokens: self.prefill_context_tokens.joined(other.prefill_context_tokens),
            decode_batch: self.decode_batch.joined(other.decode_batch),
            decode_context_tokens: self.decode_context_tokens.joined(other.decode_context_tokens),
        }
    }

    /// What of `asked` was not measured, in words: one sentence for each dimension.
    pub(crate) fn lacks(&self, asked: &Self) -> Vec<String> {
        let dimensions = [
            ("prefill batches of", "tokens", self.prefill_batch_tokens, asked.prefill_batch_tokens),
            ("prompts of", "tokens", self.prefill_context_tokens, asked.prefill_context_tokens),
            ("decode batches of", "requests", self.decode_batch, asked.decode_batch),
            ("decoding contexts of", "tokens", self.decode_context_tokens, asked.decode_context_tokens),
        ];
        let lacking = dimensions.into_iter().filter(|(_, _, measured, asked)| !measured.holds(*asked));
        lacking
            .map(|(what, unit, measured, asked)| {
                let [from, to, low, high] = [asked.low, asked.high, measured.low, measured.high].map(grouped);
                format!("{what} {from} to {to} {unit} (measured: {low} to {high})")
            })
            .collect()
    }
}

/// 126195 as 126,195.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: LatencyRange = LatencyRange {
        prefill_batch_tokens: Span { low: 1, high: 32_768 },
        prefill_context_tokens: Span { low: 1, high: 131_072 },
        decode_batch: Span { low: 4, high: 64 },
        decode_context_tokens: Span { low: 128, high: 1_000_000 },
    };

    #[test]
    fn what_was_measured_lacks_nothing_of_itself() {
        assert!(MEASURED.lacks(&MEASURED).is_empty());
    }

    #[test]
    fn each_dimension_that_is_left_on_either_side_is_told() {
        let asked = LatencyRange {
            prefill_context_tokens: Span { low: 891, high: 131_073 },
            decode_batch: Span { low: 1, high: 64 },
            decode_context_tokens: Span { low: 900, high: 1_234_567 },
            ..MEASURED
        };
        assert_eq!(
            MEASURED.lacks(&asked),
            [
                "prompts of 891 to 131,073 tokens (measured: 1 to 131,072)",
                "decode batches of 1 to 64 requests (measured: 4 to 64)",
                "decoding contexts of 900 to 1,234,567 tokens (measured: 128 to 1,000,000)",
            ]
        );
        let both = MEASURED.joined(asked);
        assert_eq!(
            (both.decode_batch, both.decode_context_tokens),
            (Span { low: 1, high: 64 }, Span { low: 128, high: 1_234_567 })
        );
    }
}
