//! Where the device stood outlives its worker, its supervisor and the power: what is kept on the disk, and what the next worker makes of
//! it. A power cut is a killed supervisor here whose checkpoint says that it was written in another run of the machine.

mod kept;

use std::fs;

use cloud_emulator::{TaskState, What};
use e2e::{Image, Programs, Stand, Supervisor};
use serde_json::{Value, json};

use self::kept::{age, await_kept, change, files, newest};

/// A stand where the state goes to the disk as soon as it changes.
fn stand() -> Stand {
    let mut stand = Stand::new();
    stand.set("state.checkpoint_every_s", 0.05);
    stand
}

/// A misfit that counts from 7000 on, with that on the disk.
fn counting<'s>(stand: &'s Stand, orders: &Value) -> Supervisor<'s> {
    let supervisor = stand.run_with(&stand.misfit(orders));
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 7000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    await_kept(stand, "the count is kept", |state| {
        state["count"].as_i64() >= Some(7000)
    });
    supervisor
}

fn orders(stand: &Stand) -> Value {
    json!({ "version": "1.0.0", "journal": stand.misfit_journal_path("lives") })
}

/// What the worker of this life, counted from 1, was told when it became active.
#[track_caller]
fn told(stand: &Stand, life: usize) -> Value {
    stand.await_misfit("lives", "active", life);
    let lives = stand.misfit_journal("lives");
    let mut active = lives.iter().filter(|line| line["event"] == "active");
    active.nth(life - 1).unwrap().clone()
}

#[test]
fn after_the_supervisors_death_the_worker_is_told_its_state_the_cause_and_the_age() {
    let stand = stand();
    let mut first = counting(&stand, &orders(&stand));
    first.kill();
    let kept = newest(&stand).unwrap();
    let second = stand.run();
    let told = told(&stand, 2);
    assert_eq!(told["count"], kept.state()["count"]);
    assert_eq!(told["cause"], "SupervisorLost");
    assert!(told["age_ms"].as_u64() < Some(30_000), "{told}");
    second.log.await_line("the supervisor was away");
}

#[test]
fn an_age_is_told_as_it_is_and_not_at_all_when_the_clock_went_back() {
    let stand = stand();
    let mut first = counting(&stand, &orders(&stand));
    first.kill();
    let hour = 3_600_000;
    change(&stand, |body| age(body, hour));
    let mut second = stand.run();
    let late = told(&stand, 2);
    assert!(
        (hour..2 * hour).contains(&late["age_ms"].as_u64().unwrap()),
        "{late}"
    );
    assert_eq!(late["cause"], "SupervisorLost");
    await_kept(&stand, "it is kept anew", |state| {
        state["count"].as_i64() > late["count"].as_i64()
    });
    second.kill();
    change(&stand, |body| {
        let at = body["at"].as_u64().unwrap();
        body["at"] = (at + hour).into();
    });
    let _third = stand.run();
    let unknown = told(&stand, 3);
    assert!(unknown["age_ms"].is_null(), "{unknown}");
    assert!(unknown["count"].as_i64() >= Some(7000), "{unknown}");
}

#[test]
fn after_a_power_cut_the_worker_is_told_so_and_goes_on_from_its_own_words_after_that() {
    let stand = stand();
    let mut first = counting(&stand, &orders(&stand));
    first.kill();
    change(&stand, |body| {
        body["boot"] = json!({ "named": "the run before" });
    });
    let kept = newest(&stand).unwrap();
    let second = stand.run();
    let after = told(&stand, 2);
    assert_eq!(after["cause"], "PowerCut", "{after}");
    assert_eq!(after["count"], kept.state()["count"], "{after}");
    second
        .log
        .await_line("the machine was off, or that cannot be told");
    await_kept(&stand, "it has said more", |state| {
        state["count"].as_i64() > after["count"].as_i64()
    });
    Programs::under_test().kill(second.worker());
    assert_eq!(told(&stand, 3)["cause"], "Crash");
}

#[test]
fn a_supervisor_that_does_not_know_in_which_run_of_the_machine_it_was_kept_says_power_cut() {
    let stand = stand();
    let mut first = counting(&stand, &orders(&stand));
    first.kill();
    change(&stand, |body| {
        body.as_object_mut().unwrap().remove("boot");
    });
    let _second = stand.run();
    assert_eq!(told(&stand, 2)["cause"], "PowerCut");
}

#[test]
fn a_supervisor_that_is_stopped_in_order_keeps_the_last_word() {
    // The usual rate: what is on the disk otherwise is the first word.
    let stand = Stand::new();
    let mut first = stand.run_with(&stand.misfit(&orders(&stand)));
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 7000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    first.ask_to_end();
    assert_eq!(first.await_end(), Some(0));
    let lives = stand.misfit_journal("lives");
    let last = lives
        .iter()
        .rfind(|line| line["event"] == "quiesced")
        .unwrap();
    assert!(last["count"].as_i64() >= Some(7000), "{last}");
    let _second = stand.run();
    let told = told(&stand, 2);
    assert_eq!(
        (&told["count"], &told["cause"]),
        (&last["count"], &json!("SupervisorLost"))
    );
}

