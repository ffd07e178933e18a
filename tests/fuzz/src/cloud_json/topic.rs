//! A topic that is taken for one of ours is exactly the one its route stands for, and one subscription delivers it.

use std::sync::LazyLock;

use supervisor_core::alink::{
    login::Identity,
    topics::{Action, Route, Topics},
};

static TOPICS: LazyLock<Topics> = LazyLock::new(|| {
    Topics::new(&Identity::new("pk", "dn").expect("both are letters, and neither is too long"))
});

/// Whether the bytes are one of our topics.
pub(super) fn read(bytes: &[u8]) -> bool {
    let Ok(topic) = std::str::from_utf8(bytes) else {
        return false;
    };
    let route = TOPICS.parse(topic);
    let Some(name) = name(&route) else {
        return false;
    };
    assert_eq!(name, topic, "{route:?}");
    let filters = TOPICS.subscriptions();
    let delivering = filters.iter().filter(|it| matches(&it.filter, topic));
    assert_eq!(delivering.count(), 1, "{topic}");
    true
}

/// The topic a route stands for, spelled here once more.
fn name(route: &Route) -> Option<String> {
    let service = |action: &Action| match action {
        Action::SetProperties => "property/set".to_owned(),
        Action::Call(service) => {
            assert!(!service.as_str().ends_with("_reply"), "our own answer");
            service.to_string()
        }
    };
    Some(match route {
        Route::Foreign => return None,
        Route::Upgrade => "/ota/device/upgrade/pk/dn".to_owned(),
        Route::FirmwareReply => "/sys/pk/dn/thing/ota/firmware/get_reply".to_owned(),
        Route::FileReply => "/sys/pk/dn/thing/file/download_reply".to_owned(),
        Route::PropertyReply => "/sys/pk/dn/thing/event/property/post_reply".to_owned(),
        Route::EventReply { id } => format!("/sys/pk/dn/thing/event/{id}/post_reply"),
        Route::PropertySet => "/sys/pk/dn/thing/service/property/set".to_owned(),
        Route::Service { id } => {
            let service = service(&Action::Call(id.clone()));
            format!("/sys/pk/dn/thing/service/{service}")
        }
        Route::RrpcRequest { message_id } => format!("/sys/pk/dn/rrpc/request/{message_id}"),
        Route::ExtRrpc {
            message_id,
            action,
            topic,
        } => {
            let service = service(action);
            let name = format!("/ext/rrpc/{message_id}/sys/pk/dn/thing/service/{service}");
            assert_eq!(*topic, name, "the answer goes elsewhere");
            name
        }
    })
}

/// MQTT's own rule for filters.
fn matches(filter: &str, topic: &str) -> bool {
    let (mut wanted, mut levels) = (filter.split('/'), topic.split('/'));
    loop {
        match (wanted.next(), levels.next()) {
            (None, None) | (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
}
