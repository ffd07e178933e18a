//! Where the device stood when the supervisor before this one was lost.

use worker_protocol::v1::Cause;

use super::{Agent, note};
use crate::{
    checkpoint::{Boot, Checkpoint},
    event::{Command, Grade},
    memory::Source,
    time::Now,
};

impl Agent {
    /// Takes up what was found on the disk, for the next worker to be told.
    pub(super) fn recall(
        &mut self,
        found: Option<Checkpoint>,
        boot: Option<Boot>,
        now: Now,
        out: &mut Vec<Command>,
    ) {
        let job = self.ledger.record.job.as_ref().map(|job| job.id.0);
        let found = found.filter(|it| {
            // Words are written only of workers that are trusted already; with a newer record lost, this one knows nothing of that.
            let is_on_trial = job == Some(it.slot.0);
            if is_on_trial {
                let text = format!(
                    "the device's state was kept by slot {}, which the record does not trust; the worker starts cold",
                    it.slot.0
                );
                note(out, Grade::Warning, None, None, text);
            }
            !is_on_trial
        });
        let memory = found.map(|it| it.recall(boot.as_ref(), now));
        self.checkpoints.start(boot, memory.as_ref());
        let Some(memory) = memory else { return };
        if let Source::Found { age, lost, .. } = memory.source {
            let version = memory.version.as_ref();
            let whose =
                version.map_or_else(String::new, |version| format!(" by version {version}"));
            let age = age.map_or_else(
                || "an unknown time".to_owned(),
                |age| format!("{:.1} s", age.as_secs_f64()),
            );
            let why = match lost {
                Cause::SupervisorLost => "the supervisor was away",
                _ => "the machine was off, or that cannot be told",
            };
            let text = format!("the device's state was kept{whose} {age} ago; since then {why}");
            note(out, Grade::Info, None, None, text);
        }
        self.crew.recall(memory);
    }
}
