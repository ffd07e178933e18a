//! An image that only the platform itself hands out comes in blocks over the MQTT session, whatever happens to them on the way.
//!
//! Every test counts what was asked for: block by block, each once, and once more only where it was lost.

use cloud_emulator::{Fault, FaultName, Package, Rollout, TaskState, Transport, What};
use e2e::{Image, Stand, System, Tally};

/// Bytes of a block.
const BLOCK: u64 = 64 * 1024;

/// A request for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Asked {
    offset: u64,
    size: u64,
}

/// What was asked for, oldest first.
fn asked(stand: &Stand) -> Vec<Asked> {
    let said = stand.said(&stand.sys_topic("thing/file/download"));
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    said.iter()
        .map(|(_, request)| &request["params"]["fileBlock"])
        .map(|block| Asked {
            offset: number(&block["offset"]),
            size: number(&block["size"]),
        })
        .collect()
}

/// The blocks of an image, in order.
fn blocks_of(image: &Image) -> Vec<Asked> {
    let size = image.size();
    let offsets = (0..size).step_by(BLOCK as usize);
    offsets
        .map(|offset| Asked {
            offset,
            size: BLOCK.min(size - offset),
        })
        .collect()
}

/// The image was asked for from its beginning to its end, with so many blocks once more.
#[track_caller]
fn asked_in_order(stand: &Stand, image: &Image, again: usize) {
    let mut asked = asked(stand);
    let requests = asked.len();
    asked.dedup();
    assert_eq!(asked, blocks_of(image));
    assert_eq!(
        requests - asked.len(),
        again,
        "requests beyond one per block"
    );
}

fn offer_package(stand: &Stand, package: Package) {
    let firmware = stand.upload_as(package);
    stand.start(Rollout {
        transport: Transport::Mqtt,
        ..Rollout::new(firmware.id, &stand.device)
    });
}

fn offer(stand: &Stand, image: &Image) {
    offer_package(stand, stand.package(image));
}

/// Waits until so many further blocks were asked for.
#[track_caller]
fn await_requests(stand: &Stand, after: u64, count: usize) {
    let topic = stand.sys_topic("thing/file/download");
    let mut seen = 0;
    stand.await_entry(after, &format!("{count} requests for blocks"), |entry| {
        let request = matches!(&entry.what, What::In(message) if message.topic == topic);
        seen += usize::from(request);
        seen >= count
    });
}

/// What the failed task says.
#[track_caller]
fn failure(stand: &Stand, step: i64) -> String {
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(step), "{task:?}");
    task.description.clone()
}

/// Bytes that no machine takes for a program, so that its end is that it cannot be started: the quickest one.
fn no_program(stand: &Stand, version: &str, size: usize) -> Image {
    let seed = version.len() + version.bytes().map(usize::from).sum::<usize>();
    let bytes: Vec<u8> = (0..size).map(|at| (at / 7 * seed) as u8).collect();
    stand.image(version, &bytes)
}

/// It arrived, was verified and was found to be no program.
#[track_caller]
fn arrived_and_was_none(stand: &Stand) {
    let text = failure(stand, -4);
    let words = System::under_test().of_no_program();
    assert!(text.contains(words), "{text}");
    assert!(stand.steps().contains(&100));
}

#[test]
fn a_program_arrives_in_blocks_and_is_installed() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    offer(&stand, &image);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image), "it is not what was offered");
    asked_in_order(&stand, &image, 0);
    let told = Tally::told_in(&supervisor.log);
    let (network, there, twice) = (image.size(), 0, 0);
    assert_eq!(
        told,
        Tally {
            network,
            there,
            twice
        }
    );
    let steps = stand.steps();
    assert!(steps.is_sorted() && steps.contains(&100), "{steps:?}");
    assert!(stand.answers().is_empty(), "no web server was asked");
}

