//! A configuration that is damaged after a good start: the device runs on the last good copy, is in reach, and says so.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use cloud_emulator::TaskState;
use e2e::{SECRET, Stand, Supervisor, System, applies, until};

/// Wrong usage or configuration.
const USAGE: Option<i32> = Some(2);

fn copy(stand: &Stand) -> PathBuf {
    stand.path("hotplate.toml.last-good")
}

fn secret_copy(stand: &Stand) -> PathBuf {
    stand.path("hotplate.toml.last-good-secret")
}

/// A start on this configuration has left a copy of it.
#[track_caller]
fn is_kept(stand: &Stand) {
    has(&copy(stand), &fs::read_to_string(stand.config()).unwrap());
}

/// And one of the secret, with whose it is.
#[track_caller]
fn secret_is_kept(stand: &Stand, secret: &str) {
    let device = &stand.device;
    let (key, name) = (&device.product_key, &device.device_name);
    has(&secret_copy(stand), &format!("{key}/{name}\n{secret}\n"));
}

#[track_caller]
fn has(copy: &Path, given: &str) {
    until("the copy", || match fs::read_to_string(copy) {
        Ok(text) if text == given => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// A device that ran well once, and is down.
#[track_caller]
fn ran_once() -> Stand {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    is_kept(&stand);
    secret_is_kept(&stand, SECRET);
    drop(supervisor);
    stand
}

/// Its worker runs, it is connected, and it says what is wrong with the configuration wherever somebody looks.
#[track_caller]
fn runs_on_the_copy<'s>(stand: &'s Stand, word: &str) -> Supervisor<'s> {
    runs_on(stand, "last good copy", word)
}

/// The same, on what was last known in the place of what is damaged.
#[track_caller]
fn runs_on<'s>(stand: &'s Stand, what: &str, word: &str) -> Supervisor<'s> {
    let checked = stand.cli(&["check-config"]);
    assert_eq!(checked.code, USAGE, "{checked:?}");
    assert!(checked.stderr.contains(word), "{word}: {checked:?}");
    let supervisor = stand.run();
    let status = supervisor.await_rest("1.0.0");
    let told = status["supervisor"]["configuration"].as_str();
    let is_told = |text: &str| text.contains(what) && text.contains(word);
    assert!(told.is_some_and(is_told), "{word}: {status}");
    let table = stand.cli(&["status"]).stdout;
    assert!(is_told(&table), "{word}: {table}");
    let line = supervisor.log.await_line(what);
    assert!(line.contains("ERROR") && is_told(&line), "{word}: {line}");
    supervisor
}

#[test]
fn a_configuration_torn_truncated_replaced_or_removed_costs_neither_the_worker_nor_the_link() {
    let stand = ran_once();
    let whole = fs::read(stand.config()).unwrap();
    fs::write(stand.config(), &whole[..whole.len() / 2]).unwrap();
    drop(runs_on_the_copy(&stand, "hotplate.toml"));
    fs::write(stand.config(), b"").unwrap();
    drop(runs_on_the_copy(&stand, "`cloud.product_key` is missing"));
    fs::write(stand.config(), [0xff; 700]).unwrap();
    drop(runs_on_the_copy(&stand, "cannot be read"));
    fs::write(stand.config(), vec![b'#'; 70_000]).unwrap();
    drop(runs_on_the_copy(&stand, "70000 bytes"));
    fs::remove_file(stand.config()).unwrap();
    drop(runs_on_the_copy(&stand, "cannot be read"));
    fs::create_dir(stand.config()).unwrap();
    let supervisor = runs_on_the_copy(&stand, "it is not a file");
    // It is as good as any other.
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    drop(supervisor);
    fs::remove_dir(stand.config()).unwrap();
    fs::write(stand.config(), &whole).unwrap();
    let supervisor = stand.run();
    let status = supervisor.await_rest("1.0.7");
    assert!(status["supervisor"]["configuration"].is_null(), "{status}");
}

#[test]
fn a_word_that_is_wrong_in_a_configuration_is_told_and_does_not_stop_the_device() {
    let mut stand = ran_once();
    stand.set("update.colour", 1);
    drop(runs_on_the_copy(&stand, "`update.colour` is unknown"));
    let mut settings = stand.settings();
    settings.unset("update.colour");
    settings.set("update.tries", 7);
    fs::write(stand.config(), settings.toml()).unwrap();
    let supervisor = stand.run();
    let status = supervisor.await_rest("1.0.0");
    assert!(status["supervisor"]["configuration"].is_null(), "{status}");
    // What it runs on now is what the next bad day finds.
    is_kept(&stand);
}

