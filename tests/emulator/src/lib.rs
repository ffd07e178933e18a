//! Alibaba Cloud IoT's device side, on loopback, able to misbehave by name.
//!
//! An [`Emulator`] is an MQTT endpoint that logs devices in as the platform does, the OTA and thing-model services behind it,
//! a firmware server with ranges, and an HTTP API over all of it. Real device SDKs can use it. It exists so that a device can
//! be tested end to end, also against a platform that fails: every [`Fault`] has a name, a seed and a counter.
//!
//! It shares no code with any device: what it knows comes from the platform's documents. It refuses to be a broker: nobody
//! but devices can connect, and the platform's side is reached only through this library or the HTTP API.
//!
//! ```no_run
//! use std::time::Duration;
//! use cloud_emulator::{DeviceId, Emulator, Options, Package, Rollout, TaskState};
//!
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! let emulator = Emulator::start(Options::default())?;
//! let oven = DeviceId::new("a1Sample001", "oven001");
//! emulator.add_device(&oven, "0123456789abcdef0123456789abcdef");
//! println!("devices connect to {}", emulator.mqtt_address());
//! emulator.wait_until(&oven, Duration::from_secs(30), "online", |state| state.online).await?;
//! let firmware = emulator.add_firmware(Package::from_path("1.0.7", "target/worker"))?;
//! emulator.start_job(Rollout::new(firmware.id, &oven))?;
//! let done = |state: &cloud_emulator::DeviceState| state.task().is_some_and(|task| task.state == TaskState::Succeeded);
//! emulator.wait_until(&oven, Duration::from_secs(60), "upgraded", done).await?;
//! # Ok(())
//! # }
//! ```

mod api;
mod broker;
mod calls;
mod door;
mod download;
mod emulator;
mod fault_kinds;
mod faults;
mod firmware;
mod journal;
mod kept;
mod login;
mod minisig;
mod options;
mod platform;
mod ports;
mod random;
mod session;
mod shared;
mod start;
mod state;
mod tls;
mod topics;
mod wire;

pub use calls::{Answer, CallError, RrpcForm};
pub use emulator::Emulator;
pub use faults::{Fault, FaultName, FaultState, UnknownFault};
pub use firmware::{Firmware, Package, PackageError, SignMethod, Source, StoredFile};
pub use journal::{Entry, Message, Payload, What};
pub use kept::StateError;
pub use login::DeviceId;
pub use minisig::{Carrier, Claims, KeyError, Minisig, SigningKey};
pub use options::Options;
pub use platform::offer::Transport;
pub use platform::rollout::{JobError, Rollout};
pub use platform::task::{TaskState, Turn};
pub use shared::NotReached;
pub use start::StartError;
pub use state::{Counters, Desired, DeviceState, Event, JobState, Progress, Property, TaskView};
pub use tls::CertificateError;
