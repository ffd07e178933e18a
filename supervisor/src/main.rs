//! Hotplate's supervisor: keeps a device's worker running, upgrades it over the air, and never lets it end up broken.
//!
//! This program is the shell around `supervisor-core`: it reads the configuration, opens what there is to open, and lets the spine run.
//! It decides nothing about workers or updates.

mod cli;
mod config;
mod drivers;
mod exit;
mod hands;
mod install;
mod log;
mod reactor;
mod service;
mod show;
mod update;
mod wishes;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::Parser;
use supervisor_core::{
    agent::{Agent, Found, Setup},
    event::{Answered, LocalFile, Request},
};
use tokio::{runtime, sync::mpsc};
use worker_link::endpoint::Guest;

use crate::{
    cli::{Action, Cli},
    config::{Config, Loaded, last_good},
    drivers::{
        MOST_EVENTS, chain,
        clock::Clock,
        cloud::Cloud,
        control::{self, Answer, AskError, Control},
        fetch::Fetch,
        host,
        link::Link,
        notify::Notify,
        process::{Processes, orphans, pidfile::PidFiles},
        rights,
        signal::Wishes,
        store::{Contents, OpenError, State, Store, layout::Layout},
    },
    exit::Exit,
    hands::Hands,
    install::InstallError,
    reactor::{Ended, STOP_LIMIT},
    service::ServiceError,
    show::{complain, say},
};

/// Threads for what blocks: the disk, names, certificates; one more than these need, so that no start of a worker and no save ever
/// waits for a checkpoint. On Windows each pipe of a worker needs one of its own, too.
const BLOCKING_THREADS: usize = if cfg!(windows) { 16 } else { 3 };

/// A blocking thread without work ends after this.
const THREAD_REST: Duration = Duration::from_secs(3);

/// While the supervisor runs, one of them has no longer rest than this and never ends. More than half of the other, so that of two that
/// take turns one ends; and less than all of it, for a machine that is busy.
const THREAD_KEPT: Duration = Duration::from_secs(2);

/// How long what blocks may keep the process from ending.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = |name: &str| std::env::var(name).ok();
    let mut loaded = config::load(&cli.config, &environment);
    let mut fallen_back = None;
    if falls_back(&cli.action) {
        (loaded, fallen_back) = last_good::or_last_good(&cli.config, loaded, &environment);
    }
    let start = Start {
        text: std::mem::take(&mut loaded.text),
        kept: last_good::place(&cli.config, &environment),
        fallen_back,
    };
    carry_out(cli.action, &cli.config, loaded, start).into()
}

/// What a supervisor that starts knows about the configuration it starts on.
struct Start {
    /// Its text.
    text: String,
    /// Where it is kept for worse days.
    kept: Option<std::path::PathBuf>,
    /// Why it is an older one that was kept.
    fallen_back: Option<String>,
}

/// Does this go on with the last good configuration where the given one cannot be used? Whoever asks must find the supervisor that runs
/// on it; whoever changes something is told first.
fn falls_back(action: &Action) -> bool {
    match action {
        Action::CheckConfig | Action::Install { .. } => false,
        #[cfg(windows)]
        Action::Service(service) => matches!(service.deed, service::Deed::Run),
        #[cfg(not(windows))]
        Action::Service(_) => false,
        _ => true,
    }
}

fn carry_out(action: Action, file: &Path, loaded: Loaded, start: Start) -> Exit {
    if matches!(action, Action::CheckConfig) {
        say(&show::settings(&loaded.effective));
    }
    // Whoever only asks the running supervisor needs no secret.
    if let (Some((wish, json)), Some(state)) = (action.wish(), &loaded.state) {
        return told(on_runtime(wishes::put(state, wish, json)));
    }
    match (&action, &loaded.state) {
        (Action::Status { json }, Some(state)) => return told(on_runtime(status(state, *json))),
        (
            Action::Update {
                file: Some(file),
                version,
                allow_downgrade,
                now,
                json,
            },
            Some(state),
        ) => {
            let found = update::look(file, version.clone(), *allow_downgrade);
            return told(
                found
                    .map_err(|why| unexpected(&why))
                    .and_then(|file| on_runtime(hand_over(state, file, *now, *json))),
            );
        }
        #[cfg(windows)]
        (Action::Service(service), _) if matches!(service.deed, service::Deed::Run) => {
            let served = service::serve::serve(
                &service.name,
                Box::new(move |asked| serve(loaded, start, asked)),
            );
            return told(served.map_err(|why| unserved(&why)));
        }
        (Action::Service(service), _) => {
            return told(match service::carry_out(service, file, &loaded) {
                Ok(words) => {
                    say(&words);
                    Ok(())
                }
                Err(why) => Err(unserved(&why)),
            });
        }
        _ => {}
    }
    let config = match loaded.config {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                complain(&fault.0);
            }
            return Exit::Usage;
        }
    };
    told(match action {
        Action::CheckConfig => {
            if !config.fetch.vouching.require_signature {
                complain(show::UNSIGNED);
            }
            if let Some(account) = &config.worker.account {
                for word in rights::in_the_way(&config.state, account) {
                    complain(&format!("WARNING: {word}"));
                }
            }
            Ok(())
        }
        Action::Install { file, version } => install(&config, &file, version),
        // Where the file says where the state folder is, they were answered above.
        Action::Status { .. }
        | Action::Update { .. }
        | Action::Pause { .. }
        | Action::Resume { .. }
        | Action::Cancel { .. }
        | Action::Rollback { .. }
        | Action::Release { .. }
        | Action::Service(_) => Ok(()),
        Action::Run => {
            log::start(config.level);
            if !config.fetch.vouching.require_signature {
                tracing::warn!("{}", show::UNSIGNED);
            }
            if let Some(word) = &start.fallen_back {
                tracing::error!("the supervisor {word}");
            }
            on_runtime(run(config, start, None))
        }
    })
}

