//! Digests: a short name for a result, equal exactly when the result is.

use sha2::{Digest as _, Sha256};
use std::fmt;

/// The first 128 bits of a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 16]);

/// Collects what a [`Digest`] is taken of.
#[derive(Clone, Default)]
pub struct Digester(Sha256);

impl Digester {
    /// A digester that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// Adds a number.
    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    /// Adds a float by its bits: 0.0 and -0.0 differ.
    pub fn f64(&mut self, value: f64) -> &mut Self {
        self.u64(value.to_bits())
    }

    /// The digest of all that was added.
    pub fn finish(&self) -> Digest {
        let full = self.0.clone().finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        Digest(short)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// SHA-256 of a file's bytes, in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_print_as_32_hex_digits_of_sha256() {
        assert_eq!(Digester::new().bytes(b"abc").finish().to_string(), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn floats_count_by_their_bits() {
        assert_ne!(Digester::new().f64(0.0).finish(), Digester::new().f64(-0.0).finish());
    }
}
