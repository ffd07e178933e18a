//! Whom workers run as: a user and one group, by name or by number.
//!
//! Names are looked up in the system's own two files. What only a directory service knows is given by its number.

use std::fs;

use toml::de::DeValue;

use super::reading::{Found, Section};

/// Users: name, password, number, group, and more.
const USERS: &str = "/etc/passwd";
/// Groups: name, password, number, and more.
const GROUPS: &str = "/etc/group";

/// A user with one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) user: u32,
    pub(crate) group: u32,
    /// The user's name, or the number where there is none.
    pub(crate) name: String,
}

/// Reads both settings; `None` where workers run as the supervisor does, or something is wrong with them.
pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Account> {
    let user = section.may("user", text);
    let group = section.may("group", text);
    let Some(user) = user else {
        section.list("user", "as the supervisor", "default");
        match &group {
            Some(group) => section.fault("group", Some(group.line), "needs `worker.user` as well"),
            None => section.list("group", "as the supervisor", "default"),
        }
        return None;
    };
    if cfg!(windows) {
        section.fault(
            "user",
            Some(user.line),
            "is known on Unix alone; leave it out",
        );
        return None;
    }
    let found = look_up(USERS, &user.value);
    let Some(number) = found.as_ref().map(|it| it.number) else {
        let who = &user.value;
        let what =
            format!("is `{who}`, whom `{USERS}` does not know; make that user, or give a number");
        section.fault("user", Some(user.line), what);
        return None;
    };
    if number == 0 {
        let what = "is root, from whom nothing is kept; name another, or leave it out";
        section.fault("user", Some(user.line), what);
        return None;
    }
    let own = found.as_ref().and_then(|it| it.group);
    let group_number = match &group {
        Some(group) => look_up(GROUPS, &group.value).map(|it| it.number),
        None => own,
    };
    let Some(group_number) = group_number else {
        match &group {
            Some(group) => {
                let what = format!(
                    "is `{}`, which `{GROUPS}` does not know; make that group, or give a number",
                    group.value
                );
                section.fault("group", Some(group.line), what);
            }
            None => section.fault(
                "group",
                None,
                format!("is missing; `{USERS}` does not know the user's own"),
            ),
        }
        return None;
    };
    let line = |line| format!("line {line}");
    section.list("user", told(&user, number), line(user.line));
    match &group {
        Some(group) => section.list("group", told(group, group_number), line(group.line)),
        None => section.list("group", group_number.to_string(), "the user's own"),
    }
    Some(Account {
        user: number,
        group: group_number,
        name: found.and_then(|it| it.name).unwrap_or(user.value),
    })
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    let number = || Some(value.as_integer()?.as_str().to_owned());
    let text = value.as_str().map(str::to_owned).or_else(number);
    text.ok_or_else(|| "a name in quotes or a number".to_owned())
}

fn told(found: &Found<String>, number: u32) -> String {
    let text = &found.value;
    if *text == number.to_string() {
        text.clone()
    } else {
        format!("{text:?} ({number})")
    }
}

/// A line of one of the two files.
struct Entry {
    name: Option<String>,
    number: u32,
    group: Option<u32>,
}

/// Whoever has this name; or this number, also if nobody has a name for it.
fn look_up(file: &str, who: &str) -> Option<Entry> {
    find(&fs::read_to_string(file).unwrap_or_default(), who)
}

fn find(text: &str, who: &str) -> Option<Entry> {
    let number = who.parse::<u32>().ok();
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let found = fields.nth(1)?.parse().ok()?;
        (name == who || Some(found) == number).then(|| Entry {
            name: Some(name.to_owned()),
            number: found,
            group: fields.next().and_then(|it| it.parse().ok()),
        })
    });
    named.or(number.map(|number| Entry {
        name: None,
        number,
        group: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "root:x:0:0:root:/root:/bin/sh\noven:x:998:997::/nowhere:/bin/false\nshort\n";

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        for who in ["oven", "998"] {
            let found = find(TEXT, who).unwrap();
            assert_eq!((found.number, found.group), (998, Some(997)));
            assert_eq!(found.name.as_deref(), Some("oven"));
        }
        let nameless = find(TEXT, "12345").unwrap();
        assert_eq!((nameless.number, nameless.group), (12345, None));
        for who in ["short", "nobody", "", "-1", "4294967296"] {
            assert!(find(TEXT, who).is_none(), "{who}");
        }
    }
}
