//! One device's part of an OTA job, as a machine with an explicit clock (documents 147496, 302377, 85700, 89307).
//!
//! | from | what happens | to |
//! |---|---|---|
//! | Queued | the offer was delivered, by push or query | Notified |
//! | Queued, Notified | the first progress report; the time limit starts | InProgress |
//! | any of these three | the target version is reported | Succeeded |
//! | any of these three | a negative step | Failed |
//! | InProgress | a version that is neither source nor target is reported | Failed |
//! | InProgress | the time limit passes | Failed |
//! | Queued, Notified, InProgress | cancelled | Canceled |
//! | Failed, tries left | the retry interval passes | Queued |
//!
//! The source version reported again means only that the device restarted. Step 0 and 100 are progress like any other.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970.
pub(crate) type Millis = u64;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TaskState {
    /// Waiting for the device, or for its next try.
    Queued,
    /// The offer was delivered.
    Notified,
    /// The device has reported progress.
    InProgress,
    /// The device has reported the target version.
    Succeeded,
    /// See the task's reason.
    Failed,
    /// Cancelled by the operator.
    Canceled,
}

impl TaskState {
    /// Whether nothing but a retry can follow.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled)
    }
}

/// A step of the task's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Milliseconds since 1970.
    pub time: Millis,
    /// The state it went to.
    pub state: TaskState,
    /// Why, where that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The rules a job sets for its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// From the first progress report, in ms.
    pub(crate) time_limit: Option<Millis>,
    /// How many further tries follow a failure.
    pub(crate) retries: u32,
    /// How long after the failure, in ms.
    pub(crate) retry_interval: Millis,
}

/// One device's task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) source: Option<String>,
    pub(crate) target: String,
    pub(crate) state: TaskState,
    pub(crate) reason: Option<String>,
    pub(crate) step: Option<i64>,
    pub(crate) description: String,
    pub(crate) deliveries: u32,
    /// The connection on which the offer was pushed last, so that each gets it once.
    #[serde(skip)]
    pub(crate) pushed_on: Option<u64>,
    pub(crate) history: Vec<Turn>,
    rules: Rules,
    retries_left: u32,
    /// The time limit while in progress, the next try while queued after a failure.
    deadline: Option<Millis>,
}

impl Task {
    pub(crate) fn new(now: Millis, source: Option<String>, target: String, rules: Rules) -> Self {
        let mut task = Self {
            source,
            target,
            state: TaskState::Queued,
            reason: None,
            step: None,
            description: String::new(),
            deliveries: 0,
            pushed_on: None,
            history: Vec::new(),
            rules,
            retries_left: rules.retries,
            deadline: None,
        };
        task.turn(now, TaskState::Queued, None);
        task
    }

    /// Whether the offer may be given to the device now.
    pub(crate) fn may_be_offered(&self, now: Millis) -> bool {
        match self.state {
            TaskState::Queued => self.deadline.is_none_or(|due| due <= now),
            TaskState::Notified | TaskState::InProgress => true,
            _ => false,
        }
    }

    /// Whether it is to be pushed on this connection: never reported on, and not pushed there yet.
    pub(crate) fn wants_push(&self, now: Millis, connection: u64) -> bool {
        self.state != TaskState::InProgress
            && self.may_be_offered(now)
            && self.pushed_on != Some(connection)
    }

    /// The offer was delivered.
    pub(crate) fn offered(&mut self, now: Millis) {
        self.deliveries += 1;
        if self.state == TaskState::Queued {
            self.deadline = None;
            self.turn(now, TaskState::Notified, None);
        }
    }

    /// The device reported a step.
    pub(crate) fn progressed(&mut self, now: Millis, step: i64, description: &str) {
        if self.state.is_final() {
            return;
        }
        self.step = Some(step);
        description.clone_into(&mut self.description);
        if self.state != TaskState::InProgress {
            self.deadline = self.rules.time_limit.map(|limit| now + limit);
            self.turn(now, TaskState::InProgress, None);
        }
        if step < 0 {
            self.fail(
                now,
                format!("the device reported step {step}: {description}"),
            );
        }
    }

    /// The device reported its version.
    pub(crate) fn informed(&mut self, now: Millis, version: &str) {
        if self.state.is_final() {
            return;
        }
        if version == self.target {
            self.deadline = None;
            self.turn(now, TaskState::Succeeded, None);
        } else if self.source.is_none() {
            self.source = Some(version.to_owned());
        } else if self.state == TaskState::InProgress && self.source.as_deref() != Some(version) {
            self.fail(
                now,
                format!("the device reported version {version}, neither source nor target"),
            );
        }
    }

    /// The operator cancels.
    pub(crate) fn cancel(&mut self, now: Millis, reason: &str) {
        if !self.state.is_final() {
            self.deadline = None;
            self.turn(now, TaskState::Canceled, Some(reason.to_owned()));
        }
    }

    /// Ends it without a retry, as a conflict does.
    pub(crate) fn refuse(&mut self, now: Millis, reason: String) {
        self.deadline = None;
        self.turn(now, TaskState::Failed, Some(reason));
    }

    /// Time passes. True if that changed anything.
    pub(crate) fn elapsed(&mut self, now: Millis) -> bool {
        let due = self.deadline.is_some_and(|deadline| deadline <= now);
        if !due {
            return false;
        }
        self.deadline = None;
        if self.state == TaskState::InProgress {
            self.fail(now, "the job's time limit passed".to_owned());
        }
        true
    }

    /// When [`Task::elapsed`] next has something to do.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        self.deadline
    }

    fn fail(&mut self, now: Millis, reason: String) {
        self.deadline = None;
        self.turn(now, TaskState::Failed, Some(reason));
        if self.retries_left > 0 {
            self.retries_left -= 1;
            self.deadline = Some(now + self.rules.retry_interval);
            self.pushed_on = None;
            self.step = None;
            self.turn(
                now,
                TaskState::Queued,
                Some("waiting for the next try".to_owned()),
            );
        }
    }

    fn turn(&mut self, time: Millis, state: TaskState, reason: Option<String>) {
        self.state = state;
        self.reason.clone_from(&reason);
        self.history.push(Turn {
            time,
            state,
            reason,
        });
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
