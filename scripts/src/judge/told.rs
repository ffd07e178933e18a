//! What the platform was told, from the emulator's journal.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use cloud_emulator::{DeviceId, Entry, What};

use super::Violation;

/// What a device told the platform about its versions and updates, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// It runs this version.
    Runs(String),
    /// The update failed with this negative step, and why.
    Failed(i64, String),
}

impl Told {
    /// All of it, from what was written down after `mark`.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    pub(crate) fn by(journal: &[Entry], device: &DeviceId, mark: u64) -> Vec<Self> {
        let said = journal.iter().filter(|entry| entry.seq > mark);
        said.filter_map(|entry| match &entry.what {
            What::In(message) if entry.device.as_ref() == Some(device) => {
                Self::read(&message.topic, &message.json()["params"])
            }
            _ => None,
        })
        .collect()
    }

    /// What a message of a device says, if it is one of these.
    pub(crate) fn read(topic: &str, params: &serde_json::Value) -> Option<Self> {
        if topic.starts_with("/ota/device/inform/") {
            return Some(Self::Runs(params["version"].as_str()?.to_owned()));
        }
        if !topic.starts_with("/ota/device/progress/") {
            return None;
        }
        let step = match &params["step"] {
            serde_json::Value::String(step) => step.parse().ok()?,
            step => step.as_i64()?,
        };
        let why = params["desc"].as_str().unwrap_or_default().to_owned();
        (step < 0).then_some(Self::Failed(step, why))
    }
}

/// `told_truth` for one job, at rest: the version told last is the one that runs; a success was told only if the new version runs and a
/// failure only if it does not, so never both; and the outcome was told.
pub(crate) fn told_truth(told: &[Told], new: &str, runs: &str) -> Vec<Violation> {
    let mut broken = Vec::new();
    let mut lie = |what: String| broken.push(Violation::of("told_truth", what));
    let succeeded = told.contains(&Told::Runs(new.to_owned()));
    let failed = told.iter().find(|it| matches!(it, Told::Failed(..)));
    let last = told.iter().rev().find_map(|it| match it {
        Told::Runs(version) => Some(version.as_str()),
        Told::Failed(..) => None,
    });
    if last != Some(runs) {
        lie(format!("{runs} runs and {last:?} was told last"));
    }
    if succeeded && runs != new {
        lie(format!("the success of {new} was told and {runs} runs"));
    }
    if let Some(failed) = failed.filter(|_| runs == new) {
        lie(format!("{new} runs and {failed:?} was told"));
    }
    if !succeeded && failed.is_none() {
        lie(format!("no outcome was told for {new}"));
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(version: &str) -> Told {
        Told::Runs(version.to_owned())
    }

    #[test]
    fn an_outcome_told_as_it_is_is_the_truth_however_often() {
        let good = [runs("1"), runs("2"), runs("2")];
        assert_eq!(told_truth(&good, "2", "2"), []);
        let bad = [runs("1"), Told::Failed(-1, String::new()), runs("1")];
        assert_eq!(told_truth(&bad, "2", "1"), []);
    }

    #[test]
    fn every_kind_of_lie_is_found() {
        let failed = || Told::Failed(-1, String::new());
        for (told, running, lies) in [
            (vec![runs("1"), runs("2")], "1", 2),
            (vec![runs("1"), runs("2"), runs("1")], "1", 1),
            (vec![runs("1"), failed(), runs("2")], "2", 1),
            (vec![runs("1")], "1", 1),
            (vec![runs("1")], "2", 2),
            (vec![failed()], "1", 1),
        ] {
            assert_eq!(told_truth(&told, "2", running).len(), lies, "{told:?}");
        }
    }
}
