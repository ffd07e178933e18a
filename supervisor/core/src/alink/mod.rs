//! The cloud's dialect: how to log in, which topics there are, and what their JSON says.
//!
//! Everything the platform writes or reads passes here and nowhere else, as pure functions over text and bytes. What comes
//! out are types that cannot be wrong; what cannot be made into one is refused with a fault that names the field and shows
//! at most a few characters of what was found, because the other side of the wire may be hostile. This module refuses to
//! decide anything: whether an offer may be installed is the plan's business, whether a value suits the device the device's.

pub mod codec;
pub mod hex;
pub mod login;
pub mod topics;
pub mod version;

/// At most this many characters of foreign text appear in a fault.
const SHOWN_CHARACTERS: usize = 64;

/// Makes foreign text fit to be shown in one line: bounded, without control characters, and unable to close a back-tick.
pub(crate) fn shown(text: &str) -> String {
    let mut rest = text.chars();
    let mut out: String = rest
        .by_ref()
        .take(SHOWN_CHARACTERS)
        .map(|c| match c {
            '`' => '\'',
            c if c.is_control() => char::REPLACEMENT_CHARACTER,
            c => c,
        })
        .collect();
    if rest.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_is_bounded_and_stays_in_its_line_and_its_back_ticks() {
        assert_eq!(shown("1.0.7"), "1.0.7");
        assert_eq!(shown("a\nb`c\0"), "a\u{fffd}b'c\u{fffd}");
        assert_eq!(shown(&"x".repeat(64)), "x".repeat(64));
        let cut = shown(&"炉".repeat(5_000));
        assert_eq!(cut.chars().count(), 64);
        assert!(cut.ends_with('…'));
    }
}
