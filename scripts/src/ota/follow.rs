//! Follows one upgrade to its end from what is reported, and shows it as a bar.
//!
//! The rules are the platform's (document 85700): success is the target version reported, never a hundred percent; a negative
//! step is a failure (document 89307).

use crate::paint::{self, Live};
use serde_json::Value;

/// Cells of the bar.
const BAR: usize = 30;

/// How an upgrade ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The device runs the offered version.
    Succeeded,
    /// It does not, for this reason.
    Failed(String),
}

/// One upgrade being watched.
pub(super) struct Follow {
    version: String,
    shown: Live,
}

impl Follow {
    /// Watches for this version.
    pub(super) fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            shown: Live::new(),
        }
    }

    /// The offer is out.
    pub(super) fn offered(&mut self) {
        self.shown.show(&line(0, "offered, waiting for the device"));
    }

    /// The device, or the platform for it, told a step.
    pub(super) fn step(&mut self, step: i64, description: &str) -> Option<End> {
        if let Some(reason) = failure(step) {
            let more = if description.is_empty() {
                String::new()
            } else {
                format!(": {description}")
            };
            return Some(End::Failed(format!("{reason} (step {step}){more}")));
        }
        self.shown
            .show(&line(u8::try_from(step).unwrap_or(100), description));
        None
    }

    /// A progress report as the device sent it.
    pub(super) fn progress(&mut self, payload: &Value) -> Option<End> {
        let params = &payload["params"];
        // Documented as a string; some devices send a number.
        let step = params["step"]
            .as_str()
            .map_or_else(|| params["step"].as_i64(), |text| text.trim().parse().ok())?;
        self.step(step, params["desc"].as_str().unwrap_or_default())
    }

    /// A version report as the device sent it. Modules other than the whole device are no business of this upgrade.
    pub(super) fn inform(&mut self, payload: &Value) -> Option<End> {
        let params = &payload["params"];
        let whole = params["module"]
            .as_str()
            .is_none_or(|module| module.is_empty() || module == "default");
        (whole && params["version"].as_str() == Some(self.version.as_str()))
            .then_some(End::Succeeded)
    }

    /// Ends the bar with the outcome, and tells whether it was a success.
    pub(super) fn end(mut self, end: &End) -> bool {
        match end {
            End::Succeeded => {
                self.shown.show(&line(
                    100,
                    &format!("{} {}", self.version, paint::green("SUCCEEDED")),
                ));
                self.shown.end();
                true
            }
            End::Failed(reason) => {
                self.shown.end();
                println!("{} {reason}", paint::red("FAILED"));
                false
            }
        }
    }
}

fn line(percent: u8, words: &str) -> String {
    format!("{} {percent:>3} %  {words}", paint::bar(percent, BAR))
}

/// What a negative step means (document 89307).
fn failure(step: i64) -> Option<&'static str> {
    match step {
        0.. => None,
        -2 => Some("the download failed"),
        -3 => Some("the verification failed"),
        -4 => Some("the installation failed"),
        _ => Some("the upgrade failed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn follow() -> Follow {
        Follow::new("1.0.7")
    }

    #[test]
    fn a_hundred_percent_is_not_the_end() {
        assert_eq!(
            follow().progress(&json!({"id": "1", "params": {"step": "100", "desc": ""}})),
            None
        );
    }

    #[test]
    fn the_target_version_reported_is_success() {
        assert_eq!(
            follow().inform(&json!({"params": {"version": "1.0.7"}})),
            Some(End::Succeeded)
        );
        assert_eq!(
            follow().inform(&json!({"params": {"version": "1.0.7", "module": "default"}})),
            Some(End::Succeeded)
        );
    }

    #[test]
    fn another_version_or_module_is_not() {
        assert_eq!(
            follow().inform(&json!({"params": {"version": "1.0.0"}})),
            None
        );
        assert_eq!(
            follow().inform(&json!({"params": {"version": "1.0.7", "module": "MCU"}})),
            None
        );
    }

    #[test]
    fn a_negative_step_is_a_failure_with_its_meaning_and_the_device_s_words() {
        let end = follow().progress(&json!({"params": {"step": "-3", "desc": "digest differs"}}));
        assert_eq!(
            end,
            Some(End::Failed(
                "the verification failed (step -3): digest differs".to_owned()
            ))
        );
        assert!(matches!(
            follow().progress(&json!({"params": {"step": -9}})),
            Some(End::Failed(_))
        ));
    }

    #[test]
    fn what_is_not_a_report_changes_nothing() {
        for payload in [
            json!(null),
            json!([]),
            json!({"params": {}}),
            json!({"params": {"step": "soon"}}),
        ] {
            assert_eq!(follow().progress(&payload), None);
            assert_eq!(follow().inform(&payload), None);
        }
    }
}
