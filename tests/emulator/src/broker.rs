//! MQTT sockets: packets in, packets out, and the cuts. What packets mean is decided in [`crate::platform`].

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::Error as PacketError;
use rumqttc::{ConnAck, ConnectReturnCode, Packet};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;

use crate::door::Door;
use crate::login::DeviceId;
use crate::platform::Admission;
use crate::session::LINE_CAPACITY;
use crate::shared::Shared;

/// Where devices come in.
static DOOR: Door = Door {
    what: "on MQTT",
    most: 1024,
    handshake_limit: GREETING_LIMIT,
};
/// How long a client may take for the TLS handshake and for its CONNECT.
const GREETING_LIMIT: Duration = Duration::from_secs(10);
/// How long one write may take before the device counts as gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client that registers may stay after it was told its secret.
const REGISTRATION_LIMIT: Duration = Duration::from_secs(30);
/// Topic and framing of a PUBLISH, on top of the payload limit, in bytes.
const FRAMING: usize = 1024;

/// Serves MQTT on a listener until the task is ended.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    DOOR.serve(listener, tls, shared, |stream, tls, shared| async move {
        Conversation::new(stream, tls, &shared).run().await;
    })
    .await;
}

struct Conversation<'a, S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    buffer: BytesMut,
    largest: usize,
    tls: bool,
    shared: &'a Shared,
}

impl<'a, S: AsyncRead + AsyncWrite> Conversation<'a, S> {
    fn new(stream: S, tls: bool, shared: &'a Shared) -> Self {
        let (reader, writer) = split(stream);
        let largest = shared.look(|world| world.options.payload_limit) + FRAMING;
        Self {
            reader,
            writer,
            buffer: BytesMut::new(),
            largest,
            tls,
            shared,
        }
    }

