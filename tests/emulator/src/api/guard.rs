//! Who may speak to the HTTP API: programs on this machine and the console's own page, but no page of a stranger.
//!
//! The API has no login, because it is for loopback. A browser on the same machine, however, carries the requests of whatever
//! page it shows, and a device must not be driven by a page that somebody merely looks at. Two checks keep such pages out:
//!
//! - **DNS rebinding.** A stranger's name is made to lead to this machine, so that the browser takes the stranger's page for
//!   ours. Its `Host` still says the stranger's name: only IP addresses and `localhost` are taken.
//! - **Requests across sites.** A browser says whose page asks: its `Origin` must be this very server, and where it sends none,
//!   `Sec-Fetch-Site` must not tell of another site. The console's own files, which do nothing by themselves, may be linked to from
//!   anywhere; they cannot be shown inside of another page (see [`super::console`]).
//!
//! Programs that are no browsers send neither `Origin` nor `Sec-Fetch-Site` and are not hindered. Nothing here defends against
//! programs on this machine, nor against a network when the listener was put on one.

use std::net::{IpAddr, Ipv6Addr};

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Failed;

/// Lets a request through, or answers it with 403 and a word on which header kept it out.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    match refusal(request.uri().path(), request.headers()) {
        None => next.run(request).await,
        Some(why) => Failed(StatusCode::FORBIDDEN, why, None).into_response(),
    }
}

/// Why a request with these headers is not answered.
fn refusal(path: &str, headers: &HeaderMap) -> Option<String> {
    let text = |name: header::HeaderName| headers.get(name).map(header_text);
    let host = text(header::HOST);
    if let Some(host) = &host
        && !is_near(host)
    {
        return Some(format!(
            "`Host: {host}` is not an IP address or `localhost`; open the console by its address"
        ));
    }
    let own = host.map(|host| format!("http://{host}"));
    if let Some(origin) = text(header::ORIGIN)
        && own.as_deref() != Some(origin.as_str())
    {
        return Some(format!(
            "`Origin: {origin}` is another page than the console's own"
        ));
    }
    let site = headers.get("sec-fetch-site").map(header_text);
    let elsewhere = site.filter(|site| site == "cross-site" || site == "same-site");
    elsewhere
        .filter(|_| path == "/api" || path.starts_with("/api/"))
        .map(|site| {
            format!("`Sec-Fetch-Site: {site}` tells of another page than the console's own")
        })
}

fn header_text(value: &header::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()
}

/// Whether a `Host` names this machine in a way that no stranger's DNS has a say in.
fn is_near(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok() && (port.is_empty() || port.starts_with(':'))
        });
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &str, headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let name = header::HeaderName::from_static(name);
                (name, value.parse().unwrap())
            })
            .collect();
        refusal(path, &headers)
    }

    #[test]
    fn programs_and_the_console_itself_are_let_in_by_any_address() {
        for host in [
            "127.0.0.1:8080",
            "localhost:8080",
            "LOCALHOST",
            "[::1]:80",
            "[::1]",
            "192.168.0.7:80",
        ] {
            assert_eq!(refused("/api/faults", &[("host", host)]), None, "{host}");
            let own = format!("http://{host}");
            let page = [
                ("host", host),
                ("origin", own.as_str()),
                ("sec-fetch-site", "same-origin"),
            ];
            assert_eq!(refused("/api/faults", &page), None, "{host}");
        }
        assert_eq!(refused("/api", &[]), None);
    }

    #[test]
    fn a_strangers_name_for_this_machine_is_refused_for_everything() {
        for host in [
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[evil]:80",
            "[::1",
            "[::1]evil.example",
            "",
        ] {
            for path in ["/", "/api/devices"] {
                assert!(refused(path, &[("host", host)]).is_some(), "{host}");
            }
        }
    }

    #[test]
    fn another_pages_requests_are_refused_whatever_they_ask_for() {
        for origin in [
            "http://evil.example",
            "http://127.0.0.1:9999",
            "https://127.0.0.1:8080",
            "null",
        ] {
            let headers = [("host", "127.0.0.1:8080"), ("origin", origin)];
            assert!(refused("/api/faults", &headers).is_some(), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            let headers = [("host", "127.0.0.1:8080"), ("sec-fetch-site", site)];
            assert!(refused("/api/devices", &headers).is_some(), "{site}");
            assert_eq!(
                refused("/", &headers),
                None,
                "a link to the page is harmless"
            );
        }
        assert!(refused("/api", &[("origin", "http://127.0.0.1")]).is_some());
    }
}
