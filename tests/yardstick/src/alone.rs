//! The way of a device whose one program does everything: it keeps its control loop, and it keeps its session with the platform.
//!
//! To swap it is to stop it and to start the next one, which loads the state from a file, connects over TLS, logs in, subscribes, and
//! only then runs its loop. The loop writes its beats down as the metronome does.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, QoS, TlsConfiguration, Transport,
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use tokio::{
    process::{Child, Command},
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{Error, answer, now, orders, swap};

/// The time between two beats, as the metronome's.
const PERIOD: Duration = Duration::from_millis(10);

/// A session that needs longer for anything is not worth measuring.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many messages may wait for the network.
const MOST_WAITING: usize = 64;

/// Who it is and where, in words of a command line.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// `host:port`.
    broker: String,
    /// A file with the certificate to trust.
    ca: PathBuf,
    client_id: String,
    username: String,
    password: String,
    /// What it subscribes to.
    topic: String,
}

impl Account {
    /// How many words one is.
    pub(crate) const WORDS: usize = 6;

    /// From these words, in this order.
    pub(crate) fn of(words: &[String]) -> Result<Self, Error> {
        let [broker, ca, client_id, username, password, topic] = words else {
            return Err(Error::Usage);
        };
        Ok(Self {
            broker: broker.clone(),
            ca: PathBuf::from(ca),
            client_id: client_id.clone(),
            username: username.clone(),
            password: password.clone(),
            topic: topic.clone(),
        })
    }

    fn words(&self) -> [&str; Self::WORDS] {
        [
            &self.broker,
            self.ca.to_str().unwrap_or_default(),
            &self.client_id,
            &self.username,
            &self.password,
            &self.topic,
        ]
    }
}

/// Swaps the program for the next one for each order.
pub(crate) async fn origin(account: &Account, folder: &Path) -> Result<(), Error> {
    let mut orders = orders();
    let mut child = start(account, folder).await?;
    answer("active")?;
    while orders.recv().await.is_some() {
        // The end of its input is what it stops at.
        drop(child.stdin.take());
        child.wait().await?;
        child = start(account, folder).await?;
        answer("active")?;
    }
    Ok(())
}

/// Starts the program, and waits until it says that its loop runs.
async fn start(account: &Account, folder: &Path) -> Result<Child, Error> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("alone")
        .args(account.words())
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut word = [0];
    if let Some(stdout) = &mut child.stdout {
        let said = tokio::io::AsyncReadExt::read(stdout, &mut word);
        timeout(PATIENCE, said)
            .await
            .map_err(|_late| Error::Worker("begin"))??;
    }
    Ok(child)
}

/// The program's whole life.
pub(crate) async fn alone(account: &Account, folder: &Path) -> Result<(), Error> {
    let mut end = orders();
    let state = folder.join("alone.state");
    let mut count: u64 = fs::read_to_string(&state)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let mut journal = OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("alone.journal"))?;
    let (_client, mut session) = connect(account).await?;
    let mut turns = interval(PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut told = false;
    loop {
        tokio::select! {
            _ = turns.tick() => {
                beat(&mut journal, &mut count)?;
                if !std::mem::replace(&mut told, true) {
                    answer("active")?;
                }
            }
            ended = end.recv() => if ended.is_none() {
                beat(&mut journal, &mut count)?;
                return Ok(swap::keep(&state, count.to_string().as_bytes())?);
            },
            event = session.poll() => {
                event.map_err(|_gone| Error::Worker("online"))?;
            }
        }
    }
}

fn beat(journal: &mut File, count: &mut u64) -> Result<(), Error> {
    *count += 1;
    let line = format!("{} alone {} beat {count}\n", now(), std::process::id());
    Ok(journal.write_all(line.as_bytes())?)
}

/// Connects, logs in and subscribes.
async fn connect(account: &Account) -> Result<(AsyncClient, EventLoop), Error> {
    let mut roots = RootCertStore::empty();
    let pem = fs::read(&account.ca)?;
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_unfit| Error::Worker("speak TLS"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (host, port) = account.broker.rsplit_once(':').ok_or(Error::Usage)?;
    let port = port.parse().map_err(|_text| Error::Usage)?;
    let mut options = MqttOptions::new(&account.client_id, host, port);
    options
        .set_credentials(&account.username, &account.password)
        .set_keep_alive(Duration::from_secs(60))
        .set_transport(Transport::Tls(TlsConfiguration::Rustls(Arc::new(config))));
    let (client, mut session) = AsyncClient::new(options, MOST_WAITING);
    session.network_options.set_tcp_nodelay(true);
    let asked = client.try_subscribe(&account.topic, QoS::AtLeastOnce);
    asked.map_err(|_full| Error::Worker("ask"))?;
    let subscribed = async {
        loop {
            match session.poll().await {
                Ok(Event::Incoming(Packet::SubAck(_))) => return Ok(()),
                Ok(_) => {}
                Err(why) => return Err(why),
            }
        }
    };
    match timeout(PATIENCE, subscribed).await {
        Ok(Ok(())) => Ok((client, session)),
        Ok(Err(why)) => {
            eprintln!("{why}");
            Err(Error::Worker("online"))
        }
        Err(_late) => Err(Error::Worker("online")),
    }
}
