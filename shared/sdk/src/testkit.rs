//! A supervisor in a box: drives a [`Device`] in memory, through the real codec and the real runner, with no process.
//!
//! ```
//! # use worker_sdk::{Device, Fault, Refusal, Reporter, Resume, Value, ValueMap, model::Model};
//! # struct Nothing;
//! # impl Device for Nothing {
//! #     type Snapshot = u8;
//! #     fn model(&self) -> Model { Model { version: "1.0.0".to_owned(), ..Model::default() } }
//! #     async fn warm_up(&mut self) -> Result<(), Fault> { Ok(()) }
//! #     async fn activate(&mut self, _: Reporter, _: Option<Resume<u8>>) -> Result<(), Fault> { Ok(()) }
//! #     async fn set(&mut self, _: &str, _: Value) -> Result<(), Refusal> { Ok(()) }
//! #     async fn call(&mut self, _: &str, _: ValueMap) -> Result<ValueMap, Refusal> { Ok(ValueMap::new()) }
//! #     fn snapshot(&self) -> u8 { 7 }
//! #     async fn quiesce(&mut self) -> u8 { 7 }
//! # }
//! worker_sdk::testkit::drive(Nothing, async |kit| {
//!     kit.ready().await;
//!     kit.activate().await.expect("nothing can go wrong");
//!     let handed_over: u8 = kit.quiesce().await;
//!     assert_eq!(handed_over, 7);
//! });
//! ```
//!
//! A whole upgrade, and the way back, is [`switch`]:
//!
//! ```
//! # use worker_sdk::{Device, Fault, Refusal, Reporter, Resume, Value, ValueMap, model::Model, testkit::{self, switch}};
//! # #[derive(Default)]
//! # struct Counter { count: u8 }
//! # impl Device for Counter {
//! #     type Snapshot = u8;
//! #     fn model(&self) -> Model { Model { version: "1.0.0".to_owned(), ..Model::default() } }
//! #     async fn warm_up(&mut self) -> Result<(), Fault> { Ok(()) }
//! #     async fn activate(&mut self, _: Reporter, from: Option<Resume<u8>>) -> Result<(), Fault> {
//! #         self.count = from.map_or(1, |it| it.state); Ok(()) }
//! #     async fn set(&mut self, _: &str, _: Value) -> Result<(), Refusal> { Ok(()) }
//! #     async fn call(&mut self, _: &str, _: ValueMap) -> Result<ValueMap, Refusal> { Ok(ValueMap::new()) }
//! #     fn snapshot(&self) -> u8 { self.count }
//! #     async fn quiesce(&mut self) -> u8 { self.count + 1 }
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let mut old = testkit::Kit::start(Counter::default()).await;
//! old.ready().await;
//! old.activate().await.expect("nothing can go wrong");
//! let (_new, handed) = switch(old, Counter::default()).await.taken();
//! let mut back = handed.take_back(Counter::default()).await.expect("it ran before");
//! let count: u8 = back.quiesce().await;
//! assert_eq!(count, 3);
//! # });
//! ```
//!
//! Turns of the control loop are taken by hand, with [`Kit::turn`], so that a device on a clock of the test's own is driven
//! without waiting. Every wait is bounded by [`PATIENCE`] and then panics with all that was heard: this module is for tests.

mod switch;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use worker_link::{LinkEvent, Listener, Options};
use worker_protocol::{
    Value, ValueMap,
    v1::{Ask, Consent, Done, FromWorker, Handover, Health, Refusal, RequestId, ToWorker},
};

pub use self::switch::{Handed, Switched, switch};
use crate::{
    device::{Device, Resume},
    exit::Exit,
    leash::End,
    run::facts,
    runner::{Runner, Turns},
};

/// How long the kit waits for anything: longer than each of the runner's own limits but the warm-up's.
pub const PATIENCE: Duration = Duration::from_secs(10);

const TENURE: u64 = 1;

/// How many bytes may be on their way in each direction.
const PIPE_BYTES: usize = 4096;

/// Runs one test with a device that warms up; makes the runtime it needs.
pub fn drive<D: Device>(device: D, test: impl AsyncFnOnce(&mut Kit)) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a test has a runtime")
        .block_on(async {
            let mut kit = Kit::start(device).await;
            test(&mut kit).await;
        });
}

/// The supervisor's end of one worker's life.
#[derive(Debug)]
pub struct Kit {
    listener: Listener,
    events: mpsc::Receiver<LinkEvent>,
    turns: mpsc::Sender<oneshot::Sender<()>>,
    leash: watch::Sender<Option<End>>,
    life: Option<JoinHandle<Exit>>,
    heard: Heard,
    asked: u32,
}

/// Everything the worker said so far and nobody has asked for yet.
#[derive(Debug, Default)]
struct Heard {
    ready: bool,
    unfit: Option<String>,
    properties: ValueMap,
    raised: VecDeque<(String, ValueMap)>,
    health: Option<Health>,
    checkpoint: Option<Vec<u8>>,
    reasons: BTreeSet<String>,
    replies: BTreeMap<RequestId, Result<Done, Refusal>>,
    beats: u64,
    parted: Option<String>,
}

