//! The generator's own random numbers: SplitMix64, with one stream for each session.
//!
//! Apart from the project's named streams, so that a generated trace stays the same file as that of the reference
//! implementation, whose checksums are published with it.

/// Streams that belong to no session; sessions use their number plus a small offset.
pub(super) const STRATA_STREAM: u64 = 0x00FA_CADE;
/// The stream of the start times of sessions.
pub(super) const STARTS_STREAM: u64 = 0x000A_11CE;
/// The stream of the tool calls.
pub(super) const TOOLS_STREAM: u64 = 0x7001;
/// The stream of the arrivals of the synthetic trace.
pub(super) const ARRIVALS_STREAM: u64 = 7;
/// Streams of the knobs, beyond the numbers of all sessions: which sessions a rate keeps, ...
pub(super) const KEPT_STREAM: u64 = (1 << 40) + 1;
/// ... which prompts share more or less, ...
pub(super) const SHARING_STREAM: u64 = (1 << 40) + 2;
/// ... and when there are bursts.
pub(super) const BURSTS_STREAM: u64 = (1 << 40) + 3;

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators" (OOPSLA 2014), as in Java's
/// `SplittableRandom`.
pub(super) struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream of `seed` with this number.
    pub(super) fn stream(seed: u64, number: u64) -> Self {
        // Multiplier of the reference implementation: an odd constant that spreads small numbers over 64 bits.
        Self(Self(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95)).bits())
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in 0..n, but for a bias of n / 2^64.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// `kept` with probability `keep_probability`, else a new uniform.
    pub(super) fn keep_or_redraw(&mut self, kept: f64, keep_probability: f64) -> f64 {
        if self.unit() < keep_probability { kept } else { self.unit() }
    }
}

/// `n` uniforms, one in each n-th of [0, 1), in random order: their distribution is exact.
pub(super) fn stratified(seed: u64, n: usize) -> Vec<f64> {
    let mut random = SplitMix64::stream(seed, STRATA_STREAM);
    let mut uniforms: Vec<f64> = (0..n).map(|stratum| (stratum as f64 + random.unit()) / n as f64).collect();
    for last in (1..n).rev() {
        uniforms.swap(last, random.below(last + 1));
    }
    uniforms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_published_generator() {
        // First outputs of java.util.SplittableRandom's mix for seed 1234567, from the reference C implementation.
        let mut random = SplitMix64(1_234_567);
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn strata_hold_one_uniform_each() {
        let mut uniforms = stratified(5, 100);
        uniforms.sort_by(f64::total_cmp);
        assert!(uniforms.iter().enumerate().all(|(stratum, u)| (u * 100.0).floor() == stratum as f64));
    }
}
