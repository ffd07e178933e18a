//! `init`: at a terminal, from a pipe, and what it refuses.

use std::{fs, path::PathBuf, process::Command};

use e2e::{Programs, Stand, Terminal, applies};
use serde_json::Value;

use super::told;

/// A secret that stands in no example.
const SECRET: &str = "fedcba9876543210fedcba9876543210";

/// A folder of its own, with nothing in it.
struct Fresh {
    folder: tempfile::TempDir,
}

impl Fresh {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Programs::under_test().supervisor();
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|it| it.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// What is written is a configuration, and the secret is its owner's alone.
    #[track_caller]
    fn is_good(&self) {
        use std::os::unix::fs::PermissionsExt as _;

        let checked = told(&mut self.command(&["check-config", "--json"]), "");
        assert_eq!(checked.code, Some(0), "{checked:?}");
        let checked: Value = serde_json::from_str(&checked.stdout).unwrap();
        assert_eq!(checked["usable"], true, "{checked}");
        let secret = self.file("device.secret");
        assert_eq!(fs::read_to_string(&secret).unwrap().trim(), SECRET);
        let mode = fs::metadata(secret).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(self.file("hotplate.toml")).unwrap();
        assert!(!text.contains(SECRET));
        assert!(
            text.contains("# keepalive_s = 60"),
            "every setting is explained"
        );
    }
}

#[test]
fn at_a_terminal_everything_is_asked_and_the_secret_is_not_shown() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let fresh = Fresh::new();
    let mut terminal = Terminal::start(&fresh.command(&["init"]), 110, 40);
    let key = stand.publisher.public().to_string();
    for (question, answer) in [
        ("Product key: ", "a1Own00001"),
        ("Device name: ", "kitchen-1"),
        (
            "Device secret (not shown): ",
            &format!("wrong\x15x\x7f{SECRET}"),
        ),
        ("or a host: ", "cn-shanghai"),
        ("trying out): ", &key),
    ] {
        terminal.await_shown(question, |shown| {
            shown.trim_end().ends_with(question.trim_end())
        });
        terminal.type_in(&format!("{answer}\r"));
    }
    let shown = terminal.await_shown("the next commands", |shown| shown.contains("doctor"));
    assert_eq!(terminal.await_end(), Some(0), "{shown}");
    assert!(
        !shown.contains(SECRET) && !shown.contains("wrong"),
        "{shown}"
    );
    assert!(
        shown.contains("supervisor install ./oven-1.0.0 --version 1.0.0"),
        "{shown}"
    );
    assert!(shown.contains("supervisor run"), "{shown}");
    fresh.is_good();
    let text = fs::read_to_string(fresh.file("hotplate.toml")).unwrap();
    for line in [
        "product_key = \"a1Own00001\"",
        "region = \"cn-shanghai\"",
        &*key,
    ] {
        assert!(
            text.lines()
                .any(|it| it.contains(line) && !it.starts_with('#')),
            "{text}"
        );
    }
}

#[test]
fn ctrl_c_at_the_secret_writes_nothing_and_leaves_the_terminal_as_it_was() {
    if !applies() {
        return;
    }
    let fresh = Fresh::new();
    let words = [
        "init",
        "--product-key",
        "a1Own00001",
        "--device-name",
        "kitchen-1",
    ];
    let init = fresh.command(&words);
    // Whatever comes after it at the same terminal shows how it was left.
    let mut shell = Command::new("sh");
    shell.args(["-c", "\"$@\"; echo \"ended with $?\"; cat", "sh"]);
    shell.arg(init.get_program()).args(init.get_args());
    shell.current_dir(fresh.folder.path());
    let mut terminal = Terminal::start(&shell, 100, 24);
    terminal.await_shown("the question", |shown| shown.contains("(not shown):"));
    terminal.type_in("half\x03");
    let shown = terminal.await_shown("its end", |shown| shown.contains("ended with 1"));
    assert!(
        shown.contains("nothing was written") && !shown.contains("half"),
        "{shown}"
    );
    assert_eq!(fresh.names(), [""; 0]);
    terminal.type_in("told\r");
    let is_echoed = |shown: &str| shown.matches("told").count() == 2;
    terminal.await_shown("what is typed, and what comes of it", is_echoed);
    terminal.type_in("\x04");
    assert_eq!(terminal.await_end(), Some(0));
}

#[test]
fn from_a_pipe_the_answers_are_lines_and_with_flags_only_the_secret_is() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let key = stand.publisher.public().to_string();
    let fresh = Fresh::new();
    let answers = format!("a1Own00001\nkitchen-1\n{SECRET}\niot-own001\n{key}\n");
    let ended = told(&mut fresh.command(&["init"]), &answers);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    fresh.is_good();

    let fresh = Fresh::new();
    let mut arguments = vec![
        "init",
        "--product-key",
        "a1Own00001",
        "--device-name",
        "kitchen-1",
    ];
    arguments.extend([
        "--host",
        "127.0.0.1",
        "--port",
        "1884",
        "--tls",
        "off",
        "--key",
        &key,
        "--json",
    ]);
    let ended = told(&mut fresh.command(&arguments), &format!("{SECRET}\n"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(said["secret_written"], true, "{said}");
    assert_eq!(said["next"].as_array().map(Vec::len), Some(2), "{said}");
    fresh.is_good();

    // A second time nothing is touched.
    let before = fs::read(fresh.file("hotplate.toml")).unwrap();
    let again = told(&mut fresh.command(&arguments), "another\n");
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("is there already"), "{again:?}");
    assert_eq!(fs::read(fresh.file("hotplate.toml")).unwrap(), before);

    // A secret that is there is used as it is, and is not asked for.
    fs::remove_file(fresh.file("hotplate.toml")).unwrap();
    let kept = told(&mut fresh.command(&arguments), "");
    assert_eq!(kept.code, Some(0), "{kept:?}");
    let said: Value = serde_json::from_str(&kept.stdout).unwrap();
    assert_eq!(said["secret_written"], false, "{said}");
    fresh.is_good();
}

#[test]
fn what_would_be_no_configuration_is_not_written() {
    if !applies() {
        return;
    }
    let fresh = Fresh::new();
    let all = [
        "init",
        "--product-key",
        "a1/x",
        "--device-name",
        "kitchen-1",
        "--host",
        "b",
        "--unsigned",
    ];
    let wrong = told(&mut fresh.command(&all), &format!("{SECRET}\n"));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.stderr.contains("nothing was written"), "{wrong:?}");
    let missing = told(&mut fresh.command(&all[..5]), "");
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("`--secret-file`"), "{missing:?}");
    let nobody = told(&mut fresh.command(&all[..7]), &format!("{SECRET}\n"));
    assert_eq!(nobody.code, Some(2), "{nobody:?}");
    assert!(
        nobody.stderr.contains("`--key` or `--unsigned`"),
        "{nobody:?}"
    );
    assert_eq!(fresh.names(), [""; 0]);
}
