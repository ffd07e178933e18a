//! Windows by text, by day and by the clocks of zones that are set twice a year.

use std::time::Duration;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use tz::{
    LocalTimeType, TimeZone,
    timezone::{AlternateTime, MonthWeekDay, RuleDay, TransitionRule},
};

use super::{Maintenance, Window, WindowFault};
use crate::time::Wall;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Monday, 2026-11-23T00:00:00Z.
const MONDAY: u64 = 1_795_392_000_000;

/// Sunday, 2026-03-29T00:00:00Z: clocks in Berlin go from 02:00 to 03:00 at 01:00 UTC.
const SPRING: u64 = 1_774_742_400_000;

/// Sunday, 2026-10-25T00:00:00Z: clocks in Berlin go from 03:00 to 02:00 at 01:00 UTC.
const AUTUMN: u64 = 1_792_886_400_000;

fn windows(texts: &[&str], zone: TimeZone) -> Maintenance {
    let windows = texts.iter().map(|text| text.parse().unwrap()).collect();
    Maintenance::new(zone, windows)
}

fn utc(texts: &[&str]) -> Maintenance {
    windows(texts, TimeZone::utc())
}

/// CET-1CEST,M3.5.0,M10.5.0/3.
fn berlin() -> TimeZone {
    let winter = LocalTimeType::new(3600, false, Some(b"CET")).unwrap();
    let summer = LocalTimeType::new(7200, true, Some(b"CEST")).unwrap();
    let last_sunday = |month| RuleDay::MonthWeekDay(MonthWeekDay::new(month, 5, 0).unwrap());
    let (spring, autumn) = (last_sunday(3), last_sunday(10));
    let rule = AlternateTime::new(winter, summer, spring, 7200, autumn, 10_800).unwrap();
    let rule = TransitionRule::Alternate(rule);
    TimeZone::new(Vec::new(), vec![winter, summer], Vec::new(), Some(rule)).unwrap()
}

#[test]
fn without_a_window_every_time_is_a_good_time() {
    let always = Maintenance::default();
    assert!(always.is_open(Wall(0)) && always.is_open(Wall(u64::MAX)));
    assert_eq!(always.opens_in(Wall(MONDAY)), Duration::ZERO);
}

