//! Which topic is whose, and what a device means by publishing to it.
//!
//! A device may use only topics of its own product key and device name (document 89301); a wildcard in their place is a
//! foreign topic too.

use crate::login::DeviceId;

/// What a device publishes to, as far as the platform gives it a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Uplink<'a> {
    PropertyPost,
    EventPost(&'a str),
    BatchPost,
    HistoryPost,
    PropertySetReply,
    ServiceReply(&'a str),
    DesiredGet,
    DesiredDelete,
    TagsUpdate,
    TagsDelete,
    ConfigGet,
    LogConfigGet,
    LogPost,
    FirmwareGet,
    FileDownload,
    /// The answer to a call through `/sys/.../rrpc/request/{id}`.
    RrpcResponse(&'a str),
    /// The answer to a call through `/ext/rrpc/{id}/...`, on the topic of the call.
    CustomRrpcResponse(&'a str),
    Inform,
    Progress,
    /// The old way to ask for a task; answered on the upgrade topic.
    OtaRequest,
    Ntp,
    /// Its own topic, but one to which the platform has nothing to say: `_reply` of a push, or a user's topic.
    Silent,
    /// Its own topic under `/sys/`, but unknown: answered with code 6813.
    Unknown,
}

/// Sorts a topic a device publishes to; `None` if it is not its own.
pub(crate) fn uplink<'a>(device: &DeviceId, topic: &'a str) -> Option<Uplink<'a>> {
    if topic.contains(['+', '#']) || !owns(device, topic) {
        return None;
    }
    let levels: Vec<&str> = topic.split('/').collect();
    Some(match levels[1..] {
        ["sys", _, _, ref rest @ ..] => system(rest),
        ["ota", "device", "inform", _, _] => Uplink::Inform,
        ["ota", "device", "progress", _, _] => Uplink::Progress,
        ["ota", "device", "request", _, _] => Uplink::OtaRequest,
        ["ext", "ntp", _, _, "request"] => Uplink::Ntp,
        ["ext", "rrpc", id, ..] => Uplink::CustomRrpcResponse(id),
        _ => Uplink::Silent,
    })
}

fn system<'a>(rest: &[&'a str]) -> Uplink<'a> {
    match *rest {
        ["thing", "event", "property", "post"] => Uplink::PropertyPost,
        ["thing", "event", "property", "batch", "post"] => Uplink::BatchPost,
        ["thing", "event", "property", "history", "post"] => Uplink::HistoryPost,
        ["thing", "event", id, "post"] => Uplink::EventPost(id),
        ["thing", "service", "property", "set_reply"] => Uplink::PropertySetReply,
        ["thing", "service", reply] if reply.ends_with("_reply") => {
            Uplink::ServiceReply(reply.trim_end_matches("_reply"))
        }
        ["thing", "property", "desired", "get"] => Uplink::DesiredGet,
        ["thing", "property", "desired", "delete"] => Uplink::DesiredDelete,
        ["thing", "deviceinfo", "update"] => Uplink::TagsUpdate,
        ["thing", "deviceinfo", "delete"] => Uplink::TagsDelete,
        ["thing", "config", "get"] => Uplink::ConfigGet,
        ["thing", "config", "log", "get"] => Uplink::LogConfigGet,
        ["thing", "log", "post"] => Uplink::LogPost,
        ["thing", "ota", "firmware", "get"] => Uplink::FirmwareGet,
        ["thing", "file", "download"] => Uplink::FileDownload,
        ["rrpc", "response", id] => Uplink::RrpcResponse(id),
        ["thing", "model", "up_raw" | "down_raw_reply"] => Uplink::Silent,
        [.., last] if last.ends_with("_reply") => Uplink::Silent,
        _ => Uplink::Unknown,
    }
}

/// Whether a topic or a filter lies within what this device may use.
pub(crate) fn owns(device: &DeviceId, topic: &str) -> bool {
    let (key, name) = (device.product_key.as_str(), device.device_name.as_str());
    let levels: Vec<&str> = topic.split('/').collect();
    match levels[..] {
        ["", "ota", "device", _, k, n] | ["", "shadow", _, k, n] => k == key && n == name,
        ["", "sys", k, n, _, ..] | ["", "ext", "ntp" | "session", k, n, _, ..] => {
            k == key && n == name
        }
        ["", "ext", "rrpc", _, "sys", k, n, ..] => k == key && n == name,
        // A call's id is unknown beforehand, and the platform routes only a device's own calls to it.
        ["", "ext", "rrpc", _, ..] => true,
        ["", "ext", "error" | "register" | "regnwl"] => true,
        ["", "broadcast", k, _, ..] => k == key,
        ["", k, n, _, ..] => k == key && n == name,
        _ => false,
    }
}

/// Whether `_ss=1` covers this down topic of the device itself.
pub(crate) fn automatic(topic: &str) -> bool {
    ["/sys/", "/ota/device/upgrade/", "/ext/", "/shadow/get/"]
        .iter()
        .any(|prefix| topic.starts_with(prefix))
}

/// Whether a filter has MQTT's form: `+` and `#` fill a whole level, `#` only the last.
pub(crate) fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').rev();
    let last = levels.next().unwrap_or_default();
    !filter.is_empty()
        && (last == "#" || last == "+" || !last.contains(['+', '#']))
        && levels.all(|level| level == "+" || !level.contains(['+', '#']))
}

