//! The firmware server: a small HTTP/1.1 server of our own, because a good one would not let us break its promises.
//!
//! It serves files with ranges, `ETag` and `If-Range` as object storage does, checks the URL's token, and misbehaves by name:
//! bytes are counted exactly, so a response cut after n bytes delivers n bytes. It reads no request bodies.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::faults::FaultName;
use crate::journal::What;
use crate::platform::{Millis, World};
use crate::shared::Shared;

/// Downloads at a time on one listener; a further one waits to be accepted.
const CONNECTIONS: usize = 256;
/// The longest request head, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;
/// How long a connection may be idle between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(60);
/// How long one piece may take to be written before the client counts as gone.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// How many bytes are read from disk and written at once.
const PIECE: u64 = 64 * 1024;

/// Serves firmware on a listener until the task is ended.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = places.clone().acquire_owned().await;
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let (tls, shared) = (tls.clone(), shared.clone());
        tokio::spawn(async move {
            greet(stream, tls, &shared).await;
            drop(place);
        });
    }
}

async fn greet(stream: TcpStream, tls: Option<TlsAcceptor>, shared: &Shared) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = tls else {
        return serve_connection(stream, false, shared).await;
    };
    match timeout(IDLE_LIMIT, tls.accept(stream)).await {
        Ok(Ok(stream)) => serve_connection(stream, true, shared).await,
        Ok(Err(error)) => shared.act(|world, now| {
            world.journal.note(
                now,
                None,
                format!("TLS handshake for a download failed: {error}"),
            );
        }),
        Err(_) => {}
    }
}

