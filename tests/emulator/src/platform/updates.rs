//! OTA jobs: who gets which package, when it is pushed, and what reports mean for the tasks.
//!
//! The life of a single task is in [`super::task`]; here is what joins it with devices, packages and connections.

use std::collections::BTreeMap;
use std::time::Duration;

use rumqttc::QoS;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::offer::Transport;
use super::rollout::{JobError, Rollout};
use super::task::{Rules, Task};
use super::{Changed, Fail, Millis, PROGRESS, World, keep};
use crate::faults::FaultName;
use crate::firmware::{DEFAULT_MODULE, LARGEST_OVER_MQTT, StoredFile};
use crate::login::DeviceId;
use crate::state::{JobState, Progress, TaskView};
use crate::wire::integer;

/// A running or finished job.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    rollout: Rollout,
    module: String,
    #[serde(with = "super::keep::by_device")]
    tasks: BTreeMap<DeviceId, Task>,
    excluded: BTreeMap<String, String>,
}

impl World {
    /// Starts a job; pushes to devices that are online.
    pub(crate) fn start_job(&mut self, now: Millis, rollout: Rollout) -> Result<u64, JobError> {
        let firmware = self
            .firmware
            .get(&rollout.firmware)
            .ok_or(JobError::Firmware(rollout.firmware))?;
        if let Some(stranger) = rollout
            .devices
            .iter()
            .find(|id| !self.devices.contains_key(id))
        {
            return Err(JobError::Device(stranger.clone()));
        }
        let streamable =
            matches!(firmware.files.as_slice(), [file] if file.size <= LARGEST_OVER_MQTT);
        match rollout.transport {
            Transport::Mqtt if !streamable => return Err(JobError::OverMqtt(rollout.firmware)),
            Transport::Https if self.links.tls.is_none() => return Err(JobError::NoTls),
            _ if rollout.tags.len() > 10 => return Err(JobError::Tags(rollout.tags.len())),
            _ => {}
        }
        let (module, target, wanted_source) = (
            firmware.module.clone(),
            firmware.version.clone(),
            firmware.source_version.clone(),
        );
        let millis =
            |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2);
        let rules = Rules {
            time_limit: rollout.time_limit.map(millis),
            retries: rollout.retries,
            retry_interval: millis(rollout.retry_interval),
        };
        let number = self.number();
        let mut job = Job {
            rollout,
            module,
            tasks: BTreeMap::new(),
            excluded: BTreeMap::new(),
        };
        for id in job.rollout.devices.clone() {
            let running = self.devices[&id].versions.get(&job.module).cloned();
            if running.as_ref() == Some(&target) {
                job.excluded
                    .insert(id.to_string(), format!("it runs {target} already"));
            } else if wanted_source.is_some() && running != wanted_source {
                job.excluded.insert(
                    id.to_string(),
                    "it does not run the version the delta starts from".to_owned(),
                );
            } else {
                let mut task = Task::new(now, running, target.clone(), rules);
                self.settle_conflict(now, &id, &job, number, &mut task);
                job.tasks.insert(id, task);
            }
        }
        let devices = job.rollout.devices.clone();
        self.jobs.insert(number, job);
        self.keep(Changed::Job(number));
        for id in devices {
            self.push_due(now, &id);
        }
        Ok(number)
    }

    /// A device and module have at most one open task: the newer one fails, or with `overwrite` the older one is cancelled.
    fn settle_conflict(
        &mut self,
        now: Millis,
        id: &DeviceId,
        job: &Job,
        number: u64,
        task: &mut Task,
    ) {
        let mut replaced = Vec::new();
        for (other, older) in self
            .jobs
            .iter_mut()
            .filter(|(_, other)| other.module == job.module)
        {
            let Some(open) = older
                .tasks
                .get_mut(id)
                .filter(|open| !open.state.is_final())
            else {
                continue;
            };
            if job.rollout.overwrite {
                open.cancel(now, &format!("replaced by job {number}"));
                replaced.push(*other);
            } else {
                task.refuse(now, format!("conflict with job {other}"));
            }
        }
        for other in replaced {
            self.keep(Changed::Job(other));
        }
    }

    /// Cancels every open task of a job. Nothing is sent to the devices.
    pub(crate) fn cancel_job(&mut self, now: Millis, job: u64) -> Result<(), JobError> {
        let tasks = &mut self.jobs.get_mut(&job).ok_or(JobError::Job(job))?.tasks;
        for task in tasks.values_mut() {
            task.cancel(now, "cancelled by the operator");
        }
        self.keep(Changed::Job(job));
        Ok(())
    }

    pub(crate) fn job_state(&self, number: u64) -> Option<JobState> {
        let job = self.jobs.get(&number)?;
        let tasks = self
            .task_views(|_| true)
            .into_iter()
            .filter(|view| view.job == number)
            .collect();
        Some(JobState {
            id: number,
            firmware: job.rollout.firmware,
            tasks,
            excluded: job.excluded.clone(),
        })
    }

    pub(super) fn task_views(&self, of: impl Fn(&DeviceId) -> bool) -> Vec<TaskView> {
        let mut views = Vec::new();
        for (number, job) in &self.jobs {
            for (device, task) in job.tasks.iter().filter(|(device, _)| of(device)) {
                views.push(TaskView {
                    device: device.clone(),
                    job: *number,
                    firmware: job.rollout.firmware,
                    module: job.module.clone(),
                    state: task.state,
                    reason: task.reason.clone(),
                    source: task.source.clone(),
                    target: task.target.clone(),
                    step: task.step,
                    description: task.description.clone(),
                    deliveries: task.deliveries,
                    history: task.history.clone(),
                });
            }
        }
        views
    }

    /// Lets time pass for all tasks; retries that are due are pushed.
    pub(crate) fn elapse(&mut self, now: Millis) {
        let mut moved = Vec::new();
        for (number, job) in &mut self.jobs {
            for (id, task) in &mut job.tasks {
                if task.elapsed(now) {
                    moved.push((*number, id.clone()));
                }
            }
        }
        for (number, id) in moved {
            self.keep(Changed::Job(number));
            self.push_due(now, &id);
        }
    }

    /// When [`World::elapse`] next has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.jobs
            .values()
            .flat_map(|job| job.tasks.values())
            .filter_map(Task::deadline)
            .min()
    }

    /// Pushes every offer this connection should have and has not: after a login, a subscription, a report, a new job. A
    /// client without `_ss=1` cannot hear a push before it subscribed, so its task stays queued until then.
    pub(super) fn push_due(&mut self, now: Millis, id: &DeviceId) {
        let Some(device) = self.devices.get(id) else {
            return;
        };
        let Some(connection) = device.connection() else {
            return;
        };
        if !device.session.wants(&Self::down(id).upgrade()) {
            return;
        }
        let due: Vec<u64> = self
            .jobs
            .iter()
            .filter(|(_, job)| {
                job.rollout.push
                    && job
                        .tasks
                        .get(id)
                        .is_some_and(|task| task.wants_push(now, connection))
            })
            .map(|(number, _)| *number)
            .collect();
        for number in due {
            let copies = self
                .faults
                .strike(FaultName::DuplicatePush)
                .map_or(1, |strike| strike.n.unwrap_or(2));
            for _ in 0..copies {
                self.push_job(now, id, number);
            }
            if let Some(task) = self
                .jobs
                .get_mut(&number)
                .and_then(|job| job.tasks.get_mut(id))
            {
                task.pushed_on = Some(connection);
            }
        }
    }

    fn push_job(&mut self, now: Millis, id: &DeviceId, number: u64) {
        let Some(data) = self.job_offer(now, number) else {
            return;
        };
        let payload = Self::push_payload(now, &data);
        if self
            .publish(now, id, &Self::down(id).upgrade(), payload, QoS::AtMostOnce)
            .took()
        {
            self.offered(now, id, number);
        }
    }

    fn offered(&mut self, now: Millis, id: &DeviceId, number: u64) {
        if let Some(task) = self
            .jobs
            .get_mut(&number)
            .and_then(|job| job.tasks.get_mut(id))
        {
            task.offered(now);
            self.keep(Changed::Job(number));
        }
    }

    fn job_offer(&self, now: Millis, number: u64) -> Option<Value> {
        let job = self.jobs.get(&number)?;
        let firmware = self.firmware.get(&job.rollout.firmware)?;
        Some(self.offer(now, firmware, job.rollout.transport, &job.rollout.tags))
    }

    /// The newest job with an open task for this device and module.
    fn open_job(&self, id: &DeviceId, module: &str) -> Option<u64> {
        let open = |job: &Job| {
            job.module == module && job.tasks.get(id).is_some_and(|task| !task.state.is_final())
        };
        self.jobs
            .iter()
            .rev()
            .find(|(_, job)| open(job))
            .map(|(number, _)| *number)
    }

    fn offerable_job(&self, now: Millis, id: &DeviceId, module: &str) -> Option<u64> {
        self.open_job(id, module)
            .filter(|number| self.jobs[number].tasks[id].may_be_offered(now))
    }

    pub(super) fn firmware_get(
        &mut self,
        now: Millis,
        id: &DeviceId,
        params: &Value,
    ) -> Result<Value, Fail> {
        let module = module_of(params);
        let Some(number) = self.offerable_job(now, id, &module) else {
            return Ok(json!({}));
        };
        let data = self.job_offer(now, number).unwrap_or_else(|| json!({}));
        self.offered(now, id, number);
        Ok(data)
    }

    pub(super) fn ota_request(&mut self, now: Millis, id: &DeviceId, params: &Value) {
        if let Some(number) = self.offerable_job(now, id, &module_of(params)) {
            self.push_job(now, id, number);
        }
    }

    pub(super) fn inform(&mut self, now: Millis, id: &DeviceId, params: &Value) {
        let Some(version) = params["version"].as_str() else {
            return self
                .journal
                .note(now, Some(id), "a version report without a version");
        };
        let module = module_of(params);
        if let Some(device) = self.devices.get_mut(id)
            && (device.versions.len() < super::NAMES || device.versions.contains_key(&module))
        {
            device.versions.insert(module.clone(), version.to_owned());
            self.keep(Changed::Device(id.clone()));
        }
        let mut told = Vec::new();
        for (number, job) in &mut self.jobs {
            if job.module == module
                && let Some(task) = job.tasks.get_mut(id)
                && !task.state.is_final()
            {
                task.informed(now, version);
                told.push(*number);
            }
        }
        for number in told {
            self.keep(Changed::Job(number));
        }
        self.push_due(now, id);
        if self.faults.strike(FaultName::PushRunningVersion).is_some() {
            self.push_running(now, id, &module, version);
        }
    }

    /// Offers what the device said it runs: its own package if there is one here, else the newest one under that version.
    fn push_running(&mut self, now: Millis, id: &DeviceId, module: &str, version: &str) {
        let of_module = || {
            self.firmware
                .values()
                .rev()
                .filter(|firmware| firmware.module == module)
        };
        let Some(firmware) = of_module()
            .find(|firmware| firmware.version == version)
            .or_else(|| of_module().next())
        else {
            return self.journal.note(
                now,
                Some(id),
                "fault push-running-version found no package to offer",
            );
        };
        let mut data = self.offer(now, firmware, Transport::Http, &BTreeMap::new());
        data["version"] = json!(version);
        let payload = Self::push_payload(now, &data);
        self.publish(now, id, &Self::down(id).upgrade(), payload, QoS::AtMostOnce);
    }

    pub(super) fn progress(&mut self, now: Millis, id: &DeviceId, params: &Value) {
        let module = module_of(params);
        let step = integer(&params["step"]).filter(|step| (-4..=100).contains(step));
        let description = params["desc"].as_str().unwrap_or_default();
        let job = self.open_job(id, &module);
        let Some(step) = step else {
            return self.journal.note(
                now,
                Some(id),
                format!("a progress report with the step {}", params["step"]),
            );
        };
        if !params["step"].is_string() {
            self.journal.note(
                now,
                Some(id),
                "the step of a progress report should be text",
            );
        }
        if let Some(device) = self.devices.get_mut(id) {
            let report = Progress {
                time: now,
                job,
                module,
                step: step.to_string(),
                description: description.to_owned(),
            };
            keep(&mut device.progress, report, PROGRESS);
        }
        let Some(number) = job else { return };
        if let Some(task) = self
            .jobs
            .get_mut(&number)
            .and_then(|job| job.tasks.get_mut(id))
        {
            task.progressed(now, step, description);
            self.keep(Changed::Job(number));
        }
        let open = self
            .open_job(id, &self.jobs[&number].module.clone())
            .is_some();
        if open && self.faults.strike(FaultName::PushWhileUpdating).is_some() {
            self.push_job(now, id, number);
        }
        self.push_due(now, id);
    }

    /// The file a stream leads to, if one of this device's jobs offers it over MQTT.
    pub(super) fn streamed(&self, id: &DeviceId, stream: u64) -> Option<StoredFile> {
        let offered = self.jobs.values().any(|job| {
            job.rollout.firmware == stream
                && job.rollout.transport == Transport::Mqtt
                && job.tasks.contains_key(id)
        });
        let firmware = self.firmware.get(&stream).filter(|_| offered)?;
        firmware.files.first().cloned()
    }
}

/// The module of a message; the default one is normally left out.
fn module_of(params: &Value) -> String {
    params["module"]
        .as_str()
        .filter(|module| !module.is_empty())
        .unwrap_or(DEFAULT_MODULE)
        .to_owned()
}
