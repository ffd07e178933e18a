use std::path::Path;

use supervisor_core::status::WorkerStatus;
use tokio::sync::mpsc;

use super::*;

fn listening(root: &Path) -> (Control, Layout, mpsc::Receiver<Event>) {
    let layout = Layout::make(root).unwrap();
    let (events, happened) = mpsc::channel(8);
    let control = Control::listen(&layout, None, events);
    (control, layout, happened)
}

/// Answers the next question.
async fn answer_one(control: &Control, happened: &mut mpsc::Receiver<Event>, status: Status) {
    match happened.recv().await {
        Some(Event::Asked {
            asker,
            request: Request::Status,
        }) => control.answer(asker, Reply::Status(Box::new(status))),
        other => panic!("{other:?}"),
    }
}

/// Sends bytes and reads the line that comes back.
async fn say(layout: &Layout, bytes: &[u8]) -> Answer {
    let address = fs::read_to_string(layout.control_address()).unwrap();
    let mut pipe = Pipe::connect(&address).await.unwrap();
    pipe.write_all(bytes).await.unwrap();
    let line = read_line(&mut pipe, LONGEST_ANSWER).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

fn refusal(answer: Answer) -> String {
    match answer {
        Answer::Refused { why } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_question_goes_to_the_brain_and_its_answer_comes_back_with_the_hosts_figures() {
    let folder = tempfile::tempdir().unwrap();
    let (control, layout, mut happened) = listening(folder.path());
    let status = Status {
        phase: "idle".to_owned(),
        workers: vec![WorkerStatus {
            pid: Some(std::process::id()),
            ..WorkerStatus::default()
        }],
        ..Status::default()
    };
    let (answer, ()) = tokio::join!(
        ask(&layout, &Request::Status),
        answer_one(&control, &mut happened, status)
    );
    let Answer::Status { status, supervisor } = answer.unwrap() else {
        panic!("no status");
    };
    assert_eq!(status.phase, "idle");
    assert!(status.workers[0].memory_bytes.is_some());
    assert_eq!(supervisor.pid, std::process::id());
}

#[tokio::test]
async fn without_a_supervisor_the_answer_is_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::of(folder.path());
    let error = ask(&layout, &Request::Status).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("start one with `supervisor run`"),
        "{error}"
    );
    let (control, layout, _happened) = listening(folder.path());
    let address = fs::read_to_string(layout.control_address()).unwrap();
    drop(control);
    assert!(!layout.control_address().exists());
    // Word left behind by one that was killed.
    fs::write(layout.control_address(), format!("{address}-gone")).unwrap();
    let error = ask(&layout, &Request::Status).await.unwrap_err();
    assert!(matches!(error, AskError::Nobody(_)), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_cannot_be_made_is_tried_again_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::make(folder.path()).unwrap();
    fs::write(layout.control(), "in the way").unwrap();
    let (events, mut happened) = mpsc::channel(8);
    let word = Some("runs on the last good copy".to_owned());
    let control = Control::listen(&layout, word.clone(), events);
    // Longer than the longest pause: time goes by itself here.
    tokio::time::sleep(LISTEN_PAUSES[1] * 3).await;
    assert!(!layout.control_address().exists());
    fs::remove_file(layout.control()).unwrap();
    while !layout.control_address().exists() {
        tokio::time::sleep(LISTEN_PAUSES[0]).await;
    }
    tokio::time::resume();
    let (answer, ()) = tokio::join!(
        ask(&layout, &Request::Status),
        answer_one(&control, &mut happened, Status::default())
    );
    let Answer::Status { supervisor, .. } = answer.unwrap() else {
        panic!("no status");
    };
    assert_eq!(supervisor.configuration, word);
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_never_reaches_the_brain() {
    let folder = tempfile::tempdir().unwrap();
    let (_control, layout, mut happened) = listening(folder.path());
    assert!(refusal(say(&layout, b"hello\n").await).contains("cannot be read"));
    assert!(refusal(say(&layout, b"\"format-disk\"\n").await).contains("cannot be read"));
    assert!(refusal(say(&layout, b"\xff\xfe\n").await).contains("cannot be read"));
    let long = vec![b' '; LONGEST_QUESTION as usize];
    assert!(refusal(say(&layout, &long).await).contains("within 16384 bytes"));
    assert!(happened.try_recv().is_err());
}

#[tokio::test]
async fn a_brain_that_does_not_answer_is_told_as_such_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (control, layout, mut happened) = listening(folder.path());
    let answer = say(&layout, b"\"status\"\n").await;
    assert!(refusal(answer).contains("no answer came within 1s"));
    let Some(Event::Asked { asker, .. }) = happened.recv().await else {
        panic!("the question came");
    };
    // Nobody waits any more; nothing happens.
    control.answer(asker, Reply::Status(Box::default()));
    assert!(control.desk.shared().asked.is_empty());
}
