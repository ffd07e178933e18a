//! Gives a device a new version through the emulator, as an operator would in the platform's console: upload, start a job, watch it.

use super::Offer;
use super::device::Device;
use super::follow::{End, Follow};
use crate::http::{Body, HttpError, Server, escaped};
use serde_json::{Value, json};
use std::path::Path;

/// How long one question about what is new may wait for its answer, in ms.
const WAIT: u64 = 20_000;

/// The version could not be offered or followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmulatorError {
    /// A request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// An answer lacks what it must have.
    #[error("find `{0}` in the emulator's answer")]
    Shape(&'static str),
}

/// Uploads the image, starts a job for one device and, when asked to, follows it to its end.
///
/// # Errors
/// When the emulator cannot be reached, or refuses.
pub(super) async fn offer(
    emulator: &Server,
    device: &Device,
    file: &Path,
    offer: &Offer<'_>,
    https: bool,
    follow: bool,
) -> Result<Option<End>, EmulatorError> {
    let upload = upload(offer);
    let firmware = emulator.post(&upload, Body::File(file)).await?;
    let firmware = firmware["id"].as_u64().ok_or(EmulatorError::Shape("id"))?;
    let rollout = json!({
        "firmware": firmware,
        "devices": [{"product_key": device.product, "device_name": device.name}],
        "transport": if https { "https" } else { "http" },
    });
    let job = emulator.post("/api/jobs", Body::Json(&rollout)).await?;
    let job = job["id"].as_u64().ok_or(EmulatorError::Shape("id"))?;
    if !follow {
        return Ok(None);
    }
    let mut watch = Follow::new(offer.version);
    let end = until_final(emulator, device, job, &mut watch).await?;
    watch.end(&end);
    Ok(Some(end))
}

/// Where an image is uploaded to, with what is said about it.
fn upload(offer: &Offer<'_>) -> String {
    let minisig = offer
        .minisig
        .map_or_else(String::new, |text| format!("&minisig={}", escaped(text)));
    format!(
        "/api/firmware?version={}&sign_method={}{minisig}",
        escaped(offer.version),
        offer.sign.wire()
    )
}

/// Looks at the job each time something about the device was noted.
async fn until_final(
    emulator: &Server,
    device: &Device,
    job: u64,
    watch: &mut Follow,
) -> Result<End, EmulatorError> {
    let mut seen = 0;
    loop {
        let state = emulator.get(&format!("/api/jobs/{job}")).await?;
        if let Some(end) = judge(&state, watch)? {
            return Ok(end);
        }
        let news = format!(
            "/api/journal?after={seen}&device={}&limit=1&wait_ms={WAIT}",
            escaped(&device.name)
        );
        seen = emulator.get(&news).await?["last"]
            .as_u64()
            .ok_or(EmulatorError::Shape("last"))?;
    }
}

/// What a job with one device means, shown on the way.
fn judge(job: &Value, watch: &mut Follow) -> Result<Option<End>, EmulatorError> {
    // A device that already runs the version gets no task, only a reason.
    if let Some(reason) = job["excluded"]
        .as_object()
        .and_then(|excluded| excluded.values().next())
    {
        return Ok(Some(End::Failed(
            reason.as_str().unwrap_or("left out").to_owned(),
        )));
    }
    let task = &job["tasks"][0];
    let words = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    Ok(
        match task["state"]
            .as_str()
            .ok_or(EmulatorError::Shape("tasks"))?
        {
            "SUCCEEDED" => Some(End::Succeeded),
            "FAILED" => Some(End::Failed(words("reason"))),
            "CANCELED" => Some(End::Failed("the job was cancelled".to_owned())),
            "IN_PROGRESS" => watch.step(task["step"].as_i64().unwrap_or(0), &words("description")),
            _ => {
                watch.offered();
                None
            }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ota::image::Sign;

    fn judged(task: &Value) -> Option<End> {
        judge(
            &json!({"tasks": [task], "excluded": {}}),
            &mut Follow::new("1.0.7"),
        )
        .expect("the task has a state")
    }

    #[test]
    fn a_signature_is_uploaded_whatever_letters_it_has() {
        let offer = |minisig| Offer {
            version: "1.0.7",
            sign: Sign::Sha256,
            minisig,
        };
        let plain = "/api/firmware?version=1.0.7&sign_method=SHA256";
        assert_eq!(upload(&offer(None)), plain);
        assert_eq!(
            upload(&offer(Some("a b\nc+/=\t"))),
            format!("{plain}&minisig=a%20b%0Ac%2B%2F%3D%09")
        );
    }

    #[test]
    fn only_a_final_state_ends_the_watch() {
        assert_eq!(judged(&json!({"state": "QUEUED"})), None);
        assert_eq!(
            judged(&json!({"state": "IN_PROGRESS", "step": 100, "description": "done"})),
            None
        );
        assert_eq!(judged(&json!({"state": "SUCCEEDED"})), Some(End::Succeeded));
        assert_eq!(
            judged(&json!({"state": "FAILED", "reason": "too late"})),
            Some(End::Failed("too late".to_owned()))
        );
        assert!(matches!(
            judged(&json!({"state": "CANCELED"})),
            Some(End::Failed(_))
        ));
    }

    #[test]
    fn a_device_left_out_of_the_job_is_told_with_the_reason() {
        let job = json!({"tasks": [], "excluded": {"a/b": "already there"}});
        assert_eq!(
            judge(&job, &mut Follow::new("1.0.7")).unwrap(),
            Some(End::Failed("already there".to_owned()))
        );
    }

    #[test]
    fn a_job_without_a_task_is_an_error() {
        assert!(
            judge(
                &json!({"tasks": [], "excluded": {}}),
                &mut Follow::new("1.0.7")
            )
            .is_err()
        );
    }
}
