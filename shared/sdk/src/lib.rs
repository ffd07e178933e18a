//! What a device author uses: one trait, one [`run`].
//!
//! The sdk owns the leash, the socket, the handshake, the heartbeats, the time limits and the exit codes; a device owns its
//! hardware and its state. Here is a whole device, a lamp that remembers its brightness through crashes and upgrades:
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use worker_sdk::{Device, Fault, Kind, Model, Property, Refusal, Reporter, Resume, Value};
//!
//! #[derive(Default, Clone, Serialize, Deserialize)]
//! #[serde(default)]
//! struct Light {
//!     brightness: i64,
//! }
//!
//! #[derive(Default)]
//! struct Lamp {
//!     light: Light,
//!     report: Option<Reporter>,
//! }
//!
//! impl Device for Lamp {
//!     type Snapshot = Light;
//!
//!     fn model(&self) -> Model {
//!         let brightness = Property::writable("brightness", "Brightness", Kind::int(0..=100, "%"));
//!         Model::new("Lamp", env!("CARGO_PKG_VERSION")).with(brightness)
//!     }
//!
//!     async fn activate(&mut self, report: Reporter, from: Option<Resume<Light>>) -> Result<(), Fault> {
//!         self.light = from.map(|it| it.state).unwrap_or_default();
//!         report.set("brightness", self.light.brightness);
//!         self.report = Some(report);
//!         Ok(())
//!     }
//!
//!     async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
//!         if let (Value::Int(percent), Some(report)) = (value, &self.report) {
//!             self.light.brightness = percent; // Already known to lie between 0 and 100.
//!             report.set(name, percent);
//!         }
//!         Ok(())
//!     }
//!
//!     fn snapshot(&self) -> Light {
//!         self.light.clone()
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     worker_sdk::run(Lamp::default)
//! }
//! ```
//!
//! A worker writes plain lines to stderr, `error` or `warn` and then a sentence; the supervisor puts them into its log.

pub mod check;
mod device;
mod exit;
mod guard;
mod leash;
mod log;
pub mod model;
mod reporter;
mod run;
mod runner;
mod snapshot;
pub mod testkit;
pub mod tsl;

pub use device::{Cause, Consent, Device, Fault, Health, Refusal, Resume};
pub use exit::Exit;
pub use model::{Kind, Model, Property};
pub use reporter::Reporter;
pub use run::run;
pub use worker_protocol::{Element, Scalar, Value, ValueMap};
