//! What is owed to the platform reaches it: at least once, in order, and never as two different ends of one job; whatever becomes of the
//! broker, the link and the supervisor meanwhile. What cannot be kept for it is counted and told.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cloud_emulator::{Fault, FaultName, Rollout, TaskState, What};
use e2e::{Image, Stand, Supervisor, until};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A build that ends its update by these words, and not before.
fn bad(stand: &Stand, version: &str, why: &str) -> Image {
    stand.misfit(&json!({ "version": version, "do": "unfit", "reason": why }))
}

/// The failures told to the platform after a position, in words, without repetitions in a row.
fn failures(stand: &Stand, after: u64) -> Vec<String> {
    let said = stand.said(&stand.progress_topic());
    let failed = said.iter().filter(|(seq, value)| {
        let step = value["params"]["step"].as_str();
        *seq > after && step.is_some_and(|step| step.starts_with('-'))
    });
    let words = failed.map(|(_, value)| value["params"]["desc"].as_str().unwrap().to_owned());
    let mut words: Vec<String> = words.collect();
    words.dedup();
    words
}

/// Waits until a failure is told after a position; answers where.
#[track_caller]
fn await_failure(stand: &Stand, after: u64) -> u64 {
    let topic = stand.progress_topic();
    let told = stand.await_entry(after, "a failure is told", |entry| {
        matches!(&entry.what, What::In(message) if message.topic == topic
            && message.json()["params"]["step"].as_str().is_some_and(|step| step.starts_with('-')))
    });
    told.seq
}

/// A record file's generation and body.
fn read_record(path: &Path) -> Option<(u64, Value)> {
    let bytes = fs::read(path).ok()?;
    let number = u64::from_le_bytes(bytes.get(12..20)?.try_into().ok()?);
    let body = serde_json::from_slice(bytes.get(24..bytes.len() - 32)?).ok()?;
    Some((number, body))
}

/// Where the newest record on the disk is, its generation, and it.
fn newest_record(stand: &Stand) -> Option<(PathBuf, u64, Value)> {
    let state = stand.path("state");
    let files = ["record.a", "record.b"].map(|name| state.join(name));
    let found = files.into_iter().filter_map(|path| {
        let (number, body) = read_record(&path)?;
        Some((path, number, body))
    });
    found.max_by_key(|(_, number, _)| *number)
}

/// How many outcomes are owed, by the newest record on the disk.
fn owed(stand: &Stand) -> Option<usize> {
    let (_, _, body) = newest_record(stand)?;
    Some(body["owed"].as_array()?.len())
}

/// The newest record says something else from now on.
fn rewrite_record(stand: &Stand, change: impl FnOnce(&mut Value)) {
    let (path, _, mut body) = newest_record(stand).unwrap();
    change(&mut body);
    let mut bytes = fs::read(&path).unwrap();
    let text = body.to_string();
    bytes.truncate(20);
    bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
    bytes.extend(text.bytes());
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    fs::write(&path, bytes).unwrap();
}

#[track_caller]
fn await_owed(stand: &Stand, wanted: usize) {
    until("so much is owed", || match owed(stand) {
        Some(count) if count == wanted => Ok(()),
        other => Err(format!("{other:?} instead of {wanted}")),
    });
}

/// Offers an image and cuts the cloud link while it is fetched; the rest of it arrives after that.
fn offer_and_go_offline(stand: &Stand, supervisor: &Supervisor<'_>, image: &Image) {
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(image.size() / 2));
    stand.offer(image);
    supervisor.await_status("the download is under way", |status| {
        status["phase"] == "fetching" && status["ota_progress"].as_u64() > Some(0)
    });
    go_offline(stand);
}

fn go_offline(stand: &Stand) {
    stand.cloud.fault(Fault::new(FaultName::RefuseLogin));
    assert!(stand.cloud.drop_connection(&stand.device));
    stand.cloud.clear_fault(FaultName::Stall);
}

/// The platform heard nothing of it, the supervisor is killed, and the next one finds the way clear.
fn lose_all_and_come_back<'s>(stand: &'s Stand, mut supervisor: Supervisor<'s>) -> Supervisor<'s> {
    supervisor.kill();
    stand.cloud.clear_fault(FaultName::RefuseLogin);
    stand.run()
}

