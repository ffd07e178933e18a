//! The section `[cloud]`: where the platform is and who the device is.

use std::{path::Path, time::Duration};

use supervisor_core::{
    alink::login::{ClientName, Identity, Login, SecureMode, SignMethod},
    policy::Policy,
};
use toml::de::DeValue;

use super::{
    Cloud, Trust, backoff, example, positive,
    reading::{Form, Found, Reading, Section},
    secret,
};
use crate::advice::Mistake;

/// The default port of an endpoint with TLS and of one without (platform document 73742).
const PORTS: (u16, u16) = (8883, 1883);

/// A dead link is noticed after at most two of these. The device talks every half minute anyway, so that a short span costs
/// next to nothing; the platform takes 30 s to 1200 s (platform document 30540).
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Reads the section, and the secret if it came from a file of its own; `None` if any of it is missing or wrong, which has been noted as
/// faults then.
pub(super) fn read(
    reading: &mut Reading<'_>,
    file: &Path,
    environment: &dyn Fn(&str) -> Option<String>,
    policy: &mut Policy,
) -> Option<(Identity, Cloud, Option<String>)> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut section = reading.section("cloud");
    let product_key = must(
        &mut section,
        "product_key",
        "it is shown beside the device in the platform's console",
    );
    let device_name = must(
        &mut section,
        "device_name",
        "it is shown beside the device in the platform's console",
    );
    let identity = product_key.zip(device_name).and_then(|(key, name)| {
        Identity::new(key, name)
            .map_err(|fault| {
                section.fault(
                    "product_key",
                    None,
                    format!("or `cloud.device_name` cannot be used: {fault}"),
                );
            })
            .ok()
    });
    let host = host(&mut section, identity.as_ref());
    let trust = trust(&mut section, folder);
    let port = port(&mut section, trust.as_ref());
    let method = method(&mut section);
    let client = client(&mut section, identity.as_ref());
    let keepalive = section.or_where(
        "keepalive_s",
        KEEPALIVE,
        "a number of seconds from 30 to 1200",
        |span| (30..=1200).contains(&span.as_secs()),
    );
    policy.reconnect_backoff = backoff(
        &mut section,
        ["reconnect_wait_s", "reconnect_longest_wait_s"],
        policy.reconnect_backoff,
    );
    policy.report_normal = positive(&mut section, "report_every_s", policy.report_normal);
    policy.report_fast = positive(&mut section, "report_fast_every_s", policy.report_fast);
    policy.answer_limit = positive(&mut section, "answer_limit_s", policy.answer_limit);
    policy.ack_limit = positive(&mut section, "ack_limit_s", policy.ack_limit);
    let secret = secret::read(&mut section, file, environment);
    section.end();

    let (identity, (secret, of_file), client) = (identity?, secret?, client?);
    let mode = if trust.is_some() {
        SecureMode::Tls
    } else {
        SecureMode::Tcp
    };
    let cloud = Cloud {
        host: host?,
        port,
        trust,
        login: Login::sign(&identity, &secret, method, mode, &client, None),
        keepalive,
    };
    Some((identity, cloud, of_file))
}

fn must(section: &mut Section<'_, '_>, key: &'static str, hint: &str) -> Option<String> {
    let found = section.may(key, |value| {
        String::read(value)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| "a text in quotes, not empty".to_owned())
    });
    match found {
        Some(found) => {
            section.list(key, found.value.shown(), format!("line {}", found.line));
            Some(found.value)
        }
        None => {
            section.missing(key, hint);
            None
        }
    }
}

