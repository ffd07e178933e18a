//! The library's face: what tests and programs may do with a running emulator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::QoS;
use serde_json::Value;

use crate::calls::{Answer, CallError, RrpcForm};
use crate::faults::{Fault, FaultName, FaultState};
use crate::firmware::{Firmware, Package, PackageError};
use crate::journal::Entry;
use crate::login::DeviceId;
use crate::options::Options;
use crate::platform::World;
use crate::platform::offer::Transport;
use crate::platform::rollout::{JobError, Rollout};
use crate::shared::NotReached;
use crate::start::{Running, StartError};
use crate::state::{DeviceState, JobState};
use crate::topics::Down;

/// A running emulator. Dropping it closes every connection and removes its private folder.
///
/// It runs on threads of its own, so it can be started and used with or without a runtime around it.
#[derive(Debug)]
pub struct Emulator(Running);

impl Emulator {
    /// Starts listening on all ports.
    ///
    /// # Errors
    /// When a port is taken or a certificate cannot be made.
    pub fn start(options: Options) -> Result<Self, StartError> {
        Running::start(options).map(Self)
    }

    /// Where devices connect over plain TCP.
    pub fn mqtt_address(&self) -> SocketAddr {
        self.0.addresses.mqtt
    }

    /// Where devices connect over TLS, if that was asked for. The certificate names `localhost` and the address.
    pub fn mqtts_address(&self) -> Option<SocketAddr> {
        self.0.addresses.mqtts
    }

    /// Where the HTTP API listens.
    pub fn http_address(&self) -> SocketAddr {
        self.0.addresses.http
    }

    /// Where firmware is served over plain HTTP.
    pub fn firmware_address(&self) -> SocketAddr {
        self.0.addresses.firmware
    }

    /// Where firmware is served over TLS.
    pub fn firmware_tls_address(&self) -> Option<SocketAddr> {
        self.0.addresses.firmware_tls
    }

    /// The certificate authority devices must trust to use TLS here, as PEM text.
    pub fn ca_pem(&self) -> Option<&str> {
        self.0.ca_pem.as_deref()
    }

    /// The folder in which firmware given as bytes is kept; it comes into being with the first.
    pub fn folder(&self) -> &Path {
        &self.0.folder.path
    }

    /// Creates a product with a secret for dynamic registration (`None` switches it off), or changes an existing one.
    pub fn add_product(&self, product_key: &str, secret: Option<&str>) {
        self.0
            .shared
            .act(|world, _| world.add_product(product_key, secret));
    }

    /// Creates a device, and its product if need be; gives an existing device this secret.
    pub fn add_device(&self, device: &DeviceId, secret: &str) {
        self.0
            .shared
            .act(|world, _| world.add_device(device, Some(secret)));
    }

    /// Lets a device log in, or not; a disabled one is also disconnected. False if there is no such device.
    pub fn enable_device(&self, device: &DeviceId, enabled: bool) -> bool {
        self.0
            .shared
            .act(|world, now| world.enable(now, device, enabled))
    }

    /// Takes a firmware package. Blocks while it reads the files for their digests.
    ///
    /// # Errors
    /// When a file cannot be read or the platform's console would refuse the package.
    pub fn add_firmware(&self, package: Package) -> Result<Firmware, PackageError> {
        self.0.shared.add_firmware(package)
    }

    /// Puts any text in the place of a file's signature, or takes it away, wherever the package carries it: offers made and
    /// requests answered from now on have the new one. Returns the changed package, if there are such a package and file.
    pub fn set_minisig(&self, firmware: u64, file: usize, text: Option<&str>) -> Option<Firmware> {
        self.0.shared.set_minisig(firmware, file, text)
    }

