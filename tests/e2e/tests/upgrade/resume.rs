//! A download goes on across everything, and nothing that can be kept is fetched twice.
//!
//! Every test here counts. What the firmware server has sent is told by the emulator; what was fetched twice is told by the
//! supervisor's own log as well, and the two must agree.

mod addresses;
mod breaks;
mod kills;
mod servers;

use cloud_emulator::{Fault, FaultName, What};
use e2e::{Image, Stand, Supervisor, Tally};

/// Where a download is broken, in bytes; the images here are longer.
const CUT: u64 = 300_000;

/// The firmware server's words about a refusal are not longer, in bytes.
const LONGEST_WORDS: u64 = 1024;

/// One answer is cut.
fn cut() -> Fault {
    Fault::new(FaultName::DropAfterBytes).n(CUT).times(1)
}

/// Offers an image to a supervisor that leaves a silent server; the first answer falls silent, and when this returns, it has begun.
///
/// Until it is left there is time to set what the next request is to meet.
#[track_caller]
fn offer_and_fall_silent(stand: &Stand, image: &Image) -> u64 {
    let mark = stand.cloud.journal_position();
    stand
        .cloud
        .fault(Fault::new(FaultName::Stall).n(CUT).times(1));
    stand.offer(image);
    let begun = stand.await_entry(mark, "the download's beginning", |entry| {
        matches!(entry.what, What::Request { .. })
    });
    begun.seq
}

/// A stand whose supervisor leaves a silent server after so many seconds.
fn impatient(seconds: f64) -> Stand {
    let mut stand = Stand::new();
    stand.set("update.stall_limit_s", seconds);
    stand
}

/// Status and first byte of each answer.
fn course(stand: &Stand) -> Vec<(u16, u64)> {
    let answers = stand.answers();
    answers.iter().map(|it| (it.status, it.from)).collect()
}

/// The image has arrived, so many bytes were sent more than once, and the log tells the same number.
#[track_caller]
fn arrived(stand: &Stand, supervisor: &Supervisor<'_>, image: &Image, twice: u64) {
    supervisor.await_rest(&image.version);
    assert!(stand.keeps(image), "it is not what was offered");
    let told = Tally::told_in(&supervisor.log);
    assert_eq!(told.twice, twice, "{told:?}");
    let sent = stand.sent();
    let answers = stand.answers();
    let all: u64 = sent.iter().sum();
    let words = all.checked_sub(image.size() + twice);
    let refusals = answers.iter().filter(|it| it.is_refusal()).count() as u64;
    assert!(
        words.is_some_and(|words| words <= refusals * LONGEST_WORDS),
        "{sent:?} were sent for {} bytes: {answers:?}",
        image.size()
    );
}
