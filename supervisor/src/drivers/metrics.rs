//! The numbers for an operator's alarms, over HTTP on loopback, if the operator wants that.
//!
//! One request a connection, `GET /metrics` and nothing else: what a scraper needs, without a web server in the supervisor. Whoever can
//! reach the address can read the numbers; none of them is a secret, and nothing can be changed. A port that cannot be had is tried again for
//! as long as the supervisor runs: neither the worker nor the cloud needs it.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use supervisor_core::event::Request;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

use super::control::{Answer, Desk};
use crate::metrics;

/// No request is longer, in bytes; what comes behind its first line is left unread.
const LONGEST_REQUEST: usize = 8 * 1024;

/// How many may ask at once; further ones wait in the system's own queue.
const MOST_ASKERS: usize = 2;

/// How long asking and answering may take, each.
const LIMIT: Duration = Duration::from_secs(2);

/// The first and the longest pause between two tries to have the port, and the pause after a connection could not be taken.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// Listens from now on.
pub(crate) fn listen(address: SocketAddr, desk: Desk) {
    tokio::spawn(attend(address, desk));
}

async fn attend(address: SocketAddr, desk: Desk) {
    let [mut pause, longest] = PAUSES;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(why) => tracing::error!(
                "nobody can read the metrics: `{address}`: {why}; it is tried again in {pause:?}"
            ),
        }
        tokio::time::sleep(pause).await;
        pause = longest.min(pause * 2);
    };
    match listener.local_addr() {
        Ok(address) => tracing::info!("metrics are at http://{address}/metrics"),
        Err(why) => tracing::warn!("metrics are at a port the system does not tell: {why}"),
    }
    let places = Arc::new(Semaphore::new(MOST_ASKERS));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, _)) => {
                let desk = desk.clone();
                tokio::spawn(async move {
                    // One who asks too slowly or does not read is none of our business.
                    let _ = serve(stream, &desk).await;
                    drop(place);
                });
            }
            Err(why) => {
                tracing::debug!("nobody could be let in to the metrics: {why}");
                tokio::time::sleep(PAUSES[0]).await;
            }
        }
    }
}

async fn serve(mut stream: TcpStream, desk: &Desk) -> io::Result<()> {
    let asked = timeout(LIMIT, first_line(&mut stream)).await;
    let Ok(Ok(line)) = asked else {
        return Ok(());
    };
    let answer = match wanted(&line) {
        Wanted::Metrics => match desk.ask(Request::Status).await {
            Answer::Status { status, supervisor } => {
                response("200 OK", &metrics::text(&status, &supervisor))
            }
            Answer::Refused { why } => response("503 Service Unavailable", &format!("{why}\n")),
            _ => response("500 Internal Server Error", "no status\n"),
        },
        Wanted::Elsewhere => response("404 Not Found", "the numbers are at /metrics\n"),
        Wanted::Otherwise => response("405 Method Not Allowed", "ask with GET\n"),
    };
    let sent = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // What is left unread when the socket is closed would take the answer along.
        let mut rest = [0; 1024];
        while stream.read(&mut rest).await? > 0 {}
        Ok(())
    };
    timeout(LIMIT, sent).await.unwrap_or(Ok(()))
}

/// What a request wants.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Metrics,
    Elsewhere,
    Otherwise,
}

fn wanted(line: &str) -> Wanted {
    let mut words = line.split_ascii_whitespace();
    match (words.next(), words.next()) {
        (Some("GET"), Some(path)) if path.split('?').next() == Some("/metrics") => Wanted::Metrics,
        (Some("GET"), Some(_)) => Wanted::Elsewhere,
        _ => Wanted::Otherwise,
    }
}

async fn first_line(stream: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut piece = [0; 1024];
    loop {
        let count = stream.read(&mut piece).await?;
        head.extend_from_slice(&piece[..count]);
        if let Some(end) = head.windows(2).position(|it| it == b"\r\n") {
            head.truncate(end);
            return String::from_utf8(head).map_err(io::Error::other);
        }
        if count == 0 || head.len() >= LONGEST_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn response(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_numbers_can_be_had_and_only_by_reading() {
        for (line, meant) in [
            ("GET /metrics HTTP/1.1", Wanted::Metrics),
            ("GET /metrics?name=x HTTP/1.0", Wanted::Metrics),
            ("GET / HTTP/1.1", Wanted::Elsewhere),
            ("GET /metricsandmore HTTP/1.1", Wanted::Elsewhere),
            ("POST /metrics HTTP/1.1", Wanted::Otherwise),
            ("", Wanted::Otherwise),
        ] {
            assert_eq!(wanted(line), meant, "{line}");
        }
    }
}