#[test]
fn a_block_that_is_torn_lost_doubled_or_another_one_is_asked_for_again_and_no_other() {
    let mut stand = Stand::new();
    stand.set("update.stall_limit_s", 0.5);
    stand.set("update.fetch_retries", 0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let strikes = 3;
    for (number, (name, again)) in [
        (FaultName::WrongCrc, 3),
        (FaultName::WrongOffset, 3),
        (FaultName::ErrorHeader, 3),
        (FaultName::LostReply, 3),
        (FaultName::DuplicateReply, 0),
    ]
    .into_iter()
    .enumerate()
    {
        let version = format!("1.1.{number}");
        let image = no_program(&stand, &version, 300_000);
        let before = asked(&stand).len();
        stand.cloud.fault(Fault::new(name).times(strikes));
        offer(&stand, &image);
        stand.await_device(&format!("{name}: the end of {version}"), |device| {
            device
                .task()
                .is_some_and(|task| task.target == version && task.state == TaskState::Failed)
        });
        arrived_and_was_none(&stand);
        assert_eq!(stand.cloud.struck(name), strikes);
        let mut asked = asked(&stand).split_off(before);
        let requests = asked.len();
        asked.dedup();
        assert_eq!(asked, blocks_of(&image), "{name}");
        assert_eq!(requests - asked.len(), again, "{name}");
    }
    supervisor.await_rest("1.0.0");
}

#[test]
fn blocks_that_never_come_right_end_with_step_2_and_a_worker_unharmed() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    stand.cloud.fault(Fault::new(FaultName::WrongCrc));
    offer(&stand, &stand.good("1.0.7"));
    let text = failure(&stand, -2);
    assert!(text.contains("checksum"), "{text}");
    // The stand allows two tries after the first, and each asks four times.
    let offsets: Vec<_> = asked(&stand).iter().map(|it| it.offset).collect();
    assert_eq!(offsets, [0; 3 * 4]);
    assert!(!stand.steps().contains(&100));
    assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
    assert_eq!(stand.part(), 0, "nothing is left of it");
}

#[test]
fn a_stream_that_is_gone_is_asked_for_anew_three_times_and_then_told() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let mark = stand.cloud.journal_position();
    stand.cloud.fault(Fault::new(FaultName::ErrorHeader).n(460));
    offer(&stand, &stand.good("1.0.7"));
    let text = failure(&stand, -2);
    assert!(text.contains("460"), "{text}");
    stand.await_message(mark, &stand.sys_topic("thing/ota/firmware/get"));
    assert_eq!(asked(&stand).len(), 4, "once, and once after each question");
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_stream_that_ends_in_mid_download_is_asked_for_anew_and_goes_on_where_it_stood() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = no_program(&stand, "1.0.7", 5_000_000);
    let mark = stand.cloud.journal_position();
    offer(&stand, &image);
    await_requests(&stand, mark, 20);
    stand
        .cloud
        .fault(Fault::new(FaultName::ErrorHeader).n(460).times(1));
    stand.await_message(mark, &stand.sys_topic("thing/ota/firmware/get"));
    arrived_and_was_none(&stand);
    asked_in_order(&stand, &image, 1);
    assert_eq!(Tally::told_in(&supervisor.log).twice, 0);
}

#[test]
fn a_connection_that_is_lost_in_mid_download_counts_as_nothing_and_the_download_goes_on() {
    let mut stand = Stand::new();
    stand.set("update.fetch_retries", 0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = no_program(&stand, "1.0.7", 5_000_000);
    let losses = 2;
    let mut mark = stand.cloud.journal_position();
    offer(&stand, &image);
    for _ in 0..losses {
        await_requests(&stand, mark, 15);
        mark = stand.cloud.journal_position();
        assert!(stand.cloud.drop_connection(&stand.device));
    }
    arrived_and_was_none(&stand);
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["cloud_connections"], 1 + losses);
    let mut asked = asked(&stand);
    let requests = asked.len() as u64;
    asked.dedup();
    assert_eq!(asked, blocks_of(&image));
    let again = requests - asked.len() as u64;
    assert!(again <= losses, "{again} blocks were asked for twice");
    let told = Tally::told_in(&supervisor.log);
    assert_eq!((told.network, told.twice), (image.size(), 0));
}

#[test]
fn a_supervisor_killed_in_mid_download_goes_on_with_the_next_block() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    // However small the program is when it is built for this system, each kill comes before its end.
    let image = stand.padded("1.0.7", 5_000_000);
    let kills = 4;
    let mut mark = stand.cloud.journal_position();
    offer(&stand, &image);
    let mut next = Vec::new();
    for _ in 0..kills {
        await_requests(&stand, mark, 15);
        supervisor.kill();
        next.push((asked(&stand).len(), stand.part()));
        mark = stand.cloud.journal_position();
        supervisor = stand.run();
    }
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image), "it is not what was offered");
    let mut asked = asked(&stand);
    for (requests, part) in next {
        assert_eq!(part % BLOCK, 0, "only whole blocks are written");
        assert_eq!(asked[requests].offset, part, "what is there is kept");
    }
    let requests = asked.len();
    asked.dedup();
    assert_eq!(asked, blocks_of(&image));
    let again = requests - asked.len();
    assert!(again <= kills, "{again} blocks were asked for twice");
}

#[test]
fn an_image_in_blocks_that_nobody_vouches_for_costs_no_block() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    offer_package(&stand, Package::from_path(&image.version, &image.path));
    let text = failure(&stand, -3);
    assert!(text.contains("no publisher's signature"), "{text}");
    assert!(asked(&stand).is_empty());
    // With the signature in the offer, as every other image here has it, it is taken.
    offer(&stand, &image);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    asked_in_order(&stand, &image, 0);
}
