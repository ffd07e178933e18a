//! `status --watch`.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Log, Stand, Terminal, applies, until};
use serde_json::Value;

/// A download takes so many seconds that a person can look at it, whatever the build of the image.
const SECONDS: u64 = 6;

#[test]
fn an_upgrade_is_seen_on_one_page_and_ctrl_c_leaves_the_terminal_as_it_was() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    let next = stand.good("1.0.7");
    stand.set("update.bandwidth_bytes_per_s", next.size() / SECONDS);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let mut terminal = Terminal::start(&stand.command(&["status", "--watch"]), 80, 24);
    terminal.await_shown("at rest", |shown| {
        let words = [
            "at rest with version 1.0.0",
            "1.0.0 active, well, process ",
            "MB, ",
            "up, connected once",
            "Ctrl-C ends this view and nothing else",
        ];
        words.iter().all(|word| shown.contains(word))
    });
    assert!(terminal.look(|screen| screen.hide_cursor() && screen.alternate_screen()));
    stand.offer(&next);
    terminal.await_shown("the download, with its rate and the time left", |shown| {
        let bar = shown.lines().find(|line| line.contains("[#"));
        let words = ["fetching version 1.0.7", " MB of ", "B/s, ", " s left"];
        bar.is_some_and(|bar| bar.contains(" %")) && words.iter().all(|word| shown.contains(word))
    });
    stand.await_task(TaskState::Succeeded);
    terminal.await_shown("the end", |shown| {
        shown.contains("at rest with version 1.0.7") && shown.contains("done")
    });
    // One page that is drawn in place has each row once.
    let shown = terminal.shown();
    assert_eq!(shown.matches("phase").count(), 1, "{shown}");
    terminal.type_in("\x03");
    assert_eq!(terminal.await_end(), Some(0));
    assert!(terminal.look(|screen| !screen.hide_cursor() && !screen.alternate_screen()));
    assert_eq!(terminal.shown().trim(), "", "nothing of it is left");
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_narrow_terminal_cuts_rows_and_a_supervisor_that_goes_is_waited_for() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let mut terminal = Terminal::start(&stand.command(&["status", "--watch"]), 40, 8);
    terminal.await_shown("nobody is there yet", |shown| {
        shown.contains("the supervisor does not ans")
    });
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let shown = terminal.await_shown("it is there", |shown| shown.contains("at rest"));
    assert!(shown.lines().count() <= 8, "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() <= 40),
        "{shown}"
    );
    supervisor.kill();
    terminal.await_shown("it has gone", |shown| {
        shown.contains("the supervisor does not ans") && shown.contains("s ago: at rest with")
    });
    let _again = stand.run();
    terminal.await_shown("it is back", |shown| shown.contains("at rest with"));
    terminal.resize(20, 4);
    terminal.await_shown("the smaller page", |shown| {
        let is_cut = |line: &str| line.chars().count() <= 20;
        shown.contains("phase       at rest ")
            && shown.contains("running")
            && shown.lines().all(is_cut)
    });
    terminal.type_in("\x03");
    assert_eq!(terminal.await_end(), Some(0));
}

/// A watch into a pipe.
fn watching(stand: &Stand, arguments: &[&str]) -> (Child, Log) {
    let mut command = stand.command(arguments);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let log = Log::default();
    log.follow(child.stdout.take().unwrap());
    (child, log)
}

#[test]
fn into_a_pipe_goes_one_line_for_each_change_and_with_json_one_object() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let (mut lines, log) = watching(&stand, &["status", "--watch"]);
    let (mut objects, json) = watching(&stand, &["status", "--watch", "--json"]);
    log.await_line("waiting: no supervisor runs on the state folder");
    json.await_line("{\"waiting\":\"no supervisor runs");
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    log.await_line("at rest with version 1.0.0; 1.0.0 active, well; cloud up");
    json.await_line("\"phase\":\"idle\"");
    stand.cloud.fault(Fault::new(FaultName::Stall));
    stand.offer(&stand.good("1.0.7"));
    log.await_line("fetching version 1.0.7");
    json.await_line("\"phase\":\"fetching\"");
    stand.cloud.clear_fault(FaultName::Stall);
    supervisor.await_rest("1.0.7");
    log.await_line("at rest with version 1.0.7");
    supervisor.kill();
    let gone = log.position();
    log.await_line_after(gone.saturating_sub(1), "waiting: ");
    for (child, log) in [(&mut lines, &log), (&mut objects, &json)] {
        let text = log.text();
        assert!(
            !text.contains('\x1b'),
            "no sequences go into a pipe: {text}"
        );
        // Not one look is told twice: neither memory nor processor time makes a line.
        let told: Vec<_> = text
            .lines()
            .map(|line| line.split_once("  ").map_or(line, |it| it.1))
            .collect();
        assert!(told.windows(2).all(|two| two[0] != two[1]), "{text}");
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let whole = json.text();
    let whole = whole
        .lines()
        .all(|line| serde_json::from_str::<Value>(line).is_ok());
    assert!(whole, "each line is an object: {}", json.text());
}

#[test]
fn a_watch_whose_reader_has_gone_ends() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let mut command = stand.command(&["status", "--watch"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    assert!(first.contains("waiting: no supervisor runs"), "{first}");
    // From here on it has nothing to say, and finds out all the same.
    drop(reader);
    let code = until("its end", || match child.try_wait() {
        Ok(Some(status)) => Ok(status.code()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(code, Some(0));
}
