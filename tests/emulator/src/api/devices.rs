//! Devices: creating them, shutting them out, seeing their state.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::{Answered, Api, At, Condition, Failed, device_of, json_body, ok};
use crate::login::DeviceId;
use crate::platform::World;

/// The routes below one device's path.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/", get(state).patch(enable).put(add))
        .route("/marks", post(mark))
}

pub(super) async fn list(State(api): State<Api>) -> Answered {
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

async fn add(State(api): State<Api>, path: At, body: Bytes) -> Answered {
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

async fn enable(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let Enable { enabled } = json_body(&body)?;
    let id = device_of(path);
    if !api.shared.act(|world, now| world.enable(now, &id, enabled)) {
        return Err(Failed::missing("device"));
    }
    ok(json!({"enabled": enabled}))
}

/// The longest text of a mark, in characters: it stands beside a curve.
const LONGEST_MARK: usize = 80;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMark {
    text: String,
    /// In ms since 1970; now if absent.
    #[serde(default)]
    at: Option<u64>,
}

async fn mark(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let new: NewMark = json_body(&body)?;
    if new.text.is_empty() || new.text.chars().count() > LONGEST_MARK {
        let why = format!("the `text` of a mark has 1 to {LONGEST_MARK} characters");
        return Err(Failed::bad(why));
    }
    let id = device_of(path);
    let marked = api
        .shared
        .act(|world, now| world.mark(now, &id, new.at, new.text));
    if !marked {
        return Err(Failed::missing("device"));
    }
    ok(json!({"marked": true}))
}

async fn state(State(api): State<Api>, path: At, Query(condition): Query<Condition>) -> Answered {
    let id = device_of(path);
    let probe = |world: &World| world.device_state(&id);
    condition
        .answer(&api.shared, Failed::missing("device"), probe)
        .await
}
