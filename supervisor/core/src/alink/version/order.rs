//! Which of two versions is the older one, as far as their texts tell.
//!
//! The platform gives versions no order and lets every product name them as it likes. Semantic versions have the order of
//! their standard, all others the one people expect of file names. The two contradict each other: of `1.0.0-rc1` and `1.0.0`
//! the first is older by the standard and the second by its name. So that three versions are never each older than the
//! next in a ring, a semantic version's pre-release counts only between equal cores.

use std::cmp::Ordering;

use semver::Prerelease;

use super::Version;

impl Version {
    /// Whether this version comes before the other one in [`Version::precedence`].
    #[must_use]
    pub fn is_older_than(&self, other: &Self) -> bool {
        self.precedence(other) == Ordering::Less
    }

    /// Orders two versions, the older one first. Different texts may be equally old: `1.0` and `1.00`.
    ///
    /// Two semantic versions (<https://semver.org>) have semantic precedence: `1.9.0`, `1.10.0-rc.2`, `1.10.0-rc.10`, `1.10.0`.
    ///
    /// Otherwise their natural order counts. Each text is parted into runs of digits and runs of other characters, which are
    /// compared one by one until two differ. Runs of digits compare as numbers, however long, with leading zeros ignored;
    /// other runs compare by their ASCII characters; where digits meet another run, the first characters decide, so that
    /// digits come after `-` and `.` and before `_` and letters. A text that ends where the other goes on is the older one:
    /// `1.9`, `1.10`, `1.10-a`, `1.10.1`.
    ///
    /// A semantic version meets one that is not with its core (`1.10.0` of `1.10.0-rc.2`); if the cores are equally old, a
    /// pre-release is the older one.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Ordering {
        let ((core, pre), (other_core, other_pre)) = (parts(&self.0), parts(&other.0));
        natural(core, other_core).then_with(|| pre.cmp(&other_pre))
    }
}

/// Parts a semantic version into its core, whose natural order is the semantic one, and its pre-release. Any other text is all
/// core. Build metadata cannot occur: `+` is no character of a version.
fn parts(text: &str) -> (&str, Prerelease) {
    match (semver::Version::parse(text), text.split_once('-')) {
        (Ok(version), Some((core, _))) => (core, version.pre),
        _ => (text, Prerelease::EMPTY),
    }
}

fn natural(a: &str, b: &str) -> Ordering {
    runs(a).cmp(runs(b))
}

