//! The topics of one device: building them, subscribing to them, and telling one that arrived from another.
//!
//! A topic is built only from parts that were checked, so that no name from a worker or from the cloud can reach another
//! device's topics or slip in a wildcard. A topic that arrives is compared byte by byte; whatever is not exactly one of ours
//! is [`Route::Foreign`], which also covers our own replies: an ordinary broker hands them back to us, because
//! `thing/service/+` matches `thing/service/{id}_reply`.

use std::fmt;

use thiserror::Error;

use super::login::Identity;
use super::shown;

/// Longer topics are not looked at, in bytes. The longest of ours have two identities' parts and two identifiers.
const LONGEST_TOPIC: usize = 512;

/// One level of a topic that names a service, an event, or one call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identifier(String);

impl Identifier {
    /// The longest identifier, in characters.
    pub const LONGEST: usize = 64;

    /// Takes 1 to 64 ASCII letters, digits, `_`, `-`, `.` and `:` (which joins a block's name to its member's).
    ///
    /// # Errors
    /// The text is empty, too long, or holds another character.
    pub fn new(text: &str) -> Result<Self, IdentifierFault> {
        let allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
        if text.is_empty() || text.len() > Self::LONGEST || !text.bytes().all(allowed) {
            return Err(IdentifierFault { text: shown(text) });
        }
        Ok(Self(text.to_owned()))
    }

    /// The identifier's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Identifier> for String {
    fn from(identifier: Identifier) -> Self {
        identifier.0
    }
}

/// The text cannot be a level of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the identifier `{text}` is not 1 to 64 letters, digits, `_`, `-`, `.` and `:`")]
pub struct IdentifierFault {
    text: String,
}

/// What a request from the cloud wants the worker to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Take new values for properties.
    SetProperties,
    /// Run the named service.
    Call(Identifier),
}

/// What a topic that arrived is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// An offer is pushed.
    Upgrade,
    /// The answer to our question for an offer.
    FirmwareReply,
    /// A block of a file, or why there is none.
    FileReply,
    /// The platform acknowledges a property post.
    PropertyReply,
    /// The platform acknowledges an event.
    EventReply {
        /// Which event.
        id: Identifier,
    },
    /// New values for properties, answered on the set's reply topic.
    PropertySet,
    /// An asynchronous service call, answered on the service's reply topic.
    Service {
        /// Which service.
        id: Identifier,
    },
    /// A synchronous call; its payload says of what. Answered on [`Topics::rrpc_response`].
    RrpcRequest {
        /// Which call.
        message_id: Identifier,
    },
    /// A synchronous call whose topic says of what. Answered on the very topic it came on.
    ExtRrpc {
        /// Which call.
        message_id: Identifier,
        /// What it wants.
        action: Action,
        /// The topic as it came, to answer on.
        topic: String,
    },
    /// Not for us.
    Foreign,
}

/// How surely a delivery is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos {
    /// Never twice, perhaps not at all.
    AtMostOnce = 0,
    /// Surely, perhaps twice.
    AtLeastOnce = 1,
}

/// One topic filter to subscribe to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The filter, perhaps with wildcards.
    pub filter: String,
    /// The highest quality of service wanted.
    pub qos: Qos,
}

/// The topics of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// `{product key}/{device name}`.
    device: String,
    /// `/sys/{product key}/{device name}/`.
    sys: String,
}

impl Topics {
    /// The topics of this identity.
    #[must_use]
    pub fn new(identity: &Identity) -> Self {
        let device = format!("{}/{}", identity.product_key(), identity.device_name());
        Self {
            sys: format!("/sys/{device}/"),
            device,
        }
    }

    /// Up: which version runs.
    #[must_use]
    pub fn inform(&self) -> String {
        format!("/ota/device/inform/{}", self.device)
    }

    /// Down: an offer.
    #[must_use]
    pub fn upgrade(&self) -> String {
        format!("/ota/device/upgrade/{}", self.device)
    }

    /// Up: how far an update is, or why it failed.
    #[must_use]
    pub fn progress(&self) -> String {
        format!("/ota/device/progress/{}", self.device)
    }

    /// Up: is there an offer?
    #[must_use]
    pub fn firmware_get(&self) -> String {
        self.thing("ota/firmware/get")
    }

    /// Up: may I have a block of the offered file?
    #[must_use]
    pub fn file_download(&self) -> String {
        self.thing("file/download")
    }

    /// Up: values of properties.
    #[must_use]
    pub fn property_post(&self) -> String {
        self.thing("event/property/post")
    }

