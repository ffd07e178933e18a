use std::path::Path;

use super::*;

fn definition(program: &str, config: &str) -> Definition {
    Definition {
        name: "hotplate".parse().unwrap(),
        program: program.into(),
        config: config.into(),
        state: None,
        has_worker_user: false,
    }
}

fn plain() -> Definition {
    definition("/usr/bin/supervisor", "/etc/hotplate/hotplate.toml")
}

#[track_caller]
fn has_line(text: &str, line: &str) {
    assert!(text.lines().any(|it| it == line), "no `{line}` in {text}");
}

#[test]
fn a_unit_runs_this_program_with_this_configuration_and_is_never_given_up() {
    let unit = System::Systemd.definition(&plain()).unwrap();
    for line in [
        "Type=notify",
        "NotifyAccess=main",
        "ExecStart=\"/usr/bin/supervisor\" --config \"/etc/hotplate/hotplate.toml\" run",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "TimeoutStartSec=infinity",
        "WatchdogSec=30",
        "StateDirectory=hotplate",
        "WantedBy=multi-user.target",
    ] {
        has_line(&unit, line);
    }
}

#[test]
fn whatever_a_path_has_in_it_is_one_word_of_the_unit() {
    let odd = r#"/opt/a b/100%/"q"/back\slash/$HOME/Öfen/炉"#;
    let unit = System::Systemd.definition(&definition(odd, odd)).unwrap();
    has_line(
        &unit,
        r#"ExecStart="/opt/a b/100%%/\"q\"/back\\slash/$HOME/Öfen/炉" --config "/opt/a b/100%%/\"q\"/back\\slash/$$HOME/Öfen/炉" run"#,
    );
}

#[test]
fn the_state_folder_is_writable_wherever_it_is() {
    let unit = |state: &str| {
        let state = Some(state.into());
        let definition = Definition { state, ..plain() };
        System::Systemd.definition(&definition).unwrap()
    };
    let own = unit("/var/lib/ovens");
    has_line(&own, "StateDirectory=ovens");
    assert!(!own.contains("ReadWritePaths"));
    has_line(&unit("/data/my oven"), "ReadWritePaths=\"/data/my oven\"");
    has_line(
        &unit("/var/lib/my oven"),
        "ReadWritePaths=\"/var/lib/my oven\"",
    );
    has_line(&unit("/var/lib"), "ReadWritePaths=\"/var/lib\"");
    // Its sockets lie elsewhere then, where `status` looks for them from outside.
    let long = unit(&format!("/data/{}", "x".repeat(80)));
    assert!(!long.contains("PrivateTmp=yes"), "{long}");
}

#[test]
fn with_a_user_for_workers_the_unit_keeps_what_it_takes_to_become_one() {
    let mine = Definition {
        has_worker_user: true,
        ..plain()
    };
    let unit = System::Systemd.definition(&mine).unwrap();
    let capabilities = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    for needed in ["CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_KILL"] {
        assert!(capabilities.unwrap().contains(needed), "{needed}");
    }
    has_line(&unit, "StateDirectoryMode=0710");
}

#[test]
fn a_property_list_holds_each_argument_by_itself() {
    let odd = r#"/Users/a b/<Öfen> & "co"/炉"#;
    let text = System::Launchd.definition(&definition(odd, odd)).unwrap();
    let list = plist::Value::from_reader_xml(text.as_bytes()).unwrap();
    let list = list.as_dictionary().unwrap();
    let arguments = list.get("ProgramArguments").unwrap().as_array().unwrap();
    let arguments: Vec<_> = arguments.iter().map(|it| it.as_string().unwrap()).collect();
    assert_eq!(arguments, [odd, "--config", odd, "run"]);
    for key in ["RunAtLoad", "KeepAlive"] {
        assert_eq!(list.get(key).unwrap().as_boolean(), Some(true), "{key}");
    }
    assert_eq!(list.get("Label").unwrap().as_string(), Some("hotplate"));
    assert_eq!(
        list.get("StandardErrorPath").unwrap().as_string(),
        Some("/var/log/hotplate.log")
    );
}

#[test]
fn what_windows_is_told_can_be_shown_anywhere() {
    let text = System::Windows
        .definition(&definition(r"C:\Program Files\s.exe", r"C:\Öfen\h.toml"))
        .unwrap();
    has_line(
        &text,
        r#"command      "C:\Program Files\s.exe" --config "C:\Öfen\h.toml" service --name hotplate run"#,
    );
}

#[test]
fn a_path_that_no_definition_can_hold_is_refused() {
    for system in [System::Systemd, System::Launchd, System::Windows] {
        let broken = definition("/usr/bin/supervisor", "/etc/two\nlines");
        assert!(system.definition(&broken).is_err(), "{system:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_path_that_is_no_unicode_is_refused() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    let mut broken = plain();
    broken.program = Path::new(OsStr::from_bytes(b"/opt/\xff")).to_owned();
    assert!(System::Systemd.definition(&broken).is_err());
}

#[test]
fn names_are_those_that_all_systems_take() {
    for good in ["hotplate", "hot-plate_2.a", "2"] {
        assert!(good.parse::<Name>().is_ok(), "{good}");
    }
    let long = "x".repeat(65);
    for bad in ["", "-x", ".x", "a b", "a/b", "a@b", "ö", "a\n", &long] {
        assert!(bad.parse::<Name>().is_err(), "{bad}");
    }
}

#[cfg(unix)]
mod files {
    use super::*;
    use crate::service::files;

    #[test]
    fn a_definition_of_ours_is_replaced_and_removed_and_one_of_others_is_neither() {
        let root = tempfile::tempdir().unwrap();
        let name = "hotplate".parse().unwrap();
        let file = files::place("/etc/some", ".service", &name, Some(root.path()));
        assert!(file.starts_with(root.path()));
        assert!(matches!(
            files::remove(&file, &name),
            Err(ServiceError::NotInstalled(_))
        ));
        let ours = System::Systemd.definition(&plain()).unwrap();
        files::write(&file, &ours).unwrap();
        files::write(&file, &format!("{ours}# second\n")).unwrap();
        assert!(
            std::fs::read_to_string(&file)
                .unwrap()
                .ends_with("second\n")
        );
        files::remove(&file, &name).unwrap();
        assert!(!file.exists());
        std::fs::write(&file, "[Unit]\n").unwrap();
        for done in [files::write(&file, &ours), files::remove(&file, &name)] {
            assert!(matches!(done, Err(ServiceError::Foreign(_))));
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "[Unit]\n");
    }
}
