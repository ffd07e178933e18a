//! `cargo xtask bench footprint`: what the release supervisor costs when it has nothing to do but be there.
//!
//! Idle means: connected over TLS, a worker active and reporting at its usual pace, no upgrade. Linux only, because the numbers come
//! from `/proc`.

use super::BenchError;
use super::process::{self, Memory};
use crate::paint;
use crate::stage::{Plan, Stage, StageError};
use crate::workspace::Workspace;
use serde_json::json;
use std::time::{Duration, Instant};

/// Aims, as the README states them.
const FILE_AIM: u64 = 3_000_000;
const PSS_AIM: u64 = 2_500_000;
const THREADS_AIM: u64 = 2;

/// Resident memory of others that update devices, idle, measured on a machine of the same kind, in MB.
const PEERS: [(&str, &str); 4] = [
    ("RAUC", "13.7 MB"),
    ("SWUpdate", "15.7 MB"),
    ("thin-edge.io", "21.5 MB, and a file of 21 MB"),
    ("Mender", "37.5 MB"),
];

/// Threads for blocking work end when they have rested; start-up is over after this.
const REST: Duration = Duration::from_secs(5);

/// How to measure.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print one JSON object and nothing else on standard output
    #[arg(long)]
    json: bool,
    /// How long processor time is measured
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

/// The numbers.
struct Footprint {
    file: u64,
    memory: Memory,
    /// Processor seconds used in a minute.
    cpu: f64,
}

/// Measures and prints.
///
/// # Errors
/// When the programs cannot be brought to rest or not be measured.
pub(super) fn footprint(args: &Args) -> Result<(), crate::Error> {
    if !cfg!(target_os = "linux") {
        return Err(crate::Error::Usage(
            "measure the footprint here: it is read from /proc, which only Linux has".to_owned(),
        ));
    }
    let workspace = Workspace::read()?;
    eprintln!(
        "{}",
        paint::faint(
            "building the release programs, starting them, and waiting until they rest ..."
        )
    );
    let found =
        measure(&workspace, Duration::from_secs(args.seconds)).map_err(crate::Error::Bench)?;
    if args.json {
        println!(
            "{}",
            json!({
                "file_bytes": found.file,
                "rss_bytes": found.memory.rss,
                "pss_bytes": found.memory.pss,
                "anon_bytes": found.memory.anonymous,
                "threads": found.memory.threads,
                "cpu_s_per_min": found.cpu,
            })
        );
    } else {
        print!("{}", table(&found));
    }
    Ok(())
}

fn measure(workspace: &Workspace, window: Duration) -> Result<Footprint, BenchError> {
    let per_second = super::ticks_per_second()?;
    let stage = Stage::set(&Plan::release(workspace)?)?;
    let file = std::fs::metadata(stage.program())
        .map_err(|source| StageError::Prepare {
            what: stage.program().to_owned(),
            source,
        })?
        .len();
    std::thread::sleep(REST);
    let (before, start) = (process::ticks(stage.pid())?, Instant::now());
    eprintln!(
        "{}",
        paint::faint(&format!("measuring for {} ...", paint::duration(window)))
    );
    std::thread::sleep(window);
    let (after, time) = (process::ticks(stage.pid())?, start.elapsed());
    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks of a process stay far below 2^52"
    )]
    let cpu = (after - before) as f64 / per_second / time.as_secs_f64() * 60.0;
    Ok(Footprint {
        file,
        memory: process::memory(stage.pid())?,
        cpu,
    })
}

fn table(found: &Footprint) -> String {
    let aimed = |name: &str, value: u64, aim: u64, shown: &dyn Fn(u64) -> String| {
        let mark = if value <= aim {
            paint::green("✓")
        } else {
            paint::red("✗")
        };
        format!(
            "{mark} {name:<28}{:>12}   aim ≤ {}\n",
            shown(value),
            shown(aim)
        )
    };
    let plain = |name: &str, value: String| format!("  {name:<28}{value:>12}\n");
    let mut text = format!(
        "{}\n",
        paint::bold("the release supervisor, idle, with TLS and an active worker")
    );
    text += &aimed("file", found.file, FILE_AIM, &megabytes);
    text += &aimed(
        "proportional memory (PSS)",
        found.memory.pss,
        PSS_AIM,
        &megabytes,
    );
    text += &aimed("threads", found.memory.threads, THREADS_AIM, &|count| {
        count.to_string()
    });
    text += &plain("resident memory (RSS)", megabytes(found.memory.rss));
    text += &plain("anonymous memory", megabytes(found.memory.anonymous));
    text += &plain("processor time a minute", format!("{:.3} s", found.cpu));
    text += &format!("{}\n", paint::bold("resident memory of others"));
    for (name, size) in PEERS {
        text += &format!("  {name:<28}{}\n", paint::faint(size));
    }
    text
}

/// Bytes as people read them, in millions.
fn megabytes(bytes: u64) -> String {
    format!("{}.{:02} MB", bytes / 1_000_000, bytes % 1_000_000 / 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_millions() {
        assert_eq!(megabytes(2_670_000), "2.67 MB");
        assert_eq!(megabytes(3_050_999), "3.05 MB");
    }

    #[test]
    fn an_aim_that_is_missed_is_marked() {
        let memory = Memory {
            rss: 9_000_000,
            pss: 2_500_000,
            anonymous: 1,
            threads: 3,
        };
        let text = table(&Footprint {
            file: 3_000_001,
            memory,
            cpu: 0.01,
        });
        let marks: Vec<_> = text
            .lines()
            .skip(1)
            .take(3)
            .map(|row| row.chars().next())
            .collect();
        assert_eq!(marks, [Some('✗'), Some('✓'), Some('✗')], "{text}");
    }
}
