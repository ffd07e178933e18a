//! The platform: the emulator as a program of its own, which can be killed and stopped, its API, and its journal.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::SoakError;
use super::forge::Image;
use super::plan::Fault;
use super::processes::set_apart;
use crate::http::{Body, HttpError, Server};
use crate::tail::Tail;

/// The device.
pub(super) const PRODUCT: &str = "a1Sample001";
pub(super) const DEVICE: &str = "oven001";
/// Its secret; it opens nothing but this emulator.
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How long an answer of the API may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// The emulator.
pub(super) struct Platform {
    program: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
    places: Value,
    runtime: tokio::runtime::Runtime,
    /// What it has written into its journal.
    pub(super) journal: Tail,
}

impl Platform {
    /// One that keeps what it knows in this folder; it does not run yet.
    ///
    /// # Errors
    /// When there can be no runtime for its API.
    pub(super) fn new(
        program: &Path,
        folder: PathBuf,
        log: PathBuf,
        environment: Vec<(&'static str, PathBuf)>,
    ) -> Result<Self, SoakError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SoakError::at("a runtime"))?;
        Ok(Self {
            program: program.to_owned(),
            journal: Tail::of(folder.join("journal.jsonl")),
            folder,
            log,
            environment,
            child: None,
            places: Value::Null,
            runtime,
        })
    }

    /// Starts it, unless it runs, and waits until it listens.
    ///
    /// # Errors
    /// When it does not.
    pub(super) fn start(&mut self) -> Result<(), SoakError> {
        if self.child.is_some() {
            return Ok(());
        }
        let mut log = File::options();
        let log = log.create(true).append(true).open(&self.log);
        let mut command = Command::new(&self.program);
        command
            .args(["--mqtt-port", "0", "--http-port", "0", "--json", "--state"])
            .arg(&self.folder)
            .args(["--product", PRODUCT, "--device", DEVICE, "--secret", SECRET])
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.map_err(SoakError::at(&self.log))?);
        set_apart(&mut command);
        let mut child = command.spawn().map_err(SoakError::at(&self.program))?;
        let mut line = String::new();
        let said = child.stdout.take().expect("it was asked for");
        let read = BufReader::new(said).read_line(&mut line);
        self.child = Some(child);
        read.map_err(SoakError::at(&self.program))?;
        let places: Value =
            serde_json::from_str(&line).map_err(|_| SoakError::NoPlatform(self.log.clone()))?;
        if self.places.is_null() {
            self.places = places;
        } else if self.places != places {
            return Err(SoakError::Moved(
                self.places.to_string(),
                places.to_string(),
            ));
        }
        Ok(())
    }

    /// Ends it as nobody can prevent, and waits for that.
    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only when it has ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Its process, if it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// The port for MQTT.
    pub(super) fn port(&self) -> u16 {
        let address = self.places["mqtt"].as_str().unwrap_or_default();
        let port = address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        port.expect("an emulator tells its address")
    }

    /// Takes an image, used where it lies. Answers the package's number.
    ///
    /// # Errors
    /// When the platform does not.
    pub(super) fn upload(&self, image: &Image, carrier: &str) -> Result<u64, SoakError> {
        let mut package = json!({
            "version": image.version, "paths": [image.path], "sign_method": "SHA256",
        });
        if let Some(minisig) = &image.minisig {
            package["minisig"] = json!(minisig);
            package["carrier"] = carrier.into();
        }
        let firmware = self.post("/api/firmware/by-path", &package)?;
        Ok(firmware["id"].as_u64().unwrap_or_default())
    }

    /// Starts a job for the device. Answers its number.
    ///
    /// # Errors
    /// When the platform does not.
    pub(super) fn offer(&self, firmware: u64, blocks: bool) -> Result<u64, SoakError> {
        let rollout = json!({
            "firmware": firmware,
            "devices": [{"product_key": PRODUCT, "device_name": DEVICE}],
            "transport": if blocks { "mqtt" } else { "http" },
        });
        let job = self.post("/api/jobs", &rollout)?;
        Ok(job["id"].as_u64().unwrap_or_default())
    }

    /// A job as it stands.
    ///
    /// # Errors
    /// When the platform does not say.
    pub(super) fn job(&self, number: u64) -> Result<Value, SoakError> {
        let server = self.server();
        let path = format!("/api/jobs/{number}");
        self.answered(server.get(&path))
    }

    /// Sets a fault.
    ///
    /// # Errors
    /// When the platform does not.
    pub(super) fn fault(&self, fault: &Fault) -> Result<(), SoakError> {
        self.post("/api/faults", &fault.order()).map(drop)
    }

    /// Takes a fault away.
    ///
    /// # Errors
    /// When the platform does not.
    pub(super) fn clear(&self, fault: &str) -> Result<(), SoakError> {
        let server = self.server();
        let path = format!("/api/faults/{fault}");
        self.answered(server.delete(&path)).map(drop)
    }

    /// Ends the device's connection: `kick` or `drop`.
    ///
    /// # Errors
    /// When the platform does not.
    pub(super) fn part(&self, how: &str) -> Result<(), SoakError> {
        let path = format!("/api/devices/{PRODUCT}/{DEVICE}/{how}");
        self.post(&path, &json!({})).map(drop)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, SoakError> {
        let server = self.server();
        self.answered(server.post(path, Body::Json(body)))
    }

    fn server(&self) -> Server {
        let address = self.places["http"].as_str().unwrap_or_default();
        format!("http://{address}")
            .parse()
            .expect("an emulator tells its address")
    }

    fn answered(
        &self,
        asked: impl Future<Output = Result<Value, HttpError>>,
    ) -> Result<Value, SoakError> {
        let answer = self
            .runtime
            .block_on(async { tokio::time::timeout(ANSWER_LIMIT, asked).await });
        match answer {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(SoakError::Unanswered(ANSWER_LIMIT)),
        }
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.kill();
    }
}
