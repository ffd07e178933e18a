use worker_protocol::Value;

use super::*;
use crate::{alink::login::Identity, event::FetchFault};

fn outbox() -> Outbox {
    let topics = Topics::new(&Identity::new("pk", "dn").unwrap());
    Outbox::new(topics, None, 1)
}

fn event(n: usize) -> Raised {
    let event = Identifier::new(&format!("event{n}")).unwrap();
    let outputs = ValueMap::new();
    let at_ms = 5;
    Raised {
        event,
        outputs,
        at_ms,
    }
}

fn report(job: u64) -> Report {
    let outcome = Outcome::Fetch(FetchFault::Status(404));
    let job = Some(JobId(job));
    Report { job, outcome }
}

/// The topics sent, shortened, and the tickets to be acknowledged.
fn sent(outbox: &mut Outbox, now: u64) -> (Vec<String>, Vec<Ticket>) {
    let mut out = Vec::new();
    outbox.flush(Ticks(now), 0, &mut out);
    let mut topics = Vec::new();
    let mut tickets = Vec::new();
    for command in out {
        let Command::Publish { ticket, topic, .. } = command else {
            panic!("{command:?}");
        };
        let topic = topic.replace("/sys/pk/dn/thing/", "");
        topics.push(topic.replace("/ota/device/", "").replace("/pk/dn", ""));
        tickets.extend(ticket);
    }
    (topics, tickets)
}

#[test]
fn the_version_is_informed_before_anything_that_waits() {
    let mut outbox = outbox();
    outbox.raise(event(1));
    outbox.report(report(1));
    outbox.inform("1.0.0".parse().unwrap());
    outbox.inform("1.0.7".parse().unwrap());
    let (topics, _) = sent(&mut outbox, 0);
    assert_eq!(topics, ["inform", "event/event1/post", "progress"]);
}

#[test]
fn what_was_not_acknowledged_is_sent_again_in_order_before_what_came_later() {
    let mut outbox = outbox();
    for n in 1..=3 {
        outbox.raise(event(n));
    }
    let (_, tickets) = sent(&mut outbox, 0);
    assert_eq!(outbox.published(tickets[1]), None);
    outbox.lost();
    outbox.raise(event(4));
    let (topics, _) = sent(&mut outbox, 2000);
    assert_eq!(
        topics,
        [
            "event/event1/post",
            "event/event3/post",
            "event/event4/post"
        ]
    );
    assert_eq!(
        outbox.published(tickets[0]),
        None,
        "an old ticket counts for nothing"
    );
}

#[test]
fn a_report_is_known_again_when_it_is_acknowledged_and_only_then() {
    let mut outbox = outbox();
    outbox.report(report(7));
    let (_, first) = sent(&mut outbox, 0);
    outbox.lost();
    let (topics, second) = sent(&mut outbox, 1);
    assert_eq!(topics, ["progress"]);
    assert_eq!(outbox.published(first[0]), None);
    assert_eq!(outbox.published(second[0]), Some(report(7)));
    assert_eq!(outbox.published(second[0]), None);
}

#[test]
fn what_is_settled_is_never_told_again_and_nothing_else_is() {
    let mut outbox = outbox();
    outbox.report(report(7));
    outbox.raise(event(1));
    let (_, tickets) = sent(&mut outbox, 0);
    outbox.report(report(8));
    outbox.report(report(9));
    outbox.settle(Some(JobId(9)));
    assert_eq!(outbox.published(tickets[0]), None);
    outbox.lost();
    let (topics, tickets) = sent(&mut outbox, 1);
    assert_eq!(topics, ["event/event1/post", "progress"]);
    assert_eq!(outbox.published(tickets[1]), Some(report(9)));
    outbox.settle(None);
    outbox.lost();
    assert_eq!(sent(&mut outbox, 2).0, ["event/event1/post"]);
}

#[test]
fn nothing_is_told_of_a_job_until_the_platform_has_said_which_it_has_or_kept_silent_for_too_long() {
    for says in [true, false] {
        let mut outbox = outbox();
        outbox.report(report(7));
        outbox.raise(event(1));
        outbox.await_word(Ticks(0));
        outbox.inform("1.0.0".parse().unwrap());
        let (topics, tickets) = sent(&mut outbox, 9_999);
        assert_eq!(topics, ["inform", "event/event1/post"]);
        for ticket in tickets {
            outbox.published(ticket);
        }
        let mut at = 10_000;
        assert_eq!(outbox.next_deadline(), Some(Ticks(at)));
        if says {
            outbox.heard_word();
            at = 9_999;
        }
        assert_eq!(sent(&mut outbox, at).0, ["progress"]);
    }
    let mut outbox = outbox();
    outbox.begin();
    outbox.progress(1);
    outbox.await_word(Ticks(0));
    assert_eq!(sent(&mut outbox, 0).0, [""; 0]);
    // Another connection is another question.
    outbox.lost();
    assert_eq!(sent(&mut outbox, 1).0, ["progress"]);
}

