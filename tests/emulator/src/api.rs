//! The HTTP API: everything the library can do, for programs in other languages and for people with curl.
//!
//! JSON in and out. An error is `{"error": "..."}` and names the thing. The root path is left free for a web console.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use futures_util::StreamExt;
use rumqttc::QoS;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::calls::{CallError, RrpcForm};
use crate::faults::{Fault, FaultName};
use crate::firmware::{Package, PackageError, SignMethod, Source};
use crate::login::DeviceId;
use crate::platform::Links;
use crate::platform::updates::{JobError, Rollout};
use crate::shared::{NotReached, Shared};
use crate::topics::{self, Down};

/// The largest body of a request other than an upload, in bytes.
const LARGEST_BODY: usize = 1024 * 1024;
/// The longest a request may wait, in ms.
const LONGEST_WAIT: u64 = 600_000;

/// What a client needs to know to begin.
#[derive(Debug, Clone)]
pub(crate) struct Index(Value);

impl Index {
    pub(crate) fn new(
        mqtt: SocketAddr,
        mqtts: Option<SocketAddr>,
        http: SocketAddr,
        links: Links,
        ca_pem: Option<&str>,
    ) -> Self {
        Self(json!({
            "mqtt": mqtt, "mqtts": mqtts, "http": http, "firmware": links.plain, "firmware_tls": links.tls, "ca_pem": ca_pem,
        }))
    }
}

#[derive(Clone)]
struct Api {
    shared: Arc<Shared>,
    index: Index,
}

/// Serves the API on a listener until the task is ended.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, index: Index) {
    let device = Router::new()
        .route("/", get(device_state).patch(device_enable).put(device_add))
        .route("/properties", post(property_set))
        .route("/desired", post(desired_set))
        .route("/services/{service}", post(service_call))
        .route("/publish", post(publish))
        .route("/push", post(push))
        .route("/kick", post(kick))
        .route("/drop", post(drop_connection))
        .route("/config/push", post(config_push));
    let api = Router::new()
        .route("/", get(index_of))
        .route("/products/{product}", put(product_add))
        .route("/products/{product}/config", put(config_set))
        .route("/devices", get(devices))
        .nest("/devices/{product}/{device}", device)
        .route(
            "/firmware",
            get(firmware_list)
                .post(firmware_upload)
                .layer(DefaultBodyLimit::disable()),
        )
        .route("/firmware/by-path", post(firmware_by_path))
        .route("/jobs", post(job_start))
        .route("/jobs/{job}", get(job_state))
        .route("/jobs/{job}/cancel", post(job_cancel))
        .route("/journal", get(journal))
        .route("/faults", get(faults).post(fault_set))
        .route("/faults/{name}", axum::routing::delete(fault_clear))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Api { shared, index });
    let router = Router::new()
        .nest("/api", api)
        .fallback(|| async { Failed::missing("path") });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the HTTP API has ended");
    }
}

type Answered = Result<Json<Value>, Failed>;

fn ok(value: impl serde::Serialize) -> Answered {
    let value = serde_json::to_value(value)
        .map_err(|error| Failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), None))?;
    Ok(Json(value))
}

#[derive(Debug)]
struct Failed(StatusCode, String, Option<Value>);

impl Failed {
    fn missing(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("no such {what}"), None)
    }

    fn bad(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, why.into(), None)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut body = json!({"error": self.1});
        if let Some(last) = self.2 {
            body["last"] = last;
        }
        (self.0, Json(body)).into_response()
    }
}

impl From<CallError> for Failed {
    fn from(error: CallError) -> Self {
        let status = match &error {
            CallError::UnknownDevice(_) | CallError::NoConfiguration(_) => StatusCode::NOT_FOUND,
            CallError::Undelivered { .. } => StatusCode::CONFLICT,
            CallError::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            CallError::Silent { .. } => StatusCode::GATEWAY_TIMEOUT,
            CallError::Unreadable { .. } => StatusCode::BAD_GATEWAY,
        };
        Self(status, error.to_string(), None)
    }
}

