mod observe;
mod vouching;
mod windows;

use std::{fs, path::PathBuf};

use super::*;

const CLOUD: &str = r#"
[cloud]
product_key = "a1Sample001"
device_name = "oven001"
device_secret = "0123456789abcdef0123456789abcdef"
host = "127.0.0.1"
"#;

/// A publisher's key.
const KEY: &str = "RWRvA7w4Xz95ffzj/ZTW0BR8zbD76/C7b7MdLnpe7lAn+uqIIpbrGFHv";

fn nothing(_: &str) -> Option<String> {
    None
}

/// A private configuration file of its own.
struct Case {
    folder: tempfile::TempDir,
    environment: Option<&'static str>,
}

impl Case {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: None,
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("hotplate.toml")
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        set_mode(&path, mode);
    }

    /// A text that says nothing about who must vouch for images is given a publisher's key.
    fn load(&self, text: &str) -> Loaded {
        let keys = format!("[update]\nkeys = [\"{KEY}\"]\n");
        let text = match text.find("[update]\n") {
            _ if ["keys =", "require ="].iter().any(|it| text.contains(it)) => text.to_owned(),
            Some(_) => text.replace("[update]\n", &keys),
            None => format!("{text}\n{keys}"),
        };
        self.load_as_is(&text)
    }

    fn load_as_is(&self, text: &str) -> Loaded {
        self.write("hotplate.toml", text, 0o600);
        load(&self.file(), &|name| {
            let secret = || self.environment.map(str::to_owned);
            (name == SECRET_VARIABLE).then(secret).flatten()
        })
    }

    fn good(&self, text: &str) -> Config {
        self.load(text)
            .config
            .unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn faults(&self, text: &str) -> Vec<String> {
        let faults = self.load(text).config.expect_err("it is wrong");
        faults.into_iter().map(|fault| fault.0).collect()
    }

    /// The one fault, which must name the file.
    fn fault(&self, text: &str) -> String {
        let mut faults = self.faults(text);
        assert_eq!(faults.len(), 1, "{faults:#?}");
        assert!(faults[0].contains("hotplate.toml"), "{faults:?}");
        faults.remove(0)
    }
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(windows)]
fn set_mode(_: &Path, _: u32) {}

#[test]
fn five_settings_are_enough_and_the_rest_are_the_brains_own_defaults() {
    let case = Case::new();
    let config = case.good(CLOUD);
    assert_eq!(config.policy, Policy::default());
    assert_eq!(config.cloud.port, 8883);
    assert_eq!(config.cloud.trust, Some(Trust::System));
    assert_eq!(config.fetch.trust, Trust::System);
    assert_eq!(config.state, case.folder.path().join("state"));
    assert_eq!(config.log.level, tracing::level_filters::LevelFilter::INFO);
    assert_eq!(config.log.form, crate::log::Form::Human);
    assert_eq!((config.policy.upload, config.metrics), (None, None));
    assert!(
        config
            .cloud
            .login
            .client_id
            .contains("securemode=2,signmethod=hmacsha256")
    );
    assert_eq!(config.cloud.login.username, "oven001&a1Sample001");
}

#[test]
fn the_example_is_a_configuration_and_shows_every_setting_with_its_default() {
    let case = Case::new();
    let example = &example::TEXT
        .replace("a1Sample001", "a1Filled002")
        .replace("iot-06z00sample", "iot-filled")
        .replace(example_key(), KEY);
    case.write("device.secret", "0123456789abcdef0123456789abcdef\n", 0o600);
    let config = case.good(example);
    assert_eq!(config.cloud.host, "iot-filled.mqtt.iothub.aliyuncs.com");
    assert_eq!(config.policy, Policy::default());
    let shown = case.load(example).effective;
    for setting in &shown {
        let (_, key) = setting.key.split_once('.').unwrap();
        assert!(
            example.contains(&format!("{key} = ")),
            "`{key}` is not in the example"
        );
    }
    // What is commented out there says what holds without it.
    for line in example.lines().filter_map(|line| line.strip_prefix("# ")) {
        let Some((key, rest)) = line.split_once(" = ") else {
            continue;
        };
        let value = rest.split(" #").next().unwrap_or(rest).trim();
        let of_key = |it: &&Effective| it.key.split_once('.').is_some_and(|(_, name)| name == key);
        let Some(setting) = shown
            .iter()
            .find(of_key)
            .filter(|it| it.origin == "default")
        else {
            continue;
        };
        let told = !setting.value.starts_with(|c: char| c.is_alphabetic())
            || ["true", "false"].contains(&value);
        if told && key != "env" {
            assert_eq!(value, setting.value, "`{key}`");
        }
    }
}

