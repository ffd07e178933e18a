//! Maintenance windows and their zone, as they are written in the file.

use supervisor_core::time::Wall;

use super::{CLOUD, Case};

/// Sunday, 2026-07-05T00:00:00Z.
const SUNDAY: u64 = 1_783_209_600_000;

const HOUR: u64 = 3_600_000;

fn faults(update: &str) -> Vec<String> {
    Case::new().faults(&format!("{CLOUD}\n[update]\n{update}\n"))
}

#[test]
fn windows_go_by_the_zone_that_is_named() {
    for (zone, opens_at) in [
        ("", 2),
        ("time_zone = \"UTC\"", 2),
        ("time_zone = \"CET-1CEST,M3.5.0,M10.5.0/3\"", 0),
        ("time_zone = \"<+0330>-3:30\"", 22),
    ] {
        let text = format!("{CLOUD}\n[update]\nwindows = [\"daily 02:00-03:00\"]\n{zone}\n");
        let maintenance = Case::new().good(&text).policy.maintenance;
        let open: Vec<_> = (0..24)
            .filter(|hour| maintenance.is_open(Wall(SUNDAY + hour * HOUR + HOUR / 2)))
            .collect();
        assert_eq!(open, [opens_at], "{zone}");
    }
    let always = Case::new().good(CLOUD).policy.maintenance;
    assert!(always.is_open(Wall(SUNDAY)));
}

#[test]
fn a_window_or_a_zone_that_is_none_is_told_with_what_it_must_be() {
    let told = faults(
        "windows = [\"daily 02:00-03:00\", \"moonday 02:00-03:00\"]\ntime_zone = \"Middle/Earth\"",
    );
    let [zone, window] = told.as_slice() else {
        panic!("{told:#?}");
    };
    assert!(
        zone.contains("`update.time_zone` cannot be used: `Middle/Earth`"),
        "{zone}"
    );
    assert!(zone.contains("Europe/Berlin"), "{zone}");
    assert!(window.contains("names the day `moonday`"), "{window}");
    let told = faults("windows = \"daily 02:00-03:00\"");
    assert!(told[0].contains("must be a list"), "{told:?}");
    let many = vec!["\"daily 02:00-03:00\""; 33].join(",");
    let told = faults(&format!("windows = [{many}]"));
    assert!(told[0].contains("at most 32"), "{told:?}");
}
