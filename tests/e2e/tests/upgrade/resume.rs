//! A download goes on across everything, and nothing that can be kept is fetched twice.

use cloud_emulator::{Entry, Fault, FaultName, TaskState, What};
use e2e::{Image, Stand};

/// The origin's own case: its image and where its download broke off.
const ORIGIN: (usize, u64) = (9_879_858, 205_588);

/// What one interruption may cost, in bytes: one block.
const BLOCK: u64 = 64 * 1024;

/// An answer of the firmware server.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    range: Option<String>,
    status: u16,
}

impl Answer {
    fn from(&self) -> u64 {
        let range = self.range.as_deref().unwrap_or("bytes=0-");
        let from = range.strip_prefix("bytes=").unwrap();
        from.trim_end_matches('-').parse().unwrap()
    }
}

fn answers(stand: &Stand) -> Vec<Answer> {
    let journal = stand.cloud.journal();
    let answer = |entry: &Entry| match &entry.what {
        What::Request { range, status, .. } => Some(Answer {
            range: range.clone(),
            status: *status,
        }),
        _ => None,
    };
    journal.iter().filter_map(answer).collect()
}

/// How many bytes the firmware server has sent.
fn sent(stand: &Stand) -> u64 {
    let journal = stand.cloud.journal();
    let bytes = |entry: &Entry| match &entry.what {
        What::Sent { bytes, .. } => Some(*bytes),
        _ => None,
    };
    journal.iter().filter_map(bytes).sum()
}

/// Not more than one block per interruption was sent twice.
#[track_caller]
fn wasted_little(stand: &Stand, image: &Image, interruptions: u64) {
    let sent = sent(stand);
    let (least, most) = (image.size(), image.size() + interruptions * BLOCK);
    assert!(
        (least..=most).contains(&sent),
        "{sent} bytes were sent for {least}, {interruptions} interruptions"
    );
}

/// Every answer is cut after so many bytes, and the image is complete at the end.
#[track_caller]
fn arrives_in_pieces(stand: &Stand, image: &Image, broken: u64, end: TaskState) {
    stand
        .cloud
        .fault(Fault::new(FaultName::DropAfterBytes).n(broken));
    stand.offer(image);
    stand.await_task(end);
    let answers = answers(stand);
    let least = image.size().div_ceil(broken);
    assert!(answers.len() as u64 >= least, "{}", answers.len());
    assert!(answers.windows(2).all(|two| two[0].from() < two[1].from()));
    wasted_little(stand, image, answers.len() as u64 - 1);
    let steps = stand.steps();
    assert!(
        steps.contains(&100),
        "complete and verified is told: {steps:?}"
    );
}

#[test]
fn the_image_that_always_breaks_off_at_two_hundredths_arrives_all_the_same() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let (size, broken) = ORIGIN;
    // Exactly as long as it was; no program of ours is, so that its end is that it cannot be started.
    let image = stand.image("1.0.7", &vec![7; size]);
    arrives_in_pieces(&stand, &image, broken, TaskState::Failed);
    let device = stand.cloud.device_state(&stand.device).unwrap();
    let task = device.task().unwrap();
    assert!(task.description.contains("not a program"), "{task:?}");
    supervisor.await_rest("1.0.0");
}

#[test]
fn a_program_in_fifty_pieces_is_installed() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let piece = image.size().div_ceil(50);
    arrives_in_pieces(&stand, &image, piece, TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_download_that_stalls_goes_on_over_another_connection() {
    let mut stand = Stand::new();
    stand.set("update.stall_limit_s", 0.5);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(300_000).times(1));
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let answers = answers(&stand);
    let froms: Vec<_> = answers.iter().map(Answer::from).collect();
    assert_eq!(froms, [0, 300_000], "what came is kept to the last byte");
    wasted_little(&stand, &image, 1);
    let log = supervisor.log.text();
    let words = "300000 were there; 0 were fetched twice";
    assert!(log.contains(words), "the log does not say `{words}`");
}

