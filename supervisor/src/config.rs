//! The configuration: one TOML file, parsed once into types that cannot be wrong.
//!
//! All faults are found in one reading, each with file, line, key and the next step. Relative paths in the file are relative to the
//! file, so that the supervisor may be started from anywhere. The secret may come from the environment or from a file of its
//! own, and wherever it lies in a file, that file must be private. A configuration or a secret's file that cannot be used gives way to the
//! last one that could (see the modules `last_good` and `last_secret`).

mod account;
mod cloud;
pub(crate) mod example;
pub(crate) mod last_good;
pub(crate) mod last_secret;
mod limits;
mod maintenance;
mod observe;
mod reading;
mod secret;
#[cfg(test)]
mod tests;
mod vouch;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use supervisor_core::{
    alink::login::{Identity, Login},
    policy::{LifePolicy, Policy},
    record::{FileName, NameFault},
};

use crate::{advice::Mistake, drivers::store::layout::Layout};

use self::reading::{Form, Reading, Section};
pub(crate) use self::{
    account::Account,
    limits::Limits,
    observe::Log,
    reading::{Effective, Fault},
    vouch::Vouching,
};

/// The variable that may hold the device's secret. Workers never inherit it.
pub(crate) const SECRET_VARIABLE: &str = "HOTPLATE_DEVICE_SECRET";

/// No configuration file is longer, in bytes.
const LARGEST_FILE: u64 = 64 * 1024;

const SECTIONS: [&str; 6] = ["cloud", "update", "worker", "state", "log", "metrics"];

/// Everything the operator has decided.
#[derive(Debug)]
pub(crate) struct Config {
    /// Who the device is.
    pub(crate) identity: Identity,
    /// Where the cloud is and how to log in.
    pub(crate) cloud: Cloud,
    /// What the brain goes by.
    pub(crate) policy: Policy,
    /// How images are fetched.
    pub(crate) fetch: Fetching,
    /// How workers are started.
    pub(crate) worker: Worker,
    /// The state folder.
    pub(crate) state: PathBuf,
    /// How the log is written.
    pub(crate) log: Log,
    /// Where the numbers for an operator's alarms can be had, if anywhere.
    pub(crate) metrics: Option<SocketAddr>,
}

/// Where the cloud is and how to log in.
#[derive(Debug, Clone)]
pub(crate) struct Cloud {
    /// Name or address of the broker.
    pub(crate) host: String,
    /// Its TCP port.
    pub(crate) port: u16,
    /// Who vouches for the broker; `None` is plain TCP.
    pub(crate) trust: Option<Trust>,
    /// The signed login.
    pub(crate) login: Login,
    /// How often the link is tested when it is quiet.
    pub(crate) keepalive: Duration,
}

/// Who vouches for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The certificates the system trusts.
    System,
    /// The certificates in this PEM file, and no other.
    File(PathBuf),
}

/// How images are fetched.
#[derive(Debug, Clone)]
pub(crate) struct Fetching {
    /// Who vouches for the firmware server.
    pub(crate) trust: Trust,
    /// The longest wait for a connection.
    pub(crate) connect_limit: Duration,
    /// The longest wait for the next byte.
    pub(crate) stall_limit: Duration,
    /// What a download may cost.
    pub(crate) limits: Limits,
    /// Who must vouch for an image.
    pub(crate) vouching: Vouching,
}

/// How workers are started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Worker {
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Variables added to its environment.
    pub(crate) env: BTreeMap<String, String>,
    /// Whom it runs as, if not as the supervisor.
    pub(crate) account: Option<Account>,
    /// A folder of its own, then.
    pub(crate) home: PathBuf,
}

/// How a variable of the environment is looked up.
pub(crate) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What a reading gave: every setting found, and either a configuration or the faults.
pub(crate) struct Loaded {
    /// Each setting and where it came from.
    pub(crate) effective: Vec<Effective>,
    /// The state folder, known even where something else is wrong: whoever only asks how it goes needs no secret.
    pub(crate) state: Option<PathBuf>,
    /// Is a user set for workers?
    pub(crate) has_worker_user: bool,
    /// The configuration, or all that is wrong with it.
    pub(crate) config: Result<Config, Vec<Fault>>,
    /// What was read.
    pub(crate) text: String,
    /// What is to be kept of a secret that was read from a file of its own.
    pub(crate) secret: Option<String>,
}

/// Reads the configuration.
pub(crate) fn load(file: &Path, environment: Environment<'_>) -> Loaded {
    match read(file) {
        Ok(text) => parse(file, file, text, environment),
        Err(fault) => Loaded {
            effective: Vec::new(),
            state: None,
            has_worker_user: false,
            config: Err(vec![fault]),
            text: String::new(),
            secret: None,
        },
    }
}

