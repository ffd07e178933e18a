use serde_json::{Value as Json, json};

use super::*;
use crate::{
    alink::codec::{Digest, DigestMethod, OfferFrom, parse_offer},
    record::{Ended, Job, JobId, Owed, Record, Slot, SlotId, Stage},
};

/// An offer with these fields changed or added.
fn offer(changes: &Json) -> Offer {
    let mut data = json!({
        "size": 10, "version": "1.0.7", "url": "https://firmware.example/x",
        "sign": "d41d8cd98f00b204e9800998ecf8427e", "signMethod": "Md5",
    });
    for (name, value) in changes.as_object().unwrap() {
        data[name] = value.clone();
    }
    let push = json!({"code": "1000", "id": 1, "message": "success", "data": data});
    parse_offer(push.to_string().as_bytes(), OfferFrom::Push)
        .unwrap()
        .unwrap()
}

fn refusal(changes: &Json, policy: &Policy) -> String {
    wanted(&offer(changes), policy).unwrap_err().to_string()
}

fn digest(n: u8) -> Digest {
    Digest::from_hex(DigestMethod::Md5, &format!("{n:02x}").repeat(16)).unwrap()
}

fn want(version: &str, n: u8) -> Wanted {
    Wanted {
        version: version.parse().unwrap(),
        files: vec![WantedFile {
            name: None,
            size: 10,
            source: Place::Url("https://firmware.example/x".to_owned()),
            digests: vec![digest(n)],
            digest_sign: None,
            seal: None,
        }],
        by: Origin::Cloud,
        brought: false,
    }
}

fn slot(id: u64, version: &str) -> Slot {
    Slot {
        id: SlotId(id),
        version: version.parse().unwrap(),
        sha256: format!("sha-of-{version}"),
        size: 10,
        package: None,
    }
}

fn running(version: &str) -> Ledger {
    Ledger::new(Record {
        active: Some(slot(1, version)),
        ..Record::default()
    })
}

#[test]
fn an_offer_of_one_whole_image_over_https_is_wanted_as_it_is() {
    let wanted = wanted(&offer(&json!({})), &Policy::default())
        .unwrap()
        .unwrap();
    assert_eq!(wanted.version.as_str(), "1.0.7");
    let [file] = &wanted.files[..] else {
        panic!("{wanted:?}");
    };
    let url = Place::Url("https://firmware.example/x".to_owned());
    assert_eq!((&file.name, &file.source), (&None, &url));
    assert_eq!((wanted.size(), wanted.digests().len()), (10, 1));
    assert_eq!(wanted.by, Origin::Cloud);
}

#[test]
fn another_modules_offer_is_left_alone_whatever_is_in_it() {
    let policy = Policy::default();
    let other = offer(&json!({"module": "MCU", "isDiff": 1}));
    assert_eq!(wanted(&other, &policy), Ok(None));
    let module = Some("MCU".to_owned());
    let policy = Policy { module, ..policy };
    assert!(wanted(&other, &policy).is_err());
    assert_eq!(wanted(&offer(&json!({})), &policy), Ok(None));
}

#[test]
fn what_cannot_be_had_is_refused_with_its_reason() {
    let policy = Policy::default();
    let text = refusal(&json!({"isDiff": 1}), &policy);
    assert!(text.contains("delta"), "{text}");
    let text = refusal(&json!({"size": (1_u64 << 30) + 1}), &policy);
    assert!(text.contains("1073741825"), "{text}");
    let text = refusal(&json!({"url": "http://firmware.example/x"}), &policy);
    assert!(text.contains("plain http"), "{text}");
    let stream = json!({"dProtocol": "mqtt", "streamId": 1, "streamFileId": 1, "url": null,
        "size": (16 << 20) + 1});
    let text = refusal(&stream, &policy);
    assert!(text.contains("MQTT"), "{text}");
    let budget = Some(9);
    let policy = Policy { budget, ..policy };
    let text = refusal(&json!({}), &policy);
    assert!(text.contains("at most 9 bytes"), "{text}");
    let budget = Some(10);
    let policy = Policy { budget, ..policy };
    assert!(wanted(&offer(&json!({})), &policy).is_ok());
}

#[test]
fn an_image_in_blocks_is_wanted_from_its_stream() {
    let stream = json!({"dProtocol": "mqtt", "streamId": 7, "streamFileId": 1, "url": null});
    let wanted = wanted(&offer(&stream), &Policy::default())
        .unwrap()
        .unwrap();
    let (stream_id, file_id) = (7, 1);
    assert_eq!(wanted.files[0].source, Place::Blocks { stream_id, file_id });
}

