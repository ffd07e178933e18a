//! The MQTT session: one connection per order, and no will of its own.
//!
//! The MQTT library would connect again and send again by itself. Here each `Connect` gets a fresh client that is thrown away when its
//! connection ends, so that nothing in flight outlives it: the brain alone decides when to connect and what to publish
//! again.

pub(crate) mod loss;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rumqttc::{
    AsyncClient, ClientError, Event as Mqtt, EventLoop, MqttOptions, Outgoing, Packet, QoS,
    SubscribeFilter, SubscribeReasonCode, TlsConfiguration, Transport,
};
use supervisor_core::{
    alink::{
        codec::LONGEST_PAYLOAD,
        topics::{Qos, Subscription},
    },
    event::{CloudLoss, Event, Ticket},
};
use tokio::{sync::Notify, task::JoinHandle};

use super::{Events, report, tls};
use crate::config;

/// How many messages may wait for the network. At the bound the connection is too slow to be of use: it is given up, and the brain
/// told, which publishes again what it must.
const MOST_WAITING: usize = 256;

/// How many messages may be published and not acknowledged; further ones wait.
const MOST_IN_FLIGHT: u16 = 64;

/// Room for a packet's header and topic beside the largest payload, in bytes.
const PACKET_MARGIN: usize = 4096;

/// The longest wait for a connection, its login included, and for a packet to leave.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const GOODBYE_LIMIT: Duration = Duration::from_millis(500);

/// Tickets of messages that have not been sent yet, in order.
type Waiting = Arc<Mutex<VecDeque<Ticket>>>;

/// The link to the cloud.
#[derive(Debug)]
pub(crate) struct Cloud {
    settings: config::Cloud,
    events: Events,
    session: Option<Session>,
    accepted: Arc<Notify>,
}

/// One connection.
#[derive(Debug)]
struct Session {
    client: AsyncClient,
    waiting: Waiting,
    task: JoinHandle<()>,
}

impl Cloud {
    pub(crate) fn new(settings: config::Cloud, events: Events) -> Self {
        Self {
            settings,
            events,
            session: None,
            accepted: Arc::default(),
        }
    }

    /// Has a permit from the first login on that the broker accepted: it knows the device by this secret.
    pub(crate) fn accepted(&self) -> Arc<Notify> {
        Arc::clone(&self.accepted)
    }

    /// Answered by `CloudUp` or `CloudDown`.
    pub(crate) fn connect(&mut self) {
        if let Some(former) = self.session.take() {
            former.task.abort();
        }
        let (client, mut link) = AsyncClient::new(self.options(), MOST_WAITING);
        link.network_options.set_tcp_nodelay(true);
        link.network_options
            .set_connection_timeout(CONNECT_LIMIT.as_secs());
        let waiting = Waiting::default();
        let talk = Talk {
            link,
            address: format!("{}:{}", self.settings.host, self.settings.port),
            waiting: Arc::clone(&waiting),
            in_flight: HashMap::new(),
            events: self.events.clone(),
            accepted: Arc::clone(&self.accepted),
        };
        let task = tokio::spawn(talk.run(self.settings.trust.clone()));
        self.session = Some(Session {
            client,
            waiting,
            task,
        });
    }

    pub(crate) fn subscribe(&mut self, topics: Vec<Subscription>) {
        let filters = topics.into_iter().map(|topic| {
            let quality = match topic.qos {
                Qos::AtMostOnce => QoS::AtMostOnce,
                Qos::AtLeastOnce => QoS::AtLeastOnce,
            };
            SubscribeFilter::new(topic.filter, quality)
        });
        if let Some(session) = &self.session {
            let asked = session.client.try_subscribe_many(filters);
            self.check(&asked, "subscription");
        }
    }

    /// With a ticket at QoS 1, answered by `Published` or `CloudDown`. Without a connection nothing happens: the brain has been
    /// told that there is none, or is about to be.
    pub(crate) fn publish(&mut self, ticket: Option<Ticket>, topic: String, payload: Vec<u8>) {
        if payload.len() > LONGEST_PAYLOAD {
            // A packet over the limit would cost the whole connection.
            tracing::error!(
                topic,
                bytes = payload.len(),
                "a message is too long and is not published"
            );
            return;
        }
        let Some(session) = &self.session else { return };
        let qos = match ticket {
            Some(ticket) => {
                lock(&session.waiting).push_back(ticket);
                QoS::AtLeastOnce
            }
            None => QoS::AtMostOnce,
        };
        let asked = session.client.try_publish(topic, qos, false, payload);
        if asked.is_err() && ticket.is_some() {
            lock(&session.waiting).pop_back();
        }
        self.check(&asked, "message");
    }

