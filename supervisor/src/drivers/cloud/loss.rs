//! What the MQTT library's errors mean for the brain.

use std::io::{self, ErrorKind};

use rumqttc::{ConnectReturnCode, ConnectionError, StateError, TlsError, mqttbytes};
use supervisor_core::event::CloudLoss;

use crate::{advice::Mistake, drivers::chain};

/// Sorts an error: refused by the broker, closed by it after it had accepted, or anything else, told with the address. `is_plain` says that
/// it is spoken to without TLS.
pub(super) fn of(
    error: &ConnectionError,
    accepted: bool,
    is_plain: bool,
    address: &str,
) -> CloudLoss {
    match error {
        ConnectionError::ConnectionRefused(code) => CloudLoss::Refused(number(*code)),
        error if closed(error) && accepted => CloudLoss::Closed,
        ConnectionError::MqttState(StateError::Deserialization(_)) if is_plain && !accepted => {
            CloudLoss::Broken(format!("{address}: {}: {}", chain(error), Mistake::OnlyTls))
        }
        ConnectionError::Tls(TlsError::Io(why)) if is_end(why) => CloudLoss::Broken(format!(
            "{address}: hung up in the handshake of TLS: {}",
            Mistake::NotTls
        )),
        error if closed(error) && is_plain => {
            let what = "closed before the login was answered";
            CloudLoss::Broken(format!("{address}: {what}: {}", Mistake::OnlyTls))
        }
        error if closed(error) => {
            CloudLoss::Broken(format!("{address}: closed before the login was answered"))
        }
        ConnectionError::NetworkTimeout => {
            CloudLoss::Broken(format!("{address}: no answer in time"))
        }
        ConnectionError::FlushTimeout => {
            CloudLoss::Broken(format!("{address}: takes no more bytes"))
        }
        ConnectionError::MqttState(StateError::AwaitPingResp) => {
            CloudLoss::Broken(format!("{address}: no longer answers"))
        }
        error => CloudLoss::Broken(match Mistake::of(error) {
            Some(mistake) => format!("{address}: {}: {mistake}", chain(error)),
            None => format!("{address}: {}", chain(error)),
        }),
    }
}

/// Did the other side end the connection? A reset is such an end when something of ours was still on its way.
fn closed(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::MqttState(StateError::ConnectionAborted) => true,
        ConnectionError::MqttState(
            StateError::Io(why) | StateError::Deserialization(mqttbytes::Error::Io(why)),
        )
        | ConnectionError::Io(why) => is_end(why),
        _ => false,
    }
}

fn is_end(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        ErrorKind::UnexpectedEof
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
    )
}

/// The code of a refusal on the wire (MQTT 3.1.1, table 3.1).
pub(crate) fn number(code: ConnectReturnCode) -> u8 {
    match code {
        ConnectReturnCode::Success => 0,
        ConnectReturnCode::RefusedProtocolVersion => 1,
        ConnectReturnCode::BadClientId => 2,
        ConnectReturnCode::ServiceUnavailable => 3,
        ConnectReturnCode::BadUserNamePassword => 4,
        ConnectReturnCode::NotAuthorized => 5,
    }
}