    /// Gives a product a remote configuration (document 89308). Blocks while it writes it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_config(&self, product_key: &str, content: &[u8]) -> Result<(), PackageError> {
        self.0.shared.set_config(product_key, content)
    }

    /// Pushes the product's remote configuration to a device and waits for its answer.
    ///
    /// # Errors
    /// When there is none, or the device does not answer.
    pub async fn push_config(&self, device: &DeviceId) -> Result<Answer, CallError> {
        self.0.shared.push_config(device, self.answer_limit()).await
    }

    /// Switches a device's log reports on or off and tells it. False if there is no such device.
    pub fn set_log_mode(&self, device: &DeviceId, on: bool) -> bool {
        self.0
            .shared
            .act(|world, now| world.set_log_mode(now, device, on))
    }

    /// Starts an OTA job and returns its number.
    ///
    /// # Errors
    /// When package or device do not exist, or the package cannot travel that way.
    pub fn start_job(&self, rollout: Rollout) -> Result<u64, JobError> {
        self.0
            .shared
            .act(|world, now| world.start_job(now, rollout))
    }

    /// Cancels all open tasks of a job. As on the platform, devices are not told.
    ///
    /// # Errors
    /// When there is no such job.
    pub fn cancel_job(&self, job: u64) -> Result<(), JobError> {
        self.0.shared.act(|world, now| world.cancel_job(now, job))
    }

    /// A job with all its tasks.
    pub fn job_state(&self, job: u64) -> Option<JobState> {
        self.0.shared.look(|world| world.job_state(job))
    }

    /// The `data` of a true offer of this package, to be changed and pushed with [`Emulator::push_raw`].
    pub fn offer(&self, firmware: &Firmware, transport: Transport) -> Value {
        self.0
            .shared
            .act(|world, now| world.offer(now, firmware, transport, &BTreeMap::new()))
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
        self.0
            .shared
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
        self.0
            .shared
            .set_property(device, &values, self.answer_limit())
            .await
    }

    /// Sets desired values; an online device is also sent a property set. False if there is no such device.
    pub fn set_desired(&self, device: &DeviceId, values: &serde_json::Map<String, Value>) -> bool {
        self.0
            .shared
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
        self.0
            .shared
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
        let limit = self.0.shared.look(|world| world.options.sync_limit);
        self.0
            .shared
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
        let limit = self.0.shared.look(|world| world.options.sync_limit);
        self.0
            .shared
            .rrpc(device, topic, payload.into(), limit)
            .await
    }

    /// What the platform knows of a device.
    pub fn device_state(&self, device: &DeviceId) -> Option<DeviceState> {
        self.0.shared.look(|world| world.device_state(device))
    }

    /// All devices.
    pub fn devices(&self) -> Vec<DeviceId> {
        self.0
            .shared
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
        self.0
            .shared
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
        self.0
            .shared
            .wait_for_entry(after, limit, what, wanted)
            .await
    }

    /// The journal, oldest first, as far as the ring keeps it.
    pub fn journal(&self) -> Vec<Entry> {
        self.0
            .shared
            .look(|world| world.journal.after(0).cloned().collect())
    }

    /// The number of the newest journal entry.
    pub fn journal_position(&self) -> u64 {
        self.0.shared.look(|world| world.journal.last())
    }

    /// Waits until somebody follows the events, as the console does in every browser that shows it. False when the time is over.
    pub async fn wait_for_follower(&self, limit: Duration) -> bool {
        let shared = &self.0.shared;
        let come = shared.wait(limit, |_| (shared.followers() > 0).then_some(()));
        come.await.is_some()
    }

    /// Writes into the journal what was seen elsewhere, at a time in ms since 1970 (now, if `None`), such as a gap that the device
    /// has measured itself; the console shows it beside its curves. False if there is no such device.
    pub fn mark(&self, device: &DeviceId, at: Option<u64>, text: &str) -> bool {
        self.0
            .shared
            .act(|world, now| world.mark(now, device, at, text.to_owned()))
    }

    /// Sets a fault, in place of one of the same name.
    pub fn fault(&self, fault: Fault) {
        self.0.shared.act(|world, _| world.faults.set(fault));
    }

    /// Clears a fault; its counter stays.
    pub fn clear_fault(&self, name: FaultName) {
        self.0.shared.act(|world, _| world.faults.clear(name));
    }

    /// Ends every connection of the firmware server that there is at this moment, in the middle of what it sends.
    pub fn hang_up_downloads(&self) {
        self.0.shared.hang_up_downloads();
    }

    /// How often a fault has struck.
    pub fn struck(&self, name: FaultName) -> u64 {
        self.0.shared.look(|world| world.faults.struck(name))
    }

    /// Every fault that was ever set.
    pub fn faults(&self) -> Vec<FaultState> {
        self.0.shared.look(|world| world.faults.states())
    }

    /// Closes a device's connection as if its identity had connected elsewhere. False if it was offline.
    pub fn kick(&self, device: &DeviceId) -> bool {
        self.0.shared.act(|world, now| world.kick(now, device))
    }

    /// Closes a device's connection as a failing network does. False if it was offline.
    pub fn drop_connection(&self, device: &DeviceId) -> bool {
        self.0
            .shared
            .act(|world, now| world.drop_connection(now, device, "dropped by the operator"))
    }

    /// Runs a future to its end, for programs without a runtime of their own.
    ///
    /// # Panics
    /// When called inside a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.threads.runtime().block_on(future)
    }

    fn answer_limit(&self) -> Duration {
        self.0.shared.look(|world| world.options.answer_limit)
    }
}