    /// Says goodbye; nothing is reported of this connection any more.
    pub(crate) fn disconnect(&mut self) {
        let Some(session) = &self.session else { return };
        if session.client.try_disconnect().is_err() {
            session.task.abort();
            self.session = None;
        }
    }

    /// Waits for a goodbye that is on its way, for a short time.
    pub(crate) async fn end(mut self) {
        self.disconnect();
        if let Some(session) = self.session.take() {
            let abort = session.task.abort_handle();
            if tokio::time::timeout(GOODBYE_LIMIT, session.task)
                .await
                .is_err()
            {
                abort.abort();
            }
        }
    }

    fn check(&mut self, asked: &Result<(), ClientError>, what: &str) {
        match asked {
            Ok(()) => {}
            Err(ClientError::Request(_)) => tracing::error!("a {what} has a topic that cannot be"),
            Err(ClientError::TryRequest(_)) => {
                let Some(session) = self.session.take_if(|session| !session.task.is_finished())
                else {
                    return; // Its end is being reported.
                };
                session.task.abort();
                let loss = CloudLoss::Broken(format!(
                    "{}:{}: {MOST_WAITING} messages wait, the connection is too slow",
                    self.settings.host, self.settings.port
                ));
                report(&self.events, Event::CloudDown { loss });
            }
        }
    }

    fn options(&self) -> MqttOptions {
        let login = &self.settings.login;
        let mut options =
            MqttOptions::new(&login.client_id, &self.settings.host, self.settings.port);
        options
            .set_credentials(&login.username, &login.password)
            .set_keep_alive(self.settings.keepalive)
            .set_clean_session(true)
            .set_inflight(MOST_IN_FLIGHT)
            .set_max_packet_size(
                LONGEST_PAYLOAD + PACKET_MARGIN,
                LONGEST_PAYLOAD + PACKET_MARGIN,
            );
        options
    }
}

/// The task of one connection.
struct Talk {
    link: EventLoop,
    address: String,
    waiting: Waiting,
    in_flight: HashMap<u16, Ticket>,
    events: Events,
    accepted: Arc<Notify>,
}

impl Talk {
    async fn run(mut self, trust: Option<config::Trust>) {
        if let Some(loss) = self.converse(trust).await {
            // Fails only when the spine has ended.
            let _ = self.events.send(Event::CloudDown { loss }).await;
        }
    }

    /// Ends with the loss, or with nothing after a goodbye of ours.
    async fn converse(&mut self, trust: Option<config::Trust>) -> Option<CloudLoss> {
        let is_plain = trust.is_none();
        if let Some(trust) = trust {
            let config = tokio::task::spawn_blocking(move || tls::client(&trust))
                .await
                .ok()?;
            let config = match config {
                Ok(config) => TlsConfiguration::Rustls(Arc::new(config)),
                Err(why) => {
                    return Some(CloudLoss::Broken(format!(
                        "{}: {}",
                        self.address,
                        super::chain(&why)
                    )));
                }
            };
            self.link.mqtt_options.set_transport(Transport::Tls(config));
        }
        let mut accepted = false;
        loop {
            let event = match self.link.poll().await {
                Ok(Mqtt::Incoming(Packet::ConnAck(_))) => {
                    accepted = true;
                    self.accepted.notify_one();
                    Some(Event::CloudUp)
                }
                Ok(Mqtt::Incoming(Packet::Publish(message))) => Some(Event::Arrived {
                    topic: message.topic,
                    payload: message.payload.to_vec(),
                }),
                Ok(Mqtt::Outgoing(Outgoing::Publish(id))) if id != 0 => {
                    if let Some(ticket) = lock(&self.waiting).pop_front() {
                        self.in_flight.insert(id, ticket);
                    }
                    None
                }
                Ok(Mqtt::Incoming(Packet::PubAck(ack))) => {
                    let ticket = self.in_flight.remove(&ack.pkid);
                    ticket.map(|ticket| Event::Published { ticket })
                }
                Ok(Mqtt::Incoming(Packet::SubAck(ack))) => {
                    let refused = ack
                        .return_codes
                        .iter()
                        .filter(|code| **code == SubscribeReasonCode::Failure);
                    let refused = refused.count();
                    if refused > 0 {
                        tracing::warn!(
                            refused,
                            of = ack.return_codes.len(),
                            "the broker refused subscriptions"
                        );
                    }
                    None
                }
                Ok(Mqtt::Outgoing(Outgoing::Disconnect)) => return None,
                Ok(_) => None,
                Err(error) => return Some(loss::of(&error, accepted, is_plain, &self.address)),
            };
            if let Some(event) = event {
                // Fails only when the spine has ended; then there is nobody to talk for.
                self.events.send(event).await.ok()?;
            }
        }
    }
}

fn lock(waiting: &Waiting) -> std::sync::MutexGuard<'_, VecDeque<Ticket>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}
