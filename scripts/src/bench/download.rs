//! `cargo xtask bench download`: what a download costs, against the two programs that do the same in two steps.
//!
//! Hotplate fetches, verifies, writes and syncs in one pass; `curl -o f URL` and `md5sum f` fetch and verify one after the other and sync
//! nothing. All take the same file from the same nginx over loopback and write to the same file system, in alternating rounds. A
//! round of Hotplate's has a supervisor and a state folder of its own, so that nothing of a former round can be used. Linux
//! only, because the numbers come from `/proc`.

mod others;
mod prepare;
mod report;
mod round;
mod web;

use super::BenchError;
use super::live::{self, Live, Stopped};
use crate::needs::{self, Need};
use crate::run;
use crate::stage::Plan;
use crate::workspace::Workspace;
use others::Others;
use report::{Figures, Rounds};
use std::io;
use std::path::PathBuf;
use web::Web;

/// What the machine must have beside Rust.
const NEEDS: [Need; 3] = [
    Need {
        package: "nginx",
        met: || needs::program("nginx"),
    },
    Need {
        package: "curl",
        met: || needs::program("curl"),
    },
    Need {
        package: "coreutils",
        met: || needs::program("md5sum") && needs::program("df"),
    },
];

/// How to measure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
    /// The size of the image
    #[arg(long, default_value_t = 1 << 30, value_parser = clap::value_parser!(u64).range(1_000_000..=1 << 40))]
    bytes: u64,
    /// Where all files are written; another file system shows what the disk's share is
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// How often each is measured; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// Measure this supervisor instead of the one built here, to compare both
    #[arg(long, value_name = "PROGRAM")]
    supervisor: Option<PathBuf>,
    /// Measure this way only; may be repeated
    #[arg(long, value_enum, value_name = "WAY")]
    way: Vec<Way>,
}

/// How the image comes, and what is verified of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Way {
    /// Over plain HTTP; size and digest
    Plain,
    /// Over TLS; size and digest
    Tls,
    /// Over plain HTTP; size, digest and the publisher's signature
    Signed,
}

impl Way {
    const ALL: [Self; 3] = [Self::Plain, Self::Tls, Self::Signed];

    /// Its key in the JSON.
    fn key(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Signed => "signed",
        }
    }
}

/// The download could not be measured.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// A program is not there.
    #[error("find all it takes: {0}")]
    Missing(String),
    /// A program could not be run.
    #[error(transparent)]
    Run(#[from] run::RunError),
    /// A file could not be written or read.
    #[error("prepare `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system is too small.
    #[error("write to `{place}`: {needed} bytes are needed there and {free} are free")]
    Room {
        /// Where.
        place: PathBuf,
        /// So many are needed.
        needed: u64,
        /// So many are there.
        free: u64,
    },
    /// No certificate could be made for the web server.
    #[error("make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The web server did not start.
    #[error("start nginx\n{0}")]
    Web(String),
    /// A copy is not what was served.
    #[error("have `{path}` as it was served: {why}")]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The supervisor did not get the image.
    #[error("see the image in a slot: {why} (the supervisor's log follows)\n{log}")]
    NoSlot {
        /// What was seen instead.
        why: String,
        /// What the supervisor printed.
        log: String,
    },
    /// By Ctrl-C or a signal.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Measures and prints.
///
/// # Errors
/// When something is missing, does not start or does not come to its end.
pub(super) fn download(args: &Args) -> Result<(), crate::Error> {
    if !cfg!(target_os = "linux") {
        return Err(crate::Error::Usage(
            "measure a download here: the numbers are read from /proc, which only Linux has"
                .to_owned(),
        ));
    }
    let workspace = Workspace::read()?;
    let figures = measure(args, &workspace).map_err(crate::Error::Bench)?;
    if args.json {
        println!("{}", report::json(args.bytes, args.rounds, &figures));
    }
    // With JSON on standard output the table is for whoever watches.
    for figures in &figures {
        eprint!("{}", report::table(args.bytes, args.rounds, figures));
    }
    Ok(())
}

fn measure(args: &Args, workspace: &Workspace) -> Result<Vec<Figures>, BenchError> {
    needs::provide(&NEEDS, false)
        .map_err(|why| DownloadError::Missing(format!("{}; {}", why.output, why.next)))?;
    let place = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let place = prepare::absolute(&place)?;
    prepare::room(&place, args.bytes)?;
    live::watch_for_stop();
    let mut live = Live::default();
    live.show("building the release programs ...");
    let mut plan = Plan::release(workspace)?;
    if let Some(supervisor) = &args.supervisor {
        plan.supervisor = prepare::absolute(supervisor)?;
    }
    let per_second = super::ticks_per_second()?;

    let folder = tempfile::Builder::new()
        .prefix("hotplate-download-")
        .tempdir_in(&place)
        .map_err(|source| DownloadError::File {
            path: place.clone(),
            source,
        })?;
    let image = prepare::make(folder.path(), args.bytes, &mut live)?;
    let web = Web::start(folder.path())?;
    let others = Others {
        folder: folder.path(),
        per_second,
        image: &image,
        web: &web,
    };
    let ways = Way::ALL
        .into_iter()
        .filter(|way| args.way.is_empty() || args.way.contains(way));
    let mut figures = Vec::new();
    for way in ways {
        let mut rounds = Rounds::default();
        for round in 1..=args.rounds {
            let title = format!("{} {round}/{}", way.key(), args.rounds);
            let hotplate = round::Round {
                plan: &plan,
                place: folder.path(),
                per_second,
                image: &image,
                web: &web,
                way,
            };
            rounds
                .hotplate
                .push(hotplate.play(|text| live.show(&format!("{title} hotplate: {text}")))?);
            live.show(&format!("{title} curl"));
            rounds.curl.push(others.curl(way)?);
            live.show(&format!("{title} md5sum"));
            rounds.md5sum.push(others.md5sum()?);
            live.say(&format!("{title} {}", rounds.newest()));
        }
        figures.push(rounds.figures(way));
    }
    live.end();
    Ok(figures)
}