#[test]
fn a_failure_whose_acknowledgement_is_withheld_is_told_again_over_a_new_connection() {
    let mut stand = Stand::new();
    stand.set("cloud.ack_limit_s", 0.5);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::WithholdPuback));
    stand.offer(&bad(&stand, "1.0.8", "it is a brick"));
    let first = await_failure(&stand, 0);
    supervisor
        .log
        .await_line("has not acknowledged a message for 0.5 s");
    await_failure(&stand, first);
    assert_eq!(owed(&stand), Some(1), "nobody has acknowledged it");
    stand.cloud.clear_fault(FaultName::WithholdPuback);
    await_owed(&stand, 0);
    let device = stand.await_task(TaskState::Failed);
    assert_eq!(
        failures(&stand, 0),
        [device.task().unwrap().description.clone()]
    );
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_failure_whose_acknowledgement_is_lost_with_the_link_or_the_supervisor_is_told_again() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::WithholdPuback));
    stand.offer(&bad(&stand, "1.0.8", "it is a brick"));
    let told = await_failure(&stand, 0);
    assert!(stand.cloud.drop_connection(&stand.device));
    let told = await_failure(&stand, told);
    first.kill();
    stand.cloud.clear_fault(FaultName::WithholdPuback);
    let second = stand.run();
    await_failure(&stand, told);
    await_owed(&stand, 0);
    assert_eq!(failures(&stand, 0).len(), 1, "one end, told three times");
    // What has been acknowledged is not told by the one after that.
    let mark = stand.cloud.journal_position();
    let third = lose_all_and_come_back(&stand, second);
    third.await_rest("1.0.0");
    stand.await_message(mark, &stand.sys_topic("thing/ota/firmware/get"));
    assert_eq!(failures(&stand, mark), Vec::<String>::new());
}

#[test]
fn a_failure_of_an_offline_device_survives_its_supervisor() {
    let stand = Stand::new();
    let first = stand.run_with(&stand.good("1.0.0"));
    let image = bad(&stand, "1.0.8", "it is a brick");
    offer_and_go_offline(&stand, &first, &image);
    first.await_status("it has failed, unheard", |status| {
        status["last_outcome"]["version"] == "1.0.8" && status["cloud_up"] == false
    });
    assert_eq!(failures(&stand, 0), Vec::<String>::new());
    let mark = stand.cloud.journal_position();
    let second = lose_all_and_come_back(&stand, first);
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(
        task.description,
        "the new worker did not get ready: it is a brick"
    );
    // The version goes first: it is the one that the platform's task began with, and ends nothing.
    let (informed, _) = stand.await_message(mark, &stand.inform_topic());
    assert!(informed.seq < await_failure(&stand, mark));
    await_owed(&stand, 0);
    second.await_rest("1.0.0");
}

#[test]
fn a_success_of_an_offline_device_survives_its_supervisor() {
    let stand = Stand::new();
    let first = stand.run_with(&stand.good("1.0.0"));
    offer_and_go_offline(&stand, &first, &stand.good("1.0.7"));
    first.await_status("1.0.7 is trusted, unheard", |status| {
        status["version"] == "1.0.7" && status["phase"] == "idle" && status["cloud_up"] == false
    });
    assert_eq!(stand.informed(), ["1.0.0"]);
    let second = lose_all_and_come_back(&stand, first);
    stand.await_task(TaskState::Succeeded);
    assert_eq!(stand.informed().last().unwrap(), "1.0.7");
    assert_eq!(failures(&stand, 0), Vec::<String>::new());
    second.await_rest("1.0.7");
}

#[test]
fn a_failure_of_an_offline_device_is_not_told_of_a_job_that_took_the_place_of_its_own_meanwhile() {
    let stand = Stand::new();
    let first = stand.run_with(&stand.good("1.0.0"));
    offer_and_go_offline(&stand, &first, &bad(&stand, "1.0.8", "it is a brick"));
    first.await_status("it has failed, unheard", |status| {
        status["last_outcome"]["version"] == "1.0.8" && status["cloud_up"] == false
    });
    await_owed(&stand, 1);
    let mark = stand.cloud.journal_position();
    let firmware = stand.upload(&stand.good("1.0.9"));
    stand.start(Rollout {
        overwrite: true,
        ..Rollout::new(firmware.id, &stand.device)
    });
    let second = lose_all_and_come_back(&stand, first);
    second.await_rest("1.0.9");
    let device = stand.await_task(TaskState::Succeeded);
    let states: Vec<TaskState> = device.tasks.iter().map(|task| task.state).collect();
    assert_eq!(states, [TaskState::Canceled, TaskState::Succeeded]);
    assert_eq!(failures(&stand, mark), [""; 0]);
    await_owed(&stand, 0);
}

