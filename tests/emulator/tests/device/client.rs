//! A device for the tests: a login, a mailbox, and patience with a limit.

use std::time::Duration;

use cloud_emulator::{DeviceId, Emulator, Options};
use rumqttc::{AsyncClient, ConnAck, ConnectionError, Event, MqttOptions, Packet, Publish, QoS};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than anything takes, short enough to end a hopeless run.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Vector A of the signing vectors; `_ss` and `ext` are not signed.
pub(crate) const PASSWORD: &str =
    "EB231B560B0A55D591706E9BB618A3808098CF1CC6C13B747F2673D2C2BDBFE6";
const AUTOMATIC: &str =
    "a1Sample001.oven001|timestamp=2524608000000,_ss=1,securemode=3,signmethod=hmacsha256,ext=3|";
const EXPLICIT: &str =
    "a1Sample001.oven001|timestamp=2524608000000,securemode=3,signmethod=hmacsha256|";

pub(crate) fn oven() -> DeviceId {
    DeviceId::new("a1Sample001", "oven001")
}

/// An emulator that knows the oven.
pub(crate) fn emulator(options: Options) -> Emulator {
    let emulator = Emulator::start(options).unwrap();
    emulator.add_device(&oven(), SECRET);
    emulator
}

pub(crate) fn automatic(emulator: &Emulator) -> MqttOptions {
    options(emulator, AUTOMATIC)
}

pub(crate) fn explicit(emulator: &Emulator) -> MqttOptions {
    options(emulator, EXPLICIT)
}

pub(crate) fn options(emulator: &Emulator, client_id: &str) -> MqttOptions {
    let address = emulator.mqtt_address();
    let mut options = MqttOptions::new(client_id, address.ip().to_string(), address.port());
    options.set_credentials("oven001&a1Sample001", PASSWORD);
    options.set_keep_alive(Duration::from_secs(60));
    options.set_max_packet_size(300_000, 300_000);
    options
}

pub(crate) fn sys(rest: &str) -> String {
    format!("/sys/a1Sample001/oven001/{rest}")
}

/// A connected device. Dropping it closes the socket without DISCONNECT.
pub(crate) struct Device {
    pub(crate) client: AsyncClient,
    pub(crate) accepted: ConnAck,
    inbox: mpsc::Receiver<Packet>,
    task: tokio::task::JoinHandle<()>,
}

impl Device {
    /// Connects once; the error is what the CONNACK or the socket said.
    pub(crate) async fn connect(options: MqttOptions) -> Result<Self, ConnectionError> {
        let (client, mut events) = AsyncClient::new(options, 100);
        let accepted = loop {
            if let Event::Incoming(Packet::ConnAck(ack)) = timeout(LIMIT, events.poll())
                .await
                .expect("no CONNACK in time")?
            {
                break ack;
            }
        };
        let (sender, inbox) = mpsc::channel(1000);
        let task = tokio::spawn(async move {
            // The first error is the end: a test decides itself when to connect again.
            while let Ok(event) = events.poll().await {
                if let Event::Incoming(packet) = event
                    && sender.send(packet).await.is_err()
                {
                    break;
                }
            }
        });
        Ok(Self {
            client,
            accepted,
            inbox,
            task,
        })
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) -> bool {
        self.client
            .subscribe(filter, QoS::AtLeastOnce)
            .await
            .unwrap();
        loop {
            if let Packet::SubAck(ack) = self
                .packet()
                .await
                .expect("connection closed instead of SUBACK")
            {
                return ack
                    .return_codes
                    .iter()
                    .all(|code| *code != rumqttc::SubscribeReasonCode::Failure);
            }
        }
    }

    pub(crate) async fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client
            .publish(topic, QoS::AtMostOnce, false, payload)
            .await
            .unwrap();
    }

    /// The next packet; `None` when the connection is closed.
    pub(crate) async fn packet(&mut self) -> Option<Packet> {
        timeout(LIMIT, self.inbox.recv())
            .await
            .expect("nothing came in time")
    }

    /// The next message, whatever its topic.
    pub(crate) async fn message(&mut self) -> Publish {
        loop {
            if let Packet::Publish(publish) = self
                .packet()
                .await
                .expect("connection closed instead of a message")
            {
                return publish;
            }
        }
    }

    /// The next message on this topic, as JSON; others are passed over.
    pub(crate) async fn json(&mut self, topic: &str) -> Value {
        loop {
            let publish = self.message().await;
            if publish.topic == topic {
                return serde_json::from_slice(&publish.payload).unwrap();
            }
        }
    }

    /// Publishes a request and returns the answer on its `_reply` topic.
    pub(crate) async fn ask(&mut self, topic: &str, payload: &str) -> Value {
        self.publish(topic, payload).await;
        self.json(&format!("{topic}_reply")).await
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(&mut self) {
        while self.packet().await.is_some() {}
    }

    /// Asserts that no message is under way: the answer to a question asked now is the next thing that comes.
    pub(crate) async fn nothing_else_comes(&mut self) {
        let topic = sys("thing/deviceinfo/update");
        self.publish(&topic, r#"{"id":"probe","params":[]}"#).await;
        let next = self.message().await;
        assert_eq!(
            next.topic,
            format!("{topic}_reply"),
            "{:?}",
            String::from_utf8_lossy(&next.payload)
        );
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A response as it came over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Requests a URL and reads until the server closes; never trusts `Content-Length`.
pub(crate) async fn request(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Got {
    let rest = url.strip_prefix("http://").expect("a plain URL");
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    let mut stream = TcpStream::connect(host).await.unwrap();
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    timeout(LIMIT, stream.read_to_end(&mut answer))
        .await
        .expect("no end of the response in time")
        .unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .expect("a response head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Got {
        status,
        head,
        body: answer[end + 4..].to_vec(),
    }
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Got {
    request("GET", url, headers, b"").await
}
