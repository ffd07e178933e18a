//! What a download may cost: never a byte more than its budgets, and no faster than it may.
//!
//! What counts is what the firmware server has handed to the network, summed over every answer, whether it arrived or not.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cloud_emulator::{Fault, FaultName, Rollout, TaskState, Transport, What};
use e2e::{Image, Stand, Supervisor, System, until};
use serde_json::Value;

/// What a killed supervisor may lose of its budget, in bytes: one request.
fn segment(image: &Image) -> u64 {
    (image.size() / 64).max(256 * 1024)
}

/// All that was ever sent.
#[track_caller]
fn all_sent(stand: &Stand) -> u64 {
    stand.sent().iter().sum()
}

fn is_over(stand: &Stand) -> bool {
    let device = stand.cloud.device_state(&stand.device);
    let task = device.as_ref().and_then(|device| device.task());
    task.is_some_and(|task| matches!(task.state, TaskState::Failed | TaskState::Succeeded))
}

/// What lies in the folder of beginnings.
fn parts(stand: &Stand) -> usize {
    fs::read_dir(stand.path("state/parts")).unwrap().count()
}

fn breaks_exactly(mut stand: Stand, transport: Transport) {
    let image = stand.good("1.0.7");
    stand.set("update.budget_bytes", image.size());
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let cut = image.size() / 20;
    stand
        .cloud
        .fault(Fault::new(FaultName::DropAfterBytes).n(cut));
    let firmware = stand.upload(&image);
    stand.start(Rollout {
        transport,
        ..Rollout::new(firmware.id, &stand.device)
    });
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stand.answers().len() >= 20);
    assert_eq!(all_sent(&stand), image.size());
    assert_eq!(parts(&stand), 0);
}

#[test]
fn an_image_that_breaks_off_twenty_times_needs_no_larger_budget_than_its_size() {
    breaks_exactly(Stand::new(), Transport::Http);
}

#[test]
fn nor_does_it_over_tls() {
    breaks_exactly(Stand::with_tls(), Transport::Https);
}

#[test]
fn a_supervisor_killed_in_mid_download_keeps_to_the_budget_of_the_update() {
    let mut stand = Stand::new();
    let image = stand.good("1.0.7");
    let kills = 3;
    let budget = image.size() + kills * segment(&image);
    stand.set("update.budget_bytes", budget);
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let pace = image.size() / 4;
    stand.cloud.fault(Fault::new(FaultName::Slow).n(pace));
    stand.offer(&image);
    for kill in 1..=kills {
        let point = image.size() * kill / (kills + 2);
        until(&format!("{point} bytes are on the disk"), || {
            let part = stand.part();
            (part >= point)
                .then_some(())
                .ok_or_else(|| part.to_string())
        });
        supervisor.kill();
        supervisor = stand.run();
    }
    stand.cloud.clear_fault(FaultName::Slow);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image), "it is not what was offered");
    let sent = all_sent(&stand);
    println!("{sent} bytes for {} with {kills} kills", image.size());
    assert!(
        (image.size()..=budget).contains(&sent),
        "{sent} of {budget}"
    );
}

#[test]
fn an_update_that_cannot_be_done_with_its_budget_any_more_is_ended_and_takes_no_further_byte() {
    let mut stand = Stand::new();
    let image = stand.good("1.0.7");
    // Less than most kills cost.
    let budget = image.size() + segment(&image) / 8;
    stand.set("update.budget_bytes", budget);
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let pace = image.size() / 8;
    stand.cloud.fault(Fault::new(FaultName::Slow).n(pace));
    stand.offer(&image);
    let mut kills = 0;
    loop {
        let had = stand.part();
        let goes_on = until("more of the image, or its end", || {
            if is_over(&stand) {
                Ok(false)
            } else if stand.part() > had + 10_000 {
                Ok(true)
            } else {
                Err(stand.part().to_string())
            }
        });
        if !goes_on {
            break;
        }
        supervisor.kill();
        supervisor = stand.run();
        kills += 1;
    }
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-2), "{task:?}");
    assert!(task.description.contains("it may fetch"), "{task:?}");
    supervisor.await_rest("1.0.0");
    let sent = all_sent(&stand);
    println!("{sent} bytes of {budget} with {kills} kills");
    assert!(kills > 0 && sent <= budget, "{sent} of {budget}");
    // Offered again, it is the same update.
    let before = stand.steps().len();
    stand.offer(&image);
    until("it is refused again", || {
        let steps = stand.steps();
        let refused = steps[before..].contains(&-2);
        refused.then_some(()).ok_or_else(|| format!("{steps:?}"))
    });
    assert_eq!(all_sent(&stand), sent);
    until("nothing is left of it", || match parts(&stand) {
        0 => Ok(()),
        left => Err(left.to_string()),
    });
}

