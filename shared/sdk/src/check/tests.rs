use super::*;
use crate::model::{Event, Grade, Service};

const BOOL: Kind = Kind::Bool {
    off: "off",
    on: "on",
};
const INT: Kind = Kind::Int {
    min: 0,
    max: 1440,
    unit: "min",
};
const FLOAT: Kind = Kind::Float {
    min: 0.0,
    max: 300.0,
    step: 0.1,
    unit: "°C",
};
const TEXT: Kind = Kind::Text { longest: 6 };

fn model() -> Model {
    let field = |id, kind| Field { id, name: id, kind };
    Model {
        properties: vec![
            Property {
                field: field("target", FLOAT),
                writable: true,
            },
            Property {
                field: field("current", FLOAT),
                writable: false,
            },
        ],
        services: vec![Service {
            id: "start",
            name: "Start",
            inputs: vec![field("time", INT), field("now", BOOL)],
            outputs: vec![field("message", TEXT)],
        }],
        events: vec![Event {
            id: "alarm",
            name: "Alarm",
            grade: Grade::Alert,
            outputs: vec![field("message", TEXT)],
        }],
        ..Model::default()
    }
}

fn values<const N: usize>(values: [(&str, Value); N]) -> ValueMap {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

fn refused<T: std::fmt::Debug>(result: Result<T, Refusal>, message: &str) {
    let refusal = result.unwrap_err();
    assert_eq!(refusal.code, 460);
    assert_eq!(refusal.message, message);
}

#[test]
fn a_boolean_may_be_written_as_0_or_1() {
    for (written, meant) in [
        (Value::Bool(true), true),
        (Value::Bool(false), false),
        (Value::Int(1), true),
        (Value::Int(0), false),
    ] {
        assert_eq!(coerce(&BOOL, written), Ok(Value::Bool(meant)));
    }
    for wrong in [Value::Int(2), Value::Float(1.0), "true".into()] {
        assert!(coerce(&BOOL, wrong).is_err());
    }
}

#[test]
fn a_whole_number_may_stand_for_one_with_a_fraction_but_not_the_other_way_round() {
    assert_eq!(coerce(&FLOAT, Value::Int(180)), Ok(Value::Float(180.0)));
    assert_eq!(coerce(&INT, Value::Int(180)), Ok(Value::Int(180)));
    assert!(coerce(&INT, Value::Float(180.0)).is_err());
    assert!(coerce(&INT, "180".into()).is_err());
    assert!(coerce(&FLOAT, Value::Bool(true)).is_err());
}

#[test]
fn both_ends_of_a_range_belong_to_it() {
    for inside in [0, 1440] {
        assert!(coerce(&INT, Value::Int(inside)).is_ok());
    }
    for outside in [-1, 1441, i64::MIN, i64::MAX] {
        assert!(coerce(&INT, Value::Int(outside)).is_err());
    }
    for inside in [0.0, -0.0, 300.0] {
        assert!(coerce(&FLOAT, Value::Float(inside)).is_ok());
    }
    for outside in [-0.1, 300.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(coerce(&FLOAT, Value::Float(outside)).is_err(), "{outside}");
    }
    assert!(coerce(&FLOAT, Value::Int(301)).is_err());
}

#[test]
fn the_length_of_text_is_counted_in_bytes() {
    assert!(coerce(&TEXT, "预热".into()).is_ok());
    assert_eq!(
        coerce(&TEXT, "预热中".into()),
        Err("is 9 bytes long, more than 6".to_owned())
    );
}

#[test]
fn settings_are_taken_all_or_none_and_the_refusal_names_the_property() {
    let model = model();
    let set = |values| settings(&model, values);
    assert_eq!(
        set(values([("target", Value::Int(180))])),
        Ok(values([("target", Value::Float(180.0))]))
    );
    refused(set(values([])), "no property is named");
    refused(
        set(values([("light", true.into())])),
        "there is no property `light`",
    );
    refused(
        set(values([("current", 1.0.into()), ("target", 1.0.into())])),
        "`current` is read-only",
    );
    refused(
        set(values([("target", 400.0.into())])),
        "`target` is 400, outside 0 to 300",
    );
    refused(
        set(values([("target", "hot".into())])),
        "`target` is not a number",
    );
}

#[test]
fn arguments_must_be_complete_and_known() {
    let model = model();
    let given = |values| arguments(&model, "start", values);
    assert_eq!(
        given(values([("time", 5.into()), ("now", 1.into())])),
        Ok(values([("time", 5.into()), ("now", true.into())]))
    );
    refused(given(values([("now", 1.into())])), "`time` is missing");
    refused(
        given(values([
            ("time", 5.into()),
            ("now", 1.into()),
            ("x", 1.into()),
        ])),
        "there is no `x`",
    );
    refused(
        given(values([("time", 1441.into()), ("now", 1.into())])),
        "`time` is 1441, outside 0 to 1440",
    );
    refused(
        arguments(&model, "fly", values([])),
        "there is no service `fly`",
    );
}

#[test]
fn what_goes_out_is_checked_as_well() {
    let model = model();
    assert_eq!(
        reading(&model, "current", Value::Int(25)),
        Ok(Value::Float(25.0))
    );
    assert!(reading(&model, "current", f64::NAN.into()).is_err());
    assert!(reading(&model, "light", true.into()).is_err());
    assert!(outputs(&model, "start", values([("message", "ok".into())])).is_ok());
    refused(
        outputs(&model, "start", values([("massage", "ok".into())])),
        "there is no `massage`",
    );
    assert!(event(&model, "alarm", values([])).is_ok());
    refused(
        event(&model, "alarm", values([("message", "too long".into())])),
        "`message` is 8 bytes long, more than 6",
    );
    refused(
        event(&model, "fire", values([])),
        "there is no event `fire`",
    );
}