#[test]
fn progress_of_a_job_is_not_told_of_one_that_took_its_place_while_the_device_was_offline() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let (one, other) = (stand.good("1.0.8"), stand.good("1.0.9"));
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(one.size() / 2));
    stand.offer(&one);
    supervisor.await_status("the download is under way", |status| {
        status["phase"] == "fetching" && status["ota_progress"].as_u64() > Some(40)
    });
    stand.cloud.fault(Fault::new(FaultName::RefuseLogin));
    assert!(stand.cloud.drop_connection(&stand.device));
    let mark = stand.cloud.journal_position();
    let firmware = stand.upload(&other);
    stand.start(Rollout {
        overwrite: true,
        ..Rollout::new(firmware.id, &stand.device)
    });
    stand.cloud.clear_fault(FaultName::RefuseLogin);
    supervisor
        .log
        .await_line("the update ended: the platform wants version 1.0.9 in its place");
    stand.cloud.clear_fault(FaultName::Stall);
    supervisor.await_rest("1.0.9");
    stand.await_task(TaskState::Succeeded);
    let said = stand.said(&stand.progress_topic());
    let after = said.iter().filter(|(seq, _)| *seq > mark);
    let steps: Vec<&str> = after
        .map(|(_, value)| value["params"]["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps.first(), Some(&"1"), "{steps:?}");
}

/// Of jobs of the platform no more than one is ever owed: it has one at a time, and offers the next one only after the end of the one before. A
/// record written by a supervisor that did not go by this may owe several, and the platform hears them all while it has no job.
#[test]
fn several_outcomes_that_a_record_owes_are_told_in_order() {
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.good("1.0.0"));
    offer_and_go_offline(&stand, &first, &bad(&stand, "1.0.8", "one"));
    first.await_status("it has failed, unheard", |status| {
        status["last_outcome"]["version"] == "1.0.8" && status["cloud_up"] == false
    });
    await_owed(&stand, 1);
    first.kill();
    rewrite_record(&stand, |record| {
        let one = record["owed"][0].clone();
        for (after, why) in [(1, "two"), (2, "three")] {
            let mut next = one.clone();
            next["job"] = json!(one["job"].as_u64().unwrap() + after);
            next["outcome"]["NotReady"]["why"] = json!(why);
            record["owed"].as_array_mut().unwrap().push(next);
        }
    });
    assert_eq!(owed(&stand), Some(3));
    let job = stand.cloud.device_state(&stand.device).unwrap();
    stand.cloud.cancel_job(job.task().unwrap().job).unwrap();
    stand.cloud.clear_fault(FaultName::RefuseLogin);
    let second = stand.run();
    await_owed(&stand, 0);
    let expected = ["one", "two", "three"];
    let expected = expected.map(|why| format!("the new worker did not get ready: {why}"));
    assert_eq!(failures(&stand, 0), expected);
    second.await_rest("1.0.0");
}

#[test]
fn events_beyond_the_bound_are_counted_and_told_and_the_others_keep_their_order() {
    let stand = Stand::new();
    let orders = json!({ "version": "1.0.0", "raises": 20 });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    let line = supervisor.log.await_line("events are dropped");
    assert!(line.contains("WARN"), "{line}");
    let status = supervisor.await_status("dropped events are counted", |status| {
        status["dropped"]["events"].as_u64() > Some(100)
    });
    assert_eq!(status["dropped"]["reports"], 0, "{status}");
    let shown = stand.cli(&["status"]).stdout;
    assert!(
        shown.contains("never told") && shown.contains(" events"),
        "{shown}"
    );
    let told = stand.said(&stand.sys_topic("thing/event/counted/post"));
    let count = |value: &Value| value["params"]["value"]["count"].as_i64().unwrap();
    let counts: Vec<i64> = told.iter().map(|(_, value)| count(value)).collect();
    assert!(counts.len() > 20 && counts.is_sorted(), "{counts:?}");
    let lines = supervisor.log.text();
    assert_eq!(lines.matches("events are dropped").count(), 1, "told once");
}

#[test]
fn after_a_time_offline_the_newest_value_of_a_property_is_told_and_none_before_it() {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "journal": journal, "ticks": true });
    let supervisor = stand.run_with(&stand.misfit(&orders));
    go_offline(&stand);
    supervisor.await_status("offline", |status| status["cloud_up"] == false);
    let before = stand.misfit_journal("lives").len();
    stand.await_misfit("lives", "tick", before + 20);
    let lives = stand.misfit_journal("lives");
    let last = lives.last().unwrap()["count"].as_i64().unwrap();
    let mark = stand.cloud.journal_position();
    stand.cloud.clear_fault(FaultName::RefuseLogin);
    let topic = stand.sys_topic("thing/event/property/post");
    let count = |value: &Value| value["params"]["count"]["value"].as_i64();
    let posted = stand.await_entry(mark, "the count is told", |entry| {
        matches!(&entry.what, What::In(message) if message.topic == topic
            && count(&message.json()).is_some())
    });
    let What::In(message) = posted.what else {
        panic!("{posted:?}")
    };
    assert!(count(&message.json()).unwrap() >= last, "{message:?}");
    let status = supervisor.await_rest("1.0.0");
    let none = json!({ "reports": 0, "events": 0, "properties": 0 });
    assert_eq!(status["dropped"], none);
    let shown = stand.cli(&["status"]).stdout;
    assert!(!shown.contains("never told"), "{shown}");
}