#[test]
fn an_offer_larger_than_the_budget_is_refused_before_anything_is_fetched() {
    let mut stand = Stand::new();
    let image = stand.good("1.0.7");
    stand.set("update.budget_bytes", image.size() - 1);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&image);
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-1), "{task:?}");
    assert!(task.description.contains("at most"), "{task:?}");
    supervisor.await_rest("1.0.0");
    assert_eq!(stand.answers(), []);
}

/// A day that ends in the middle of a test would have its bytes twice.
fn away_from_midnight() {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let left = 86_400 - wall.unwrap().as_secs() % 86_400;
    if left < 60 {
        std::thread::sleep(Duration::from_secs(left));
    }
}

/// Waits until it rests for want of bytes, or is done. Does it rest?
#[track_caller]
fn rests(stand: &Stand, supervisor: &Supervisor<'_>) -> bool {
    let resting = |status: &Value| {
        let awaited = status["awaited"].as_str().unwrap_or_default();
        awaited.contains("another day's bytes")
    };
    // After a kill it rests before its worker is up.
    let status = supervisor.await_status("a rest with an active worker, or the end", |status| {
        is_over(stand) || resting(status) && status["workers"][0]["stage"] == "active"
    });
    let rests = resting(&status);
    if rests {
        assert_eq!(status["phase"], "fetching", "{status}");
        assert_eq!(status["hurry"].as_array().unwrap().len(), 0, "{status}");
    }
    rests
}

/// What was spent was spent a day before: tomorrow comes.
fn tomorrow(stand: &Stand) {
    let file = stand.path("state/budget");
    let mut account: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    account["day"] = (account["day"].as_u64().unwrap() - 1).into();
    fs::write(&file, account.to_string()).unwrap();
}

#[test]
fn no_day_takes_a_byte_more_than_its_budget_and_the_next_one_goes_on() {
    away_from_midnight();
    let mut stand = Stand::new();
    let image = stand.good("1.0.7");
    let per_day = image.size() * 2 / 5;
    stand.set("update.budget_bytes_per_day", per_day);
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));

    // The first day breaks off again and again, and has all its bytes in spite of it.
    let cut = Fault::new(FaultName::DropAfterBytes).n(image.size() / 30);
    stand.cloud.fault(cut);
    stand.offer(&image);
    assert!(rests(&stand, &supervisor));
    let first = all_sent(&stand);
    assert_eq!(first, per_day);
    stand.cloud.clear_fault(FaultName::DropAfterBytes);
    // A kill in the rest brings no other day.
    let answers = stand.answers().len();
    supervisor.kill();
    supervisor = stand.run();
    assert!(rests(&stand, &supervisor));
    assert_eq!(stand.answers().len(), answers);

    // On the second day it is killed in mid-download.
    supervisor.kill();
    tomorrow(&stand);
    let pace = image.size() / 4;
    stand.cloud.fault(Fault::new(FaultName::Slow).n(pace));
    supervisor = stand.run();
    let point = first + per_day / 3;
    until(&format!("{point} bytes are on the disk"), || {
        let part = stand.part();
        (part >= point)
            .then_some(())
            .ok_or_else(|| part.to_string())
    });
    supervisor.kill();
    stand.cloud.clear_fault(FaultName::Slow);
    supervisor = stand.run();
    assert!(rests(&stand, &supervisor));
    let mut before = all_sent(&stand);
    let second = before - first;
    assert!(second <= per_day, "{second} of {per_day}");

    // From then on nothing goes wrong.
    let mut days = 2;
    while {
        supervisor.kill();
        tomorrow(&stand);
        supervisor = stand.run();
        days += 1;
        let rests = rests(&stand, &supervisor);
        let today = all_sent(&stand) - before;
        assert!(today <= per_day, "{today} of {per_day} on day {days}");
        before += today;
        rests
    } {}
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image), "it is not what was offered");
    assert!((3..=4).contains(&days), "{days}");
    println!(
        "{first} + {second} + ... = {before} bytes in {days} days for {}, at most {per_day} in each",
        image.size()
    );
}

