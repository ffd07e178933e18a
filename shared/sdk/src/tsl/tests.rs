use super::*;
use crate::model::Event;

fn exported() -> Json {
    let temperature = || Field {
        id: "temperature",
        name: "温度",
        kind: Kind::Float {
            min: 0.0,
            max: 300.0,
            step: 0.1,
            unit: "°C",
        },
    };
    let light = Field {
        id: "light",
        name: "Light",
        kind: Kind::Bool {
            off: "dark",
            on: "bright",
        },
    };
    let message = Field {
        id: "message",
        name: "Message",
        kind: Kind::Text { longest: 128 },
    };
    let minutes = Field {
        id: "time",
        name: "Time",
        kind: Kind::Int {
            min: -1,
            max: 1440,
            unit: "",
        },
    };
    let model = Model {
        name: "Oven",
        version: "1.0.0".to_owned(),
        properties: vec![
            Property {
                field: temperature(),
                writable: false,
            },
            Property {
                field: light,
                writable: true,
            },
        ],
        services: vec![Service {
            id: "start_timer",
            name: "Timer",
            inputs: vec![minutes],
            outputs: vec![message],
        }],
        events: vec![Event {
            id: "overheat",
            name: "Overheat",
            grade: Grade::Alert,
            outputs: vec![temperature()],
        }],
    };
    serde_json::from_str(&export(&model, "a1Sample001")).unwrap()
}

fn named<'a>(list: &'a Json, id: &str) -> &'a Json {
    list.as_array()
        .unwrap()
        .iter()
        .find(|it| it["identifier"] == id)
        .unwrap_or_else(|| panic!("there is no `{id}`"))
}

#[test]
fn the_profile_names_the_product() {
    assert_eq!(exported()["profile"]["productKey"], "a1Sample001");
    assert!(exported()["schema"].is_string());
}

#[test]
fn a_property_has_its_access_its_type_and_its_numbers_as_text() {
    let properties = &exported()["properties"];
    let expected = json!({
        "identifier": "temperature",
        "name": "温度",
        "accessMode": "r",
        "required": false,
        "dataType": {
            "type": "float",
            "specs": { "min": "0", "max": "300", "step": "0.1", "unit": "°C" },
        },
    });
    assert_eq!(named(properties, "temperature"), &expected);
    let light = named(properties, "light");
    assert_eq!(light["accessMode"], "rw");
    let labels = json!({ "type": "bool", "specs": { "0": "dark", "1": "bright" } });
    assert_eq!(light["dataType"], labels);
}

#[test]
fn the_supervisors_own_properties_are_there() {
    let properties = &exported()["properties"];
    for id in ["firmware_version", "ota_status", "last_update_time"] {
        assert_eq!(named(properties, id)["dataType"]["type"], "text");
        assert_eq!(named(properties, id)["accessMode"], "r");
    }
    let progress = json!({
        "type": "int",
        "specs": { "min": "0", "max": "100", "step": "1", "unit": "%" },
    });
    assert_eq!(named(properties, "ota_progress")["dataType"], progress);
}

#[test]
fn the_built_in_event_and_services_are_written_out() {
    let document = exported();
    let post = named(&document["events"], "post");
    assert_eq!(post["method"], "thing.event.property.post");
    assert_eq!(post["type"], "info");
    assert_eq!(post["outputData"].as_array().unwrap().len(), 6);
    let set = named(&document["services"], "set");
    assert_eq!(set["method"], "thing.service.property.set");
    assert_eq!(set["inputData"].as_array().unwrap().len(), 1);
    assert_eq!(
        named(&set["inputData"], "light")["dataType"]["type"],
        "bool"
    );
    let get = named(&document["services"], "get");
    assert_eq!(get["method"], "thing.service.property.get");
    assert_eq!(get["inputData"][0], "temperature");
    assert_eq!(get["outputData"].as_array().unwrap().len(), 6);
}

#[test]
fn the_devices_own_events_and_services_have_their_methods() {
    let document = exported();
    let overheat = named(&document["events"], "overheat");
    assert_eq!(overheat["method"], "thing.event.overheat.post");
    assert_eq!(overheat["type"], "alert");
    named(&overheat["outputData"], "temperature");
    let timer = named(&document["services"], "start_timer");
    assert_eq!(timer["method"], "thing.service.start_timer");
    assert_eq!(timer["callType"], "async");
    let time = json!({ "type": "int", "specs": { "min": "-1", "max": "1440", "step": "1" } });
    assert_eq!(named(&timer["inputData"], "time")["dataType"], time);
    let message = json!({ "type": "text", "specs": { "length": "128" } });
    assert_eq!(named(&timer["outputData"], "message")["dataType"], message);
}
