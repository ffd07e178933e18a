//! What must survive a power cut, as one value.
//!
//! The brain changes its copy and asks for it to be saved; the store writes it whole, with a generation and a checksum, into one of two
//! files in turn. Unknown fields are ignored and missing ones defaulted, so that an older supervisor can read a newer
//! one's record and the other way round.

use serde::{Deserialize, Serialize};

use crate::{
    alink::{codec::Digest, version::Version},
    event::{Command, SaveId},
    outcome::Outcome,
    time::Wall,
};

/// How many builds that failed are remembered; the oldest is forgotten first.
pub const MOST_STRIKES: usize = 32;

/// How many outcomes may be owed to the cloud; the oldest is dropped first.
pub const MOST_OWED: usize = 32;

/// The durable truth.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// The trusted worker.
    pub active: Option<Slot>,
    /// The one trusted before it, kept for going back.
    pub former: Option<Slot>,
    /// The next slot's number; numbers are never used twice. A job has the number of the slot it fills.
    pub next_slot: u64,
    /// The update under way.
    pub job: Option<Job>,
    /// Builds that were started and have not proved themselves.
    pub strikes: Vec<Strike>,
    /// Outcomes the cloud has not been told for certain.
    pub owed: Vec<Owed>,
    /// When the running version was trusted.
    pub last_update: Option<Wall>,
    /// How the last update ended.
    pub last_outcome: Option<Ended>,
}

/// An immutable folder with one verified worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its number.
    pub id: SlotId,
    /// The version its image was offered as.
    pub version: Version,
    /// SHA-256 of the image, in lower-case hex.
    pub sha256: String,
    /// The image's length in bytes.
    pub size: u64,
}

/// A slot's number.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SlotId(pub u64);

/// A job's number: that of the slot it fills.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct JobId(pub u64);

/// One update under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// What is wanted.
    pub wanted: Wanted,
    /// How far it came.
    pub stage: Stage,
}

/// What an accepted offer wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The target version.
    pub version: Version,
    /// The image's length in bytes.
    pub size: u64,
    /// Where it is; used verbatim.
    pub url: String,
    /// What it must hash to: every one of them.
    pub digests: Vec<Digest>,
}

/// How far a job came, as far as a power cut must know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The image is being fetched.
    Open,
    /// The image is a slot; its worker has not been made active.
    Fetched {
        /// That slot.
        slot: Slot,
    },
    /// The new worker may be the active one, and is not yet trusted.
    Trial {
        /// Its slot.
        slot: Slot,
    },
}

/// A build that was started and has not proved itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Strike {
    /// SHA-256 of the image, in lower-case hex.
    pub sha256: String,
    /// What the offer called its digests, so that it is known again before it is fetched.
    pub digests: Vec<Digest>,
    /// Its version.
    pub version: Version,
    /// How many times it was started.
    pub starts: u32,
}

/// An outcome the cloud has not been told for certain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// The job it ends.
    pub job: JobId,
    /// What happened.
    pub outcome: Outcome,
}

/// How an update ended, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The version that was wanted.
    pub version: Version,
    /// When.
    pub at: Wall,
    /// `None` is success.
    pub outcome: Option<Outcome>,
}

/// The brain's copy of the record, and the saves under way.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The truth as it will be once every save has ended.
    pub record: Record,
    saves: u64,
    in_flight: Vec<SaveId>,
    untidy: bool,
}

impl Ledger {
    /// Starts from what was found on the disk.
    #[must_use]
    pub fn new(record: Record) -> Self {
        Self {
            record,
            ..Self::default()
        }
    }

    /// Asks for the record to be saved as it is now.
    pub fn save(&mut self, out: &mut Vec<Command>) -> SaveId {
        self.untidy = false;
        self.save_as(self.record.clone(), out)
    }

    /// Asks for another record to be saved, which becomes the truth once that has ended.
    pub fn save_as(&mut self, record: Record, out: &mut Vec<Command>) -> SaveId {
        let save = SaveId(self.saves);
        self.saves += 1;
        self.in_flight.push(save);
        out.push(Command::Save {
            save,
            record: Box::new(record),
        });
        save
    }

    /// A save has ended, this way or that.
    pub fn ended(&mut self, save: SaveId) {
        self.in_flight.retain(|other| *other != save);
    }

    /// Something changed that nobody waits for; it is saved when no other save is under way.
    pub fn untidy(&mut self) {
        self.untidy = true;
    }

    /// Saves what nobody waits for, unless another save is under way, which it must not overtake.
    pub fn tidy(&mut self, out: &mut Vec<Command>) {
        if self.untidy && self.in_flight.is_empty() {
            self.save(out);
        }
    }

    /// How often a build with one of these digests was started without proving itself.
    #[must_use]
    pub fn starts(&self, digests: &[Digest]) -> u32 {
        self.record
            .strikes
            .iter()
            .find(|strike| same(&strike.digests, digests))
            .map_or(0, |strike| strike.starts)
    }

    /// One try of a build is spent. Answers how many are spent by now.
    pub fn spend(&mut self, slot: &Slot, digests: &[Digest]) -> u32 {
        let strikes = &mut self.record.strikes;
        let at = strikes
            .iter()
            .position(|strike| strike.sha256 == slot.sha256 || same(&strike.digests, digests));
        let mut strike = at.map_or_else(
            || Strike {
                sha256: slot.sha256.clone(),
                digests: digests.to_vec(),
                version: slot.version.clone(),
                starts: 0,
            },
            |at| strikes.remove(at),
        );
        strike.starts += 1;
        let starts = strike.starts;
        strikes.push(strike);
        if strikes.len() > MOST_STRIKES {
            strikes.remove(0);
        }
        starts
    }

    /// The cloud is owed an outcome from now on.
    pub fn owe(&mut self, owed: Owed) {
        self.record.owed.push(owed);
        if self.record.owed.len() > MOST_OWED {
            self.record.owed.remove(0);
        }
    }
}

/// Do two offers' digests name the same image? One equal digest is enough.
#[must_use]
pub fn same(a: &[Digest], b: &[Digest]) -> bool {
    a.iter().any(|digest| b.contains(digest))
}
