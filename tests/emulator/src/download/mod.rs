//! The firmware server: a small HTTP/1.1 server of our own, because a good one would not let us break its promises.
//!
//! It serves files with ranges, `ETag` and `If-Range` as object storage does, checks the URL's token, and misbehaves by name:
//! bytes are counted exactly, so a response cut after n bytes delivers n bytes. It reads no request bodies.

mod body;
mod minisig;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::door::Door;
use crate::journal::What;
use crate::shared::Shared;
use plan::{Body, Plan};

/// Where downloads come in.
static DOOR: Door = Door {
    what: "for a download",
    most: 256,
    handshake_limit: IDLE_LIMIT,
};
/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// How long a connection may be idle between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// Serves firmware on a listener until the task is ended.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    DOOR.serve(listener, tls, shared, |stream, tls, shared| async move {
        serve_connection(stream, tls, &shared).await;
    })
    .await;
}

async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    tls: bool,
    shared: &Shared,
) {
    let mut hang_ups = shared.hang_ups();
    let mut buffer = Vec::new();
    loop {
        let head = tokio::select! {
            head = read_head(&mut stream, &mut buffer) => head,
            _ = hang_ups.changed() => None,
        };
        let Some(head) = head else { break };
        let request = Request::read(&head);
        let (plan, minisig) = shared.act(|world, now| world.plan_download(now, &request, tls));
        // A client that left in the middle is told in the journal by the count of bytes.
        let mut sent = 0;
        let only_head = request.method == "HEAD";
        let went_on = tokio::select! {
            went_on = respond(&mut stream, &plan, only_head, &mut sent, shared) => went_on,
            _ = hang_ups.changed() => false,
        };
        let whole = sent == plan.promised || only_head;
        if !minisig {
            let path = request.path.clone();
            let bytes = sent;
            let what = What::Sent { path, bytes, whole };
            shared.act(|world, now| world.journal.write(now, None, what));
        }
        if !went_on || !whole || request.close {
            break;
        }
    }
    // Without this a TLS client could not tell the orderly end from a cut; after a cut the stream is dropped as it is.
    let _ = stream.flush().await;
}

/// Reads up to the empty line; what follows it stays in the buffer.
async fn read_head<S: AsyncRead + Unpin>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 4);
            return Some(head);
        }
        if buffer.len() > LONGEST_HEAD {
            return None;
        }
        match timeout(IDLE_LIMIT, stream.read_buf(buffer)).await {
            Ok(Ok(read)) if read > 0 => {}
            _ => return None,
        }
    }
}

/// What of a request matters here.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    method: String,
    path: String,
    query: String,
    range: Option<String>,
    if_range: Option<String>,
    close: bool,
}

impl Request {
    fn read(head: &str) -> Self {
        let mut lines = head.split("\r\n");
        let mut first = lines.next().unwrap_or_default().split(' ');
        let method = first.next().unwrap_or_default().to_owned();
        let target = first.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method,
            path: path.to_owned(),
            query: query.to_owned(),
            close: first.next() == Some("HTTP/1.0"),
            ..Self::default()
        };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim().to_owned();
            match name.trim().to_ascii_lowercase().as_str() {
                "range" => request.range = Some(value),
                "if-range" => request.if_range = Some(value),
                "connection" => request.close |= value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        request
    }
}

/// Sends a response, and returns whether the connection is still good; `sent` tells how many body bytes went out, also when it fails.
async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    plan: &Plan,
    only_head: bool,
    sent: &mut u64,
    shared: &Shared,
) -> bool {
    if stream.write_all(plan.head.as_bytes()).await.is_err() {
        return false;
    }
    let went_on = match &plan.body {
        _ if only_head => true,
        Body::Text(text) => {
            *sent = text.len() as u64;
            stream.write_all(text.as_bytes()).await.is_ok()
        }
        Body::HeldText(text, fault) => {
            *sent = text.len() as u64;
            stream.flush().await.is_ok()
                && body::stalled(stream, shared, *fault).await.is_ok()
                && stream.write_all(text.as_bytes()).await.is_ok()
        }
        Body::File(body) => body.send(stream, sent, shared).await.is_ok(),
    };
    went_on && stream.flush().await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_head_is_read_with_any_case_of_its_names() {
        let request = Request::read(
            "GET /firmware/1/0/f?a=b HTTP/1.1\r\nRANGE: bytes=5-\r\nif-range: \"x\"\r\nConnection: Close",
        );
        assert_eq!(
            (request.path.as_str(), request.query.as_str()),
            ("/firmware/1/0/f", "a=b")
        );
        assert_eq!(request.range.as_deref(), Some("bytes=5-"));
        assert_eq!(request.if_range.as_deref(), Some("\"x\""));
        assert!(request.close);
    }

    // Elsewhere such a file would really take its 5 GiB.
    #[cfg(unix)]
    #[tokio::test]
    async fn positions_beyond_32_bits_are_served() {
        use crate::firmware::{Firmware, SignMethod, StoredFile};
        use crate::platform::offer::Transport;
        use crate::platform::{Links, World};
        use std::io::{Seek, SeekFrom, Write};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large.img");
        let (size, place) = (5u64 << 30, (4u64 << 30) + 12_345);
        let mut file = std::fs::File::create(&path).unwrap();
        file.set_len(size).unwrap();
        file.seek(SeekFrom::Start(place)).unwrap();
        file.write_all(b"found").unwrap();

        let plain = "127.0.0.1:1".parse().unwrap();
        let links = Links { plain, tls: None };
        let mut world = World::new(crate::Options::default(), links, folder.path().to_owned());
        let name = "large.img".to_owned();
        let sign = "0".repeat(32);
        let firmware = Firmware {
            id: 1,
            version: "5".to_owned(),
            module: "default".to_owned(),
            sign_method: SignMethod::Md5,
            source_version: None,
            custom: None,
            carrier: crate::Carrier::default(),
            files: vec![StoredFile {
                name,
                size,
                sign,
                digest_sign: None,
                minisig: None,
                path,
            }],
        };
        world.firmware.insert(1, firmware.clone());
        let url = world.firmware_url(crate::shared::now(), &firmware, 0, Transport::Http);
        let shared = Shared::new(world);
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let target = url.strip_prefix("http://127.0.0.1:1").unwrap();
        let end = place + 4;
        let request = format!(
            "GET {target} HTTP/1.1\r\nRange: bytes={place}-{end}\r\nConnection: close\r\n\r\n"
        );
        client.write_all(request.as_bytes()).await.unwrap();
        serve_connection(server, false, &shared).await;
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.contains(&format!("Content-Range: bytes {place}-{end}/{size}\r\n")),
            "{answer}"
        );
        assert!(answer.ends_with("\r\n\r\nfound"), "{answer}");
    }
}
