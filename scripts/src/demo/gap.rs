//! The gap of a switch, beside the curves of the console.
//!
//! Only the supervisor knows for how long no worker was active; the platform is not told. So it is asked, and its word is put into the
//! platform's journal as a mark at the moment when the switch began.

use cloud_emulator::{Entry, Message, What};

use crate::stage::{Stage, StageError};

/// Marks the gap of the last switch, in milliseconds, and returns it; nothing is marked if the supervisor does not know of any.
///
/// # Errors
/// When the supervisor does not answer.
pub(crate) fn mark(stage: &Stage) -> Result<Option<u64>, StageError> {
    let gap = stage.status()?["last_gap_ms"].as_u64();
    if let (Some(gap), Some(at)) = (gap, switched_at(stage)) {
        let text = format!("gap {gap} ms");
        stage.emulator().mark(stage.device(), Some(at), &text);
    }
    Ok(gap)
}

/// When the device last began to tell that it restarts its worker, in milliseconds since 1970. It tells so again and again.
fn switched_at(stage: &Stage) -> Option<u64> {
    let told = |entry: &Entry| match &entry.what {
        What::In(message) => {
            let status = &Message::json(message)["params"]["ota_status"]["value"];
            status
                .as_str()
                .map(|status| (entry.time, status == "restarting"))
        }
        _ => None,
    };
    let journal = stage.emulator().journal();
    let statuses: Vec<(u64, bool)> = journal.iter().rev().filter_map(told).collect();
    let last = statuses.iter().skip_while(|(_, restarting)| !restarting);
    let last = last.take_while(|(_, restarting)| *restarting).last();
    last.map(|(time, _)| *time)
}
