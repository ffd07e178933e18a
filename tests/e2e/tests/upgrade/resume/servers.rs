//! Servers that cannot or will not go on, or not with the same bytes: an image is started over once, and never put together from two.

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Image, Stand, Tally, Web};

use super::{CUT, arrived, course, cut, impatient, offer_and_fall_silent};

/// The job has failed with this step and words; the old worker never noticed.
#[track_caller]
fn fails(stand: &Stand, image: &Image, step: i64, words: &str) {
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    stand.offer(image);
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(step), "{task:?}");
    assert!(task.description.contains(words), "{task:?}: `{words}`");
    assert!(!stand.steps().contains(&100));
    assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
}

#[test]
fn a_server_that_knows_no_ranges_starts_over_once() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand.cloud.fault(cut());
    stand.cloud.fault(Fault::new(FaultName::RangeIgnored));
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, CUT);
    assert_eq!(course(&stand), [(200, 0), (200, CUT)]);
}

#[test]
fn a_server_that_knows_no_ranges_and_breaks_off_twice_is_given_up() {
    let stand = Stand::new();
    stand.cloud.fault(cut().times(2));
    stand.cloud.fault(Fault::new(FaultName::RangeIgnored));
    fails(&stand, &stand.good("1.0.7"), -2, "and all came");
    assert_eq!(course(&stand), [(200, 0), (200, CUT), (200, CUT)]);
    // The third body is not wanted; how much of it was under way when the connection was closed is the network's affair.
    assert_eq!(stand.sent()[..2], [CUT, CUT]);
}

#[test]
fn a_file_that_changed_behind_its_address_is_never_mixed_with_what_was_there() {
    let stand = Stand::new();
    stand.cloud.fault(cut());
    stand
        .cloud
        .fault(Fault::new(FaultName::FileChanged).times(1));
    let image = stand.good("1.0.7");
    // The server heeds the mark of the first content and sends all of the other: another image, which is told as that.
    fails(&stand, &image, -3, "digest");
    assert_eq!(course(&stand), [(200, 0), (200, CUT)]);
    assert_eq!(stand.sent(), [CUT, image.size()]);
}

#[test]
fn a_bit_flipped_in_the_rest_costs_the_image_once_more() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    stand.cloud.fault(cut());
    // Beyond the cut, so that the first answer does not show it.
    let flip = Fault::new(FaultName::FlipOneBit).n(CUT + 100_000).times(2);
    stand.cloud.fault(flip);
    stand.offer(&image);
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, image.size());
    assert_eq!(course(&stand), [(200, 0), (206, CUT), (200, 0)]);
}

#[test]
fn a_bit_flipped_in_every_answer_is_fetched_twice_and_not_more() {
    let stand = Stand::new();
    let image = stand.good("1.0.7");
    stand.cloud.fault(cut());
    stand
        .cloud
        .fault(Fault::new(FaultName::FlipOneBit).n(CUT / 2));
    fails(&stand, &image, -3, "digest");
    assert_eq!(course(&stand), [(200, 0), (206, CUT), (200, 0)]);
    assert_eq!(stand.sent(), [CUT, image.size() - CUT, image.size()]);
}

#[test]
fn a_wrong_length_ends_the_job_before_a_byte_is_fetched_twice() {
    let stand = Stand::new();
    let image = stand.good("1.0.7");
    stand.cloud.fault(Fault::new(FaultName::WrongLength));
    let words = format!("longer than the promised {} bytes", image.size());
    fails(&stand, &image, -3, &words);
    assert_eq!(course(&stand), [(200, 0)]);
    assert!(stand.sent()[0] <= image.size());
}

#[test]
fn a_server_that_fails_for_a_moment_costs_nothing() {
    let mut stand = impatient(3.0);
    // One for the silence, two for the failures.
    stand.set("update.fetch_retries", 3);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    offer_and_fall_silent(&stand, &image);
    stand
        .cloud
        .fault(Fault::new(FaultName::ServerErrorThenOk).times(2));
    stand.await_task(TaskState::Succeeded);
    arrived(&stand, &supervisor, &image, 0);
    let wanted = [(200, 0), (503, CUT), (503, CUT), (206, CUT)];
    assert_eq!(course(&stand), wanted);
}