#[test]
fn damage_of_any_kind_is_a_cold_start_with_a_warning_that_names_the_file() {
    for damage in [
        "torn",
        "truncated",
        "bit-flipped",
        "foreign",
        "too long",
        "not a file",
    ] {
        let stand = stand();
        let mut first = counting(&stand, &orders(&stand));
        first.kill();
        for file in files(&stand) {
            let mut bytes = fs::read(&file).unwrap();
            match damage {
                "torn" => {
                    let half = bytes.len() / 2;
                    bytes[half..].fill(0);
                }
                "truncated" => bytes.truncate(bytes.len() - 1),
                "bit-flipped" => bytes[40] ^= 1,
                "foreign" => bytes[..8].copy_from_slice(b"hotplate"),
                "too long" => bytes.resize(8 << 20, b' '),
                _ => {}
            }
            fs::remove_file(&file).unwrap();
            if damage == "not a file" {
                fs::create_dir(&file).unwrap();
            } else {
                fs::write(&file, bytes).unwrap();
            }
        }
        let second = stand.run();
        let told = told(&stand, 2);
        assert_eq!(
            (&told["count"], &told["cause"]),
            (&json!(0), &Value::Null),
            "{damage}"
        );
        for word in ["checkpoint.a", "checkpoint.b", "its worker starts cold"] {
            let line = second.log.await_line(word);
            assert!(line.contains("WARN"), "{damage}: {line}");
        }
        // And from now on it is kept again.
        await_kept(&stand, damage, |state| state["count"].as_i64() >= Some(1));
        second.await_rest("1.0.0");
    }
}