async fn serve_connection<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    tls: bool,
    shared: &Shared,
) {
    let mut buffer = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut buffer).await {
        let request = Request::read(&head);
        let plan = shared.act(|world, now| world.plan_download(now, &request, tls));
        // A client that left in the middle is told in the journal by the count of bytes.
        let (sent, went_on) = respond(&mut stream, &plan, request.method == "HEAD", shared).await;
        let whole = sent == plan.promised || request.method == "HEAD";
        shared.act(|world, now| {
            world.journal.write(
                now,
                None,
                What::Sent {
                    path: request.path.clone(),
                    bytes: sent,
                    whole,
                },
            );
        });
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

/// A response, decided; what is left is to send it.
#[derive(Debug)]
pub(crate) struct Plan {
    head: String,
    body: Body,
    /// What `Content-Length` says.
    promised: u64,
}

#[derive(Debug)]
enum Body {
    Text(String),
    File(FileBody),
}

#[derive(Debug)]
struct FileBody {
    path: PathBuf,
    /// The file's length on disk; beyond it come zeros.
    size: u64,
    start: u64,
    length: u64,
    /// Position in the file and the bit to flip there.
    flip: Option<(u64, u8)>,
    /// Every byte is changed by this.
    mask: u8,
    /// Close after this many body bytes.
    cut: Option<u64>,
    /// Stop after this many body bytes until the fault is cleared.
    stall: Option<u64>,
    /// Bytes per second.
    rate: Option<u64>,
}

impl World {
    /// Decides how to answer a request, asks each fault whether it strikes, and writes the answer down.
    pub(crate) fn plan_download(&mut self, now: Millis, request: &Request, tls: bool) -> Plan {
        let (status, plan) = match self.try_plan(now, request, tls) {
            Ok((status, plan)) => (status, plan),
            Err((status, extra, text)) => (status, text_plan(status, &extra, text)),
        };
        let what = What::Request {
            path: request.path.clone(),
            range: request.range.clone(),
            status,
            tls,
        };
        self.journal.write(now, None, what);
        plan
    }

    fn try_plan(
        &mut self,
        now: Millis,
        request: &Request,
        tls: bool,
    ) -> Result<(u16, Plan), (u16, String, String)> {
        let plain = |status: u16, text: &str| (status, String::new(), text.to_owned());
        if request.method != "GET" && request.method != "HEAD" {
            return Err(plain(405, "only GET and HEAD are offered"));
        }
        if let Some(strike) = self.faults.strike(FaultName::ServerErrorThenOk) {
            let status = strike.n.and_then(|n| u16::try_from(n).ok()).unwrap_or(503);
            return Err(plain(status, "fault 5xx-then-ok"));
        }
        let path = request.path.strip_prefix("/moved").unwrap_or(&request.path);
        let expired = self.faults.strike(FaultName::UrlExpired).is_some();
        if expired || !self.url_key.allows(path, &request.query, now) {
            return Err((
                403,
                "Content-Type: application/xml\r\n".to_owned(),
                EXPIRED.to_owned(),
            ));
        }
        if path == request.path
            && let Some(strike) = self.faults.strike(FaultName::Redirect)
        {
            let target = format!("{path}?{}", request.query);
            let location = self.redirect_target(strike.to.as_deref(), &target, tls);
            return Err((302, format!("Location: {location}\r\n"), String::new()));
        }
        let (file, size, sign) = self
            .stored_file(path)
            .ok_or_else(|| plain(404, "no such file"))?;
        self.plan_file(request, file, size, &sign)
    }

    fn redirect_target(&self, to: Option<&str>, target: &str, tls: bool) -> String {
        match to {
            None | Some("path") => format!("/moved{target}"),
            Some("scheme") if tls => format!("http://{}{target}", self.links.plain),
            Some("scheme") => format!(
                "https://{}{target}",
                self.links.tls.unwrap_or(self.links.plain)
            ),
            Some(url) => url.to_owned(),
        }
    }

    fn stored_file(&self, path: &str) -> Option<(PathBuf, u64, String)> {
        let mut parts = path.trim_start_matches('/').split('/');
        let (kind, id) = (parts.next()?, parts.next()?.parse::<u64>().ok()?);
        if kind == "config" {
            return self
                .config_file(id)
                .map(|(path, size)| (path, size, format!("config-{id}")));
        }
        let index: usize = parts.next().filter(|_| kind == "firmware")?.parse().ok()?;
        let file = self.firmware.get(&id)?.files.get(index)?;
        Some((file.path.clone(), file.size, file.sign.clone()))
    }

    fn plan_file(
        &mut self,
        request: &Request,
        path: PathBuf,
        size: u64,
        sign: &str,
    ) -> Result<(u16, Plan), (u16, String, String)> {
        let faults = &mut self.faults;
        let longer = faults
            .strike(FaultName::LongerThanPromised)
            .map_or(0, |strike| strike.n.unwrap_or(1));
        let entity = size + longer;
        let asked = request
            .range
            .as_deref()
            .and_then(|range| byte_range(range, entity));
        let later = asked.is_some_and(|range| range.is_ok_and(|(start, _)| start > 0));
        let changed = later && faults.strike(FaultName::FileChanged).is_some();
        let etag = if changed {
            format!("\"{sign}-changed\"")
        } else {
            format!("\"{sign}\"")
        };
        let stale = request
            .if_range
            .as_ref()
            .is_some_and(|known| *known != etag);
        let ignored = asked.is_some() && faults.strike(FaultName::RangeIgnored).is_some();
        let (status, start, end) = match asked {
            Some(_) if stale || ignored => (200, 0, entity),
            Some(Ok((start, end))) => (206, start, end),
            Some(Err(())) => {
                return Err((
                    416,
                    format!("Content-Range: bytes */{entity}\r\n"),
                    "no such range".to_owned(),
                ));
            }
            None => (200, 0, entity),
        };
        let length = end - start;
        let promised = length
            + faults
                .strike(FaultName::WrongLength)
                .map_or(0, |strike| strike.n.unwrap_or(1));
        let within = |n: Option<u64>, draw: u64| n.unwrap_or_else(|| draw % length.max(1));
        let flip = faults.strike(FaultName::FlipOneBit).map(|strike| {
            let place = strike.n.unwrap_or(strike.draw % size.max(1));
            (place, 1u8 << (strike.draw >> 32 & 7))
        });
        let body = FileBody {
            path,
            size,
            start,
            length,
            flip,
            mask: if changed { 0x5a } else { 0 },
            cut: faults
                .strike(FaultName::DropAfterBytes)
                .map(|strike| within(strike.n, strike.draw)),
            stall: faults
                .strike(FaultName::Stall)
                .map(|strike| strike.n.unwrap_or(length / 2)),
            rate: faults
                .strike(FaultName::Slow)
                .map(|strike| strike.n.unwrap_or(16_384).max(1)),
        };
        let mut extra = format!(
            "Content-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\nETag: {etag}\r\n"
        );
        if status == 206 {
            extra.push_str(&format!(
                "Content-Range: bytes {start}-{}/{entity}\r\n",
                end - 1
            ));
        }
        Ok((
            status,
            Plan {
                head: head(status, &extra, promised),
                body: Body::File(body),
                promised,
            },
        ))
    }
}

const EXPIRED: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>\n";

fn text_plan(status: u16, extra: &str, text: String) -> Plan {
    let promised = text.len() as u64;
    Plan {
        head: head(status, extra, promised),
        body: Body::Text(text),
        promised,
    }
}

fn head(status: u16, extra: &str, length: u64) -> String {
    let reason = match status {
        200 => "OK",
        206 => "Partial Content",
        302 => "Found",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        _ => "Other",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\nServer: cloud-emulator\r\n{extra}Content-Length: {length}\r\n\r\n"
    )
}

/// Start and end (exclusive) of a single byte range; `None` for anything else, which means the whole file.
fn byte_range(text: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    if first.trim().is_empty() {
        let tail = number(last)?.min(size);
        return Some(if tail == 0 {
            Err(())
        } else {
            Ok((size - tail, size))
        });
    }
    let start = number(first)?;
    let end = if last.trim().is_empty() {
        size
    } else {
        number(last)
            .filter(|last| *last >= start)?
            .saturating_add(1)
            .min(size)
    };
    Some(if start < end {
        Ok((start, end))
    } else {
        Err(())
    })
}

/// Sends a response. Returns how many body bytes went out, and whether the connection is still good.
async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    plan: &Plan,
    only_head: bool,
    shared: &Shared,
) -> (u64, bool) {
    if stream.write_all(plan.head.as_bytes()).await.is_err() {
        return (0, false);
    }
    let mut sent = 0;
    let went_on = match &plan.body {
        _ if only_head => true,
        Body::Text(text) => {
            sent = text.len() as u64;
            stream.write_all(text.as_bytes()).await.is_ok()
        }
        Body::File(body) => body.send(stream, &mut sent, shared).await.is_ok(),
    };
    (sent, went_on && stream.flush().await.is_ok())
}

