//! A web server as a source.
//!
//! What is asked for is only what is missing. Without a budget that is one range up to the end, and the server answers:
//!
//! | answer | what follows |
//! |---|---|
//! | 206 with the range asked for | the part grows |
//! | 200 | started over with this body |
//! | 206 with another range or of another content, 416 | started over with a further request |
//!
//! With a budget it is one range after the other, from the first byte on and none longer than what is allowed. A part of it is then as good an
//! answer as the whole range, and 200 is only taken if the whole image is allowed: a server that does not heed ranges would send
//! what must not come.

pub(super) mod server;

use reqwest::{Response, StatusCode};
use supervisor_core::event::FetchFault;

use self::server::{Server, Wish};
use super::{
    allowance::{Allowance, Ask},
    answer::{Asked, Body, from_the_start, judge, mark_of, total_of},
    intake::Intake,
};
use crate::config::Fetching;

/// Fetches what is missing.
pub(super) async fn bring(url: &str, intake: &mut Intake<'_>) -> Result<(), FetchFault> {
    let mut server = Server::at(url, &intake.brief().settings)?;
    let source = url.split(['?', '#']).next().unwrap_or_default();
    // Each round brings a byte at least, or ends in a fault.
    while intake.taken() < intake.promised() {
        let (response, until) = ask(&mut server, source, intake).await?;
        receive(&server, response, until, intake).await?;
    }
    Ok(())
}

/// Fetches a small file, which must not be longer than this; `None` if the server has none.
pub(super) async fn small(
    settings: &Fetching,
    url: &str,
    most: usize,
    allowance: &mut Allowance,
) -> Result<Option<Vec<u8>>, FetchFault> {
    let mut server = Server::at(url, settings)?;
    let wish = Wish {
        from: 0,
        ask: Ask::All(most as u64),
        mark: None,
    };
    let mut response = match server.ask(&wish, allowance).await {
        Err(FetchFault::Status(404 | 410)) => return Ok(None),
        answered => answered?.0,
    };
    let promised = most as u64;
    if response.content_length().is_some_and(|all| all > promised) {
        return Err(FetchFault::Long { promised });
    }
    match response.status() {
        StatusCode::RANGE_NOT_SATISFIABLE => return Ok(None),
        // What is left out would be beyond the most there may be.
        StatusCode::PARTIAL_CONTENT if total_of(&response).is_none_or(|all| all > promised) => {
            return Err(FetchFault::Long { promised });
        }
        _ => {}
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = server.chunk(&mut response, allowance).await? {
        let chunk = chunk.as_ref();
        if !allowance.came(chunk.len() as u64) || bytes.len() + chunk.len() > most {
            return Err(FetchFault::Long { promised });
        }
        bytes.extend_from_slice(chunk);
    }
    Ok(Some(bytes))
}

/// Asks for what is missing, as far as that is allowed. The answer's body goes on where the part ends, up to the byte answered.
async fn ask(
    server: &mut Server<'_>,
    source: &str,
    intake: &mut Intake<'_>,
) -> Result<(Response, u64), FetchFault> {
    let promised = intake.promised();
    loop {
        let from = intake.taken();
        let mark = intake.part().mark(source).map(str::to_owned);
        let (missing, segment) = (intake.missing(), intake.allowance().segment(promised));
        let most = segment.min(promised - from);
        let wish = Wish {
            from,
            ask: Ask::Some {
                least: 1,
                most,
                missing,
            },
            mark: mark.as_deref(),
        };
        let (response, allowed) = server.ask(&wish, intake.allowance()).await?;
        let asked = Asked {
            from,
            until: from + allowed,
            promised,
            metered: intake.allowance().is_metered(),
            mark: mark.as_deref(),
        };
        let until = match judge(&response, &asked)? {
            Body::Rest { until } => until,
            Body::Whole => {
                if from > 0 {
                    intake.start_over(from_the_start(from)).await?;
                }
                promised
            }
            Body::Useless(why) => {
                intake.allowance().settle(u64::MAX);
                // Ends, because that is done once.
                intake.start_over(why).await?;
                continue;
            }
        };
        if intake.taken() == 0 {
            let mark = mark_of(response.headers());
            intake.part().begin(source, mark).await?;
        }
        return Ok((response, until));
    }
}

/// Takes a body, which ends with this byte of the image.
async fn receive(
    server: &Server<'_>,
    mut response: Response,
    until: u64,
    intake: &mut Intake<'_>,
) -> Result<(), FetchFault> {
    loop {
        let chunk = server.chunk(&mut response, intake.allowance()).await;
        let (got, promised) = (intake.taken(), intake.promised());
        match chunk {
            Ok(Some(chunk)) => intake.take(chunk.as_ref()).await?,
            Ok(None) if got >= until => return Ok(()),
            // The answer had begun, so that the server can be reached: what counts is how far it came.
            Ok(None) | Err(FetchFault::Connection(_)) => {
                return Err(FetchFault::Short { got, promised });
            }
            Err(other) => return Err(other),
        }
    }
}
