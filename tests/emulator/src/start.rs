//! Starting and stopping: threads, listeners, the private folder.
//!
//! Everything that must end with the emulator is owned by one value, [`Running`].

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use crate::journal::Journal;
use crate::kept::{Kept, StateError, Things};
use crate::options::Options;
use crate::platform::{Links, World};
use crate::ports::{Bound, Listeners};
use crate::random::Random;
use crate::shared::Shared;
use crate::tls::{CertificateError, Certificates, Identity};
use crate::{api, broker, download};

/// What is kept in a state folder beside the platform's own things.
const PORTS: &str = "ports";
const CERTIFICATES: &str = "certificates";

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
    /// The state folder is of no use.
    #[error(transparent)]
    State(#[from] StateError),
    /// The threads cannot be started.
    #[error("threads cannot be started")]
    Threads(#[source] std::io::Error),
}

impl Running {
    pub(crate) fn start(options: Options) -> Result<Self, StartError> {
        let state = options.state.as_deref().map(Kept::open).transpose()?;
        let (mut kept, things) =
            state.map_or_else(Default::default, |(kept, things)| (Some(kept), things));
        let folder = Folder::of(&options);
        let threads = Threads::start()?;
        let entered = threads.runtime().enter();
        let identity = options
            .tls
            .then(|| identity(options.host, kept.as_mut(), &things))
            .transpose()?;
        let listeners = Listeners::open(&options, things.one(PORTS)?.unwrap_or_default())?;
        if let Some(kept) = &mut kept {
            kept.put(PORTS, &(), &listeners.ports());
        }
        let address = |bound: &Bound| bound.1;
        let addresses = Addresses {
            mqtt: address(&listeners.mqtt),
            mqtts: listeners.mqtts.as_ref().map(address),
            http: address(&listeners.api),
            firmware: address(&listeners.firmware),
            firmware_tls: listeners.firmware_tls.as_ref().map(address),
        };
        let links = Links {
            plain: addresses.firmware,
            tls: addresses.firmware_tls,
        };
        let journal = journal(&options)?;
        let mut world = World::new(options, links, folder.path.clone());
        world.journal = journal;
        if let Some(kept) = kept {
            world.take_up(kept, &things)?;
        }
        let shared = Arc::new(Shared::new(world));

        let (acceptor, ca_pem) = identity.map_or((None, None), |identity| {
            (Some(identity.acceptor), Some(identity.ca_pem))
        });
        let tls_listener = |bound: Option<Bound>| bound.map(|(listener, _)| listener);
        spawn_pair(
            &shared,
            listeners.mqtt.0,
            tls_listener(listeners.mqtts),
            acceptor.as_ref(),
            broker::serve,
        );
        spawn_pair(
            &shared,
            listeners.firmware.0,
            tls_listener(listeners.firmware_tls),
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
        tokio::spawn(api::serve(listeners.api.0, shared.clone(), index));
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

impl Drop for Running {
    fn drop(&mut self) {
        // Its tasks end a little later, on threads of their own, and must not keep the folder from whoever goes on with it.
        self.shared.act(|world, _| world.let_go());
    }
}

/// What the TLS listeners use: made now, unless it is kept from the time before.
fn identity(
    host: IpAddr,
    kept: Option<&mut Kept>,
    things: &Things,
) -> Result<Identity, StartError> {
    let certificates = match things.one(CERTIFICATES)? {
        Some(certificates) => certificates,
        None => Certificates::make(host).map_err(StartError::Tls)?,
    };
    if let Some(kept) = kept {
        kept.put(CERTIFICATES, &(), &certificates);
    }
    Identity::of(&certificates).map_err(StartError::Tls)
}

fn journal(options: &Options) -> Result<Journal, StartError> {
    let Some(folder) = &options.state else {
        return Ok(Journal::new(options.journal_capacity));
    };
    let opened = Journal::kept(options.journal_capacity, &Kept::journal(folder));
    opened.map_err(|source| {
        StartError::State(StateError::Unusable {
            folder: folder.clone(),
            source,
        })
    })
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
    fn of(options: &Options) -> Self {
        let own = || {
            std::env::temp_dir().join(format!(
                "cloud-emulator-{}-{}",
                std::process::id(),
                Random::unseeded().hex(8)
            ))
        };
        let in_state = options.state.as_deref().map(Kept::files);
        let given = options.folder.clone().or(in_state);
        Self {
            ours: given.is_none(),
            path: given.unwrap_or_else(own),
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