#[test]
fn progress_is_told_every_5_percent_or_second_and_the_last_always() {
    let mut outbox = outbox();
    outbox.begin();
    let mut told = Vec::new();
    for (percent, now) in [
        (1, 0),
        (3, 100),
        (6, 200),
        (8, 300),
        (8, 1200),
        (8, 3000),
        (97, 3010),
        (98, 3020),
        (100, 3030),
        (100, 9000),
        (50, 9100),
    ] {
        outbox.progress(percent);
        let (topics, tickets) = sent(&mut outbox, now);
        if !topics.is_empty() {
            told.push((percent, now));
        }
        for ticket in tickets {
            outbox.published(ticket);
        }
    }
    let expected = [(1, 0), (6, 200), (8, 1200), (97, 3010), (100, 3030)];
    assert_eq!(told, expected);
}

#[test]
fn the_newest_progress_is_told_again_after_a_lost_connection() {
    let mut outbox = outbox();
    outbox.begin();
    outbox.progress(40);
    sent(&mut outbox, 0);
    outbox.lost();
    outbox.progress(60);
    assert_eq!(sent(&mut outbox, 10).0, ["progress"]);
    assert_eq!(sent(&mut outbox, 5000).0, Vec::<String>::new());
}

#[test]
fn only_the_newest_value_per_property_is_kept_while_offline() {
    let mut outbox = outbox();
    for n in 0..10_000 {
        outbox.properties([("temperature".to_owned(), Value::Int(n))].into());
    }
    let mut out = Vec::new();
    outbox.flush(Ticks(0), 0, &mut out);
    assert_eq!(out.len(), 1);
    let Command::Publish { payload, .. } = &out[0] else {
        panic!("{out:?}");
    };
    assert!(String::from_utf8_lossy(payload).contains("9999"));
}

#[test]
fn a_worker_that_floods_costs_bounded_memory_and_what_is_dropped_is_counted() {
    let mut outbox = outbox();
    for n in 0..1000 {
        outbox.raise(event(n));
        outbox.report(report(n as u64));
        outbox.properties([(format!("p{n}"), Value::Bool(true))].into());
        outbox.properties([("no name \u{1f}".repeat(n + 1), Value::Bool(true))].into());
    }
    for _ in 0..20 {
        outbox.report(Report {
            job: None,
            ..report(0)
        });
    }
    assert_eq!(outbox.queue.len(), MOST_EVENTS + MOST_OWED + MOST_REFUSALS);
    assert_eq!(outbox.properties.len(), MOST_PROPERTIES);
    let dropped = |count, kept| count - kept as u64;
    let expected = Dropped {
        reports: dropped(20, MOST_REFUSALS),
        events: dropped(1000, MOST_EVENTS),
        properties: dropped(2000, MOST_PROPERTIES),
    };
    assert_eq!(outbox.dropped(), expected);
    let big = Value::Text("x".repeat(100_000));
    for n in 0..100 {
        let mut raised = event(n);
        raised.outputs.insert("text".to_owned(), big.clone());
        outbox.raise(raised);
        outbox.properties([(format!("p{n}"), big.clone())].into());
    }
    let events: usize = outbox.queue.iter().map(Message::weight).sum();
    assert!(events <= MOST_BYTES, "{events}");
    let properties = weight::of_map(&outbox.properties);
    assert!(properties <= MOST_BYTES, "{properties}");
}

#[test]
fn a_worker_that_raises_events_in_a_loop_does_not_flood_the_platform_nor_hold_up_an_outcome() {
    let mut outbox = outbox();
    let mut events = 0;
    for now in 0..10_000 {
        outbox.raise(event(1));
        outbox.properties([("p".to_owned(), Value::Bool(true))].into());
        let (topics, tickets) = sent(&mut outbox, now);
        events += topics.iter().filter(|it| it.starts_with("event/e")).count();
        for ticket in tickets {
            outbox.published(ticket);
        }
    }
    assert!(
        (200..=240).contains(&events),
        "{events} events in ten seconds"
    );
    sent(&mut outbox, 10_000);
    outbox.report(report(1));
    let (topics, _) = sent(&mut outbox, 10_000);
    assert_eq!(topics, ["progress"]);
}

#[test]
fn at_most_sixteen_messages_are_in_the_air() {
    let mut outbox = outbox();
    for n in 0..30 {
        outbox.report(report(n));
    }
    let (_, tickets) = sent(&mut outbox, 0);
    assert_eq!(tickets.len(), 16);
    outbox.published(tickets[0]);
    assert_eq!(sent(&mut outbox, 0).1.len(), 1);
}

