//! A worker that misbehaves as it is told, for the end-to-end tests and for trying things by hand.
//!
//! What it does is part of its *image*: the orders lie in a trailer behind the executable (`orders`), because the image is what an
//! update swaps, and what a slot, a digest and a size are taken of. Make one with
//!
//! ```text
//! cargo build -p worker --example misfit
//! misfit --stamp <misfit> <out> '{"version":"1.0.8","do":"never-hello"}'
//! ```
//!
//! Deeds that a device can do go through the sdk (`device`); those the sdk would never do speak with the supervisor themselves
//! (`stranger`). It refuses orders it does not know, so that a misspelt test does not pass by behaving well.

mod device;
mod journal;
mod orders;
mod scanner;
mod stranger;

use std::{path::Path, process::ExitCode};

use journal::Journal;
use orders::{Deed, Orders};

/// Wrong use, or orders that cannot be read.
const MISUSE: u8 = 64;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, from, to, json] = args.as_slice()
        && flag == "--stamp"
    {
        return match orders::stamp(Path::new(from), Path::new(to), json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => misuse(&format!("failed to stamp `{to}`: {error}")),
        };
    }
    match orders::own() {
        Ok(Some(orders)) => obey(orders),
        Ok(None) => misuse(orders::USAGE),
        Err(error) => misuse(&format!("failed to read the orders: {error}")),
    }
}

fn obey(orders: Orders) -> ExitCode {
    let journal = Journal::open(&orders);
    journal.note("started");
    if let Some(folder) = &orders.scans {
        scanner::scan(folder.clone());
    }
    let deed = match std::env::args().len() {
        1 => orders.deed,
        _ => Deed::Behave, // Somebody asks for its version or its model, and the sdk answers.
    };
    let code = match deed {
        Deed::NeverHello => {
            stranger::wait_for_the_leash();
            ExitCode::SUCCESS
        }
        Deed::Outstay => {
            journal.note("stays");
            stranger::outstay_the_leash();
            ExitCode::SUCCESS
        }
        Deed::ExitAtOnce => ExitCode::from(3),
        Deed::ConnectAndBeSilent
        | Deed::GarbageFrame
        | Deed::TooLongFrame
        | Deed::TruncatedFrame
        | Deed::StaleToken => stranger::visit(&orders, &journal),
        _ => {
            let journal = journal.clone();
            worker_sdk::run(move || device::Misfit::new(orders, journal))
        }
    };
    journal.note("exited");
    code
}

fn misuse(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::from(MISUSE)
}
