//! What a supervisor tells of itself: the story of the last update, numbers for alarms, its log for programs and for the platform.

use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Write as _},
    net::TcpStream,
};

use cloud_emulator::TaskState;
use e2e::{Stand, Supervisor, until};
use serde_json::{Value, json};

/// What `explain` says when it has this in it; the recorder writes when it comes to it.
#[track_caller]
fn explained(stand: &Stand, part: &str) -> String {
    until(&format!("`explain` with `{part}`"), || {
        let ended = stand.cli(&["explain"]);
        match ended.stdout {
            text if ended.code == Some(0) && text.contains(part) => Ok(text),
            text => Err(format!("{:?}: {text}{}", ended.code, ended.stderr)),
        }
    })
}

/// The places of these sentences in a text, each behind the one before.
#[track_caller]
fn in_order(text: &str, sentences: &[&str]) {
    let mut rest = text;
    for sentence in sentences {
        let (_, behind) = rest
            .split_once(sentence)
            .unwrap_or_else(|| panic!("`{sentence}` is missing, or too early, in\n{text}"));
        rest = behind;
    }
}

#[test]
fn explain_tells_a_good_update_from_its_offer_to_its_trust_in_sentences_with_times() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let text = explained(&stand, "Version 1.0.7 is trusted.");
    in_order(
        &text,
        &[
            "An update from version 1.0.0 to 1.0.7",
            " began on 20",
            " UTC.\nIt was done in ",
            "Nobody ran the device for ",
            "Version 1.0.7 is to be installed",
            "The image of version 1.0.7 is whole and verified.",
            "Version 1.0.7 warms up beside the running one.",
            "The switch to version 1.0.7 begins.",
            "Version 1.0.7 runs and is being proved; nobody ran the device for ",
            "Version 1.0.7 is trusted.",
            "Nothing needs to be done.",
        ],
    );
    let ended = stand.cli(&["explain", "--json"]);
    let story: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(story["update"]["from"], "1.0.0");
    assert_eq!(story["update"]["result"], "trusted");
    assert_eq!(story["story"][0]["turn"]["began"]["to"], "1.0.7");
}

#[test]
fn explain_tells_why_a_version_was_taken_back_and_needs_no_supervisor_for_it() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let dies = json!({ "version": "1.0.8", "do": "fail-activate" });
    stand.offer(&stand.misfit(&dies));
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    let text = explained(&stand, "The update ended: ");
    in_order(
        &text,
        &[
            "It failed after ",
            "! The update ended: ",
            "`supervisor release 1.0.8`",
        ],
    );
    drop(supervisor);
    assert_eq!(stand.cli(&["explain"]).stdout, text);
    // Whoever asks on a state folder that nobody has used is told that there is nothing.
    let mut fresh = Stand::new();
    fresh.set_text("state.dir", "elsewhere");
    let ended = fresh.cli(&["explain"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stdout, "No update is on record.\n");
}

#[test]
fn the_story_of_an_update_goes_on_behind_a_kill_and_a_line_that_was_torn() {
    let mut stand = Stand::new();
    stand.set("update.proving_s", 600);
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    supervisor.await_status("proving", |status| status["phase"] == "proving");
    explained(&stand, "Version 1.0.7 runs and is being proved");
    supervisor.kill();
    drop(supervisor);
    let recorder = stand.path("state/flight.log");
    let mut file = OpenOptions::new().append(true).open(&recorder).unwrap();
    file.write_all(b"{\"at\":17640000").unwrap();
    drop(file);
    stand.set("update.proving_s", 0.3);
    let supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let text = explained(&stand, "Version 1.0.7 is trusted.");
    in_order(
        &text,
        &[
            "Version 1.0.7 is to be installed",
            "Version 1.0.7 runs and is being proved",
            "Supervisor 0.1.0 starts as process ",
            "Version 1.0.7 is trusted.",
        ],
    );
}

