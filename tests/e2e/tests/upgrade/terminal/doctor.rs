//! `doctor`: what it says of a device that is well, of one that is not, and that it changes nothing.

use std::{fs, net::TcpListener, path::Path};

use cloud_emulator::{Fault, FaultName, What};
use e2e::{SECRET, Stand, Terminal, applies};
use serde_json::Value;

/// All checks as they were made, and the exit code.
#[track_caller]
fn examined(stand: &Stand) -> (Value, Option<i32>) {
    let ended = stand.cli(&["doctor", "--json"]);
    let value: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"));
    assert!(!ended.stdout.contains(SECRET));
    (value, ended.code)
}

/// A check must have ended so, with these words in what it says and in the next step.
#[track_caller]
fn says(found: &Value, check: &str, verdict: &str, words: &[&str]) {
    let mut checks = found["checks"].as_array().unwrap().iter();
    let it = checks.find(|it| it["check"] == check && (verdict == it["verdict"]));
    let it = it.unwrap_or_else(|| panic!("no `{check}` is {verdict}: {found:#}"));
    for word in words {
        let text = format!("{} {}", it["says"], it["next"]);
        assert!(text.contains(word), "no `{word}` in {it}");
    }
    if verdict == "failed" || verdict == "warning" {
        assert!(it["next"].is_string(), "no next step: {it}");
    }
}

/// Every file below a folder with its bytes.
fn inside(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).unwrap_or_default();
                all.push((path.display().to_string(), bytes));
            }
        }
    }
    all.sort();
    all
}

#[test]
fn a_device_that_is_well_has_every_check_and_nothing_is_changed_by_them() {
    if !applies() {
        return;
    }
    let stand = Stand::with_tls();
    stand.install(&stand.good("1.0.0"));
    let before = inside(&stand.path(""));
    let (found, code) = examined(&stand);
    assert_eq!(code, Some(0), "{found:#}");
    assert_eq!(found["well"], true);
    for (check, word) in [
        ("configuration", "settings"),
        ("secret", "`device.secret`, which only its owner may read"),
        ("rights", "may be changed"),
        ("space", "free"),
        ("clock", "which can be"),
        ("worker", "version 1.0.0 in slot 1, every byte verified"),
        ("name", "is an address"),
        ("port", "accepts connections"),
        ("tls", "is vouched for"),
        ("login", "lets this device in"),
        ("ping", "answered in"),
    ] {
        says(&found, check, "ok", &[word]);
    }
    says(
        &found,
        "supervisor",
        "warning",
        &["no supervisor runs", "supervisor run"],
    );
    says(&found, "firmware", "not-tried", &["not known yet"]);
    assert_eq!(inside(&stand.path("")), before, "a check changes nothing");
}

#[test]
fn a_running_supervisor_is_asked_and_not_thrown_out() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let mark = stand.cloud.journal_position();
    let (found, code) = examined(&stand);
    assert_eq!(code, Some(0), "{found:#}");
    says(&found, "supervisor", "ok", &["answers"]);
    says(
        &found,
        "login",
        "ok",
        &["the running supervisor is logged in"],
    );
    says(&found, "ping", "not-tried", &[]);
    says(&found, "tls", "not-tried", &["\\\"off\\\""]);
    assert_eq!(supervisor.await_rest("1.0.0")["cloud_connections"], 1);
    let logins = stand.cloud.journal().into_iter();
    let logins = logins.filter(|it| it.seq > mark && matches!(it.what, What::Connect { .. }));
    assert_eq!(logins.count(), 0);
    // The host of an update under way, and the time it gives.
    stand.cloud.fault(Fault::new(FaultName::Stall));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("the download", |status| status["phase"] == "fetching");
    let (found, _) = examined(&stand);
    says(&found, "firmware", "ok", &["127.0.0.1:", "answers"]);
    says(&found, "clock", "ok", &["it says"]);
    stand.cloud.clear_fault(FaultName::Stall);
    supervisor.await_rest("1.0.7");
}

#[test]
fn every_fault_on_the_way_is_told_by_its_name_with_the_next_step() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    stand.cloud.add_device(&stand.device, "another secret");
    let (found, code) = examined(&stand);
    assert_eq!((code, &found["well"]), (Some(1), &Value::Bool(false)));
    let words = ["refused the signature", "check product key"];
    says(&found, "login", "failed", &words);
    says(&found, "ping", "not-tried", &[]);
    says(
        &found,
        "worker",
        "warning",
        &["no worker is installed", "supervisor install"],
    );
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    stand.set("cloud.port", port);
    let (found, _) = examined(&stand);
    says(
        &found,
        "port",
        "failed",
        &["nothing listens", "check `cloud.port`"],
    );
    says(&found, "login", "not-tried", &["was not reached"]);
    stand.set_text("cloud.host", "no-such-host.invalid");
    let (found, _) = examined(&stand);
    says(&found, "name", "failed", &["no such host", "name server"]);
    fs::write(stand.config(), "[cloud\n").unwrap();
    let (found, code) = examined(&stand);
    assert_eq!(code, Some(1));
    says(
        &found,
        "configuration",
        "failed",
        &["line 1", "not TOML", "hotplate.example.toml"],
    );
}

#[test]
fn a_damaged_worker_is_told_before_it_is_started() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let slots = fs::read_dir(stand.path("state/slots")).unwrap();
    let slot = slots.flatten().next().unwrap().path();
    let image = slot.join("worker");
    let mut bytes = fs::read(&image).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(&image).unwrap();
    fs::write(&image, bytes).unwrap();
    let (found, code) = examined(&stand);
    assert_eq!(code, Some(1));
    says(
        &found,
        "worker",
        "failed",
        &["version 1.0.0", "other bytes", "supervisor install"],
    );
}

#[test]
fn at_a_terminal_it_is_a_table_in_colours() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let mut terminal = Terminal::start(&stand.command(&["doctor"]), 120, 50);
    let shown = terminal.await_shown("the sum", |shown| shown.contains("nothing failed"));
    assert_eq!(terminal.await_end(), Some(0));
    for words in [
        "ok         configuration",
        "warning    supervisor",
        "next: start one",
    ] {
        assert!(shown.contains(words), "no `{words}` in\n{shown}");
    }
    let colour = terminal.look(|screen| screen.cell(0, 0).map(vt100::Cell::fgcolor));
    assert_eq!(colour, Some(vt100::Color::Idx(2)), "{shown}");
}
