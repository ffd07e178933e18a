use super::*;
use proptest::prelude::proptest;

fn topics() -> Topics {
    Topics::new(&Identity::new("pk", "dn").unwrap())
}

fn id(text: &str) -> Identifier {
    Identifier::new(text).unwrap()
}

/// MQTT's own rule for filters, written from the standard, to check that we are told what we subscribe to.
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

#[test]
fn topics_are_built_as_the_platform_names_them() {
    let topics = topics();
    assert_eq!(topics.inform(), "/ota/device/inform/pk/dn");
    assert_eq!(topics.upgrade(), "/ota/device/upgrade/pk/dn");
    assert_eq!(topics.progress(), "/ota/device/progress/pk/dn");
    assert_eq!(topics.firmware_get(), "/sys/pk/dn/thing/ota/firmware/get");
    assert_eq!(topics.file_download(), "/sys/pk/dn/thing/file/download");
    assert_eq!(
        topics.property_post(),
        "/sys/pk/dn/thing/event/property/post"
    );
    assert_eq!(
        topics.property_set_reply(),
        "/sys/pk/dn/thing/service/property/set_reply"
    );
    assert_eq!(
        topics.event_post(&id("overheat_alarm")),
        "/sys/pk/dn/thing/event/overheat_alarm/post"
    );
    assert_eq!(
        topics.service_reply(&id("start_timer")),
        "/sys/pk/dn/thing/service/start_timer_reply"
    );
    assert_eq!(
        topics.rrpc_response(&id("1234567890123456789")),
        "/sys/pk/dn/rrpc/response/1234567890123456789"
    );
}

fn routes() -> Vec<(&'static str, Route)> {
    let ext = |message: &str, action, topic: &str| Route::ExtRrpc {
        message_id: id(message),
        action,
        topic: topic.into(),
    };
    let (call, set) = (
        "/ext/rrpc/99/sys/pk/dn/thing/service/toggle_door",
        "/ext/rrpc/7/sys/pk/dn/thing/service/property/set",
    );
    vec![
        ("/ota/device/upgrade/pk/dn", Route::Upgrade),
        (
            "/sys/pk/dn/thing/ota/firmware/get_reply",
            Route::FirmwareReply,
        ),
        ("/sys/pk/dn/thing/file/download_reply", Route::FileReply),
        (
            "/sys/pk/dn/thing/event/property/post_reply",
            Route::PropertyReply,
        ),
        (
            "/sys/pk/dn/thing/event/overheat_alarm/post_reply",
            Route::EventReply {
                id: id("overheat_alarm"),
            },
        ),
        ("/sys/pk/dn/thing/service/property/set", Route::PropertySet),
        (
            "/sys/pk/dn/thing/service/set_temperature",
            Route::Service {
                id: id("set_temperature"),
            },
        ),
        (
            "/sys/pk/dn/rrpc/request/1234567890123456789",
            Route::RrpcRequest {
                message_id: id("1234567890123456789"),
            },
        ),
        (call, ext("99", Action::Call(id("toggle_door")), call)),
        (set, ext("7", Action::SetProperties, set)),
    ]
}

#[test]
fn each_topic_of_ours_is_told_from_every_other() {
    for (topic, route) in routes() {
        assert_eq!(topics().parse(topic), route, "{topic}");
    }
}

#[test]
fn every_route_has_exactly_one_subscription_that_delivers_it() {
    for (topic, _) in routes() {
        let filters: Vec<_> = topics()
            .subscriptions()
            .into_iter()
            .filter(|it| matches(&it.filter, topic))
            .collect();
        assert_eq!(filters.len(), 1, "{topic}: {filters:?}");
    }
}

#[test]
fn a_call_is_never_asked_for_at_least_once() {
    for (topic, route) in routes() {
        let calls = matches!(
            route,
            Route::Service { .. } | Route::RrpcRequest { .. } | Route::ExtRrpc { .. }
        );
        let all = topics().subscriptions();
        let qos = all
            .iter()
            .find(|it| matches(&it.filter, topic))
            .unwrap()
            .qos;
        assert!(!(calls && qos == Qos::AtLeastOnce), "{topic}");
    }
}