#[test]
fn a_window_is_open_on_its_days_from_its_first_minute_to_before_its_last() {
    let nights = utc(&["mon-fri 02:00-04:30"]);
    for day in 0..7 {
        let begun = MONDAY + day * DAY;
        for (minute, within) in [(119, false), (120, true), (269, true), (270, false)] {
            let open = nights.is_open(Wall(begun + minute * MINUTE));
            assert_eq!(open, within && day < 5, "day {day}, minute {minute}");
        }
    }
    let before = Wall(MONDAY + HOUR);
    assert_eq!(nights.opens_in(before), Duration::from_secs(3600));
    let friday_noon = Wall(MONDAY + 4 * DAY + 12 * HOUR);
    let monday_at_two = Duration::from_secs((12 + 48 + 2) * 3600);
    assert_eq!(nights.opens_in(friday_noon), monday_at_two);
    assert_eq!(nights.opens_in(Wall(MONDAY + 3 * HOUR)), Duration::ZERO);
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_begins_on() {
    let night = utc(&["sun 22:00-05:00"]);
    assert!(!night.is_open(Wall(MONDAY - DAY + 21 * HOUR)));
    assert!(night.is_open(Wall(MONDAY - DAY + 22 * HOUR)));
    assert!(night.is_open(Wall(MONDAY + 5 * HOUR - 1)));
    assert!(!night.is_open(Wall(MONDAY + 5 * HOUR)));
    assert!(!night.is_open(Wall(MONDAY + 22 * HOUR)));
}

#[test]
fn a_window_that_ends_where_it_begins_is_a_whole_day() {
    let day = utc(&["tue 06:00-06:00"]);
    assert!(day.is_open(Wall(MONDAY + DAY + 6 * HOUR)));
    assert!(day.is_open(Wall(MONDAY + 2 * DAY + 6 * HOUR - 1)));
    assert!(!day.is_open(Wall(MONDAY + 2 * DAY + 6 * HOUR)));
    let all = utc(&["daily 00:00-24:00"]);
    assert!((0..7 * 24).all(|hour| all.is_open(Wall(MONDAY + hour * HOUR))));
}

#[test]
fn the_clocks_of_the_zone_count_summer_and_winter() {
    let night = windows(&["daily 03:00-04:00"], berlin());
    let opens = |midnight: u64| {
        let wait = night.opens_in(Wall(midnight));
        wait.as_secs() / 60
    };
    assert_eq!(opens(MONDAY), 120, "winter: 03:00 is 02:00 UTC");
    let july = SPRING + 100 * DAY;
    assert_eq!(opens(july), 60, "summer: 03:00 is 01:00 UTC");
    assert_eq!(opens(SPRING), 60, "02:00 is skipped, 03:00 follows 01:59");
    let early = windows(&["daily 02:00-03:00"], berlin());
    assert!(!early.is_open(Wall(SPRING + HOUR - 1)) && !early.is_open(Wall(SPRING + HOUR)));
    assert!(early.is_open(Wall(AUTUMN)), "the first 02:00");
    assert!(early.is_open(Wall(AUTUMN + HOUR)), "the second 02:00");
    assert!(!early.is_open(Wall(AUTUMN + 2 * HOUR)));
}

#[test]
fn what_is_no_window_is_told_with_its_reason() {
    let form = ["", "mon", "mon 02:00", "mon 02:00-03:00 x", "02:00-03:00"];
    for text in form {
        assert_eq!(text.parse::<Window>(), Err(WindowFault::Form), "{text}");
    }
    for (text, day) in [
        ("moon 02:00-03:00", "moon"),
        ("mon,, 02:00-03:00", ""),
        ("mon-x 0:0-1:1", "x"),
    ] {
        let fault = text.parse::<Window>().unwrap_err();
        assert!(
            fault == WindowFault::Day(day.to_owned()) || matches!(fault, WindowFault::Time(_)),
            "{text}: {fault}"
        );
    }
    for time in ["2:00", "02:60", "24:01", "ab:cd", "02.00", "+2:00"] {
        let text = format!("mon {time}-03:00");
        assert_eq!(
            text.parse::<Window>(),
            Err(WindowFault::Time(time.to_owned()))
        );
    }
    let never = "mon 24:00-03:00".parse::<Window>();
    assert_eq!(never, Err(WindowFault::Time("24:00".to_owned())));
}

#[test]
fn a_window_is_written_as_it_is_read() {
    for (text, written) in [
        ("daily 03:00-04:00", "daily 03:00-04:00"),
        ("MON-FRI 02:00-04:30", "mon,tue,wed,thu,fri 02:00-04:30"),
        ("sat-mon 22:00-05:00", "mon,sat,sun 22:00-05:00"),
        ("sun 06:00-24:00", "sun 06:00-24:00"),
    ] {
        let window: Window = text.parse().unwrap();
        assert_eq!(window.to_string(), written);
        assert_eq!(written.parse(), Ok(window));
    }
}

proptest! {
    #[test]
    fn a_wait_ends_at_the_first_open_minute(
        days in 1_u8..128, from in 0_u16..1440, length in 1_u16..=1440, at in 0_u64..4_000_000_000_000,
    ) {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let chosen: Vec<_> = (0..7).filter(|day| days & (1 << day) != 0).map(|day| names[day]).collect();
        let to = (from + length - 1) % 1440 + 1;
        let text = format!("{} {:02}:{:02}-{:02}:{:02}", chosen.join(","), from / 60, from % 60, to / 60, to % 60);
        for zone in [TimeZone::utc(), berlin(), TimeZone::fixed(-12_345).unwrap()] {
            let maintenance = windows(&[&text], zone);
            let wait = maintenance.opens_in(Wall(at));
            let opening = Wall(at).after(wait);
            prop_assert!(maintenance.is_open(opening), "{text} at {at}");
            if !wait.is_zero() {
                prop_assert!(!maintenance.is_open(Wall(at)));
                prop_assert!(!maintenance.is_open(Wall(opening.0 - 1)), "{text} at {at}");
                prop_assert!(wait <= Duration::from_secs(8 * 24 * 3600));
            }
        }
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>(), near in "[a-z,-]{0,12} [0-9:-]{0,12}") {
        let _ = text.parse::<Window>();
        if let Ok(window) = near.parse::<Window>() {
            prop_assert_eq!(window.to_string().parse(), Ok(window));
        }
    }
}
