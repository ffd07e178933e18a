//! The example with a device's own values in the place of its own.

use std::path::PathBuf;

use crate::config::example;

/// A device's values.
pub(super) struct Values {
    pub(super) product_key: String,
    pub(super) device_name: String,
    pub(super) secret_file: PathBuf,
    pub(super) place: Place,
    pub(super) port: Option<u16>,
    pub(super) tls: String,
    /// Without any, every image with the right digest is taken.
    pub(super) keys: Vec<String>,
    /// If not beside the configuration.
    pub(super) state: Option<PathBuf>,
}

/// Where the cloud is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Instance(String),
    Region(String),
    Host(String),
}

impl Place {
    fn line(&self) -> (&'static str, &str) {
        match self {
            Self::Instance(text) => ("instance", text),
            Self::Region(text) => ("region", text),
            Self::Host(text) => ("host", text),
        }
    }
}

/// The keys of the three ways to say where the cloud is, of which the example shows one and comments the others.
const PLACES: [&str; 3] = ["instance", "region", "host"];

/// The whole configuration.
///
/// # Errors
/// A path is no text.
pub(super) fn filled(values: &Values) -> Result<String, String> {
    let secret_file = values.secret_file.to_str();
    let secret_file = secret_file.ok_or("the path of the secret's file is no text")?;
    let state = values.state.as_ref().map(|it| it.to_str());
    let state = state
        .map(|it| it.ok_or("the path of the state folder is no text"))
        .transpose()?;
    let (place, at) = values.place.line();
    let mut text = String::new();
    // The first lines of the example say what to do with it.
    let body = example::TEXT.find("# Every setting").unwrap_or(0);
    text += "# Hotplate: written by `supervisor init`.\n#\n";
    for line in example::TEXT[body..].lines() {
        text += &match key_of(line) {
            Some(("product_key", _)) => set(line, "product_key", &quoted(&values.product_key)),
            Some(("device_name", _)) => set(line, "device_name", &quoted(&values.device_name)),
            Some(("device_secret_file", _)) => {
                set(line, "device_secret_file", &quoted(secret_file))
            }
            Some((key, _)) if key == place => set(line, key, &quoted(at)),
            Some((key, true)) if PLACES.contains(&key) => format!("# {line}"),
            Some(("tls", true)) => set(line, "tls", &tls(&values.tls)),
            Some(("port", _)) if values.port.is_some() => {
                set(line, "port", &values.port.unwrap_or_default().to_string())
            }
            Some(("keys", true)) if values.keys.is_empty() => format!("# {line}"),
            Some(("keys", true)) => {
                let keys: Vec<_> = values.keys.iter().map(|key| quoted(key)).collect();
                format!("keys = [{}]", keys.join(", "))
            }
            Some(("require", _)) if values.keys.is_empty() => set(line, "require", "\"digest\""),
            Some(("dir", _)) => {
                state.map_or_else(|| line.to_owned(), |it| set(line, "dir", &quoted(it)))
            }
            _ => line.to_owned(),
        };
        text.push('\n');
    }
    Ok(text)
}

/// The key of a line, and whether it is in force.
fn key_of(line: &str) -> Option<(&str, bool)> {
    let plain = line.strip_prefix("# ").unwrap_or(line);
    let (key, _) = plain.split_once(" = ")?;
    let is_key = key.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
    is_key.then_some((key, plain.len() == line.len()))
}

/// The line with another value, in force, and with what is said behind it.
fn set(line: &str, key: &str, value: &str) -> String {
    let said = line.split_once(" # ").map(|(_, said)| said.trim_start());
    match said {
        Some(said) => format!("{:38} # {said}", format!("{key} = {value}")),
        None => format!("{key} = {value}"),
    }
}

fn tls(who: &str) -> String {
    match who {
        "system" | "off" => quoted(who),
        file => format!("{{ ca = {} }}", quoted(file)),
    }
}

/// As a text of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            it if it.is_control() => quoted += &format!("\\u{:04X}", u32::from(it)),
            it => quoted.push(it),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const KEY: &str = "RWRvA7w4Xz95ffzj/ZTW0BR8zbD76/C7b7MdLnpe7lAn+uqIIpbrGFHv";

    fn values(place: Place) -> Values {
        Values {
            product_key: "a1Own".to_owned(),
            device_name: "kitchen".to_owned(),
            secret_file: PathBuf::from("own.secret"),
            place,
            port: None,
            tls: "system".to_owned(),
            keys: vec![KEY.to_owned()],
            state: None,
        }
    }

    fn faults(text: &str) -> Vec<String> {
        let environment = |_: &str| Some("0123456789abcdef".to_owned());
        let faults = crate::config::judge(Path::new("hotplate.toml"), text, &environment);
        faults.into_iter().map(|fault| fault.0).collect()
    }

    #[test]
    fn every_way_to_name_the_cloud_makes_a_configuration_and_keeps_what_is_explained() {
        for (place, line) in [
            (
                Place::Instance("iot-own".to_owned()),
                "instance = \"iot-own\"",
            ),
            (
                Place::Region("cn-shanghai".to_owned()),
                "region = \"cn-shanghai\"",
            ),
            (Place::Host("::1".to_owned()), "host = \"::1\""),
        ] {
            let text = filled(&values(place)).unwrap();
            assert_eq!(faults(&text), [""; 0], "{text}");
            for line in [
                line,
                "product_key = \"a1Own\"",
                "device_name = \"kitchen\"",
                "device_secret_file = \"own.secret\"",
                "# keepalive_s = 60",
                KEY,
            ] {
                let found = text.lines().any(|it| it.contains(line));
                assert!(found, "no `{line}` in\n{text}");
            }
            for value in ["a1Sample001", "oven001", "iot-06z00sample"] {
                let mut in_force = text.lines().filter(|it| !it.starts_with('#'));
                let said = |it: &str| it.split(" # ").next().is_some_and(|it| it.contains(value));
                assert!(!in_force.any(said), "{value} in\n{text}");
            }
        }
    }

    #[test]
    fn an_odd_text_stays_a_text_and_no_key_is_told_in_so_many_words() {
        let mut odd = values(Place::Host("broker".to_owned()));
        (odd.device_name, odd.port) = ("a\"b\\c\td".to_owned(), Some(1884));
        odd.state = Some(PathBuf::from("/var/lib/x"));
        (odd.tls, odd.keys) = ("off".to_owned(), Vec::new());
        let text = filled(&odd).unwrap();
        let found = toml::from_str::<toml::Table>(&text).unwrap();
        let cloud = &found["cloud"];
        assert_eq!(cloud["device_name"].as_str(), Some("a\"b\\c\td"));
        assert_eq!(cloud["port"].as_integer(), Some(1884));
        assert_eq!(cloud["tls"].as_str(), Some("off"));
        assert_eq!(found["state"]["dir"].as_str(), Some("/var/lib/x"));
        assert_eq!(found["update"]["require"].as_str(), Some("digest"));
        odd.tls = "ca.pem".to_owned();
        let found = toml::from_str::<toml::Table>(&filled(&odd).unwrap()).unwrap();
        assert_eq!(found["cloud"]["tls"]["ca"].as_str(), Some("ca.pem"));
    }
}
