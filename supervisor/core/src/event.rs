//! The whole vocabulary between brain and hands.
//!
//! Events say what happened, commands say what to do, in order; of those that follow from one event what is said to workers comes first.
//! Every command that can fail is answered by an event; the table:
//!
//! | command | answered by |
//! |---|---|
//! | `Connect` | `CloudUp` or `CloudDown` |
//! | `Publish` with a ticket | `Published`, or `CloudDown`, after which it must be published again |
//! | `Fetch` | any number of `FetchProgress`, then `Fetched` or `FetchFailed`; nothing but the last words under way after `HoldFetch` and `AbandonFetch` |
//! | `Fetch` of a file in blocks | also `BlockWanted`, each of which waits for one `Block`, for as long as that takes |
//! | `Save` | `Saved` or `SaveFailed`, in order |
//! | `Spawn` | `Spawned` (then, once, `Exited`), `SpawnFailed`, `SlotDamaged` or `SlotUnreadable` |
//! | `Send`, `Hang up` | `Parted` when the link is gone |
//! | `Kill` | `Exited` |
//! | `SaveCheckpoint` | `CheckpointSaved` or `CheckpointFailed`; the next one is ordered after that |
//! | `RemoveSlot` | `RemoveFailed` if it could not be removed |

mod turn;

use serde::{Deserialize, Serialize};
use worker_protocol::v1::{FromWorker, ToWorker};

pub use self::turn::Turn;
use crate::{
    alink::{topics::Subscription, version::Version},
    checkpoint::Checkpoint,
    record::{FileName, Record, Slot, WantedFile},
    status::Status,
};
pub use crate::{
    operator::{Answered, Brought, Effect},
    outcome::FetchFault,
    record::{JobId, SlotId},
};

/// One life of one worker process.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Tenure(pub u64);

/// Matches `Saved` to `Save`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SaveId(pub u64);

/// Matches `Published` to `Publish`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Whoever asked over the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Asker(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The broker accepted the login.
    CloudUp,
    /// The broker cannot be reached, refused the login, or the connection ended.
    CloudDown {
        /// How it came to that.
        loss: CloudLoss,
    },
    /// A message of the cloud.
    Arrived {
        /// Its topic.
        topic: String,
        /// Its bytes, at most 256 KiB.
        payload: Vec<u8>,
    },
    /// The broker has taken over a message (PUBACK).
    Published {
        /// Which.
        ticket: Ticket,
    },
    /// So many bytes of an image are on the disk. The first word may be about what a former try left, and 0 is told when
    /// all of that had to be forgotten.
    FetchProgress {
        /// Whose.
        job: JobId,
        /// Bytes written.
        on_disk: u64,
    },
    /// The download goes on with this block of a file the platform hands out, and waits for it.
    BlockWanted {
        /// Whose.
        job: JobId,
        /// Which.
        block: BlockOrder,
    },
    /// The image is complete, verified, synced, and a slot.
    Fetched {
        /// Whose.
        job: JobId,
        /// The finished slot.
        slot: Slot,
    },
    /// The image could not be had this time.
    FetchFailed {
        /// Whose.
        job: JobId,
        /// Why.
        fault: FetchFault,
    },
    /// The record is on the disk and synced.
    Saved {
        /// Which save.
        save: SaveId,
    },
    /// The record is not on the disk.
    SaveFailed {
        /// Which save.
        save: SaveId,
        /// Why, with the path.
        why: String,
    },
    /// The checkpoint is on the disk and synced.
    CheckpointSaved,
    /// The checkpoint is not on the disk.
    CheckpointFailed {
        /// Why, with the path.
        why: String,
    },
    /// A slot could not be removed.
    RemoveFailed {
        /// Which.
        slot: SlotId,
        /// Why, with the path.
        why: String,
    },
    /// The process runs.
    Spawned {
        /// Which life.
        tenure: Tenure,
        /// Its process id.
        pid: u32,
    },
    /// The process could not be started.
    SpawnFailed {
        /// Which life.
        tenure: Tenure,
        /// Why, with the path.
        why: String,
    },
    /// The process was not started, because its slot is not what was once verified.
    SlotDamaged {
        /// Which life.
        tenure: Tenure,
        /// What differs, with the file's name.
        why: String,
    },
    /// The process was not started, because its slot could not be read, however often that was tried. What lies there may be
    /// what was verified, and may be read another time.
    SlotUnreadable {
        /// Which life.
        tenure: Tenure,
        /// What the system said, with the file's name.
        why: String,
    },
    /// The process has ended and was reaped.
    Exited {
        /// Which life.
        tenure: Tenure,
        /// How.
        exit: Exit,
    },
    /// The worker said a hello with its token and was welcomed.
    Joined {
        /// Which life.
        tenure: Tenure,
        /// The version it says it is.
        version: String,
        /// The process id it says it has.
        pid: u32,
    },
    /// A word of a worker.
    Said {
        /// Which life.
        tenure: Tenure,
        /// What.
        message: FromWorker,
    },
    /// The link to a worker is gone; nothing more comes over it.
    Parted {
        /// Which life.
        tenure: Tenure,
        /// Why.
        why: String,
    },
    /// Somebody without a valid token tried the socket and was refused.
    Stranger {
        /// What was wrong.
        why: String,
    },
    /// Somebody asked over the control socket.
    Asked {
        /// Who, for the answer.
        asker: Asker,
        /// What.
        request: Request,
    },
    /// The deadline given by `next_deadline` may have passed.
    Tick,
    /// The supervisor is to end: stop the worker in order, then `Exit`.
    Stop,
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Connect to the broker and log in; one try.
    Connect,
    /// Subscribe to these topics.
    Subscribe {
        /// Filters, each with the quality of service to ask for.
        topics: Vec<Subscription>,
    },
    /// Publish a message; without a ticket at QoS 0, with one at QoS 1.
    Publish {
        /// To be told when the broker has it.
        ticket: Option<Ticket>,
        /// Its topic.
        topic: String,
        /// Its bytes.
        payload: Vec<u8>,
    },
    /// Say goodbye to the broker.
    Disconnect,
    /// Fetch an image into a slot.
    Fetch(FetchOrder),
    /// Hand a block to the download that waits for it.
    Block {
        /// Whose.
        job: JobId,
        /// Where in the file it begins, in bytes.
        offset: u64,
        /// At least one byte, and no more than were wanted.
        bytes: Vec<u8>,
    },
    /// Stop fetching and keep what is there of it for a later `Fetch`.
    HoldFetch {
        /// Whose.
        job: JobId,
    },
    /// Stop fetching and remove what is there of it, also if nothing is being fetched.
    AbandonFetch {
        /// Whose.
        job: JobId,
    },
    /// Save the record, durably.
    Save {
        /// To be named in the answer.
        save: SaveId,
        /// All of it.
        record: Box<Record>,
    },
    /// Save where the device stands, durably, without keeping anything else waiting.
    SaveCheckpoint(Box<Checkpoint>),
    /// Remove a slot no record names any more.
    RemoveSlot {
        /// Which.
        slot: SlotId,
    },
    /// Verify a slot and start a worker from it on the leash.
    Spawn {
        /// Which life.
        tenure: Tenure,
        /// From which slot.
        slot: Slot,
    },
    /// End a worker's process at once.
    Kill {
        /// Which life.
        tenure: Tenure,
    },
    /// Say something to a worker.
    Send {
        /// Which life.
        tenure: Tenure,
        /// What.
        message: ToWorker,
    },
    /// Close the link to a worker and forget its token.
    HangUp {
        /// Which life.
        tenure: Tenure,
    },
    /// Answer over the control socket.
    Answer {
        /// Whom.
        asker: Asker,
        /// What.
        reply: Reply,
    },
    /// Write one line into the log.
    Note(Note),
    /// The worker is stopped; end the process.
    Exit,
}