    /// Up: the answer to a property set.
    #[must_use]
    pub fn property_set_reply(&self) -> String {
        self.thing("service/property/set_reply")
    }

    /// Up: something happened.
    #[must_use]
    pub fn event_post(&self, event: &Identifier) -> String {
        self.thing(&format!("event/{event}/post"))
    }

    /// Up: lines of the log.
    #[must_use]
    pub fn log_post(&self) -> String {
        self.thing("log/post")
    }

    /// Up: the answer to an asynchronous service call.
    #[must_use]
    pub fn service_reply(&self, service: &Identifier) -> String {
        self.thing(&format!("service/{service}_reply"))
    }

    /// Up: the answer to a synchronous call.
    #[must_use]
    pub fn rrpc_response(&self, message_id: &Identifier) -> String {
        format!("{}rrpc/response/{message_id}", self.sys)
    }

    /// What to subscribe to after every CONNACK.
    ///
    /// On the platform the quality of service asked for has no effect (platform document 30540); on an ordinary broker it
    /// caps the publisher's. Offers and property sets may come twice, since both mean the same the second time. Calls may
    /// not: `toggle_door` delivered twice leaves the door as it was, whereas a caller whose call is lost sees it time out. Nor
    /// need blocks of a file: one that is lost is asked for again.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<Subscription> {
        use Qos::{AtLeastOnce, AtMostOnce};
        let wanted = [
            (self.upgrade(), AtLeastOnce),
            (self.thing("ota/firmware/get_reply"), AtLeastOnce),
            (self.thing("file/download_reply"), AtMostOnce),
            (self.thing("event/+/post_reply"), AtMostOnce),
            (self.thing("service/property/set"), AtLeastOnce),
            (self.thing("service/+"), AtMostOnce),
            (format!("{}rrpc/request/+", self.sys), AtMostOnce),
            (
                format!("/ext/rrpc/+{}thing/service/+", self.sys),
                AtMostOnce,
            ),
            (
                format!("/ext/rrpc/+{}thing/service/property/set", self.sys),
                AtMostOnce,
            ),
        ];
        wanted
            .into_iter()
            .map(|(filter, qos)| Subscription { filter, qos })
            .collect()
    }

    /// Tells what a topic that arrived is for.
    #[must_use]
    pub fn parse(&self, topic: &str) -> Route {
        if topic.len() > LONGEST_TOPIC {
            return Route::Foreign;
        }
        self.ours(topic).unwrap_or(Route::Foreign)
    }

    fn ours(&self, topic: &str) -> Option<Route> {
        if let Some(device) = topic.strip_prefix("/ota/device/upgrade/") {
            return (device == self.device).then_some(Route::Upgrade);
        }
        if let Some(call) = topic.strip_prefix("/ext/rrpc/") {
            let (message_id, _) = call.split_once('/')?;
            let inner = call[message_id.len()..].strip_prefix(&self.sys)?;
            let action = action(inner.strip_prefix("thing/service/")?)?;
            let message_id = Identifier::new(message_id).ok()?;
            return Some(Route::ExtRrpc {
                message_id,
                action,
                topic: topic.to_owned(),
            });
        }
        let level = topic.strip_prefix(&self.sys)?;
        if let Some(message_id) = level.strip_prefix("rrpc/request/") {
            return Some(Route::RrpcRequest {
                message_id: Identifier::new(message_id).ok()?,
            });
        }
        match level.strip_prefix("thing/")? {
            "ota/firmware/get_reply" => Some(Route::FirmwareReply),
            "file/download_reply" => Some(Route::FileReply),
            "event/property/post_reply" => Some(Route::PropertyReply),
            level => {
                if let Some(event) = level.strip_prefix("event/") {
                    let id = Identifier::new(event.strip_suffix("/post_reply")?).ok()?;
                    return Some(Route::EventReply { id });
                }
                Some(match action(level.strip_prefix("service/")?)? {
                    Action::SetProperties => Route::PropertySet,
                    Action::Call(id) => Route::Service { id },
                })
            }
        }
    }

    fn thing(&self, level: &str) -> String {
        format!("{}thing/{level}", self.sys)
    }
}

/// What follows `thing/service/`. No service may be named like a reply: it could not be told from one.
fn action(level: &str) -> Option<Action> {
    match level {
        "property/set" => Some(Action::SetProperties),
        service if service.ends_with("_reply") => None,
        service => Identifier::new(service).ok().map(Action::Call),
    }
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
