use super::*;
use crate::{
    alink::codec::DigestMethod,
    event::{Command, SaveId},
    outcome::Outcome,
    time::Ticks,
};

fn slot(n: u64) -> Slot {
    Slot {
        id: SlotId(n),
        version: format!("1.0.{n}").parse().unwrap(),
        sha256: format!("sha{n}"),
        size: 5,
        package: None,
    }
}

fn digest(method: DigestMethod, n: u64) -> Digest {
    let length = if method == DigestMethod::Md5 { 32 } else { 64 };
    Digest::from_hex(method, &format!("{n:0length$x}")).unwrap()
}

fn owed(n: u64) -> Owed {
    Owed {
        job: JobId(n),
        outcome: Outcome::NeverHello,
        version: Some(format!("1.0.{n}").parse().unwrap()),
    }
}

#[test]
fn a_full_record_comes_back_as_it_was() {
    let md5 = digest(DigestMethod::Md5, 7);
    let file = |name: &str, source| WantedFile {
        name: Some(name.parse().unwrap()),
        size: 1 << 33,
        source,
        digests: vec![md5],
        digest_sign: Some("c2lnbg==".to_owned()),
        seal: Some("untrusted comment: x\n".to_owned()),
    };
    let url = "https://firmware.example/x?a=b&c".to_owned();
    let (stream_id, file_id) = (7, 1);
    let wanted = Wanted {
        version: "2.0.0".parse().unwrap(),
        files: vec![
            file("a", Source::Url(url)),
            file("b", Source::Blocks { stream_id, file_id }),
            file("c", Source::Path("/media/usb/c".to_owned())),
        ],
        by: Origin::Operator {
            allow_downgrade: true,
        },
        brought: true,
    };
    let mut ledger = Ledger::new(Record {
        active: Some(slot(1)),
        former: Some(slot(0)),
        next_slot: 9,
        job: Some(Job {
            id: JobId(8),
            wanted,
            stage: Stage::Trial { slot: slot(8) },
            at_once: true,
            verdict: Some(Outcome::NeverHello),
            superseded: true,
        }),
        last_update: Some(Wall(5)),
        ..Record::default()
    });
    ledger.owe(owed(3));
    ledger.spend(&slot(8), &[md5]);
    let text = serde_json::to_string(&ledger.record).unwrap();
    assert_eq!(
        serde_json::from_str::<Record>(&text).unwrap(),
        ledger.record
    );
}

#[test]
fn an_older_record_is_read_with_what_it_lacks_left_out() {
    let record: Record = serde_json::from_str("{}").unwrap();
    assert_eq!(record, Record::default());
    let older = r#"{"job":{"id":4,"wanted":{"version":"1.0.4","size":5,"url":"u","digests":[]},"stage":"Open"}}"#;
    let record: Record = serde_json::from_str(older).unwrap();
    let job = record.job.unwrap();
    assert_eq!((job.verdict, job.wanted.size()), (None, 5));
    assert!(!job.superseded);
    let older = r#"{"owed":[{"job":3,"outcome":"NeverHello"}]}"#;
    let record: Record = serde_json::from_str(older).unwrap();
    assert_eq!((record.owed.len(), &record.owed[0].version), (1, &None));
    assert_eq!(job.wanted.files[0].source, Source::Url("u".to_owned()));
}

#[test]
fn what_a_newer_record_adds_or_means_otherwise_never_costs_the_slots() {
    let mut json = serde_json::to_value(Record {
        active: Some(slot(1)),
        former: Some(slot(0)),
        owed: vec![owed(1), owed(2)],
        ..Record::default()
    })
    .unwrap();
    json["mood"] = "good".into();
    json["active"]["colour"] = "red".into();
    json["job"] = serde_json::json!({"id": 4, "stage": {"Floating": {}}});
    json["owed"][0]["outcome"] = "WasTired".into();
    json["strikes"] = "many".into();
    json["last_outcome"] = 7.into();
    let record: Record = serde_json::from_value(json).unwrap();
    assert_eq!(record.active, Some(slot(1)));
    assert_eq!(record.former, Some(slot(0)));
    assert_eq!((record.job, record.owed), (None, vec![owed(2)]));
    assert_eq!((record.strikes, record.last_outcome), (vec![], None));
}

