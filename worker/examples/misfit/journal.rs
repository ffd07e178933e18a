//! What a misfit did, one line of JSON per event of its life, so that a test can prove what ran and when.
//!
//! Several processes append to one file, each line with one write; a line therefore is never torn.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::orders::Orders;

/// The most lines one process writes, and the most for turns of its control loop; later ones are left out.
const MOST_LINES: u32 = 10_000;
const MOST_TICKS: u32 = 100_000;

/// Where it is written, if anywhere.
#[derive(Clone)]
pub(crate) struct Journal {
    file: Option<Arc<File>>,
    version: String,
    start: Instant,
    lines: Arc<AtomicU32>,
    ticks: Arc<AtomicU32>,
}

impl Journal {
    /// The journal the orders name; one that cannot be opened is told on stderr, and nothing is written.
    pub(crate) fn open(orders: &Orders) -> Self {
        let file = orders.journal.as_ref().and_then(|path| {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened
                .inspect_err(|error| eprintln!("failed to open `{}`: {error}", path.display()))
                .ok()
        });
        Self {
            file: file.map(Arc::new),
            version: orders.version.clone(),
            start: Instant::now(),
            lines: Arc::default(),
            ticks: Arc::default(),
        }
    }

    /// One event.
    pub(crate) fn note(&self, event: &str) {
        self.note_with(event, json!({}));
    }

    /// One event with particulars.
    pub(crate) fn note_with(&self, event: &str, particulars: Value) {
        if self.lines.fetch_add(1, Ordering::Relaxed) < MOST_LINES {
            self.write(event, particulars);
        }
    }

    /// A turn of the control loop. They are counted apart, so that however many there were, what else happens is written.
    pub(crate) fn tick(&self, count: i64) {
        if self.ticks.fetch_add(1, Ordering::Relaxed) < MOST_TICKS {
            self.write("tick", json!({ "count": count }));
        }
    }

    fn write(&self, event: &str, particulars: Value) {
        let Some(mut file) = self.file.as_deref() else {
            return;
        };
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut line = json!({
            "event": event,
            "version": self.version,
            "pid": std::process::id(),
            "wall_ms": u64::try_from(wall.as_millis()).unwrap_or(u64::MAX),
            "wall_us": u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            "life_ms": u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX),
            "up_ms": up_ms(),
        });
        if let (Value::Object(line), Value::Object(more)) = (&mut line, particulars) {
            line.extend(more);
        }
        if let Err(error) = file.write_all(format!("{line}\n").as_bytes()) {
            eprintln!("failed to write the journal: {error}");
        }
    }
}

/// How long the machine has been up, in hundredths of a second told as milliseconds; on Linux only. Of the clocks that all processes
/// share it is the one nobody sets.
fn up_ms() -> Option<u64> {
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    Some(seconds.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10)
}
