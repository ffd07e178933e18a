//! The configuration: every fault is named with its file, line and key, and nothing is started on a faulty one.

use e2e::{SECRET, Settings, Stand, applies};

/// Done, and wrong usage or configuration.
const DONE: Option<i32> = Some(0);
const USAGE: Option<i32> = Some(2);

#[track_caller]
fn faulty(stand: &Stand, name: &str, text: &str, words: &[&str]) {
    std::fs::write(stand.config(), text).unwrap();
    for action in ["check-config", "run"] {
        let ended = stand.cli(&[action]);
        assert_eq!(ended.code, USAGE, "{name}: {ended:?}");
        for word in words {
            assert!(
                ended.stderr.contains(word),
                "{name}, {action}: no `{word}` in {}",
                ended.stderr
            );
        }
        assert!(!ended.stderr.contains(SECRET), "{name}");
    }
    assert!(!stand.path("state").exists(), "{name}: nothing was touched");
}

fn with(stand: &Stand, change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = stand.settings();
    change(&mut settings);
    settings.toml()
}

#[test]
fn each_fault_of_a_configuration_is_named_with_its_place() {
    let stand = Stand::new();
    let set = |name: &'static str, value: &str| with(&stand, |settings| settings.set(name, value));
    let line = |text: &str, key: &str| {
        let place = text
            .lines()
            .position(|line| line.starts_with(&format!("{key} =")))
            .unwrap()
            + 1;
        format!("hotplate.toml`, line {place}: ")
    };

    faulty(&stand, "not TOML", "[cloud\n", &["line 1", "not TOML"]);
    let text = set("update.colour", "1");
    faulty(
        &stand,
        "unknown key",
        &text,
        &[
            &line(&text, "colour"),
            "`update.colour` is unknown",
            "`proving_s`",
        ],
    );
    let text = set("kitchen.colour", "1");
    faulty(
        &stand,
        "unknown section",
        &text,
        &["unknown section `kitchen`"],
    );
    for (key, value, words) in [
        (
            "cloud.port",
            "\"1883\"",
            "must be a port from 1 to 65535 (it is a string)",
        ),
        ("cloud.port", "65536", "must be a port from 1 to 65535"),
        (
            "cloud.keepalive_s",
            "10",
            "must be a number of seconds from 30 to 1200",
        ),
        (
            "cloud.tls",
            "true",
            "must be \"system\", \"off\" or `{ ca = \"file.pem\" }`",
        ),
        (
            "cloud.sign_method",
            "\"crc\"",
            "must be \"hmacsha256\", \"hmacsha1\" or \"hmacmd5\"",
        ),
        ("cloud.product_key", "7", "must be a text in quotes"),
        ("cloud.host", "\"mqtt://127.0.0.1\"", "without `mqtt://`"),
        ("update.allow_http", "\"yes\"", "must be true or false"),
        ("update.tries", "0", "must be a whole number from 1 to 1000"),
        ("update.proving_s", "-1", "must be a number of seconds"),
        (
            "update.largest_image_bytes",
            "0",
            "must be a whole number above 0",
        ),
        ("worker.args", "\"-v\"", "must be a list of texts in quotes"),
        (
            "log.level",
            "\"loud\"",
            "must be one of \"error\", \"warn\", \"info\", \"debug\" and \"trace\"",
        ),
    ] {
        let text = set(key, value);
        let name = key.split('.').next_back().unwrap();
        faulty(
            &stand,
            &format!("{key} = {value}"),
            &text,
            &[&line(&text, name), &format!("`{key}` "), words],
        );
    }
    let text = set("cloud.region", "\"cn-shanghai\"");
    faulty(
        &stand,
        "two ways to the cloud",
        &text,
        &["exactly one is needed"],
    );
}

#[test]
fn all_faults_are_named_in_one_look() {
    let stand = Stand::new();
    let text = with(&stand, |settings| {
        settings.set("cloud.port", "\"x\"");
        settings.set("update.colour", "1");
        settings.unset("cloud.product_key");
    });
    faulty(
        &stand,
        "three at once",
        &text,
        &[
            "`cloud.port`",
            "`update.colour`",
            "`cloud.product_key` is missing",
        ],
    );
}

#[test]
fn a_missing_secret_is_named_with_every_way_to_give_it() {
    let stand = Stand::new();
    let text = with(&stand, |settings| {
        settings.unset("cloud.device_secret_file");
    });
    let ways = [
        "`cloud.device_secret` is missing",
        "device_secret_file",
        "HOTPLATE_DEVICE_SECRET",
    ];
    faulty(&stand, "no secret", &text, &ways);
    let text = with(&stand, |settings| {
        settings.text("cloud.device_secret_file", "elsewhere");
    });
    faulty(
        &stand,
        "no such file",
        &text,
        &["`cloud.device_secret_file`", "elsewhere", "cannot be read"],
    );
}

#[test]
fn a_configuration_that_is_not_there_is_named_with_the_next_step() {
    let stand = Stand::new();
    std::fs::remove_file(stand.config()).unwrap();
    let ended = stand.cli(&["run"]);
    assert_eq!(ended.code, USAGE, "{ended:?}");
    assert!(
        ended.stderr.contains("cannot be read") && ended.stderr.contains("hotplate.example.toml"),
        "{ended:?}"
    );
}

#[test]
#[cfg(unix)]
fn a_secret_that_others_may_read_is_refused_with_the_remedy() {
    use std::os::unix::fs::PermissionsExt;

    if !applies() {
        return;
    }
    let stand = Stand::new();
    let open = |name: &str| {
        std::fs::set_permissions(stand.path(name), std::fs::Permissions::from_mode(0o644)).unwrap();
    };
    open("device.secret");
    let text = stand.settings().toml();
    faulty(
        &stand,
        "in a file of its own",
        &text,
        &[
            "`cloud.device_secret_file` lies in",
            "others may read (mode 644)",
            "chmod 600",
        ],
    );
    let text = with(&stand, |settings| {
        settings.unset("cloud.device_secret_file");
        settings.text("cloud.device_secret", SECRET);
    });
    open("hotplate.toml");
    faulty(
        &stand,
        "in the configuration",
        &text,
        &["`cloud.device_secret` lies in", "chmod 600"],
    );
}

#[test]
fn check_config_shows_each_setting_and_where_it_came_from_and_no_secret() {
    let stand = Stand::new();
    let ended = stand.cli(&["check-config"]);
    assert_eq!(ended.code, DONE, "{ended:?}");
    let shown = |key: &str| {
        let line = ended.stdout.lines().find(|line| line.starts_with(key));
        line.unwrap_or_else(|| panic!("no `{key}` in {}", ended.stdout))
            .to_owned()
    };
    assert!(shown("cloud.device_secret").contains("***"));
    assert!(
        shown("cloud.host").contains("\"127.0.0.1\"") && shown("cloud.host").contains("# line")
    );
    assert!(shown("worker.hello_limit_s").contains("# default"));
    assert!(!ended.stdout.contains(SECRET));
    let mut command = stand.command(&["check-config"]);
    let output = command
        .env("HOTPLATE_DEVICE_SECRET", "from elsewhere")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("environment `HOTPLATE_DEVICE_SECRET`") && !text.contains("from elsewhere"),
        "{text}"
    );
}