impl FileBody {
    async fn send<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        sent: &mut u64,
        shared: &Shared,
    ) -> std::io::Result<()> {
        let mut file = File::open(&self.path).await?;
        file.seek(std::io::SeekFrom::Start(self.start.min(self.size)))
            .await?;
        let end = self.cut.map_or(self.length, |cut| cut.min(self.length));
        let mut stall = self.stall;
        while *sent < end {
            if stall.is_some_and(|at| at <= *sent) {
                stall = None;
                stream.flush().await?;
                stalled(stream, shared).await?;
            }
            let mut size = PIECE.min(end - *sent);
            if let Some(at) = stall {
                size = size.min(at - *sent);
            }
            if let Some(rate) = self.rate {
                // Ten pieces a second, so that the rate is smooth.
                size = size.min(rate.div_ceil(10));
                sleep(Duration::from_secs_f64(size as f64 / rate as f64)).await;
            }
            let piece = self.piece(&mut file, *sent, size).await?;
            timeout(WRITE_LIMIT, stream.write_all(&piece)).await??;
            *sent += size;
        }
        stream.flush().await
    }

    /// The next bytes of the response, as the faults want them.
    async fn piece(&self, file: &mut File, sent: u64, size: u64) -> std::io::Result<Vec<u8>> {
        let at = self.start + sent;
        let mut piece = Vec::new();
        file.take(size).read_to_end(&mut piece).await?;
        piece.resize(usize::try_from(size).expect("a piece is at most 64 KiB"), 0);
        if self.mask != 0 {
            piece.iter_mut().for_each(|byte| *byte ^= self.mask);
        }
        if let Some((place, bit)) = self.flip
            && (at..at + size).contains(&place)
        {
            // The difference is below 64 KiB, as the range was just checked.
            piece[(place - at) as usize] ^= bit;
        }
        Ok(piece)
    }
}

/// Waits until the fault is cleared or the client hangs up.
async fn stalled<S: AsyncRead + Unpin>(stream: &mut S, shared: &Shared) -> std::io::Result<()> {
    let mut changes = shared.changes();
    let mut byte = [0];
    while shared.look(|world| world.faults.is_set(FaultName::Stall)) {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            read = stream.read(&mut byte) => if read? == 0 {
                return Err(std::io::ErrorKind::ConnectionAborted.into());
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_says() {
        for (text, expected) in [
            ("bytes=0-", Some(Ok((0, 100)))),
            ("bytes=10-19", Some(Ok((10, 20)))),
            ("bytes=10-1000", Some(Ok((10, 100)))),
            ("bytes=-5", Some(Ok((95, 100)))),
            ("bytes=-500", Some(Ok((0, 100)))),
            ("bytes=100-", Some(Err(()))),
            ("bytes=5-4", None),
            ("bytes=-0", Some(Err(()))),
            ("bytes=0-1,5-6", None),
            ("lines=0-1", None),
            ("bytes=x-", None),
        ] {
            assert_eq!(byte_range(text, 100), expected, "{text}");
        }
    }

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
}
