//! What is told of the device: its telemetry on the way through, the supervisor's own four properties, and `status`.

use worker_protocol::{
    Value, ValueMap,
    v1::{FromWorker, Health},
};

use super::{Agent, note};
use crate::{
    alink::{topics::Identifier, version::Version},
    event::{Command, Grade, Tenure},
    outbox::Raised,
    record::Slot,
    status::{Standing, Status, WorkerStatus},
    tenure::{Life, Milestone, Role, Stage},
    time::Now,
    update::Update,
};

/// The properties that belong to the supervisor. A worker that posts one of these names is not believed.
pub(super) const OWN: [&str; 4] = [
    "firmware_version",
    "ota_status",
    "ota_progress",
    "last_update_time",
];

/// The values of the supervisor's own properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Own {
    version: Option<String>,
    status: &'static str,
    progress: u8,
    last_update: Option<String>,
}

/// What the cloud is told to run where no worker is installed. The platform offers a version only to devices that run another one: one
/// whose worker was lost must be able to get it back.
pub(super) fn no_version() -> Version {
    "none".parse().expect("letters are a version")
}

impl Own {
    /// Is the difference worth a report out of turn? Progress alone is not.
    pub(super) fn differs(&self, other: &Self) -> bool {
        (&self.version, self.status, &self.last_update)
            != (&other.version, other.status, &other.last_update)
    }
}

pub(super) fn values(own: &Own) -> ValueMap {
    let mut values = ValueMap::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.insert(name.to_owned(), value);
        }
    };
    let version = own.version.clone();
    let version = version.unwrap_or_else(|| no_version().to_string());
    put("firmware_version", Some(Value::Text(version)));
    put("ota_status", Some(own.status.into()));
    put("ota_progress", Some(Value::Int(i64::from(own.progress))));
    put("last_update_time", own.last_update.clone().map(Value::Text));
    values
}

impl Agent {
    /// The slot that is told to run.
    pub(super) fn runs(&self) -> Option<&Slot> {
        let update = self.update.as_ref();
        update.map_or_else(|| self.ledger.running(), |it| it.told_to_run(&self.ledger))
    }

    pub(super) fn own(&self) -> Own {
        let record = &self.ledger.record;
        let update = self.update.as_ref();
        Own {
            version: self.runs().map(|slot| slot.version.to_string()),
            status: update.map_or("idle", Update::ota_status),
            progress: update.map_or(0, |update| update.percent(&self.ledger)),
            last_update: record.last_update.map(crate::time::Wall::rfc3339),
        }
    }

    /// What a worker says that is not about its own life.
    pub(super) fn telemetry(
        &mut self,
        tenure: Tenure,
        message: FromWorker,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        // A standby touches no hardware and therefore has nothing to tell of it.
        if !self.crew.life(tenure).is_some_and(Life::holds_hardware) {
            return;
        }
        match message {
            FromWorker::Properties(mut values) => {
                values.retain(|name, _| !OWN.contains(&name.as_str()));
                self.outbox.properties(values);
            }
            FromWorker::Raised {
                event,
                outputs,
                at_ms,
            } => match Identifier::new(&event) {
                Ok(event) => self.outbox.raise(Raised {
                    event,
                    outputs,
                    at_ms,
                }),
                Err(fault) => {
                    let text = format!("an event of the worker is dropped: {fault}");
                    self.chatter
                        .note(now.ticks, Grade::Warning, Some(tenure), text, out);
                }
            },
            FromWorker::Checkpoint { snapshot } => self.crew.remember(tenure, snapshot, now),
            FromWorker::Hurry { reason } => self.cadence.worker(tenure, &reason, true),
            FromWorker::Relax { reason } => self.cadence.worker(tenure, &reason, false),
            FromWorker::Ready
            | FromWorker::Unfit { .. }
            | FromWorker::Health(_)
            | FromWorker::Reply { .. }
            | FromWorker::Heartbeat { .. } => {}
        }
    }

