//! The one connection to the cloud: how it logs in, how it is lost, and what is said first when it is back.

use cloud_emulator::{Fault, FaultName, TaskState, What};
use e2e::Stand;

/// The entries that say what the device did on its newest connection, in order: topics published and filters subscribed.
fn deeds(stand: &Stand, after: u64) -> Vec<String> {
    let journal = stand.cloud.journal();
    let newer = journal.iter().filter(|entry| entry.seq > after);
    let deed = |what: &What| match what {
        What::In(message) => Some(message.topic.clone()),
        What::Subscribe { filter, .. } => Some(format!("subscribe {filter}")),
        _ => None,
    };
    newer.filter_map(|entry| deed(&entry.what)).collect()
}

#[test]
fn the_version_is_informed_first_thing_after_every_connection() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    assert_eq!(deeds(&stand, 0)[0], stand.inform_topic());
    let mark = stand.cloud.journal_position();
    assert!(stand.cloud.drop_connection(&stand.device));
    stand.await_message(mark, &stand.inform_topic());
    assert_eq!(deeds(&stand, mark)[0], stand.inform_topic());
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["cloud_connections"], 2);
}

#[test]
fn a_session_that_is_kicked_backs_off_and_says_why() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    assert!(stand.cloud.kick(&stand.device));
    supervisor
        .log
        .await_line("the broker closed the connection; the next try follows in");
    stand.await_device("it is back", |device| device.counters.connects == 2);
    let mark = supervisor.log.position();
    assert!(stand.cloud.kick(&stand.device));
    let line = supervisor
        .log
        .await_line_after(mark, "another session uses the same device identity");
    let wait: f64 = line
        .split("follows in ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap()
        .parse()
        .unwrap();
    assert!(wait >= 5.0, "{line}");
    let status = supervisor.status();
    assert!(
        status["cloud_word"]
            .as_str()
            .unwrap()
            .contains("another session"),
        "{status}"
    );
    assert_eq!(
        status["workers"][0]["stage"], "active",
        "the oven does not need the cloud"
    );
}

#[test]
fn a_failure_whose_acknowledgement_was_lost_does_not_pass_for_the_end_of_the_next_update() {
    let stand = Stand::new();
    let _supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.cloud.fault(Fault::new(FaultName::WithholdPuback));
    stand.offer(&stand.good("0.9.0"));
    stand.await_task(TaskState::Failed);
    stand.cloud.fault(Fault::new(FaultName::Stall));
    stand.offer(&stand.good("1.0.7"));
    stand.await_device("the download is under way", |device| {
        device.task().is_some_and(|task| task.step > Some(10))
    });
    stand.cloud.clear_fault(FaultName::WithholdPuback);
    let mark = stand.cloud.journal_position();
    assert!(stand.cloud.drop_connection(&stand.device));
    stand.await_message(mark, &stand.progress_topic());
    stand.cloud.clear_fault(FaultName::Stall);
    let device = stand.await_device("it has ended", |device| {
        device.task().is_some_and(|task| task.state.is_final())
    });
    let task = device.task().unwrap();
    assert_eq!(task.state, TaskState::Succeeded, "{task:?}");
}

