//! Servers on free ports of loopback: Mosquitto (nginx has its own file), and somebody who listens on the broker.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use e2e::Log;
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value;

/// How often another port is tried: between finding one free and taking it, another process may be quicker.
const TRIES: usize = 5;

/// How many packets may wait for the observer's connection.
const MOST_WAITING: usize = 64;

/// A server's process; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens on loopback.
    pub(crate) port: u16,
    /// What it logs; Mosquitto tells every message.
    pub(crate) log: Log,
    child: Child,
}

impl Server {
    /// An ordinary broker that lets everybody in.
    pub(crate) fn mosquitto(folder: &Path) -> Self {
        Self::start(|port| Self::mosquitto_at(folder, port))
    }

    /// The same on a given port.
    pub(crate) fn mosquitto_at(folder: &Path, port: u16) -> Command {
        let config = folder.join("mosquitto.conf");
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nuser root\nlog_dest stderr\nlog_type all\n"
        );
        fs::write(&config, text).unwrap();
        let mut command = Command::new(super::needed("HOTPLATE_INTEROP_MOSQUITTO"));
        command.arg("-c").arg(config);
        command
    }

    /// Starts it on a port that is free.
    pub(crate) fn start(command: impl Fn(u16) -> Command) -> Self {
        let mut logs = String::new();
        for _ in 0..TRIES {
            let free = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            match Self::try_start(&mut command(free), free) {
                Ok(server) => return server,
                Err(log) => logs += &log,
            }
        }
        panic!("the server did not start on {TRIES} ports:\n{logs}");
    }

    /// Starts it on a port it must take.
    pub(crate) fn again(command: &mut Command, port: u16) -> Self {
        Self::try_start(command, port)
            .unwrap_or_else(|log| panic!("the server did not start:\n{log}"))
    }

    fn try_start(command: &mut Command, port: u16) -> Result<Self, String> {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|why| panic!("{command:?}: {why}"));
        let log = Log::default();
        log.follow(child.stderr.take().unwrap());
        let up = e2e::until("the server listens or ends", || {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(true);
            }
            match child.try_wait() {
                Ok(None) => Err("it runs and does not listen".to_owned()),
                _ => Ok(false),
            }
        });
        if up {
            Ok(Self { port, child, log })
        } else {
            Err(log.text())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!(
                "--- the log of the server on port {} ---\n{}",
                self.port,
                self.log.text()
            );
        }
    }
}

/// Somebody who hears everything on a broker, and may publish.
pub(crate) struct Observer {
    client: Client,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Observer {
    /// Listens from now on.
    pub(crate) fn on(port: u16) -> Self {
        let mut options = MqttOptions::new("observer", "127.0.0.1", port);
        options.set_keep_alive(Duration::from_secs(30));
        let (client, mut connection) = Client::new(options, MOST_WAITING);
        client.subscribe("#", QoS::AtLeastOnce).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (heard_too, (subscribed, told)) = (Arc::clone(&heard), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        let payload = serde_json::from_slice(&message.payload).unwrap_or_default();
                        lock(&heard_too).push((message.topic, payload));
                    }
                    // Fails only when the test is over.
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(subscribed.send(())),
                    Ok(_) => {}
                    // Its broker has gone, and with it all there is to hear.
                    Err(_) => return,
                }
            }
        });
        told.recv_timeout(e2e::LIMIT)
            .expect("the broker takes a subscription");
        Self { client, heard }
    }

    /// Publishes.
    pub(crate) fn publish(&self, topic: &str, payload: &Value) {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload.to_string())
            .unwrap();
    }

    /// What was heard on a topic.
    pub(crate) fn heard(&self, topic: &str) -> Vec<Value> {
        let heard = lock(&self.heard);
        heard
            .iter()
            .filter(|(on, _)| on == topic)
            .map(|(_, payload)| payload.clone())
            .collect()
    }

    /// Waits until something that was heard on a topic is as wanted.
    #[track_caller]
    pub(crate) fn await_on(&self, topic: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        e2e::until(&format!("a message on {topic}"), || {
            let heard = self.heard(topic);
            heard
                .iter()
                .find(|payload| wanted(payload))
                .cloned()
                .ok_or_else(|| format!("{heard:?}"))
        })
    }
}

fn lock(heard: &Mutex<Vec<(String, Value)>>) -> MutexGuard<'_, Vec<(String, Value)>> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