#[test]
fn one_damaged_file_costs_only_what_is_in_it() {
    let stand = stand();
    let mut first = counting(&stand, &orders(&stand));
    let number = newest(&stand).unwrap().number;
    // Once both files are from after the change, either will do.
    e2e::until("both files are new", || match newest(&stand) {
        Some(kept) if kept.number > number + 1 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    first.kill();
    let [a, b] = files(&stand);
    let whole = newest(&stand).unwrap();
    fs::write(&a, b"torn").unwrap();
    let left = newest(&stand).unwrap();
    assert!(left.number == whole.number || left.number + 1 == whole.number);
    let second = stand.run();
    let told = told(&stand, 2);
    assert_eq!(told["count"], left.state()["count"], "{}", b.display());
    let line = second.log.await_line("checkpoint.a");
    assert!(line.contains("WARN"), "{line}");
    assert!(!second.log.has("starts cold"));
}

#[test]
fn words_of_another_version_are_read_as_far_as_they_go_and_nonsense_is_a_cold_start() {
    for (snapshot, count, cause) in [
        (
            r#"{"count":7100,"mood":{"good":true}}"#,
            7100,
            json!("SupervisorLost"),
        ),
        (r#"{"mood":"good"}"#, 0, json!("SupervisorLost")),
        (r#"{"count":"many"}"#, 0, Value::Null),
        ("no JSON at all", 0, Value::Null),
        ("", 0, Value::Null),
    ] {
        let stand = stand();
        let mut first = counting(&stand, &orders(&stand));
        first.kill();
        change(&stand, |body| body["snapshot"] = snapshot.into());
        let second = stand.run();
        let told = told(&stand, 2);
        assert_eq!(
            (&told["count"], &told["cause"]),
            (&json!(count), &cause),
            "{snapshot}"
        );
        if cause.is_null() {
            second.log.await_line("cannot be read, starting cold");
        }
        second.await_rest("1.0.0");
    }
}

#[test]
fn a_version_taken_back_after_a_power_cut_while_proving_stands_where_it_stood() {
    let mut stand = stand();
    stand.set("update.tries", 1);
    stand.set("update.proving_s", 20);
    let mut first = counting(&stand, &orders(&stand));
    let journal = stand.misfit_journal_path("trial");
    let trial = json!({ "version": "1.0.7", "journal": journal, "ticks": true });
    stand.offer(&stand.misfit(&trial));
    first.await_status("1.0.7 is being proved", |status| {
        status["phase"] == "proving"
    });
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "count": 900_000 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    let worker = first.worker();
    let lives = stand.misfit_journal("lives");
    let handed = lives
        .iter()
        .rfind(|line| line["event"] == "quiesced")
        .unwrap();
    await_kept(&stand, "what was handed over is kept", |state| {
        state["count"] == handed["count"]
    });
    // A second later the supervisor knows what the one on trial says; were it kept, it would be told from the old one's words.
    e2e::until("a second of life after the change", || {
        let lives = stand.misfit_journal("trial");
        let life = |line: &Value| line["life_ms"].as_u64().unwrap_or_default();
        let since = lives
            .iter()
            .find(|line| line["count"].as_i64() >= Some(900_000))
            .map_or(u64::MAX, life);
        match lives.last().map_or(0, life) {
            now if now > since.saturating_add(1500) => Ok(()),
            now => Err(format!("{now} of {since} ms")),
        }
    });
    first.kill();
    assert_eq!(newest(&stand).unwrap().state()["count"], handed["count"]);
    let second = stand.run();
    stand.await_task(TaskState::Failed);
    let told = told(&stand, 2);
    assert_eq!(told["count"], handed["count"], "{told}");
    assert_eq!(told["cause"], "SupervisorLost", "{told}");
    second.await_rest("1.0.0");
    assert_ne!(second.worker(), worker);
}

/// A supervisor of an oven at 180 ℃ with 12 minutes on the timer, as if the one before had been killed a moment ago; `edit` may make
/// that another loss. With the position in the cloud's journal where it started.
fn oven<'s>(stand: &'s Stand, edit: impl FnOnce(&mut Value)) -> (Supervisor<'s>, u64) {
    let mut before = stand.run_with(&Image::oven("1.0.0"));
    await_kept(stand, "the oven's state is kept", |state| {
        state["target"] == 0.0
    });
    before.kill();
    let hot = json!({
        "temperature": 180.0, "target": 180.0, "heater": true, "fan": true,
        "timer_minutes": 20, "timer_left_ms": 12 * 60_000,
    });
    change(stand, |body| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        body["at"] = u64::try_from(now.unwrap().as_millis()).unwrap().into();
        body["snapshot"] = hot.to_string().into();
        edit(body);
    });
    let mark = stand.cloud.journal_position();
    (stand.run(), mark)
}

/// A full report of the oven after a position.
#[track_caller]
fn report(stand: &Stand, after: u64) -> Value {
    let posted = stand.await_entry(after, "a full report", |entry| {
        matches!(&entry.what, What::In(message) if message.json()["params"]["remaining_time"]["value"].is_i64())
    });
    let What::In(message) = posted.what else {
        panic!("{posted:?}")
    };
    message.json()["params"].clone()
}

#[track_caller]
fn goes_on(report: &Value) {
    assert_eq!(report["target_temperature"]["value"], 180.0, "{report}");
    assert_eq!(report["timer_setting"]["value"], 20, "{report}");
    let left = report["remaining_time"]["value"].as_i64();
    assert!((10..=12).contains(&left.unwrap()), "{report}");
    let warm = report["current_temperature"]["value"].as_f64();
    assert!((150.0..=190.0).contains(&warm.unwrap()), "{report}");
}

#[test]
fn an_oven_at_180_with_12_minutes_on_the_timer_goes_on_after_its_supervisor_and_after_its_worker() {
    let stand = stand();
    let (supervisor, mark) = oven(&stand, |_| {});
    supervisor.await_rest("1.0.0");
    goes_on(&report(&stand, mark));
    let worker = supervisor.worker();
    Programs::under_test().kill(worker);
    supervisor.await_status("another worker is active", |status| {
        status["workers"][0]["stage"] == "active" && status["workers"][0]["pid"] != worker
    });
    let after = stand.cloud.journal_position();
    goes_on(&report(&stand, after));
    assert!(!stand.cloud.journal().iter().any(|entry| {
        entry.seq > mark
            && matches!(&entry.what, What::In(message) if message.topic.contains("state_not_resumed"))
    }));
}

#[test]
fn an_oven_that_nobody_watched_for_long_or_over_a_power_cut_stays_off_and_says_so() {
    for (why, edit) in [
        (
            "after the loss of its supervisor",
            (|body: &mut Value| age(body, 31_000)) as fn(&mut Value),
        ),
        ("after a power cut", |body| {
            body["boot"] = json!({ "named": "the run before" });
        }),
    ] {
        let stand = stand();
        let (supervisor, mark) = oven(&stand, edit);
        let topic = stand.sys_topic("thing/event/state_not_resumed/post");
        let (_, message) = stand.await_message(mark, &topic);
        assert_eq!(
            message.json()["params"]["value"]["message"],
            format!("the oven stays off {why}; its target was 180 ℃")
        );
        supervisor.await_rest("1.0.0");
        stand.await_device("the oven is off", |device| {
            device.property("target_temperature") == Some(&json!(0.0))
        });
        let state = await_kept(&stand, "it is kept so", |state| state["target"] == 0.0);
        assert!(state.state()["timer_left_ms"].is_null(), "{state:?}");
    }
}

#[test]
fn a_device_that_does_not_change_writes_nothing() {
    let mut stand = stand();
    stand.set("cloud.report_every_s", 0.1);
    let supervisor = stand.run_with(&Image::oven("1.0.0"));
    let first = await_kept(&stand, "the oven's state is kept", |state| {
        state["target"] == 0.0
    });
    let mut mark = stand.cloud.journal_position();
    for _ in 0..20 {
        let topic = stand.sys_topic("thing/event/property/post");
        mark = stand.await_message(mark, &topic).0.seq;
    }
    assert_eq!(newest(&stand).unwrap().number, first.number);
    // What does change is kept; it is no matter of not looking.
    let set = stand
        .cloud
        .set_property(&stand.device, json!({ "internal_light": 1 }));
    assert_eq!(stand.cloud.block_on(set).unwrap().code, 200);
    await_kept(&stand, "the light is kept", |state| state["light"] == true);
    supervisor.await_rest("1.0.0");
}
