use proptest::{collection, option, prelude::*, result};

use super::*;
use crate::{
    Element, Scalar, Value, ValueMap,
    handshake::{Answer, Hello, Welcome},
    v1::{Ask, Cause, Consent, Done, FromWorker, Handover, Health, Refusal, RequestId, ToWorker},
};

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<Option<T>, CodecError> {
    let mut decoder = Decoder::default();
    decoder.push(frame);
    decoder.take()
}

fn hello() -> Hello {
    Hello {
        token: [7; 32],
        version: "1.0.7".to_owned(),
        model_digest: [0xAB; 32],
        pid: 70_000,
    }
}

mod golden;

#[test]
fn a_message_arriving_byte_by_byte_is_read_when_its_last_byte_is_there() {
    let frame = encode(&FromWorker::Heartbeat { beat: 300 }).unwrap();
    let (last, first) = frame.split_last().unwrap();
    let mut decoder = Decoder::default();
    for byte in first {
        decoder.push(&[*byte]);
        assert!(decoder.take::<FromWorker>().unwrap().is_none());
        assert!(!decoder.is_empty());
    }
    decoder.push(&[*last]);
    assert_eq!(
        decoder.take().unwrap(),
        Some(FromWorker::Heartbeat { beat: 300 })
    );
    assert!(decoder.is_empty());
}

#[test]
fn two_messages_in_one_piece_are_read_in_order() {
    let mut decoder = Decoder::default();
    decoder.push(&encode(&ToWorker::ReportAll).unwrap());
    decoder.push(&encode(&ToWorker::Heartbeat { beat: 1 }).unwrap());
    assert_eq!(decoder.take().unwrap(), Some(ToWorker::ReportAll));
    assert_eq!(
        decoder.take().unwrap(),
        Some(ToWorker::Heartbeat { beat: 1 })
    );
    assert_eq!(decoder.take::<ToWorker>().unwrap(), None);
}

#[test]
fn a_length_over_the_limit_is_refused_from_its_four_bytes_alone() {
    let mut decoder = Decoder::default();
    decoder.push(&u32::MAX.to_le_bytes());
    assert!(matches!(
        decoder.take::<ToWorker>(),
        Err(CodecError::TooLong { length, limit: LARGEST_FRAME }) if length == u32::MAX as usize
    ));
    assert!(decoder.buffer.capacity() < 64);
}

#[test]
fn a_handshake_limit_holds_until_it_is_lifted() {
    let message = FromWorker::Checkpoint {
        snapshot: vec![1; 2 * LARGEST_HANDSHAKE],
    };
    let frame = encode(&message).unwrap();
    let mut decoder = Decoder::new(LARGEST_HANDSHAKE);
    decoder.push(&frame);
    assert!(matches!(
        decoder.take::<FromWorker>(),
        Err(CodecError::TooLong {
            limit: LARGEST_HANDSHAKE,
            ..
        })
    ));
    decoder.set_limit(LARGEST_FRAME);
    assert_eq!(decoder.take().unwrap(), Some(message));
}

#[test]
fn a_message_that_would_be_too_long_is_not_written() {
    let message = FromWorker::Checkpoint {
        snapshot: vec![1; LARGEST_FRAME],
    };
    assert!(matches!(encode(&message), Err(CodecError::TooLong { .. })));
}

#[test]
fn the_longest_message_is_written_and_read_and_its_memory_given_back() {
    // One byte for the variant, five for the length of the bytes.
    let message = FromWorker::Checkpoint {
        snapshot: vec![1; LARGEST_FRAME - 6],
    };
    let frame = encode(&message).unwrap();
    assert_eq!(frame.len(), LENGTH_BYTES + LARGEST_FRAME);
    let mut decoder = Decoder::default();
    decoder.push(&frame);
    assert_eq!(decoder.take().unwrap(), Some(message));
    assert!(decoder.buffer.capacity() <= RESTING_CAPACITY);
}

#[test]
fn a_frame_full_of_short_numbers_can_be_read_although_each_counts_at_its_full_width() {
    let message = FromWorker::Properties(ValueMap::from([(
        "l".to_owned(),
        Value::List(vec![Element::Scalar(Scalar::Date(1)); 80_000]),
    )]));
    let frame = encode(&message).unwrap();
    assert_eq!(decode(&frame).unwrap(), Some(message));
}

#[test]
fn bytes_left_over_in_a_frame_are_an_error() {
    assert!(matches!(
        decode::<ToWorker>(&framed(&[1, 0])),
        Err(CodecError::LeftOver { bytes: 1 })
    ));
}

#[test]
fn a_message_cut_short_inside_its_frame_is_an_error() {
    let whole = encode(&FromWorker::Unfit {
        reason: "no sensor".to_owned(),
    })
    .unwrap();
    for end in LENGTH_BYTES..whole.len() {
        assert!(matches!(
            decode::<FromWorker>(&framed(&whole[LENGTH_BYTES..end])),
            Err(CodecError::Unreadable(_))
        ));
    }
}

#[test]
fn an_empty_frame_is_an_error() {
    assert!(matches!(
        decode::<FromWorker>(&framed(&[])),
        Err(CodecError::Unreadable(_))
    ));
}

#[test]
fn a_count_that_promises_more_than_the_frame_holds_is_an_error() {
    // A checkpoint whose snapshot claims 2^32 - 1 bytes, then the same for properties.
    for variant in [6, 4] {
        let body = [variant, 252, 255, 255, 255, 255, 1, 2, 3];
        assert!(matches!(
            decode::<FromWorker>(&framed(&body)),
            Err(CodecError::Unreadable(_))
        ));
    }
}

