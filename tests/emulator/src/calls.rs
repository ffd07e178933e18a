//! Calls from the platform to a device, and waiting for the answers.

use std::time::Duration;

use bytes::Bytes;
use rumqttc::QoS;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::login::DeviceId;
use crate::platform::thing::call_payload;
use crate::platform::{Awaited, World};
use crate::session::Delivery;
use crate::shared::Shared;
use crate::topics::Down;
use crate::wire::Envelope;

/// Through which topics a synchronous call travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RrpcForm {
    /// `/sys/{pk}/{dn}/rrpc/request/{id}`, answered on `.../rrpc/response/{id}`.
    System,
    /// `/ext/rrpc/{id}/sys/{pk}/{dn}/thing/service/{service}`, answered on the same topic.
    Custom,
}

/// A device's answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// 200 when it did what it was told.
    pub code: i64,
    /// What it returned.
    pub data: Value,
    /// Its words, if any.
    pub message: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No such device.
    #[error("no device `{0}`")]
    UnknownDevice(DeviceId),
    /// The device's session does not take the message.
    #[error("call to `{device}` cannot be delivered: {reason}")]
    Undelivered {
        /// The device.
        device: DeviceId,
        /// Why.
        reason: &'static str,
    },
    /// More than 1000 answers are waited for already.
    #[error("too many calls to `{0}` wait for an answer")]
    TooMany(DeviceId),
    /// The device did not answer in time.
    #[error("no answer from `{device}` within {limit:?}")]
    Silent {
        /// The device.
        device: DeviceId,
        /// How long was waited.
        limit: Duration,
    },
    /// The device answered with something else than the platform's form.
    #[error("answer of `{device}` cannot be read: {reason}")]
    Unreadable {
        /// The device.
        device: DeviceId,
        /// Why.
        reason: String,
    },
    /// The product has no remote configuration.
    #[error("product `{0}` has no configuration")]
    NoConfiguration(String),
}

impl Shared {
    pub(crate) async fn set_property(
        &self,
        id: &DeviceId,
        params: &Value,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let sent = self.send(id, |world, now| {
            let (request, delivery) = world.send_set(now, id, params, QoS::AtMostOnce);
            Ok((Awaited::Set(request), delivery))
        });
        read_answer(id, &self.answer(id, sent?, limit).await?)
    }

    pub(crate) async fn call_service(
        &self,
        id: &DeviceId,
        service: &str,
        params: &Value,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let sent = self.send(id, |world, now| {
            let (request, delivery) = world.send_call(now, id, service, params, QoS::AtMostOnce);
            Ok((Awaited::Service(request), delivery))
        });
        read_answer(id, &self.answer(id, sent?, limit).await?)
    }

    pub(crate) async fn call_sync(
        &self,
        id: &DeviceId,
        form: RrpcForm,
        service: &str,
        params: &Value,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let request = self.act(|world, _| world.number().to_string());
        let payload = call_payload(&request, &format!("thing.service.{service}"), params);
        let custom = Down(id).system(&format!("thing/service/{service}"));
        let topic = (form == RrpcForm::Custom).then_some(custom.as_str());
        read_answer(id, &self.rrpc(id, topic, payload.into(), limit).await?)
    }

    /// Any synchronous call: to the system topic, or to a topic of the caller's choice.
    pub(crate) async fn rrpc(
        &self,
        id: &DeviceId,
        topic: Option<&str>,
        payload: Bytes,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let sent = self.send(id, |world, now| {
            // Message ids on the real platform are long numbers.
            let call = (1_000_000_000_000_000_000 + world.number()).to_string();
            let topic = match topic {
                Some(topic) => format!("/ext/rrpc/{call}{topic}"),
                None => Down(id).system(&format!("rrpc/request/{call}")),
            };
            let delivery = world.publish(now, id, &topic, payload, QoS::AtMostOnce);
            Ok((Awaited::rrpc(&call), delivery))
        });
        self.answer(id, sent?, limit).await
    }

    pub(crate) async fn push_config(
        &self,
        id: &DeviceId,
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let sent = self.send(id, |world, now| {
            let pushed = world.push_config(now, id);
            let (request, delivery) =
                pushed.ok_or_else(|| CallError::NoConfiguration(id.product_key.clone()))?;
            Ok((Awaited::Config(request), delivery))
        });
        read_answer(id, &self.answer(id, sent?, limit).await?)
    }

    /// Sends and registers for the answer under one lock, so that no answer can come in between.
    fn send(
        &self,
        id: &DeviceId,
        send: impl FnOnce(&mut World, u64) -> Result<(Awaited, Delivery), CallError>,
    ) -> Result<tokio::sync::oneshot::Receiver<Bytes>, CallError> {
        self.act(|world, now| {
            if !world.devices.contains_key(id) {
                return Err(CallError::UnknownDevice(id.clone()));
            }
            let (awaited, delivery) = send(world, now)?;
            if !delivery.took() {
                return Err(CallError::Undelivered {
                    device: id.clone(),
                    reason: delivery.reason(),
                });
            }
            world
                .expect_answer(id, awaited)
                .ok_or_else(|| CallError::TooMany(id.clone()))
        })
    }

    async fn answer(
        &self,
        id: &DeviceId,
        waiting: tokio::sync::oneshot::Receiver<Bytes>,
        limit: Duration,
    ) -> Result<Bytes, CallError> {
        let silent = || CallError::Silent {
            device: id.clone(),
            limit,
        };
        tokio::time::timeout(limit, waiting)
            .await
            .map_err(|_| silent())?
            .map_err(|_| silent())
    }
}

fn read_answer(id: &DeviceId, payload: &[u8]) -> Result<Answer, CallError> {
    let unreadable = |reason: String| CallError::Unreadable {
        device: id.clone(),
        reason,
    };
    let envelope = Envelope::read(payload).map_err(unreadable)?;
    let code = envelope
        .code()
        .ok_or_else(|| unreadable("it has no `code`".to_owned()))?;
    Ok(Answer {
        code,
        data: envelope.whole["data"].clone(),
        message: envelope.whole["message"].as_str().map(str::to_owned),
    })
}
