//! What an offer of firmware looks like on the wire (documents 89307, 302377): the same for a push and for a query's answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Millis, World};
use crate::firmware::{DEFAULT_MODULE, Firmware, SignMethod, StoredFile};

/// How the device shall fetch the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// From the plain firmware server; the real platform never does this.
    #[default]
    Http,
    /// From the firmware server over TLS.
    Https,
    /// In blocks over MQTT; one file of at most 16 MiB.
    Mqtt,
}

impl World {
    /// The `data` of an offer, with URLs fresh from now.
    pub(crate) fn offer(
        &self,
        now: Millis,
        firmware: &Firmware,
        transport: Transport,
        tags: &BTreeMap<String, String>,
    ) -> Value {
        let mut data = Map::new();
        data.insert("version".into(), json!(firmware.version));
        data.insert("signMethod".into(), json!(firmware.sign_method.name()));
        if firmware.source_version.is_some() {
            data.insert("isDiff".into(), json!(1));
        }
        if firmware.module != DEFAULT_MODULE {
            data.insert("module".into(), json!(firmware.module));
        }
        let mut extra: Map<String, Value> = tags
            .iter()
            .map(|(key, value)| (key.clone(), json!(value)))
            .collect();
        if let Some(custom) = firmware.package_udi() {
            // As text, even where it holds JSON.
            extra.insert("_package_udi".into(), json!(custom));
        }
        if !extra.is_empty() {
            data.insert("extData".into(), Value::Object(extra));
        }
        let md5 = firmware.sign_method == SignMethod::Md5;
        if let [file] = firmware.files.as_slice() {
            data.insert("size".into(), json!(file.size));
            data.insert("sign".into(), json!(file.sign));
            if md5 {
                data.insert("md5".into(), json!(file.sign));
            }
            if let Some(signed) = &file.digest_sign {
                data.insert("digestsign".into(), json!(signed));
            }
            match transport {
                Transport::Mqtt => {
                    data.insert("dProtocol".into(), json!("mqtt"));
                    data.insert("streamId".into(), json!(firmware.id));
                    data.insert("streamFileId".into(), json!(1));
                }
                _ => {
                    data.insert(
                        "url".into(),
                        json!(self.firmware_url(now, firmware, 0, transport)),
                    );
                }
            }
        } else {
            let files = firmware.files.iter().enumerate();
            let list = files
                .map(|(index, file)| self.listed_file(now, firmware, index, file, transport))
                .collect();
            data.insert("files".into(), Value::Array(list));
        }
        Value::Object(data)
    }

    fn listed_file(
        &self,
        now: Millis,
        firmware: &Firmware,
        index: usize,
        file: &StoredFile,
        transport: Transport,
    ) -> Value {
        let mut listed = json!({
            "fileSize": file.size,
            "fileName": file.name,
            "fileUrl": self.firmware_url(now, firmware, index, transport),
            "fileSign": file.sign,
        });
        if firmware.sign_method == SignMethod::Md5 {
            listed["fileMd5"] = json!(file.sign);
        }
        if let Some(signed) = &file.digest_sign {
            // The name of this field in a list of files could not be confirmed; it follows the single file's.
            listed["digestsign"] = json!(signed);
        }
        listed
    }

    /// A URL that leads to one file of a package until its time is over.
    pub(crate) fn firmware_url(
        &self,
        now: Millis,
        firmware: &Firmware,
        index: usize,
        transport: Transport,
    ) -> String {
        let path = format!(
            "/firmware/{}/{index}/{}",
            firmware.id, firmware.files[index].name
        );
        let target = self.url_key.target(&path, self.expiry(now));
        match (transport, self.links.tls) {
            (Transport::Https, Some(address)) => format!("https://{address}{target}"),
            _ => format!("http://{}{target}", self.links.plain),
        }
    }

    /// The whole payload of a push. The code is text and the id a number, the reverse of everywhere else.
    pub(crate) fn push_payload(now: Millis, data: &Value) -> String {
        json!({"code": "1000", "data": data, "id": now, "message": "success"}).to_string()
    }
}