#[test]
fn a_wrong_secret_is_told_plainly_and_the_worker_works_all_the_same() {
    let stand = Stand::new();
    stand.cloud.add_device(&stand.device, "another secret");
    stand.install(&stand.good("1.0.0"));
    let supervisor = stand.run();
    let line = supervisor.log.await_line("refused the signature");
    assert!(
        line.contains("check product key, device name and secret"),
        "{line}"
    );
    let status = supervisor.await_status("the worker is active", |status| {
        status["workers"][0]["stage"] == "active"
    });
    assert_eq!(status["cloud_up"], false);
    assert!(
        status["cloud_word"]
            .as_str()
            .unwrap()
            .contains("refused the signature"),
        "{status}"
    );
    assert!(
        !supervisor.log.text().contains(e2e::SECRET),
        "no secret is ever logged"
    );
    // Set right by the operator, it goes on by itself.
    stand.cloud.add_device(&stand.device, e2e::SECRET);
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_cloud_that_is_not_there_is_told_plainly() {
    let mut stand = Stand::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    stand.set("cloud.port", port);
    stand.install(&stand.good("1.0.0"));
    let supervisor = stand.run();
    supervisor.log.await_line(&format!("127.0.0.1:{port}: "));
    supervisor.await_status("the worker is active", |status| {
        status["workers"][0]["stage"] == "active"
    });
}

#[test]
fn over_tls_with_a_given_authority_it_logs_in_and_is_upgraded() {
    let stand = Stand::with_tls();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let journal = stand.cloud.journal();
    assert!(
        journal
            .iter()
            .any(|entry| matches!(entry.what, What::Connect { tls: true, .. }))
    );
    let firmware = stand.upload(&stand.good("1.0.7"));
    let mut rollout = cloud_emulator::Rollout::new(firmware.id, &stand.device);
    rollout.transport = cloud_emulator::Transport::Https;
    stand.start(rollout);
    stand.await_task(cloud_emulator::TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let journal = stand.cloud.journal();
    assert!(journal.iter().any(|entry| matches!(
        entry.what,
        What::Request {
            tls: true,
            status: 200,
            ..
        }
    )));
}

#[test]
fn a_server_that_nobody_vouches_for_is_not_talked_to() {
    let mut stand = Stand::with_tls();
    stand.set_text("cloud.tls", "system");
    stand.install(&stand.good("1.0.0"));
    let supervisor = stand.run();
    let line = supervisor.log.await_line("the next try follows in");
    assert!(line.contains("certificate"), "{line}");
    let journal = stand.cloud.journal();
    assert!(
        !journal
            .iter()
            .any(|entry| matches!(entry.what, What::Connect { .. }))
    );
    drop(supervisor);
}

#[test]
fn every_sign_method_is_accepted_by_the_cloud() {
    for method in ["hmacsha256", "hmacsha1", "hmacmd5"] {
        let mut stand = Stand::new();
        stand.set_text("cloud.sign_method", method);
        let _supervisor = stand.run();
        let entry = stand.await_entry(0, method, |entry| {
            matches!(entry.what, What::Connect { .. })
        });
        let What::Connect { client_id, .. } = entry.what else {
            panic!("{entry:?}")
        };
        assert!(
            client_id.contains(&format!("signmethod={method}")),
            "{client_id}"
        );
    }
}

#[test]
fn topics_are_subscribed_explicitly_so_that_ordinary_brokers_work() {
    let stand = Stand::new();
    let _supervisor = stand.run_with(&stand.good("1.0.0"));
    let upgrade = format!(
        "subscribe /ota/device/upgrade/{}/{}",
        stand.device.product_key, stand.device.device_name
    );
    e2e::until("the subscription", || {
        let deeds = deeds(&stand, 0);
        if deeds.contains(&upgrade) {
            Ok(())
        } else {
            Err(format!("{deeds:?}"))
        }
    });
}

#[test]
fn what_happened_while_offline_is_told_afterwards() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.misfit(
        &serde_json::json!({ "version": "1.0.8", "do": "unfit", "reason": "it is a brick" }),
    );
    stand
        .cloud
        .fault(cloud_emulator::Fault::new(cloud_emulator::FaultName::Stall).n(image.size() / 2));
    stand.offer(&image);
    supervisor.await_status("the download is under way", |status| {
        status["phase"] == "fetching"
    });
    stand.cloud.fault(cloud_emulator::Fault::new(
        cloud_emulator::FaultName::RefuseLogin,
    ));
    assert!(stand.cloud.drop_connection(&stand.device));
    stand.cloud.clear_fault(cloud_emulator::FaultName::Stall);
    supervisor.await_status("it has failed, unheard", |status| {
        status["last_outcome"]["version"] == "1.0.8" && status["cloud_up"] == false
    });
    stand
        .cloud
        .clear_fault(cloud_emulator::FaultName::RefuseLogin);
    let device = stand.await_task(cloud_emulator::TaskState::Failed);
    assert_eq!(
        device.task().unwrap().description,
        "the new worker did not get ready: it is a brick"
    );
}
