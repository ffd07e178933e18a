//! What the operator decides: every time span, count and size the brain goes by, with its default.
//!
//! The shell reads the configuration file into this; the brain takes it as given.

use std::time::Duration;

use crate::{event::Grade, maintenance::Maintenance, record::FileName};

/// The operator's decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The OTA module this supervisor answers for; `None` is the platform's default module.
    pub module: Option<String>,
    /// May an image come over plain `http:`?
    pub allow_http: bool,
    /// May a version be installed that is older than the one that runs?
    pub allow_downgrade: bool,
    /// Which file of a package of several is the program; without it such packages are refused.
    pub entry: Option<FileName>,
    /// The largest image accepted, in bytes; of several files, their sum.
    pub largest_image: u64,
    /// How many bytes one update may take from the network, if that is limited.
    pub budget: Option<u64>,
    /// How many bytes all updates together may take from the network in a day (UTC), if that is limited.
    pub budget_per_day: Option<u64>,
    /// How long after a connection the first query for an update is sent, at most.
    pub query_after_connect: Duration,
    /// How often the platform is asked for an update, give or take a tenth.
    pub query_every: Duration,
    /// How often a broken download is tried again without progress before it is given up.
    pub fetch_retries: u32,
    /// How long all tries of a download may take together, counted again after a restart of the supervisor. A wait for another
    /// day's bytes does not count.
    pub fetch_time: Duration,
    /// First and longest ceiling of the wait between two tries of a download.
    pub fetch_backoff: (Duration, Duration),
    /// How long a block over MQTT is waited for before it is asked for again.
    pub block_wait: Duration,
    /// Is the new worker warmed up beside the old one? `false` for a device too small for two.
    pub standby: bool,
    /// How many times a build may be started before it must have proved itself.
    pub tries: u32,
    /// At which times the old worker may be switched.
    pub maintenance: Maintenance,
    /// How long the old worker may put off the switch, altogether.
    pub consent_limit: Duration,
    /// How long the new worker must be well before it is trusted.
    pub proving: Duration,
    /// How long after its commit a version that keeps dying is taken back, while the slot before is still there.
    pub loop_window: Duration,
    /// How many deaths in that time are too many; at least 1. An end of the supervisor or of the machine is one, unless it was in order.
    pub loop_deaths: u32,
    /// Limits for one life of a worker.
    pub life: LifePolicy,
    /// First and longest ceiling of the wait before a dead worker is started again; the first start is at once.
    pub respawn_backoff: (Duration, Duration),
    /// A worker that lived this long starts again at once when it dies.
    pub respawn_calm: Duration,
    /// How often the device's state goes to the disk at the most, while it changes.
    pub checkpoint_every: Duration,
    /// How often the full status is reported, in general.
    pub report_normal: Duration,
    /// How often the full status is reported while there is a reason to hurry.
    pub report_fast: Duration,
    /// First and longest ceiling of the wait before connecting again.
    pub reconnect_backoff: (Duration, Duration),
    /// How long the broker may leave a message unacknowledged before the connection is made anew.
    pub ack_limit: Duration,
    /// The least grave line of the log that the platform gets as well; without it, it gets none.
    pub upload: Option<Grade>,
    /// How long a request of the cloud waits for a worker's answer, a switch included.
    pub answer_limit: Duration,
}

/// Limits for one life of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifePolicy {
    /// From the start of the process to its hello.
    pub hello_limit: Duration,
    /// From hello to ready.
    pub warm_up_limit: Duration,
    /// From the request to active.
    pub activate_limit: Duration,
    /// From the request to quiesce to the snapshot.
    pub quiesce_limit: Duration,
    /// From the last word to the exit of the process.
    pub exit_limit: Duration,
    /// How often each side says that it is alive.
    pub heartbeat: Duration,
    /// A worker that said nothing for this long is stopped.
    pub silence_limit: Duration,
}

impl Policy {
    /// Are the bytes from the network counted? Then every request is paid for by the hands before it is made.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.budget.is_some() || self.budget_per_day.is_some()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            module: None,
            allow_http: false,
            allow_downgrade: false,
            entry: None,
            largest_image: 1 << 30,
            budget: None,
            budget_per_day: None,
            query_after_connect: Duration::from_secs(5),
            query_every: Duration::from_secs(300),
            fetch_retries: 8,
            fetch_time: Duration::from_secs(24 * 3600),
            fetch_backoff: (Duration::from_secs(1), Duration::from_secs(60)),
            block_wait: Duration::from_secs(10),
            standby: true,
            tries: 3,
            maintenance: Maintenance::default(),
            consent_limit: Duration::from_secs(3600),
            proving: Duration::from_secs(10),
            loop_window: Duration::from_secs(600),
            loop_deaths: 5,
            life: LifePolicy::default(),
            respawn_backoff: (Duration::from_secs(1), Duration::from_secs(60)),
            respawn_calm: Duration::from_secs(60),
            // Ten seconds of a device's life are what a power cut may cost. A device whose state always changes writes 8,640 times a
            // day then, with the file system's own writes some 32 KB each: 280 MB, which 4 GB of levelled flash with 1,000 erase
            // cycles bear for forty years.
            checkpoint_every: Duration::from_secs(10),
            report_normal: Duration::from_secs(30),
            report_fast: Duration::from_secs(2),
            reconnect_backoff: (Duration::from_secs(1), Duration::from_secs(120)),
            ack_limit: Duration::from_secs(30),
            upload: None,
            answer_limit: Duration::from_secs(6),
        }
    }
}

impl Default for LifePolicy {
    fn default() -> Self {
        Self {
            hello_limit: Duration::from_secs(10),
            warm_up_limit: Duration::from_secs(60),
            activate_limit: Duration::from_secs(10),
            quiesce_limit: Duration::from_secs(5),
            exit_limit: Duration::from_secs(5),
            heartbeat: Duration::from_secs(2),
            silence_limit: Duration::from_secs(10),
        }
    }
}