/// How a body ends whose length nobody announced.
#[derive(Debug, Clone, Copy)]
enum Ending {
    /// With the connection, as in HTTP/1.0.
    Close,
    /// With an empty chunk; a body that is cut has none.
    Chunk,
}

/// The rest of an image up to `end`, of unannounced length.
fn unannounced(head: &str, image: &[u8], end: usize, ending: Ending) -> Vec<u8> {
    let from = first_byte(head);
    let status = match from {
        0 => "200 OK".to_owned(),
        _ => format!(
            "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
            image.len() - 1,
            image.len()
        ),
    };
    let body = &image[from..end];
    match ending {
        Ending::Close => [format!("HTTP/1.1 {status}\r\n\r\n").as_bytes(), body].concat(),
        Ending::Chunk => {
            let length = body.len();
            let head =
                format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n");
            let last: &[u8] = if end < image.len() {
                b"\r\n"
            } else {
                b"\r\n0\r\n\r\n"
            };
            [head.as_bytes(), body, last].concat()
        }
    }
}

fn first_byte(head: &str) -> usize {
    let Some((_, range)) = head.split_once("\r\nrange: bytes=") else {
        return 0;
    };
    let (first, _) = range.split_once('-').unwrap();
    first.parse().unwrap()
}

#[test]
fn answers_of_unannounced_length_are_counted_and_gone_on_with() {
    for ending in [Ending::Close, Ending::Chunk] {
        let stand = Stand::new();
        let supervisor = stand.run_with(&stand.good("1.0.0"));
        let image = stand.good("1.0.7");
        let bytes = std::fs::read(&image.path).unwrap();
        let third = bytes.len().div_ceil(3);
        let web = Web::start(move |head| {
            let end = (first_byte(head) + third).min(bytes.len());
            unannounced(head, &bytes, end, ending)
        });
        stand.push_at(&image, &web.url());
        supervisor.await_rest("1.0.7");
        assert!(stand.keeps(&image), "{ending:?}");
        // Each answer goes on exactly where the one before it ended: together they are the image once.
        let froms: Vec<_> = web.asked().iter().map(|head| first_byte(head)).collect();
        assert_eq!(froms, [0, third, 2 * third], "{ending:?}");
        let told = Tally::told_in(&supervisor.log);
        assert_eq!((told.there, told.twice), (2 * third as u64, 0), "{told:?}");
    }
}

#[test]
fn an_encoded_answer_is_refused_by_its_head_at_the_beginning_and_in_the_middle() {
    for begun in [false, true] {
        let stand = Stand::new();
        let supervisor = stand.run_with(&stand.good("1.0.0"));
        let image = stand.good("1.0.7");
        let bytes = std::fs::read(&image.path).unwrap();
        let third = bytes.len().div_ceil(3);
        let web = Web::start(move |head| {
            if begun && first_byte(head) == 0 {
                return unannounced(head, &bytes, third, Ending::Close);
            }
            let plain = unannounced(head, &bytes, bytes.len(), Ending::Close);
            let lines = plain.iter().position(|byte| *byte == b'\n').unwrap() + 1;
            let by = b"Content-Encoding: gzip\r\n";
            [&plain[..lines], by, &plain[lines..]].concat()
        });
        stand.push_at(&image, &web.url());
        let device = stand.await_device("it fails as a download", |device| {
            device.progress.iter().any(|report| report.step == "-2")
        });
        let last = device.progress.last().unwrap();
        assert!(last.description.contains("encoded by `gzip`"), "{last:?}");
        supervisor.await_rest("1.0.0");
        let asked = web.asked();
        let froms: Vec<_> = asked.iter().map(|head| first_byte(head)).collect();
        let wanted: &[usize] = if begun { &[0, third] } else { &[0] };
        assert_eq!(froms, wanted, "nothing is asked for twice");
        let plainly = |head: &String| head.contains("\r\naccept-encoding: identity\r\n");
        assert!(asked.iter().all(plainly), "{asked:?}");
    }
}
