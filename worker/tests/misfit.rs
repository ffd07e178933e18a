//! The misfit keeps its word: each deed, as the supervisor's end of the link sees it.
//!
//! A tool that is to fail by name must not fail by another, or the tests that use it prove something else.

#![expect(
    clippy::unwrap_used,
    reason = "this whole file is a test; what fails here fails the test"
)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{sync::mpsc, time::timeout};
use worker_link::{LinkEvent, Listener, Options};
use worker_protocol::v1::{
    Ask, Cause, Consent, Done, FromWorker, Handover, Health, RequestId, ToWorker,
};

/// Every wait ends here at the latest, with what it waited for.
const PATIENCE: Duration = Duration::from_secs(20);
const TENURE: u64 = 7;

/// One misfit on its leash, and the supervisor's end of it.
struct Stage {
    folder: TempDir,
    listener: Listener,
    events: mpsc::Receiver<LinkEvent>,
    child: Child,
    asked: u32,
}

impl Stage {
    fn set(orders: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let options = Options {
            greeting_limit: Duration::from_millis(300),
            ..Options::default()
        };
        let (listener, events) = Listener::bind(&folder.path().join("run"), options).unwrap();
        let image = folder
            .path()
            .join(format!("image{}", std::env::consts::EXE_SUFFIX));
        let journal = folder.path().join("journal");
        let journal = serde_json::to_string(journal.to_str().unwrap()).unwrap();
        stamp(
            &misfit(),
            &image,
            &format!(r#"{{"version":"1.0.8","journal":{journal},{orders}}}"#),
        );
        let mut child = Command::new(&image)
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let leash = listener.expect(TENURE).unwrap().to_line();
        // A misfit that has already gone does not read it, and need not.
        let _ = std::io::Write::write_all(child.stdin.as_mut().unwrap(), leash.as_bytes());
        Self {
            folder,
            listener,
            events,
            child,
            asked: 0,
        }
    }

    async fn event(&mut self, what: &str) -> LinkEvent {
        timeout(PATIENCE, self.events.recv())
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
            .unwrap_or_else(|| panic!("the link closed before {what}"))
    }

    async fn joined(&mut self) -> String {
        match self.event("a hello").await {
            LinkEvent::Joined { hello, .. } => hello.version,
            other => panic!("no hello but {other:?}"),
        }
    }

    async fn stranger(&mut self) -> String {
        match self.event("a stranger").await {
            LinkEvent::Stranger { why } => why,
            other => panic!("no stranger but {other:?}"),
        }
    }

    /// The next message for which `pick` has an answer; others are passed over.
    async fn said<T>(&mut self, what: &str, pick: impl Fn(FromWorker) -> Option<T>) -> T {
        let said = async {
            loop {
                match self.event(what).await {
                    LinkEvent::Said { message, .. } => {
                        if let Some(it) = pick(message) {
                            return it;
                        }
                    }
                    other => panic!("waited for {what}, got {other:?}"),
                }
            }
        };
        // Around the loop, because heartbeats come for as long as the misfit lives.
        timeout(PATIENCE, said)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    async fn parted(&mut self) -> String {
        let parted = async {
            loop {
                if let LinkEvent::Parted { why, .. } = self.event("the end of the link").await {
                    return why;
                }
            }
        };
        timeout(PATIENCE, parted)
            .await
            .expect("the link never ended")
    }

    async fn ready(&mut self) {
        self.said("ready", |it| matches!(it, FromWorker::Ready).then_some(()))
            .await;
    }

    fn ask(&mut self, ask: Ask) -> RequestId {
        self.asked += 1;
        let id = RequestId(self.asked);
        self.listener
            .send(TENURE, ToWorker::Request { id, ask })
            .unwrap();
        id
    }

    async fn answer(&mut self, ask: Ask) -> Result<Done, worker_protocol::v1::Refusal> {
        let asked = self.ask(ask);
        self.said("an answer", |it| match it {
            FromWorker::Reply { id, result } if id == asked => Some(result),
            _ => None,
        })
        .await
    }

    async fn activate(&mut self, from: Option<Handover>) {
        self.joined().await;
        self.ready().await;
        assert_eq!(self.answer(Ask::Activate { from }).await, Ok(Done::Active));
    }

    /// Ends the leash and waits for the process.
    async fn exit(mut self) -> (ExitStatus, Vec<Value>) {
        drop(self.child.stdin.take());
        let status = wait(self.child).await;
        let journal = std::fs::read_to_string(self.folder.path().join("journal")).unwrap();
        let lines = journal.lines();
        let lines = lines.map(|line| serde_json::from_str(line).unwrap());
        (status, lines.collect())
    }
}

async fn wait(mut child: Child) -> ExitStatus {
    let waited = tokio::task::spawn_blocking(move || child.wait().unwrap());
    timeout(PATIENCE, waited)
        .await
        .expect("the misfit never exited")
        .unwrap()
}

/// Cargo builds a package's examples with its tests, but names only its binaries.
fn misfit() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let name = format!("misfit{}", std::env::consts::EXE_SUFFIX);
    tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples")
        .join(name)
}

/// By another process, so that no copy of its writable handle can reach a child of these tests and keep the image busy.
fn stamp(from: &Path, to: &Path, orders: &str) {
    let status = Command::new(misfit())
        .arg("--stamp")
        .args([from, to])
        .arg(orders)
        .status();
    assert!(status.unwrap().success(), "failed to stamp {orders}");
}

fn events(journal: &[Value]) -> Vec<&str> {
    let events = journal.iter();
    events.map(|line| line["event"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn never_hello_never_connects_and_leaves_with_the_leash() {
    let stage = Stage::set(r#""do":"never-hello""#);
    let strangers = stage.listener.strangers();
    let (status, journal) = stage.exit().await;
    assert!(status.success());
    assert_eq!(strangers, 0);
    assert_eq!(events(&journal), ["started", "exited"]);
    assert_eq!(journal[0]["version"], "1.0.8");
}

#[tokio::test]
async fn outstay_stays_when_the_leash_has_ended() {
    let mut stage = Stage::set(r#""do":"outstay""#);
    drop(stage.child.stdin.take());
    let journal = stage.folder.path().join("journal");
    let stays = async {
        while !std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"stays\"")) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, stays).await.unwrap();
    let stayed = timeout(Duration::from_millis(100), wait_for_end(&mut stage.child));
    assert!(stayed.await.is_err(), "it has gone");
    stage.child.kill().unwrap();
    stage.child.wait().unwrap();
}

async fn wait_for_end(child: &mut Child) {
    while child.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn exit_at_once_exits_with_3() {
    let (status, _) = Stage::set(r#""do":"exit-at-once""#).exit().await;
    assert_eq!(status.code(), Some(3));
}

#[tokio::test]
async fn connect_and_be_silent_is_hung_up_on_as_a_stranger() {
    let mut stage = Stage::set(r#""do":"connect-and-be-silent""#);
    stage.stranger().await;
    assert!(stage.exit().await.0.success());
}

#[tokio::test]
async fn the_bad_frames_part_the_link_after_a_good_hello() {
    for deed in ["garbage-frame", "too-long-frame", "truncated-frame"] {
        let mut stage = Stage::set(&format!(r#""do":"{deed}""#));
        assert_eq!(stage.joined().await, "1.0.8");
        stage.parted().await;
        let (status, journal) = stage.exit().await;
        assert!(status.success(), "{deed}");
        let expected = ["started", "welcome", "misbehaved", "exited"];
        assert_eq!(events(&journal), expected, "{deed}");
        assert_eq!(journal[1]["tenure"], TENURE);
    }
}

#[tokio::test]
async fn the_bad_frames_instead_of_a_hello_make_a_stranger() {
    for deed in ["garbage-frame", "too-long-frame", "truncated-frame"] {
        let mut stage = Stage::set(&format!(r#""do":"{deed}","instead":true"#));
        stage.stranger().await;
        stage.exit().await;
    }
}

#[tokio::test]
async fn a_stale_token_is_refused() {
    let mut stage = Stage::set(r#""do":"stale-token""#);
    stage.stranger().await;
    let (_, journal) = stage.exit().await;
    assert!(!events(&journal).contains(&"welcome"), "{journal:?}");
}

#[tokio::test]
async fn behave_counts_on_from_where_the_former_life_stood() {
    let mut stage = Stage::set(r#""do":"behave""#);
    let from = Some(Handover {
        snapshot: br#"{"count":1000,"unknown":[]}"#.to_vec(),
        cause: Cause::Upgrade,
        age_ms: Some(5),
    });
    stage.activate(from).await;
    assert_eq!(
        stage.answer(Ask::MayI).await,
        Ok(Done::Consent(Consent::Now))
    );
    let Ok(Done::Snapshot(snapshot)) = stage.answer(Ask::Quiesce).await else {
        panic!("no snapshot");
    };
    let snapshot: Value = serde_json::from_slice(&snapshot).unwrap();
    assert!(snapshot["count"].as_i64().unwrap() >= 1000);
    let (status, journal) = stage.exit().await;
    assert!(status.success());
    let expected = ["started", "ready", "active", "quiesced", "exited"];
    assert_eq!(events(&journal), expected);
    assert_eq!(journal[2]["count"], 1000);
    assert_eq!(journal[2]["cause"], "Upgrade");
}

#[tokio::test]
async fn other_version_says_another_version_in_its_hello() {
    let mut stage = Stage::set(r#""do":"other-version","says":"9.9.9""#);
    assert_eq!(stage.joined().await, "9.9.9");
    stage.exit().await;
}

#[tokio::test]
async fn unfit_says_why_and_exits() {
    let mut stage = Stage::set(r#""do":"unfit","reason":"no oven here""#);
    stage.joined().await;
    let why = stage
        .said("unfit", |it| match it {
            FromWorker::Unfit { reason } => Some(reason),
            FromWorker::Ready => panic!("it is ready"),
            _ => None,
        })
        .await;
    assert!(why.contains("no oven here"), "{why}");
    let (status, journal) = stage.exit().await;
    assert!(!status.success());
    assert!(!events(&journal).contains(&"active"));
}

#[tokio::test]
async fn fail_activate_refuses() {
    let mut stage = Stage::set(r#""do":"fail-activate""#);
    stage.joined().await;
    stage.ready().await;
    assert!(stage.answer(Ask::Activate { from: None }).await.is_err());
    stage.exit().await;
}

#[tokio::test]
async fn die_while_proving_exits_with_4_by_itself() {
    let mut stage = Stage::set(r#""do":"die-while-proving","after_ms":100"#);
    stage.activate(None).await;
    stage.parted().await;
    let (status, journal) = stage.exit().await;
    assert_eq!(status.code(), Some(4));
    assert_eq!(events(&journal), ["started", "ready", "active", "died"]);
}

#[tokio::test]
async fn unwell_while_proving_says_so() {
    let mut stage = Stage::set(r#""do":"unwell-while-proving","after_ms":100"#);
    stage.activate(None).await;
    stage
        .said("bad health", |it| match it {
            FromWorker::Health(Health::Unwell { .. }) => Some(()),
            _ => None,
        })
        .await;
    stage.exit().await;
}

#[tokio::test]
async fn later_asks_for_time_as_often_as_told() {
    let mut stage = Stage::set(r#""do":"later","after_ms":1234,"times":2,"reason":"busy""#);
    stage.activate(None).await;
    let later = Done::Consent(Consent::Later {
        after_ms: 1234,
        reason: "busy".to_owned(),
    });
    for expected in [later.clone(), later, Done::Consent(Consent::Now)] {
        assert_eq!(stage.answer(Ask::MayI).await, Ok(expected));
    }
    stage.exit().await;
}

/// The deeds that only ever keep still: the process is alive and has noted how far it came, and an answer is not there.
#[tokio::test]
async fn the_silent_deeds_come_as_far_as_told_and_have_to_be_stopped() {
    for (deed, last) in [
        ("never-ready", "started"),
        ("hang-activate", "ready"),
        ("hang-while-proving", "hung"),
        ("keep-handover", "kept"),
    ] {
        let mut stage = Stage::set(&format!(r#""do":"{deed}""#));
        match deed {
            "never-ready" => {
                stage.joined().await;
            }
            "hang-activate" => {
                stage.joined().await;
                stage.ready().await;
                stage.ask(Ask::Activate { from: None });
            }
            "hang-while-proving" => stage.activate(None).await,
            _ => {
                stage.activate(None).await;
                stage.ask(Ask::Quiesce);
            }
        }
        let path = stage.folder.path().join("journal");
        let noted = async {
            loop {
                let text = std::fs::read_to_string(&path).unwrap_or_default();
                if text.lines().last().is_some_and(|line| line.contains(last)) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await; // Between two looks at the condition.
            }
        };
        timeout(PATIENCE, noted)
            .await
            .unwrap_or_else(|_| panic!("`{deed}` never came to `{last}`"));
        assert!(stage.child.try_wait().unwrap().is_none(), "`{deed}` exited");
        stage.child.kill().unwrap();
        assert!(!wait(stage.child).await.success());
    }
}

#[test]
fn without_orders_it_says_how_to_stamp_it_and_runs_nothing() {
    let output = Command::new(misfit()).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let usage = String::from_utf8(output.stderr).unwrap();
    assert!(usage.contains("--stamp"));

    let folder = TempDir::new().unwrap();
    let deeds = usage.split("do:").nth(1).unwrap();
    for deed in deeds.split(',').map(str::trim) {
        let orders = format!(r#"{{"version":"1","do":"{deed}"}}"#);
        stamp(&misfit(), &folder.path().join("image"), &orders);
    }
}

#[test]
fn a_stamped_copy_can_be_stamped_again_and_keeps_only_the_last_orders() {
    let folder = TempDir::new().unwrap();
    let path = |name| folder.path().join(name);
    std::fs::write(path("plain"), b"an image").unwrap();
    stamp(&path("plain"), &path("once"), r#"{"version":"1.0.8"}"#);
    stamp(
        &path("once"),
        &path("twice"),
        r#"{"version":"1.0.9","do":"later"}"#,
    );
    let read = |name| std::fs::read(path(name)).unwrap();
    assert_eq!(read("plain"), b"an image");
    assert_eq!(
        read("once"),
        b"an image{\"version\":\"1.0.8\"}\x13\0\0\0HOTMISFIT"
    );
    assert_eq!(
        read("twice"),
        b"an image{\"version\":\"1.0.9\",\"do\":\"later\"}\x20\0\0\0HOTMISFIT"
    );
}

#[test]
fn orders_that_are_misspelt_too_long_or_cut_are_refused() {
    let folder = TempDir::new().unwrap();
    let to = folder.path().join("image");
    let refused = |from: &Path, orders: &str| {
        let output = Command::new(misfit())
            .arg("--stamp")
            .args([from, &to])
            .arg(orders)
            .output();
        assert_eq!(output.unwrap().status.code(), Some(64), "{orders}");
        assert!(!to.exists(), "{orders}");
    };
    for orders in [
        r#"{"version":"1.0.8","do":"misbehaev"}"#,
        r#"{"version":"1.0.8","after":5}"#,
        r#"{"do":"behave"}"#,
        "never-hello",
        &format!(r#"{{"version":"1.0.8","reason":"{}"}}"#, "x".repeat(4096)),
    ] {
        refused(&misfit(), orders);
    }
    let cut = folder.path().join("cut");
    for length in [50_u32, 4097, u32::MAX] {
        std::fs::write(&cut, [&length.to_le_bytes(), &b"HOTMISFIT"[..]].concat()).unwrap();
        refused(&cut, r#"{"version":"1.0.8"}"#);
    }
}
