//! Hotplate's supervisor: keeps a device's worker running, upgrades it over the air, and never lets it end up broken.
//!
//! This program is the shell around `supervisor-core`: it reads the configuration, opens what there is to open, and lets the spine run.
//! It decides nothing about workers or updates.

mod advice;
mod cli;
mod config;
mod doctor;
mod drivers;
mod exit;
mod explain;
mod failure;
mod flight;
mod given;
mod hands;
mod init;
mod install;
mod kept;
mod log;
mod metrics;
mod program;
mod reactor;
mod run;
mod service;
mod show;
mod terminal;
mod update;
mod watch;
mod wishes;

use std::{path::Path, process::ExitCode};

use clap::{CommandFactory as _, Parser};
use supervisor_core::event::{Answered, Brought, Request};

use crate::{
    advice::Mistake,
    cli::{Action, Cli},
    config::{Config, Loaded, last_good, last_secret},
    drivers::{
        clock::Clock,
        control::{self, Answer, AskError},
        rights,
        store::layout::Layout,
    },
    exit::Exit,
    explain::Story,
    failure::{Failure, told, unexpected, unopened, unserved},
    given::Version,
    install::InstallError,
    run::{Start, on_runtime, run},
    show::{complain, say},
    update::remote,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(why) => {
            let _ = why.print();
            if let Some(word) = slip(&why) {
                complain(&format!("\ndid you mean `{word}`?"));
            }
            return if why.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            }
            .into();
        }
    };
    let environment = |name: &str| std::env::var(name).ok();
    let action = match cli.action {
        Action::Init(given) => return told(init::init(&cli.config, given)).into(),
        Action::Doctor { json } => {
            let loaded = config::load(&cli.config, &environment);
            return doctor::examine(&cli.config, loaded, &environment, json).into();
        }
        action => action,
    };
    let mut loaded = config::load(&cli.config, &environment);
    let mut fallen_back = None;
    if falls_back(&action) {
        (loaded, fallen_back) = last_good::or_last_good(&cli.config, loaded, &environment);
    }
    let start = Start {
        text: std::mem::take(&mut loaded.text),
        kept: last_good::place(&cli.config, &environment),
        secret: last_secret::place(&cli.config, &environment)
            .map(|place| (place, loaded.secret.take())),
        fallen_back,
    };
    carry_out(action, &cli.config, loaded, start).into()
}

/// The command that was most likely meant, if one was given that there is not.
fn slip(why: &clap::Error) -> Option<String> {
    let said = match why.get(clap::error::ContextKind::InvalidSubcommand)? {
        clap::error::ContextValue::String(said) => said,
        _ => return None,
    };
    let command = Cli::command();
    let names: Vec<_> = command
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    advice::meant(said, &names).map(str::to_owned)
}

/// Does this go on with the last good configuration where the given one cannot be used? Whoever asks must find the supervisor that runs
/// on it; whoever changes something is told first.
fn falls_back(action: &Action) -> bool {
    match action {
        Action::CheckConfig { .. } | Action::Install { .. } => false,
        #[cfg(windows)]
        Action::Service(service) => matches!(service.deed, service::Deed::Run),
        #[cfg(not(windows))]
        Action::Service(_) => false,
        _ => true,
    }
}