    pub(super) fn tell_milestone(
        &mut self,
        tenure: Tenure,
        milestone: &Milestone,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        let Some(life) = self.crew.life(tenure) else {
            return;
        };
        let version = &life.slot.version;
        let (grade, text) = match milestone {
            Milestone::Ready => (Grade::Info, format!("worker {version} is warmed up")),
            Milestone::Active => (Grade::Info, format!("worker {version} is active")),
            Milestone::Handed(snapshot) => (
                Grade::Info,
                format!("worker {version} handed over {} bytes", snapshot.len()),
            ),
            Milestone::Gone(death) => (Grade::Info, format!("worker {version} {death}")),
            Milestone::Health(health) => {
                let text = match health {
                    Health::Well => format!("worker {version} is well"),
                    Health::Unwell { reason } => format!("worker {version} is unwell: {reason}"),
                };
                self.chatter
                    .note(now.ticks, Grade::Warning, Some(tenure), text, out);
                return;
            }
            Milestone::Consent(_) | Milestone::Answered(..) => return,
        };
        note(out, grade, Some(tenure), None, text);
    }

    /// How the device stands.
    #[must_use]
    pub fn standing(&self) -> Standing<'_> {
        Standing {
            phase: self.update.as_ref().map_or("idle", Update::phase_name),
            active: self.crew.active().map(|life| &life.slot.version),
            installed: self.ledger.running().is_some(),
            cloud_up: self.session.is_up(),
        }
    }

    /// How everything is.
    #[must_use]
    pub fn status(&self, _now: Now) -> Status {
        let record = &self.ledger.record;
        let own = self.own();
        let mut lives: Vec<&Life> = self.crew.lives().iter().collect();
        lives.sort_by_key(|life| (life.role == Role::Standby, life.tenure));
        let update = self.update.as_ref();
        let phase = update.map_or("idle", Update::phase_name);
        let fetched = update.and_then(|it| it.fetched_bytes(&self.ledger));
        Status {
            phase: phase.to_owned(),
            version: own.version,
            wanted: record
                .job
                .as_ref()
                .map(|job| job.wanted.version.to_string()),
            paused: record.paused,
            waiting: self.update.as_ref().and_then(Update::waiting_for),
            quarantined: self.ledger.quarantined(self.policy.tries),
            ota_status: own.status.to_owned(),
            ota_progress: own.progress,
            fetched_bytes: fetched.map(|(on_disk, _)| on_disk),
            image_bytes: fetched.map(|(_, size)| size),
            awaited: self.update.as_ref().and_then(|it| it.awaited(&self.ledger)),
            workers: lives.into_iter().map(worker).collect(),
            cloud_up: self.session.is_up(),
            cloud_word: self.session.word().map(str::to_owned),
            cloud_connections: self.session.connections(),
            hurry: self.cadence.words(),
            last_outcome: record.last_outcome.clone(),
            last_update: own.last_update,
            last_gap_ms: self.update.as_ref().and_then(Update::gap_ms),
            last_refusal: self.last_refusal.clone(),
            respawns: self.crew.respawns(),
            dropped: self.dropped(),
            strangers: self.strangers,
        }
    }
}

fn worker(life: &Life) -> WorkerStatus {
    let stage = match life.stage {
        Stage::Starting => "starting",
        Stage::Warming => "warming",
        Stage::Standby => "standby",
        Stage::Activating => "activating",
        Stage::Active => "active",
        Stage::Quiescing => "quiescing",
        Stage::Stopping => "stopping",
        Stage::Leaving => "leaving",
        Stage::Killed => "killed",
    };
    WorkerStatus {
        tenure: life.tenure.0,
        version: life.slot.version.to_string(),
        role: match life.role {
            Role::Standby => "standby".to_owned(),
            Role::Active => "active".to_owned(),
        },
        stage: stage.to_owned(),
        pid: life.pid,
        health: match &life.health {
            Health::Well => "well".to_owned(),
            Health::Unwell { reason } => reason.clone(),
        },
        memory_bytes: None,
        cpu_permille: None,
    }
}
