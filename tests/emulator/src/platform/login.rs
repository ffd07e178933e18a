//! Who comes in, who goes: logins, dynamic registration, kicks.

use rumqttc::{Connect, ConnectReturnCode, LastWill, Packet, Protocol, Publish, QoS};
use serde_json::json;
use tokio::sync::mpsc;

use super::{Changed, Device, Millis, World};
use crate::faults::FaultName;
use crate::journal::What;
use crate::login::{Claim, DeviceId, Proof, Refusal};
use crate::session::Line;

/// How a CONNECT was accepted.
#[derive(Debug)]
pub(crate) enum Admission {
    /// As the device's session.
    Session {
        device: DeviceId,
        connection: u64,
        /// Seconds; 0 for none.
        keepalive: u16,
        /// After how many ms a fault closes the connection again.
        kick_after: Option<u64>,
    },
    /// Only to be told its secret or token, in this message.
    Registration { message: Publish },
}

impl World {
    /// Decides about a CONNECT. The accepting CONNACK of a session goes out through `out`.
    ///
    /// # Errors
    /// The refusal, written down already.
    pub(crate) fn connect(
        &mut self,
        now: Millis,
        connect: &Connect,
        tls: bool,
        out: mpsc::Sender<Packet>,
    ) -> Result<Admission, Refusal> {
        let login = connect
            .login
            .as_ref()
            .map(|login| (login.username.as_str(), login.password.as_str()));
        let claim = Claim::read(&connect.client_id, login);
        let device = claim.as_ref().ok().map(|claim| claim.device.clone());
        let admission = claim.and_then(|claim| self.admit(now, connect, claim, tls, out));
        if let Err(refusal) = &admission {
            if let Some(known) = device.as_ref().and_then(|id| self.devices.get_mut(id)) {
                known.counters.refusals += 1;
            }
            let what = What::Refuse {
                code: refusal.code as u8,
                reason: refusal.reason.clone(),
            };
            self.journal.write(now, device.as_ref(), what);
        }
        admission
    }

    fn admit(
        &mut self,
        now: Millis,
        connect: &Connect,
        claim: Claim,
        tls: bool,
        out: mpsc::Sender<Packet>,
    ) -> Result<Admission, Refusal> {
        if connect.protocol != Protocol::V4 {
            return Err(Refusal::new(
                ConnectReturnCode::RefusedProtocolVersion,
                "only MQTT 3.1.1 is spoken here",
            ));
        }
        if let Some(strike) = self.faults.strike(FaultName::RefuseLogin) {
            return Err(Refusal::new(refusal_code(strike.n), "fault refuse-login"));
        }
        match claim.proof {
            Proof::Register | Proof::RegisterUnlisted => self.register(now, &claim),
            Proof::DeviceSecret | Proof::Token => {
                // Dynamic registration does not check the keepalive; an ordinary login does.
                let keepalive = self.keepalive(connect.keep_alive)?;
                self.verify(&claim)?;
                Ok(self.open(now, connect, claim, keepalive, tls, out))
            }
        }
    }

    fn keepalive(&self, asked: u16) -> Result<u16, Refusal> {
        match &self.options.keepalive {
            Some(limits) if asked > *limits.end() && self.options.clamp_long_keepalive => {
                Ok(*limits.end())
            }
            Some(limits) if !limits.contains(&asked) => Err(Refusal::new(
                ConnectReturnCode::ServiceUnavailable,
                format!(
                    "keepalive {asked} s is outside {} to {} s",
                    limits.start(),
                    limits.end()
                ),
            )),
            _ => Ok(asked),
        }
    }

    fn verify(&self, claim: &Claim) -> Result<(), Refusal> {
        let refuse = |code, reason: &str| Err(Refusal::new(code, reason));
        let Some(device) = self.devices.get(&claim.device) else {
            return refuse(ConnectReturnCode::NotAuthorized, "no such device");
        };
        if !device.enabled {
            return refuse(ConnectReturnCode::NotAuthorized, "the device is disabled");
        }
        let holds = match (&device.token, claim.proof) {
            (Some((client, token)), Proof::Token) => *client == claim.cid && claim.holds(token),
            (None, Proof::Token) => false,
            _ => claim.holds(&device.secret),
        };
        if !holds {
            return refuse(
                ConnectReturnCode::BadUserNamePassword,
                "the signature does not hold",
            );
        }
        Ok(())
    }

    fn open(
        &mut self,
        now: Millis,
        connect: &Connect,
        claim: Claim,
        keepalive: u16,
        tls: bool,
        out: mpsc::Sender<Packet>,
    ) -> Admission {
        let connection = self.number();
        let id = claim.device;
        let kick_after = self
            .faults
            .strike(FaultName::KickSameDevice)
            .map(|strike| strike.n.unwrap_or(0));
        let device = self
            .devices
            .get_mut(&id)
            .expect("its signature was just verified");
        if let Some(older) = device.connection() {
            device.counters.kicks += 1;
            device.counters.disconnects += 1;
            self.journal
                .write(now, Some(&id), What::Kick { connection: older });
        }
        device.counters.connects += 1;
        device.session.close();
        device.session.open(
            Line { connection, out },
            connect.clean_session,
            claim.automatic,
            claim.ext & 1 == 1,
        );
        self.journal.write(
            now,
            Some(&id),
            What::Connect {
                connection,
                client_id: connect.client_id.clone(),
                keepalive,
                clean: connect.clean_session,
                automatic: claim.automatic,
                tls,
            },
        );
        if let Some(LastWill { topic, .. }) = &connect.last_will {
            self.journal.note(
                now,
                Some(&id),
                format!("the will for `{topic}` is ignored, as on the platform"),
            );
        }
        self.push_due(now, &id);
        Admission::Session {
            device: id,
            connection,
            keepalive,
            kick_after,
        }
    }