fn several(names: &[&str]) -> Json {
    let file = |name: &&str| {
        json!({
            "fileName": name, "fileSize": 4, "fileUrl": format!("https://firmware.example/{name}"),
            "fileMd5": "d41d8cd98f00b204e9800998ecf8427e",
        })
    };
    json!({"files": names.iter().map(file).collect::<Vec<_>>()})
}

fn with_entry(name: &str) -> Policy {
    Policy {
        entry: Some(name.parse().unwrap()),
        ..Policy::default()
    }
}

#[test]
fn a_package_of_several_files_is_wanted_whole_and_in_the_order_of_its_names() {
    let wanted = wanted(&offer(&several(&["oven", "model"])), &with_entry("oven"))
        .unwrap()
        .unwrap();
    let names = wanted.files.iter().map(|file| file.name.as_ref().unwrap());
    assert_eq!(
        names.map(FileName::as_str).collect::<Vec<_>>(),
        ["model", "oven"]
    );
    assert_eq!(wanted.size(), 8);
    assert_eq!(wanted.digests().len(), 1, "it is known by its list");
}

#[test]
fn a_package_that_is_not_whole_or_names_what_it_may_not_is_refused() {
    let entry = with_entry("oven");
    let refused = [
        (
            several(&["oven", "model"]),
            Policy::default(),
            "update.entry",
        ),
        (
            several(&["model"]),
            entry.clone(),
            "no file is named `oven`",
        ),
        (several(&["oven", "OVEN"]), entry.clone(), "two files"),
        (several(&["oven", "../x"]), entry.clone(), "../x"),
        (several(&["oven", "slot.json"]), entry, "slot.json"),
    ];
    for (changes, policy, word) in refused {
        let text = refusal(&changes, &policy);
        assert!(text.contains(word), "{text}");
    }
}

#[test]
fn two_packages_that_share_a_file_are_not_the_same() {
    let read = |changes: &Json| {
        wanted(&offer(changes), &with_entry("oven"))
            .unwrap()
            .unwrap()
    };
    let one = read(&several(&["oven", "model"]));
    let other = read(&several(&["oven", "sound"]));
    assert!(one.is_same(&read(&several(&["model", "oven"]))));
    assert!(!one.is_same(&other));
}

#[test]
fn a_signature_in_the_packages_own_text_is_taken_as_text_or_out_of_an_object() {
    let seal = |text: &str| {
        let changes = json!({"extData": {"_package_udi": text}});
        let wanted = wanted(&offer(&changes), &Policy::default())
            .unwrap()
            .unwrap();
        wanted.files[0].seal.clone()
    };
    let text = "untrusted comment: x\nRUQ=\n";
    assert_eq!(seal(text).as_deref(), Some(text));
    let object = json!({"minisig": text, "note": 1}).to_string();
    assert_eq!(seal(&object).as_deref(), Some(text));
    for other in ["", "hello", "{}", "[1]", "{\"minisig\": 1}"] {
        assert_eq!(seal(other), None, "{other}");
    }
}

#[test]
fn plain_http_is_taken_where_the_operator_allows_it() {
    let policy = Policy {
        allow_http: true,
        ..Policy::default()
    };
    let offer = offer(&json!({"url": "http://firmware.example/x"}));
    assert!(wanted(&offer, &policy).unwrap().is_some());
}

#[test]
fn the_running_version_is_running_and_another_is_installed() {
    let ledger = running("1.0.0");
    let policy = Policy::default();
    let verdict = |wanted| weigh(&wanted, &ledger, Busy::Idle, &policy);
    assert_eq!(verdict(want("1.0.0", 1)), Verdict::Running);
    assert_eq!(verdict(want("1.0.7", 1)), Verdict::Install);
}

#[test]
fn an_older_version_is_refused_unless_the_configuration_or_the_operator_allows_it() {
    let ledger = running("1.10.0");
    let policy = Policy::default();
    let refused = weigh(&want("1.9.0", 1), &ledger, Busy::Idle, &policy);
    let Verdict::Refuse(outcome) = refused else {
        panic!("{refused:?}");
    };
    let text = outcome.to_string();
    assert!(text.contains("1.9.0 is older than 1.10.0"), "{text}");
    let by = |allow_downgrade| Wanted {
        by: Origin::Operator { allow_downgrade },
        brought: true,
        ..want("1.9.0", 1)
    };
    assert!(matches!(
        weigh(&by(false), &ledger, Busy::Idle, &policy),
        Verdict::Refuse(_)
    ));
    assert_eq!(
        weigh(&by(true), &ledger, Busy::Idle, &policy),
        Verdict::Install
    );
    let lenient = Policy {
        allow_downgrade: true,
        ..policy
    };
    assert_eq!(
        weigh(&want("1.9.0", 1), &ledger, Busy::Idle, &lenient),
        Verdict::Install
    );
    // A device without a worker takes any version.
    let empty = Ledger::default();
    assert_eq!(
        weigh(&want("1.9.0", 1), &empty, Busy::Idle, &Policy::default()),
        Verdict::Install
    );
}

