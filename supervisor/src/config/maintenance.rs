//! When a switch may happen: windows, and whose clocks they go by.

use supervisor_core::maintenance::{MOST_WINDOWS, Maintenance, Window, WindowFault};
use tz::TimeZone;

use super::reading::{Form, Section};

/// Reads the windows and their zone.
pub(super) fn read(section: &mut Section<'_, '_>) -> Maintenance {
    let zone = zone(section);
    let windows = windows(section);
    Maintenance::new(zone, windows)
}

fn windows(section: &mut Section<'_, '_>) -> Vec<Window> {
    let key = "windows";
    let found = section.may(key, |value| {
        Vec::<String>::read(value)
            .filter(|texts| texts.len() <= MOST_WINDOWS)
            .ok_or_else(|| format!("a list of at most {MOST_WINDOWS} texts in quotes"))
    });
    let Some(found) = found else {
        section.list(key, "none, a switch may happen at any time", "default");
        return Vec::new();
    };
    section.list(key, found.value.shown(), format!("line {}", found.line));
    let mut windows = Vec::new();
    for text in &found.value {
        match text.parse() {
            Ok(window) => windows.push(window),
            Err(fault) => {
                let fault: WindowFault = fault;
                section.fault(
                    key,
                    Some(found.line),
                    format!("cannot be used: `{text}` {fault}"),
                );
            }
        }
    }
    windows
}

fn zone(section: &mut Section<'_, '_>) -> TimeZone {
    let key = "time_zone";
    let Some(found) = section.text(key) else {
        section.list(key, "UTC".to_owned().shown(), "default");
        return TimeZone::utc();
    };
    section.list(key, found.value.shown(), format!("line {}", found.line));
    match TimeZone::from_posix_tz(local_name(&found.value)) {
        Ok(zone) => zone,
        Err(why) => {
            let what = format!(
                "cannot be used: `{}`: {why}; it must be \"UTC\", \"local\", a name this system knows such as \"Europe/Berlin\", or a rule \
                 such as \"CET-1CEST,M3.5.0,M10.5.0/3\"",
                found.value
            );
            section.fault(key, Some(found.line), what);
            TimeZone::utc()
        }
    }
}

/// `local` is the zone of the machine, and `UTC` needs no file of the system.
fn local_name(text: &str) -> &str {
    match text {
        "local" => "localtime",
        "UTC" => "UTC0",
        other => other,
    }
}
