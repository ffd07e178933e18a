//! Offers an image by publishing it on any broker, in the shape the platform's push has (document 89307).
//!
//! The image itself must already lie on a web server the device can reach. Subscriptions come first, so that not even a very
//! quick device can answer unheard.

use super::Offer;
use super::device::Device;
use super::follow::{End, Follow};
use super::image::{Image, Sign};
use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, MqttOptions, Packet, QoS, SubscribeReasonCode,
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// Requests that may wait for the connection; we make three.
const REQUESTS: usize = 8;

/// Where a broker listens, and who we are to it.
#[derive(Debug, Clone)]
pub(super) struct Broker {
    /// Host name or address.
    pub(super) host: String,
    /// Port of plain MQTT.
    pub(super) port: u16,
    /// User name and password, where the broker asks for them.
    pub(super) login: Option<(String, String)>,
}

/// The offer could not be published or followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BrokerError {
    /// The connection could not be made or did not last.
    #[error("stay connected to the broker `{address}`")]
    Connection {
        /// Where the broker was expected.
        address: String,
        /// What the connection said.
        source: Box<ConnectionError>,
    },
    /// A request could not be queued, which the connection's end explains.
    #[error("ask the broker `{address}`")]
    Ask {
        /// Where the broker was expected.
        address: String,
        /// What the client said.
        source: Box<ClientError>,
    },
    /// We may not hear the device's answers.
    #[error("subscribe at the broker `{address}`: it refused")]
    Refused {
        /// The broker.
        address: String,
    },
}

/// The push as the platform sends it: the code is a string, the id a number, the signature the package's custom text.
#[must_use]
pub(super) fn push(image: &Image, offer: &Offer<'_>, url: &str, id: u64) -> Value {
    let mut data = json!({
        "size": image.size,
        "version": offer.version,
        "url": url,
        "sign": image.digest,
        "signMethod": offer.sign.wire(),
    });
    if offer.sign == Sign::Md5 {
        data["md5"] = json!(image.digest);
    }
    if let Some(text) = offer.minisig {
        data["extData"] = json!({"_package_udi": text});
    }
    json!({"code": "1000", "data": data, "id": id, "message": "success"})
}

/// Publishes the push and, when asked to, follows the device to the end.
///
/// # Errors
/// When the broker cannot be reached, refuses us, or goes away.
pub(super) async fn offer(
    broker: &Broker,
    device: &Device,
    version: &str,
    push: &Value,
    follow: bool,
) -> Result<Option<End>, BrokerError> {
    let address = format!("{}:{}", broker.host, broker.port);
    let lost = |source| BrokerError::Connection {
        address: address.clone(),
        source: Box::new(source),
    };
    let unasked = |source| BrokerError::Ask {
        address: address.clone(),
        source: Box::new(source),
    };
    // The process id keeps two of us apart; a broker closes the older of two clients with one name.
    let mut options = MqttOptions::new(
        format!("hotplate-ota-{}", std::process::id()),
        &broker.host,
        broker.port,
    );
    if let Some((user, password)) = &broker.login {
        options.set_credentials(user, password);
    }
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let mut watch = Follow::new(version);
    let mut granted = 0;
    for topic in [device.progress(), device.inform()] {
        client
            .subscribe(topic, QoS::AtLeastOnce)
            .await
            .map_err(unasked)?;
    }
    let end = loop {
        match events.poll().await.map_err(lost)? {
            Event::Incoming(Packet::SubAck(answer)) => {
                if answer.return_codes.contains(&SubscribeReasonCode::Failure) {
                    return Err(BrokerError::Refused { address });
                }
                granted += 1;
                if granted == 2 {
                    client
                        .publish(device.upgrade(), QoS::AtLeastOnce, false, push.to_string())
                        .await
                        .map_err(unasked)?;
                }
            }
            // The broker has the offer. Whether a device hears it is the device's business.
            Event::Incoming(Packet::PubAck(_)) if follow => watch.offered(),
            Event::Incoming(Packet::PubAck(_)) => break None,
            Event::Incoming(Packet::Publish(message)) => {
                let payload = serde_json::from_slice(&message.payload).unwrap_or_default();
                let told = if message.topic == device.progress() {
                    watch.progress(&payload)
                } else {
                    watch.inform(&payload)
                };
                if let Some(end) = told {
                    break Some(end);
                }
            }
            _ => {}
        }
    };
    if let Some(end) = &end {
        watch.end(end);
    }
    Ok(end)
}

/// A number for the push that grows with time, as the platform's does: milliseconds since 1970.
#[must_use]
pub(super) fn now_id() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            size: 9_879_858,
            digest: "d5557a93ccd28294c1929410a8bcd1af".to_owned(),
        }
    }

    fn pushed(sign: Sign, minisig: Option<&str>) -> Value {
        let offer = Offer {
            version: "1.0.7",
            sign,
            minisig,
        };
        push(&image(), &offer, "https://ota.server/firmware.bin", 1)
    }

    #[test]
    fn a_push_has_the_platform_s_shape() {
        let expected = r#"{"code":"1000","data":{"md5":"d5557a93ccd28294c1929410a8bcd1af","sign":"d5557a93ccd28294c1929410a8bcd1af","signMethod":"Md5","size":9879858,"url":"https://ota.server/firmware.bin","version":"1.0.7"},"id":1,"message":"success"}"#;
        assert_eq!(
            pushed(Sign::Md5, None),
            serde_json::from_str::<Value>(expected).unwrap()
        );
    }

    #[test]
    fn a_push_signed_otherwise_has_no_md5() {
        let push = pushed(Sign::Sha256, None);
        assert_eq!(push["data"]["signMethod"], "SHA256");
        assert!(push["data"].get("md5").is_none());
    }

    #[test]
    fn a_publisher_s_signature_goes_along_as_the_package_s_custom_text() {
        let push = pushed(Sign::Md5, Some("four\nlines"));
        let expected = json!({"_package_udi": "four\nlines"});
        assert_eq!(push["data"]["extData"], expected);
    }
}
