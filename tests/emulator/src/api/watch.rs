//! The journal, and the faults that make it interesting.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answered, Api, Failed, json_body, ok, wait};
use crate::fault_kinds;
use crate::faults::{Fault, FaultName, UnknownFault};
use crate::platform::World;
use crate::topics;

/// The routes below the API's root.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/journal", get(journal))
        .route("/faults", get(faults).post(fault_set))
        .route("/faults/kinds", get(kinds))
        .route("/faults/{name}", delete(fault_clear))
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
    let wanted = |value: &Value| {
        let topic = reading.topic.as_ref().is_none_or(|filter| {
            let topic = value["topic"].as_str();
            topic.is_some_and(|topic| topics::matches(filter, topic))
        });
        let device = reading
            .device
            .as_ref()
            .is_none_or(|name| value["device"]["device_name"].as_str() == Some(name));
        topic && device
    };
    let mut seen = reading.after;
    // Each entry is looked at once, however long this waits.
    let found = |world: &World| {
        let fresh = world
            .journal
            .after(seen)
            .filter_map(|entry| serde_json::to_value(entry).ok());
        let found: Vec<Value> = fresh
            .filter(wanted)
            .take(reading.limit.unwrap_or(usize::MAX))
            .collect();
        seen = world.journal.last();
        Some(found).filter(|found| !found.is_empty())
    };
    let found = api
        .shared
        .wait(wait(reading.wait_ms.unwrap_or(0)), found)
        .await;
    let last = api.shared.look(|world| world.journal.last());
    ok(json!({"last": last, "entries": found.unwrap_or_default()}))
}

async fn faults(State(api): State<Api>) -> Answered {
    ok(api.shared.look(|world| world.faults.states()))
}

async fn kinds() -> Answered {
    ok(fault_kinds::all().collect::<Vec<_>>())
}

async fn fault_set(State(api): State<Api>, body: Bytes) -> Answered {
    let fault: Fault = json_body(&body)?;
    api.shared.act(|world, _| world.faults.set(fault));
    ok(api.shared.look(|world| world.faults.states()))
}

async fn fault_clear(State(api): State<Api>, Path(name): Path<String>) -> Answered {
    let name: FaultName = name
        .parse()
        .map_err(|error: UnknownFault| Failed(StatusCode::NOT_FOUND, error.to_string(), None))?;
    api.shared.act(|world, _| world.faults.clear(name));
    ok(api.shared.look(|world| world.faults.states()))
}