fn read(file: &Path) -> Result<String, Fault> {
    let shown = file.display();
    let told = |why: std::io::Error| {
        Fault(format!(
            "`{shown}` cannot be read: {why}: {}",
            Mistake::NoConfiguration
        ))
    };
    let found = std::fs::metadata(file).map_err(told)?;
    if !found.is_file() {
        // A pipe, say, would be waited for when it is opened.
        return Err(told(std::io::Error::other("it is not a file")));
    }
    let length = found.len();
    if length > LARGEST_FILE {
        return Err(Fault(format!(
            "`{shown}` has {length} bytes, more than the {LARGEST_FILE} a configuration may have"
        )));
    }
    std::fs::read_to_string(file).map_err(told)
}

/// Is a text that nobody has written yet a configuration, if it lay in this place? Answers what is wrong with it.
pub(crate) fn judge(file: &Path, text: &str, environment: Environment<'_>) -> Vec<Fault> {
    let loaded = parse(file, file, text.to_owned(), environment);
    loaded.config.err().unwrap_or_default()
}

/// Reads a text that was found at `place` as the configuration `file`, to which its paths are relative.
fn parse(file: &Path, place: &Path, text: String, environment: Environment<'_>) -> Loaded {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut reading = Reading::new(place, &text);
    let torn = !reading.faults.is_empty();
    let mut policy = Policy::default();

    let cloud = cloud::read(&mut reading, file, environment, &mut policy);
    let (cloud, secret) = match cloud {
        Some((identity, cloud, secret)) => {
            let secret = secret.map(|secret| last_secret::text(&identity, &secret));
            (Some((identity, cloud)), secret)
        }
        None => (None, None),
    };
    let fetch = update(&mut reading, folder, cloud.as_ref(), &mut policy);
    let mut worker = worker(&mut reading, &mut policy);

    let mut section = reading.section("state");
    let state = folder.join(section.or("dir", "state".to_owned()));
    worker.home = home(&state);
    policy.checkpoint_every = positive(&mut section, "checkpoint_every_s", policy.checkpoint_every);
    section.end();

    let log;
    (log, policy.upload) = observe::log(&mut reading, environment);
    let metrics = observe::metrics(&mut reading);

    reading.end(&SECTIONS);
    let mut faults = reading.faults;
    if torn {
        // What follows from a file that is not TOML, such as missing keys, would only hide the real fault.
        faults.retain(|fault| fault.0.contains("not TOML"));
    }
    let known = Some(state.clone()).filter(|_| !torn);
    let has_worker_user = worker.account.is_some();
    let config = match cloud {
        Some((identity, cloud)) if faults.is_empty() => Ok(Config {
            identity,
            cloud,
            policy,
            fetch,
            worker,
            state,
            log,
            metrics,
        }),
        _ => Err(faults),
    };
    Loaded {
        effective: reading.effective,
        state: known,
        has_worker_user,
        config,
        text,
        secret,
    }
}

fn update(
    reading: &mut Reading<'_>,
    folder: &Path,
    cloud: Option<&(Identity, Cloud)>,
    policy: &mut Policy,
) -> Fetching {
    let mut section = reading.section("update");
    let module = section.text("module");
    let (shown, origin) = match &module {
        Some(found) => (found.value.shown(), format!("line {}", found.line)),
        None => (
            "the platform's default module".to_owned(),
            "default".to_owned(),
        ),
    };
    section.list("module", shown, origin);
    policy.module = module.map(|found| found.value);
    let vouching = vouch::read(&mut section, folder);
    policy.entry = entry(&mut section);
    policy.allow_downgrade = section.or("allow_downgrade", policy.allow_downgrade);
    policy.allow_http = section.or("allow_http", policy.allow_http);
    policy.largest_image = section.or_where(
        "largest_image_bytes",
        policy.largest_image,
        "a whole number above 0",
        |size| *size > 0,
    );
    let limits = limits::read(&mut section);
    (policy.budget, policy.budget_per_day) = (limits.budget, limits.budget_per_day);
    policy.query_after_connect = section.or("query_after_connect_s", policy.query_after_connect);
    policy.query_every = positive(&mut section, "query_every_s", policy.query_every);
    policy.fetch_retries = count(&mut section, "fetch_retries", policy.fetch_retries, 0);
    policy.fetch_time = positive(&mut section, "fetch_time_s", policy.fetch_time);
    policy.fetch_backoff = backoff(
        &mut section,
        ["fetch_wait_s", "fetch_longest_wait_s"],
        policy.fetch_backoff,
    );
    policy.standby = section.or("standby", policy.standby);
    policy.tries = count(&mut section, "tries", policy.tries, 1);
    policy.maintenance = maintenance::read(&mut section);
    policy.consent_limit = section.or("consent_limit_s", policy.consent_limit);
    policy.proving = section.or("proving_s", policy.proving);
    policy.loop_window = positive(&mut section, "loop_window_s", policy.loop_window);
    policy.loop_deaths = count(&mut section, "loop_deaths", policy.loop_deaths, 1);
    let connect_limit = positive(&mut section, "connect_limit_s", Duration::from_secs(10));
    let stall_limit = positive(&mut section, "stall_limit_s", Duration::from_secs(30));
    // A block over MQTT that an impatient operator would not wait for on a web server is not waited for either.
    policy.block_wait = policy.block_wait.min(stall_limit);
    let trust = match section.text("ca") {
        Some(found) => {
            section.list("ca", found.value.shown(), format!("line {}", found.line));
            Trust::File(folder.join(found.value))
        }
        None => {
            section.list("ca", "as the cloud's, else the system's", "default");
            cloud
                .and_then(|(_, cloud)| cloud.trust.clone())
                .unwrap_or(Trust::System)
        }
    };
    section.end();
    Fetching {
        trust,
        connect_limit,
        stall_limit,
        limits,
        vouching,
    }
}