fn told(done: Result<(), Failure>) -> Exit {
    match done {
        Ok(()) => Exit::Done,
        Err(failure) => {
            complain(&failure.text);
            failure.exit
        }
    }
}

/// What is told when something could not be done, and the code it ends with.
struct Failure {
    exit: Exit,
    text: String,
}

fn unexpected(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure {
        exit: Exit::Unexpected,
        text: chain(error),
    }
}

fn unopened(error: &OpenError) -> Failure {
    let exit = match error {
        OpenError::Held { .. } => Exit::AlreadyRunning,
        OpenError::Unusable { .. } => Exit::Damaged,
    };
    Failure {
        exit,
        text: chain(error),
    }
}

fn unserved(error: &ServiceError) -> Failure {
    let exit = match error {
        ServiceError::Config(_) | ServiceError::Unfit(_) => Exit::Usage,
        _ => Exit::Unexpected,
    };
    Failure {
        exit,
        text: chain(error),
    }
}

/// One thread for everything that does not block.
fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    // The runtime begins with such a pair, and takes it for granted.
    #[cfg(unix)]
    drop(std::os::unix::net::UnixStream::pair().map_err(|why| unexpected(&why))?);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_keep_alive(THREAD_REST)
        .build()
        .map_err(|why| unexpected(&why))?;
    let done = runtime.block_on(work);
    // A disk that hangs must not keep the process.
    runtime.shutdown_timeout(LAST_WAIT);
    done
}

fn install(
    config: &Config,
    file: &Path,
    version: supervisor_core::alink::version::Version,
) -> Result<(), Failure> {
    let now = Clock::start().now().wall;
    let (slot, words) =
        install::install(&config.state, file, version, now).map_err(|error| match &error {
            InstallError::Open(open) => unopened(open),
            _ => unexpected(&error),
        })?;
    for word in words {
        complain(&word);
    }
    say(&format!(
        "version {} is installed as slot {} and active\n",
        slot.version, slot.id.0
    ));
    Ok(())
}

async fn status(state: &Path, json: bool) -> Result<(), Failure> {
    let answer = control::ask(&Layout::of(state), &Request::Status).await;
    let Answer::Status { status, supervisor } = answer.map_err(|why| unexpected(&why))? else {
        return Err(unexpected(&AskError::Unfit));
    };
    if json {
        let mut value = serde_json::to_value(&status).expect("a status has only text keys");
        value["supervisor"] =
            serde_json::to_value(supervisor).expect("a footprint has only text keys");
        say(&format!("{value}\n"));
    } else {
        say(&show::status(&status, &supervisor));
    }
    Ok(())
}

