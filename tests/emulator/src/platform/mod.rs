//! The platform: products, devices, packages, jobs, and what each message of a device means to them.
//!
//! Everything here happens at once, under one lock, with the time as an argument; nothing waits and nothing does input or
//! output except that a file block asked for over MQTT (at most 128 KiB) is read in place. Connections and the HTTP API are
//! thin shells around it.

mod blocks;
mod keep;
mod login;
mod misc;
pub(crate) mod offer;
pub(crate) mod rollout;
pub(crate) mod task;
pub(crate) mod thing;
pub(crate) mod updates;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;
use rumqttc::{Packet, Publish, QoS, SubAck, SubscribeReasonCode, UnsubAck};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::faults::{FaultName, Faults};
use crate::firmware::{Firmware, UrlKey};
use crate::journal::{Journal, Message, What};
use crate::kept::Kept;
use crate::login::DeviceId;
use crate::options::Options;
use crate::random::Random;
use crate::session::{Delivery, Session};
use crate::state::{Counters, Desired, DeviceState, Event, Progress, Property};
use crate::topics::{self, Down, Uplink};
use crate::wire::{Envelope, reply};

pub(crate) use keep::Changed;
pub(crate) use login::Admission;
use misc::StoredConfig;
pub(crate) use task::Millis;
pub(crate) use updates::Job;

/// Answers waited for, per device; a further call fails.
const AWAITED: usize = 1000;
/// Events kept per device.
const EVENTS: usize = 256;
/// Progress reports kept per device.
const PROGRESS: usize = 1000;
/// Properties, tags or desired values kept per device, so that a device gone wild costs bounded memory.
const NAMES: usize = 2000;

/// What a product is.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Product {
    /// For dynamic registration; off if `None`.
    secret: Option<String>,
    config: Option<StoredConfig>,
}

/// A device with all the platform knows of it. What is skipped ends with the emulator, whatever it keeps.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) secret: String,
    pub(crate) enabled: bool,
    /// Client id and token given by registration without a list.
    token: Option<(String, String)>,
    #[serde(skip)]
    session: Session,
    #[serde(skip)]
    counters: Counters,
    versions: BTreeMap<String, String>,
    properties: BTreeMap<String, Property>,
    desired: BTreeMap<String, Desired>,
    desired_version: u64,
    tags: BTreeMap<String, String>,
    #[serde(skip)]
    events: VecDeque<Event>,
    #[serde(skip)]
    progress: VecDeque<Progress>,
    #[serde(skip)]
    awaited: HashMap<Awaited, oneshot::Sender<Bytes>>,
    log_mode: u8,
}

/// An answer of the device somebody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    /// To a property set, by request id.
    Set(String),
    /// To an asynchronous service call, by request id.
    Service(String),
    /// To a remote configuration push, by request id.
    Config(String),
    /// To a synchronous call, by message id.
    Rrpc(String),
}

/// Where the firmware servers listen, for the URLs in offers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Links {
    pub(crate) plain: SocketAddr,
    pub(crate) tls: Option<SocketAddr>,
}

/// Everything.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) products: BTreeMap<String, Product>,
    pub(crate) devices: BTreeMap<DeviceId, Device>,
    pub(crate) firmware: BTreeMap<u64, Firmware>,
    pub(crate) jobs: BTreeMap<u64, Job>,
    pub(crate) faults: Faults,
    pub(crate) journal: Journal,
    pub(crate) links: Links,
    pub(crate) url_key: UrlKey,
    pub(crate) folder: PathBuf,
    secrets: Random,
    numbers: u64,
    /// The state folder, if there is one, and what is to be written to it.
    kept: Option<Kept>,
    changed: BTreeSet<Changed>,
    /// Up to which number those that are used are written there.
    numbers_kept: u64,
}