#[test]
fn our_own_replies_handed_back_by_an_ordinary_broker_are_not_taken_for_calls() {
    let topics = topics();
    let service = topics.service_reply(&id("toggle_door"));
    assert!(
        topics
            .subscriptions()
            .iter()
            .any(|it| matches(&it.filter, &service)),
        "the trap is real"
    );
    for topic in [
        service,
        topics.property_set_reply(),
        topics.property_post(),
        topics.rrpc_response(&id("1")),
    ] {
        assert_eq!(topics.parse(&topic), Route::Foreign, "{topic}");
    }
}

#[test]
fn what_belongs_to_others_or_is_malformed_is_foreign() {
    let long = format!("/sys/pk/dn/thing/service/{}", "x".repeat(65));
    let huge = format!("/sys/pk/dn/rrpc/request/{}", "9".repeat(70_000));
    for topic in [
        "",
        "/",
        "/ota/device/upgrade/pk/dn2",
        "/ota/device/upgrade/pk/dn/",
        "/ota/device/upgrade/pk",
        "ota/device/upgrade/pk/dn",
        "/ota/device/inform/pk/dn",
        "/sys/pk/other/thing/service/property/set",
        "/sys/pk/dnx/thing/service/property/set",
        "/sys/pk/dn/thing/file/download",
        "/sys/pk/dn/thing/file/download_reply/",
        "/sys/pk/other/thing/file/download_reply",
        "/sys/pk/dn/thing/service/",
        "/sys/pk/dn/thing/service/a/b",
        "/sys/pk/dn/thing/service/+",
        "/sys/pk/dn/thing/service/#",
        "/sys/pk/dn/thing/service/烤",
        "/sys/pk/dn/thing/event//post_reply",
        "/sys/pk/dn/thing/event/a/b/post_reply",
        "/sys/pk/dn/thing/event/post_reply",
        "/sys/pk/dn/rrpc/request/",
        "/sys/pk/dn/rrpc/request/1/2",
        "/ext/rrpc/",
        "/ext/rrpc/1",
        "/ext/rrpc//sys/pk/dn/thing/service/a",
        "/ext/rrpc/1/sys/pk/other/thing/service/a",
        "/ext/rrpc/1/sys/pk/dn/thing/service/a_reply",
        "/ext/rrpc/1/2/sys/pk/dn/thing/service/a",
        &long,
        &huge,
    ] {
        assert_eq!(topics().parse(topic), Route::Foreign, "{topic}");
    }
}

#[test]
fn an_identifier_that_would_change_the_topic_is_refused() {
    for bad in ["", "a/b", "+", "#", "a b", "a\0", "é", &"a".repeat(65)] {
        assert!(Identifier::new(bad).is_err(), "{bad}");
    }
    assert_eq!(
        Identifier::new("a/b").unwrap_err().to_string(),
        "the identifier `a/b` is not 1 to 64 letters, digits, `_`, `-`, `.` and `:`"
    );
}

proptest! {
    #[test]
    fn no_topic_makes_the_parser_panic(topic in ".{0,600}") {
        let _ = topics().parse(&topic);
    }

    #[test]
    fn no_tail_after_a_known_beginning_makes_the_parser_panic(
        head in "/ext/rrpc/(1/sys/pk/dn/)?|/sys/pk/dn/(rrpc/|thing/)?(request/|service/|event/)?|/ota/device/upgrade/",
        tail in "[/+#a-z_\\PC]{0,80}",
    ) {
        let topic = format!("{head}{tail}");
        if let Route::Service { id } | Route::EventReply { id } = topics().parse(&topic) {
            assert!(topic.contains(id.as_str()));
            assert!(!id.as_str().contains(['/', '+', '#']));
        }
    }
}
