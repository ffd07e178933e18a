//! Starting and stopping: threads, listeners, the private folder.
//!
//! Everything that must end with the emulator is owned by one value, [`Running`].

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use crate::options::Options;
use crate::platform::{Links, World};
use crate::random::Random;
use crate::shared::Shared;
use crate::tls::{CertificateError, Identity};
use crate::{api, broker, download};

/// All that runs; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) threads: Threads,
    pub(crate) addresses: Addresses,
    pub(crate) ca_pem: Option<String>,
    pub(crate) folder: Folder,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) mqtt: SocketAddr,
    pub(crate) mqtts: Option<SocketAddr>,
    pub(crate) http: SocketAddr,
    pub(crate) firmware: SocketAddr,
    pub(crate) firmware_tls: Option<SocketAddr>,
}

/// Why an emulator did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port is taken, or the address is not this machine's.
    #[error("`{address}` cannot be listened on")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate for TLS cannot be made.
    #[error("TLS cannot be set up")]
    Tls(#[source] CertificateError),
    /// The threads cannot be started.
    #[error("threads cannot be started")]
    Threads(#[source] std::io::Error),
}

impl Running {
    pub(crate) fn start(options: Options) -> Result<Self, StartError> {
        let folder = Folder::named(options.folder.as_deref());
        let threads = Threads::start()?;
        let entered = threads.runtime().enter();
        let identity = options
            .tls
            .then(|| Identity::make(options.host))
            .transpose()
            .map_err(StartError::Tls)?;
        let listen = |port: u16| listen(SocketAddr::new(options.host, port));
        let listen_tls = |port: u16| options.tls.then(|| listen(port)).transpose();
        let mqtt = listen(options.mqtt_port)?;
        let mqtts = listen_tls(options.mqtts_port)?;
        let http = listen(options.api_port)?;
        let firmware = listen(options.firmware_port)?;
        let firmware_tls = listen_tls(options.firmware_tls_port)?;
        let address = |pair: &(TcpListener, SocketAddr)| pair.1;
        let addresses = Addresses {
            mqtt: address(&mqtt),
            mqtts: mqtts.as_ref().map(address),
            http: address(&http),
            firmware: address(&firmware),
            firmware_tls: firmware_tls.as_ref().map(address),
        };
        let links = Links {
            plain: addresses.firmware,
            tls: addresses.firmware_tls,
        };
        let shared = Arc::new(Shared::new(World::new(options, links, folder.path.clone())));

        let (acceptor, ca_pem) = identity.map_or((None, None), |identity| {
            (Some(identity.acceptor), Some(identity.ca_pem))
        });
        let tls_listeners =
            |pair: Option<(TcpListener, SocketAddr)>| pair.map(|(listener, _)| listener);
        spawn_pair(
            &shared,
            mqtt.0,
            tls_listeners(mqtts),
            acceptor.as_ref(),
            broker::serve,
        );
        spawn_pair(
            &shared,
            firmware.0,
            tls_listeners(firmware_tls),
            acceptor.as_ref(),
            download::serve,
        );
        let index = api::Index::new(
            addresses.mqtt,
            addresses.mqtts,
            addresses.http,
            links,
            ca_pem.as_deref(),
        );
        tokio::spawn(api::serve(http.0, shared.clone(), index));
        tokio::spawn(keep_time(shared.clone()));
        drop(entered);
        Ok(Self {
            shared,
            threads,
            addresses,
            ca_pem,
            folder,
        })
    }
}

/// The emulator's own threads.
#[derive(Debug)]
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<Self, StartError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("cloud-emulator")
            .enable_all()
            .build();
        runtime
            .map(|runtime| Self(Some(runtime)))
            .map_err(StartError::Threads)
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.0
            .as_ref()
            .expect("the runtime is taken only when this is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // The waiting kind of shutdown is forbidden inside another runtime, where tests drop this.
            runtime.shutdown_background();
        }
    }
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = || {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((TcpListener::from_std(listener)?, bound))
    };
    bound().map_err(|source| StartError::Listen { address, source })
}

fn spawn_pair<F, T>(
    shared: &Arc<Shared>,
    plain: TcpListener,
    tls: Option<TcpListener>,
    acceptor: Option<&TlsAcceptor>,
    serve: F,
) where
    F: Fn(TcpListener, Option<TlsAcceptor>, Arc<Shared>) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(serve(plain, None, shared.clone()));
    if let (Some(tls), Some(acceptor)) = (tls, acceptor) {
        tokio::spawn(serve(tls, Some(acceptor.clone()), shared.clone()));
    }
}

/// Lets the jobs' deadlines pass: sleeps until the next one, or until something has changed.
async fn keep_time(shared: Arc<Shared>) {
    let mut changes = shared.changes();
    loop {
        let next = shared.look(World::next_deadline);
        let now = crate::shared::now();
        let rest = next.map(|next| Duration::from_millis(next.saturating_sub(now)));
        if rest == Some(Duration::ZERO) {
            shared.act(World::elapse);
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(rest.unwrap_or(Duration::from_secs(3600))) => {}
            changed = changes.changed() => if changed.is_err() { return },
        }
    }
}

/// The folder for uploaded bytes: made when the first ones come, removed at the end if it is ours.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    ours: bool,
}

impl Folder {
    fn named(given: Option<&Path>) -> Self {
        let own = || {
            std::env::temp_dir().join(format!(
                "cloud-emulator-{}-{}",
                std::process::id(),
                Random::unseeded().hex(8)
            ))
        };
        Self {
            path: given.map_or_else(own, Path::to_owned),
            ours: given.is_none(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ours {
            // What cannot be removed lies in the system's temporary folder, whose cleaning is not up to us.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}