impl From<JobError> for Failed {
    fn from(error: JobError) -> Self {
        let status = match &error {
            JobError::Firmware(_) | JobError::Device(_) | JobError::Job(_) => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self(status, error.to_string(), None)
    }
}

impl From<PackageError> for Failed {
    fn from(error: PackageError) -> Self {
        let cause = std::error::Error::source(&error)
            .map(|source| format!(": {source}"))
            .unwrap_or_default();
        Self::bad(format!("{error}{cause}"))
    }
}

impl From<NotReached> for Failed {
    fn from(error: NotReached) -> Self {
        let last = serde_json::from_str(&error.last).ok();
        Self(
            StatusCode::REQUEST_TIMEOUT,
            format!("`{}` was not reached within {:?}", error.what, error.limit),
            last,
        )
    }
}

type At = Path<(String, String)>;

fn device_of(path: At) -> DeviceId {
    let (product_key, device_name) = path.0;
    DeviceId {
        product_key,
        device_name,
    }
}

fn json_body<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body).map_err(|error| Failed::bad(format!("body: {error}")))
}

async fn index_of(State(api): State<Api>) -> Answered {
    ok(api.index.0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    #[serde(default)]
    secret: Option<String>,
}

async fn product_add(State(api): State<Api>, Path(product): Path<String>, body: Bytes) -> Answered {
    let new: NewProduct = json_body(if body.is_empty() { b"{}" } else { &body })?;
    api.shared.act(|world, _| {
        world
            .products
            .entry(product.clone())
            .or_default()
            .secret
            .clone_from(&new.secret);
    });
    ok(json!({"product_key": product, "dynamic_registration": new.secret.is_some()}))
}

async fn config_set(State(api): State<Api>, Path(product): Path<String>, body: Bytes) -> Answered {
    let shared = api.shared;
    let name = product.clone();
    blocking(move || shared.set_config(&name, &body)).await??;
    ok(json!({"product_key": product}))
}

async fn devices(State(api): State<Api>) -> Answered {
    ok(api.shared.look(|world| {
        let ids: Vec<DeviceId> = world.devices.keys().cloned().collect();
        ids.iter()
            .filter_map(|id| world.device_state(id))
            .collect::<Vec<_>>()
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDevice {
    #[serde(default)]
    secret: Option<String>,
}

async fn device_add(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let new: NewDevice = json_body(if body.is_empty() { b"{}" } else { &body })?;
    let id = device_of(path);
    let secret = api
        .shared
        .act(|world, _| world.add_device(&id, new.secret.as_deref()));
    ok(json!({"product_key": id.product_key, "device_name": id.device_name, "secret": secret}))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Enable {
    enabled: bool,
}

async fn device_enable(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let Enable { enabled } = json_body(&body)?;
    let id = device_of(path);
    if !api.shared.act(|world, now| world.enable(now, &id, enabled)) {
        return Err(Failed::missing("device"));
    }
    ok(json!({"enabled": enabled}))
}

/// Waits until the value at a JSON pointer in the state equals this text (or, for a string value, its JSON form).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Condition {
    #[serde(default)]
    wait_ms: Option<u64>,
    #[serde(default)]
    pointer: Option<String>,
    #[serde(default)]
    equals: Option<String>,
}

async fn device_state(
    State(api): State<Api>,
    path: At,
    Query(condition): Query<Condition>,
) -> Answered {
    let id = device_of(path);
    let state = api
        .shared
        .look(|world| world.device_state(&id))
        .ok_or_else(|| Failed::missing("device"))?;
    let (Some(pointer), Some(wanted)) = (condition.pointer, condition.equals) else {
        return ok(state);
    };
    let limit = wait(condition.wait_ms.unwrap_or(0));
    let what = format!("{pointer} equals {wanted}");
    let reached = |state: &crate::state::DeviceState| {
        let value = serde_json::to_value(state).unwrap_or_default();
        match value.pointer(&pointer) {
            Some(Value::String(text)) => *text == wanted,
            Some(other) => format!("{other}") == wanted,
            None => false,
        }
    };
    ok(api
        .shared
        .wait_for_device(&id, limit, &what, reached)
        .await?)
}

fn wait(ms: u64) -> Duration {
    Duration::from_millis(ms.min(LONGEST_WAIT))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    #[serde(default)]
    limit_ms: Option<u64>,
    #[serde(default)]
    form: Option<RrpcForm>,
}

async fn property_set(
    State(api): State<Api>,
    path: At,
    Query(limit): Query<Limit>,
    body: Bytes,
) -> Answered {
    let id = device_of(path);
    let values: Map<String, Value> = json_body(&body)?;
    let limit = limit
        .limit_ms
        .map_or_else(|| api.shared.look(|world| world.options.answer_limit), wait);
    ok(api
        .shared
        .set_property(&id, &Value::Object(values), limit)
        .await?)
}

async fn desired_set(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let id = device_of(path);
    let values: Map<String, Value> = json_body(&body)?;
    let done = api
        .shared
        .act(|world, now| world.set_desired(now, &id, &values));
    done.map_err(|_| Failed::missing("device"))?;
    ok(api
        .shared
        .look(|world| world.device_state(&id).map(|state| state.desired)))
}

async fn service_call(
    State(api): State<Api>,
    Path((product_key, device_name, service)): Path<(String, String, String)>,
    Query(limit): Query<Limit>,
    body: Bytes,
) -> Answered {
    let id = DeviceId {
        product_key,
        device_name,
    };
    let params: Value = json_body(if body.is_empty() { b"{}" } else { &body })?;
    let options = api.shared.look(|world| world.options.clone());
    let answer = match limit.form {
        None => {
            let limit = limit.limit_ms.map_or(options.answer_limit, wait);
            api.shared
                .call_service(&id, &service, &params, limit)
                .await?
        }
        Some(form) => {
            let limit = limit.limit_ms.map_or(options.sync_limit, wait);
            api.shared
                .call_sync(&id, form, &service, &params, limit)
                .await?
        }
    };
    ok(answer)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Where {
    topic: String,
    #[serde(default)]
    qos: u8,
}

async fn publish(
    State(api): State<Api>,
    path: At,
    Query(to): Query<Where>,
    body: Bytes,
) -> Answered {
    deliver(&api, &device_of(path), &to.topic, to.qos, body)
}

async fn push(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let id = device_of(path);
    let topic = Down(&id).upgrade();
    deliver(&api, &id, &topic, 0, body)
}

fn deliver(api: &Api, id: &DeviceId, topic: &str, qos: u8, body: Bytes) -> Answered {
    let qos = match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        other => return Err(Failed::bad(format!("qos {other} is not 0 or 1"))),
    };
    if !api.shared.look(|world| world.devices.contains_key(id)) {
        return Err(Failed::missing("device"));
    }
    let delivery = api
        .shared
        .act(|world, now| world.publish(now, id, topic, body, qos));
    if !delivery.took() {
        return Err(CallError::Undelivered {
            device: id.clone(),
            reason: delivery.reason(),
        }
        .into());
    }
    ok(json!({"delivery": delivery.reason()}))
}

async fn kick(State(api): State<Api>, path: At) -> Answered {
    let id = device_of(path);
    ok(json!({"was_online": api.shared.act(|world, now| world.kick(now, &id))}))
}

async fn drop_connection(State(api): State<Api>, path: At) -> Answered {
    let id = device_of(path);
    ok(
        json!({"was_online": api.shared.act(|world, now| world.drop_connection(now, &id, "dropped by the operator"))}),
    )
}

async fn config_push(State(api): State<Api>, path: At, Query(limit): Query<Limit>) -> Answered {
    let limit = limit
        .limit_ms
        .map_or_else(|| api.shared.look(|world| world.options.answer_limit), wait);
    ok(api.shared.push_config(&device_of(path), limit).await?)
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
    /// The file's name, for an upload.
    #[serde(default)]
    name: Option<String>,
    /// The files, when they are used where they lie.
    #[serde(default)]
    paths: Vec<std::path::PathBuf>,
}

impl NewFirmware {
    fn package(self, files: Vec<Source>) -> Package {
        Package {
            version: self.version,
            module: self.module,
            sign_method: self.sign_method,
            files,
            source_version: self.source_version,
            custom: self.custom,
            digest_key: self.digest_key,
        }
    }
}

/// The body is the file, written to disk as it comes.
async fn firmware_upload(
    State(api): State<Api>,
    Query(new): Query<NewFirmware>,
    body: Body,
) -> Answered {
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

async fn firmware_by_path(State(api): State<Api>, body: Bytes) -> Answered {
    let mut new: NewFirmware = json_body(&body)?;
    let files = std::mem::take(&mut new.paths)
        .into_iter()
        .map(Source::Path)
        .collect();
    add_firmware(api.shared, new.package(files)).await
}

async fn add_firmware(shared: Arc<Shared>, package: Package) -> Answered {
    ok(blocking(move || shared.add_firmware(package)).await??)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failed> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), None))
}

async fn job_start(State(api): State<Api>, body: Bytes) -> Answered {
    let rollout: Rollout = json_body(&body)?;
    let number = api.shared.act(|world, now| world.start_job(now, rollout))?;
    ok(api.shared.look(|world| world.job_state(number)))
}

async fn job_state(State(api): State<Api>, Path(job): Path<u64>) -> Answered {
    ok(api
        .shared
        .look(|world| world.job_state(job))
        .ok_or(JobError::Job(job))?)
}

async fn job_cancel(State(api): State<Api>, Path(job): Path<u64>) -> Answered {
    api.shared.act(|world, now| world.cancel_job(now, job))?;
    ok(api.shared.look(|world| world.job_state(job)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    #[serde(default)]
    after: u64,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    topic: Option<String>,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    wait_ms: Option<u64>,
}

async fn journal(State(api): State<Api>, Query(reading): Query<Reading>) -> Answered {
    let entries = |world: &crate::platform::World| {
        let wanted = |value: &Value| {
            let topic = reading.topic.as_ref().is_none_or(|filter| {
                value["topic"]
                    .as_str()
                    .is_some_and(|topic| topics::matches(filter, topic))
            });
            let device = reading
                .device
                .as_ref()
                .is_none_or(|name| value["device"]["device_name"].as_str() == Some(name));
            topic && device
        };
        let all = world
            .journal
            .after(reading.after)
            .filter_map(|entry| serde_json::to_value(entry).ok());
        all.filter(wanted)
            .take(reading.limit.unwrap_or(usize::MAX))
            .collect::<Vec<Value>>()
    };
    let limit = wait(reading.wait_ms.unwrap_or(0));
    let found = api
        .shared
        .wait(limit, |world| {
            Some(entries(world)).filter(|found| !found.is_empty())
        })
        .await;
    let last = api.shared.look(|world| world.journal.last());
    ok(json!({"last": last, "entries": found.unwrap_or_default()}))
}

async fn faults(State(api): State<Api>) -> Answered {
    ok(api.shared.look(|world| world.faults.states()))
}

async fn fault_set(State(api): State<Api>, body: Bytes) -> Answered {
    let fault: Fault = json_body(&body)?;
    api.shared.act(|world, _| world.faults.set(fault));
    ok(api.shared.look(|world| world.faults.states()))
}

async fn fault_clear(State(api): State<Api>, Path(name): Path<String>) -> Answered {
    let name: FaultName = name.parse().map_err(|error: crate::faults::UnknownFault| {
        Failed(StatusCode::NOT_FOUND, error.to_string(), None)
    })?;
    api.shared.act(|world, _| world.faults.clear(name));
    let states: BTreeMap<String, _> = api
        .shared
        .look(|world| world.faults.states())
        .into_iter()
        .map(|state| (state.fault.name.to_string(), state))
        .collect();
    ok(states)
}
