//! Named random streams over xoshiro256++, and the few samplers that the models need.
//!
//! A stream is derived from (seed, purpose, index) by SHA-256, so adding a stream changes no other one and
//! two policies compared on one seed see the same arrivals, background traffic and placement (common random
//! numbers). Samplers are ours, over `libm`: the standard library's `ln` differs from platform to platform in
//! the last bit.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use sha2::{Digest as _, Sha256};

/// A stream of random numbers with one purpose.
#[derive(Clone, Debug)]
pub struct Stream(Xoshiro256PlusPlus);

impl Stream {
    /// The stream of `seed` for `purpose`.
    pub fn new(seed: u64, purpose: &str) -> Self {
        Self::indexed(seed, purpose, 0)
    }

    /// The `index`-th stream of `seed` for `purpose`: one for each link, say.
    pub fn indexed(seed: u64, purpose: &str, index: u64) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_le_bytes());
        hash.update(index.to_le_bytes());
        hash.update(purpose.as_bytes());
        Self(Xoshiro256PlusPlus::from_seed(hash.finalize().into()))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..n, without bias (Lemire's multiply and reject).
    ///
    /// # Panics
    /// If `n` is zero.
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n > 0, "an empty range has no element to draw");
        let threshold = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.bits()) * u128::from(n);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// Exponential with the given mean, in the mean's unit.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        // 1 - unit() is in (0, 1], so the logarithm is finite.
        -mean * libm::log(1.0 - self.unit())
    }

    /// Puts `items` in a uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_other_names_seeds_or_indices_differ() {
        let first = |mut stream: Stream| stream.bits();
        let base = first(Stream::new(1, "arrivals"));
        assert_eq!(base, first(Stream::new(1, "arrivals")));
        assert_ne!(base, first(Stream::new(2, "arrivals")));
        assert_ne!(base, first(Stream::new(1, "background")));
        assert_ne!(base, first(Stream::indexed(1, "arrivals", 1)));
    }

    #[test]
    fn samplers_have_the_means_they_promise() {
        let mut stream = Stream::new(7, "test");
        let n = 200_000;
        let mut sums = [0.0; 3];
        for _ in 0..n {
            sums[0] += stream.unit();
            sums[1] += stream.exponential(3.0);
            sums[2] += stream.below(10) as f64;
        }
        let means = sums.map(|sum| sum / f64::from(n));
        assert!((means[0] - 0.5).abs() < 0.003, "{means:?}");
        assert!((means[1] - 3.0).abs() < 0.03, "{means:?}");
        assert!((means[2] - 4.5).abs() < 0.03, "{means:?}");
    }

    #[test]
    fn a_shuffle_is_a_permutation() {
        let mut items: Vec<u32> = (0..100).collect();
        Stream::new(3, "test").shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