impl Kit {
    /// Starts a device; it has joined and begins to warm up. Must be called within a tokio runtime.
    pub async fn start<D: Device>(device: D) -> Self {
        let (listener, mut events) = Listener::unbound(Options::default());
        let leash = listener
            .expect(TENURE)
            .expect("the system gives random bytes");
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        listener.attach(ours);
        let (turns, by_hand) = mpsc::channel(1);
        let (leash_end, ends) = watch::channel(None);
        let life = tokio::spawn(async move {
            let facts = facts(&device.model());
            match worker_link::connect_over(theirs, &leash, &facts, PATIENCE).await {
                Ok((connection, welcome)) => {
                    let turns = Turns::Hand(by_hand);
                    Runner::new(device, connection, &welcome, ends, turns)
                        .live()
                        .await
                }
                Err(error) => panic!("the device was not let in: {error}"),
            }
        });
        match timeout(PATIENCE, events.recv()).await {
            Ok(Some(LinkEvent::Joined { .. })) => {}
            other => panic!("the device did not join: {other:?}"),
        }
        Self {
            listener,
            events,
            turns,
            leash: leash_end,
            life: Some(life),
            heard: Heard::default(),
            asked: 0,
        }
    }

    /// Waits until the warm-up has succeeded.
    pub async fn ready(&mut self) {
        self.until("ready", |heard| heard.ready.then_some(())).await;
    }

    /// Waits until the warm-up has failed, and says why.
    pub async fn unfit(&mut self) -> String {
        self.until("unfit", |heard| heard.unfit.take()).await
    }

    /// Waits for the end of the warm-up; says why, if it failed.
    async fn warmed_up(&mut self) -> Option<String> {
        let ended = |heard: &mut Heard| match heard.unfit.take() {
            Some(why) => Some(Some(why)),
            None => heard.ready.then_some(None),
        };
        self.until("the end of the warm-up", ended).await
    }

    /// Activates without a former life's state.
    ///
    /// # Errors
    /// The worker's refusal; it ends then.
    pub async fn activate(&mut self) -> Result<(), Refusal> {
        self.act(Ask::Activate { from: None }).await.map(drop)
    }

    /// Activates from where a former life stood.
    ///
    /// # Errors
    /// The worker's refusal; it ends then.
    pub async fn resume<S: Serialize>(&mut self, from: &Resume<S>) -> Result<(), Refusal> {
        let snapshot = serde_json::to_vec(&from.state).expect("a snapshot can be written");
        let age_ms = from
            .age
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let handover = Handover {
            snapshot,
            cause: from.cause,
            age_ms,
        };
        let from = Some(handover);
        self.act(Ask::Activate { from }).await.map(drop)
    }

    /// Sets one property, as the cloud would.
    ///
    /// # Errors
    /// The device's refusal.
    pub async fn set(&mut self, name: &str, value: impl Into<Value>) -> Result<(), Refusal> {
        let properties = ValueMap::from([(name.to_owned(), value.into())]);
        self.act(Ask::Set { properties }).await.map(drop)
    }

    /// Calls a service, as the cloud would.
    ///
    /// # Errors
    /// The device's refusal.
    pub async fn call(&mut self, service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
        let service = service.to_owned();
        match self.act(Ask::Call { service, args }).await? {
            Done::Outputs(outputs) => Ok(outputs),
            other => panic!("{other:?} instead of outputs"),
        }
    }

    /// Asks an active worker whether a switch may happen now.
    pub async fn may_switch(&mut self) -> Consent {
        match self.ask(Ask::MayI).await {
            Ok(Done::Consent(consent)) => consent,
            other => panic!("{other:?} instead of consent"),
        }
    }

    /// Lets the worker hand over and end.
    pub async fn quiesce<S: DeserializeOwned>(&mut self) -> S {
        match self.ask(Ask::Quiesce).await {
            Ok(Done::Snapshot(snapshot)) => parse(&snapshot),
            other => panic!("{other:?} instead of a snapshot"),
        }
    }

    /// Asks anything, and waits for the answer.
    ///
    /// # Errors
    /// The worker's refusal.
    pub async fn ask(&mut self, ask: Ask) -> Result<Done, Refusal> {
        let id = RequestId(self.asked);
        self.asked += 1;
        self.say(ToWorker::Request { id, ask });
        self.until("an answer", |heard| heard.replies.remove(&id))
            .await
    }

    /// Says anything, and waits for nothing.
    pub fn say(&mut self, message: ToWorker) {
        self.listener
            .send(TENURE, message)
            .expect("the worker is connected");
    }

    /// Lets an active device take one turn of its control loop; everything said in it has been heard then.
    pub async fn turn(&mut self) {
        let (told, taken) = oneshot::channel();
        self.turns.send(told).await.expect("the runner lives");
        timeout(PATIENCE, taken)
            .await
            .expect("a turn is taken in time")
            .expect("the runner lives");
        self.settle().await;
    }

