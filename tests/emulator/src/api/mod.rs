//! The HTTP API: everything the library can do, for programs in other languages and for people with curl.
//!
//! JSON in and out. An error is `{"error": "..."}` and names the thing. At the root lies the console, a page for people that uses
//! nothing but this API. Who may ask is said in `guard`.

mod calls;
mod console;
mod devices;
mod events;
mod guard;
mod updates;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::calls::CallError;
use crate::firmware::PackageError;
use crate::login::DeviceId;
use crate::platform::rollout::JobError;
use crate::platform::{Links, World};
use crate::random::Random;
use crate::shared::Shared;

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
    /// Tells this run of the emulator from those before it, whose journals had other entries under the same numbers.
    run: String,
}

/// Serves the API on a listener until the task is ended.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>, index: Index) {
    let device = devices::routes().merge(calls::routes());
    let state = Api {
        shared,
        index,
        run: Random::unseeded().hex(8),
    };
    let api = Router::new()
        .route("/", get(index_of))
        .route("/products/{product}", put(product_add))
        .route("/products/{product}/config", put(config_set))
        .route("/devices", get(devices::list))
        .route("/events", get(events::follow))
        .nest("/devices/{product}/{device}", device)
        .merge(updates::routes())
        .merge(watch::routes())
        .layer(DefaultBodyLimit::max(LARGEST_BODY));
    let router = Router::new()
        .nest("/api", api)
        .merge(console::routes())
        .fallback(|| async { Failed::missing("path") })
        .layer(middleware::from_fn(guard::guard))
        .with_state(state);
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

/// Waits until the value at a JSON pointer equals this text (a string by its letters, anything else by its JSON form).
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

impl Condition {
    /// Answers with what `probe` finds, as soon as the condition holds; at once if there is none.
    async fn answer<T: serde::Serialize>(
        self,
        shared: &Shared,
        missing: impl Into<Failed>,
        probe: impl Fn(&World) -> Option<T>,
    ) -> Answered {
        let look = |world: &World| probe(world).and_then(|found| serde_json::to_value(found).ok());
        let first = shared.look(look).ok_or_else(|| missing.into())?;
        let (pointer, wanted) = match (self.pointer, self.equals) {
            (Some(pointer), Some(wanted)) => (pointer, wanted),
            (None, None) => return ok(first),
            _ => return Err(Failed::bad("`pointer` and `equals` go together")),
        };
        let holds = |value: &Value| match value.pointer(&pointer) {
            Some(Value::String(text)) => *text == wanted,
            Some(other) => format!("{other}") == wanted,
            None => false,
        };
        let limit = wait(self.wait_ms.unwrap_or(0));
        let found = shared.wait(limit, |world| look(world).filter(holds)).await;
        found.map(Json).ok_or_else(|| {
            let error = format!("`{pointer}` did not become `{wanted}` within {limit:?}");
            Failed(StatusCode::REQUEST_TIMEOUT, error, shared.look(look))
        })
    }
}

fn wait(ms: u64) -> Duration {
    Duration::from_millis(ms.min(LONGEST_WAIT))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failed> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failed(StatusCode::INTERNAL_SERVER_ERROR, error.to_string(), None))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewProduct {
    #[serde(default)]
    secret: Option<String>,
}

async fn product_add(State(api): State<Api>, Path(product): Path<String>, body: Bytes) -> Answered {
    let new: NewProduct = json_body(if body.is_empty() { b"{}" } else { &body })?;
    api.shared
        .act(|world, _| world.add_product(&product, new.secret.as_deref()));
    ok(json!({"product_key": product, "dynamic_registration": new.secret.is_some()}))
}

async fn config_set(State(api): State<Api>, Path(product): Path<String>, body: Bytes) -> Answered {
    let shared = api.shared;
    let name = product.clone();
    blocking(move || shared.set_config(&name, &body)).await??;
    ok(json!({"product_key": product}))
}
