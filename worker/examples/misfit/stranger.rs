//! The deeds the sdk would never do: it speaks with the supervisor by itself, and badly.
//!
//! Every one of them ends with the leash (but one, which is told not to), or after ten minutes, so that no test leaves a process behind.

use std::{io, process::ExitCode, time::Duration};

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use worker_link::{Leash, endpoint::Pipe};
use worker_protocol::{
    codec::{self, Decoder},
    handshake::{Answer, Hello},
    preface::{PREFACE_BYTES, Versions},
};

use crate::{
    journal::Journal,
    orders::{Deed, Orders},
};

/// The longest it stays when nobody ends it.
const LONGEST_STAY: Duration = Duration::from_secs(600);

/// Returns when the supervisor has gone, without ever having spoken to it.
pub(crate) fn wait_for_the_leash() {
    wait_for_the_end(io::stdin());
}

/// Returns long after the supervisor has gone.
pub(crate) fn outstay_the_leash() {
    std::thread::sleep(LONGEST_STAY);
}

fn wait_for_the_end(mut leash: impl io::Read) {
    std::thread::spawn(|| {
        std::thread::sleep(LONGEST_STAY);
        std::process::exit(0);
    });
    // What the leash says is of no interest; its end is. A leash that cannot be read has ended too.
    let _ = io::copy(&mut leash, &mut io::sink());
}

/// Connects as the leash says and misbehaves as the orders say.
pub(crate) fn visit(orders: &Orders, journal: &Journal) -> ExitCode {
    let mut input = io::BufReader::new(io::stdin());
    let leash = match Leash::read(&mut input) {
        Ok(leash) => leash,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let visited = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let pipe = &mut Pipe::connect(&leash.address).await?;
            misbehave(pipe, &leash, orders, journal).await?;
            journal.note("misbehaved");
            if orders.deed != Deed::TruncatedFrame {
                // The pipe stays open meanwhile: what ends it is the supervisor.
                tokio::task::spawn_blocking(move || wait_for_the_end(input)).await?;
            }
            Ok(())
        })
    });
    match visited {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            journal.note_with("failed", json!({ "why": error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

async fn misbehave(
    pipe: &mut Pipe,
    leash: &Leash,
    orders: &Orders,
    journal: &Journal,
) -> io::Result<()> {
    if orders.deed == Deed::ConnectAndBeSilent {
        return Ok(());
    }
    pipe.write_all(&Versions::OURS.to_bytes()).await?;
    let mut chosen = [0; PREFACE_BYTES];
    pipe.read_exact(&mut chosen).await?;
    let mut token = leash.token;
    if orders.deed == Deed::StaleToken {
        token[0] ^= 1;
    }
    if !orders.instead {
        let hello = Hello {
            token,
            version: orders.says.as_ref().unwrap_or(&orders.version).clone(),
            model_digest: [0; 32],
            pid: std::process::id(),
        };
        let frame = codec::encode(&hello).map_err(io::Error::other)?;
        pipe.write_all(&frame).await?;
        match answer(pipe).await? {
            Answer::Welcome(welcome) => {
                journal.note_with("welcome", json!({ "tenure": welcome.tenure }));
            }
            Answer::Refused { reason } => {
                journal.note_with("refused", json!({ "why": reason }));
                return Ok(());
            }
        }
    }
    pipe.write_all(&bad_frame(orders.deed)).await?;
    if orders.deed == Deed::TruncatedFrame {
        pipe.shutdown().await?; // Delivered before the process, and with it the pipe, goes.
    }
    Ok(())
}

/// Bytes that no reader may accept; nothing for a deed that has already done its worst.
fn bad_frame(deed: Deed) -> Vec<u8> {
    let (announced, body): (u32, &[u8]) = match deed {
        Deed::GarbageFrame => (16, &[0xff; 16]),
        Deed::TooLongFrame => (u32::MAX, &[0; 64]),
        Deed::TruncatedFrame => (64, &[0; 32]),
        _ => return Vec::new(),
    };
    [&announced.to_le_bytes()[..], body].concat()
}

async fn answer(pipe: &mut Pipe) -> io::Result<Answer> {
    let mut decoder = Decoder::default();
    let mut piece = [0; 512];
    loop {
        if let Some(answer) = decoder.take().map_err(io::Error::other)? {
            return Ok(answer);
        }
        let read = pipe.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        decoder.push(&piece[..read]);
    }
}
