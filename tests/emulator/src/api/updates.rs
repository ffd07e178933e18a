//! Firmware packages and jobs.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;

use super::{Answered, Api, Condition, Failed, blocking, json_body, ok};
use crate::firmware::{Package, PackageError, SignMethod, Source};
use crate::minisig::{self, Carrier, Minisig};
use crate::platform::World;
use crate::platform::rollout::{JobError, Rollout};
use crate::shared::Shared;

/// The routes below the API's root.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/firmware", get(firmware_list).post(firmware_upload))
        .route("/firmware/by-path", post(firmware_by_path))
        .route("/jobs", post(job_start))
        .route("/jobs/{job}", get(job_state))
        .route("/jobs/{job}/cancel", post(job_cancel))
}

async fn firmware_list(State(api): State<Api>) -> Answered {
    ok(api
        .shared
        .look(|world| world.firmware.values().cloned().collect::<Vec<_>>()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewFirmware {
    version: String,
    #[serde(default)]
    module: Option<String>,
    #[serde(default)]
    sign_method: SignMethod,
    #[serde(default)]
    source_version: Option<String>,
    #[serde(default)]
    custom: Option<String>,
    #[serde(default)]
    digest_key: Option<String>,
    /// The publisher's signature of the one file.
    #[serde(default)]
    minisig: Option<String>,
    /// How it reaches the device.
    #[serde(default)]
    carrier: Option<Carrier>,
    /// The file's name, for an upload.
    #[serde(default)]
    name: Option<String>,
    /// The files, when they are used where they lie.
    #[serde(default)]
    paths: Vec<PathBuf>,
}

impl NewFirmware {
    fn package(self, files: Vec<Source>) -> Package {
        let minisig = self.minisig.map(|text| Minisig::Given(vec![Some(text)]));
        Package {
            version: self.version,
            module: self.module,
            sign_method: self.sign_method,
            files,
            source_version: self.source_version,
            custom: self.custom,
            digest_key: self.digest_key,
            minisig,
            carrier: self.carrier.unwrap_or_default(),
        }
    }
}

/// The body is the file, written to disk as it comes.
async fn firmware_upload(
    State(api): State<Api>,
    Query(mut new): Query<NewFirmware>,
    body: Body,
) -> Answered {
    new.minisig = new.minisig.as_deref().map(with_pluses);
    let (number, folder) = api
        .shared
        .act(|world, _| (world.number(), world.folder.clone()));
    let failed = |error: &dyn std::fmt::Display| Failed::bad(format!("upload: {error}"));
    // A folder of its own lets the file keep its name, which offers of several files show.
    let folder = folder.join(format!("upload-{number}"));
    tokio::fs::create_dir_all(&folder)
        .await
        .map_err(|error| failed(&error))?;
    let name = new
        .name
        .as_deref()
        .and_then(|name| std::path::Path::new(name).file_name());
    let path = folder.join(name.unwrap_or_else(|| "firmware.bin".as_ref()));
    let mut file = tokio::fs::File::create(&path)
        .await
        .map_err(|error| failed(&error))?;
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        file.write_all(&piece.map_err(|error| failed(&error))?)
            .await
            .map_err(|error| failed(&error))?;
    }
    file.flush().await.map_err(|error| failed(&error))?;
    add_firmware(api.shared, new.package(vec![Source::Path(path)])).await
}

/// A `+` written plainly into a query arrives as a blank. The lines of base64, every second one, have none of their own.
fn with_pluses(text: &str) -> String {
    let lines = text.split('\n').enumerate().map(|(at, line)| match at % 2 {
        1 => line.replace(' ', "+"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Signatures lying beside the files are served beside them too, unless the request brings one or says otherwise.
async fn firmware_by_path(State(api): State<Api>, body: Bytes) -> Answered {
    let mut new: NewFirmware = json_body(&body)?;
    let paths = std::mem::take(&mut new.paths);
    let carrier = new.carrier;
    let given = new.minisig.is_some();
    let mut package = new.package(paths.iter().cloned().map(Source::Path).collect());
    if !given {
        let texts = blocking(move || beside(&paths)).await??;
        if texts.iter().any(Option::is_some) {
            package.minisig = Some(Minisig::Given(texts));
            package.carrier = carrier.unwrap_or(Carrier::Url);
        }
    }
    add_firmware(api.shared, package).await
}

fn beside(paths: &[PathBuf]) -> Result<Vec<Option<String>>, PackageError> {
    let read = |path: &PathBuf| {
        minisig::beside(path).map_err(|source| PackageError::File {
            path: format!("{}{}", path.display(), minisig::SUFFIX).into(),
            source,
        })
    };
    paths.iter().map(read).collect()
}

async fn add_firmware(shared: Arc<Shared>, package: Package) -> Answered {
    ok(blocking(move || shared.add_firmware(package)).await??)
}

async fn job_start(State(api): State<Api>, body: Bytes) -> Answered {
    let rollout: Rollout = json_body(&body)?;
    let number = api.shared.act(|world, now| world.start_job(now, rollout))?;
    ok(api.shared.look(|world| world.job_state(number)))
}

async fn job_state(
    State(api): State<Api>,
    Path(job): Path<u64>,
    Query(condition): Query<Condition>,
) -> Answered {
    let probe = |world: &World| world.job_state(job);
    condition
        .answer(&api.shared, JobError::Job(job), probe)
        .await
}

async fn job_cancel(State(api): State<Api>, Path(job): Path<u64>) -> Answered {
    api.shared.act(|world, now| world.cancel_job(now, job))?;
    ok(api.shared.look(|world| world.job_state(job)))
}