/// A build to fetch: verified while streaming, finished as a slot or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchOrder {
    /// Whose.
    pub job: JobId,
    /// The number of the slot it becomes.
    pub slot: SlotId,
    /// The version it was offered as.
    pub version: Version,
    /// The module it is for; `None` is the platform's default module.
    pub module: Option<String>,
    /// Its files, 1 to 20: one without a name, or several with names.
    pub files: Vec<WantedFile>,
    /// Which of several files is the program.
    pub entry: Option<FileName>,
}

/// A block of a file that the platform hands out over the MQTT session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockOrder {
    /// The stream's number.
    pub stream_id: u64,
    /// The file's number in the stream.
    pub file_id: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
    /// How many bytes are wanted.
    pub size: u32,
    /// How many bytes the whole file has.
    pub file_length: u64,
}

/// How the cloud was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloudLoss {
    /// The broker answered the login with this CONNACK code (1 to 5).
    Refused(u8),
    /// The broker closed an accepted connection.
    Closed,
    /// It could not be reached, or the connection broke; with the address.
    Broken(String),
}

impl CloudLoss {
    /// What is the matter, and where something can be done about it, what.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Refused(1) => {
                "the broker does not speak MQTT 3.1.1; check `cloud.host` and `cloud.port`".to_owned()
            }
            Self::Refused(2) => {
                "the broker refused the client id; check `cloud.client_id`, or leave it out".to_owned()
            }
            Self::Refused(3) => {
                "the broker is unavailable or does not accept the keepalive; try again later, or check `cloud.keepalive_s`"
                    .to_owned()
            }
            Self::Refused(4) => {
                "the broker refused the signature; check product key, device name and secret".to_owned()
            }
            Self::Refused(5) => {
                "the broker does not know this device, or it is disabled; check the instance and region, and the device in the platform's console"
                    .to_owned()
            }
            Self::Refused(code) => format!("the broker refused the login with code {code}"),
            Self::Closed => "the broker closed the connection".to_owned(),
            Self::Broken(why) => why.clone(),
        }
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The system does not say.
    Unknown,
}

/// What may be asked over the control socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How are you?
    Status,
    /// Install this file.
    Update(Brought),
    /// Hold whatever can be held, and begin nothing, until `Resume`.
    Pause,
    /// Go on where it stood.
    Resume,
    /// End the update under way, and stay with what ran.
    Cancel,
    /// Go back to the version before.
    Rollback,
    /// Take this version again, whatever was held against it.
    Release(Version),
    /// Let the update under way not wait for a better time.
    Hasten,
}

/// What is answered over the control socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// Thus.
    Status(Box<Status>),
    /// What becomes of an image an operator brought.
    Update(Answered),
    /// What becomes of `Pause`, `Resume`, `Cancel`, `Rollback`, `Release` and `Hasten`.
    Wish {
        /// What.
        effect: Effect,
        /// Is it on the disk? If not, a power cut may undo it, until the disk takes it.
        on_disk: bool,
    },
}

/// One line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How grave.
    pub grade: Grade,
    /// Which life it is about.
    pub tenure: Option<Tenure>,
    /// Which job it is about.
    pub job: Option<JobId>,
    /// One sentence.
    pub text: String,
    /// Where the story of an update took a turn, which one.
    pub turn: Option<Turn>,
}

/// How grave a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// For the curious.
    Detail,
    /// What was decided.
    Info,
    /// Somebody should look.
    Warning,
    /// Something failed.
    Error,
}
