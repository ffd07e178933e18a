//! What is sent to a device: property sets, service calls, any bytes, and the end of its connection.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::routing::post;
use rumqttc::QoS;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Answered, Api, At, Failed, device_of, json_body, ok, wait};
use crate::calls::{CallError, RrpcForm};
use crate::login::DeviceId;
use crate::topics::Down;

/// The routes below one device's path.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/properties", post(property_set))
        .route("/desired", post(desired_set))
        .route("/services/{service}", post(service_call))
        .route("/publish", post(publish))
        .route("/push", post(push))
        .route("/kick", post(kick))
        .route("/drop", post(drop_connection))
        .route("/config/push", post(config_push))
        .route("/log-mode", post(log_mode))
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogMode {
    on: bool,
}

async fn log_mode(State(api): State<Api>, path: At, body: Bytes) -> Answered {
    let LogMode { on } = json_body(&body)?;
    let id = device_of(path);
    if !api
        .shared
        .act(|world, now| world.set_log_mode(now, &id, on))
    {
        return Err(Failed::missing("device"));
    }
    ok(json!({"on": on}))
}