fn example_key() -> &'static str {
    let keys = example::TEXT.split("keys = [\"").nth(1).unwrap();
    keys.split('"').next().unwrap()
}

#[test]
fn what_was_never_filled_in_is_told_with_the_next_step() {
    let case = Case::new();
    case.write("device.secret", "0123456789abcdef0123456789abcdef\n", 0o600);
    let faults = case.faults(example::TEXT).join("\n");
    for key in ["`cloud.instance`", "`cloud.product_key`", "`update.keys`"] {
        let told = format!("{key} is still the example's own value; put this device's own");
        assert!(faults.contains(&told), "{faults}");
    }
}

#[test]
fn the_three_ways_to_name_the_cloud_give_its_host() {
    let case = Case::new();
    let with = |line: &str| {
        let text = CLOUD.replace("a1Sample001", "a1Filled002");
        case.good(&text.replace("host = \"127.0.0.1\"", line))
            .cloud
            .host
    };
    assert_eq!(
        with("instance = \"iot-x\""),
        "iot-x.mqtt.iothub.aliyuncs.com"
    );
    assert_eq!(
        with("region = \"cn-shanghai\""),
        "a1Filled002.iot-as-mqtt.cn-shanghai.aliyuncs.com"
    );
    assert_eq!(with("host = \"broker.example\""), "broker.example");
    let both = case.fault(&format!("{CLOUD}region = \"cn-shanghai\""));
    assert!(both.contains("exactly one is needed"), "{both}");
    let none = case.fault(&CLOUD.replace("host = \"127.0.0.1\"", ""));
    assert!(
        none.contains("`cloud.host`") && none.contains("exactly one is needed"),
        "{none}"
    );
    let url = case.fault(&CLOUD.replace("127.0.0.1", "mqtt://127.0.0.1"));
    assert!(url.contains("without `mqtt://`"), "{url}");
}

#[test]
fn plain_tcp_has_another_port_and_says_so_in_the_login() {
    let case = Case::new();
    let config = case.good(&format!("{CLOUD}tls = \"off\""));
    assert_eq!((config.cloud.port, config.cloud.trust), (1883, None));
    assert!(config.cloud.login.client_id.contains("securemode=3"));
}

#[test]
fn a_certificate_file_counts_from_the_configuration_and_serves_downloads_too() {
    let case = Case::new();
    let config = case.good(&format!("{CLOUD}tls = {{ ca = \"ca.pem\" }}"));
    let trust = Trust::File(case.folder.path().join("ca.pem"));
    assert_eq!(config.cloud.trust, Some(trust.clone()));
    assert_eq!(config.fetch.trust, trust);
    let config = case.good(&format!("{CLOUD}[update]\nca = \"other.pem\""));
    assert_eq!(
        config.fetch.trust,
        Trust::File(case.folder.path().join("other.pem"))
    );
}

#[test]
fn spans_may_have_fractions() {
    let case = Case::new();
    let config = case.good(&format!(
        "{CLOUD}[update]\nproving_s = 0.5\nquery_every_s = 7"
    ));
    assert_eq!(config.policy.proving, Duration::from_millis(500));
    assert_eq!(config.policy.query_every, Duration::from_secs(7));
}

