//! Connections that break, stall or are slow: what came is kept to the last byte.

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Image, Stand, System, Tally};

use super::{CUT, arrived, course, impatient};

/// The origin's own case: its image and where its download broke off.
const ORIGIN: (usize, u64) = (9_879_858, 205_588);

/// Every answer is cut after so many bytes, and the image is complete at the end, not a byte of it sent twice.
#[track_caller]
fn arrives_in_pieces(stand: &Stand, image: &Image, broken: u64, end: TaskState) {
    stand
        .cloud
        .fault(Fault::new(FaultName::DropAfterBytes).n(broken));
    stand.offer(image);
    stand.await_task(end);
    let froms: Vec<u64> = course(stand).iter().map(|it| it.1).collect();
    let pieces = image.size().div_ceil(broken);
    let wanted: Vec<u64> = (0..pieces).map(|piece| piece * broken).collect();
    assert_eq!(froms, wanted);
    assert_eq!(stand.sent().iter().sum::<u64>(), image.size());
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
    let words = System::under_test().of_no_program();
    assert!(task.description.contains(words), "{task:?}");
    supervisor.await_rest("1.0.0");
    assert_eq!(Tally::told_in(&supervisor.log).twice, 0);
}

#[test]
fn a_program_in_fifty_pieces_is_installed() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let piece = image.size().div_ceil(50);
    arrives_in_pieces(&stand, &image, piece, TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
}

#[test]
fn a_download_that_stalls_goes_on_over_another_connection() {
    let stand = impatient(1.0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(CUT).times(1));
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    assert_eq!(course(&stand), [(200, 0), (206, CUT)]);
}

#[test]
fn a_slow_download_is_not_taken_for_a_stalled_one() {
    // The whole takes longer than a server may be silent; between two of its bytes it never is for long.
    let stand = impatient(3.0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand
        .cloud
        .fault(Fault::new(FaultName::Slow).n(image.size() / 5));
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    assert_eq!(course(&stand), [(200, 0)]);
}