#[test]
fn what_waits_for_time_alone_has_a_deadline_that_lies_ahead() {
    let mut outbox = outbox();
    assert_eq!(outbox.next_deadline(), None);
    for n in 0..40 {
        outbox.raise(event(n));
    }
    let (_, tickets) = sent(&mut outbox, 0);
    for ticket in tickets {
        outbox.published(ticket);
    }
    let (_, tickets) = sent(&mut outbox, 0);
    for ticket in tickets {
        outbox.published(ticket);
    }
    let due = outbox.next_deadline().unwrap();
    assert!(due > Ticks(0));
    assert_eq!(sent(&mut outbox, due.0).0.len(), 1);
}

#[test]
fn what_is_not_acknowledged_is_known_by_its_oldest_and_a_pause_of_our_own_does_not_count() {
    let mut outbox = outbox();
    assert_eq!(outbox.unheard_since(), None);
    outbox.report(report(1));
    let (_, first) = sent(&mut outbox, 5);
    outbox.report(report(2));
    let (_, second) = sent(&mut outbox, 9);
    assert_eq!(outbox.unheard_since(), Some(Ticks(5)));
    outbox.excuse(Duration::from_millis(100));
    assert_eq!(outbox.unheard_since(), Some(Ticks(105)));
    outbox.published(first[0]);
    assert_eq!(outbox.unheard_since(), Some(Ticks(109)));
    outbox.published(second[0]);
    assert_eq!(outbox.unheard_since(), None);
}

#[test]
fn refusals_never_cost_the_outcome_of_a_job() {
    let mut outbox = outbox();
    outbox.report(report(1));
    for _ in 0..100 {
        outbox.report(Report {
            job: None,
            ..report(0)
        });
    }
    let (topics, tickets) = sent(&mut outbox, 0);
    assert_eq!(topics.len(), 1 + MOST_REFUSALS);
    assert_eq!(outbox.published(tickets[0]), Some(report(1)));
    assert_eq!(outbox.dropped().reports, 100 - MOST_REFUSALS as u64);
}

#[test]
fn events_and_progress_that_nobody_acknowledges_do_not_hold_up_an_outcome() {
    let mut outbox = outbox();
    outbox.begin();
    for n in 0..100 {
        outbox.raise(event(n));
        outbox.progress(u8::try_from(n + 1).unwrap());
        sent(&mut outbox, n as u64 * 1000);
    }
    outbox.report(report(1));
    outbox.inform("1.0.7".parse().unwrap());
    let (topics, _) = sent(&mut outbox, 200_000);
    assert_eq!(topics, ["inform", "progress"]);
}

#[test]
fn what_waited_while_offline_is_replaced_by_what_is_said_right_after_the_connection() {
    let mut outbox = outbox();
    let value = |n| [("temperature".to_owned(), Value::Int(n))].into();
    outbox.properties(value(20));
    outbox.connected(Ticks(5000));
    assert_eq!(sent(&mut outbox, 5000).0, Vec::<String>::new());
    outbox.properties(value(180));
    let due = outbox.next_deadline().unwrap();
    assert_eq!(due, Ticks(5100));
    let mut out = Vec::new();
    outbox.flush(due, 0, &mut out);
    let [Command::Publish { payload, .. }] = &out[..] else {
        panic!("{out:?}");
    };
    assert!(String::from_utf8_lossy(payload).contains("180"));
}

#[test]
fn the_progress_of_a_job_is_told_only_when_the_outcomes_before_it_are_acknowledged() {
    let mut outbox = outbox();
    outbox.report(report(1));
    outbox.begin();
    outbox.progress(1);
    for connection in 0..2_u64 {
        let (topics, tickets) = sent(&mut outbox, connection * 2000);
        assert_eq!(topics, ["progress"], "the outcome alone");
        let (topics, _) = sent(&mut outbox, connection * 2000 + 1000);
        assert_eq!(topics, [""; 0]);
        if connection == 0 {
            outbox.lost();
        } else {
            assert_eq!(outbox.published(tickets[0]), Some(report(1)));
        }
    }
    let (topics, _) = sent(&mut outbox, 5000);
    assert_eq!(topics, ["progress"]);
    // A refusal ends no job.
    let mut outbox = self::outbox();
    let outcome = Outcome::Quarantined { starts: 3 };
    outbox.report(Report { job: None, outcome });
    outbox.progress(1);
    assert_eq!(sent(&mut outbox, 0).0.len(), 2);
}

#[test]
fn the_first_progress_waits_until_the_disk_knows_what_the_cloud_knows() {
    let mut outbox = outbox();
    outbox.report(report(1));
    let (_, tickets) = sent(&mut outbox, 0);
    outbox.begin();
    outbox.progress(10);
    outbox.published(tickets[0]);
    outbox.settled(false);
    assert!(sent(&mut outbox, 1).0.is_empty());
    outbox.settled(true);
    assert_eq!(sent(&mut outbox, 2).0, ["progress"]);
    // What follows in the same job passes for nothing else.
    outbox.settled(false);
    outbox.progress(20);
    assert_eq!(sent(&mut outbox, 3).0, ["progress"]);
}
