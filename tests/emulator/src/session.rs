//! One device's MQTT session: what it wants to hear, and what it has not acknowledged yet.
//!
//! A session outlives its connections when the device asked for that (clean session 0); then QoS 1 messages wait for the next
//! connection, and those sent but not acknowledged are sent again with DUP (document 30540). No sockets here: a connection
//! is the sending end of a channel, and dropping it closes the connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rumqttc::{ConnAck, ConnectReturnCode, Packet, Publish, QoS};
use tokio::sync::mpsc;

use crate::topics;

/// Packets on their way to one connection; a device that lets more pile up is disconnected.
pub(crate) const LINE_CAPACITY: usize = 1024;
/// QoS 1 messages sent and not acknowledged; further ones wait.
const INFLIGHT: usize = 64;
/// QoS 1 messages waiting; beyond that the oldest is lost, as in any bounded offline store.
const WAITING: usize = 1000;
/// Filters a session may hold; beyond that SUBSCRIBE fails.
const FILTERS: usize = 200;

/// The way to one connection of the device.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) connection: u64,
    pub(crate) out: mpsc::Sender<Packet>,
}

/// What became of a message for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivery {
    Sent,
    /// Kept until the device acknowledges others or comes back.
    Kept,
    NotSubscribed,
    Offline,
    /// The connection does not drain and was given up.
    Overrun,
}

impl Delivery {
    /// Whether the device has it or will get it.
    pub(crate) fn took(self) -> bool {
        matches!(self, Self::Sent | Self::Kept)
    }

    /// One line for people, for the cases where nothing was delivered.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Kept => "kept for later",
            Self::NotSubscribed => "the device has not subscribed to the topic",
            Self::Offline => "the device is offline",
            Self::Overrun => "the device does not read its connection",
        }
    }
}

/// The session of one identity.
#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) line: Option<Line>,
    kept: bool,
    automatic: bool,
    /// Whether `_ss=1` covers custom-topic RRPC too (`ext` bit 0).
    custom_rrpc: bool,
    filters: BTreeMap<String, QoS>,
    /// Automatic topics the device has unsubscribed.
    declined: BTreeSet<String>,
    inflight: VecDeque<Publish>,
    waiting: VecDeque<Publish>,
    last_id: u16,
}

impl Session {
    /// Takes a new connection, which is told first that it is accepted and then whatever is owed to it.
    pub(crate) fn open(&mut self, line: Line, clean: bool, automatic: bool, custom_rrpc: bool) {
        let present = self.kept && !clean;
        if !present {
            *self = Self::default();
        }
        self.kept = !clean;
        self.automatic = automatic;
        self.custom_rrpc = custom_rrpc;
        self.line = Some(line);
        self.send(Packet::ConnAck(ConnAck::new(
            ConnectReturnCode::Success,
            present,
        )));
        for publish in &mut self.inflight {
            publish.dup = true;
        }
        for publish in self.inflight.clone() {
            self.send(Packet::Publish(publish));
        }
        self.drain();
    }

    /// The connection is gone.
    pub(crate) fn close(&mut self) {
        self.line = None;
        if !self.kept {
            *self = Self::default();
        }
    }

    /// Whether this is the number of the connection in force.
    pub(crate) fn is_on(&self, connection: u64) -> bool {
        self.line
            .as_ref()
            .is_some_and(|line| line.connection == connection)
    }

    /// Whether the device wants to hear this topic.
    pub(crate) fn wants(&self, topic: &str) -> bool {
        let explicitly = self
            .filters
            .keys()
            .any(|filter| topics::matches(filter, topic));
        let declined = || {
            self.declined
                .iter()
                .any(|filter| topics::matches(filter, topic))
        };
        let covered = self.automatic
            && topics::automatic(topic)
            && (self.custom_rrpc || !topic.starts_with("/ext/rrpc/"));
        explicitly || (covered && !declined())
    }

    /// Adds a filter; refused beyond the bound.
    pub(crate) fn subscribe(&mut self, filter: &str, qos: QoS) -> bool {
        if self.filters.len() >= FILTERS && !self.filters.contains_key(filter) {
            return false;
        }
        self.declined.remove(filter);
        self.filters.insert(filter.to_owned(), qos);
        true
    }