#[test]
fn a_supervisor_killed_in_the_middle_of_a_download_goes_on_with_it() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.padded("1.0.7", 5_000_000);
    let mut mark = stand.cloud.journal_position();
    stand.cloud.fault(Fault::new(FaultName::Slow).n(150_000));
    stand.offer(&image);
    let kills = 3;
    for _ in 0..kills {
        let mut reports = 0;
        // Some progress beyond what the former life may have told.
        let entry = stand.await_entry(mark, "three reports of progress", |entry| {
            let report = matches!(&entry.what, What::In(message)
                if message.topic == stand.progress_topic());
            reports += usize::from(report);
            reports >= 3
        });
        supervisor.kill();
        stand.await_entry(entry.seq, "the end of its download", |entry| {
            matches!(entry.what, What::Sent { whole: false, .. })
        });
        mark = stand.cloud.journal_position();
        supervisor = stand.run();
    }
    stand.await_entry(mark, "the last download", |entry| {
        matches!(entry.what, What::Request { .. })
    });
    supervisor.kill();
    stand.await_entry(mark, "the end of its download", |entry| {
        matches!(entry.what, What::Sent { .. })
    });
    stand.cloud.clear_fault(FaultName::Slow);
    let supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let answers = answers(&stand);
    assert_eq!(answers.len(), kills + 2, "{answers:?}");
    assert!(
        answers[1..]
            .iter()
            .all(|it| it.status == 206 && it.from() > 0),
        "{answers:?}"
    );
    wasted_little(&stand, &image, kills as u64 + 1);
}

#[test]
fn a_server_that_knows_no_ranges_starts_over_once() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let cut = Fault::new(FaultName::DropAfterBytes).n(300_000).times(1);
    stand.cloud.fault(cut);
    stand.cloud.fault(Fault::new(FaultName::RangeIgnored));
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let statuses: Vec<_> = answers(&stand).iter().map(|it| it.status).collect();
    assert_eq!(statuses, [200, 200]);
    assert_eq!(sent(&stand), image.size() + 300_000);
    let log = supervisor.log.text();
    assert!(log.contains("; 300000 were fetched twice"), "it is counted");
}

#[test]
fn a_file_that_changed_behind_its_address_is_never_mixed_with_what_was_there() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let cut = Fault::new(FaultName::DropAfterBytes).n(300_000).times(1);
    stand.cloud.fault(cut);
    stand
        .cloud
        .fault(Fault::new(FaultName::FileChanged).times(1));
    stand.offer(&stand.good("1.0.7"));
    // The server heeds the mark of the first content and sends all of the other: another image, which is told as that.
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-3), "{task:?}");
    let statuses: Vec<_> = answers(&stand).iter().map(|it| it.status).collect();
    assert_eq!(statuses, [200, 200]);
    assert!(!stand.steps().contains(&100));
    assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
}

#[test]
fn an_address_whose_time_is_over_in_mid_download_is_asked_for_anew() {
    let mut stand = Stand::new();
    stand.set("update.stall_limit_s", 3);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let mark = stand.cloud.journal_position();
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(300_000).times(1));
    stand.offer(&image);
    let begun = stand.await_entry(mark, "the download's beginning", |entry| {
        matches!(entry.what, What::Request { .. })
    });
    // Until the supervisor leaves the silent server there is time for this.
    stand
        .cloud
        .fault(Fault::new(FaultName::UrlExpired).times(1));
    stand.await_message(begun.seq, &stand.sys_topic("thing/ota/firmware/get"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    let answers = answers(&stand);
    let pairs: Vec<_> = answers.iter().map(|it| (it.status, it.from())).collect();
    assert_eq!(pairs, [(200, 0), (403, 300_000), (206, 300_000)]);
    let sent = sent(&stand);
    assert!(sent <= image.size() + LONGEST_WORDS, "{sent}");
}

/// The firmware server's words about an expired address are not longer, in bytes.
const LONGEST_WORDS: u64 = 1024;
