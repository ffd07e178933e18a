//! A supervisor that runs: everything it needs is opened in one order, and the spine takes over.
//!
//! What fails on the way ends the program before a worker was touched. Nothing here decides about workers or updates.

use std::{path::PathBuf, sync::Arc, time::Duration};

use supervisor_core::agent::{Agent, Found, Setup};
use tokio::{runtime, sync::mpsc};
use worker_link::endpoint::Guest;

#[cfg(windows)]
use crate::{config::Loaded, drivers::store::layout::Layout, log, show};
use crate::{
    config::{Config, last_good, last_secret},
    drivers::{
        MOST_EVENTS,
        clock::Clock,
        cloud::Cloud,
        control::Control,
        fetch::Fetch,
        flight::Flight,
        host,
        link::Link,
        metrics,
        notify::Notify,
        process::{Processes, orphans, pidfile::PidFiles},
        rights,
        signal::Wishes,
        store::{Contents, State, Store},
    },
    exit::Exit,
    failure::{Failure, unexpected, unopened},
    hands::Hands,
    reactor::{self, Ended, STOP_LIMIT},
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

/// What a supervisor that starts knows about the configuration it starts on.
pub(crate) struct Start {
    /// Its text.
    pub(crate) text: String,
    /// Where it is kept for worse days.
    pub(crate) kept: Option<PathBuf>,
    /// Where the secret is kept for them, and what of it, if it lies in a file of its own.
    pub(crate) secret: Option<(PathBuf, Option<String>)>,
    /// Why it is an older one that was kept.
    pub(crate) fallen_back: Option<String>,
}

/// One thread for everything that does not block.
pub(crate) fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
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

/// Runs as a service of Windows, whose wishes come over this queue and whose words go into the log file.
#[cfg(windows)]
pub(crate) fn serve(loaded: Loaded, start: Start, asked: mpsc::Receiver<()>) -> Exit {
    if let Some(state) = &loaded.state {
        // What is wrong with the folder is told when it is opened.
        let _ = std::fs::create_dir_all(state);
        let (level, form) = match &loaded.config {
            Ok(config) => (config.log.level, config.log.form),
            Err(_) => (tracing::level_filters::LevelFilter::INFO, log::Form::Human),
        };
        log::start_into(level, form, Layout::of(state).log());
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
pub(crate) async fn run(
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
    if let Some(address) = config.metrics {
        metrics::listen(address, control.desk());
    }
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
        flight: Flight::start(&layout, clock),
        layout,
    };
    keep_configuration(start, hands.cloud.accepted());
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
            hands.flight.end().await;
            pids.clear();
            Ok(())
        }
        Ended::AtOnce => Err(Failure {
            exit: Exit::Unexpected,
            text: "ended without stopping the worker in order".to_owned(),
        }),
    }
}

/// A configuration that got a supervisor as far as this is kept, unless something of it is what was kept already. So is its secret, once a
/// login with it was accepted.
fn keep_configuration(start: Start, accepted: Arc<tokio::sync::Notify>) {
    let Start {
        text,
        kept: Some(place),
        secret: Some((beside, secret)),
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
    let keep = move || {
        if let Err(why) = last_secret::keep(&beside, secret.as_deref()) {
            tracing::warn!(
                "no copy of the device's secret could be kept for the day its file is damaged: {why}"
            );
        }
    };
    tokio::spawn(async move {
        accepted.notified().await;
        tokio::task::spawn_blocking(keep);
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
