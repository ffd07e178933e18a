use tokio::io::{DuplexStream, duplex};
use worker_protocol::{
    Value, ValueMap,
    preface::answer_from_bytes,
    v1::{Ask, Done, RequestId},
};

use super::*;
use crate::{ConnectError, Connection, Facts, connect, connect_over};

/// Longer than anything here takes; a hang fails instead of lasting.
const PATIENCE: Duration = Duration::from_secs(30);

fn facts() -> Facts {
    Facts {
        version: "1.0.7".to_owned(),
        model_digest: [3; 32],
    }
}

fn hello(token: [u8; TOKEN_BYTES]) -> Hello {
    Hello {
        token,
        version: "1.0.7".to_owned(),
        model_digest: [3; 32],
        pid: 1,
    }
}

async fn next(events: &mut mpsc::Receiver<LinkEvent>) -> LinkEvent {
    timeout(PATIENCE, events.recv())
        .await
        .expect("an event comes in time")
        .expect("the listener lives")
}

async fn parted(events: &mut mpsc::Receiver<LinkEvent>) -> String {
    loop {
        if let LinkEvent::Parted { tenure: 7, why } = next(events).await {
            return why;
        }
    }
}

async fn stranger(events: &mut mpsc::Receiver<LinkEvent>) -> String {
    match next(events).await {
        LinkEvent::Stranger { why } => why,
        other => panic!("{other:?} instead of a stranger"),
    }
}

/// A peer's end of a new connection whose buffers hold `capacity` bytes each way.
fn peer(listener: &Listener, capacity: usize) -> DuplexStream {
    let (ours, theirs) = duplex(capacity);
    listener.attach(ours);
    theirs
}

/// A worker of tenure 7 that has joined.
async fn joined(listener: &Listener, events: &mut mpsc::Receiver<LinkEvent>) -> Connection {
    let leash = listener.expect(7).unwrap();
    let stream = peer(listener, 4096);
    let (connection, welcome) = connect_over(stream, &leash, &facts(), PATIENCE)
        .await
        .unwrap();
    assert_eq!(welcome.tenure, 7);
    assert!(matches!(
        next(events).await,
        LinkEvent::Joined { tenure: 7, .. }
    ));
    connection
}

/// A peer that speaks by hand: its bytes after a good preface.
async fn after_preface(listener: &Listener, bytes: &[u8]) -> DuplexStream {
    let mut stream = peer(listener, 8192);
    stream.write_all(&Versions::OURS.to_bytes()).await.unwrap();
    let mut answer = [0; PREFACE_BYTES];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer_from_bytes(answer), Ok(Some(1)));
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn answered(stream: &mut DuplexStream) -> Answer {
    read_one(stream, &mut Decoder::new(LARGEST_HANDSHAKE))
        .await
        .unwrap()
}

async fn is_hung_up(stream: &mut DuplexStream) {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .expect("the stream ends in time")
        .unwrap();
}

