use super::*;

const BEGAN: u64 = 1_764_000_000_000;

fn line(after: u64, level: Level, job: Option<u64>, turn: Option<Turn>, text: &str) -> Line {
    let text = turn.as_ref().map_or(text.to_owned(), ToString::to_string);
    Line {
        at: Wall(BEGAN + after),
        level,
        text,
        tenure: None,
        job,
        turn,
    }
}

fn began(job: u64, to: &str) -> Line {
    let turn = Turn::Began {
        from: Some("1.0.0".parse().unwrap()),
        to: to.parse().unwrap(),
        bytes: 9_879_858,
    };
    line(0, Level::Info, Some(job), Some(turn), "")
}

fn good() -> Vec<Line> {
    let version: supervisor_core::alink::version::Version = "1.0.7".parse().unwrap();
    let took_over = Turn::TookOver {
        version: version.clone(),
        gap_ms: Some(4),
    };
    vec![
        line(0, Level::Warn, None, None, "an older story"),
        began(2, "1.0.7"),
        line(
            500,
            Level::Warn,
            Some(2),
            None,
            "the connection broke; try 1 of 8 follows in 310 ms",
        ),
        line(
            2000,
            Level::Info,
            Some(2),
            Some(Turn::Fetched {
                version: version.clone(),
            }),
            "",
        ),
        line(2400, Level::Info, Some(2), Some(took_over), ""),
        line(
            12_400,
            Level::Info,
            Some(2),
            Some(Turn::Trusted { version }),
            "",
        ),
        line(13_000, Level::Info, None, None, "the cloud link is up"),
        line(14_000, Level::Error, None, None, "the disk is full"),
    ]
}

#[test]
fn a_good_update_is_told_from_its_offer_to_its_trust_and_what_is_grave_since() {
    let text = Story::last(&good()).text(false);
    let wanted = "\
An update from version 1.0.0 to 1.0.7 (9.9 MB) began on 2025-11-24 at 16:00:00 UTC.
It was done in 12.4 s: version 1.0.7 is trusted.
Nobody ran the device for 4 ms in the switch.

2025-11-24
  16:00:00.0   Version 1.0.7 is to be installed, 9879858 bytes.
  16:00:00.5 ! The connection broke; try 1 of 8 follows in 310 ms.
  16:00:02.0   The image of version 1.0.7 is whole and verified.
  16:00:02.4   Version 1.0.7 runs and is being proved; nobody ran the device for 4 ms.
  16:00:12.4   Version 1.0.7 is trusted.

Since then:
2025-11-24
  16:00:14.0 ✗ The disk is full.

Nothing needs to be done.
";
    assert_eq!(text, wanted);
}

#[test]
fn a_failed_update_says_why_and_how_the_version_is_let_in_again() {
    let why = "the new worker was unwell: it died".to_owned();
    let failed = line(3000, Level::Warn, Some(3), Some(Turn::Failed { why }), "");
    let text = Story::last(&[began(3, "1.0.8"), failed]).text(false);
    assert!(
        text.contains("It failed after 3.0 s: the new worker was unwell: it died.\n"),
        "{text}"
    );
    assert!(text.contains("`supervisor release 1.0.8`"), "{text}");
}

#[test]
fn an_update_under_way_has_not_ended_and_the_end_of_another_is_not_its_own() {
    let mut lines = good();
    lines.push(began(4, "1.0.9"));
    let version = "1.0.7".parse().unwrap();
    lines.push(line(
        5,
        Level::Info,
        Some(2),
        Some(Turn::Trusted { version }),
        "",
    ));
    let story = Story::last(&lines);
    assert_eq!(story.update.as_ref().unwrap().result, Ended::UnderWay);
    assert!(story.text(false).contains("It has not ended yet."));
}

#[test]
fn before_the_first_update_only_what_is_out_of_order_is_told() {
    assert_eq!(Story::last(&[]).text(false), "No update is on record.\n");
    let text = Story::last(&good()[..1]).text(false);
    assert!(
        text.contains(
            "What was out of order lately:\n2025-11-24\n  16:00:00.0 ! An older story.\n"
        ),
        "{text}"
    );
}

#[test]
fn at_a_terminal_what_is_grave_stands_out_and_a_workers_words_bring_no_sequences() {
    let said = line(0, Level::Warn, None, None, "it said \x1b[2J\"ouch\"");
    let text = Story::last(&[said]).text(true);
    assert!(
        text.contains("\x1b[33m ! It said [2J\"ouch\".\x1b[0m"),
        "{text:?}"
    );
}

#[test]
fn programs_get_the_same_as_one_object() {
    let lines = good();
    let value = serde_json::to_value(Story::last(&lines)).unwrap();
    assert_eq!(value["update"]["result"], "trusted");
    assert_eq!(value["update"]["gap_ms"], 4);
    assert_eq!(value["story"].as_array().unwrap().len(), 5);
    assert_eq!(value["story"][0]["turn"]["began"]["to"], "1.0.7");
    assert_eq!(value["since"][0]["level"], "error");
    assert_eq!(Story::all(&lines).story.len(), lines.len());
}