fn entry(section: &mut Section<'_, '_>) -> Option<FileName> {
    let Some(found) = section.text("entry") else {
        section.list(
            "entry",
            "none, packages of several files are refused",
            "default",
        );
        return None;
    };
    let line = found.line;
    section.list("entry", found.value.shown(), format!("line {line}"));
    match found.value.parse() {
        Ok(name) => Some(name),
        Err(fault) => {
            let fault: NameFault = fault;
            section.fault("entry", Some(line), format!("cannot be used: {fault}"));
            None
        }
    }
}

fn worker(reading: &mut Reading<'_>, policy: &mut Policy) -> Worker {
    let mut section = reading.section("worker");
    let worker = Worker {
        args: section.or("args", Vec::new()),
        env: section.or("env", BTreeMap::new()),
        account: account::read(&mut section),
        home: PathBuf::new(),
    };
    let life = &mut policy.life;
    let limits: [(&'static str, &mut Duration); 7] = [
        ("hello_limit_s", &mut life.hello_limit),
        ("warm_up_limit_s", &mut life.warm_up_limit),
        ("activate_limit_s", &mut life.activate_limit),
        ("quiesce_limit_s", &mut life.quiesce_limit),
        ("exit_limit_s", &mut life.exit_limit),
        ("heartbeat_s", &mut life.heartbeat),
        ("silence_limit_s", &mut life.silence_limit),
    ];
    for (key, limit) in limits {
        *limit = positive(&mut section, key, *limit);
    }
    let LifePolicy {
        heartbeat,
        silence_limit,
        ..
    } = *life;
    if silence_limit < heartbeat * 2 {
        section.fault(
            "silence_limit_s",
            None,
            "must be at least twice `worker.heartbeat_s`, or healthy workers would be stopped",
        );
    }
    policy.respawn_backoff = backoff(
        &mut section,
        ["respawn_wait_s", "respawn_longest_wait_s"],
        policy.respawn_backoff,
    );
    policy.respawn_calm = section.or("respawn_calm_s", policy.respawn_calm);
    section.end();
    worker
}

/// As a whole path: what is relative is so to this process, and not to the worker.
fn home(state: &Path) -> PathBuf {
    let whole = std::path::absolute(state).unwrap_or_else(|_| state.to_owned());
    Layout::of(&whole).home()
}

fn positive(section: &mut Section<'_, '_>, key: &'static str, default: Duration) -> Duration {
    section.or_where(
        key,
        default,
        "a number of seconds above 0, fractions allowed, at most a year",
        |span| !span.is_zero(),
    )
}

fn count(section: &mut Section<'_, '_>, key: &'static str, default: u32, least: u64) -> u32 {
    let demand = format!("a whole number from {least} to 1000");
    let count = section.or_where(key, u64::from(default), &demand, |count| {
        (least..=1000).contains(count)
    });
    u32::try_from(count).unwrap_or(default)
}

fn backoff(
    section: &mut Section<'_, '_>,
    [first, longest]: [&'static str; 2],
    default: (Duration, Duration),
) -> (Duration, Duration) {
    let wait = section.or(first, default.0);
    let most = section.or(longest, default.1.max(wait));
    if most < wait {
        section.fault(longest, None, format!("must not be below `{first}`"));
    }
    (wait, most)
}