    async fn run(mut self) {
        let (out, inbox) = mpsc::channel(LINE_CAPACITY);
        let connect = match timeout(GREETING_LIMIT, self.next()).await {
            Ok(Ok(Packet::Connect(connect))) => connect,
            Ok(Err(Broken::Packet(
                PacketError::InvalidProtocol | PacketError::InvalidProtocolLevel(_),
            ))) => {
                self.note("a client spoke another protocol than MQTT 3.1.1");
                return self.refuse(ConnectReturnCode::RefusedProtocolVersion).await;
            }
            Ok(Ok(_)) => return self.note("a client began with another packet than CONNECT"),
            Ok(Err(broken)) => {
                return self.note(&format!("a client left before its CONNECT: {broken}"));
            }
            Err(_) => return self.note("a client sent no CONNECT in time"),
        };
        let admission = self
            .shared
            .act(|world, now| world.connect(now, &connect, self.tls, out));
        match admission {
            Err(refusal) => self.refuse(refusal.code).await,
            Ok(Admission::Registration { message }) => {
                let accepted = Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false));
                if self.write(accepted).await.is_ok()
                    && self.write(Packet::Publish(message)).await.is_ok()
                {
                    // It has what it came for; whatever it sends now ends the visit.
                    let _ = timeout(REGISTRATION_LIMIT, self.next()).await;
                }
            }
            Ok(Admission::Session {
                device,
                connection,
                keepalive,
                kick_after,
            }) => {
                let patience =
                    (keepalive > 0).then(|| Duration::from_secs(u64::from(keepalive)).mul_f32(1.5));
                let kick_at = kick_after.map(|ms| Instant::now() + Duration::from_millis(ms));
                let reason = self
                    .converse(&device, connection, patience, kick_at, inbox)
                    .await;
                self.shared
                    .act(|world, now| world.left(now, &device, connection, &reason));
            }
        }
        // The other side may be gone already; closing is all that is left to do.
        let _ = timeout(Duration::from_secs(1), self.writer.shutdown()).await;
    }

    /// Carries packets both ways until the connection ends; returns why it did.
    async fn converse(
        &mut self,
        device: &DeviceId,
        connection: u64,
        patience: Option<Duration>,
        mut kick_at: Option<Instant>,
        mut inbox: mpsc::Receiver<Packet>,
    ) -> String {
        let mut silent_until = patience.map(|patience| Instant::now() + patience);
        loop {
            let kick = async {
                match kick_at {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                read = until(silent_until, Self::read(&mut self.reader, &mut self.buffer, self.largest)) => match read {
                    None => return "it was silent for 1.5 times its keepalive".to_owned(),
                    Some(Err(broken)) => return broken.to_string(),
                    Some(Ok(packet)) => {
                        silent_until = patience.map(|patience| Instant::now() + patience);
                        if let Err(reason) = self.shared.act(|world, now| world.packet(now, device, connection, packet)) {
                            return reason;
                        }
                    }
                },
                packet = inbox.recv() => match packet {
                    None => return "another session took over".to_owned(),
                    Some(packet) => if let Err(broken) = self.write(packet).await {
                        return broken.to_string();
                    },
                },
                () = kick => {
                    kick_at = None;
                    self.shared.act(|world, now| world.kick_connection(now, device, connection));
                }
            }
        }
    }

    async fn refuse(&mut self, code: ConnectReturnCode) {
        // Whether the refused client still listens makes no difference here.
        let _ = self.write(Packet::ConnAck(ConnAck::new(code, false))).await;
        let _ = timeout(Duration::from_secs(1), self.writer.shutdown()).await;
    }

    fn note(&self, text: &str) {
        self.shared
            .act(|world, now| world.journal.note(now, None, text));
    }

    async fn write(&mut self, packet: Packet) -> Result<(), Broken> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX)?;
        let written = async {
            self.writer.write_all(&bytes).await?;
            self.writer.flush().await
        };
        Ok(timeout(WRITE_LIMIT, written)
            .await
            .map_err(|_| Broken::Unread)??)
    }

    async fn next(&mut self) -> Result<Packet, Broken> {
        Self::read(&mut self.reader, &mut self.buffer, self.largest).await
    }

    /// The next packet. Nothing is lost when this is dropped half-way: the buffer keeps what came.
    async fn read(
        reader: &mut ReadHalf<S>,
        buffer: &mut BytesMut,
        largest: usize,
    ) -> Result<Packet, Broken> {
        loop {
            match Packet::read(buffer, largest) {
                Ok(packet) => return Ok(packet),
                Err(PacketError::InsufficientBytes(_)) => {}
                Err(error) => return Err(error.into()),
            }
            if reader.read_buf(buffer).await? == 0 {
                return Err(Broken::Closed);
            }
        }
    }
}

async fn until<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    match deadline {
        Some(deadline) => timeout_at(deadline, future).await.ok(),
        None => Some(future.await),
    }
}

/// How a connection breaks.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the device closed the connection without DISCONNECT")]
    Closed,
    #[error("the device does not read its connection")]
    Unread,
    #[error("it sent what is no MQTT packet: {0}")]
    Packet(#[from] PacketError),
    #[error("the connection broke: {0}")]
    Socket(#[from] std::io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn no_bytes_make_the_packet_codec_panic() {
        let mut random = Random::seeded(3);
        for _ in 0..200_000 {
            let length = random.next() % 40;
            let mut buffer = BytesMut::new();
            // A true type and length, so that the parts behind them are reached.
            buffer.extend_from_slice(&[(random.next() % 256) as u8, length as u8]);
            for _ in 0..length {
                // Small numbers are likelier to be a length that fits.
                let byte = random.next();
                buffer
                    .extend_from_slice(&[(byte >> 8) as u8 & if byte & 1 == 0 { 7 } else { 255 }]);
            }
            while !matches!(
                Packet::read(&mut buffer, 1024),
                Err(_) | Ok(Packet::PingReq)
            ) {}
        }
    }
}
