//! What is held against versions: the tries their builds have used up, and what an operator said.

use super::{Held, Hold, Ledger, MOST_HELD, Record, Stage, Strike, same};
use crate::{alink::version::Version, outcome::Outcome, status::Quarantined};

impl Ledger {
    /// What an operator holds against a version.
    #[must_use]
    pub fn hold_on(&self, version: &Version) -> Option<Hold> {
        let held = self.record.held.iter();
        held.rev().find(|it| it.version == *version).map(|it| it.by)
    }

    /// A version is not taken from the platform from now on. The change is not saved by this.
    pub fn hold(&mut self, version: &Version, by: Hold) {
        self.lift(version);
        let held = &mut self.record.held;
        held.push(Held {
            version: version.clone(),
            by,
        });
        if held.len() > MOST_HELD {
            held.remove(0);
        }
    }

    /// An operator holds nothing against a version any more. The change is not saved by this. Was anything held?
    pub fn lift(&mut self, version: &Version) -> bool {
        let held = &mut self.record.held;
        let before = held.len();
        held.retain(|it| it.version != *version);
        held.len() < before
    }

    /// The builds of a version get all their tries again, except the one that runs and the one under way. Answers how many. The change
    /// is not saved by this.
    pub fn pardon(&mut self, version: &Version) -> u32 {
        let Record {
            active,
            job,
            strikes,
            ..
        } = &mut self.record;
        let running = active.as_ref().map(|slot| slot.sha256.as_str());
        let job = job.as_ref();
        let digests = job.map(|job| job.wanted.digests()).unwrap_or_default();
        let slot = job.and_then(|job| match &job.stage {
            Stage::Open => None,
            Stage::Fetched { slot } | Stage::Trial { slot } => Some(slot.sha256.as_str()),
        });
        let is_busy = |strike: &Strike| {
            let build = Some(strike.sha256.as_str());
            build == running || build == slot || same(&strike.digests, &digests)
        };
        let mut tries = 0;
        strikes.retain(|strike| {
            let stays = strike.version != *version || is_busy(strike);
            tries += if stays { 0 } else { strike.starts };
            stays
        });
        tries
    }

    /// The versions that are not taken, and why.
    #[must_use]
    pub fn quarantined(&self, tries: u32) -> Vec<Quarantined> {
        let strikes = self.record.strikes.iter();
        let used_up = strikes.filter(|strike| strike.starts >= tries);
        let failed = used_up.map(|strike| {
            let starts = strike.starts;
            (&strike.version, Outcome::Quarantined { starts })
        });
        let held = self.record.held.iter();
        let unwanted = held.map(|held| (&held.version, Outcome::Held { by: held.by }));
        let all = failed.chain(unwanted);
        all.map(|(version, why)| Quarantined {
            version: version.to_string(),
            why: why.to_string(),
        })
        .collect()
    }
}
