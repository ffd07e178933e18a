//! Another platform, with an account for a program that keeps its session itself.
//!
//! The login is a published example of how the platform's own C SDK logs in: it needs no clock and nothing to be computed here.

use super::{SwapError, far::Far};
use cloud_emulator::{DeviceId, Emulator, Options};
use std::path::Path;
use std::time::Duration;

const CLIENT_ID: &str =
    "a1Sample001.oven001|timestamp=2524608000000,securemode=2,signmethod=hmacsha256|";
const USERNAME: &str = "oven001&a1Sample001";
const PASSWORD: &str = "EB231B560B0A55D591706E9BB618A3808098CF1CC6C13B747F2673D2C2BDBFE6";
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const TOPIC: &str = "/ota/device/upgrade/a1Sample001/oven001";

/// An account, and the platform it is good for.
pub(super) struct Account {
    broker: String,
    ca: String,
    _emulator: Emulator,
    _far: Option<Far>,
}

impl Account {
    /// Opens one with a platform that is a round trip away, or on this machine; the certificate to trust is put into this folder.
    ///
    /// # Errors
    /// When the platform does not start.
    pub(super) fn open(folder: &Path, round_trip: Option<Duration>) -> Result<Self, SwapError> {
        let emulator = Emulator::start(Options::with_tls())?;
        emulator.add_device(&DeviceId::new("a1Sample001", "oven001"), SECRET);
        let path = folder.join("platform.pem");
        let pem = emulator.ca_pem().unwrap_or_default();
        let written = std::fs::write(&path, pem);
        written.map_err(|source| SwapError::File {
            path: path.clone(),
            source,
        })?;
        let address = emulator.mqtts_address().expect("it was started with TLS");
        let far = round_trip.map(|round_trip| Far::from(address, round_trip));
        let far = far.transpose()?;
        let port = far.as_ref().map_or(address.port(), Far::port);
        Ok(Self {
            broker: format!("localhost:{port}"),
            ca: path.display().to_string(),
            _emulator: emulator,
            _far: far,
        })
    }

    /// It in words of a command line.
    pub(super) fn words(&self) -> [&str; 6] {
        [&self.broker, &self.ca, CLIENT_ID, USERNAME, PASSWORD, TOPIC]
    }
}