    /// Takes a filter away; with `_ss=1` this switches the automatic topic off too (document 197770).
    pub(crate) fn unsubscribe(&mut self, filter: &str) {
        self.filters.remove(filter);
        if self.automatic && self.declined.len() < FILTERS {
            self.declined.insert(filter.to_owned());
        }
    }

    /// Publishes to the device, once, however many of its filters match. The publisher's QoS is the one used, whatever was
    /// asked for in SUBSCRIBE (document 30540).
    pub(crate) fn deliver(&mut self, publish: Publish) -> Delivery {
        let online = self.line.is_some();
        let lasts = self.kept && publish.qos == QoS::AtLeastOnce;
        if !online && !lasts {
            return Delivery::Offline;
        }
        if !self.wants(&publish.topic) {
            return Delivery::NotSubscribed;
        }
        if publish.qos == QoS::AtMostOnce {
            return if self.send(Packet::Publish(publish)) {
                Delivery::Sent
            } else {
                Delivery::Overrun
            };
        }
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(publish);
        if !online {
            return Delivery::Kept;
        }
        self.drain();
        if self.line.is_none() {
            Delivery::Overrun
        } else if self.waiting.is_empty() {
            Delivery::Sent
        } else {
            Delivery::Kept
        }
    }

    /// The device acknowledged a QoS 1 message.
    pub(crate) fn acknowledged(&mut self, id: u16) {
        self.inflight.retain(|publish| publish.pkid != id);
        self.drain();
    }

    /// Sends anything; gives the connection up if it does not drain.
    pub(crate) fn send(&mut self, packet: Packet) -> bool {
        let sent = self
            .line
            .as_ref()
            .is_some_and(|line| line.out.try_send(packet).is_ok());
        if !sent {
            self.line = None;
        }
        sent
    }

