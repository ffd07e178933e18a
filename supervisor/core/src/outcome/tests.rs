use super::*;

/// The table: every reason, the platform's step, and a word its line must have.
fn table() -> Vec<(Outcome, i8, &'static str)> {
    let why = || "X".to_owned();
    let fetch = Outcome::Fetch;
    let connection = Outcome::Fetch(FetchFault::Connection(why()));
    let got = 205_588;
    let promised = 9_879_858;
    let short = Outcome::Fetch(FetchFault::Short { got, promised });
    let stalled = Outcome::Fetch(FetchFault::Stalled { seconds: 30 });
    let redirected = Outcome::Fetch(FetchFault::Redirected { to: why() });
    let late = Outcome::Fetch(FetchFault::Late { seconds: 86_400 });
    let unfit = Outcome::Fetch(FetchFault::Unfit { why: why() });
    let long = Outcome::Fetch(FetchFault::Long { promised });
    let other = Outcome::Fetch(FetchFault::OtherDigest { method: why() });
    vec![
        (Outcome::BadOffer { why: why() }, -1, "offer"),
        (Outcome::AgainstPolicy { why: why() }, -1, "rules"),
        (connection, -2, "reached"),
        (Outcome::Fetch(FetchFault::Status(404)), -2, "404"),
        (short, -2, "205588 of 9879858"),
        (stalled, -2, "30 s"),
        (redirected, -2, "redirects"),
        (late, -2, "86400 s"),
        (unfit, -2, "answer"),
        (long, -3, "longer"),
        (other, -3, "digest"),
        (fetch(FetchFault::Disk(why())), -4, "stored"),
        (
            fetch(FetchFault::NoSpace { needed: 2, free: 1 }),
            -4,
            "room",
        ),
        (fetch(FetchFault::BadBlocks { why: why() }), -2, "blocks"),
        (fetch(FetchFault::Unreadable(why())), -2, "read"),
        (fetch(FetchFault::OverBudget { budget: 7 }), -2, "7 bytes"),
        (fetch(FetchFault::DaySpent { budget: 7 }), -2, "a day"),
        (
            fetch(FetchFault::BadDigestSign { why: why() }),
            -3,
            "digest",
        ),
        (fetch(FetchFault::Unsigned), -3, "no publisher"),
        (fetch(FetchFault::OtherKey { key: why() }), -3, "not pinned"),
        (fetch(FetchFault::BadSignature { why: why() }), -3, "hold"),
        (
            fetch(FetchFault::SignedFor { what: why() }),
            -3,
            "something else",
        ),
        (Outcome::Store { why: why() }, -4, "disk"),
        (Outcome::NotStartable { why: why() }, -4, "started"),
        (Outcome::Damaged { why: why() }, -4, "damaged"),
        (Outcome::Unreadable { why: why() }, -4, "cannot be read"),
        (Outcome::OtherVersion { said: why() }, -4, "version"),
        (Outcome::NeverHello, -4, "hello"),
        (Outcome::NotReady { why: why() }, -4, "ready"),
        (Outcome::NotActivated { why: why() }, -1, "take over"),
        (Outcome::NotProved { why: why() }, -1, "prove"),
        (Outcome::Quarantined { starts: 3 }, -1, "quarantined"),
        (Outcome::Cancelled, -1, "cancelled"),
        (Outcome::RolledBack, -1, "rolled back"),
        (
            Outcome::Held {
                by: Hold::Cancelled,
            },
            -1,
            "quarantined",
        ),
        (
            Outcome::Replaced {
                by: "1.0.8".parse().unwrap(),
            },
            -1,
            "version 1.0.8",
        ),
    ]
}

#[test]
fn every_reason_has_the_step_and_the_line_the_table_says() {
    for (outcome, step, word) in table() {
        let line = outcome.to_string();
        assert_eq!(outcome.step(), step, "{line}");
        assert!(line.contains(word), "{line}");
        assert!(line.len() <= 128 && !line.contains('\n'), "{line}");
    }
}

/// Is a line made of these pieces, in this order and with anything between them?
fn fits(line: &str, pattern: &str) -> bool {
    let Some((first, others)) = pattern.split_once('…') else {
        return line == pattern;
    };
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut pieces: Vec<_> = others.split('…').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, behind)) = rest.split_once(piece) else {
            return false;
        };
        rest = behind;
    }
    rest.ends_with(last)
}

#[test]
fn the_operators_guide_says_of_every_reason_what_to_do() {
    let guide = include_str!("../../../OPERATING.md");
    let rows = guide.lines().filter_map(|line| line.strip_prefix("| `"));
    let patterns: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
    for (outcome, step, _) in table() {
        let line = outcome.to_string();
        let heading = guide
            .split("\n### ")
            .find(|part| {
                let rows = part.lines().filter_map(|line| line.strip_prefix("| `"));
                let mut patterns = rows.filter_map(|row| row.split('`').next());
                patterns.any(|pattern| fits(&line, pattern))
            })
            .and_then(|part| part.lines().next());
        let heading = heading.unwrap_or_else(|| panic!("`{line}` is not among {patterns:?}"));
        assert!(
            heading.contains(&format!("(step {step})")),
            "{line}: {heading}"
        );
    }
}

#[test]
fn every_reason_comes_back_from_the_record_as_it_was() {
    for (outcome, ..) in table() {
        let text = serde_json::to_string(&outcome).unwrap();
        assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
    }
}

#[test]
fn only_what_may_pass_is_tried_again() {
    let may_pass = |status| FetchFault::Status(status).may_pass();
    assert!([408, 429, 500, 503, 599].into_iter().all(may_pass));
    assert!(![400, 401, 403, 404, 410, 600].into_iter().any(may_pass));
    let (got, promised) = (1, 2);
    assert!(FetchFault::Short { got, promised }.may_pass());
    assert!(!FetchFault::Long { promised }.may_pass());
    let method = "MD5".to_owned();
    assert!(!FetchFault::OtherDigest { method }.may_pass());
}
