//! Hexadecimal text, as signatures and digests are written on the wire.
//!
//! Senders disagree about the case, so reading takes both; writing is always lower case.

use std::fmt::Write;

/// Writes bytes as lower-case hexadecimal text.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing into a String cannot fail");
            text
        })
}

/// Reads exactly `N` bytes from hexadecimal text of either case; anything else is `None`.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    #[test]
    fn both_cases_are_read_and_lower_case_is_written() {
        assert_eq!(decode::<3>("00fFa9"), Some([0x00, 0xff, 0xa9]));
        assert_eq!(encode(&[0x00, 0xff, 0xa9]), "00ffa9");
    }

    #[test]
    fn wrong_lengths_and_foreign_characters_are_refused() {
        for text in [
            "", "0", "00fFa", "00ffa900", "00ffg9", "00ff+9", "0x00ff", "é0ff9", "００",
        ] {
            assert_eq!(decode::<3>(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back(bytes in any::<[u8; 16]>()) {
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
            assert_eq!(decode(&encode(&bytes).to_uppercase()), Some(bytes));
        }
    }
}
