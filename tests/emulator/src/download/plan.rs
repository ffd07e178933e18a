//! How a request for firmware is answered: status, headers, which bytes, and which faults strike.

use std::path::PathBuf;

use super::Request;
use super::body::FileBody;
use crate::faults::FaultName;
use crate::firmware::{Firmware, StoredFile};
use crate::journal::What;
use crate::platform::{Millis, World};

/// A response, decided; what is left is to send it.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) head: String,
    pub(super) body: Body,
    /// What `Content-Length` says.
    pub(super) promised: u64,
}

#[derive(Debug)]
pub(super) enum Body {
    Text(String),
    /// Held back until the fault is cleared.
    HeldText(String, FaultName),
    File(FileBody),
}

/// The status and the response, or why there is none.
pub(super) type Answer = Result<(u16, Plan), Refused>;

/// A request that gets a few words instead of what it asked for.
#[derive(Debug)]
pub(super) struct Refused {
    status: u16,
    /// Headers, each with its line's end.
    extra: String,
    text: String,
}

impl Refused {
    pub(super) fn plain(status: u16, text: &str) -> Self {
        Self {
            status,
            extra: String::new(),
            text: text.to_owned(),
        }
    }
}

/// What object storage says when a URL's time is over, or its token is not from there.
pub(super) fn expired() -> Refused {
    Refused {
        status: 403,
        extra: "Content-Type: application/xml\r\n".to_owned(),
        text: EXPIRED.to_owned(),
    }
}

impl World {
    /// Decides how to answer a request, asks each fault whether it strikes, and writes the answer down. Also tells whether it
    /// was a signature that was asked for.
    pub(super) fn plan_download(
        &mut self,
        now: Millis,
        request: &Request,
        tls: bool,
    ) -> (Plan, bool) {
        let path = request.path.strip_prefix("/moved").unwrap_or(&request.path);
        let signed = self.signed_path(path);
        let answer = match signed {
            Some(signed) => self.plan_minisig(now, request, signed),
            None => self.try_plan(now, request, path, tls),
        };
        let (status, plan) = answer.unwrap_or_else(|refused| {
            let Refused {
                status,
                extra,
                text,
            } = refused;
            (status, text_plan(status, &extra, text))
        });
        let path = request.path.clone();
        let what = if signed.is_some() {
            What::Minisig { path, status, tls }
        } else {
            What::Request {
                path,
                range: request.range.clone(),
                status,
                tls,
            }
        };
        self.journal.write(now, None, what);
        (plan, signed.is_some())
    }

    fn try_plan(&mut self, now: Millis, request: &Request, path: &str, tls: bool) -> Answer {
        if request.method != "GET" && request.method != "HEAD" {
            return Err(Refused::plain(405, "only GET and HEAD are offered"));
        }
        if let Some(strike) = self.faults.strike(FaultName::ServerErrorThenOk) {
            let status = strike.n.and_then(|n| u16::try_from(n).ok()).unwrap_or(503);
            return Err(Refused::plain(status, "fault 5xx-then-ok"));
        }
        let over = self.faults.strike(FaultName::UrlExpired).is_some();
        if over || !self.url_key.allows(path, &request.query, now) {
            return Err(expired());
        }
        if path == request.path
            && let Some(strike) = self.faults.strike(FaultName::Redirect)
        {
            let target = format!("{path}?{}", request.query);
            let location = self.redirect_target(strike.to.as_deref(), &target, tls);
            return Err(Refused {
                status: 302,
                extra: format!("Location: {location}\r\n"),
                text: String::new(),
            });
        }
        let (file, size, sign) = self
            .served_file(path)
            .ok_or_else(|| Refused::plain(404, "no such file"))?;
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

    /// Where a file lies, its length and its digest.
    fn served_file(&self, path: &str) -> Option<(PathBuf, u64, String)> {
        if let Some(id) = path.strip_prefix("/config/") {
            let (path, size) = self.config_file(id.parse().ok()?)?;
            return Some((path, size, format!("config-{id}")));
        }
        let (_, file) = self.stored_file(path)?;
        Some((file.path.clone(), file.size, file.sign.clone()))
    }

    /// The file of a package that a path leads to.
    pub(super) fn stored_file(&self, path: &str) -> Option<(&Firmware, &StoredFile)> {
        let mut parts = path.strip_prefix("/firmware/")?.split('/');
        let firmware = self.firmware.get(&parts.next()?.parse().ok()?)?;
        let file = firmware.files.get(parts.next()?.parse::<usize>().ok()?)?;
        Some((firmware, file))
    }

    fn plan_file(&mut self, request: &Request, path: PathBuf, size: u64, sign: &str) -> Answer {
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
                return Err(Refused {
                    status: 416,
                    extra: format!("Content-Range: bytes */{entity}\r\n"),
                    text: "no such range".to_owned(),
                });
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

pub(super) fn head(status: u16, extra: &str, length: u64) -> String {
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
}
