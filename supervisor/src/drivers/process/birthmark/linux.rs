//! Linux: when it was started, in ticks since this boot, and which boot that is.
//!
//! A time of day would not do: on a device without a clock of its own it is the same after every boot, and jumps when it is set, and
//! the process ids of a boot are much the same as those of the boot before.

use std::fs;

use super::Seen;
use crate::drivers::host::boot_name;

/// The place of the start among the fields of `/proc/<pid>/stat`, counted from the state, which follows the name in parentheses.
const START: usize = 19;

/// Zombie and dead.
const ENDED: [&str; 3] = ["Z", "X", "x"];
const STOPPED: &str = "T";

pub(super) fn look(pid: u32) -> Option<Seen> {
    let boot = boot_name()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    read(&boot, &stat)
}

fn read(boot: &str, stat: &str) -> Option<Seen> {
    // The name may hold anything, parentheses and blanks too.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let start: u64 = fields.nth(START - 1)?.parse().ok()?;
    (!ENDED.contains(&state)).then(|| Seen {
        mark: format!("boot {boot} tick {start}"),
        is_stopped: state == STOPPED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_kind_does_not_shift_the_fields() {
        let stat = "17 (a) T 1 (b) S 1 17 17 0 -1 4194560 108 0 0 0 2 1 0 0 20 0 1 0 8813 2912256 231 18446744073709551615";
        let seen = read("b00t", stat).unwrap();
        assert_eq!(seen.mark, "boot b00t tick 8813");
        assert!(!seen.is_stopped);
        assert!(
            read("b00t", &stat.replace(") S", ") T"))
                .unwrap()
                .is_stopped
        );
        assert_eq!(read("b00t", &stat.replace(") S", ") Z")), None);
        assert_eq!(read("b00t", "17 (a) S 1 2"), None);
        assert_eq!(read("b00t", ""), None);
    }
}
