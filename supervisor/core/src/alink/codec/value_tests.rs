use super::*;
use proptest::prelude::{Strategy, any, prop_oneof, proptest};

fn written(value: &Value) -> String {
    String::from_utf8(json_of(value).unwrap()).unwrap()
}

fn read(json: &str) -> Result<Value, Omitted> {
    read_value("it", &serde_json::from_str(json).unwrap())
}

#[test]
fn each_type_is_written_as_the_thing_model_has_it() {
    let point = BTreeMap::from([
        ("x".to_owned(), Scalar::Float(1.0)),
        ("on".to_owned(), Scalar::Bool(true)),
    ]);
    for (value, json) in [
        (Value::Bool(true), "1"),
        (Value::Bool(false), "0"),
        (Value::Int(-5), "-5"),
        (Value::Int(i64::MIN), "-9223372036854775808"),
        (Value::Text("预热中 \"\n".into()), "\"预热中 \\\"\\n\""),
        (Value::Date(1_524_448_722_000), "\"1524448722000\""),
        (Value::Struct(point.clone()), "{\"on\":1,\"x\":1.0}"),
        (Value::Struct(BTreeMap::new()), "{}"),
        (Value::List(vec![]), "[]"),
        (
            Value::List(vec![
                Element::Scalar(Scalar::Date(7)),
                Element::Scalar(Scalar::Int(8)),
                Element::Struct(point),
            ]),
            "[\"7\",8,{\"on\":1,\"x\":1.0}]",
        ),
    ] {
        assert_eq!(written(&value), json);
    }
}

#[test]
fn a_float_always_has_a_decimal_point() {
    for (float, json) in [
        (180.0, "180.0"),
        (25.5, "25.5"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e21, "1.0e21"),
        (-2.5e-9, "-2.5e-9"),
        (1e-7, "1.0e-7"),
        (123_456_789_012_345_680.0, "1.2345678901234568e17"),
        (f64::MAX, "1.7976931348623157e308"),
        (5e-324, "5.0e-324"),
        (0.1 + 0.2, "0.30000000000000004"),
    ] {
        assert_eq!(written(&Value::Float(float)), json);
    }
}

#[test]
fn values_that_cannot_cross_are_named_and_leave_the_others_alone() {
    let text = |length| Value::Text("x".repeat(length));
    let values = ValueMap::from([
        ("a_nan".to_owned(), Value::Float(f64::NAN)),
        (
            "b_inf".to_owned(),
            Value::Struct(BTreeMap::from([(
                "x".to_owned(),
                Scalar::Float(f64::INFINITY),
            )])),
        ),
        ("c_long".to_owned(), text(10_241)),
        ("d_just".to_owned(), text(10_240)),
        (
            "e_list".to_owned(),
            Value::List(vec![Element::Scalar(Scalar::Int(1)); 513]),
        ),
        ("f_fine".to_owned(), Value::Int(1)),
        (String::new(), Value::Int(2)),
        ("n".repeat(129), Value::Int(3)),
    ]);
    let (json, omitted) = write_values(&values, None, 100_000);
    let json: Json = serde_json::from_slice(&json).unwrap();
    assert_eq!(
        json.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["d_just", "f_fine"]
    );
    let faults: Vec<_> = omitted.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "`` is not a name of 1 to 128 bytes",
            "`a_nan` is not a finite number",
            "`b_inf` is not a finite number",
            "`c_long` has a text of 10241 bytes, at most 10240 are allowed",
            "`e_list` has 513 elements, at most 512 are allowed",
            &format!("`{}…` is not a name of 1 to 128 bytes", "n".repeat(63)),
        ]
    );
}

#[test]
fn a_full_message_takes_no_more_and_says_which_values_remain() {
    let values: ValueMap = (0..250)
        .map(|n| (format!("p{n:03}"), Value::Int(n)))
        .collect();
    let (_, omitted) = write_values(&values, None, 100_000);
    assert_eq!(omitted.len(), 50);
    assert_eq!(
        omitted[0],
        Omitted {
            name: "p200".into(),
            reason: ValueFault::NoRoom
        }
    );

    for room in 2..300 {
        let (json, omitted) = write_values(&values, Some(1), room);
        assert!(json.len() <= room, "{} bytes in {room}", json.len());
        assert_eq!(
            json.iter().filter(|&&byte| byte == b'p').count() + omitted.len(),
            250
        );
    }
}