#[test]
fn a_missing_file_is_told_with_what_to_do() {
    let case = Case::new();
    let faults = load(&case.file(), &nothing).config.unwrap_err();
    let fault = &faults[0].0;
    assert!(
        fault.contains("hotplate.toml") && fault.contains("--config"),
        "{fault}"
    );
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line_and_nothing_else() {
    let fault = Case::new().fault("[cloud]\nproduct_key = a1Sample001\n");
    assert!(
        fault.contains("line 2") && fault.contains("not TOML"),
        "{fault}"
    );
}

#[test]
fn an_unknown_key_or_section_is_told_with_the_known_ones() {
    let case = Case::new();
    let fault = case.fault(&format!("{CLOUD}[update]\nproofing_s = 1"));
    assert!(
        fault.contains("line 9: `update.proofing_s` is unknown"),
        "{fault}"
    );
    assert!(fault.contains("`proving_s`"), "{fault}");
    let fault = case.fault(&format!("{CLOUD}[updates]\nproving_s = 1"));
    assert!(fault.contains("unknown section `updates`"), "{fault}");
    assert!(fault.contains("`update`"), "{fault}");
    let fault = case.fault(&format!("state = 1\n{CLOUD}"));
    assert!(
        fault.contains("line 1: `state`") && fault.contains("[state]"),
        "{fault}"
    );
}

#[test]
fn a_wrong_type_or_range_is_told_with_what_it_must_be() {
    let case = Case::new();
    for (lines, key, demand) in [
        (
            "port = \"1883\"",
            "cloud.port",
            "a port from 1 to 65535 (it is a string)",
        ),
        ("port = 0", "cloud.port", "a port from 1 to 65535"),
        ("port = 65536", "cloud.port", "a port from 1 to 65535"),
        ("keepalive_s = 29", "cloud.keepalive_s", "from 30 to 1200"),
        ("tls = \"on\"", "cloud.tls", "\"system\", \"off\" or"),
        (
            "sign_method = \"sha256\"",
            "cloud.sign_method",
            "\"hmacsha256\"",
        ),
        ("client_id = \"a|b\"", "cloud.client_id", "other than `|`"),
        (
            "[update]\nallow_http = 1",
            "update.allow_http",
            "true or false",
        ),
        ("[update]\ntries = 0", "update.tries", "from 1 to 1000"),
        (
            "[update]\nlargest_image_bytes = -1",
            "update.largest_image_bytes",
            "above 0",
        ),
        (
            "[update]\nloop_window_s = 0",
            "update.loop_window_s",
            "above 0",
        ),
        (
            "[update]\nloop_deaths = 0",
            "update.loop_deaths",
            "from 1 to 1000",
        ),
        (
            "[update]\nproving_s = -1",
            "update.proving_s",
            "a number of seconds",
        ),
        (
            "[update]\nproving_s = nan",
            "update.proving_s",
            "a number of seconds",
        ),
        (
            "[update]\nquery_every_s = 0",
            "update.query_every_s",
            "above 0",
        ),
        (
            "[update]\nfetch_wait_s = 9\nfetch_longest_wait_s = 8",
            "update.fetch_longest_wait_s",
            "not be below",
        ),
        ("[worker]\nargs = \"x\"", "worker.args", "a list of texts"),
        (
            "[worker]\nenv = { A = 1 }",
            "worker.env",
            "a table of texts",
        ),
        (
            "[worker]\nheartbeat_s = 6",
            "worker.silence_limit_s",
            "at least twice",
        ),
        ("[state]\ndir = 1", "state.dir", "a text in quotes"),
        (
            "[state]\ncheckpoint_every_s = 0",
            "state.checkpoint_every_s",
            "above 0",
        ),
        ("[log]\nlevel = \"loud\"", "log.level", "\"info\""),
    ] {
        let fault = case.fault(&format!("{CLOUD}{lines}\n"));
        assert!(fault.contains(&format!("`{key}`")), "{fault}");
        assert!(fault.contains(demand), "{fault}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let case = Case::new();
    let faults = case.faults("[cloud]\nport = true\nextra = 1\n[log]\nlevel = 1\n");
    for part in [
        "cloud.product_key",
        "cloud.device_name",
        "cloud.device_secret",
        "cloud.host",
        "cloud.port",
        "cloud.extra",
        "log.level",
    ] {
        let count = faults
            .iter()
            .filter(|fault| fault.contains(&format!("`{part}`")))
            .count();
        assert_eq!(count, 1, "`{part}` in {faults:#?}");
    }
    assert_eq!(faults.len(), 7, "{faults:#?}");
}

#[test]
fn a_missing_or_unusable_secret_is_told_and_never_shown() {
    let case = Case::new();
    let secret = "device_secret = \"0123456789abcdef0123456789abcdef\"";
    let fault = case.fault(&CLOUD.replace(secret, ""));
    assert!(
        fault.contains("`cloud.device_secret` is missing") && fault.contains(SECRET_VARIABLE),
        "{fault}"
    );
    let fault = case.fault(&CLOUD.replace(secret, "device_secret = \"two words\""));
    assert!(
        fault.contains("`cloud.device_secret` cannot be used"),
        "{fault}"
    );
    assert!(!fault.contains("two words"), "{fault}");
    let fault = case.fault(&CLOUD.replace(secret, "device_secret_file = \"gone\""));
    assert!(
        fault.contains("`cloud.device_secret_file` names") && fault.contains("gone"),
        "{fault}"
    );
    let fault = case.fault(&format!("{CLOUD}device_secret_file = \"device.secret\""));
    assert!(fault.contains("keep one of them"), "{fault}");
}

#[test]
fn the_environment_goes_before_the_file_and_every_origin_is_listed() {
    let mut case = Case::new();
    case.environment = Some("fedcba9876543210fedcba9876543210");
    let by_environment = case.good(CLOUD).cloud.login.password;
    let origin = |case: &Case| {
        let shown = case.load(CLOUD).effective;
        let secret = shown
            .into_iter()
            .find(|it| it.key == "cloud.device_secret")
            .unwrap();
        assert_eq!(secret.value, "***");
        secret.origin
    };
    assert_eq!(origin(&case), format!("environment `{SECRET_VARIABLE}`"));
    case.environment = None;
    assert_eq!(origin(&case), "line 5");
    assert_ne!(case.good(CLOUD).cloud.login.password, by_environment);
}

#[test]
fn a_secret_never_appears_in_what_is_shown() {
    let case = Case::new();
    let secret = "0123456789abcdef0123456789abcdef";
    let loaded = case.load(&format!("{CLOUD}[worker]\nenv = {{ TOKEN = \"sesame\" }}"));
    let shown = crate::show::settings(&loaded.effective);
    assert!(
        shown.contains("TOKEN") && !shown.contains("sesame"),
        "{shown}"
    );
    assert!(!shown.contains(secret), "{shown}");
    assert!(!format!("{:?}", loaded.config).contains(secret));
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_may_read_is_refused_wherever_it_lies() {
    let case = Case::new();
    case.good(CLOUD);
    set_mode(&case.file(), 0o640);
    let faults = load(&case.file(), &nothing).config.unwrap_err();
    let fault = &faults[0].0;
    assert!(
        fault.contains("line 5") && fault.contains("mode 640") && fault.contains("chmod 600"),
        "{fault}"
    );

    let text = CLOUD.replace(
        "device_secret = \"0123456789abcdef0123456789abcdef\"",
        "device_secret_file = \"device.secret\"",
    );
    case.write("device.secret", "0123456789abcdef0123456789abcdef\n", 0o604);
    let fault = case.fault(&text);
    assert!(
        fault.contains("device.secret") && fault.contains("mode 604"),
        "{fault}"
    );
    case.write("device.secret", "0123456789abcdef0123456789abcdef\n", 0o600);
    // A configuration without a secret may be read by anybody.
    case.good(&text);
    set_mode(&case.file(), 0o644);
    assert!(load(&case.file(), &nothing).config.is_ok());
}

#[test]
fn a_workers_own_folder_is_named_by_its_whole_path() {
    let home = home(Path::new("state"));
    assert!(
        home.is_absolute() && home.ends_with("state/home"),
        "{home:?}"
    );
}
