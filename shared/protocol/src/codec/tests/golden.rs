//! One frame's body per message, as it was first sent. These bytes are a promise and are never edited; a message that must
//! change becomes a new one in a new version module.

use std::collections::BTreeMap;

use super::*;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn holds<T>(message: &T, body: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let frame = encode(message).unwrap();
    let (length, written) = frame.split_at(LENGTH_BYTES);
    assert_eq!(hex(written), body.replace(' ', ""), "{message:?}");
    assert_eq!(
        length,
        u32::try_from(written.len()).unwrap().to_le_bytes(),
        "{message:?}"
    );
    assert_eq!(decode::<T>(&frame).unwrap().as_ref(), Some(message));
}

fn request(ask: Ask) -> ToWorker {
    ToWorker::Request {
        id: RequestId(5),
        ask,
    }
}

fn reply(result: Result<Done, Refusal>) -> FromWorker {
    FromWorker::Reply {
        id: RequestId(300),
        result,
    }
}

fn one(name: &str, value: Value) -> ValueMap {
    ValueMap::from([(name.to_owned(), value)])
}

#[test]
fn the_handshake_keeps_its_bytes() {
    let token = "07".repeat(32);
    let digest = "ab".repeat(32);
    holds(
        &hello(),
        &format!("{token} 05 312e302e37 {digest} fc70110100"),
    );
    holds(
        &Answer::Welcome(Welcome {
            tenure: 9,
            heartbeat_ms: 1000,
            largest_snapshot: 65_536,
        }),
        "00 09 fbe803 fc00000100",
    );
    holds(
        &Answer::Refused {
            reason: "no".to_owned(),
        },
        "01 02 6e6f",
    );
}

#[test]
fn what_the_supervisor_says_keeps_its_bytes() {
    holds(&request(Ask::Activate { from: None }), "00 05 00 00");
    let causes = [
        (Cause::Upgrade, "00"),
        (Cause::RollBack, "01"),
        (Cause::Crash, "02"),
        (Cause::SupervisorLost, "03"),
        (Cause::PowerCut, "04"),
        (Cause::Restart, "05"),
    ];
    for (cause, byte) in causes {
        let from = Some(Handover {
            snapshot: b"{}".to_vec(),
            cause,
            age_ms: Some(250),
        });
        holds(
            &request(Ask::Activate { from }),
            &format!("00 05 00 01 02 7b7d {byte} 01 fa"),
        );
    }
    let from = Some(Handover {
        snapshot: Vec::new(),
        cause: Cause::PowerCut,
        age_ms: None,
    });
    holds(&request(Ask::Activate { from }), "00 05 00 01 00 04 00");
    holds(&request(Ask::Quiesce), "00 05 01");
    holds(&request(Ask::MayI), "00 05 02");
    holds(
        &request(Ask::Set {
            properties: one("t", Value::Float(180.0)),
        }),
        "00 05 03 01 01 74 02 0000000000806640",
    );
    holds(
        &request(Ask::Call {
            service: "go".to_owned(),
            args: one("n", Value::Int(-3)),
        }),
        "00 05 04 02 676f 01 01 6e 01 05",
    );
    holds(&request(Ask::Stop), "00 05 05");
    holds(&ToWorker::ReportAll, "01");
    holds(&ToWorker::Heartbeat { beat: 251 }, "02 fbfb00");
}

#[test]
fn what_the_worker_says_keeps_its_bytes() {
    holds(&reply(Ok(Done::Active)), "00 fb2c01 00 00");
    holds(
        &reply(Ok(Done::Snapshot(b"{}".to_vec()))),
        "00 fb2c01 00 01 02 7b7d",
    );
    holds(
        &reply(Ok(Done::Consent(Consent::Now))),
        "00 fb2c01 00 02 00",
    );
    holds(
        &reply(Ok(Done::Consent(Consent::Later {
            after_ms: 70_000,
            reason: "hot".to_owned(),
        }))),
        "00 fb2c01 00 02 01 fc70110100 03 686f74",
    );
    holds(&reply(Ok(Done::Accepted)), "00 fb2c01 00 03");
    holds(
        &reply(Ok(Done::Outputs(one("ok", Value::Bool(true))))),
        "00 fb2c01 00 04 01 02 6f6b 00 01",
    );
    holds(&reply(Ok(Done::Stopping)), "00 fb2c01 00 05");
    holds(
        &reply(Err(Refusal {
            code: 460,
            message: "no".to_owned(),
        })),
        "00 fb2c01 01 fbcc01 02 6e6f",
    );
    holds(&FromWorker::Ready, "01");
    holds(
        &FromWorker::Unfit {
            reason: "no".to_owned(),
        },
        "02 02 6e6f",
    );
    holds(&FromWorker::Health(Health::Well), "03 00");
    holds(
        &FromWorker::Health(Health::Unwell {
            reason: "no".to_owned(),
        }),
        "03 01 02 6e6f",
    );
    holds(&FromWorker::Properties(ValueMap::new()), "04 00");
    holds(
        &FromWorker::Raised {
            event: "e".to_owned(),
            outputs: ValueMap::new(),
            at_ms: 1_800_000_000_000,
        },
        "05 01 65 00 fd00505c18a3010000",
    );
    holds(
        &FromWorker::Checkpoint {
            snapshot: b"{}".to_vec(),
        },
        "06 02 7b7d",
    );
    holds(
        &FromWorker::Hurry {
            reason: "timer".to_owned(),
        },
        "07 05 74696d6572",
    );
    holds(
        &FromWorker::Relax {
            reason: "timer".to_owned(),
        },
        "08 05 74696d6572",
    );
    holds(&FromWorker::Heartbeat { beat: 0 }, "09 00");
}

#[test]
fn every_kind_of_value_keeps_its_bytes() {
    let scalars = [
        (Scalar::Bool(true), "00 01"),
        (Scalar::Int(-1), "01 01"),
        (Scalar::Float(1.5), "02 000000000000f83f"),
        (Scalar::Text("预".to_owned()), "03 03 e9a284"),
        (Scalar::Date(200), "04 c8"),
    ];
    for (scalar, bytes) in scalars {
        holds(&scalar, bytes);
        holds(&Value::from(scalar.clone()), bytes);
        holds(&Element::Scalar(scalar), &format!("00 {bytes}"));
    }
    let parts = BTreeMap::from([
        ("b".to_owned(), Scalar::Int(2)),
        ("a".to_owned(), Scalar::Bool(false)),
    ]);
    let bytes = "02 01 61 00 00 01 62 01 04";
    holds(&Value::Struct(parts.clone()), &format!("05 {bytes}"));
    holds(
        &Value::List(vec![
            Element::Scalar(Scalar::Int(1)),
            Element::Struct(parts),
        ]),
        &format!("06 02 00 01 02 01 {bytes}"),
    );
}
