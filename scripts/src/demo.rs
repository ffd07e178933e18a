//! `cargo demo`: the whole story on real processes, a real MQTT session and a real download.
//!
//! An oven is heating with a timer running. It is upgraded from 1.0.0 to 1.0.7 while it heats; then it gets 1.0.8, which dies on its trial
//! and is taken back. What happened is judged afterwards from the platform's side (`promises`), by what arrived there and when. With
//! `--check` the story ends there; without, everything stays up for playing until Ctrl-C. The platform's console is there before anything is
//! built, so that all of it can be watched in a browser.

pub(crate) mod gap;
pub(crate) mod images;
mod promises;
mod story;

use std::time::{Duration, Instant};

use crate::{
    paint,
    stage::{self, Stage, StageError},
    workspace::Workspace,
};
use images::Toys;

/// How to tell the story.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Unattended: end after the story, with a failure if any promise was broken
    #[arg(long)]
    check: bool,
    /// Port of the platform's HTTP API; 0 takes a free one
    #[arg(long, default_value_t = 0, value_name = "PORT")]
    http_port: u16,
}

/// The story could not be told to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The programs could not be made ready.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A program could not be built or run.
    #[error(transparent)]
    Run(#[from] crate::run::RunError),
    /// A file could not be copied.
    #[error("copy `{0}`")]
    Copy(std::path::PathBuf, #[source] std::io::Error),
    /// The platform does not take an image.
    #[error("upload version {0}")]
    Upload(&'static str, #[source] cloud_emulator::PackageError),
    /// The platform does not start a job.
    #[error("offer version {0}")]
    Offer(&'static str, #[source] cloud_emulator::JobError),
    /// The oven does not answer.
    #[error("call `{0}`")]
    Call(&'static str, #[source] cloud_emulator::CallError),
    /// The oven refuses.
    #[error("call `{0}`: the oven answers {1}")]
    Refused(&'static str, String),
    /// Something did not happen in time.
    #[error("see it happen (the supervisor's log follows)\n{log}")]
    Unseen {
        /// What.
        source: cloud_emulator::NotReached,
        /// What the supervisor printed.
        log: String,
    },
}

/// Tells the story. `false` if a promise was broken.
///
/// # Errors
/// When the story cannot be told to its end.
pub(crate) fn demo(args: &Args) -> Result<bool, crate::Error> {
    let begun = Instant::now();
    println!(
        "{}\n",
        paint::bold("Hotplate: an oven upgrades itself while it heats")
    );
    let workspace = Workspace::read()?;
    let kept = tell(args, &workspace, begun)?;
    Ok(kept)
}

fn tell(args: &Args, workspace: &Workspace, begun: Instant) -> Result<bool, DemoError> {
    let platform = stage::platform(args.http_port)?;
    let api = platform.http_address();
    println!(
        "  watch it in a browser: {}\n",
        paint::bold(&format!("http://{api}/"))
    );
    let images = images::build(workspace, !args.check)?;
    done(
        "built",
        "supervisor, worker 1.0.0, 1.0.7, and 1.0.8, which is bad",
        begun,
    );
    let stage = Stage::set_with(platform, &images.plan(args.http_port))?;
    done(
        "platform",
        &format!("http://{api}/, MQTT over TLS on {}", stage.broker()),
        begun,
    );
    if !args.check && paint::moves() {
        println!(
            "  the story begins as soon as the console is open in a browser, or in {} s",
            WATCHER.as_secs()
        );
        let emulator = stage.emulator();
        emulator.block_on(emulator.wait_for_follower(WATCHER));
    }
    let story = story::tell(&stage, &images, begun)?;
    println!();
    let promises = promises::judge(&stage, &story)?;
    let kept = promises.iter().filter(|promise| promise.kept).count();
    for promise in &promises {
        let mark = if promise.kept {
            paint::green("✓")
        } else {
            paint::red("✗")
        };
        println!(
            "  {mark} {:<44} {}",
            promise.name,
            paint::faint(&promise.evidence)
        );
    }
    let all = kept == promises.len();
    if !all {
        println!("\nthe supervisor's log:\n{}", stage.log());
    }
    if let Some(toys) = &images.toys {
        play(&stage, toys)?;
    }
    let mark = if all {
        paint::green("✓")
    } else {
        paint::red("✗")
    };
    println!(
        "\n{mark} {kept} of {} promises kept: 1.0.0 → 1.0.7 with a gap of {} ms over one MQTT connection; 1.0.8 taken back; {}",
        promises.len(),
        story
            .gap_ms
            .map_or_else(|| "unknown".to_owned(), |gap| gap.to_string()),
        paint::duration(begun.elapsed()),
    );
    Ok(all)
}

/// One line of the story.
fn done(what: &str, text: &str, begun: Instant) {
    println!(
        "{} {what:<12} {text}  {}",
        paint::green("✓"),
        paint::faint(&format!("[{}]", paint::duration(begun.elapsed())))
    );
}

/// How long the story waits for somebody to watch it, when a person sits at the terminal.
const WATCHER: Duration = Duration::from_secs(20);

/// How long one look for the end of an update may take before the next one; nothing is missed in between.
const LOOK: Duration = Duration::from_secs(600);

/// Leaves everything up until Ctrl-C.
fn play(stage: &Stage, toys: &Toys) -> Result<(), DemoError> {
    let http = stage.emulator().http_address();
    let device = format!(
        "http://{http}/api/devices/{}/{}",
        stage.device().product_key,
        stage.device().device_name
    );
    let mut versions = Vec::new();
    for (version, image) in &toys.ready {
        images::publish(stage, version, image)?;
        let name = image.file_name().unwrap_or_default().to_string_lossy();
        let name = name.trim_end_matches(std::env::consts::EXE_SUFFIX);
        versions.push(format!("{version} ({name})"));
    }
    println!(
        "\nIt all stays up for playing. In the console at http://{http}/ these wait to be chosen, signed:"
    );
    println!("  {}", versions.join(", "));
    println!("\nOr from another terminal, for example:");
    println!(
        "  {} --config {} status",
        stage.program().display(),
        stage.config().display()
    );
    println!("  curl {device}");
    println!("  curl -X POST {device}/services/set_temperature -d '{{\"temperature\":200}}'");
    let version = images::FURTHER;
    let further = toys.further.display();
    println!(
        "\nThe oven refuses what its publisher has not signed. So sign one more version, and give it that:"
    );
    println!(
        "  cargo xtask sign image {further} --key {} --version {version}",
        stage.key().display()
    );
    println!(
        "  cargo xtask ota --https --emulator http://{http} --device {}/{} --version {version} --file {further}",
        stage.device().product_key,
        stage.device().device_name,
    );
    println!("\nCtrl-C ends it.");
    stage.emulator().block_on(async {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => if let Err(error) = ended {
                eprintln!("Ctrl-C cannot be awaited: {error}");
            },
            () = mark_gaps(stage) => {}
        }
    });
    Ok(())
}

/// Marks the gap of every update that succeeds while somebody plays.
async fn mark_gaps(stage: &Stage) {
    let succeeded = |state: &cloud_emulator::DeviceState| {
        let good =
            |task: &&cloud_emulator::TaskView| task.state == cloud_emulator::TaskState::Succeeded;
        state.tasks.iter().filter(good).count()
    };
    let before = stage.emulator().device_state(stage.device());
    let mut known = before.as_ref().map_or(0, succeeded);
    loop {
        let further = stage.emulator().wait_until(
            stage.device(),
            LOOK,
            "the next update that succeeds",
            |state| succeeded(state) > known,
        );
        if let Ok(state) = further.await {
            known = succeeded(&state);
            if let Err(error) = gap::mark(stage) {
                eprintln!("the gap cannot be marked: {}", crate::run::chain(&error));
            }
        }
    }
}
