//! The few requests that the emulator's HTTP API needs, on one plain connection each.
//!
//! Version 1.0 of the protocol keeps this small: the server answers without chunks and closes. It refuses everything but
//! `http:`, redirects and answers above a bound; for anything else a real client is the right choice.

use serde_json::Value;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The largest answer that is read, in bytes; the API's largest, a full journal, is far below.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// How much of a file is sent at once.
const PIECE: usize = 256 * 1024;

/// Where a server listens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Server {
    /// Host and port.
    authority: String,
}

/// What a request carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Body<'a> {
    /// Nothing: the request asks.
    None,
    /// A JSON value.
    Json(&'a Value),
    /// A file, sent as it lies there.
    File(&'a Path),
}

/// A request was not answered, or answered with a refusal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The connection was not made or did not last.
    #[error("talk to `http://{authority}`")]
    Connection {
        /// The server.
        authority: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file to be sent could not be read.
    #[error("send the file `{path}`")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The answer is not one.
    #[error("understand the answer of `http://{authority}{target}`")]
    Shape {
        /// The server.
        authority: String,
        /// What was asked.
        target: String,
    },
    /// The server said no.
    #[error("have `{target}` done: the server answered {status}: {why}")]
    Refused {
        /// What was asked.
        target: String,
        /// The status code.
        status: u16,
        /// The server's words.
        why: String,
    },
}

impl Server {
    /// Asks for a JSON value.
    ///
    /// # Errors
    /// When there is no answer, none that can be understood, or a refusal.
    pub(crate) async fn get(&self, target: &str) -> Result<Value, HttpError> {
        self.request("GET", target, Body::None).await
    }

    /// Gives something and asks for what came of it.
    ///
    /// # Errors
    /// When there is no answer, none that can be understood, or a refusal.
    pub(crate) async fn post(&self, target: &str, body: Body<'_>) -> Result<Value, HttpError> {
        self.request("POST", target, body).await
    }

    /// Takes something away and asks for what came of it.
    ///
    /// # Errors
    /// When there is no answer, none that can be understood, or a refusal.
    pub(crate) async fn delete(&self, target: &str) -> Result<Value, HttpError> {
        self.request("DELETE", target, Body::None).await
    }

    async fn request(
        &self,
        method: &str,
        target: &str,
        body: Body<'_>,
    ) -> Result<Value, HttpError> {
        let lost = |source| HttpError::Connection {
            authority: self.authority.clone(),
            source,
        };
        let mut stream = TcpStream::connect(&self.authority).await.map_err(lost)?;
        let sent = self.send(&mut stream, method, target, body).await;
        let mut answer = Vec::new();
        let read = stream
            .take(LARGEST_ANSWER)
            .read_to_end(&mut answer)
            .await
            .map_err(lost);
        // A server that refuses early closes while we still send; then its answer says more than our failed sending.
        let Some((status, text)) = parse(&answer) else {
            sent?;
            read?;
            return Err(HttpError::Shape {
                authority: self.authority.clone(),
                target: target.to_owned(),
            });
        };
        let value: Option<Value> = serde_json::from_str(text).ok();
        if !(200..300).contains(&status) {
            let why = value
                .as_ref()
                .and_then(|value| value["error"].as_str())
                .unwrap_or(text)
                .to_owned();
            return Err(HttpError::Refused {
                target: target.to_owned(),
                status,
                why,
            });
        }
        value.ok_or_else(|| HttpError::Shape {
            authority: self.authority.clone(),
            target: target.to_owned(),
        })
    }

    async fn send(
        &self,
        stream: &mut TcpStream,
        method: &str,
        target: &str,
        body: Body<'_>,
    ) -> Result<(), HttpError> {
        let lost = |source| HttpError::Connection {
            authority: self.authority.clone(),
            source,
        };
        let head = |length: u64| {
            format!(
                "{method} {target} HTTP/1.0\r\nhost: {}\r\ncontent-length: {length}\r\n\r\n",
                self.authority
            )
        };
        match body {
            Body::None => stream.write_all(head(0).as_bytes()).await.map_err(lost),
            Body::Json(value) => {
                let text = value.to_string();
                stream
                    .write_all(format!("{}{text}", head(text.len() as u64)).as_bytes())
                    .await
                    .map_err(lost)
            }
            Body::File(path) => {
                let unreadable = |source| HttpError::File {
                    path: path.to_owned(),
                    source,
                };
                let mut file = File::open(path).map_err(unreadable)?;
                let length = file.metadata().map_err(unreadable)?.len();
                stream
                    .write_all(head(length).as_bytes())
                    .await
                    .map_err(lost)?;
                let mut piece = vec![0; PIECE];
                loop {
                    let read = file.read(&mut piece).map_err(unreadable)?;
                    if read == 0 {
                        return Ok(());
                    }
                    stream.write_all(&piece[..read]).await.map_err(lost)?;
                }
            }
        }
    }
}

impl FromStr for Server {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "an emulator is written as http://<host>:<port>".to_owned();
        let authority = text
            .strip_prefix("http://")
            .ok_or_else(wrong)?
            .trim_end_matches('/');
        let port = authority
            .rsplit_once(':')
            .and_then(|(host, port)| port.parse::<u16>().ok().filter(|_| !host.is_empty()));
        if port.is_none() || authority.contains(['/', '@']) {
            return Err(wrong());
        }
        Ok(Self {
            authority: authority.to_owned(),
        })
    }
}

/// Status code and body of an answer that is there in whole.
fn parse(answer: &[u8]) -> Option<(u16, &str)> {
    let (head, body) = std::str::from_utf8(answer).ok()?.split_once("\r\n\r\n")?;
    let mut words = head.lines().next()?.split(' ');
    let status = words
        .next()
        .filter(|version| version.starts_with("HTTP/1."))
        .and(words.next())?;
    Some((status.parse().ok()?, body))
}

/// A text as one value in a query string.
#[must_use]
pub(crate) fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_a_host_and_a_port_behind_http() {
        assert_eq!(
            "http://127.0.0.1:8080/".parse(),
            Ok(Server {
                authority: "127.0.0.1:8080".to_owned()
            })
        );
        for text in [
            "127.0.0.1:8080",
            "https://a:1",
            "http://a",
            "http://:1",
            "http://a:1/api",
            "http://u@a:1",
        ] {
            assert!(text.parse::<Server>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_is_taken_apart_and_anything_else_is_none() {
        assert_eq!(
            parse(b"HTTP/1.0 200 OK\r\na: b\r\n\r\n{}"),
            Some((200, "{}"))
        );
        for garbage in [
            &b""[..],
            b"HTTP/1.0 200 OK\r\n",
            b"SSH-2.0\r\n\r\n",
            b"HTTP/1.1 many\r\n\r\n",
            b"\xff\xff\r\n\r\n",
        ] {
            assert_eq!(parse(garbage), None);
        }
    }

    #[test]
    fn what_a_query_reserves_is_escaped() {
        assert_eq!(escaped("1.0.7-rc_1"), "1.0.7-rc_1");
        assert_eq!(escaped("a&b=c/ü"), "a%26b%3Dc%2F%C3%BC");
    }
}
