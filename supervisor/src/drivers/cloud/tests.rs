use rumqttc::mqttbytes::v4::{self, Packet};
use supervisor_core::alink::login::Login;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;

/// A broker that does as the test says, byte by byte.
struct Broker {
    listener: TcpListener,
}

/// One connection to it.
struct Guest {
    stream: TcpStream,
    bytes: bytes::BytesMut,
}

impl Broker {
    async fn listen() -> (Self, Cloud, mpsc::Receiver<Event>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, happened) = mpsc::channel(8);
        let settings = config::Cloud {
            host: address.ip().to_string(),
            port: address.port(),
            trust: None,
            login: Login {
                client_id: "a|b|".to_owned(),
                username: "name".to_owned(),
                password: "word".to_owned(),
            },
            keepalive: Duration::from_secs(60),
        };
        (Self { listener }, Cloud::new(settings, events), happened)
    }

    /// Reads a login and answers it with a code.
    async fn admit(&self, code: u8) -> Guest {
        let (stream, _) = self.listener.accept().await.unwrap();
        let mut guest = Guest {
            stream,
            bytes: bytes::BytesMut::new(),
        };
        let Some(Packet::Connect(connect)) = guest.next().await else {
            panic!("no login");
        };
        let login = connect.login.unwrap();
        assert_eq!(
            (login.username.as_str(), login.password.as_str()),
            ("name", "word")
        );
        assert_eq!(connect.client_id, "a|b|");
        assert!(connect.clean_session);
        guest.say(&[0x20, 2, 0, code]).await;
        guest
    }
}

impl Guest {
    async fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next packet, or `None` at the end.
    async fn next(&mut self) -> Option<Packet> {
        loop {
            if let Ok(packet) = Packet::read(&mut self.bytes, 1 << 20) {
                return Some(packet);
            }
            if self.stream.read_buf(&mut self.bytes).await.unwrap() == 0 {
                return None;
            }
        }
    }

    async fn publication(&mut self) -> v4::Publish {
        match self.next().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("{other:?}"),
        }
    }
}

async fn up(broker: &Broker, cloud: &mut Cloud, happened: &mut mpsc::Receiver<Event>) -> Guest {
    cloud.connect();
    let guest = broker.admit(0).await;
    assert_eq!(happened.recv().await, Some(Event::CloudUp));
    guest
}

async fn loss(happened: &mut mpsc::Receiver<Event>) -> CloudLoss {
    match happened.recv().await {
        Some(Event::CloudDown { loss }) => loss,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_refused_login_is_told_with_its_code_and_not_tried_again() {
    for code in 1..=5 {
        let (broker, mut cloud, mut happened) = Broker::listen().await;
        cloud.connect();
        let _guest = broker.admit(code).await;
        assert_eq!(loss(&mut happened).await, CloudLoss::Refused(code));
        assert!(
            cloud.session.as_mut().unwrap().task.is_finished()
                || cloud.session.take().unwrap().task.await.is_ok()
        );
    }
}

#[tokio::test]
async fn a_connection_the_broker_ends_is_closed_and_one_it_never_accepted_is_broken() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    drop(up(&broker, &mut cloud, &mut happened).await);
    assert_eq!(loss(&mut happened).await, CloudLoss::Closed);

    cloud.connect();
    let (stream, _) = broker.listener.accept().await.unwrap();
    drop(stream);
    let address = broker.listener.local_addr().unwrap().to_string();
    let why = loss(&mut happened).await;
    assert!(
        matches!(&why, CloudLoss::Broken(why) if why.contains(&address)),
        "{why:?}"
    );

    drop(broker);
    cloud.connect();
    let why = loss(&mut happened).await;
    assert!(
        matches!(&why, CloudLoss::Broken(why) if why.contains(&address)),
        "{why:?}"
    );
}

#[tokio::test]
async fn tickets_are_told_by_their_acknowledgement_in_whatever_order() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    let mut guest = up(&broker, &mut cloud, &mut happened).await;
    cloud.publish(Some(Ticket(1)), "one".to_owned(), b"1".to_vec());
    cloud.publish(None, "none".to_owned(), b"0".to_vec());
    cloud.publish(Some(Ticket(2)), "two".to_owned(), b"2".to_vec());
    let mut ids = Vec::new();
    for (topic, qos) in [
        ("one", QoS::AtLeastOnce),
        ("none", QoS::AtMostOnce),
        ("two", QoS::AtLeastOnce),
    ] {
        let publish = guest.publication().await;
        assert_eq!((publish.topic.as_str(), publish.qos), (topic, qos));
        ids.push(u8::try_from(publish.pkid).unwrap());
    }
    guest.say(&[0x40, 2, 0, ids[2]]).await;
    guest.say(&[0x40, 2, 0, ids[0]]).await;
    assert_eq!(
        happened.recv().await,
        Some(Event::Published { ticket: Ticket(2) })
    );
    assert_eq!(
        happened.recv().await,
        Some(Event::Published { ticket: Ticket(1) })
    );
}