/// Whether a topic falls under a filter (MQTT 3.1.1, section 4.7); `a/#` covers `a` too.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    for level in filter.split('/') {
        match (level, topic.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(found)) if wanted == found => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}

/// The platform's topics towards one device.
pub(crate) struct Down<'a>(pub(crate) &'a DeviceId);

impl Down<'_> {
    /// `/sys/{pk}/{dn}/{rest}`.
    pub(crate) fn system(&self, rest: &str) -> String {
        format!("/sys/{}/{}/{rest}", self.0.product_key, self.0.device_name)
    }

    /// Where offers of firmware are pushed.
    pub(crate) fn upgrade(&self) -> String {
        format!(
            "/ota/device/upgrade/{}/{}",
            self.0.product_key, self.0.device_name
        )
    }

    /// Where the clock answers.
    pub(crate) fn ntp(&self) -> String {
        format!(
            "/ext/ntp/{}/{}/response",
            self.0.product_key, self.0.device_name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oven() -> DeviceId {
        DeviceId::new("pk", "dn")
    }

    #[test]
    fn filters_match_as_the_standard_says() {
        for (filter, topic) in [
            ("/a/b", "/a/b"),
            ("/a/+", "/a/b"),
            ("/a/#", "/a/b/c"),
            ("/a/#", "/a"),
            ("#", "/a"),
            ("/+/b/#", "/a/b"),
            ("+/+", "/a"),
        ] {
            assert!(matches(filter, topic), "{filter} {topic}");
        }
        for (filter, topic) in [
            ("/a/b", "/a"),
            ("/a", "/a/b"),
            ("/a/+", "/a"),
            ("/a/+", "/a/b/c"),
            ("/A", "/a"),
            ("+", "/a"),
        ] {
            assert!(!matches(filter, topic), "{filter} {topic}");
        }
    }

    #[test]
    fn malformed_filters_are_known() {
        for good in ["/a", "#", "+", "/a/+/b/#", "+/+"] {
            assert!(is_filter(good), "{good}");
        }
        for bad in ["", "/a#", "/a/#/b", "/a+/b", "/a/b+", "##"] {
            assert!(!is_filter(bad), "{bad}");
        }
    }

    #[test]
    fn a_device_owns_its_topics_and_no_others() {
        for own in [
            "/sys/pk/dn/thing/service/property/set",
            "/sys/pk/dn/#",
            "/sys/pk/dn/rrpc/request/+",
            "/ota/device/upgrade/pk/dn",
            "/ota/device/+/pk/dn",
            "/ext/ntp/pk/dn/response",
            "/ext/rrpc/+/sys/pk/dn/thing/service/+",
            "/ext/rrpc/#",
            "/pk/dn/user/get",
            "/broadcast/pk/news",
        ] {
            assert!(owns(&oven(), own), "{own}");
        }
        for foreign in [
            "#",
            "/#",
            "/sys/#",
            "/sys/+/dn/#",
            "/sys/pk/+/#",
            "/sys/pk/other/thing/event/property/post",
            "/sys/pk/dn",
            "/ota/device/upgrade/pk/other",
            "/ota/device/upgrade/#",
            "/ext/rrpc/1/sys/pk/other/thing/service/x",
            "/pk/other/user/get",
            "/broadcast/other/news",
            "sys/pk/dn/x",
            "",
        ] {
            assert!(!owns(&oven(), foreign), "{foreign}");
        }
    }

    #[test]
    fn each_published_topic_is_sorted() {
        let cases = [
            ("/sys/pk/dn/thing/event/property/post", Uplink::PropertyPost),
            (
                "/sys/pk/dn/thing/event/overheat_alarm/post",
                Uplink::EventPost("overheat_alarm"),
            ),
            (
                "/sys/pk/dn/thing/event/property/batch/post",
                Uplink::BatchPost,
            ),
            (
                "/sys/pk/dn/thing/event/property/history/post",
                Uplink::HistoryPost,
            ),
            (
                "/sys/pk/dn/thing/service/property/set_reply",
                Uplink::PropertySetReply,
            ),
            (
                "/sys/pk/dn/thing/service/start_timer_reply",
                Uplink::ServiceReply("start_timer"),
            ),
            ("/sys/pk/dn/thing/ota/firmware/get", Uplink::FirmwareGet),
            ("/sys/pk/dn/rrpc/response/77", Uplink::RrpcResponse("77")),
            (
                "/ext/rrpc/77/sys/pk/dn/thing/service/x",
                Uplink::CustomRrpcResponse("77"),
            ),
            ("/ota/device/inform/pk/dn", Uplink::Inform),
            ("/ota/device/progress/pk/dn", Uplink::Progress),
            ("/ext/ntp/pk/dn/request", Uplink::Ntp),
            ("/sys/pk/dn/thing/config/push_reply", Uplink::Silent),
            ("/pk/dn/user/hello", Uplink::Silent),
            ("/sys/pk/dn/thing/mystery", Uplink::Unknown),
        ];
        for (topic, meaning) in cases {
            assert_eq!(uplink(&oven(), topic), Some(meaning), "{topic}");
        }
        assert_eq!(uplink(&oven(), "/ota/device/inform/pk/other"), None);
        assert_eq!(uplink(&oven(), "/sys/pk/dn/thing/event/+/post"), None);
    }
}
