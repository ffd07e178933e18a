//! Who is let in, who is not, and how long it may take.

use super::*;

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