#[test]
fn during_a_job_its_own_offer_is_that_job_and_any_other_waits() {
    let mut ledger = running("1.0.0");
    let (id, stage) = (JobId(2), Stage::Open);
    let wanted = want("1.0.7", 1);
    let verdict = None;
    ledger.record.job = Some(Job {
        id,
        wanted,
        stage,
        at_once: false,
        verdict,
        superseded: false,
    });
    let policy = Policy::default();
    let verdict = |wanted| weigh(&wanted, &ledger, Busy::Job, &policy);
    assert_eq!(verdict(want("1.0.7", 1)), Verdict::SameJob);
    assert_eq!(verdict(want("1.0.7", 2)), Verdict::Remember);
    assert_eq!(verdict(want("1.0.8", 1)), Verdict::Remember);
    assert_eq!(verdict(want("1.0.0", 1)), Verdict::Running);
    let by = Origin::Operator {
        allow_downgrade: true,
    };
    let by_hand = Wanted {
        by,
        ..want("1.0.0", 1)
    };
    assert_eq!(verdict(by_hand), Verdict::Remember);
    let verdict = |wanted| weigh(&wanted, &ledger, Busy::Leaving, &policy);
    assert_eq!(verdict(want("1.0.0", 1)), Verdict::Remember);
}

#[test]
fn a_build_is_refused_once_its_tries_are_used_up_and_not_before() {
    let mut ledger = running("1.0.0");
    let policy = Policy::default();
    for starts in 1..=3 {
        assert_eq!(
            weigh(&want("1.0.7", 1), &ledger, Busy::Idle, &policy),
            Verdict::Install
        );
        assert_eq!(ledger.spend(&slot(2, "1.0.7"), &[digest(1)]), starts);
    }
    let refused = Verdict::Refuse(Outcome::Quarantined { starts: 3 });
    assert_eq!(
        weigh(&want("1.0.7", 1), &ledger, Busy::Idle, &policy),
        refused
    );
    // The same bytes under another name are the same build; other bytes under the same name are not.
    assert_eq!(
        weigh(&want("1.0.8", 1), &ledger, Busy::Idle, &policy),
        refused
    );
    assert_eq!(
        weigh(&want("1.0.7", 2), &ledger, Busy::Idle, &policy),
        Verdict::Install
    );
}

#[test]
fn an_offer_that_was_sent_before_the_platform_knew_how_its_job_ended_is_no_new_one() {
    let policy = Policy::default();
    let mut ledger = running("1.0.0");
    let outcome = Outcome::NotReady {
        why: "the probe is broken".to_owned(),
    };
    ledger.record.last_outcome = Some(Ended {
        version: "1.0.7".parse().unwrap(),
        at: crate::time::Wall(5),
        outcome: Some(outcome.clone()),
    });
    let job = JobId(2);
    let version = Some("1.0.7".parse().unwrap());
    ledger.record.owed = vec![Owed {
        job,
        outcome,
        version,
    }];
    for busy in [Busy::Job, Busy::Idle] {
        assert_eq!(
            weigh(&want("1.0.7", 1), &ledger, busy, &policy),
            Verdict::Ended
        );
    }
    assert_eq!(
        weigh(&want("1.0.8", 1), &ledger, Busy::Idle, &policy),
        Verdict::Install
    );
    let by_hand = Wanted {
        by: Origin::Operator {
            allow_downgrade: false,
        },
        brought: true,
        ..want("1.0.7", 1)
    };
    assert_eq!(
        weigh(&by_hand, &ledger, Busy::Idle, &policy),
        Verdict::Install
    );
    // An update that ended after that and is not owed is none of it.
    ledger.record.last_outcome.as_mut().unwrap().version = "1.0.9".parse().unwrap();
    assert_eq!(
        weigh(&want("1.0.9", 1), &ledger, Busy::Idle, &policy),
        Verdict::Install
    );
    assert_eq!(
        weigh(&want("1.0.7", 1), &ledger, Busy::Idle, &policy),
        Verdict::Ended
    );
    // A record of before does not say which version it is about.
    ledger.record.owed[0].version = None;
    assert_eq!(
        weigh(&want("1.0.9", 1), &ledger, Busy::Idle, &policy),
        Verdict::Ended
    );
    ledger.record.owed.clear();
    assert_eq!(
        weigh(&want("1.0.7", 1), &ledger, Busy::Idle, &policy),
        Verdict::Install
    );
}