#[tokio::test]
async fn a_worker_joins_over_a_real_socket_and_both_are_heard() {
    let base = tempfile::tempdir().unwrap();
    let options = Options {
        heartbeat: Duration::from_millis(1500),
        largest_snapshot: u32::MAX,
        ..Options::default()
    };
    let (listener, mut events) = Listener::bind(&base.path().join("run"), options).unwrap();
    let leash = listener.expect(7).unwrap();
    let (mut worker, welcome) = connect(&leash, &facts(), PATIENCE).await.unwrap();
    let expected = Welcome {
        tenure: 7,
        heartbeat_ms: 1500,
        largest_snapshot: Options::LARGEST_SNAPSHOT,
    };
    assert_eq!(welcome, expected);
    match next(&mut events).await {
        LinkEvent::Joined { tenure: 7, hello } => {
            assert_eq!(hello.version, "1.0.7");
            assert_eq!(hello.pid, std::process::id());
            assert_eq!(hello.token, [0; TOKEN_BYTES]);
        }
        other => panic!("{other:?} instead of joined"),
    }

    let ask = ToWorker::Request {
        id: RequestId(1),
        ask: Ask::Quiesce,
    };
    listener.send(7, ask.clone()).unwrap();
    assert_eq!(worker.receiver.next().await, Some(ask));

    // A snapshot larger than any buffer on the way, said as the last word before the worker goes.
    let reply = FromWorker::Reply {
        id: RequestId(1),
        result: Ok(Done::Snapshot(vec![b'x'; 180_000])),
    };
    worker.sender.send(reply.clone()).unwrap();
    let (said, ()) = tokio::join!(next(&mut events), worker.sender.finish());
    assert!(matches!(said, LinkEvent::Said { tenure: 7, message } if message == reply));
    assert_eq!(
        parted(&mut events).await,
        "the other side closed the connection"
    );
    assert!(worker.receiver.next().await.is_none());
    assert_eq!(
        worker.receiver.why().await,
        "this side closed the connection"
    );
    assert_eq!(
        listener.send(7, ToWorker::ReportAll),
        Err(SendError::NotJoined { tenure: 7 })
    );
}

#[tokio::test]
async fn a_stranger_on_a_real_socket_is_refused_and_the_next_worker_is_not() {
    let base = tempfile::tempdir().unwrap();
    let (listener, mut events) = Listener::bind(base.path(), Options::default()).unwrap();
    let mut leash = listener.expect(7).unwrap();
    let good = leash.token;
    leash.token = [1; TOKEN_BYTES];
    let refused = connect(&leash, &facts(), PATIENCE).await;
    assert!(
        matches!(refused, Err(ConnectError::Refused(_))),
        "{refused:?}"
    );
    assert!(stranger(&mut events).await.contains("not expected"));
    leash.token = good;
    connect(&leash, &facts(), PATIENCE).await.unwrap();
    assert!(matches!(
        next(&mut events).await,
        LinkEvent::Joined { tenure: 7, .. }
    ));
    assert_eq!(listener.strangers(), 1);
}

#[tokio::test]
async fn nobody_listens_any_more_when_the_listener_is_gone() {
    let base = tempfile::tempdir().unwrap();
    let (listener, mut events) = Listener::bind(base.path(), Options::default()).unwrap();
    let first = listener.expect(7).unwrap();
    let second = listener.expect(8).unwrap();
    let (mut worker, _) = connect(&first, &facts(), PATIENCE).await.unwrap();
    drop(listener);
    assert!(
        timeout(PATIENCE, worker.receiver.next())
            .await
            .unwrap()
            .is_none()
    );
    while events.recv().await.is_some() {}
    assert!(connect(&second, &facts(), PATIENCE).await.is_err());
}

#[tokio::test]
async fn a_token_is_good_for_one_connection() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let first = connect_over(peer(&listener, 4096), &leash, &facts(), PATIENCE).await;
    assert!(first.is_ok());
    assert!(matches!(next(&mut events).await, LinkEvent::Joined { .. }));
    let again = connect_over(peer(&listener, 4096), &leash, &facts(), PATIENCE).await;
    assert!(matches!(again, Err(ConnectError::Refused(reason)) if reason.contains("used before")));
    stranger(&mut events).await;
}

#[tokio::test]
async fn the_token_of_a_forgotten_tenure_is_refused() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    listener.forget(7);
    let refused = connect_over(peer(&listener, 4096), &leash, &facts(), PATIENCE).await;
    assert!(matches!(refused, Err(ConnectError::Refused(_))));
    stranger(&mut events).await;
}

#[tokio::test]
async fn a_second_leash_for_a_tenure_replaces_the_first() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let first = listener.expect(7).unwrap();
    let second = listener.expect(7).unwrap();
    let refused = connect_over(peer(&listener, 4096), &first, &facts(), PATIENCE).await;
    assert!(matches!(refused, Err(ConnectError::Refused(_))));
    stranger(&mut events).await;
    let welcomed = connect_over(peer(&listener, 4096), &second, &facts(), PATIENCE).await;
    assert!(welcomed.is_ok());
}