impl World {
    pub(crate) fn new(options: Options, links: Links, folder: PathBuf) -> Self {
        let mut secrets = Random::unseeded();
        Self {
            products: BTreeMap::new(),
            devices: BTreeMap::new(),
            firmware: BTreeMap::new(),
            jobs: BTreeMap::new(),
            faults: Faults::default(),
            journal: Journal::new(options.journal_capacity),
            links,
            url_key: UrlKey(secrets.hex(64)),
            folder,
            secrets,
            numbers: 0,
            kept: None,
            changed: BTreeSet::new(),
            numbers_kept: 0,
            options,
        }
    }

    /// Creates the product, or gives an existing one another secret for dynamic registration; `None` switches it off.
    pub(crate) fn add_product(&mut self, key: &str, secret: Option<&str>) {
        self.products.entry(key.to_owned()).or_default().secret = secret.map(str::to_owned);
        self.keep(Changed::Product(key.to_owned()));
    }

    /// Creates the device, or gives an existing one another secret; its product comes into being with it.
    pub(crate) fn add_device(&mut self, id: &DeviceId, secret: Option<&str>) -> String {
        self.products.entry(id.product_key.clone()).or_default();
        self.keep(Changed::Product(id.product_key.clone()));
        self.keep(Changed::Device(id.clone()));
        let secret = secret.map_or_else(|| self.secrets.hex(32), str::to_owned);
        let device = self.devices.entry(id.clone()).or_insert_with(Device::new);
        device.secret.clone_from(&secret);
        secret
    }

    pub(crate) fn device_state(&self, id: &DeviceId) -> Option<DeviceState> {
        let device = self.devices.get(id)?;
        let connection = device.session.line.as_ref().map(|line| line.connection);
        Some(DeviceState {
            id: id.clone(),
            enabled: device.enabled,
            online: connection.is_some(),
            connection,
            counters: device.counters,
            versions: device.versions.clone(),
            properties: device.properties.clone(),
            desired: device.desired.clone(),
            tags: device.tags.clone(),
            events: device.events.iter().cloned().collect(),
            tasks: self.task_views(|device| device == id),
            progress: device.progress.iter().cloned().collect(),
        })
    }

    /// Writes down what was seen elsewhere. False if there is no such device.
    pub(crate) fn mark(
        &mut self,
        now: Millis,
        id: &DeviceId,
        at: Option<Millis>,
        text: String,
    ) -> bool {
        let known = self.devices.contains_key(id);
        if known {
            let at = at.unwrap_or(now);
            self.journal.write(now, Some(id), What::Mark { text, at });
        }
        known
    }

    /// Publishes to a device, and writes down what became of it.
    pub(crate) fn publish(
        &mut self,
        now: Millis,
        id: &DeviceId,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
    ) -> Delivery {
        let publish = Publish::from_bytes(topic, qos, payload.into());
        let message = Message::new(&publish);
        let Some(device) = self.devices.get_mut(id) else {
            return Delivery::Offline;
        };
        let was_on = device.session.line.as_ref().map(|line| line.connection);
        let delivery = device.session.deliver(publish);
        if delivery.took() {
            device.counters.delivered += 1;
            self.journal.write(now, Some(id), What::Out(message));
        } else {
            let reason = delivery.reason().to_owned();
            self.journal
                .write(now, Some(id), What::Undelivered { reason, message });
        }
        if let (Delivery::Overrun, Some(connection)) = (delivery, was_on) {
            self.left(now, id, connection, "it does not read its connection");
        }
        delivery
    }

    /// Answers a request on `{topic}_reply`, unless the sender said it wants no answer.
    fn answer(
        &mut self,
        now: Millis,
        id: &DeviceId,
        topic: &str,
        request: &Envelope,
        outcome: Result<Value, Fail>,
    ) {
        if !request.ack {
            return;
        }
        let method = request.whole["method"].as_str();
        let text = match outcome {
            Ok(data) => reply(&request.id, method, 200, &data, "success"),
            Err(Fail(code, message)) => reply(&request.id, method, code, &json!({}), &message),
        };
        self.publish(now, id, &format!("{topic}_reply"), text, QoS::AtMostOnce);
    }

