//! What an emulator may be told before it starts.
//!
//! Everything has a default which suits a test: free ports on loopback, the limits the platform documents, the patience it
//! documents. Nothing here can be changed while it runs; faults can (see [`crate::Fault`]).

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// How an [`crate::Emulator`] is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address all listeners bind to; loopback unless told otherwise, since there is no defence against strangers.
    pub host: IpAddr,
    /// Port of the plain MQTT listener; 0 takes a free one.
    pub mqtt_port: u16,
    /// Port of the MQTT listener over TLS; 0 takes a free one. Unused without [`Options::tls`].
    pub mqtts_port: u16,
    /// Port of the HTTP API; 0 takes a free one.
    pub api_port: u16,
    /// Port of the plain firmware server; 0 takes a free one.
    pub firmware_port: u16,
    /// Port of the firmware server over TLS; 0 takes a free one. Unused without [`Options::tls`].
    pub firmware_tls_port: u16,
    /// Whether the TLS listeners run, with a certificate authority made at the start (see [`crate::Emulator::ca_pem`]).
    pub tls: bool,
    /// Which keepalive seconds a CONNECT may ask for (document 30540 says 30 to 1200); others are refused with code 3.
    /// `None` accepts any, also 0 for "none", so that a test need not wait for half a minute.
    pub keepalive: Option<RangeInclusive<u16>>,
    /// Whether a keepalive above the limit is lowered to it, as the C SDK's header says, instead of refused, as document
    /// 30540 says.
    pub clamp_long_keepalive: bool,
    /// The largest PUBLISH payload in bytes; a larger one closes the connection.
    pub payload_limit: usize,
    /// How long a property set or an asynchronous service call waits for its answer.
    pub answer_limit: Duration,
    /// How long a synchronous call waits; the platform's own limit is between 5 s and 8 s.
    pub sync_limit: Duration,
    /// How long a firmware URL stays valid; the platform says 24 h.
    pub url_lifetime: Duration,
    /// How many journal entries are kept; the oldest go first.
    pub journal_capacity: usize,
    /// Where uploaded firmware is kept; a private folder in the system's temporary one, removed at the end, if `None`. With
    /// [`Options::state`] it is a folder in there if `None`, and stays.
    pub folder: Option<PathBuf>,
    /// Where everything is kept that a platform does not forget when it is started anew: products, devices, packages, jobs,
    /// the ports it listens on, its certificates, and the whole journal. With `None` all of it ends with the emulator. One
    /// folder belongs to one running emulator.
    pub state: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            mqtt_port: 0,
            mqtts_port: 0,
            api_port: 0,
            firmware_port: 0,
            firmware_tls_port: 0,
            tls: false,
            keepalive: Some(30..=1200),
            clamp_long_keepalive: false,
            payload_limit: 262_144,
            answer_limit: Duration::from_secs(10),
            sync_limit: Duration::from_secs(8),
            url_lifetime: Duration::from_secs(24 * 3600),
            journal_capacity: 4096,
            folder: None,
            state: None,
        }
    }
}

impl Options {
    /// The defaults with the TLS listeners on.
    #[must_use]
    pub fn with_tls() -> Self {
        Self {
            tls: true,
            ..Self::default()
        }
    }
}