#[test]
fn blocks_that_are_torn_or_lost_and_a_kill_keep_to_the_budget_of_the_day_too() {
    away_from_midnight();
    let mut stand = Stand::new();
    let per_day = 600_000;
    stand.set("update.budget_bytes_per_day", per_day);
    stand.set("update.stall_limit_s", 0.5);
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    // Its end is that it is no program.
    let image = stand.image("1.0.7", &vec![7; 1_000_000]);
    for name in [FaultName::WrongCrc, FaultName::LostReply] {
        stand.cloud.fault(Fault::new(name).times(2));
    }
    let firmware = stand.upload(&image);
    stand.start(Rollout {
        transport: Transport::Mqtt,
        ..Rollout::new(firmware.id, &stand.device)
    });
    let request = stand.sys_topic("thing/file/download");
    let asked = |stand: &Stand| -> u64 {
        let said = stand.said(&request);
        let size = |(_, said): &(u64, Value)| said["params"]["fileBlock"]["size"].as_u64();
        said.iter().map(|said| size(said).unwrap()).sum()
    };
    let (mut before, mut days) = (0, 1);
    while rests(&stand, &supervisor) {
        let today = asked(&stand) - before;
        before += today;
        // A block has 256 bytes at least, so that the last few of a day may be left over.
        assert!(
            (per_day - 256..=per_day).contains(&today),
            "{today} on day {days}"
        );
        days += 1;
        supervisor.kill();
        tomorrow(&stand);
        let mark = stand.cloud.journal_position();
        supervisor = stand.run();
        if days == 2 {
            stand.await_message(mark, &request);
            supervisor.kill();
            supervisor = stand.run();
        }
    }
    let today = asked(&stand) - before;
    assert!(today <= per_day, "{today} on day {days}");
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    let words = System::under_test().of_no_program();
    assert!(task.description.contains(words), "{task:?}");
    assert!(days >= 3, "{days}");
    supervisor.await_rest("1.0.0");
}

#[test]
fn what_a_damaged_account_no_longer_says_counts_as_spent() {
    away_from_midnight();
    let mut stand = Stand::new();
    let image = stand.good("1.0.7");
    stand.set("update.budget_bytes_per_day", image.size() * 10);
    stand.install(&stand.good("1.0.0"));
    fs::write(stand.path("state/budget"), "no account").unwrap();
    let mut supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    stand.offer(&image);
    assert!(rests(&stand, &supervisor));
    supervisor
        .log
        .await_line("so that all bytes of this day and of this update count as spent");
    assert_eq!(stand.answers(), []);
    supervisor.kill();
    tomorrow(&stand);
    supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_speed_limit_makes_a_quick_server_slow_and_is_no_silence() {
    let mut stand = Stand::new();
    let image = stand.good("1.0.7");
    // A quick server's image would be there before the second look at the clock; so it takes many.
    stand.set("update.bandwidth_bytes_per_s", image.size() / 3);
    stand.set("update.stall_limit_s", 1);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let mark = stand.cloud.journal_position();
    stand.offer(&image);
    // The server has nobody to wait for and yet the image is on its way for so many looks.
    let begun = stand.await_entry(mark, "the download's beginning", |entry| {
        matches!(entry.what, What::Request { .. })
    });
    let mut seen = vec![0];
    until("it is there", || {
        let part = stand.part();
        if part > 0 && seen.last() != Some(&part) {
            seen.push(part);
        }
        if is_over(&stand) {
            Ok(())
        } else {
            Err(part.to_string())
        }
    });
    assert!(seen.len() > 5, "{seen:?} after {}", begun.seq);
    supervisor.await_rest("1.0.7");
    assert_eq!(stand.answers().len(), 1, "it was never taken for silent");
    assert_eq!(all_sent(&stand), image.size());
}