#[test]
fn numbers_are_told_apart_by_their_point_or_exponent() {
    assert_eq!(read("180"), Ok(Value::Int(180)));
    assert_eq!(read("180.0"), Ok(Value::Float(180.0)));
    assert_eq!(read("1e2"), Ok(Value::Float(100.0)));
    assert_eq!(read("-9223372036854775808"), Ok(Value::Int(i64::MIN)));
    assert_eq!(
        read("9223372036854775808").unwrap_err().to_string(),
        "`it` is a whole number above 2^63 - 1"
    );
}

#[test]
fn texts_lists_and_structs_are_read() {
    assert_eq!(read("true"), Ok(Value::Bool(true)));
    assert_eq!(read("\"待机\""), Ok(Value::Text("待机".into())));
    let point = BTreeMap::from([
        ("x".to_owned(), Scalar::Int(1)),
        ("s".to_owned(), Scalar::Text(String::new())),
    ]);
    assert_eq!(read(r#"{"x":1,"s":""}"#), Ok(Value::Struct(point.clone())));
    assert_eq!(
        read(r#"[1,false,{"x":1,"s":""}]"#),
        Ok(Value::List(vec![
            Element::Scalar(Scalar::Int(1)),
            Element::Scalar(Scalar::Bool(false)),
            Element::Struct(point)
        ]))
    );
}

#[test]
fn what_is_deeper_than_a_list_of_structs_or_null_is_refused() {
    let nested = "`it` is nested deeper than a list of structs";
    for json in [
        "[[1]]",
        r#"{"a":{}}"#,
        r#"{"a":[]}"#,
        r#"[{"a":{}}]"#,
        r#"[{"a":[1]}]"#,
    ] {
        assert_eq!(read(json).unwrap_err().to_string(), nested, "{json}");
    }
    for json in ["null", "[null]", r#"{"a":null}"#] {
        assert_eq!(read(json).unwrap_err().reason, ValueFault::Null, "{json}");
    }
    let long = format!("[{}1]", "1,".repeat(512));
    assert_eq!(
        read(&long).unwrap_err().reason,
        ValueFault::ListTooLong { length: 513 }
    );
    let long = format!("\"{}\"", "x".repeat(10_241));
    assert_eq!(
        read(&long).unwrap_err().reason,
        ValueFault::TextTooLong { length: 10_241 }
    );
}

/// What a value is after it has crossed the wire: bools are numbers and dates texts there.
fn crossed(scalar: Scalar) -> Scalar {
    match scalar {
        Scalar::Bool(it) => Scalar::Int(it.into()),
        Scalar::Date(it) => Scalar::Text(it.to_string()),
        other => other,
    }
}

fn any_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        // Any number of millionths; the parser may miss the last bit of others, which no device could tell.
        any::<i32>().prop_map(|n| Scalar::Float(f64::from(n) / 1e6)),
        any::<String>().prop_map(Scalar::Text),
        any::<u64>().prop_map(Scalar::Date),
    ]
}

proptest! {
    #[test]
    fn scalars_come_back_as_they_were(scalar in any_scalar()) {
        assert_eq!(read(&written(&Value::from(scalar.clone()))), Ok(Value::from(crossed(scalar))));
    }

    #[test]
    fn structs_and_lists_come_back_as_they_were(
        members in proptest::collection::btree_map("[a-z]{1,9}", any_scalar(), 0..6),
        scalars in proptest::collection::vec(any_scalar(), 0..6),
    ) {
        let there: BTreeMap<_, _> = members.iter().map(|(name, it)| (name.clone(), crossed(it.clone()))).collect();
        assert_eq!(read(&written(&Value::Struct(members.clone()))), Ok(Value::Struct(there.clone())));
        let mut list: Vec<_> = scalars.iter().cloned().map(Element::Scalar).collect();
        let mut expected: Vec<_> = scalars.into_iter().map(crossed).map(Element::Scalar).collect();
        list.push(Element::Struct(members));
        expected.push(Element::Struct(there));
        assert_eq!(read(&written(&Value::List(list))), Ok(Value::List(expected)));
    }

    #[test]
    fn any_finite_float_has_a_point_and_the_digits_of_exactly_itself(bits in any::<u64>()) {
        let float = f64::from_bits(bits);
        match json_of(&Value::Float(float)) {
            Ok(json) => {
                let json = String::from_utf8(json).unwrap();
                assert!(json.contains('.'), "{json}");
                assert_eq!(json.parse::<f64>().unwrap().to_bits(), bits);
                assert!(matches!(read(&json), Ok(Value::Float(_))), "{json}");
            }
            Err(fault) => assert_eq!((fault, float.is_finite()), (ValueFault::NotFinite, false)),
        }
    }
}
