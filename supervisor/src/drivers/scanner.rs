//! Files that somebody else holds for a moment: on Windows a virus scanner, an indexer or a backup opens a file just after it was
//! written, and meanwhile it can be neither written nor renamed nor removed.
//!
//! What fails for this reason alone is tried again, within a bound; whoever holds a file longer is met as a disk that fails. Other
//! systems know no such thing. To be called where it may block.

use std::{io, time::Duration};

/// Access denied, which is also said of a file that is about to go, used by another process, locked by another process.
const HELD: [i32; 3] = [5, 32, 33];

/// The pause after the first try; it doubles up to the longest one. All together are a little more than two seconds.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
const TRIES: u32 = 13;

/// Does this, and again while somebody else holds the file.
pub(crate) fn past<T>(mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    if cfg!(windows) {
        past_holder(act, std::thread::sleep)
    } else {
        act()
    }
}

fn past_holder<T>(
    mut act: impl FnMut() -> io::Result<T>,
    mut wait: impl FnMut(Duration),
) -> io::Result<T> {
    let mut pause = FIRST_PAUSE;
    for _ in 1..TRIES {
        match act() {
            Err(why) if why.raw_os_error().is_some_and(|it| HELD.contains(&it)) => wait(pause),
            done => return done,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    act()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often something is tried that fails so many times with this code, and how long that takes.
    fn tried(times: u32, code: i32) -> (bool, u32, Duration) {
        let (mut tries, mut waited) = (0, Duration::ZERO);
        let done = past_holder(
            || {
                tries += 1;
                match tries > times {
                    true => Ok(()),
                    false => Err(io::Error::from_raw_os_error(code)),
                }
            },
            |pause| waited += pause,
        );
        (done.is_ok(), tries, waited)
    }

    #[test]
    fn what_somebody_holds_is_tried_again_within_a_bound_and_nothing_else_is() {
        for code in HELD {
            assert_eq!(tried(0, code), (true, 1, Duration::ZERO));
            assert_eq!(tried(2, code), (true, 3, FIRST_PAUSE * 3));
            let (done, tries, waited) = tried(u32::MAX, code);
            assert_eq!((done, tries), (false, TRIES));
            assert!(waited > Duration::from_secs(2) && waited < Duration::from_secs(3));
        }
        assert_eq!(tried(1, 112), (false, 1, Duration::ZERO), "a full disk");
    }
}