    /// A packet came in on a connection.
    ///
    /// # Errors
    /// The reason why the connection must be closed.
    pub(crate) fn packet(
        &mut self,
        now: Millis,
        id: &DeviceId,
        connection: u64,
        packet: Packet,
    ) -> Result<(), String> {
        let device = self.devices.get_mut(id).ok_or("the device was removed")?;
        if !device.session.is_on(connection) {
            return Err("another session took over".to_owned());
        }
        match packet {
            Packet::Publish(publish) => return self.published(now, id, &publish),
            Packet::PubAck(ack) => device.session.acknowledged(ack.pkid),
            Packet::Subscribe(subscribe) => {
                let mut codes = Vec::new();
                for filter in &subscribe.filters {
                    // QoS 2 is not offered; asking for it is granted as 1, as MQTT allows.
                    let qos = if filter.qos == QoS::AtMostOnce {
                        QoS::AtMostOnce
                    } else {
                        QoS::AtLeastOnce
                    };
                    let granted = topics::is_filter(&filter.path)
                        && topics::owns(id, &filter.path)
                        && device.session.subscribe(&filter.path, qos);
                    codes.push(if granted {
                        SubscribeReasonCode::Success(qos)
                    } else {
                        SubscribeReasonCode::Failure
                    });
                    self.journal.write(
                        now,
                        Some(id),
                        What::Subscribe {
                            filter: filter.path.clone(),
                            granted,
                        },
                    );
                }
                device
                    .session
                    .send(Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
                self.push_due(now, id);
            }
            Packet::Unsubscribe(unsubscribe) => {
                for filter in unsubscribe.topics {
                    device.session.unsubscribe(&filter);
                    self.journal
                        .write(now, Some(id), What::Unsubscribe { filter });
                }
                device
                    .session
                    .send(Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            }
            Packet::PingReq => {
                device.counters.pings += 1;
                device.session.send(Packet::PingResp);
            }
            Packet::Disconnect => return Err("the device disconnected".to_owned()),
            Packet::Connect(_) => return Err("it sent a second CONNECT".to_owned()),
            other => return Err(format!("it sent a packet no device may send: {other:?}")),
        }
        Ok(())
    }

    fn published(&mut self, now: Millis, id: &DeviceId, publish: &Publish) -> Result<(), String> {
        let device = self.devices.get_mut(id).ok_or("the device was removed")?;
        device.counters.published += 1;
        self.journal
            .write(now, Some(id), What::In(Message::new(publish)));
        if publish.qos == QoS::ExactlyOnce {
            return Err("it published with QoS 2, which is not offered".to_owned());
        }
        if publish.payload.len() > self.options.payload_limit {
            return Err(format!(
                "it published {} bytes, over the limit",
                publish.payload.len()
            ));
        }
        if self.faults.strike(FaultName::DropConnection).is_some() {
            return Err("fault drop-connection".to_owned());
        }
        match topics::uplink(id, &publish.topic) {
            Some(meaning) => self.meant(now, id, meaning, publish),
            None => self.journal.note(
                now,
                Some(id),
                format!("`{}` is not the device's own topic (6813)", publish.topic),
            ),
        }
        // What a device is told to have arrived is never forgotten.
        self.write_changes();
        if publish.qos == QoS::AtLeastOnce
            && self.faults.strike(FaultName::WithholdPuback).is_none()
            && let Some(device) = self.devices.get_mut(id)
        {
            device
                .session
                .send(Packet::PubAck(rumqttc::PubAck::new(publish.pkid)));
        }
        Ok(())
    }

    fn meant(&mut self, now: Millis, id: &DeviceId, meaning: Uplink<'_>, publish: &Publish) {
        // Answers to calls go to whoever waits, as they are.
        match meaning {
            Uplink::RrpcResponse(call) | Uplink::CustomRrpcResponse(call) => {
                return self.answered(now, id, &Awaited::Rrpc(call.to_owned()), &publish.payload);
            }
            Uplink::Silent if !publish.topic.ends_with("/thing/config/push_reply") => return,
            _ => {}
        }
        let request = match Envelope::read(&publish.payload) {
            Ok(request) => request,
            Err(error) => {
                self.journal.note(
                    now,
                    Some(id),
                    format!("unreadable payload on `{}`: {error}", publish.topic),
                );
                return;
            }
        };
        let outcome = match meaning {
            Uplink::PropertyPost => self.property_post(now, id, &request.params),
            Uplink::EventPost(name) => self.event_post(now, id, name, &request.params),
            Uplink::BatchPost => self.batch_post(now, id, &request.params),
            Uplink::HistoryPost => self.history_post(now, id, &request.params),
            Uplink::DesiredGet => self.desired_get(id, &request.params),
            Uplink::DesiredDelete => self.desired_delete(id, &request.params),
            Uplink::TagsUpdate => self.tags_update(id, &request.params),
            Uplink::TagsDelete => self.tags_delete(id, &request.params),
            Uplink::ConfigGet => self.config_get(now, id),
            Uplink::LogConfigGet => self.log_config_get(id),
            Uplink::LogPost => Ok(json!({})),
            Uplink::FirmwareGet => self.firmware_get(now, id, &request.params),
            Uplink::Unknown => Err(Fail(6813, "topic illegal".to_owned())),
            Uplink::PropertySetReply => {
                return self.answered(now, id, &Awaited::Set(request.id), &publish.payload);
            }
            Uplink::ServiceReply(_) => {
                return self.answered(now, id, &Awaited::Service(request.id), &publish.payload);
            }
            Uplink::Inform => return self.inform(now, id, &request.params),
            Uplink::Progress => return self.progress(now, id, &request.params),
            Uplink::OtaRequest => return self.ota_request(now, id, &request.params),
            Uplink::FileDownload => return self.file_download(now, id, &request),
            Uplink::Ntp => return self.ntp(now, id, &request.whole),
            Uplink::Silent => {
                return self.answered(now, id, &Awaited::Config(request.id), &publish.payload);
            }
            Uplink::RrpcResponse(_) | Uplink::CustomRrpcResponse(_) => return,
        };
        self.answer(now, id, &publish.topic, &request, outcome);
    }

    /// Hands an answer to whoever waits for it. An answer nobody waits for (too late, or never asked) is dropped.
    fn answered(&mut self, now: Millis, id: &DeviceId, awaited: &Awaited, payload: &Bytes) {
        let waiting = self
            .devices
            .get_mut(id)
            .and_then(|device| device.awaited.remove(awaited));
        let taken = waiting.is_some_and(|waiting| waiting.send(payload.clone()).is_ok());
        if !taken {
            self.journal.note(
                now,
                Some(id),
                format!("nobody waits for the answer {awaited:?}"),
            );
        }
    }

    /// Registers interest in an answer; `None` when too many are waited for already.
    pub(crate) fn expect_answer(
        &mut self,
        id: &DeviceId,
        awaited: Awaited,
    ) -> Option<oneshot::Receiver<Bytes>> {
        let device = self.devices.get_mut(id)?;
        device.awaited.retain(|_, waiting| !waiting.is_closed());
        if device.awaited.len() >= AWAITED {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        device.awaited.insert(awaited, sender);
        Some(receiver)
    }

    /// Where the platform publishes to this device.
    fn down(id: &DeviceId) -> Down<'_> {
        Down(id)
    }
}

/// Why a request is answered with another code than 200 (document 120329).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fail(i64, String);

impl Device {
    fn new() -> Self {
        Self {
            secret: String::new(),
            enabled: true,
            token: None,
            session: Session::default(),
            counters: Counters::default(),
            versions: BTreeMap::new(),
            properties: BTreeMap::new(),
            desired: BTreeMap::new(),
            desired_version: 0,
            tags: BTreeMap::new(),
            events: VecDeque::new(),
            progress: VecDeque::new(),
            awaited: HashMap::new(),
            log_mode: 0,
        }
    }

    /// The number of the present connection.
    pub(crate) fn connection(&self) -> Option<u64> {
        self.session.line.as_ref().map(|line| line.connection)
    }
}

/// Adds to a list of bounded length, forgetting the oldest.
fn keep<T>(list: &mut VecDeque<T>, item: T, bound: usize) {
    if list.len() == bound {
        list.pop_front();
    }
    list.push_back(item);
}