/// The runs of a text, each as something to compare: its first byte, or `0` for every number; how many digits a number has;
/// and the characters, of a number without its leading zeros.
fn runs(text: &str) -> impl Iterator<Item = (u8, usize, &[u8])> {
    text.as_bytes()
        .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        .map(|run| {
            if !run[0].is_ascii_digit() {
                return (run[0], 0, run);
            }
            let zeros = run.iter().take_while(|digit| **digit == b'0').count();
            let digits = &run[zeros..];
            (b'0', digits.len(), digits)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Strategy, prop_assert_eq, prop_assert_ne, prop_oneof, proptest};

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn is_in_order(texts: &[&str]) {
        for (place, a) in texts.iter().enumerate() {
            for (other, b) in texts.iter().enumerate() {
                let told = version(a).precedence(&version(b));
                assert_eq!(told, place.cmp(&other), "{a} and {b}");
                assert_eq!(version(a).is_older_than(&version(b)), place < other);
            }
        }
    }

    #[test]
    fn semantic_versions_have_the_order_of_their_standard() {
        // The example of semver.org, section 11.
        is_in_order(&[
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.9.0",
            "1.10.0-0",
            "1.10.0-a-b",
            "1.10.0",
            "2.0.0",
            "2.1.0",
            "2.1.1",
            "18446744073709551615.0.0",
        ]);
    }

    #[test]
    fn other_versions_have_their_natural_order() {
        is_in_order(&[
            "1", "1.0", "1.0-rc1", "1.0-rc2", "1.0-rc10", "1.0.1", "1.1", "1.1a", "1.2", "1.10",
        ]);
        is_in_order(&["2026.9.1_a", "2026.10.01_a", "2026.10.1_b", "2026.10.02"]);
        is_in_order(&[
            "9", "R9", "V", "V1", "V1.0", "V2", "V10", "VER", "_1", "v1", "v1.2.3", "v1.10.0",
        ]);
        is_in_order(&["a", "a1", "a-1", "a.1", "a_1", "ab"]);
        let (nines, one) = ("9".repeat(63), format!("1{}", "0".repeat(63)));
        is_in_order(&["18446744073709551616", &nines, &one]);
    }

    #[test]
    fn leading_zeros_make_no_version_older() {
        let one = version("1.0");
        for text in ["1.00", "01.0", "0000000000000000000000000000001.0"] {
            assert_eq!(version(text).precedence(&one), Ordering::Equal, "{text}");
            assert_ne!(version(text), one);
        }
    }

    #[test]
    fn versions_of_both_kinds_meet_by_their_cores() {
        is_in_order(&[
            "1",
            "1.0",
            "1.0.0-alpha",
            "1.0.0",
            "1.0.0-x_1",
            "1.0.0.1",
            "1.0.1-alpha",
            "1.1",
            "1.1.0",
            "1.9",
            "1.10.0",
            "v1.0.0",
        ]);
    }

    #[test]
    fn three_versions_of_both_kinds_are_never_older_than_each_other_in_a_ring() {
        // By semantic precedence the first is older than the second; by natural order of the whole texts the second were
        // older than the third, and the third older than the first.
        let [first, second, third] = ["1.0.0-rc1", "1.0.0", "1.0.0-a_"].map(version);
        assert!(first.is_older_than(&second));
        assert!(second.is_older_than(&third));
        assert!(!third.is_older_than(&first));
    }

    /// Versions of both kinds with one core, where a ring would be.
    fn close_version() -> impl Strategy<Value = Version> {
        "0?1\\.0\\.0(-[ar]?_?)?".prop_map(|text| version(&text))
    }

    /// Texts of both kinds that often have a beginning in common.
    fn any_version() -> impl Strategy<Value = Version> {
        prop_oneof![
            "[0-2]\\.[0-2]\\.[0-2](-(a|rc|0|10|2|-)(\\.(a|1|0|b))?)?",
            "0?[0-2](\\.0?[0-2]){0,3}[-._]?(a|rc|0|10)?_?[01]?",
            "[01a._-]{1,6}",
            "[0-9]{1,30}(\\.[0-9]{1,30})?",
            "[A-Za-z0-9._-]{1,64}",
        ]
        .prop_filter_map("only dots are no version", |text| text.parse().ok())
    }

    /// The natural order once more: texts whose plain order of characters is the order wanted. Each number is as long as the
    /// longest there can be, and an end that comes before every character stands between it and what precedes it.
    fn sortable(text: &str) -> String {
        let mut key = String::new();
        for (place, c) in text.char_indices() {
            let goes_on = text[..place].ends_with(|it: char| it.is_ascii_digit());
            if !c.is_ascii_digit() {
                key.push(c);
            } else if !goes_on {
                let number = &text[place..];
                let end = number.find(|it: char| !it.is_ascii_digit());
                let end = end.unwrap_or(number.len());
                let mark = if place == 0 { "" } else { "\0" };
                key += &format!("{mark}{:0>64}", &number[..end]);
            }
        }
        key
    }

    proptest! {
        #[test]
        fn semantic_versions_agree_with_the_standards_own_crate(
            a in "(0|[1-9][0-9]{0,2})(\\.(0|[12])){2}(-[0-9a-cA-C-]{1,3}(\\.[a1-]{1,2})?)?",
            b in "(0|[1-9][0-9]{0,2})(\\.(0|[12])){2}(-[0-9a-cA-C-]{1,3}(\\.[a1-]{1,2})?)?",
        ) {
            if let (Ok(left), Ok(right)) = (semver::Version::parse(&a), semver::Version::parse(&b)) {
                prop_assert_eq!(version(&a).precedence(&version(&b)), left.cmp_precedence(&right), "{} {}", a, b);
            }
        }

        #[test]
        fn natural_order_is_that_of_the_model(a in any_version(), b in any_version()) {
            let model = sortable(&a.0).cmp(&sortable(&b.0));
            prop_assert_eq!(natural(&a.0, &b.0), model, "{} {}", a, b);
        }

        #[test]
        fn of_two_versions_one_is_older_or_neither_is(a in any_version(), b in any_version()) {
            prop_assert_eq!(a.precedence(&b), b.precedence(&a).reverse(), "{} {}", a, b);
            prop_assert_eq!(a.precedence(&a), Ordering::Equal);
            prop_assert_eq!(a.is_older_than(&b), b.precedence(&a) == Ordering::Greater);
        }

        #[test]
        fn close_versions_are_in_no_ring(a in close_version(), b in close_version(), c in close_version()) {
            let (ab, bc, ac) = (a.precedence(&b), b.precedence(&c), a.precedence(&c));
            if ab != Ordering::Greater && bc != Ordering::Greater {
                prop_assert_eq!(ac, ab.min(bc), "{} {} {}", a, b, c);
            }
        }

        #[test]
        fn what_is_older_than_something_older_is_older(a in any_version(), b in any_version(), c in any_version()) {
            let mut three = [a, b, c];
            three.sort_by(Version::precedence);
            let [a, b, c] = &three;
            let (ab, bc, ac) = (a.precedence(b), b.precedence(c), a.precedence(c));
            prop_assert_eq!(ac, ab.min(bc), "{} {} {}", a, b, c);
            prop_assert_ne!(ac, Ordering::Greater, "{} {}", a, c);
        }
    }
}