#[tokio::test]
async fn only_the_newest_expected_tenures_are_kept() {
    let (listener, _events) = Listener::unbound(Options::default());
    let oldest = listener.expect(1).unwrap();
    for tenure in 2..=17 {
        listener.expect(tenure).unwrap();
    }
    let refused = connect_over(peer(&listener, 4096), &oldest, &facts(), PATIENCE).await;
    assert!(matches!(refused, Err(ConnectError::Refused(_))));
}

#[tokio::test]
async fn a_hello_with_an_impossible_version_is_refused() {
    let (listener, mut events) = Listener::unbound(Options::default());
    for version in ["", "1.0 7", "1\n", &"9".repeat(65)] {
        let leash = listener.expect(7).unwrap();
        let facts = Facts {
            version: version.to_owned(),
            ..facts()
        };
        let refused = connect_over(peer(&listener, 4096), &leash, &facts, PATIENCE).await;
        assert!(
            matches!(refused, Err(ConnectError::Refused(_))),
            "{version:?}"
        );
        assert!(stranger(&mut events).await.contains("version"));
    }
}

#[tokio::test]
async fn a_peer_that_speaks_another_protocol_is_hung_up_on() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let mut stream = peer(&listener, 4096);
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    assert!(stranger(&mut events).await.contains("preface"));
    is_hung_up(&mut stream).await;
}

#[tokio::test]
async fn a_peer_of_other_versions_is_told_so() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let mut stream = peer(&listener, 4096);
    let theirs = Versions::new(2, 9).unwrap();
    stream.write_all(&theirs.to_bytes()).await.unwrap();
    let mut answer = [0; PREFACE_BYTES];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer_from_bytes(answer), Ok(None));
    assert!(stranger(&mut events).await.contains("2..=9"));
    is_hung_up(&mut stream).await;
}

