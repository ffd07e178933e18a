//! `cargo xtask bench download`: what a download costs, against the two programs that do the same in two steps.
//!
//! Hotplate fetches, verifies, writes and syncs in one pass; `curl -o f URL` and `md5sum f` fetch and verify one after the other and sync
//! nothing. All take the same file from the same nginx over loopback and write to the same file system, in alternating rounds. A
//! round of Hotplate's has a supervisor and a state folder of its own, so that nothing of a former round can be used. Linux
//! only, because the numbers come from `/proc`.

mod others;
mod report;
mod round;
mod web;

use super::BenchError;
use crate::needs::{self, Need};
use crate::stage::Plan;
use crate::workspace::Workspace;
use crate::{paint, run};
use others::Others;
use report::{Figures, Rounds};
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Room beside the files themselves: programs, records, logs.
const SPARE: u64 = 64 << 20;

/// How much of the file is made between two looks at Ctrl-C.
const PIECE: u64 = 32 << 20;

/// A file that some shell or kernel is asked to run must do no harm.
const HARMLESS: &[u8] = b"#!/bin/false\n";

/// Set by Ctrl-C; whoever waits looks at it, so that nothing large is left behind.
static STOPPED: AtomicBool = AtomicBool::new(false);

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
    /// Ctrl-C.
    #[error("go on: stopped by Ctrl-C")]
    Stopped,
}

/// What is downloaded.
struct Image {
    size: u64,
    md5: String,
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
    room(&place, args.bytes)?;
    watch_for_stop();
    let mut live = Live::default();
    live.show("building the release programs ...");
    let plan = Plan::release(workspace)?;
    let per_second = super::ticks_per_second()?;

    let folder = tempfile::Builder::new()
        .prefix("hotplate-download-")
        .tempdir_in(&place)
        .map_err(|source| DownloadError::File {
            path: place.clone(),
            source,
        })?;
    let image = make(folder.path(), args.bytes, &mut live)?;
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

/// Makes the file that is served: nothing in it can be compressed. Its digest is told by `md5sum`.
fn make(folder: &Path, size: u64, live: &mut Live) -> Result<Image, DownloadError> {
    let path = folder.join(web::IMAGE);
    let failed = |source| DownloadError::File {
        path: path.clone(),
        source,
    };
    let mut file = File::create(&path).map_err(failed)?;
    file.write_all(HARMLESS).map_err(failed)?;
    let mut random = File::open("/dev/urandom").map_err(failed)?;
    let mut done = HARMLESS.len() as u64;
    while done < size {
        stopped()?;
        live.move_to(&format!("making the image: {} %", done * 100 / size));
        let piece = PIECE.min(size - done);
        done += io::copy(&mut (&mut random).take(piece), &mut file).map_err(failed)?;
    }
    file.sync_all().map_err(failed)?;
    let md5 = others::digest(&path)?;
    Ok(Image { size, md5 })
}

/// At any time there are two copies: what is served, and what one of the programs made of it.
fn room(place: &Path, bytes: u64) -> Result<(), DownloadError> {
    let needed = bytes.saturating_mul(2).saturating_add(SPARE);
    let told = run::captured(run::command("df", ["-Pk"]).arg(place))?;
    let Some(free) = free_bytes(&told) else {
        return Err(DownloadError::Missing(format!(
            "`df` tells no free space in {told:?}"
        )));
    };
    if free < needed {
        let place = place.to_owned();
        return Err(DownloadError::Room {
            place,
            needed,
            free,
        });
    }
    eprintln!(
        "{}",
        paint::faint(&format!(
            "writing to {}: {:.1} GB of {:.1} GB free are needed",
            place.display(),
            report::giga(needed),
            report::giga(free)
        ))
    );
    Ok(())
}

/// The fourth word of the second line, in units of 1024 bytes, as POSIX lays it down.
fn free_bytes(told: &str) -> Option<u64> {
    let blocks: u64 = told
        .lines()
        .nth(1)?
        .split_whitespace()
        .nth(3)?
        .parse()
        .ok()?;
    blocks.checked_mul(1024)
}

fn watch_for_stop() {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        // Without it Ctrl-C ends us at once, as it does elsewhere.
        if let Ok(runtime) = runtime
            && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
        {
            STOPPED.store(true, Ordering::Relaxed);
        }
    });
}

/// Fails after Ctrl-C.
fn stopped() -> Result<(), DownloadError> {
    if STOPPED.load(Ordering::Relaxed) {
        return Err(DownloadError::Stopped);
    }
    Ok(())
}

/// What is being done, on standard error: rewritten in place on a terminal, a line for each step elsewhere.
#[derive(Debug, Default)]
struct Live {
    shown: bool,
}

impl Live {
    /// A step.
    fn show(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            self.move_to(text);
        } else {
            eprintln!("{text}");
        }
    }

    /// What came of it; it stays.
    fn say(&mut self, text: &str) {
        self.end();
        eprintln!("{text}");
    }

    /// How far a step is; of use only on a terminal.
    fn move_to(&mut self, text: &str) {
        if io::stderr().is_terminal() {
            eprint!("\r\u{1b}[2K{text}");
            self.shown = true;
        }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            eprint!("\r\u{1b}[2K");
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read_as_posix_lays_it_down() {
        let told = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda 263174212 16000000 79000000 17% /\n";
        assert_eq!(free_bytes(told), Some(79_000_000 * 1024));
        assert_eq!(free_bytes("nonsense"), None);
    }
}
