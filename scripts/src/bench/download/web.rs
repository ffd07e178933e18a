//! nginx on free ports of loopback, plain and with TLS, serving one folder.
//!
//! The configuration is what a distribution ships in all that counts for speed: `sendfile` and `tcp_nopush` on, one process.

use super::{DownloadError, Way};
use crate::run;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The file that is served.
pub(super) const IMAGE: &str = "image";

/// How often other ports are tried: between finding them free and taking them, another process may be quicker.
const TRIES: usize = 5;

/// How long it may take until it listens.
const UNTIL_UP: Duration = Duration::from_secs(20);

/// The running server; killed when dropped.
#[derive(Debug)]
pub(super) struct Web {
    /// The ports: plain and TLS.
    ports: [u16; 2],
    /// The certificate authority to trust.
    pub(super) ca: PathBuf,
    child: Child,
}

impl Web {
    /// Serves this folder.
    ///
    /// # Errors
    /// When no certificate can be made, or nginx does not start.
    pub(super) fn start(folder: &Path) -> Result<Self, DownloadError> {
        let ca = certify(folder)?;
        let mut log = String::new();
        for _ in 0..TRIES {
            let ports = free_ports().map_err(|source| DownloadError::File {
                path: folder.to_owned(),
                source,
            })?;
            match try_start(folder, ports)? {
                Ok(child) => return Ok(Self { ports, ca, child }),
                Err(told) => log = told,
            }
        }
        Err(DownloadError::Web(log))
    }

    /// Where the image is.
    pub(super) fn url(&self, way: Way) -> String {
        let [plain, tls] = self.ports;
        match way {
            Way::Plain | Way::Signed => format!("http://127.0.0.1:{plain}/{IMAGE}"),
            Way::Tls => format!("https://127.0.0.1:{tls}/{IMAGE}"),
        }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two ports nobody listens on; both are held until both are known, so that they differ.
fn free_ports() -> std::io::Result<[u16; 2]> {
    let (one, other) = (
        TcpListener::bind("127.0.0.1:0")?,
        TcpListener::bind("127.0.0.1:0")?,
    );
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

/// The process, or what it said when it ended.
fn try_start(folder: &Path, ports: [u16; 2]) -> Result<Result<Child, String>, DownloadError> {
    let config = write(folder, "nginx.conf", &configuration(folder, ports))?;
    let log = folder.join("nginx.log");
    let program = run::which("nginx").unwrap_or_else(|| PathBuf::from("nginx"));
    let printed = File::create(&log).map_err(|source| DownloadError::File {
        path: log.clone(),
        source,
    })?;
    let mut child = Command::new(&program)
        .arg("-p")
        .arg(folder)
        .args(["-e", "stderr", "-c"])
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(printed)
        .spawn()
        .map_err(|source| DownloadError::File {
            path: program,
            source,
        })?;
    let start = Instant::now();
    let up = || {
        ports
            .iter()
            .all(|port| TcpStream::connect(("127.0.0.1", *port)).is_ok())
    };
    while !up() {
        let ended = child.try_wait().is_ok_and(|status| status.is_some());
        if ended || start.elapsed() > UNTIL_UP {
            let _ = child.kill();
            let _ = child.wait();
            return Ok(Err(fs::read_to_string(&log).unwrap_or_default()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Ok(child))
}

fn configuration(folder: &Path, [plain, tls]: [u16; 2]) -> String {
    let place = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|name| format!("{name}_temp_path {place}/nginx-{name};\n"))
        .collect();
    format!(
        "daemon off;\nmaster_process off;\npid {place}/nginx.pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\naccess_log off;\nsendfile on;\ntcp_nopush on;\n{temporary}\
         server {{ listen 127.0.0.1:{plain}; root {place}; }}\n\
         server {{ listen 127.0.0.1:{tls} ssl; root {place};\n\
         ssl_certificate {place}/web.pem; ssl_certificate_key {place}/web.key; }}\n}}\n"
    )
}

/// Writes a certificate for loopback with its key, and returns where the one who vouches for it stands.
fn certify(folder: &Path) -> Result<PathBuf, DownloadError> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    authority
        .distinguished_name
        .push(DnType::CommonName, "bench authority");
    let authority_key = KeyPair::generate()?;
    let root = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    let mut server = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])?;
    server.use_authority_key_identifier_extension = true;
    let server_key = KeyPair::generate()?;
    let certificate = server.signed_by(&server_key, &issuer)?;
    write(folder, "web.pem", &certificate.pem())?;
    write(folder, "web.key", &server_key.serialize_pem())?;
    write(folder, "web-ca.pem", &root.pem())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, DownloadError> {
    let path = folder.join(name);
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(DownloadError::File { path, source }),
    }
}