    fn drain(&mut self) {
        while self.line.is_some() && self.inflight.len() < INFLIGHT {
            let Some(mut publish) = self.waiting.pop_front() else {
                break;
            };
            publish.pkid = self.free_id();
            self.inflight.push_back(publish.clone());
            self.send(Packet::Publish(publish));
        }
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            if self.inflight.iter().all(|publish| publish.pkid != id) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(connection: u64) -> (Line, mpsc::Receiver<Packet>) {
        let (out, inbox) = mpsc::channel(LINE_CAPACITY);
        (Line { connection, out }, inbox)
    }

    fn topics_of(inbox: &mut mpsc::Receiver<Packet>) -> Vec<(String, bool, u16)> {
        let mut seen = Vec::new();
        while let Ok(packet) = inbox.try_recv() {
            if let Packet::Publish(publish) = packet {
                seen.push((publish.topic, publish.dup, publish.pkid));
            }
        }
        seen
    }

    fn message(topic: &str, qos: QoS) -> Publish {
        Publish::new(topic, qos, "x")
    }

    #[test]
    fn automatic_and_explicit_subscription_together_deliver_once() {
        let mut session = Session::default();
        let (way, mut inbox) = line(1);
        session.open(way, true, true, true);
        session.subscribe("/ota/device/upgrade/pk/dn", QoS::AtLeastOnce);
        session.subscribe("/ota/device/+/pk/dn", QoS::AtLeastOnce);
        assert_eq!(
            session.deliver(message("/ota/device/upgrade/pk/dn", QoS::AtMostOnce)),
            Delivery::Sent
        );
        assert_eq!(topics_of(&mut inbox).len(), 1);
    }

    #[test]
    fn without_automatic_subscription_only_what_was_subscribed_arrives() {
        let mut session = Session::default();
        let (way, mut inbox) = line(1);
        session.open(way, true, false, true);
        assert_eq!(
            session.deliver(message("/sys/pk/dn/x", QoS::AtMostOnce)),
            Delivery::NotSubscribed
        );
        session.subscribe("/sys/pk/dn/#", QoS::AtMostOnce);
        assert_eq!(
            session.deliver(message("/sys/pk/dn/x", QoS::AtMostOnce)),
            Delivery::Sent
        );
        session.unsubscribe("/sys/pk/dn/#");
        assert_eq!(
            session.deliver(message("/sys/pk/dn/x", QoS::AtMostOnce)),
            Delivery::NotSubscribed
        );
        assert_eq!(topics_of(&mut inbox).len(), 1);
    }

    #[test]
    fn custom_topic_calls_come_unasked_only_to_those_who_announced_them() {
        let call = "/ext/rrpc/1/sys/pk/dn/thing/service/x";
        for announced in [true, false] {
            let mut session = Session::default();
            let (way, _inbox) = line(1);
            session.open(way, true, true, announced);
            assert_eq!(session.wants(call), announced);
            session.subscribe("/ext/rrpc/#", QoS::AtMostOnce);
            assert!(session.wants(call));
        }
    }

    #[test]
    fn an_unsubscribed_automatic_topic_stays_off_until_subscribed_again() {
        let mut session = Session::default();
        let (way, _inbox) = line(1);
        session.open(way, true, true, true);
        session.unsubscribe("/sys/pk/dn/x");
        assert!(!session.wants("/sys/pk/dn/x"));
        assert!(session.wants("/sys/pk/dn/y"));
        session.subscribe("/sys/pk/dn/x", QoS::AtMostOnce);
        assert!(session.wants("/sys/pk/dn/x"));
    }

    #[test]
    fn a_kept_session_gets_what_it_missed_and_what_it_did_not_acknowledge() {
        let mut session = Session::default();
        let (way, mut inbox) = line(1);
        session.open(way, false, false, true);
        session.subscribe("/sys/pk/dn/#", QoS::AtLeastOnce);
        session.deliver(message("/sys/pk/dn/a", QoS::AtLeastOnce));
        session.deliver(message("/sys/pk/dn/b", QoS::AtLeastOnce));
        session.acknowledged(topics_of(&mut inbox)[0].2);
        session.close();
        assert_eq!(
            session.deliver(message("/sys/pk/dn/c", QoS::AtLeastOnce)),
            Delivery::Kept
        );
        assert_eq!(
            session.deliver(message("/sys/pk/dn/d", QoS::AtMostOnce)),
            Delivery::Offline
        );

        let (way, mut inbox) = line(2);
        session.open(way, false, false, true);
        assert!(matches!(inbox.try_recv(), Ok(Packet::ConnAck(ack)) if ack.session_present));
        let seen: Vec<_> = topics_of(&mut inbox)
            .into_iter()
            .map(|(topic, dup, _)| (topic, dup))
            .collect();
        assert_eq!(
            seen,
            [
                ("/sys/pk/dn/b".to_owned(), true),
                ("/sys/pk/dn/c".to_owned(), false)
            ]
        );
    }

    #[test]
    fn a_clean_session_forgets_everything() {
        let mut session = Session::default();
        let (way, _inbox) = line(1);
        session.open(way, false, false, true);
        session.subscribe("/sys/pk/dn/#", QoS::AtLeastOnce);
        session.close();
        let (way, mut inbox) = line(2);
        session.open(way, true, false, true);
        assert!(matches!(inbox.try_recv(), Ok(Packet::ConnAck(ack)) if !ack.session_present));
        assert!(!session.wants("/sys/pk/dn/a"));
    }

    #[test]
    fn unacknowledged_messages_are_bounded_and_the_rest_waits() {
        let mut session = Session::default();
        let (way, mut inbox) = line(1);
        session.open(way, true, true, true);
        for _ in 0..INFLIGHT {
            assert_eq!(
                session.deliver(message("/sys/pk/dn/a", QoS::AtLeastOnce)),
                Delivery::Sent
            );
        }
        assert_eq!(
            session.deliver(message("/sys/pk/dn/a", QoS::AtLeastOnce)),
            Delivery::Kept
        );
        let seen = topics_of(&mut inbox);
        assert_eq!(seen.len(), INFLIGHT);
        session.acknowledged(seen[0].2);
        assert_eq!(topics_of(&mut inbox).len(), 1);
    }

    #[test]
    fn a_device_that_does_not_read_is_disconnected() {
        let mut session = Session::default();
        let (out, _inbox) = mpsc::channel(2);
        session.open(Line { connection: 1, out }, true, true, true);
        assert_eq!(
            session.deliver(message("/sys/pk/dn/a", QoS::AtMostOnce)),
            Delivery::Sent
        );
        assert_eq!(
            session.deliver(message("/sys/pk/dn/a", QoS::AtMostOnce)),
            Delivery::Overrun
        );
        assert!(session.line.is_none());
    }
}
