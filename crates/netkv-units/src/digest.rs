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

impl Digest {
    /// The digest that is printed so; none of anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let mut bytes = [0; 16];
        if text.len() != 2 * bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hexadecimal(&self.0))
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// SHA-256 of a file's bytes, in hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_print_as_32_hex_digits_of_sha256() {
        assert_eq!(Digester::new().bytes(b"abc").finish().to_string(), "ba7816bf8f01cfea414140de5dae2223");
    }

    #[test]
    fn digits_are_those_of_format_and_are_read_back() {
        for number in 0..500 {
            let digest = Digester::new().u64(number).finish();
            let slow: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((digest.to_string(), Digest::parse(&slow)), (slow, Some(digest)));
        }
        let digest = Digester::new().finish().to_string();
        let changed = [&digest[1..], &format!("{digest}0"), &format!("+{}", &digest[1..]), &digest.to_uppercase(), ""];
        assert!(changed.iter().all(|text| Digest::parse(text).is_none()));
    }

    #[test]
    fn floats_count_by_their_bits() {
        assert_ne!(Digester::new().f64(0.0).finish(), Digester::new().f64(-0.0).finish());
    }
}