#[test]
fn strikes_and_what_is_owed_are_bounded_and_the_oldest_goes_first() {
    let mut ledger = Ledger::default();
    for n in 0..100 {
        ledger.spend(&slot(n), &[digest(DigestMethod::Md5, n)]);
        ledger.owe(owed(n));
    }
    assert_eq!(ledger.record.strikes.len(), MOST_STRIKES);
    assert_eq!(ledger.record.owed.len(), MOST_OWED);
    assert_eq!(ledger.starts(&[digest(DigestMethod::Md5, 0)]), 0);
    assert_eq!(ledger.starts(&[digest(DigestMethod::Md5, 99)]), 1);
    assert_eq!(ledger.record.owed[0], owed(68));
}

#[test]
fn a_build_is_known_by_its_image_and_by_every_digest_it_was_offered_with() {
    let mut ledger = Ledger::default();
    let (md5, sha) = (
        digest(DigestMethod::Md5, 1),
        digest(DigestMethod::Sha256, 1),
    );
    ledger.spend(&slot(1), &[md5]);
    assert_eq!(ledger.starts(&[sha]), 0);
    assert_eq!(ledger.starts_of(&slot(1), &[sha]), 1);
    assert_eq!(ledger.spend(&slot(1), &[sha]), 2);
    assert_eq!((ledger.starts(&[md5]), ledger.starts(&[sha])), (2, 2));
    for n in 0..100 {
        ledger.spend(&slot(1), &[digest(DigestMethod::Md5, n)]);
    }
    assert!(ledger.record.strikes[0].digests.len() <= 8);
    ledger.forgive(&slot(1));
    assert_eq!(ledger.record.strikes, []);
}

#[test]
fn what_nobody_waits_for_is_saved_after_the_others_and_again_some_time_after_a_failure() {
    let mut ledger = Ledger::default();
    let mut out = Vec::new();
    let save = ledger.save(&mut out);
    ledger.untidy();
    ledger.tidy(Ticks(0), &mut out);
    assert_eq!(out.len(), 1, "it overtook a save under way");
    ledger.saved(save);
    ledger.tidy(Ticks(0), &mut out);
    assert!(matches!(
        out[1],
        Command::Save {
            save: SaveId(1),
            ..
        }
    ));
    ledger.failed(SaveId(1), Ticks(0));
    ledger.tidy(Ticks(1), &mut out);
    assert_eq!(out.len(), 2, "a full disk is tried in a loop");
    let at = ledger.next_deadline().unwrap();
    ledger.tidy(at, &mut out);
    assert_eq!(out.len(), 3);
    ledger.saved(SaveId(2));
    assert_eq!(ledger.next_deadline(), None);
}

#[test]
fn what_is_dropped_of_what_is_owed_is_counted_and_a_record_without_that_looks_as_before() {
    let mut ledger = Ledger::default();
    assert!(
        !serde_json::to_string(&ledger.record)
            .unwrap()
            .contains("dropped")
    );
    for job in 0..40 {
        ledger.owe(owed(job));
    }
    assert_eq!(
        (ledger.record.owed.len(), ledger.record.dropped),
        (MOST_OWED, 8)
    );
    assert_eq!(ledger.record.owed[0].job, JobId(8), "the oldest go first");
    let text = serde_json::to_string(&ledger.record).unwrap();
    assert_eq!(
        serde_json::from_str::<Record>(&text).unwrap(),
        ledger.record
    );
}

#[test]
fn what_an_operator_brought_stays_so_when_the_platform_comes_to_want_it_too() {
    for source in [
        Source::Path("/media/stick/oven".to_owned()),
        Source::Url("https://firmware.example/oven".to_owned()),
    ] {
        let brought = crate::operator::Brought {
            source: source.clone(),
            version: "1.0.7".parse().unwrap(),
            size: 7,
            digest: Digest::Sha256([7; 32]),
            allow_downgrade: false,
        };
        let mut wanted = brought.wanted();
        let offered = Wanted {
            by: Origin::Cloud,
            brought: false,
            ..wanted.clone()
        };
        wanted.renew(offered);
        assert!(wanted.is_reported() && wanted.brought, "{source:?}");
        let text = serde_json::to_string(&wanted).unwrap();
        assert_eq!(serde_json::from_str::<Wanted>(&text).unwrap(), wanted);
        // Records of before say nothing of it; there an operator's image is a file.
        let before = text.replace(",\"brought\":true", "");
        assert_ne!(before, text);
        let read: Wanted = serde_json::from_str(&before).unwrap();
        assert_eq!(read.brought, matches!(source, Source::Path(_)));
    }
}
