//! An update in words: for the cloud, and for `status`.

use super::{
    Closing, Committing, Fetching, Phase, Regretting, Update, Warm, fetching::percent,
    timing::RESUME,
};
use crate::record::Ledger;

impl Update {
    /// What the cloud is told as `ota_status`.
    #[must_use]
    pub fn ota_status(&self) -> &'static str {
        match &self.phase {
            Phase::Idle if self.failed_until.is_some() => "failed",
            Phase::Idle | Phase::Closing(Closing { failed: false, .. }) => "idle",
            Phase::Fetching(fetching) if fetching.verifying => "verifying",
            Phase::Opening(_) | Phase::Fetching(_) => "downloading",
            Phase::Waiting(_) | Phase::Keeping(..) | Phase::Warming(_) => "updating",
            Phase::Spending(..)
            | Phase::Switching(..)
            | Phase::Proving(_)
            | Phase::Committing(_) => "restarting",
            Phase::Regretting(regretting) if regretting.is_wished() => "restarting",
            Phase::Reverting(_) | Phase::Closing(_) | Phase::Regretting(_) => "failed",
        }
    }

    /// Percent of the image on the disk; 0 when no update is under way.
    #[must_use]
    pub fn percent(&self, ledger: &Ledger) -> u8 {
        match (&self.phase, &ledger.record.job) {
            (Phase::Idle, _) => 0,
            (Phase::Opening(_), _) => 0,
            (Phase::Fetching(fetching), Some(job)) => {
                percent(fetching.on_disk, job.wanted.size()).min(99)
            }
            (Phase::Closing(_) | Phase::Regretting(_), _) => 0,
            _ => 100,
        }
    }

    /// How many bytes of the image are on the disk, and of how many; nothing when none is being fetched.
    #[must_use]
    pub fn fetched_bytes(&self, ledger: &Ledger) -> Option<(u64, u64)> {
        match (&self.phase, &ledger.record.job) {
            (Phase::Fetching(fetching), Some(job)) => Some((fetching.on_disk, job.wanted.size())),
            _ => None,
        }
    }

    /// How long nobody ran the device in the last switch, in milliseconds.
    #[must_use]
    pub fn gap_ms(&self) -> Option<u64> {
        self.gap_ms
    }

    /// The phase's name, for `status`.
    #[must_use]
    pub fn phase_name(&self) -> &'static str {
        match &self.phase {
            Phase::Idle => "idle",
            Phase::Opening(_) => "opening",
            Phase::Fetching(_) => "fetching",
            Phase::Waiting(_) => "waiting",
            Phase::Keeping(..) => "keeping",
            Phase::Warming(_) => "warming",
            Phase::Spending(..) => "spending",
            Phase::Switching(..) => "switching",
            Phase::Proving(_) => "proving",
            Phase::Committing(_) => "committing",
            Phase::Reverting(_) => "reverting",
            Phase::Closing(_) => "closing",
            Phase::Regretting(regretting) if regretting.is_wished() => "rolling-back",
            Phase::Regretting(_) => "regretting",
        }
    }

    /// What is awaited before the update goes on, in words.
    #[must_use]
    pub fn awaited(&self, ledger: &Ledger) -> Option<String> {
        match &self.phase {
            Phase::Idle => ledger.unreadable_words(),
            Phase::Opening(_) | Phase::Fetching(_) if self.paused_at.is_some() => {
                Some(RESUME.to_owned())
            }
            Phase::Fetching(Fetching {
                tomorrow: Some(at), ..
            }) => Some(format!("another day's bytes, from {} on", at.rfc3339())),
            Phase::Fetching(Fetching { retry: Some(_), .. }) => {
                Some("the next try of the download".to_owned())
            }
            Phase::Fetching(Fetching { stale: Some(_), .. }) => {
                Some("another address from the platform".to_owned())
            }
            Phase::Waiting(waiting) => Some(waiting.shut.to_string()),
            Phase::Warming(warming) => Some(match &warming.step {
                Warm::Starting => "the new worker to warm up".to_owned(),
                Warm::Asking => "the device's consent to the switch".to_owned(),
                Warm::PutOff(_, reason) => format!("the device's consent to the switch: {reason}"),
                Warm::Shut(shut) => shut.to_string(),
                Warm::Marking(_) => "the trial to be on the disk".to_owned(),
            }),
            Phase::Switching(..) => Some("the new worker to take over".to_owned()),
            Phase::Proving(_) => Some("the new worker to prove itself".to_owned()),
            Phase::Reverting(_) => Some("the old worker to be active again".to_owned()),
            Phase::Regretting(regretting) if regretting.is_leaving() => {
                Some("the running worker to hand over".to_owned())
            }
            Phase::Closing(Closing { save: None, .. })
            | Phase::Committing(Committing { save: None, .. })
            | Phase::Regretting(Regretting { save: None, .. }) => {
                Some("the disk to take the record".to_owned())
            }
            _ => None,
        }
    }
}