#[tokio::test]
async fn nothing_in_flight_outlives_its_connection() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    let mut guest = up(&broker, &mut cloud, &mut happened).await;
    cloud.publish(Some(Ticket(1)), "one".to_owned(), b"1".to_vec());
    guest.publication().await;
    drop(guest);
    loss(&mut happened).await;
    // Said to nobody: the brain has not handled the loss yet.
    cloud.publish(Some(Ticket(2)), "two".to_owned(), b"2".to_vec());
    let mut guest = up(&broker, &mut cloud, &mut happened).await;
    cloud.publish(Some(Ticket(3)), "three".to_owned(), b"3".to_vec());
    let publish = guest.publication().await;
    assert_eq!((publish.topic.as_str(), publish.dup), ("three", false));
    guest
        .say(&[0x40, 2, 0, u8::try_from(publish.pkid).unwrap()])
        .await;
    assert_eq!(
        happened.recv().await,
        Some(Event::Published { ticket: Ticket(3) })
    );
}

#[tokio::test]
async fn subscriptions_ask_for_the_quality_they_are_given_and_messages_arrive() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    let mut guest = up(&broker, &mut cloud, &mut happened).await;
    let topic = |filter: &str, qos| Subscription {
        filter: filter.to_owned(),
        qos,
    };
    cloud.subscribe(vec![
        topic("a/+", Qos::AtLeastOnce),
        topic("b/#", Qos::AtMostOnce),
    ]);
    let Some(Packet::Subscribe(subscribe)) = guest.next().await else {
        panic!("no subscription");
    };
    let asked: Vec<_> = subscribe
        .filters
        .iter()
        .map(|it| (it.path.as_str(), it.qos))
        .collect();
    assert_eq!(asked, [("a/+", QoS::AtLeastOnce), ("b/#", QoS::AtMostOnce)]);
    let mut bytes = bytes::BytesMut::new();
    v4::Publish::new("a/x", QoS::AtMostOnce, "hello")
        .write(&mut bytes)
        .unwrap();
    guest.say(&bytes).await;
    let arrived = Event::Arrived {
        topic: "a/x".to_owned(),
        payload: b"hello".to_vec(),
    };
    assert_eq!(happened.recv().await, Some(arrived));
}

#[tokio::test]
async fn a_link_that_takes_no_more_messages_is_given_up_once() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    let _guest = up(&broker, &mut cloud, &mut happened).await;
    // The spine does not run while these are asked for, so nothing leaves the queue.
    for number in 0..MOST_WAITING as u64 + 10 {
        cloud.publish(Some(Ticket(number)), "x".to_owned(), Vec::new());
    }
    let why = loss(&mut happened).await;
    assert!(
        matches!(&why, CloudLoss::Broken(why) if why.contains("too slow")),
        "{why:?}"
    );
    assert!(happened.try_recv().is_err());
    up(&broker, &mut cloud, &mut happened).await;
}

#[tokio::test]
async fn a_goodbye_reaches_the_broker_and_is_no_loss() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    let mut guest = up(&broker, &mut cloud, &mut happened).await;
    cloud.publish(None, "last".to_owned(), b"word".to_vec());
    let (_, ()) = tokio::join!(
        async {
            assert_eq!(guest.publication().await.topic, "last");
            assert_eq!(guest.next().await, Some(Packet::Disconnect));
        },
        cloud.end()
    );
    assert_eq!(happened.recv().await, None);
}

#[tokio::test]
async fn a_message_over_the_limit_costs_itself_and_not_the_connection() {
    let (broker, mut cloud, mut happened) = Broker::listen().await;
    let mut guest = up(&broker, &mut cloud, &mut happened).await;
    cloud.publish(None, "long".to_owned(), vec![0; LONGEST_PAYLOAD + 1]);
    cloud.publish(None, "largest".to_owned(), vec![0; LONGEST_PAYLOAD]);
    assert_eq!(guest.publication().await.topic, "largest");
}