#[tokio::test]
async fn a_worker_learns_that_no_version_is_common() {
    let (listener, _events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    for answer in [None, Some(2)] {
        let (ours, mut theirs) = duplex(64);
        let supervisor = async {
            let mut offer = [0; PREFACE_BYTES];
            theirs.read_exact(&mut offer).await.unwrap();
            theirs
                .write_all(&preface::answer_to_bytes(answer))
                .await
                .unwrap();
        };
        let facts = facts();
        let (worker, ()) = tokio::join!(connect_over(ours, &leash, &facts, PATIENCE), supervisor);
        assert!(matches!(worker, Err(ConnectError::NoCommonVersion(_))));
    }
}

#[tokio::test]
async fn a_hello_that_is_too_long_cut_or_garbage_makes_a_stranger() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();

    let mut stream = after_preface(&listener, &2000_u32.to_le_bytes()).await;
    assert!(stranger(&mut events).await.contains("at most 1024"));
    is_hung_up(&mut stream).await;

    let whole = encode(&hello(leash.token)).unwrap();
    drop(after_preface(&listener, &whole[..whole.len() - 1]).await);
    assert!(stranger(&mut events).await.contains("cut inside a message"));

    let mut stream = after_preface(&listener, &[3, 0, 0, 0, 1, 2, 3]).await;
    assert!(stranger(&mut events).await.contains("unreadable"));
    is_hung_up(&mut stream).await;

    // None of them used the token up.
    let mut stream = after_preface(&listener, &whole).await;
    assert!(matches!(answered(&mut stream).await, Answer::Welcome(_)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_hung_up_on_at_the_limit() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let began = tokio::time::Instant::now();
    let mut silent = peer(&listener, 4096);
    assert!(stranger(&mut events).await.contains("no hello within 2s"));
    assert_eq!(began.elapsed(), Duration::from_secs(2));
    is_hung_up(&mut silent).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_trickles_its_hello_has_no_more_time_than_a_silent_one() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let mut slow = after_preface(&listener, &[]).await;
    let frame = encode(&hello(leash.token)).unwrap();
    let trickle = async {
        for byte in frame {
            tokio::time::sleep(Duration::from_millis(500)).await;
            if slow.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let (why, ()) = tokio::join!(stranger(&mut events), trickle);
    assert!(why.contains("no hello"));
}

#[tokio::test(start_paused = true)]
async fn silent_peers_keep_a_worker_waiting_but_not_out() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let silent: Vec<_> = (0..20).map(|_| peer(&listener, 4096)).collect();
    let leash = listener.expect(7).unwrap();
    let began = tokio::time::Instant::now();
    let stream = peer(&listener, 4096);
    connect_over(stream, &leash, &facts(), PATIENCE)
        .await
        .unwrap();
    // Twenty peers, eight at a time, two seconds each: the worker's turn comes in the third round.
    assert_eq!(began.elapsed(), Duration::from_secs(4));
    while !matches!(next(&mut events).await, LinkEvent::Joined { .. }) {}
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_worker_gives_up_on_a_silent_supervisor() {
    let (listener, _events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let (ours, _theirs) = duplex(64);
    let limit = Duration::from_secs(5);
    let silent = connect_over(ours, &leash, &facts(), limit).await;
    assert!(matches!(silent, Err(ConnectError::Silent(it)) if it == limit));
}

#[tokio::test]
async fn a_frame_that_is_too_long_cut_or_garbage_ends_the_connection_with_its_reason() {
    let cases: [(&[u8], &str); 4] = [
        (&[1, 0, 4, 0], "262145 bytes"),
        (&[9, 0, 0, 0, 1, 2], "cut inside a message"),
        (&[2, 0, 0, 0, 1, 0], "left over"),
        (&[1, 0, 0, 0, 99], "unreadable"),
    ];
    for (bytes, reason) in cases {
        let (listener, mut events) = Listener::unbound(Options::default());
        let leash = listener.expect(7).unwrap();
        let frame = encode(&hello(leash.token)).unwrap();
        let mut stream = after_preface(&listener, &frame).await;
        assert!(matches!(answered(&mut stream).await, Answer::Welcome(_)));
        stream
            .write_all(&encode(&FromWorker::Ready).unwrap())
            .await
            .unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(matches!(next(&mut events).await, LinkEvent::Joined { .. }));
        assert!(matches!(
            next(&mut events).await,
            LinkEvent::Said {
                message: FromWorker::Ready,
                ..
            }
        ));
        let why = parted(&mut events).await;
        assert!(why.contains(reason), "{why}");
        assert!(timeout(PATIENCE, stream.read_u8()).await.unwrap().is_err());
    }
}

#[tokio::test]
async fn words_pipelined_behind_the_hello_are_heard() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let mut bytes = encode(&hello(leash.token)).unwrap();
    bytes.extend(encode(&FromWorker::Ready).unwrap());
    let _stream = after_preface(&listener, &bytes).await;
    assert!(matches!(next(&mut events).await, LinkEvent::Joined { .. }));
    assert!(matches!(
        next(&mut events).await,
        LinkEvent::Said {
            tenure: 7,
            message: FromWorker::Ready
        }
    ));
}

#[tokio::test]
async fn a_worker_that_does_not_read_is_given_up_and_says_nothing_more() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let mut stream = peer(&listener, 512);
    stream.write_all(&Versions::OURS.to_bytes()).await.unwrap();
    stream
        .write_all(&encode(&hello(leash.token)).unwrap())
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, LinkEvent::Joined { .. }));
    let mut sent = 0_u32;
    let refused = loop {
        let ask = Ask::Call {
            service: "s".repeat(600),
            args: ValueMap::new(),
        };
        let id = RequestId(sent);
        match listener.send(7, ToWorker::Request { id, ask }) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, SendError::GivenUp { tenure: 7 });
    assert!((64..70).contains(&sent), "{sent} requests were taken");
    assert!(parted(&mut events).await.contains("does not read"));
    // The peer's later words go nowhere.
    let _ = stream.write_all(&encode(&FromWorker::Ready).unwrap()).await;
    assert_eq!(
        listener.send(7, ToWorker::ReportAll),
        Err(SendError::NotJoined { tenure: 7 })
    );
    drop(listener);
    assert!(events.recv().await.is_none());
}

#[tokio::test]
async fn a_supervisor_that_does_not_read_loses_no_reply_and_sees_the_newest_values() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let worker = joined(&listener, &mut events).await;
    // Far more than the channel, the stream and the queue hold together.
    for beat in 0..5000_i64 {
        let values = ValueMap::from([("beat".to_owned(), Value::Int(beat))]);
        worker.sender.send(FromWorker::Properties(values)).unwrap();
        if beat % 100 == 0 {
            let id = RequestId(u32::try_from(beat).unwrap());
            let result = Ok(Done::Accepted);
            worker
                .sender
                .send(FromWorker::Reply { id, result })
                .unwrap();
            tokio::task::yield_now().await;
        }
    }
    let finishing = tokio::spawn(async move { worker.sender.finish().await });
    let (mut replies, mut newest, mut sets) = (0, None, 0);
    loop {
        match next(&mut events).await {
            LinkEvent::Said {
                message: FromWorker::Reply { .. },
                ..
            } => replies += 1,
            LinkEvent::Said {
                message: FromWorker::Properties(values),
                ..
            } => {
                sets += 1;
                newest = values.get("beat").cloned();
            }
            LinkEvent::Parted { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    finishing.await.unwrap();
    assert_eq!(replies, 50);
    assert_eq!(newest, Some(Value::Int(4999)));
    assert!(sets < 5000, "nothing was merged");
}

#[tokio::test]
async fn closing_writes_what_waits_and_then_parts() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let mut worker = joined(&listener, &mut events).await;
    listener.send(7, ToWorker::ReportAll).unwrap();
    listener.close(7);
    assert_eq!(worker.receiver.next().await, Some(ToWorker::ReportAll));
    assert_eq!(worker.receiver.next().await, None);
    assert_eq!(
        worker.receiver.why().await,
        "the other side closed the connection"
    );
    assert_eq!(parted(&mut events).await, "this side closed the connection");
    assert!(worker.sender.send(FromWorker::Ready).is_err());
}

#[tokio::test(start_paused = true)]
async fn closing_a_worker_that_does_not_read_takes_a_bounded_time() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let mut stream = peer(&listener, 256);
    stream.write_all(&Versions::OURS.to_bytes()).await.unwrap();
    stream
        .write_all(&encode(&hello(leash.token)).unwrap())
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, LinkEvent::Joined { .. }));
    let ask = Ask::Call {
        service: "s".repeat(600),
        args: ValueMap::new(),
    };
    listener
        .send(
            7,
            ToWorker::Request {
                id: RequestId(1),
                ask,
            },
        )
        .unwrap();
    let began = tokio::time::Instant::now();
    listener.close(7);
    parted(&mut events).await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
}

#[tokio::test]
async fn the_last_word_of_a_worker_that_has_gone_is_heard_although_writing_to_it_failed() {
    let (listener, mut events) = Listener::unbound(Options::default());
    let leash = listener.expect(7).unwrap();
    let mut stream = peer(&listener, 4096);
    stream.write_all(&Versions::OURS.to_bytes()).await.unwrap();
    stream
        .write_all(&encode(&hello(leash.token)).unwrap())
        .await
        .unwrap();
    assert!(matches!(next(&mut events).await, LinkEvent::Joined { .. }));
    let last = FromWorker::Reply {
        id: RequestId(1),
        result: Ok(Done::Snapshot(vec![1; 2000])),
    };
    stream.write_all(&encode(&last).unwrap()).await.unwrap();
    drop(stream);
    for beat in 0..10 {
        let _ = listener.send(7, ToWorker::Heartbeat { beat });
    }
    assert!(matches!(
        next(&mut events).await,
        LinkEvent::Said { tenure: 7, message } if message == last
    ));
    parted(&mut events).await;
}
