//! The whole way over real local sockets.

use super::*;

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