/// Hands a file to the running supervisor and tells what becomes of it.
async fn hand_over(state: &Path, file: LocalFile, now: bool, json: bool) -> Result<(), Failure> {
    let version = file.version.clone();
    let answer = control::ask(&Layout::of(state), &Request::Update(file)).await;
    let Answer::Update { update } = answer.map_err(|why| unexpected(&why))? else {
        return Err(unexpected(&AskError::Unfit));
    };
    if json {
        say(&format!(
            "{}\n",
            serde_json::json!({"version": version, "update": update})
        ));
    }
    match update {
        Answered::Refused { why } => Err(Failure {
            exit: Exit::Unexpected,
            text: format!("version {version} is not installed: {why}"),
        }),
        taken => {
            if !json {
                say(&show::answered(&version, &taken));
            }
            match taken {
                Answered::Begun | Answered::UnderWay if now => {
                    wishes::put(state, Request::Hasten, json).await
                }
                Answered::Waits | Answered::Paused if now => {
                    complain(wishes::NOT_YET);
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    }
}

/// Runs as a service of Windows, whose wishes come over this queue and whose words go into the log file.
#[cfg(windows)]
fn serve(loaded: Loaded, start: Start, asked: mpsc::Receiver<()>) -> Exit {
    if let Some(state) = &loaded.state {
        // What is wrong with the folder is told when it is opened.
        let _ = std::fs::create_dir_all(state);
        let level = loaded.config.as_ref().map(|config| config.level);
        let level = level.unwrap_or(tracing::level_filters::LevelFilter::INFO);
        log::start_into(level, Layout::of(state).log());
    }
    let config = match loaded.config {
        Ok(config) => config,
        Err(faults) => {
            for fault in faults {
                tracing::error!("{}", fault.0);
            }
            return Exit::Usage;
        }
    };
    if !config.fetch.vouching.require_signature {
        tracing::warn!("{}", show::UNSIGNED);
    }
    if let Some(word) = &start.fallen_back {
        tracing::error!("the supervisor {word}");
    }
    match on_runtime(run(config, start, Some(asked))) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            tracing::error!("{}", failure.text);
            failure.exit
        }
    }
}

/// Runs until a wish to end comes: of the system, or over this queue.
async fn run(
    config: Config,
    start: Start,
    asked: Option<mpsc::Receiver<()>>,
) -> Result<(), Failure> {
    let mut notify = Notify::from_env(&|name| std::env::var_os(name));
    tokio::spawn(keep_a_thread());
    let (state, contents) = State::open(&config.state).map_err(|why| unopened(&why))?;
    let fallen_back = start.fallen_back.clone();
    let Contents {
        record,
        slots,
        unreadable,
        checkpoint,
        words,
    } = contents;
    let layout = state.layout().clone();
    let account = config.worker.account.as_ref();
    if let Some(account) = account {
        rights::open_state(&layout, account).map_err(|why| unexpected(&why))?;
        for word in rights::in_the_way(layout.root(), account) {
            tracing::warn!("{word}");
        }
    }
    let clock = Clock::start();
    let (events, happened) = mpsc::channel(MOST_EVENTS);
    let heartbeat = config.policy.life.heartbeat;
    let guest = account.map(|account| Guest {
        user: account.user,
        group: account.group,
    });
    let link = Link::listen(&layout.link(), heartbeat, guest, events.clone());
    let control = Control::listen(&layout, fallen_back, events.clone());
    let wishes = match asked {
        Some(asked) => asked,
        None => wishes().map_err(|why| unexpected(&why))?,
    };

    let setup = Setup {
        identity: config.identity,
        policy: config.policy,
        seed: getrandom::u64().map_err(|why| unexpected(&why))?,
    };
    let pids = PidFiles::of(layout.pids());
    orphans::see_off(pids.clone()).await;
    let mut agent = Agent::new(setup);
    let mut commands = Vec::new();
    let found = Found {
        record,
        slots,
        unreadable,
        checkpoint,
        boot: host::boot(),
        words,
    };
    agent.start(clock.now(), found, &mut commands);

    let mut hands = Hands {
        cloud: Cloud::new(config.cloud, events.clone()),
        fetch: Fetch::new(config.fetch, layout.clone(), events.clone()),
        processes: Processes::new(config.worker, pids.clone(), events.clone()),
        store: Store::start(state, events),
        link,
        control,
        layout,
    };
    keep_configuration(start);
    let ended = reactor::run(
        &mut agent,
        clock,
        happened,
        wishes,
        &mut notify,
        STOP_LIMIT,
        commands,
        |command| hands.carry_out(command),
    )
    .await;
    match ended {
        Ended::InOrder => {
            hands.cloud.end().await;
            pids.clear();
            Ok(())
        }
        Ended::AtOnce => Err(Failure {
            exit: Exit::Unexpected,
            text: "ended without stopping the worker in order".to_owned(),
        }),
    }
}

/// A configuration that got a supervisor as far as this is kept, unless it is one that was kept already.
fn keep_configuration(start: Start) {
    let Start {
        text,
        kept: Some(place),
        fallen_back: None,
    } = start
    else {
        return;
    };
    tokio::task::spawn_blocking(move || {
        if let Err(why) = last_good::keep(&place, &text) {
            tracing::warn!(
                "no copy of the configuration could be kept for the day it is damaged: {why}"
            );
        }
    });
}

/// Keeps a thread at hand for what blocks. When the system has no thread to give, the runtime does with those it has; when it has none, it
/// takes the whole process along, and the worker with it.
async fn keep_a_thread() {
    while tokio::task::spawn_blocking(|| ()).await.is_ok() {
        tokio::time::sleep(THREAD_KEPT).await;
    }
}

/// The system's wishes as a queue; two are all that can matter.
fn wishes() -> std::io::Result<mpsc::Receiver<()>> {
    let mut wishes = Wishes::listen()?;
    let (wish, told) = mpsc::channel(2);
    tokio::spawn(async move {
        loop {
            wishes.next().await;
            // At the bound there are two wishes waiting already, which is as urgent as it gets.
            let _ = wish.try_send(());
        }
    });
    Ok(told)
}
