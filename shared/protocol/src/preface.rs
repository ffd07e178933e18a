//! The first eight bytes each way: which versions are spoken, and which one it will be.
//!
//! They are laid out by hand and never change, because they are what two programs of any two ages must be able to read of
//! each other before they agree on anything else. Integers are little-endian.
//!
//! | bytes | worker → supervisor | supervisor → worker |
//! |---|---|---|
//! | 0..4 | [`MAGIC`] | [`MAGIC`] |
//! | 4..6 | lowest version spoken | chosen version, or 0 for none |
//! | 6..8 | highest version spoken | 0, ignored when read |
//!
//! Version 0 means "none" and is therefore refused in an offer.

/// How every conversation begins.
pub const MAGIC: [u8; 4] = *b"HOTP";

/// The length of a preface, each way.
pub const PREFACE_BYTES: usize = 8;

/// The lowest and highest version of the conversation that one side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    lowest: u16,
    highest: u16,
}

impl Versions {
    /// What this crate speaks.
    pub const OURS: Self = Self {
        lowest: 1,
        highest: 1,
    };

    /// A range of versions; `None` when it is empty or holds the reserved version 0.
    #[must_use]
    pub const fn new(lowest: u16, highest: u16) -> Option<Self> {
        if lowest == 0 || lowest > highest {
            None
        } else {
            Some(Self { lowest, highest })
        }
    }

    /// The worker's eight bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PREFACE_BYTES] {
        join(self.lowest, self.highest)
    }

    /// Reads the worker's eight bytes.
    ///
    /// # Errors
    /// When the magic is another one or the range is empty.
    pub fn from_bytes(bytes: [u8; PREFACE_BYTES]) -> Result<Self, PrefaceError> {
        let (lowest, highest) = split(bytes)?;
        Self::new(lowest, highest).ok_or(PrefaceError::Range { lowest, highest })
    }

    /// The highest version that both sides speak, if there is one.
    #[must_use]
    pub fn choose(self, theirs: Self) -> Option<u16> {
        let lowest = self.lowest.max(theirs.lowest);
        let highest = self.highest.min(theirs.highest);
        (lowest <= highest).then_some(highest)
    }

    /// Whether a version lies in the range.
    #[must_use]
    pub fn contains(self, version: u16) -> bool {
        (self.lowest..=self.highest).contains(&version)
    }
}

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..={}", self.lowest, self.highest)
    }
}

/// The supervisor's eight bytes for a chosen version, or for none.
#[must_use]
pub fn answer_to_bytes(chosen: Option<u16>) -> [u8; PREFACE_BYTES] {
    join(chosen.unwrap_or(0), 0)
}

/// Reads the supervisor's eight bytes: the chosen version, or `None` when there is none in common.
///
/// # Errors
/// When the magic is another one.
pub fn answer_from_bytes(bytes: [u8; PREFACE_BYTES]) -> Result<Option<u16>, PrefaceError> {
    let (chosen, _reserved) = split(bytes)?;
    Ok((chosen != 0).then_some(chosen))
}

/// Why eight bytes are not a preface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefaceError {
    /// Somebody who speaks something else.
    #[error("read the preface: it begins with {0:02x?}")]
    Magic([u8; 4]),
    /// A range in which no version lies.
    #[error("read the preface: no version lies in `{lowest}..={highest}`")]
    Range {
        /// The lowest version offered.
        lowest: u16,
        /// The highest version offered.
        highest: u16,
    },
}

fn join(first: u16, second: u16) -> [u8; PREFACE_BYTES] {
    let [a, b, c, d] = MAGIC;
    let [e, f] = first.to_le_bytes();
    let [g, h] = second.to_le_bytes();
    [a, b, c, d, e, f, g, h]
}

fn split(bytes: [u8; PREFACE_BYTES]) -> Result<(u16, u16), PrefaceError> {
    let [a, b, c, d, e, f, g, h] = bytes;
    let magic = [a, b, c, d];
    if magic != MAGIC {
        return Err(PrefaceError::Magic(magic));
    }
    Ok((u16::from_le_bytes([e, f]), u16::from_le_bytes([g, h])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_an_offer_and_of_an_answer_never_change() {
        let offer = Versions::new(1, 0x0203).unwrap();
        assert_eq!(offer.to_bytes(), *b"HOTP\x01\x00\x03\x02");
        assert_eq!(answer_to_bytes(Some(1)), *b"HOTP\x01\x00\x00\x00");
        assert_eq!(answer_to_bytes(None), *b"HOTP\x00\x00\x00\x00");
    }

    #[test]
    fn an_offer_is_read_back() {
        let offer = Versions::new(2, 7).unwrap();
        assert_eq!(Versions::from_bytes(offer.to_bytes()), Ok(offer));
    }

    #[test]
    fn the_highest_common_version_is_chosen() {
        let range = |lowest, highest| Versions::new(lowest, highest).unwrap();
        assert_eq!(range(1, 3).choose(range(2, 9)), Some(3));
        assert_eq!(range(2, 9).choose(range(1, 3)), Some(3));
        assert_eq!(range(1, 1).choose(range(1, 1)), Some(1));
        assert_eq!(range(1, 2).choose(range(3, 4)), None);
    }

    #[test]
    fn another_magic_is_refused() {
        assert_eq!(
            Versions::from_bytes(*b"GET / HT"),
            Err(PrefaceError::Magic(*b"GET "))
        );
        assert_eq!(
            answer_from_bytes(*b"HTTP/1.1"),
            Err(PrefaceError::Magic(*b"HTTP"))
        );
    }

    #[test]
    fn an_empty_range_and_version_zero_are_refused() {
        for bytes in [b"HOTP\x02\x00\x01\x00", b"HOTP\x00\x00\x01\x00"] {
            assert!(matches!(
                Versions::from_bytes(*bytes),
                Err(PrefaceError::Range { .. })
            ));
        }
    }

    #[test]
    fn an_answer_of_none_is_told_from_a_version_and_its_spare_bytes_are_ignored() {
        assert_eq!(answer_from_bytes(*b"HOTP\x00\x00\xff\xff"), Ok(None));
        assert_eq!(
            answer_from_bytes(*b"HOTP\x02\x01\x00\x00"),
            Ok(Some(0x0102))
        );
    }
}
