//! No way back: an older version is refused, however well it is signed, unless the configuration or the operator allows it in so many words.
//!
//! Whoever can make offers could otherwise bring back a build with a known hole, with the publisher's own signature.

use cloud_emulator::{Carrier, Claims, Package, SigningKey, TaskState};
use e2e::{Programs, Stand};
use serde_json::json;

use crate::telltale::{STARTS, Served, Site, telltale};

/// What the platform is told about an older version.
fn older(version: &str, running: &str) -> String {
    format!("the offer is against the rules: {version} is older than {running}, which runs")
}

#[test]
fn an_older_version_is_refused_with_the_reason_and_not_even_its_signature_is_fetched() {
    let mut stand = Stand::new();
    {
        let mut site = Site::with(&stand, "1.10.0");
        // By the standard of semantic versions, where numbers are numbers and a pre-release comes before its release.
        for version in ["1.9.0", "1.9.9", "0.99.0", "1.10.0-rc.2", "1.10.0-alpha"] {
            let package = stand.package(&telltale(&stand, version));
            let words = older(version, "1.10.0");
            let served = site.refuses(version, package.carrier(Carrier::Url), -1, &words);
            assert_eq!(served, Served::NOTHING, "{version}");
        }
        site.takes(
            "1.10.1-rc.1",
            stand.package(&telltale(&stand, "1.10.1-rc.1")),
        );
    }
    stand.set("update.allow_downgrade", true);
    let mut site = Site::again(&stand, "1.10.1-rc.1");
    site.takes("1.9.0", stand.package(&telltale(&stand, "1.9.0")));
}

#[test]
fn versions_that_are_not_semantic_have_the_order_people_expect() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "2024.10_b7");
    for version in [
        "2024.9_b12",
        "2024.10",
        "2024.10-b8",
        "2024.10_a9",
        "2024.10_b6",
        "2024.010_b006",
        "1.0.0",
    ] {
        let package = stand.package(&telltale(&stand, version));
        let served = site.refuses(version, package, -1, &older(version, "2024.10_b7"));
        assert_eq!(served, Served::NOTHING, "{version}");
    }
    // The first is another text for the same version.
    for version in ["2024.10_b07", "2024.10_b10", "v1"] {
        site.takes(version, stand.package(&telltale(&stand, version)));
    }
}

#[test]
fn an_old_image_with_its_own_good_signature_is_not_passed_off_as_a_newer_one() {
    let stand = Stand::new();
    let site = Site::with(&stand, "1.0.7");
    let old = telltale(&stand, "1.0.0");
    let text = stand.upload(&old).minisig().unwrap().to_owned();
    let offered_as =
        |version: &str, text: &str| Package::from_path(version, &old.path).minisig(text);
    let words = "the seal is for version `1.0.0`, not `1.0.8`";
    for (name, text, step, words) in [
        ("the whole as it was", &*text, -3, words),
        (
            "its words changed",
            &text.replace("1.0.0", "1.0.8"),
            -3,
            "its words were changed",
        ),
    ] {
        let served = site.refuses(name, offered_as("1.0.8", text), step, words);
        assert_eq!(served, Served::NOTHING, "{name}");
    }
    let package = offered_as("1.0.0", &text);
    let served = site.refuses("under its own name", package, -1, &older("1.0.0", "1.0.7"));
    assert_eq!(served, Served::NOTHING);
    // Nor may it be called anything that only looks like the running version.
    let words = "the seal is for version `1.0.0`, not `1.0.07`";
    let served = site.refuses("almost the same", offered_as("1.0.07", &text), -3, words);
    assert_eq!(served, Served::NOTHING);
}

#[test]
fn a_quarantined_build_is_refused_however_it_is_signed_or_called() {
    let mut stand = Stand::new();
    let second = SigningKey::generate();
    let keys = [stand.publisher.public(), second.public()];
    stand.set("update.keys", format!("{keys:?}"));
    stand.set("update.tries", 1);
    let mut site = Site::with(&stand, "1.0.0");
    let journal = stand.misfit_journal_path(STARTS);
    let bad = stand.misfit(&json!({ "version": "1.0.8", "do": "unfit", "journal": journal }));
    stand.offer(&bad);
    stand.await_task(TaskState::Failed);
    site.supervisor.await_rest("1.0.0");
    let words = "this build failed 1 times and is quarantined";
    let target = Programs::under_test().target();
    let again = |version: &str, key: &SigningKey| {
        let claims = Claims::of(target).saying("built", "again");
        Package::from_path(version, &bad.path).claimed(key, claims)
    };
    for (name, package) in [
        ("as it was", stand.package(&bad)),
        ("signed anew", again("1.0.8", &stand.publisher)),
        ("signed with another key", again("1.0.8", &second)),
        ("called a newer version", again("1.0.9", &stand.publisher)),
    ] {
        let served = site.refuses(name, package, -1, words);
        assert_eq!(served, Served::NOTHING, "{name}");
    }
    site.takes(
        "one that is right",
        stand.package(&telltale(&stand, "1.0.9")),
    );
}
