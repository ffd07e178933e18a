//! nginx as the firmware server: one folder, perhaps at a limited rate, and its own account of what it has sent.

use std::{fs, path::Path, process::Command};

use e2e::until;

use crate::servers::Server;

/// The file in which nginx tells what it has answered, one line each.
const ACCOUNT: &str = "access.log";

/// An answer as nginx accounts for it when it has ended, whoever ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    /// The status.
    pub(crate) status: u16,
    /// Bytes of the body that nginx handed to the system.
    pub(crate) body: u64,
    /// The first byte asked for; 0 without a range.
    pub(crate) from: u64,
}

impl Server {
    /// An ordinary web server that serves a folder.
    pub(crate) fn nginx(folder: &Path) -> Self {
        Self::slow_nginx(folder, 0)
    }

    /// The same, at so many bytes per second; 0 is no limit.
    pub(crate) fn slow_nginx(folder: &Path, rate: u64) -> Self {
        Self::start(|port| Self::nginx_at(folder, port, rate))
    }

    /// The same on a given port.
    pub(crate) fn nginx_at(folder: &Path, port: u16, rate: u64) -> Command {
        let place = folder.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/nginx-{name};"))
            .join("\n");
        let text = format!(
            "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n\
             log_format account '$status $body_bytes_sent $http_range';\naccess_log {place}/{ACCOUNT} account;\n{temporary}\n\
             server {{ listen 127.0.0.1:{port}; root {place}; limit_rate {rate}; }}\n}}\n"
        );
        let config = folder.join("nginx.conf");
        fs::write(&config, text).unwrap();
        let mut command = Command::new(super::needed("HOTPLATE_INTEROP_NGINX"));
        command
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg("stderr")
            .arg("-c")
            .arg(config);
        command
    }
}

/// Waits until so many answers have ended, and tells all that have.
#[track_caller]
pub(crate) fn served(folder: &Path, count: usize) -> Vec<Served> {
    until(&format!("{count} answers of nginx have ended"), || {
        let text = fs::read_to_string(folder.join(ACCOUNT)).unwrap_or_default();
        let all: Vec<_> = text.lines().filter_map(read).collect();
        if all.len() >= count {
            Ok(all)
        } else {
            Err(text)
        }
    })
}

/// `206 9879858 bytes=205588-`; a connection without a request, such as that of the look whether nginx is up, has the status 400 or none.
fn read(line: &str) -> Option<Served> {
    let mut words = line.split(' ');
    let (status, body, range) = (words.next()?, words.next()?, words.next()?);
    let from = match range.strip_prefix("bytes=") {
        Some(range) => range.split('-').next()?.parse().ok()?,
        None => 0,
    };
    let served = Served {
        status: status.parse().ok()?,
        body: body.parse().ok()?,
        from,
    };
    (served.status != 400).then_some(served)
}