#[test]
fn an_unknown_variant_is_an_error() {
    assert!(matches!(
        decode::<ToWorker>(&framed(&[99])),
        Err(CodecError::Unreadable(_))
    ));
}

#[test]
fn text_that_is_not_utf8_is_an_error() {
    assert!(matches!(
        decode::<FromWorker>(&framed(&[2, 1, 0xFF])),
        Err(CodecError::Unreadable(_))
    ));
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[a-z_]{1,20}", Just("预热中".to_owned())]
}

fn any_scalar() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        any::<f64>().prop_map(Scalar::Float),
        any_text().prop_map(Scalar::Text),
        any::<u64>().prop_map(Scalar::Date),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let scalars = || collection::btree_map(any_text(), any_scalar(), 0..4);
    prop_oneof![
        any_scalar().prop_map(Value::from),
        scalars().prop_map(Value::Struct),
        collection::vec(
            prop_oneof![
                any_scalar().prop_map(Element::Scalar),
                scalars().prop_map(Element::Struct)
            ],
            0..4
        )
        .prop_map(Value::List),
    ]
}

fn any_values() -> impl Strategy<Value = ValueMap> {
    collection::btree_map(any_text(), any_value(), 0..6)
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    collection::vec(any::<u8>(), 0..2000)
}

fn any_to_worker() -> impl Strategy<Value = ToWorker> {
    let causes = prop_oneof![
        Just(Cause::Upgrade),
        Just(Cause::RollBack),
        Just(Cause::Crash),
        Just(Cause::SupervisorLost),
        Just(Cause::PowerCut),
        Just(Cause::Restart),
    ];
    let handover =
        (any_bytes(), causes, option::of(any::<u64>())).prop_map(|(snapshot, cause, age_ms)| {
            Handover {
                snapshot,
                cause,
                age_ms,
            }
        });
    let ask = prop_oneof![
        option::of(handover).prop_map(|from| Ask::Activate { from }),
        Just(Ask::Quiesce),
        Just(Ask::MayI),
        any_values().prop_map(|properties| Ask::Set { properties }),
        (any_text(), any_values()).prop_map(|(service, args)| Ask::Call { service, args }),
        Just(Ask::Stop),
    ];
    prop_oneof![
        (any::<u32>(), ask).prop_map(|(id, ask)| ToWorker::Request {
            id: RequestId(id),
            ask
        }),
        Just(ToWorker::ReportAll),
        any::<u64>().prop_map(|beat| ToWorker::Heartbeat { beat }),
    ]
}

fn any_from_worker() -> impl Strategy<Value = FromWorker> {
    let done = prop_oneof![
        Just(Done::Active),
        any_bytes().prop_map(Done::Snapshot),
        Just(Done::Consent(Consent::Now)),
        (any::<u64>(), any_text())
            .prop_map(|(after_ms, reason)| Done::Consent(Consent::Later { after_ms, reason })),
        Just(Done::Accepted),
        any_values().prop_map(Done::Outputs),
        Just(Done::Stopping),
    ];
    let refusal = (any::<u32>(), any_text()).prop_map(|(code, message)| Refusal { code, message });
    prop_oneof![
        (any::<u32>(), result::maybe_ok(done, refusal)).prop_map(|(id, result)| {
            FromWorker::Reply {
                id: RequestId(id),
                result,
            }
        }),
        Just(FromWorker::Ready),
        any_text().prop_map(|reason| FromWorker::Unfit { reason }),
        Just(FromWorker::Health(Health::Well)),
        any_text().prop_map(|reason| FromWorker::Health(Health::Unwell { reason })),
        any_values().prop_map(FromWorker::Properties),
        (any_text(), any_values(), any::<u64>()).prop_map(|(event, outputs, at_ms)| {
            FromWorker::Raised {
                event,
                outputs,
                at_ms,
            }
        }),
        any_bytes().prop_map(|snapshot| FromWorker::Checkpoint { snapshot }),
        any_text().prop_map(|reason| FromWorker::Hurry { reason }),
        any_text().prop_map(|reason| FromWorker::Relax { reason }),
        any::<u64>().prop_map(|beat| FromWorker::Heartbeat { beat }),
    ]
}

proptest! {
    #[test]
    fn whatever_the_supervisor_says_is_read_back(message in any_to_worker()) {
        prop_assert_eq!(decode(&encode(&message).unwrap()).unwrap(), Some(message));
    }

    #[test]
    fn whatever_the_worker_says_is_read_back(message in any_from_worker()) {
        prop_assert_eq!(decode(&encode(&message).unwrap()).unwrap(), Some(message));
    }

    #[test]
    fn garbage_is_a_message_or_an_error_but_never_a_panic(body in collection::vec(any::<u8>(), 0..400)) {
        if let Ok(Some(message)) = decode::<FromWorker>(&framed(&body)) {
            // Numbers may be written longer than needed, so the bytes may differ; the meaning may not.
            let again = decode::<FromWorker>(&encode(&message).unwrap()).unwrap();
            prop_assert_eq!(format!("{again:?}"), format!("{:?}", Some(message)));
        }
    }

    #[test]
    fn pieces_of_any_size_make_the_same_messages(
        messages in collection::vec(any_from_worker(), 1..6),
        piece in 1_usize..700,
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|it| encode(it).unwrap()).collect();
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for bytes in stream.chunks(piece) {
            decoder.push(bytes);
            while let Some(message) = decoder.take::<FromWorker>().unwrap() {
                seen.push(message);
            }
        }
        prop_assert_eq!(seen, messages);
        prop_assert!(decoder.is_empty());
    }
}