fn carry_out(action: Action, file: &Path, loaded: Loaded, start: Start) -> Exit {
    if let Action::CheckConfig { json } = action {
        return check_config(&loaded, json);
    }
    // Whoever only asks the running supervisor needs no secret.
    if let (Some((wish, json)), Some(state)) = (wishes::of(&action), &loaded.state) {
        return told(on_runtime(wishes::put(state, wish, json)));
    }
    match (&action, &loaded.state) {
        (Action::Status { watch: true, json }, Some(state)) => {
            return told(on_runtime(watch::watch(state, *json)));
        }
        (Action::Status { json, .. }, Some(state)) => {
            return told(on_runtime(status(state, *json)));
        }
        (Action::Explain { all, json }, Some(state)) => return told(explain(state, *all, *json)),
        (
            Action::Update {
                file: Some(file),
                version,
                sha256,
                allow_downgrade,
                now,
                json,
            },
            Some(state),
        ) => {
            let given = (version.clone(), sha256.as_deref(), *allow_downgrade);
            // Without a configuration nobody knows whom to trust; what is wrong with it is told below.
            if let Some(found) = bring(file, given, loaded.config.as_ref().ok()) {
                return told(
                    found.and_then(|image| on_runtime(hand_over(state, image, *now, *json))),
                );
            }
        }
        #[cfg(windows)]
        (Action::Service(service), _) if matches!(service.deed, service::Deed::Run) => {
            let served = service::serve::serve(
                &service.name,
                Box::new(move |asked| run::serve(loaded, start, asked)),
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
        Action::Install {
            file,
            version,
            json,
        } => install(&config, &file, version, json),
        // Those that need no whole configuration were answered above.
        Action::Init(_)
        | Action::Doctor { .. }
        | Action::CheckConfig { .. }
        | Action::Status { .. }
        | Action::Explain { .. }
        | Action::Update { .. }
        | Action::Pause { .. }
        | Action::Resume { .. }
        | Action::Cancel { .. }
        | Action::Rollback { .. }
        | Action::Release { .. }
        | Action::Service(_) => Ok(()),
        Action::Run => {
            log::start(config.log.level, config.log.form);
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

/// Shows every setting, then what is wrong with them, or what an operator should know.
fn check_config(loaded: &Loaded, json: bool) -> Exit {
    let (mut faults, mut warnings) = (Vec::new(), Vec::new());
    match &loaded.config {
        Err(found) => faults.extend(found.iter().map(|fault| fault.0.clone())),
        Ok(config) => {
            if !config.fetch.vouching.require_signature {
                warnings.push(show::UNSIGNED.to_owned());
            }
            if let Some(account) = &config.worker.account {
                let words = rights::in_the_way(&config.state, account);
                warnings.extend(words.iter().map(|word| format!("WARNING: {word}")));
            }
        }
    }
    if json {
        say(&format!(
            "{}\n",
            show::settings_object(&loaded.effective, &faults, &warnings)
        ));
    } else {
        say(&show::settings(&loaded.effective));
        for line in faults.iter().chain(&warnings) {
            complain(line);
        }
    }
    match loaded.config {
        Ok(_) => Exit::Done,
        Err(_) => Exit::Usage,
    }
}

fn install(config: &Config, file: &Path, version: Version, json: bool) -> Result<(), Failure> {
    let now = Clock::start().now().wall;
    let (slot, words) =
        install::install(&config.state, file, version, now).map_err(|error| match &error {
            InstallError::Open(open) => unopened(open),
            _ => unexpected(&error),
        })?;
    if json {
        let told = serde_json::json!({
            "version": slot.version, "slot": slot.id, "sha256": slot.sha256, "bytes": slot.size, "warnings": words,
        });
        say(&format!("{told}\n"));
        return Ok(());
    }
    for word in words {
        complain(&word);
    }
    say(&format!(
        "version {} is installed as slot {} and active\n",
        slot.version, slot.id.0
    ));
    Ok(())
}

/// Tells the last update, or all that is recorded.
fn explain(state: &Path, all: bool, json: bool) -> Result<(), Failure> {
    let layout = Layout::of(state);
    let lines = flight::read(&layout).map_err(|why| Failure {
        exit: Exit::Unexpected,
        text: format!(
            "`{}` cannot be read: {why}; ask as the user the supervisor runs as",
            layout.flight().display()
        ),
    })?;
    let story = if all {
        Story::all(&lines)
    } else {
        Story::last(&lines)
    };
    if json {
        let value = serde_json::to_value(&story).expect("a story has only text keys");
        say(&format!("{value}\n"));
    } else {
        say(&story.text(terminal::is_coloured()));
    }
    Ok(())
}

async fn status(state: &Path, json: bool) -> Result<(), Failure> {
    let answer = control::ask(&Layout::of(state), &Request::Status).await;
    let Answer::Status { status, supervisor } = answer.map_err(|why| unexpected(&why))? else {
        return Err(unexpected(&AskError::Unfit));
    };
    if json {
        say(&format!("{}\n", watch::object(&status, &supervisor)));
    } else {
        say(&show::status(&status, &supervisor));
    }
    Ok(())
}

/// Finds out what an operator brings; nothing if that takes a configuration and there is none.
fn bring(
    file: &Path,
    (version, sha256, allow_downgrade): (Option<Version>, Option<&str>, bool),
    config: Option<&Config>,
) -> Option<Result<Brought, Failure>> {
    let Some(address) = file.to_str().filter(|text| remote::is_address(text)) else {
        let found = update::look(file, version, allow_downgrade);
        return Some(found.map_err(|why| unexpected(&why)));
    };
    let config = config?;
    let mut found = None;
    let looked = on_runtime(async {
        let look = remote::look(address, version, sha256, allow_downgrade, config);
        found = Some(look.await.map_err(|why| unexpected(&why)));
        Ok(())
    });
    match looked {
        Ok(()) => found,
        Err(why) => Some(Err(why)),
    }
}

/// Hands a file to the running supervisor and tells what becomes of it.
async fn hand_over(state: &Path, file: Brought, now: bool, json: bool) -> Result<(), Failure> {
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
        Answered::Refused { why } => {
            let mut text = format!("version {version} is not installed: {why}");
            if let Some(mistake) = Mistake::behind_refusal(&why) {
                text += &format!("; {}", mistake.cure());
            }
            let exit = Exit::Unexpected;
            Err(Failure { exit, text })
        }
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
