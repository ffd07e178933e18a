//! Addresses that end, move or are replaced in mid-download: the part belongs to the image, not to an address.

use cloud_emulator::{Fault, FaultName, TaskState, Transport};
use e2e::{Image, Stand, until};

use super::{CUT, arrived, course, cut, impatient, kills::BLOCK, offer_and_fall_silent};

/// Without a nudge, a broken download would wait this long for its next try, in seconds: longer than any test.
const FOR_EVER: u32 = 3600;

#[test]
fn an_address_whose_time_is_over_in_mid_download_is_asked_for_anew() {
    let stand = impatient(3.0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let begun = offer_and_fall_silent(&stand, &image);
    stand
        .cloud
        .fault(Fault::new(FaultName::UrlExpired).times(1));
    stand.await_message(begun, &stand.sys_topic("thing/ota/firmware/get"));
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    assert_eq!(course(&stand), [(200, 0), (403, CUT), (206, CUT)]);
}

#[test]
fn a_redirect_is_followed_anew_by_each_try_and_keeps_the_range() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand.cloud.fault(Fault::new(FaultName::Redirect));
    stand.cloud.fault(cut().times(2));
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    let tries =
        [0, CUT, 2 * CUT].map(|from| [(302, from), (if from == 0 { 200 } else { 206 }, from)]);
    assert_eq!(course(&stand), tries.concat());
}

#[test]
fn a_file_that_moves_in_mid_download_is_followed() {
    let stand = impatient(3.0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    offer_and_fall_silent(&stand, &image);
    stand.cloud.fault(Fault::new(FaultName::Redirect));
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    assert_eq!(course(&stand), [(200, 0), (302, CUT), (206, CUT)]);
    let answers = stand.answers();
    assert_ne!(answers[1].path, answers[2].path);
}

/// The same image under another address, bound to no job.
#[track_caller]
fn push_elsewhere(stand: &Stand, image: &Image) {
    let firmware = stand.upload(image);
    let offer = stand.cloud.offer(&firmware, Transport::Http);
    assert!(stand.cloud.push_offer(&stand.device, &offer));
}

/// The download was begun at one address and went on at another, which was not asked for more than was missing.
#[track_caller]
fn went_on_elsewhere(stand: &Stand) {
    assert_eq!(course(stand), [(200, 0), (206, CUT)]);
    let answers = stand.answers();
    assert_ne!(answers[0].path, answers[1].path);
}

#[test]
fn the_same_image_pushed_with_another_address_in_mid_download_goes_on_there_with_the_same_part() {
    let stand = impatient(3.0);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    offer_and_fall_silent(&stand, &image);
    push_elsewhere(&stand, &image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    went_on_elsewhere(&stand);
}

#[test]
fn the_same_image_pushed_with_another_address_between_two_tries_goes_on_at_once() {
    let mut stand = Stand::new();
    stand.set("update.fetch_wait_s", FOR_EVER);
    stand.set("update.fetch_longest_wait_s", FOR_EVER);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand.cloud.fault(cut());
    stand.offer(&image);
    supervisor.log.await_line("try 1 of 2 follows");
    push_elsewhere(&stand, &image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    went_on_elsewhere(&stand);
}

#[test]
fn a_supervisor_killed_in_mid_download_goes_on_though_the_address_it_knew_has_ended() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    offer_and_fall_silent(&stand, &image);
    // All that came, but for what does not fill a block, is on the disk.
    until("the beginning is on the disk", || {
        let part = stand.part();
        let there = part > CUT - BLOCK;
        there.then_some(()).ok_or_else(|| part.to_string())
    });
    supervisor.kill();
    let part = stand.part();
    stand
        .cloud
        .fault(Fault::new(FaultName::UrlExpired).times(1));
    let supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image));
    assert_eq!(course(&stand), [(200, 0), (403, part), (206, part)]);
    let sent = stand.sent();
    assert_eq!((sent[0], sent[2]), (CUT, image.size() - part));
}
