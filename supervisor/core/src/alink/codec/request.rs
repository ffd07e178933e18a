//! What the cloud wants of the worker: new values for properties, or a service to be run.
//!
//! A request that cannot be understood is answered rather than dropped, because its caller waits; therefore a fault keeps
//! the id and knows the answer. The exception is a message that is itself an answer: a synchronous call is answered on the
//! topic it came on, where an ordinary broker hands our own words back to us, and answering those would never end.

use serde_json::Value as Json;
use thiserror::Error;
use worker_protocol::ValueMap;

use super::read::{Fields, ReadFault, found, id, object, rescued_id};
use super::value::{Omitted, read_value};
use super::{Id, MOST_VALUES, reply_refused};
use crate::alink::topics::{Action, Identifier};

/// A request, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// To be echoed in the answer.
    pub id: Id,
    /// The new values, or the service's arguments.
    pub params: ValueMap,
}

/// A request that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct RequestFault {
    /// What is wrong with it.
    pub kind: RequestFaultKind,
    /// Its id, if that could be read; none if the message must not be answered.
    pub id: Option<Id>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestFaultKind {
    /// The message is an answer, most likely our own. It must never be answered.
    #[error("the message is an answer, not a request")]
    Answer,
    /// The payload or its id cannot be read.
    #[error(transparent)]
    Read(#[from] ReadFault),
    /// The parameters are not an object.
    #[error("`params` is {found}, not an object")]
    Params {
        /// What they are.
        found: String,
    },
    /// A parameter is not a value.
    #[error(transparent)]
    Value(#[from] Omitted),
    /// A property set sets nothing.
    #[error("`params` is empty")]
    Empty,
    /// There are too many parameters.
    #[error("`params` has {count} members, at most {MOST_VALUES} are allowed")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// The payload of a synchronous call does not say of what.
    #[error("`method` is {found}, neither a service nor a property set")]
    Method {
        /// What it is.
        found: String,
    },
}

impl RequestFault {
    /// The platform's code for this fault (platform document 120329): 400 bad request, 460 bad parameters, 6450 no method.
    #[must_use]
    pub fn code(&self) -> u32 {
        match self.kind {
            RequestFaultKind::Answer | RequestFaultKind::Read(_) => 400,
            RequestFaultKind::Method { .. } => 6450,
            RequestFaultKind::Params { .. }
            | RequestFaultKind::Value(_)
            | RequestFaultKind::Empty
            | RequestFaultKind::TooMany { .. } => 460,
        }
    }

    /// The message to answer with. `None` if there is no id to answer to, or if the message was itself an answer.
    #[must_use]
    pub fn answer(&self) -> Option<Vec<u8>> {
        let id = self.id.as_ref()?;
        Some(reply_refused(id, self.code(), &self.to_string()))
    }
}

/// Reads new values for properties; there is at least one.
///
/// # Errors
/// The payload is not such a request, or one of its values is none.
pub fn parse_property_set(payload: &[u8]) -> Result<Request, RequestFault> {
    not_empty(read(payload)?.1)
}

/// Reads the arguments of a service call; which service, the topic says.
///
/// # Errors
/// The payload is not such a request, or one of its arguments is no value.
pub fn parse_service_call(payload: &[u8]) -> Result<Request, RequestFault> {
    Ok(read(payload)?.1)
}

/// Reads a synchronous call whose payload says of what (`thing.service.{id}` or `thing.service.property.set`).
///
/// # Errors
/// The payload is not such a request, names no service, or one of its arguments is no value.
pub fn parse_rrpc(payload: &[u8]) -> Result<(Action, Request), RequestFault> {
    let (method, request) = read(payload)?;
    let action = match method.as_ref().and_then(Json::as_str).and_then(action) {
        Some(action) => action,
        None => {
            let found = method.as_ref().map_or_else(|| "missing".into(), found);
            return Err(RequestFault {
                kind: RequestFaultKind::Method { found },
                id: Some(request.id),
            });
        }
    };
    match action {
        Action::SetProperties => not_empty(request).map(|request| (action, request)),
        Action::Call(_) => Ok((action, request)),
    }
}

fn action(method: &str) -> Option<Action> {
    match method.strip_prefix("thing.service.")? {
        "property.set" => Some(Action::SetProperties),
        service => Identifier::new(service).ok().map(Action::Call),
    }
}

fn not_empty(request: Request) -> Result<Request, RequestFault> {
    if request.params.is_empty() {
        return Err(RequestFault {
            kind: RequestFaultKind::Empty,
            id: Some(request.id),
        });
    }
    Ok(request)
}

/// Reads the method and the rest of a request.
fn read(payload: &[u8]) -> Result<(Option<Json>, Request), RequestFault> {
    let mut message = object(payload).map_err(|fault| RequestFault {
        id: rescued_id(payload),
        kind: fault.into(),
    })?;
    // The platform's own answers repeat the method, so that only the parameters tell a request.
    if message.contains_key("code") && !message.contains_key("params") {
        return Err(RequestFault {
            kind: RequestFaultKind::Answer,
            id: None,
        });
    }
    let method = message.remove("method").filter(|json| !json.is_null());
    let message = Fields::new(&message);
    let nameless = |fault: ReadFault| RequestFault {
        kind: fault.into(),
        id: None,
    };
    let json = message.need("id").map_err(nameless)?;
    let id = id(json).ok_or_else(|| {
        nameless(message.wrong("id", "a text of 1 to 256 bytes or a whole number", json))
    })?;
    match params(message.find("params")) {
        Ok(params) => Ok((method, Request { id, params })),
        Err(kind) => Err(RequestFault { kind, id: Some(id) }),
    }
}

fn params(json: Option<&Json>) -> Result<ValueMap, RequestFaultKind> {
    match json {
        None => Ok(ValueMap::new()),
        Some(Json::Object(members)) if members.len() > MOST_VALUES => {
            Err(RequestFaultKind::TooMany {
                count: members.len(),
            })
        }
        Some(Json::Object(members)) => members
            .iter()
            .map(|(name, json)| Ok((name.clone(), read_value(name, json)?)))
            .collect(),
        Some(other) => Err(RequestFaultKind::Params {
            found: found(other),
        }),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
