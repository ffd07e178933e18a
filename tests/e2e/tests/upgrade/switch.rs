//! The switch from one worker to the next: nothing lost, nothing doubled, one after the other for as long as one likes.

pub(crate) mod consent;
mod limits;
mod state;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use cloud_emulator::{Answer, TaskState, What};
use e2e::{Programs, Stand};
use serde_json::{Value, json};

/// Each call adds so much, which is more than all turns of a test together.
const STEP: i64 = 10_000;

fn add(stand: &Stand, by: i64) -> Answer {
    let call = stand
        .cloud
        .call_service(&stand.device, "add", json!({ "by": by }));
    stand.cloud.block_on(call).unwrap()
}

#[test]
fn calls_that_never_pause_through_three_switches_are_each_answered_and_carried_out_once_and_in_order()
 {
    let mut stand = Stand::new();
    stand.set("cloud.answer_limit_s", 20);
    let journal = stand.misfit_journal_path("lives");
    let good = |version: &str| stand.misfit(&json!({ "version": version, "journal": journal }));
    let supervisor = stand.run_with(&good("1.0.0"));
    let done = AtomicBool::new(false);
    let asked = thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut asked: i64 = 0;
            while !done.load(Ordering::Relaxed) {
                asked += 1;
                // Each is another number, so that the order in which they were carried out can be seen.
                let answer = add(&stand, STEP + asked);
                assert_eq!(answer.code, 200, "call {asked}: {answer:?}");
            }
            asked
        });
        for version in ["1.0.1", "1.0.2", "1.0.3"] {
            stand.offer(&good(version));
            stand.await_task(TaskState::Succeeded);
            supervisor.await_rest(version);
        }
        done.store(true, Ordering::Relaxed);
        caller.join().unwrap()
    });
    let lives = stand.misfit_journal("lives");
    let added: Vec<_> = lives
        .iter()
        .filter(|line| line["event"] == "added")
        .map(|line| line["by"].as_i64().unwrap() - STEP)
        .collect();
    assert_eq!(
        added,
        (1..=asked).collect::<Vec<_>>(),
        "each once, in order"
    );
    let answer = add(&stand, 0);
    let count = answer.data["count"].as_i64().unwrap();
    let turns = count - added.iter().map(|number| STEP + number).sum::<i64>();
    assert!(
        (0..STEP).contains(&turns),
        "what was added is handed over each time: {turns}"
    );
    let device = stand.cloud.device_state(&stand.device).unwrap();
    assert_eq!(
        device.counters.connects, 1,
        "the same connection all the time"
    );
}

#[test]
fn an_event_that_the_old_worker_raises_at_its_end_is_told_once_and_before_the_new_ones_success() {
    let stand = Stand::new();
    let old = stand.misfit(&json!({ "version": "1.0.0", "farewell": true }));
    let _supervisor = stand.run_with(&old);
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    let told = stand.said(&stand.sys_topic("thing/event/handed_over/post"));
    assert_eq!(told.len(), 1, "{told:?}");
    let informed = stand.said(&stand.inform_topic());
    let (success, _) = informed.last().unwrap();
    assert!(told[0].0 < *success, "{told:?} {informed:?}");
}

#[test]
fn fifty_upgrades_in_a_row_keep_one_connection_one_count_and_one_worker() {
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let good = |version: &str| stand.misfit(&json!({ "version": version, "journal": journal }));
    let supervisor = stand.run_with(&good("1.0.0"));
    let mark = stand.cloud.journal_position();
    for number in 1..=50 {
        let version = format!("1.0.{number}");
        stand.offer(&good(&version));
        stand.await_task(TaskState::Succeeded);
        supervisor.await_rest(&version);
    }
    let device = stand.cloud.device_state(&stand.device).unwrap();
    assert_eq!(device.counters.connects, 1);
    let counts: Vec<i64> = stand
        .cloud
        .journal()
        .iter()
        .filter(|entry| entry.seq > mark)
        .filter_map(|entry| match &entry.what {
            What::In(message) if message.topic.ends_with("/event/property/post") => {
                message.json()["params"]["count"]["value"].as_i64()
            }
            _ => None,
        })
        .collect();
    assert!(counts.len() >= 50, "{counts:?}");
    assert!(counts.is_sorted(), "a count went back: {counts:?}");
    e2e::until("the running slot and the one before are left", || {
        let slots = std::fs::read_dir(stand.path("state").join("slots")).unwrap();
        match slots.count() {
            2 => Ok(()),
            count => Err(format!("{count} slots")),
        }
    });
    let status = supervisor.status();
    assert_eq!(status["respawns"], 0, "{status}");
    // From the moment the old one has let go of the device until the new one holds it, by what they wrote down themselves.
    let gaps = gaps(&stand.misfit_journal("lives"));
    assert_eq!(gaps.len(), 50, "{gaps:?}");
    e2e::figures::keep("gap of a switch", &gaps);
}

/// How long nobody held the device at each switch, in milliseconds.
fn gaps(lives: &[Value]) -> Vec<f64> {
    let at = |line: &Value| line["wall_us"].as_f64().unwrap();
    let pairs = lives
        .iter()
        .filter(|line| line["event"] == "quiesced" || line["event"] == "active");
    let pairs: Vec<&Value> = pairs.collect();
    let switches = pairs
        .windows(2)
        .filter(|pair| pair[0]["event"] == "quiesced" && pair[1]["event"] == "active");
    switches
        .map(|pair| (at(pair[1]) - at(pair[0])) / 1000.0)
        .collect()
}

#[test]
fn an_offer_in_the_middle_of_a_switch_is_taken_up_when_that_has_ended() {
    let mut stand = Stand::new();
    stand.set("worker.quiesce_limit_s", 600);
    let old = json!({ "version": "1.0.0", "do": "keep-handover" });
    let supervisor = stand.run_with(&stand.misfit(&old));
    let worker = supervisor.worker();
    let (first, second) = (stand.good("1.0.7"), stand.good("1.0.8"));
    let firmware = stand.upload(&second);
    stand.offer(&first);
    supervisor.await_status("the switch", |status| status["phase"] == "switching");
    let offer = stand
        .cloud
        .offer(&firmware, cloud_emulator::Transport::Https);
    assert!(stand.cloud.push_offer(&stand.device, &offer));
    supervisor
        .log
        .await_line("version 1.0.8 was offered during an update");
    Programs::under_test().kill(worker);
    supervisor.await_rest("1.0.8");
    let trusted = |version: &str| supervisor.log.has(&format!("version {version} is trusted"));
    assert!(trusted("1.0.7") && trusted("1.0.8"));
    let connects = stand.cloud.device_state(&stand.device).unwrap().counters;
    assert_eq!(connects.connects, 1);
    assert_ne!(Value::Null, supervisor.status()["last_gap_ms"]);
}
