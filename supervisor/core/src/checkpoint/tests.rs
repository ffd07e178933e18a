use super::*;
use crate::{event::Command, record::frame::Damage, time::Ticks};

/// 2026-01-01T00:00:00Z.
const NEW_YEAR: u64 = 1_767_225_600_000;

fn boot(name: &str) -> Boot {
    Boot::Named(name.to_owned())
}

fn checkpoint(at: Option<u64>, boot: Option<Boot>) -> Checkpoint {
    Checkpoint {
        slot: SlotId(3),
        version: Some("1.0.7".parse().unwrap()),
        at: at.map(Wall),
        boot,
        snapshot: r#"{"target":180.0}"#.to_owned(),
    }
}

fn memory(number: u64, snapshot: &str) -> Memory {
    Memory {
        number,
        slot: SlotId(3),
        version: None,
        snapshot: snapshot.as_bytes().to_vec(),
        at: Some(Wall(NEW_YEAR)),
        source: Source::Heard(Ticks(number)),
    }
}

fn now(ticks: u64, wall: u64) -> Now {
    Now {
        ticks: Ticks(ticks),
        wall: Wall(wall),
    }
}

#[test]
fn what_was_written_is_read_back_and_its_layout_is_a_promise() {
    let checkpoint = checkpoint(Some(NEW_YEAR), Some(boot("b")));
    let bytes = checkpoint.encode(7);
    assert_eq!(Checkpoint::decode(&bytes), Ok((7, checkpoint)));
    assert_eq!(bytes[..20], *b"hotstate\x01\0\0\0\x07\0\0\0\0\0\0\0");
    let body = br#"{"slot":3,"version":"1.0.7","at":1767225600000,"boot":{"named":"b"},"snapshot":"{\"target\":180.0}"}"#;
    assert_eq!(bytes[24..bytes.len() - 32], body[..]);
    let since = self::checkpoint(None, Boot::since(1_767_225_600));
    let text = serde_json::to_string(&since).unwrap();
    assert!(text.contains(r#""boot":{"since":1767225600}"#), "{text}");
}

#[test]
fn a_checkpoint_cut_anywhere_or_with_any_bit_flipped_is_not_taken() {
    let whole = checkpoint(Some(NEW_YEAR), Some(boot("b"))).encode(7);
    for length in 0..whole.len() {
        assert!(
            Checkpoint::decode(&whole[..length]).is_err(),
            "cut at {length}"
        );
    }
    for place in 0..whole.len() {
        let mut torn = whole.clone();
        torn[place] ^= 0x10;
        assert!(Checkpoint::decode(&torn).is_err(), "flipped at {place}");
    }
    let mut long = whole;
    long.push(0);
    assert_eq!(Checkpoint::decode(&long), Err(Damage::Torn));
}

#[test]
fn a_record_is_no_checkpoint_and_a_later_format_is_told() {
    let record = crate::record::Record::default().encode(1);
    assert_eq!(Checkpoint::decode(&record), Err(Damage::Foreign));
    let later = Frame {
        format: 2,
        ..Checkpoint::FRAME
    };
    let later = later.wrap(1, b"{}");
    assert_eq!(
        Checkpoint::decode(&later),
        Err(Damage::Later {
            format: 2,
            number: 1
        })
    );
    assert_eq!(
        Checkpoint::decode(&Checkpoint::FRAME.wrap(1, b"{}")),
        Err(Damage::Content { number: 1 })
    );
}

#[test]
fn an_older_checkpoint_lacks_fields_a_newer_one_has_more_and_both_are_read() {
    let read = |body: &str| {
        Checkpoint::decode(&Checkpoint::FRAME.wrap(1, body.as_bytes()))
            .unwrap()
            .1
    };
    let bare = read(r#"{"slot":3,"snapshot":"{\"target\":180.0}"}"#);
    let expected = Checkpoint {
        version: None,
        ..checkpoint(None, None)
    };
    assert_eq!(bare, expected);
    let strange = read(
        r#"{"slot":3,"version":7,"at":"noon","boot":{"moon":3},"mood":"good","snapshot":"{\"target\":180.0}"}"#,
    );
    assert_eq!(strange, expected);
}

#[test]
fn a_longest_snapshot_fits_whatever_is_in_it() {
    let longest = Checkpoint {
        snapshot: "\u{1}".repeat(192 * 1024),
        version: Some("1".repeat(64).parse().unwrap()),
        ..checkpoint(Some(u64::MAX), Some(boot(&"b".repeat(1000))))
    };
    assert!(longest.encode(u64::MAX).len() <= Checkpoint::LONGEST);
}

#[test]
fn cause_and_age_are_never_better_than_what_is_known() {
    use Cause::{PowerCut, SupervisorLost};
    let old = 1_000_000;
    let (before, after) = (NEW_YEAR, NEW_YEAR + 5_000);
    let since = |seconds| Some(Boot::Since(seconds));
    let named = |name| Some(boot(name));
    for (what, at, then, this, wall, cause, age) in [
        (
            "the machine ran on",
            Some(before),
            named("a"),
            named("a"),
            after,
            SupervisorLost,
            Some(5000),
        ),
        (
            "it was off",
            Some(before),
            named("a"),
            named("b"),
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "nobody knows the run then",
            Some(before),
            None,
            named("a"),
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "nobody knows this run",
            Some(before),
            named("a"),
            None,
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "nobody knows either",
            Some(before),
            None,
            None,
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "runs without a name",
            Some(before),
            named(""),
            named(""),
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "the same start",
            Some(before),
            since(99),
            since(99),
            after,
            SupervisorLost,
            Some(5000),
        ),
        (
            "a start that wobbles",
            Some(before),
            since(99),
            since(100),
            after,
            SupervisorLost,
            Some(5000),
        ),
        (
            "another start",
            Some(before),
            since(99),
            since(101),
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "a name and a start",
            Some(before),
            named("99"),
            since(99),
            after,
            PowerCut,
            Some(5000),
        ),
        (
            "the clock went back",
            Some(after),
            named("a"),
            named("a"),
            before,
            SupervisorLost,
            None,
        ),
        (
            "it went back over a cut",
            Some(after),
            named("a"),
            named("b"),
            before,
            PowerCut,
            None,
        ),
        (
            "it was not set then",
            Some(old),
            named("a"),
            named("b"),
            after,
            PowerCut,
            None,
        ),
        (
            "it is not set now",
            Some(old),
            named("a"),
            named("b"),
            old + 9,
            PowerCut,
            None,
        ),
        (
            "it never was, in one run",
            Some(old),
            named("a"),
            named("a"),
            old + 9,
            SupervisorLost,
            Some(9),
        ),
        (
            "no time was kept",
            None,
            named("a"),
            named("a"),
            after,
            SupervisorLost,
            None,
        ),
    ] {
        let memory = checkpoint(at, then).recall(this.as_ref(), now(40, wall));
        // Whatever the worker starts for by now, what was lost before counts; and the age grows.
        let handed = memory.handover(Cause::RollBack, Ticks(140));
        assert_eq!(handed.snapshot, br#"{"target":180.0}"#, "{what}");
        assert_eq!(
            (handed.cause, handed.age_ms),
            (cause, age.map(|age| age + 100)),
            "{what}"
        );
    }
}

#[test]
fn a_start_by_a_clock_that_was_not_set_tells_no_run_from_another() {
    assert_eq!(Boot::since(30), None);
    assert_eq!(Boot::since(1_767_225_600), Some(Boot::Since(1_767_225_600)));
}

/// A schedule, and what it has ordered.
struct Desk {
    schedule: Schedule,
    memory: Option<Memory>,
}

impl Desk {
    fn new() -> Self {
        let mut schedule = Schedule::new(Duration::from_secs(10));
        schedule.start(Some(boot("b")), None);
        Self {
            schedule,
            memory: None,
        }
    }

    fn say(&mut self, number: u64, snapshot: &str) {
        self.memory = Some(memory(number, snapshot));
    }

    /// The snapshot that goes to the disk at this moment.
    fn at(&mut self, ticks: u64) -> Option<String> {
        let mut out = Vec::new();
        self.schedule
            .tend(now(ticks, NEW_YEAR), self.memory.as_ref(), &mut out);
        written(out)
    }

    fn end(&mut self, ticks: u64) -> Option<String> {
        let mut out = Vec::new();
        self.schedule
            .end(now(ticks, NEW_YEAR), self.memory.as_ref(), &mut out);
        written(out)
    }

    fn due(&self) -> Option<u64> {
        let at = self.schedule.next_deadline(self.memory.as_ref());
        at.map(|at| at.0)
    }
}

fn written(mut out: Vec<Command>) -> Option<String> {
    assert!(out.len() <= 1, "{out:?}");
    match out.pop()? {
        Command::SaveCheckpoint(checkpoint) => {
            assert_eq!(checkpoint.boot, Some(boot("b")));
            Some(checkpoint.snapshot)
        }
        other => panic!("{other:?}"),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn the_first_word_goes_to_the_disk_at_once_and_the_newest_of_the_others_every_ten_seconds() {
    let mut desk = Desk::new();
    assert_eq!((desk.due(), desk.at(0)), (None, None));
    desk.say(1, "one");
    assert_eq!(desk.at(100), some("one"));
    desk.say(2, "two");
    assert_eq!(
        (desk.due(), desk.at(20_000)),
        (None, None),
        "one is under way"
    );
    assert_eq!(desk.schedule.saved(), None);
    assert_eq!(desk.due(), Some(10_100));
    desk.say(3, "three");
    assert_eq!(desk.at(10_099), None);
    assert_eq!(desk.at(10_100), some("three"));
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let mut desk = Desk::new();
    desk.say(1, "one");
    assert_eq!(desk.at(0), some("one"));
    desk.schedule.saved();
    assert_eq!((desk.due(), desk.at(99_999)), (None, None));
    desk.say(2, "one");
    assert_eq!(desk.at(99_999), None);
    assert_eq!(desk.due(), None);
    desk.say(3, "two");
    assert_eq!(desk.at(99_999), some("two"));
    desk.schedule.saved();
    // Nor is what lies there from the supervisor before.
    let mut desk = Desk::new();
    let found = Memory {
        number: 0,
        ..memory(0, "one")
    };
    desk.schedule.start(Some(boot("b")), Some(&found));
    desk.memory = Some(found);
    assert_eq!((desk.due(), desk.at(5), desk.end(5)), (None, None, None));
    desk.say(1, "one");
    assert_eq!((desk.at(5), desk.due()), (None, None));
}

#[test]
fn what_matters_does_not_wait_and_is_written_once() {
    let mut desk = Desk::new();
    desk.say(1, "one");
    desk.at(0);
    desk.say(2, "handed over");
    desk.schedule.hurry();
    assert_eq!(desk.at(5), None, "one is under way");
    desk.schedule.saved();
    assert_eq!(desk.at(6), some("handed over"));
    desk.schedule.saved();
    desk.say(3, "three");
    assert_eq!((desk.at(7), desk.due()), (None, Some(10_006)));
}

#[test]
fn what_is_handed_over_waits_for_its_workers_end_and_never_long() {
    let mut desk = Desk::new();
    desk.say(1, "handed over");
    desk.schedule.handed(Ticks(5));
    assert_eq!((desk.at(5), desk.due()), (None, Some(25)));
    desk.schedule.gone(Ticks(6));
    assert_eq!(desk.at(6), some("handed over"));
    desk.schedule.saved();
    // One that hangs is not waited for, nor does the pause between two writes matter.
    desk.say(2, "handed over again");
    desk.schedule.handed(Ticks(100));
    assert_eq!(desk.at(119), None);
    assert_eq!(desk.at(120), some("handed over again"));
    desk.schedule.saved();
    // An end without a word before it is nothing to hurry for.
    desk.say(3, "three");
    desk.schedule.gone(Ticks(200));
    assert_eq!((desk.at(200), desk.due()), (None, Some(10_120)));
}

#[test]
fn the_last_word_is_written_at_the_end_and_no_failure_keeps_the_end_waiting() {
    let mut desk = Desk::new();
    desk.say(1, "one");
    desk.at(0);
    desk.say(2, "last");
    assert_eq!(desk.end(5), None, "one is under way");
    assert!(!desk.schedule.is_settled());
    desk.schedule.saved();
    assert_eq!(desk.end(6), some("last"));
    assert!(desk.schedule.failed("no room", Ticks(7)).is_some());
    assert_eq!(desk.end(8), None);
    assert!(desk.schedule.is_settled());
}

#[test]
fn a_failure_is_told_once_in_a_while_and_tried_again_for_ever() {
    let mut desk = Desk::new();
    desk.say(1, "one");
    let (mut at, mut told) = (0, 0);
    for _ in 0..1000 {
        assert_eq!(desk.at(at), some("one"), "{at}");
        told += u32::from(desk.schedule.failed("no room", Ticks(at + 1)).is_some());
        let due = desk.due().unwrap();
        assert!(due >= at + 10_000, "{at} {due}");
        at = due;
    }
    // 1,000 times ten seconds are not three hours.
    assert_eq!(told, 3);
    assert_eq!(desk.at(at), some("one"));
    let word = desk.schedule.saved().unwrap();
    assert!(word.contains("after 1000 failures"), "{word}");
    assert_eq!(desk.due(), None);
}

#[test]
fn words_that_are_no_text_are_left_out() {
    let mut desk = Desk::new();
    desk.memory = Some(Memory {
        snapshot: vec![0xff],
        ..memory(1, "")
    });
    assert_eq!((desk.at(0), desk.due()), (None, None));
}
