use worker_protocol::{
    Value,
    v1::{Ask, Done, Health, RequestId},
};

use super::*;

fn properties(name: &str, value: i64) -> FromWorker {
    FromWorker::Properties(ValueMap::from([(name.to_owned(), Value::Int(value))]))
}

fn raised(number: usize) -> FromWorker {
    FromWorker::Raised {
        event: number.to_string(),
        outputs: ValueMap::new(),
        at_ms: 0,
    }
}

fn reply(number: usize) -> FromWorker {
    FromWorker::Reply {
        id: RequestId(u32::try_from(number).unwrap()),
        result: Ok(Done::Accepted),
    }
}

fn all(queue: &Queue<FromWorker>) -> Vec<FromWorker> {
    std::iter::from_fn(|| queue.take()).collect()
}

#[test]
fn properties_beyond_their_places_are_merged_by_name_into_the_newest() {
    let queue = Queue::new();
    for value in 0..100 {
        queue.push(properties("a", value)).unwrap();
    }
    queue.push(properties("b", 1)).unwrap();
    let waiting = all(&queue);
    assert_eq!(waiting.len(), MOST_PROPERTIES);
    let newest = ValueMap::from([
        ("a".to_owned(), Value::Int(99)),
        ("b".to_owned(), Value::Int(1)),
    ]);
    assert_eq!(waiting.last(), Some(&FromWorker::Properties(newest)));
}

#[test]
fn events_beyond_their_places_drop_the_oldest_and_keep_their_order() {
    let queue = Queue::new();
    for number in 0..MOST_EVENTS {
        assert_eq!(queue.push(raised(number)), Ok(Placed::Waits));
    }
    assert_eq!(queue.push(raised(MOST_EVENTS)), Ok(Placed::Displaced));
    let expected: Vec<_> = (1..=MOST_EVENTS).map(raised).collect();
    assert_eq!(all(&queue), expected);
}

#[test]
fn replies_are_never_dropped_and_one_too_many_gives_the_connection_up() {
    let queue = Queue::new();
    for number in 0..1000 {
        queue.push(raised(number)).unwrap();
        queue.push(properties("a", 1)).unwrap();
    }
    for number in 0..MOST_ANSWERABLE {
        assert_eq!(queue.push(reply(number)), Ok(Placed::Waits));
    }
    assert_eq!(queue.push(reply(MOST_ANSWERABLE)), Err(Full));
    assert_eq!(queue.phase(), Phase::Overfull);
    let replies: Vec<_> = all(&queue)
        .into_iter()
        .filter(|it| matches!(it, FromWorker::Reply { .. }))
        .collect();
    assert_eq!(replies, (0..MOST_ANSWERABLE).map(reply).collect::<Vec<_>>());
}

#[test]
fn only_the_newest_of_a_state_waits() {
    let queue = Queue::new();
    let unwell = FromWorker::Health(Health::Unwell {
        reason: "hot".to_owned(),
    });
    queue.push(unwell).unwrap();
    queue.push(FromWorker::Heartbeat { beat: 0 }).unwrap();
    queue.push(FromWorker::Health(Health::Well)).unwrap();
    queue.push(FromWorker::Heartbeat { beat: 1 }).unwrap();
    assert_eq!(
        all(&queue),
        [
            FromWorker::Health(Health::Well),
            FromWorker::Heartbeat { beat: 1 }
        ]
    );
}

#[test]
fn of_one_reason_the_newest_word_waits_and_reasons_are_bounded() {
    let queue = Queue::new();
    let hurry = |number: usize| FromWorker::Hurry {
        reason: number.to_string(),
    };
    let relax = |number: usize| FromWorker::Relax {
        reason: number.to_string(),
    };
    for number in 0..MOST_REASONS {
        queue.push(hurry(number)).unwrap();
    }
    queue.push(relax(3)).unwrap();
    assert_eq!(queue.push(hurry(MOST_REASONS)), Err(Full));
    let waiting = all(&queue);
    assert_eq!(waiting.len(), MOST_REASONS);
    assert_eq!(waiting.last(), Some(&relax(3)));
    assert!(!waiting.contains(&hurry(3)));
}

#[test]
fn requests_are_never_dropped_and_one_too_many_gives_the_connection_up() {
    let queue = Queue::new();
    let request = |number: usize| ToWorker::Request {
        id: RequestId(u32::try_from(number).unwrap()),
        ask: Ask::MayI,
    };
    for number in 0..MOST_ANSWERABLE {
        queue.push(request(number)).unwrap();
        queue.push(ToWorker::ReportAll).unwrap();
    }
    assert_eq!(queue.push(request(MOST_ANSWERABLE)), Err(Full));
}

#[tokio::test]
async fn a_closing_queue_is_emptied_and_takes_nothing_more() {
    let queue = Queue::new();
    queue.push(reply(1)).unwrap();
    queue.close();
    assert_eq!(queue.push(reply(2)), Err(Full));
    assert_eq!(queue.next().await, Some(reply(1)));
    assert_eq!(queue.next().await, None);
}

#[tokio::test]
async fn an_ended_queue_forgets_what_waits_and_stays_ended() {
    let queue = Queue::new();
    queue.push(reply(1)).unwrap();
    queue.end();
    queue.close();
    assert_eq!(queue.next().await, None);
    queue.ended().await;
}