/// One of three forms says where the broker is (platform document 73742).
fn host(section: &mut Section<'_, '_>, identity: Option<&Identity>) -> Option<String> {
    let forms: Vec<(&'static str, Found<String>)> = ["host", "instance", "region"]
        .into_iter()
        .filter_map(|key| name(section, key).map(|found| (key, found)))
        .collect();
    let [(key, found)] = forms.as_slice() else {
        let what = "is one of three ways to say where the cloud is, with `cloud.instance` and `cloud.region`; exactly one is needed";
        if forms.len() > 1 || !section.faulty(&["host", "instance", "region"]) {
            section.fault("host", forms.get(1).map(|(_, found)| found.line), what);
        }
        return None;
    };
    let text = &found.value;
    let line = Some(found.line);
    if *key == "instance" && example::is_placeholder(key, text) {
        section.fault(key, line, Mistake::Placeholder);
    }
    let of_example = |it: &&Identity| example::is_placeholder("product_key", it.product_key());
    if *key != "host" && identity.as_ref().is_some_and(of_example) {
        // On a broker of one's own it may well be a device's name.
        section.fault("product_key", None, Mistake::Placeholder);
    }
    let host = match *key {
        "instance" => format!("{text}.mqtt.iothub.aliyuncs.com"),
        "region" => format!(
            "{}.iot-as-mqtt.{text}.aliyuncs.com",
            identity?.product_key()
        ),
        _ => text.clone(),
    };
    section.list(
        "host",
        host.shown(),
        format!("line {} (`{key}`)", found.line),
    );
    Some(host)
}

fn name(section: &mut Section<'_, '_>, key: &'static str) -> Option<Found<String>> {
    section.may(key, |value| {
        String::read(value)
            .filter(|text| {
                !text.is_empty()
                    && text.len() <= 255
                    && !text.contains(|c: char| c.is_whitespace() || c == '/')
            })
            .ok_or_else(|| {
                "a name or an address, without `mqtt://` and without the port".to_owned()
            })
    })
}

fn trust(section: &mut Section<'_, '_>, folder: &Path) -> Option<Trust> {
    let found = section.may("tls", |value| {
        let trust = match value {
            DeValue::String(text) if text == "system" => Some(Some(Trust::System)),
            DeValue::String(text) if text == "off" => Some(None),
            DeValue::Table(table) if table.len() == 1 => table
                .get("ca")
                .and_then(|path| path.get_ref().as_str())
                .map(|path| Some(Trust::File(folder.join(path)))),
            _ => None,
        };
        trust.ok_or_else(|| "\"system\", \"off\" or `{ ca = \"file.pem\" }`".to_owned())
    });
    let (trust, origin) = match found {
        Some(found) => (found.value, format!("line {}", found.line)),
        None => (Some(Trust::System), "default".to_owned()),
    };
    let shown = match &trust {
        None => "\"off\"".to_owned(),
        Some(Trust::System) => "\"system\"".to_owned(),
        Some(Trust::File(path)) => format!("{{ ca = {:?} }}", path.display().to_string()),
    };
    section.list("tls", shown, origin);
    trust
}

fn port(section: &mut Section<'_, '_>, trust: Option<&Trust>) -> u16 {
    let default = if trust.is_some() { PORTS.0 } else { PORTS.1 };
    let port = section.or_where(
        "port",
        u64::from(default),
        "a port from 1 to 65535",
        |port| (1..=65535).contains(port),
    );
    u16::try_from(port).unwrap_or(default)
}

fn method(section: &mut Section<'_, '_>) -> SignMethod {
    let found = section.may("sign_method", |value| {
        let method = value
            .as_str()
            .and_then(|text| text.parse::<SignMethod>().ok());
        method.ok_or_else(|| "\"hmacsha256\", \"hmacsha1\" or \"hmacmd5\"".to_owned())
    });
    let (method, origin) = match found {
        Some(found) => (found.value, format!("line {}", found.line)),
        None => (SignMethod::default(), "default".to_owned()),
    };
    section.list("sign_method", method.to_string().shown(), origin);
    method
}

fn client(section: &mut Section<'_, '_>, identity: Option<&Identity>) -> Option<ClientName> {
    let found = section.may("client_id", |value| {
        let text = value.as_str().ok_or_else(|| String::DEMAND.to_owned())?;
        let client = ClientName::new(text)
            .map_err(|fault| format!("1 to 64 visible characters other than `|`: {fault}"))?;
        Ok((text.to_owned(), client))
    });
    match found {
        Some(found) => {
            let (text, client) = found.value;
            section.list("client_id", text.shown(), format!("line {}", found.line));
            Some(client)
        }
        None => {
            section.list("client_id", "product key and device name", "default");
            identity.map(ClientName::of)
        }
    }
}
