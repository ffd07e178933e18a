//! The same life over a real socket, on a leash that is a real pipe.

use super::*;

/// A supervisor's end on a real socket, and the leash as a real pipe.
struct Socket {
    listener: Listener,
    events: tokio::sync::mpsc::Receiver<LinkEvent>,
    stdin: std::io::PipeWriter,
    life: tokio::task::JoinHandle<Exit>,
    _base: tempfile::TempDir,
}

impl Socket {
    async fn start(kettle: Kettle, options: Options) -> Self {
        let base = tempfile::tempdir().unwrap();
        let (listener, events) = Listener::bind(&base.path().join("run"), options).unwrap();
        let (reader, mut stdin) = std::io::pipe().unwrap();
        let leash = listener.expect(7).unwrap();
        stdin.write_all(leash.to_line().as_bytes()).unwrap();
        let life = tokio::spawn(async move {
            let (ender, ends) = tokio::sync::watch::channel(None);
            let leash = leash::hold(reader, ender, || ())
                .unwrap()
                .await
                .unwrap()
                .unwrap();
            serve(kettle, &leash, ends).await
        });
        Self {
            listener,
            events,
            stdin,
            life,
            _base: base,
        }
    }

    async fn hear(&mut self) -> LinkEvent {
        timeout(PATIENCE, self.events.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn word(&mut self, wanted: impl Fn(&FromWorker) -> bool) -> FromWorker {
        loop {
            if let LinkEvent::Said { message, .. } = self.hear().await
                && wanted(&message)
            {
                return message;
            }
        }
    }

    async fn parted(&mut self) -> String {
        loop {
            if let LinkEvent::Parted { why, .. } = self.hear().await {
                return why;
            }
        }
    }

    async fn answer(&mut self, ask: Ask) -> Result<Done, Refusal> {
        let id = RequestId(1);
        self.listener
            .send(7, ToWorker::Request { id, ask })
            .unwrap();
        match self.word(|it| matches!(it, FromWorker::Reply { .. })).await {
            FromWorker::Reply { result, .. } => result,
            other => panic!("{other:?}"),
        }
    }

    async fn exit(&mut self) -> Exit {
        timeout(PATIENCE, &mut self.life).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_life_over_a_real_socket_and_a_real_leash() {
    let mut socket = Socket::start(Kettle::new(), Options::default()).await;
    match socket.hear().await {
        LinkEvent::Joined { tenure: 7, hello } => assert_eq!(hello.version, "1.0.7"),
        other => panic!("{other:?}"),
    }
    socket.word(|it| *it == FromWorker::Ready).await;
    assert_eq!(
        socket.answer(Ask::Activate { from: None }).await,
        Ok(Done::Active)
    );
    let properties = target(55.0);
    assert_eq!(
        socket.answer(Ask::Set { properties }).await,
        Ok(Done::Accepted)
    );
    let Ok(Done::Snapshot(snapshot)) = socket.answer(Ask::Quiesce).await else {
        panic!("no snapshot");
    };
    let water: Water = serde_json::from_slice(&snapshot).unwrap();
    assert_eq!(water.target, 55.0);
    socket.parted().await;
    assert_eq!(socket.exit().await, Exit::Done);
}

#[tokio::test]
async fn the_end_of_stdin_ends_a_life_with_its_device_safe() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut socket = Socket::start(kettle, Options::default()).await;
    assert_eq!(socket.answer_when_ready().await, Ok(Done::Active));
    let (_, unused) = std::io::pipe().unwrap();
    drop(std::mem::replace(&mut socket.stdin, unused));
    socket.parted().await;
    assert_eq!(socket.exit().await, Exit::SupervisorLost);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test]
async fn the_end_of_the_link_alone_ends_a_life_with_its_device_safe() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut socket = Socket::start(kettle, Options::default()).await;
    assert_eq!(socket.answer_when_ready().await, Ok(Done::Active));
    socket.listener.close(7);
    assert_eq!(socket.exit().await, Exit::SupervisorLost);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test]
async fn a_worker_nobody_expects_does_not_start() {
    let base = tempfile::tempdir().unwrap();
    let (listener, _events) = Listener::bind(base.path(), Options::default()).unwrap();
    let leash = listener.expect(7).unwrap();
    listener.forget(7);
    let (_ender, ends) = tokio::sync::watch::channel(None);
    assert_eq!(
        serve(Kettle::new(), &leash, ends.clone()).await,
        Exit::NotJoined
    );
    drop(listener);
    assert_eq!(serve(Kettle::new(), &leash, ends).await, Exit::NotJoined);
}

/// A device whose turn holds its whole thread until it is let go.
struct Blocker {
    gate: Arc<Mutex<()>>,
    period: Duration,
}

impl Device for Blocker {
    type Snapshot = ();

    fn model(&self) -> Model {
        Model {
            version: "1".to_owned(),
            ..Model::default()
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    async fn activate(
        &mut self,
        _report: Reporter,
        _from: Option<Resume<()>>,
    ) -> Result<(), Fault> {
        Ok(())
    }

    fn period(&self) -> Option<Duration> {
        Some(self.period)
    }

    async fn tick(&mut self) {
        drop(self.gate.lock());
    }

    async fn set(&mut self, _name: &str, _value: Value) -> Result<(), Refusal> {
        Ok(())
    }

    async fn call(&mut self, _service: &str, _args: ValueMap) -> Result<ValueMap, Refusal> {
        Ok(ValueMap::new())
    }

    fn snapshot(&self) {}

    async fn quiesce(&mut self) {}
}

/// On a thread of its own, as a process has.
fn blocker(
    gate: &Arc<Mutex<()>>,
    period: Duration,
    leash: worker_link::Leash,
) -> std::thread::JoinHandle<Exit> {
    let gate = Arc::clone(gate);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (_ender, ends) = tokio::sync::watch::channel(None);
        runtime.block_on(serve(Blocker { gate, period }, &leash, ends))
    })
}

#[tokio::test]
async fn the_first_turn_follows_the_activation_at_once_and_its_answer_is_not_kept_waiting() {
    let base = tempfile::tempdir().unwrap();
    let options = Options {
        heartbeat: Duration::from_millis(100),
        ..Options::default()
    };
    let (listener, mut events) = Listener::bind(base.path(), options).unwrap();
    let leash = listener.expect(7).unwrap();
    let gate = Arc::new(Mutex::new(()));
    let held = Some(gate.lock().unwrap());
    let life = blocker(&gate, Duration::from_secs(3600), leash);
    let id = RequestId(1);
    loop {
        match timeout(PATIENCE, events.recv()).await.unwrap().unwrap() {
            LinkEvent::Joined { .. } => {
                let ask = Ask::Activate { from: None };
                listener.send(7, ToWorker::Request { id, ask }).unwrap();
            }
            LinkEvent::Said {
                message: FromWorker::Reply { result, .. },
                ..
            } => break assert_eq!(result, Ok(Done::Active)),
            _ => {}
        }
    }
    // Only a turn can have silenced it, and no second one comes within an hour.
    while timeout(Duration::from_secs(1), events.recv()).await.is_ok() {}
    drop(held);
    listener.close(7);
    let joined = tokio::task::spawn_blocking(|| life.join().unwrap());
    assert_eq!(joined.await.unwrap(), Exit::SupervisorLost);
}

#[tokio::test]
async fn the_heart_of_a_worker_stops_while_its_device_blocks() {
    let base = tempfile::tempdir().unwrap();
    let options = Options {
        heartbeat: Duration::from_millis(100),
        ..Options::default()
    };
    let (listener, mut events) = Listener::bind(base.path(), options).unwrap();
    let leash = listener.expect(7).unwrap();
    let gate = Arc::new(Mutex::new(()));
    let life = blocker(&gate, Duration::from_millis(1), leash);
    let id = RequestId(1);
    let mut beats = 0;
    let mut held = None;
    loop {
        // Ten heartbeats long; a worker that is alive is never silent for so long.
        match timeout(Duration::from_secs(1), events.recv()).await {
            Ok(Some(LinkEvent::Joined { .. })) => {
                let ask = Ask::Activate { from: None };
                listener.send(7, ToWorker::Request { id, ask }).unwrap();
            }
            Ok(Some(LinkEvent::Said {
                message: FromWorker::Heartbeat { .. },
                ..
            })) => {
                beats += 1;
                if beats == 3 {
                    held = Some(gate.lock().unwrap());
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => panic!("the listener has gone"),
            Err(_silence) => break,
        }
    }
    assert!(held.is_some(), "silent after {beats} heartbeats already");
    drop(held);
    listener.close(7);
    let joined = tokio::task::spawn_blocking(|| life.join().unwrap());
    assert_eq!(joined.await.unwrap(), Exit::SupervisorLost);
}

impl Socket {
    /// Activates as soon as the worker is ready.
    async fn answer_when_ready(&mut self) -> Result<Done, Refusal> {
        self.word(|it| *it == FromWorker::Ready).await;
        self.answer(Ask::Activate { from: None }).await
    }
}
