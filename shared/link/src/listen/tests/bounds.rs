//! What happens to a welcomed worker that does not read, speaks nonsense, goes, or is let go.

use super::*;

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