    /// A connection ended by itself or was given up. Told a second time, or after another took over, it changes nothing.
    pub(crate) fn left(&mut self, now: Millis, id: &DeviceId, connection: u64, reason: &str) {
        let Some(device) = self.devices.get_mut(id) else {
            return;
        };
        let replaced = device
            .connection()
            .is_some_and(|present| present != connection);
        if replaced || device.counters.connects == device.counters.disconnects {
            return;
        }
        device.counters.disconnects += 1;
        device.session.close();
        self.journal.write(
            now,
            Some(id),
            What::Disconnect {
                connection,
                reason: reason.to_owned(),
            },
        );
    }

    /// Closes the device's connection as if its identity had connected elsewhere. False if it was offline.
    pub(crate) fn kick(&mut self, now: Millis, id: &DeviceId) -> bool {
        let Some(device) = self.devices.get_mut(id) else {
            return false;
        };
        let Some(connection) = device.connection() else {
            return false;
        };
        device.counters.kicks += 1;
        device.counters.disconnects += 1;
        device.session.close();
        self.journal.write(now, Some(id), What::Kick { connection });
        true
    }

    /// The same, unless another connection is in force by now.
    pub(crate) fn kick_connection(&mut self, now: Millis, id: &DeviceId, connection: u64) {
        if self.devices.get(id).and_then(Device::connection) == Some(connection) {
            self.kick(now, id);
        }
    }

    /// Closes the device's connection for another reason. False if it was offline.
    pub(crate) fn drop_connection(&mut self, now: Millis, id: &DeviceId, reason: &str) -> bool {
        let Some(connection) = self.devices.get(id).and_then(Device::connection) else {
            return false;
        };
        self.left(now, id, connection, reason);
        true
    }

    /// Lets a device log in or not; one that is shut out is disconnected. False if it is unknown.
    pub(crate) fn enable(&mut self, now: Millis, id: &DeviceId, enabled: bool) -> bool {
        let Some(device) = self.devices.get_mut(id) else {
            return false;
        };
        device.enabled = enabled;
        self.keep(Changed::Device(id.clone()));
        if !enabled {
            self.drop_connection(now, id, "the device was disabled");
        }
        true
    }

    /// Dynamic registration over MQTT (document 132111): the answer is one message on a topic nobody subscribed.
    fn register(&mut self, now: Millis, claim: &Claim) -> Result<Admission, Refusal> {
        let refuse = |reason: &str| Refusal::new(ConnectReturnCode::NotAuthorized, reason);
        let product = self
            .products
            .get(&claim.device.product_key)
            .ok_or_else(|| refuse("no such product"))?;
        let secret = product
            .secret
            .as_deref()
            .ok_or_else(|| refuse("dynamic registration is off for the product"))?;
        if !claim.holds(secret) {
            return Err(Refusal::new(
                ConnectReturnCode::BadUserNamePassword,
                "the product's signature does not hold",
            ));
        }
        let id = &claim.device;
        let (topic, how, answer) = if claim.proof == Proof::Register {
            let device = self
                .devices
                .get(id)
                .ok_or_else(|| refuse("the device was not announced"))?;
            if !device.enabled {
                return Err(refuse("the device is disabled"));
            }
            let answer = json!({"deviceSecret": device.secret, "productKey": id.product_key, "deviceName": id.device_name});
            ("/ext/register", "register", answer)
        } else {
            let (client, token) = (self.secrets.hex(32), self.secrets.hex(32));
            let answer = json!({
                "clientId": client, "productKey": id.product_key, "deviceName": id.device_name, "deviceToken": token
            });
            if !self.devices.contains_key(id) {
                self.add_device(id, None);
            }
            self.devices.get_mut(id).expect("it was just added").token = Some((client, token));
            self.keep(Changed::Device(id.clone()));
            ("/ext/regnwl", "regnwl", answer)
        };
        self.journal.write(
            now,
            Some(id),
            What::Register {
                how: how.to_owned(),
            },
        );
        Ok(Admission::Registration {
            message: Publish::new(topic, QoS::AtMostOnce, answer.to_string()),
        })
    }
}

fn refusal_code(n: Option<u64>) -> ConnectReturnCode {
    match n {
        Some(1) => ConnectReturnCode::RefusedProtocolVersion,
        Some(2) => ConnectReturnCode::BadClientId,
        Some(4) => ConnectReturnCode::BadUserNamePassword,
        Some(5) => ConnectReturnCode::NotAuthorized,
        _ => ConnectReturnCode::ServiceUnavailable,
    }
}