#[test]
fn a_recorder_that_cannot_be_written_harms_nothing() {
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    // Not even root can write a line into a folder.
    fs::create_dir(stand.path("state/flight.log")).unwrap();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let ended = stand.cli(&["explain"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("flight.log` cannot be read"),
        "{ended:?}"
    );
}

/// A whole answer to one line of request.
fn answer(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[track_caller]
fn metrics_address(supervisor: &Supervisor<'_>) -> String {
    let line = supervisor.log.await_line("metrics are at http://");
    let (_, behind) = line.split_once("http://").unwrap();
    behind.split('/').next().unwrap().to_owned()
}

#[test]
fn an_operators_alarms_get_numbers_and_nobody_else_gets_anything() {
    let mut stand = Stand::new();
    stand.set_text("metrics.listen", "127.0.0.1:0");
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let address = metrics_address(&supervisor);
    let scrape = || answer(&address, "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
    let first = scrape();
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n"), "{first}");
    for line in [
        "hotplate_cloud_up 1\n",
        "hotplate_update_phase{phase=\"idle\"} 1\n",
        "hotplate_worker_active 1\n",
        "hotplate_worker_well{role=\"active\",version=\"1.0.0\"} 1\n",
    ] {
        assert!(first.contains(line), "{line} in\n{first}");
    }
    assert!(
        !first.contains("hotplate_last_update_succeeded{"),
        "{first}"
    );
    let dies = json!({ "version": "1.0.8", "do": "fail-activate" });
    stand.offer(&stand.misfit(&dies));
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    let second = scrape();
    assert!(
        second.contains("hotplate_last_update_succeeded{version=\"1.0.8\"} 0\n"),
        "{second}"
    );
    let elsewhere = answer(&address, "GET / HTTP/1.1\r\n\r\n");
    assert!(elsewhere.starts_with("HTTP/1.1 404 "), "{elsewhere}");
    let written = answer(
        &address,
        "POST /metrics HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(written.starts_with("HTTP/1.1 405 "), "{written}");
}

#[test]
fn a_port_that_is_taken_costs_the_numbers_and_nothing_else() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut stand = Stand::new();
    stand.set_text("metrics.listen", &address);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let line = supervisor.log.await_line("nobody can read the metrics");
    assert!(line.contains(&address), "{line}");
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    drop(taken);
    metrics_address(&supervisor);
}

#[test]
fn a_log_for_programs_is_an_object_a_line_with_job_and_tenure() {
    let mut stand = Stand::new();
    stand.set_text("log.format", "json");
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.log.await_line("version 1.0.7 is trusted");
    let text = supervisor.log.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")))
        .collect();
    let trusted = lines
        .iter()
        .find(|line| line["text"] == "version 1.0.7 is trusted")
        .unwrap();
    assert_eq!(trusted["level"], "info");
    assert!(trusted["job"].is_u64(), "{trusted}");
    assert!(lines.iter().any(|line| line["tenure"].is_u64()), "{text}");
}

#[test]
fn the_platform_gets_the_log_from_a_grade_on_if_an_operator_wants_it_and_else_nothing() {
    let mut stand = Stand::new();
    let topic = stand.sys_topic("thing/log/post");
    let dies = json!({ "version": "1.0.8", "do": "fail-activate" });
    let bad = stand.misfit(&dies);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&bad);
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    assert!(stand.said(&topic).is_empty(), "nobody asked for it");
    drop(supervisor);
    stand.set_text("log.upload", "warn");
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    let released = stand.cli(&["release", "1.0.8"]);
    assert_eq!(released.code, Some(0), "{released:?}");
    stand.offer(&bad);
    let ended = until("the failure's line at the platform", || {
        let lines: Vec<Value> = stand
            .said(&topic)
            .into_iter()
            .flat_map(|(_, said)| said["params"].as_array().cloned().unwrap_or_default())
            .collect();
        let found = lines.iter().find(|line| {
            let text = line["logContent"].as_str().unwrap_or_default();
            text.starts_with("the update ended: ")
        });
        assert!(
            lines.iter().all(|line| line["logLevel"] != "INFO"),
            "{lines:?}"
        );
        found.cloned().ok_or_else(|| format!("{lines:?}"))
    });
    assert_eq!(ended["logLevel"], "WARN");
    assert_eq!(ended["module"], "hotplate");
    let time = ended["utcTime"].as_str().unwrap();
    assert!(
        time.len() == "2020-03-06T15:15:27.000+0800".len() && time.ends_with("+0000"),
        "{time}"
    );
    let trace = ended["traceContext"].as_str().unwrap();
    assert!(trace.starts_with("job "), "{trace}");
}