    /// Asks for the full status, and waits for it.
    pub async fn report(&mut self) -> &ValueMap {
        self.say(ToWorker::ReportAll);
        self.settle().await;
        self.properties()
    }

    /// The newest value of each property that was published so far.
    #[must_use]
    pub fn properties(&self) -> &ValueMap {
        &self.heard.properties
    }

    /// Waits until a property has a value that is wanted.
    pub async fn property(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.until(name, |heard| {
            heard.properties.get(name).filter(|it| wanted(it)).cloned()
        })
        .await
    }

    /// Waits for an event, and takes it. Other events stay.
    pub async fn event(&mut self, event: &str) -> ValueMap {
        self.until(event, |heard| {
            let first = heard.raised.iter().position(|(name, _)| name == event)?;
            heard.raised.remove(first).map(|(_, outputs)| outputs)
        })
        .await
    }

    /// The names of the events heard so far that nobody has taken, in their order.
    #[must_use]
    pub fn events(&self) -> Vec<&str> {
        self.heard.raised.iter().map(|(name, _)| &**name).collect()
    }

    /// The reasons for fast reports that hold now.
    #[must_use]
    pub fn reasons(&self) -> &BTreeSet<String> {
        &self.heard.reasons
    }

    /// Waits until the device's health is what is wanted.
    pub async fn health(&mut self, wanted: &Health) {
        self.until("health", |heard| {
            (heard.health.as_ref() == Some(wanted)).then_some(())
        })
        .await;
    }

    /// Waits for the next checkpoint, and takes it.
    pub async fn checkpoint<S: DeserializeOwned>(&mut self) -> S {
        let snapshot = self
            .until("a checkpoint", |heard| heard.checkpoint.take())
            .await;
        parse(&snapshot)
    }

    /// Waits until the worker has said that it is alive this many times more.
    pub async fn heartbeats(&mut self, more: u64) {
        for _ in 0..more {
            let beats = self.heard.beats;
            self.until("a heartbeat", |heard| (heard.beats > beats).then_some(()))
                .await;
        }
    }

    /// Lets go of the leash, as a supervisor does that is killed.
    pub fn let_go(&mut self) {
        self.leash.send_replace(Some(End::LeashEnded));
    }

    /// Waits until the worker has ended, and says how.
    pub async fn exit(&mut self) -> Exit {
        self.until("the end of the link", |heard| heard.parted.clone())
            .await;
        let life = self.life.take().expect("a life ends once");
        timeout(PATIENCE, life)
            .await
            .expect("a worker ends soon after its link")
            .expect("the device does not panic")
    }

    async fn act(&mut self, ask: Ask) -> Result<Done, Refusal> {
        let done = self.ask(ask).await?;
        self.settle().await;
        Ok(done)
    }

    /// A question that is answered after everything said before it has been heard.
    async fn settle(&mut self) {
        self.may_switch().await;
    }

    async fn until<T>(&mut self, what: &str, wanted: impl Fn(&mut Heard) -> Option<T>) -> T {
        // One span for the whole wait: a heartbeat is no reason to wait longer.
        let late = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = wanted(&mut self.heard) {
                return found;
            }
            match timeout_at(late, self.events.recv()).await {
                Ok(Some(event)) => self.heard.take_in(event),
                Ok(None) => panic!(
                    "`{what}` did not come: the link has ended; {:#?}",
                    self.heard
                ),
                Err(_late) => panic!(
                    "`{what}` did not come within {PATIENCE:?}; {:#?}",
                    self.heard
                ),
            }
        }
    }
}

impl Heard {
    fn take_in(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Said { message, .. } => self.word(message),
            LinkEvent::Parted { why, .. } => self.parted = Some(why),
            LinkEvent::Joined { .. } | LinkEvent::Stranger { .. } => {
                panic!("one worker joins once, not {event:?}")
            }
        }
    }

    fn word(&mut self, message: FromWorker) {
        match message {
            FromWorker::Reply { id, result } => {
                self.replies.insert(id, result);
            }
            FromWorker::Ready => self.ready = true,
            FromWorker::Unfit { reason } => self.unfit = Some(reason),
            FromWorker::Health(health) => self.health = Some(health),
            FromWorker::Properties(values) => self.properties.extend(values),
            FromWorker::Raised { event, outputs, .. } => self.raised.push_back((event, outputs)),
            FromWorker::Checkpoint { snapshot } => self.checkpoint = Some(snapshot),
            FromWorker::Hurry { reason } => {
                self.reasons.insert(reason);
            }
            FromWorker::Relax { reason } => {
                self.reasons.remove(&reason);
            }
            FromWorker::Heartbeat { .. } => self.beats += 1,
        }
    }
}

fn parse<S: DeserializeOwned>(snapshot: &[u8]) -> S {
    serde_json::from_slice(snapshot).expect("a snapshot can be read")
}
