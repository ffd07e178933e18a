//! What goes wrong most often when a device is new, each made for real: the cause is named, and what to do about it.
//!
//! | mistake | where it is told | what is said of it |
//! |---|---|---|
//! | secret, product key or device name wrong | log, `status`, `doctor` | check product key, device name and secret |
//! | a host that nobody knows | log, `doctor` | check instance, region or host |
//! | a port on which nothing listens | log, `doctor` | check the port, and that the broker runs |
//! | TLS to a plain port, plain to a TLS port | log, `doctor` | which of the two to set |
//! | a certificate nobody vouches for, or not valid yet | log, `doctor` | name the authority; set the clock |
//! | the state folder may not be written | `run`, `doctor` | a writable disk, this user's |
//! | configuration missing, no TOML, a slip in a setting, the example's values | `run`, `check-config`, `doctor` | `init`, the example, the right word |
//! | the secret's file missing or open to others | the same | write it; `chmod 600` |
//! | the worker's file missing, for another system, silent | `install`, log, `status` | the path, the build, the sdk |
//! | a version that is none | the command line | an example of one |
//! | an image unsigned, by another key, for another version, older, too large | `status` | sign it, pin the key, roll back, make room |
//! | a second supervisor on a folder, none to be asked | `run`, `status` | ask the first one; start one |
//! | another session with the same identity | log, `status` | end it, or another name |

mod clock;
mod cloud;
mod config;
mod images;
mod worker;

use e2e::{Ended, Stand};

/// All words must be there.
#[track_caller]
fn has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }
}

/// A command must end with this code, and complain in these words.
#[track_caller]
fn complains(stand: &Stand, arguments: &[&str], code: i32, words: &[&str]) -> Ended {
    let ended = stand.cli(arguments);
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    has(&ended.stderr, words);
    ended
}