#[test]
#[cfg(unix)]
fn a_configuration_that_may_not_be_read_is_as_good_as_none() {
    use std::os::unix::fs::PermissionsExt as _;

    if !applies() {
        return;
    }
    let stand = ran_once();
    fs::set_permissions(stand.config(), fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(stand.config()).is_ok() {
        println!("left out, as nothing is hidden from this user");
        return;
    }
    drop(runs_on_the_copy(&stand, "cannot be read"));
}

#[test]
#[cfg(unix)]
fn a_copy_that_others_can_read_is_private_again_or_not_taken() {
    use std::os::unix::fs::PermissionsExt as _;

    if !applies() {
        return;
    }
    let stand = ran_once();
    let mode = || fs::metadata(copy(&stand)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    let whole = fs::read(stand.config()).unwrap();
    fs::remove_file(stand.config()).unwrap();
    fs::set_permissions(copy(&stand), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = stand.cli(&["run"]);
    assert_eq!(ended.code, USAGE, "{ended:?}");
    assert!(ended.stderr.contains("others may read"), "{ended:?}");
    fs::write(stand.config(), &whole).unwrap();
    let supervisor = stand.run();
    supervisor.await_rest("1.0.0");
    until("a private copy", || match mode() {
        0o600 => Ok(()),
        mode => Err(format!("{mode:o}")),
    });
}

/// What is said of a secret that a copy stands in for.
const LAST_KNOWN: &str = "the secret it last knew";

#[test]
fn a_secret_gone_damaged_or_replaced_costs_neither_the_worker_nor_the_link() {
    let stand = ran_once();
    let file = stand.path("device.secret");
    let harms: [(&dyn Fn(), &str); 6] = [
        (&|| {}, "cannot be read"),
        (&|| write(&file, b""), "is empty"),
        (&|| write(&file, &[0; 32]), "cannot be used"),
        (&|| write(&file, &[0xff; 32]), "cannot be read"),
        (&|| fs::create_dir(&file).unwrap(), "it is not a file"),
        (&|| pipe(&file), "it is not a file"),
    ];
    let is_foreign = matches!(System::under_test(), System::Wine | System::Windows);
    let many = if is_foreign { 5 } else { 6 };
    for (harm, word) in &harms[..many] {
        let _ = fs::remove_file(&file);
        let _ = fs::remove_dir(&file);
        harm();
        drop(runs_on(&stand, LAST_KNOWN, word));
        // What stood in is not what is kept for the next time.
        secret_is_kept(&stand, SECRET);
    }
    let _ = fs::remove_file(&file);
    let _ = fs::remove_dir(&file);
    let supervisor = runs_on(&stand, LAST_KNOWN, "cannot be read");
    stand.offer(&stand.good("1.0.7"));
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
}

#[test]
fn a_secret_gone_with_the_configuration_costs_neither_the_worker_nor_the_link() {
    let stand = ran_once();
    for file in [stand.path("device.secret"), stand.config()] {
        fs::remove_file(file).unwrap();
    }
    let both = "hotplate.toml.last-good` and the secret it last knew";
    drop(runs_on(&stand, both, "cannot be read"));
}

#[test]
fn a_secret_that_was_changed_is_the_one_that_counts() {
    let mut stand = ran_once();
    let other = "ffffffffffffffffffffffffffffffff";
    write(&stand.path("device.secret"), other.as_bytes());
    let supervisor = stand.run();
    let status = supervisor.await_status("the login is refused", |status| {
        status["cloud_up"] == false && !status["cloud_word"].is_null()
    });
    assert!(status["supervisor"]["configuration"].is_null(), "{status}");
    // It may be no secret at all. One that is not believed yet takes nothing away.
    secret_is_kept(&stand, SECRET);
    stand.cloud.add_device(&stand.device, other);
    supervisor.await_status("the login is accepted", |status| status["cloud_up"] == true);
    secret_is_kept(&stand, other);
    drop(supervisor);
    stand.cloud.add_device(&stand.device, SECRET);
    // The copy is of one device alone.
    fs::remove_file(stand.path("device.secret")).unwrap();
    fs::remove_file(copy(&stand)).unwrap();
    stand.set_text("cloud.device_name", "oven002");
    let ended = stand.cli(&["run"]);
    assert_eq!(ended.code, USAGE, "{ended:?}");
    let whose = format!("is the secret of `{}/oven001`", stand.device.product_key);
    assert!(ended.stderr.contains(&whose), "{ended:?}");
    // And with the secret elsewhere it is nowhere else.
    stand.set_text("cloud.device_name", "oven001");
    let supervisor = stand.run_as(|command| {
        command.env("HOTPLATE_DEVICE_SECRET", SECRET);
    });
    supervisor.await_rest("1.0.0");
    until("the copy is removed", || {
        match secret_copy(&stand).exists() {
            true => Err("it is there".to_owned()),
            false => Ok(()),
        }
    });
}

#[test]
#[cfg(unix)]
fn a_copy_of_the_secret_is_private_or_not_taken() {
    use std::os::unix::fs::PermissionsExt as _;

    if !applies() {
        return;
    }
    let stand = ran_once();
    let copy = secret_copy(&stand);
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(stand.path("device.secret")).unwrap();
    let ended = stand.cli(&["run"]);
    assert_eq!(ended.code, USAGE, "{ended:?}");
    assert!(ended.stderr.contains("others may read"), "{ended:?}");
}

/// A file that only its owner may read, as a secret's must be.
fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
}

fn pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}
