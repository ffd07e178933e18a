//! The library's face: starts everything, hands out what tests and programs need, and stops everything when dropped.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::QoS;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::TlsAcceptor;

use crate::calls::{Answer, CallError, RrpcForm};
use crate::faults::{Fault, FaultName, FaultState};
use crate::firmware::{Firmware, Package, PackageError, digest_with};
use crate::journal::Entry;
use crate::login::DeviceId;
use crate::options::Options;
use crate::platform::offer::Transport;
use crate::platform::updates::{JobError, Rollout};
use crate::platform::{Links, World};
use crate::random::Random;
use crate::shared::{NotReached, Shared};
use crate::state::{DeviceState, JobState};
use crate::tls::{CertificateError, Identity};
use crate::topics::Down;
use crate::wire::hex;
use crate::{api, broker, download};

/// A running emulator. Dropping it closes every connection and removes its private folder.
///
/// It runs on threads of its own, so it can be started and used with or without a runtime around it.
#[derive(Debug)]
pub struct Emulator {
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
    addresses: Addresses,
    ca_pem: Option<String>,
    folder: Folder,
}

#[derive(Debug, Clone, Copy)]
struct Addresses {
    mqtt: SocketAddr,
    mqtts: Option<SocketAddr>,
    http: SocketAddr,
    firmware: SocketAddr,
    firmware_tls: Option<SocketAddr>,
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
    /// The folder for firmware cannot be made.
    #[error("folder `{path}` cannot be made")]
    Folder {
        /// The folder.
        path: PathBuf,
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

impl Emulator {
    /// Starts listening on all ports.
    ///
    /// # Errors
    /// When a port is taken, or a certificate or folder cannot be made.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let folder = Folder::make(options.folder.as_deref())?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("cloud-emulator")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let entered = runtime.enter();
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
            runtime: Some(runtime),
            addresses,
            ca_pem,
            folder,
        })
    }

    /// Where devices connect over plain TCP.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.addresses.mqtt
    }

    /// Where devices connect over TLS, if that was asked for. The certificate names `localhost` and the address.
    pub fn mqtts_address(&self) -> Option<SocketAddr> {
        self.addresses.mqtts
    }

    /// Where the HTTP API listens.
    pub fn http_address(&self) -> SocketAddr {
        self.addresses.http
    }

    /// Where firmware is served over plain HTTP.
    pub fn firmware_address(&self) -> SocketAddr {
        self.addresses.firmware
    }

    /// Where firmware is served over TLS.
    pub fn firmware_tls_address(&self) -> Option<SocketAddr> {
        self.addresses.firmware_tls
    }

    /// The certificate authority devices must trust to use TLS here, as PEM text.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The folder in which firmware given as bytes is kept.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// Creates a product with a secret for dynamic registration (`None` switches it off), or changes an existing one.
    pub fn add_product(&self, product_key: &str, secret: Option<&str>) {
        self.shared.act(|world, _| {
            world
                .products
                .entry(product_key.to_owned())
                .or_default()
                .secret = secret.map(str::to_owned);
        });
    }

    /// Creates a device, and its product if need be; gives an existing device this secret.
    pub fn add_device(&self, device: &DeviceId, secret: &str) {
        self.shared
            .act(|world, _| world.add_device(device, Some(secret)));
    }

    /// Lets a device log in, or not; a disabled one is also disconnected. False if there is no such device.
    pub fn enable_device(&self, device: &DeviceId, enabled: bool) -> bool {
        self.shared
            .act(|world, now| world.enable(now, device, enabled))
    }

    /// Takes a firmware package. Blocks while it reads the files for their digests.
    ///
    /// # Errors
    /// When a file cannot be read or the platform's console would refuse the package.
    pub fn add_firmware(&self, package: Package) -> Result<Firmware, PackageError> {
        self.shared.add_firmware(package)
    }

    /// Gives a product a remote configuration (document 89308). Blocks while it writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_config(&self, product_key: &str, content: &[u8]) -> Result<(), PackageError> {
        self.shared.set_config(product_key, content)
    }

    /// Pushes the product's remote configuration to a device and waits for its answer.
    ///
    /// # Errors
    /// When there is none, or the device does not answer.
    pub async fn push_config(&self, device: &DeviceId) -> Result<Answer, CallError> {
        self.shared.push_config(device, self.answer_limit()).await
    }

    /// Starts an OTA job and returns its number.
    ///
    /// # Errors
    /// When package or device do not exist, or the package cannot travel that way.
    pub fn start_job(&self, rollout: Rollout) -> Result<u64, JobError> {
        self.shared.act(|world, now| world.start_job(now, rollout))
    }

    /// Cancels all open tasks of a job. As on the platform, devices are not told.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn cancel_job(&self, job: u64) -> Result<(), JobError> {
        self.shared.act(|world, now| world.cancel_job(now, job))
    }

    /// A job with all its tasks.
    pub fn job_state(&self, job: u64) -> Option<JobState> {
        self.shared.look(|world| world.job_state(job))
    }

    /// The `data` of a true offer of this package, to be changed and pushed with [`Emulator::push_raw`].
    pub fn offer(&self, firmware: &Firmware, transport: Transport) -> Value {
        self.shared.act(|world, now| {
            world.offer(now, firmware, transport, &std::collections::BTreeMap::new())
        })
    }

    /// Publishes any bytes on the device's upgrade topic, bound to no job. True if its session took them.
    pub fn push_raw(&self, device: &DeviceId, payload: impl Into<Bytes>) -> bool {
        self.publish(device, &Down(device).upgrade(), payload, 0)
    }

    /// Pushes an offer with this `data` in the platform's envelope, bound to no job. True if its session took it.
    pub fn push_offer(&self, device: &DeviceId, data: &Value) -> bool {
        let payload = World::push_payload(crate::shared::now(), data);
        self.push_raw(device, payload)
    }

    /// Publishes any bytes on any topic to a device, with QoS 0 or 1. True if its session took them.
    pub fn publish(
        &self,
        device: &DeviceId,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: u8,
    ) -> bool {
        let qos = if qos == 0 {
            QoS::AtMostOnce
        } else {
            QoS::AtLeastOnce
        };
        let payload = payload.into();
        self.shared
            .act(|world, now| world.publish(now, device, topic, payload, qos).took())
    }

    /// Sets properties and waits for the answer, at most [`Options::answer_limit`]. The stored value changes only when the
    /// device posts it.
    ///
    /// # Errors
    /// When it cannot be delivered or is not answered. An answer that refuses is no error.
    pub async fn set_property(
        &self,
        device: &DeviceId,
        values: Value,
    ) -> Result<Answer, CallError> {
        self.shared
            .set_property(device, &values, self.answer_limit())
            .await
    }

    /// Sets desired values; an online device is also sent a property set. False if there is no such device.
    pub fn set_desired(&self, device: &DeviceId, values: &serde_json::Map<String, Value>) -> bool {
        self.shared
            .act(|world, now| world.set_desired(now, device, values).is_ok())
    }

    /// Calls a service asynchronously and waits for the answer, at most [`Options::answer_limit`].
    ///
    /// # Errors
    /// When it cannot be delivered or is not answered. An answer that refuses is no error.
    pub async fn call_service(
        &self,
        device: &DeviceId,
        service: &str,
        params: Value,
    ) -> Result<Answer, CallError> {
        self.shared
            .call_service(device, service, &params, self.answer_limit())
            .await
    }

    /// Calls a service synchronously and waits for the answer, at most [`Options::sync_limit`].
    ///
    /// # Errors
    /// When it cannot be delivered or is not answered. An answer that refuses is no error.
    pub async fn call_sync(
        &self,
        device: &DeviceId,
        form: RrpcForm,
        service: &str,
        params: Value,
    ) -> Result<Answer, CallError> {
        let limit = self.shared.look(|world| world.options.sync_limit);
        self.shared
            .call_sync(device, form, service, &params, limit)
            .await
    }

    /// Any synchronous call with any bytes: on the system topic, or as custom-topic RRPC on this topic.
    ///
    /// # Errors
    /// When it cannot be delivered or is not answered.
    pub async fn rrpc(
        &self,
        device: &DeviceId,
        topic: Option<&str>,
        payload: impl Into<Bytes>,
    ) -> Result<Bytes, CallError> {
        let limit = self.shared.look(|world| world.options.sync_limit);
        self.shared.rrpc(device, topic, payload.into(), limit).await
    }

    /// What the platform knows of a device.
    pub fn device_state(&self, device: &DeviceId) -> Option<DeviceState> {
        self.shared.look(|world| world.device_state(device))
    }

    /// All devices.
    pub fn devices(&self) -> Vec<DeviceId> {
        self.shared
            .look(|world| world.devices.keys().cloned().collect())
    }

    /// Waits until a device's state fulfils a condition, which `what` names for the error.
    ///
    /// # Errors
    /// When the time is over; the error shows the last state.
    pub async fn wait_until(
        &self,
        device: &DeviceId,
        limit: Duration,
        what: &str,
        reached: impl FnMut(&DeviceState) -> bool,
    ) -> Result<DeviceState, NotReached> {
        self.shared
            .wait_for_device(device, limit, what, reached)
            .await
    }

    /// Waits for a journal entry newer than `after` (see [`Emulator::journal_position`]; 0 looks at all that is kept).
    ///
    /// # Errors
    /// When the time is over; the error shows the last entries.
    pub async fn wait_for_entry(
        &self,
        after: u64,
        limit: Duration,
        what: &str,
        wanted: impl FnMut(&Entry) -> bool,
    ) -> Result<Entry, NotReached> {
        self.shared.wait_for_entry(after, limit, what, wanted).await
    }

    /// The journal, oldest first, as far as the ring keeps it.
    pub fn journal(&self) -> Vec<Entry> {
        self.shared
            .look(|world| world.journal.after(0).cloned().collect())
    }

    /// The number of the newest journal entry.
    pub fn journal_position(&self) -> u64 {
        self.shared.look(|world| world.journal.last())
    }

    /// Sets a fault, in place of one of the same name.
    pub fn fault(&self, fault: Fault) {
        self.shared.act(|world, _| world.faults.set(fault));
    }

    /// Clears a fault; its counter stays.
    pub fn clear_fault(&self, name: FaultName) {
        self.shared.act(|world, _| world.faults.clear(name));
    }

    /// How often a fault has struck.
    pub fn struck(&self, name: FaultName) -> u64 {
        self.shared.look(|world| world.faults.struck(name))
    }

    /// Every fault that was ever set.
    pub fn faults(&self) -> Vec<FaultState> {
        self.shared.look(|world| world.faults.states())
    }

    /// Closes a device's connection as if its identity had connected elsewhere. False if it was offline.
    pub fn kick(&self, device: &DeviceId) -> bool {
        self.shared.act(|world, now| world.kick(now, device))
    }

    /// Closes a device's connection as a failing network does. False if it was offline.
    pub fn drop_connection(&self, device: &DeviceId) -> bool {
        self.shared
            .act(|world, now| world.drop_connection(now, device, "dropped by the operator"))
    }

    /// Runs a future to its end, for programs without a runtime of their own.
    ///
    /// # Panics
    /// When called inside a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime
            .as_ref()
            .expect("the runtime goes only when the emulator is dropped")
            .block_on(future)
    }

    fn answer_limit(&self) -> Duration {
        self.shared.look(|world| world.options.answer_limit)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // The waiting kind of shutdown is forbidden inside a runtime, where tests drop this.
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    /// Stores a package outside of the lock, since a large one takes seconds to read.
    pub(crate) fn add_firmware(&self, package: Package) -> Result<Firmware, PackageError> {
        let (id, folder) = self.act(|world, _| (world.number(), world.folder.clone()));
        let firmware = package.store(id, &folder)?;
        self.act(|world, _| world.firmware.insert(id, firmware.clone()));
        Ok(firmware)
    }

    pub(crate) fn set_config(&self, product_key: &str, content: &[u8]) -> Result<(), PackageError> {
        let path = self.act(|world, _| {
            let number = world.number();
            world.folder.join(format!("config-{number}"))
        });
        let stored = std::fs::write(&path, content).and_then(|()| digest_with::<Sha256>(&path));
        let (size, digest) = stored.map_err(|source| PackageError::File {
            path: path.clone(),
            source,
        })?;
        self.act(|world, _| world.set_config(product_key, path, size, hex(&digest)));
        Ok(())
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

/// The folder for uploaded bytes; removed at the end if it is ours.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    ours: bool,
}

impl Folder {
    fn make(given: Option<&Path>) -> Result<Self, StartError> {
        let own = || {
            std::env::temp_dir().join(format!(
                "cloud-emulator-{}-{}",
                std::process::id(),
                Random::unseeded().hex(8)
            ))
        };
        let path = given.map_or_else(own, Path::to_owned);
        let made = std::fs::create_dir_all(&path);
        made.map_err(|source| StartError::Folder {
            path: path.clone(),
            source,
        })?;
        Ok(Self {
            path,
            ours: given.is_none(),
        })
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
