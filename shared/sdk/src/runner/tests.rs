use std::{
    io::Write as _,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout};
use worker_link::{LinkEvent, Listener, Options};
use worker_protocol::{
    Value, ValueMap,
    v1::{Ask, Cause, Consent, Done, FromWorker, Handover, Health, Refusal, RequestId, ToWorker},
};

use super::*;
use crate::{
    Resume, leash,
    model::{Event, Field, Grade, Kind, Property, Service},
    run::serve,
    snapshot,
    testkit::{Kit, PATIENCE},
};

/// Longer than any limit of the runner.
const FOREVER: Duration = Duration::from_secs(3600);

#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Water {
    target: f64,
    turns: u32,
    padding: String,
}

/// Where a kettle dawdles.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Slow {
    Nowhere,
    WarmUp,
    Activation,
    Turn,
    Action,
    Quiesce,
}

/// A device that does as it is told and writes down what it was asked.
struct Kettle {
    water: Water,
    report: Option<Reporter>,
    slow: Slow,
    broken: Option<&'static str>,
    well: Arc<AtomicBool>,
    diary: Arc<Mutex<Vec<String>>>,
}

impl Kettle {
    fn new() -> Self {
        Self {
            water: Water::default(),
            report: None,
            slow: Slow::Nowhere,
            broken: None,
            well: Arc::new(AtomicBool::new(true)),
            diary: Arc::default(),
        }
    }

    fn slow(slow: Slow) -> Self {
        Self {
            slow,
            ..Self::new()
        }
    }

    async fn dawdle(&self, place: Slow) {
        if self.slow == place {
            sleep(FOREVER).await;
        }
    }

    fn note(&self, line: String) {
        self.diary.lock().unwrap().push(line);
    }
}

impl Device for Kettle {
    type Snapshot = Water;

    fn model(&self) -> Model {
        let field = |id, kind| Field { id, name: id, kind };
        let degrees = || Kind::Float {
            min: 0.0,
            max: 100.0,
            step: 0.1,
            unit: "°C",
        };
        let writable = |id| Property {
            field: field(id, degrees()),
            writable: true,
        };
        Model {
            name: "Kettle",
            version: "1.0.7".to_owned(),
            properties: vec![writable("target"), writable("other")],
            services: vec![Service {
                id: "double",
                name: "Double",
                inputs: vec![field("value", degrees())],
                outputs: vec![field("value", degrees())],
            }],
            events: vec![Event {
                id: "whistle",
                name: "Whistle",
                grade: Grade::Info,
                outputs: vec![],
            }],
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        self.dawdle(Slow::WarmUp).await;
        self.note("warm up".to_owned());
        match self.broken {
            Some("warm up") => Err(Fault("the heating element is missing".to_owned())),
            _ => Ok(()),
        }
    }

    async fn activate(
        &mut self,
        report: Reporter,
        from: Option<Resume<Water>>,
    ) -> Result<(), Fault> {
        self.dawdle(Slow::Activation).await;
        if self.broken == Some("activate") {
            return Err(Fault("the relay is stuck".to_owned()));
        }
        self.note(format!(
            "activate {:?}",
            from.as_ref().map(|it| (it.cause, it.age))
        ));
        self.water = from.map(|it| it.state).unwrap_or_default();
        report.set("target", self.water.target);
        self.report = Some(report);
        Ok(())
    }

    fn period(&self) -> Option<Duration> {
        Some(Duration::from_secs(2))
    }

    async fn tick(&mut self) {
        self.dawdle(Slow::Turn).await;
        self.water.turns += 1;
    }

    async fn set(&mut self, name: &str, value: Value) -> Result<(), Refusal> {
        self.dawdle(Slow::Action).await;
        self.note(format!("set {name} {value:?}"));
        match value {
            Value::Float(target) if target < 90.0 => {
                self.water.target = target;
                self.report.as_ref().unwrap().set(name, target);
                Ok(())
            }
            _ => Err(Refusal {
                code: 100_010,
                message: "it would boil over".to_owned(),
            }),
        }
    }

    async fn call(&mut self, _service: &str, args: ValueMap) -> Result<ValueMap, Refusal> {
        self.dawdle(Slow::Action).await;
        let report = self.report.as_ref().unwrap();
        report.raise("whistle", ValueMap::new());
        let Some(Value::Float(value)) = args.get("value") else {
            panic!("{args:?} should have been checked");
        };
        Ok(ValueMap::from([("value".to_owned(), (2.0 * value).into())]))
    }

    fn may_switch(&self) -> Consent {
        Consent::Later {
            after_ms: 5,
            reason: "the water boils".to_owned(),
        }
    }

    fn snapshot(&self) -> Water {
        self.water.clone()
    }

    async fn quiesce(&mut self) -> Water {
        self.dawdle(Slow::Quiesce).await;
        self.note("quiesce".to_owned());
        self.water.clone()
    }

    fn health(&self) -> Health {
        if self.well.load(Ordering::Relaxed) {
            Health::Well
        } else {
            Health::Unwell {
                reason: "dry".to_owned(),
            }
        }
    }
}

fn target(value: f64) -> ValueMap {
    ValueMap::from([("target".to_owned(), value.into())])
}

async fn active(kettle: Kettle) -> Kit {
    let mut kit = Kit::start(kettle).await;
    kit.ready().await;
    kit.activate().await.unwrap();
    kit
}

fn told(diary: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut *diary.lock().unwrap())
}

#[tokio::test]
async fn a_device_goes_from_warm_up_to_hand_over() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    assert_eq!(kit.properties(), &target(0.0));
    kit.health(&Health::Well).await;
    kit.set("target", 60).await.unwrap();
    assert_eq!(kit.properties(), &target(60.0));
    let outputs = kit
        .call("double", ValueMap::from([("value".to_owned(), 7.into())]))
        .await;
    assert_eq!(
        outputs,
        Ok(ValueMap::from([("value".to_owned(), 14.0.into())]))
    );
    kit.event("whistle").await;
    assert!(matches!(
        kit.may_switch().await,
        Consent::Later { after_ms: 5, .. }
    ));
    let water: Water = kit.quiesce().await;
    assert_eq!(water.target, 60.0);
    assert_eq!(kit.exit().await, Exit::Done);
    assert_eq!(
        told(&diary),
        [
            "warm up",
            "activate None",
            "set target Float(60.0)",
            "quiesce"
        ]
    );
}

#[tokio::test]
async fn a_former_life_is_resumed_with_its_cause_and_age() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    kit.ready().await;
    let from = Resume {
        state: Water {
            target: 80.0,
            ..Water::default()
        },
        cause: Cause::Crash,
        age: Some(Duration::from_millis(1500)),
    };
    kit.resume(&from).await.unwrap();
    assert_eq!(kit.properties(), &target(80.0));
    assert_eq!(told(&diary)[1], "activate Some((Crash, Some(1.5s)))");
}

#[tokio::test]
async fn a_snapshot_of_another_version_is_read_as_far_as_it_goes() {
    let mut kit = Kit::start(Kettle::new()).await;
    let from = Handover {
        snapshot: br#"{"target":40.0,"colour":"red"}"#.to_vec(),
        cause: Cause::RollBack,
        age_ms: None,
    };
    let activate = Ask::Activate { from: Some(from) };
    assert_eq!(kit.ask(activate).await, Ok(Done::Active));
    assert_eq!(kit.report().await, &target(40.0));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_read_means_a_cold_start() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    for snapshot in [&b"\xff\x00"[..], b"", b"7", br#"{"target":"hot"}"#] {
        let from = Handover {
            snapshot: snapshot.to_vec(),
            cause: Cause::Upgrade,
            age_ms: Some(1),
        };
        assert!(snapshot::read::<Water>(&from).is_none());
    }
    let from = Handover {
        snapshot: b"{".to_vec(),
        cause: Cause::Upgrade,
        age_ms: Some(1),
    };
    let activate = Ask::Activate { from: Some(from) };
    assert_eq!(kit.ask(activate).await, Ok(Done::Active));
    assert_eq!(told(&diary)[1], "activate None");
}

#[tokio::test]
async fn all_settings_are_checked_before_one_is_made() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    told(&diary);
    let properties = ValueMap::from([
        ("other".to_owned(), 10.into()),
        ("target".to_owned(), 101.into()),
    ]);
    let refusal = kit.ask(Ask::Set { properties }).await.unwrap_err();
    assert_eq!(refusal.code, 460);
    assert!(refusal.message.contains("`target`"), "{}", refusal.message);
    assert_eq!(told(&diary), [""; 0]);
}

#[tokio::test]
async fn settings_are_made_in_the_order_of_their_names_and_the_first_refusal_ends_it() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    told(&diary);
    let properties = |other: f64| {
        ValueMap::from([
            ("target".to_owned(), 20.into()),
            ("other".to_owned(), other.into()),
        ])
    };
    kit.ask(Ask::Set {
        properties: properties(10.0),
    })
    .await
    .unwrap();
    assert_eq!(
        told(&diary),
        ["set other Float(10.0)", "set target Float(20.0)"]
    );
    let refused = kit
        .ask(Ask::Set {
            properties: properties(95.0),
        })
        .await;
    let expected = Refusal {
        code: 100_010,
        message: "`other`: it would boil over".to_owned(),
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(told(&diary), ["set other Float(95.0)"]);
}

#[tokio::test]
async fn calls_that_do_not_fit_the_model_never_reach_the_device() {
    let mut kit = active(Kettle::new()).await;
    for (service, args) in [
        ("fly", ValueMap::new()),
        ("double", ValueMap::new()),
        ("double", ValueMap::from([("value".to_owned(), "x".into())])),
    ] {
        let refusal = kit.call(service, args).await.unwrap_err();
        assert_eq!(refusal.code, 460);
    }
    assert!(kit.events().is_empty());
}

#[tokio::test]
async fn outputs_that_break_the_model_are_left_out_of_an_answer_that_stays_good() {
    let mut kit = active(Kettle::new()).await;
    let outputs = kit
        .call("double", ValueMap::from([("value".to_owned(), 60.into())]))
        .await;
    assert_eq!(outputs, Ok(ValueMap::new()));
    kit.event("whistle").await;
}

#[tokio::test]
async fn before_activation_only_activation_and_the_end_are_accepted() {
    let mut kit = Kit::start(Kettle::new()).await;
    kit.ready().await;
    for ask in [
        Ask::MayI,
        Ask::Set {
            properties: target(1.0),
        },
        Ask::Call {
            service: "double".to_owned(),
            args: ValueMap::new(),
        },
    ] {
        let refusal = kit.ask(ask).await.unwrap_err();
        assert_eq!(refusal.code, WRONG_STATE);
    }
    kit.activate().await.unwrap();
    let again = kit.ask(Ask::Activate { from: None }).await.unwrap_err();
    assert_eq!(again.code, WRONG_STATE);
}

#[tokio::test]
async fn a_standby_that_is_stopped_touches_nothing() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    kit.ready().await;
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    assert_eq!(kit.exit().await, Exit::Done);
    assert_eq!(told(&diary), ["warm up"]);
}

#[tokio::test]
async fn an_active_worker_that_is_stopped_makes_its_device_safe() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    assert_eq!(kit.exit().await, Exit::Done);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test]
async fn a_stop_ends_a_warm_up_at_once() {
    let mut kit = Kit::start(Kettle::slow(Slow::WarmUp)).await;
    assert_eq!(kit.ask(Ask::MayI).await.unwrap_err().code, WRONG_STATE);
    assert_eq!(kit.ask(Ask::Stop).await, Ok(Done::Stopping));
    assert_eq!(kit.exit().await, Exit::Done);
}

#[tokio::test]
async fn a_failed_warm_up_is_told_and_ends_the_worker() {
    let kettle = Kettle {
        broken: Some("warm up"),
        ..Kettle::new()
    };
    let mut kit = Kit::start(kettle).await;
    assert_eq!(kit.unfit().await, "the heating element is missing");
    assert_eq!(kit.exit().await, Exit::Unfit);
}

#[tokio::test]
async fn a_failed_activation_is_told_made_safe_and_ends_the_worker() {
    let kettle = Kettle {
        broken: Some("activate"),
        ..Kettle::new()
    };
    let diary = Arc::clone(&kettle.diary);
    let mut kit = Kit::start(kettle).await;
    let refusal = kit.activate().await.unwrap_err();
    assert_eq!(refusal.message, "the relay is stuck");
    assert_eq!(kit.exit().await, Exit::Unfit);
    assert_eq!(told(&diary), ["warm up", "quiesce"]);
}

#[tokio::test(start_paused = true)]
async fn a_warm_up_that_never_ends_makes_the_worker_unfit_and_its_heart_beats_until_then() {
    let began = Instant::now();
    let mut kit = Kit::start(Kettle::slow(Slow::WarmUp)).await;
    kit.heartbeats(20).await;
    assert!(kit.unfit().await.contains("longer than 55s"));
    assert_eq!(began.elapsed(), WARM_UP_LIMIT);
    assert_eq!(kit.exit().await, Exit::Unfit);
}

#[tokio::test(start_paused = true)]
async fn an_activation_that_never_ends_is_refused_at_its_limit() {
    let mut kit = Kit::start(Kettle::slow(Slow::Activation)).await;
    let began = Instant::now();
    assert_eq!(kit.activate().await.unwrap_err().code, TOO_LATE);
    assert_eq!(began.elapsed(), ACTIVATE_LIMIT);
    assert_eq!(kit.exit().await, Exit::Unfit);
}

#[tokio::test(start_paused = true)]
async fn an_action_that_never_ends_is_refused_at_its_limit_and_the_worker_lives_on() {
    let mut kit = active(Kettle::slow(Slow::Action)).await;
    let began = Instant::now();
    assert_eq!(kit.set("target", 1).await.unwrap_err().code, TOO_LATE);
    assert_eq!(began.elapsed(), ACT_LIMIT);
    let args = ValueMap::from([("value".to_owned(), 1.into())]);
    assert_eq!(kit.call("double", args).await.unwrap_err().code, TOO_LATE);
    let _water: Water = kit.quiesce().await;
    assert_eq!(kit.exit().await, Exit::Done);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_never_ends_is_given_up_and_the_worker_lives_on() {
    let mut kit = active(Kettle::slow(Slow::Turn)).await;
    let began = Instant::now();
    kit.turn().await;
    assert_eq!(began.elapsed(), TURN_LIMIT);
    kit.set("target", 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_device_that_does_not_become_safe_is_told_of_and_exits_as_failed() {
    for ask in [Ask::Quiesce, Ask::Stop] {
        let mut kit = active(Kettle::slow(Slow::Quiesce)).await;
        assert_eq!(kit.ask(ask).await.unwrap_err().code, TOO_LATE);
        assert_eq!(kit.exit().await, Exit::Failed);
    }
}

#[tokio::test]
async fn a_device_whose_supervisor_has_gone_makes_itself_safe() {
    let kettle = Kettle::new();
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    kit.let_go();
    assert_eq!(kit.exit().await, Exit::SupervisorLost);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test(start_paused = true)]
async fn letting_go_interrupts_an_action_and_still_makes_the_device_safe() {
    let kettle = Kettle::slow(Slow::Action);
    let diary = Arc::clone(&kettle.diary);
    let mut kit = active(kettle).await;
    let began = Instant::now();
    kit.say(ToWorker::Request {
        id: RequestId(99),
        ask: Ask::Set {
            properties: target(1.0),
        },
    });
    sleep(Duration::from_secs(1)).await;
    kit.let_go();
    assert_eq!(kit.exit().await, Exit::SupervisorLost);
    assert!(began.elapsed() < ACT_LIMIT);
    assert_eq!(told(&diary).last().unwrap(), "quiesce");
}

#[tokio::test(start_paused = true)]
async fn checkpoints_come_when_the_state_changed_and_at_most_once_a_second() {
    let mut kit = active(Kettle::new()).await;
    let first: Water = kit.checkpoint().await;
    assert_eq!(first, Water::default());
    let began = Instant::now();
    for value in 1..=50 {
        kit.set("target", value).await.unwrap();
    }
    let second: Water = kit.checkpoint().await;
    assert_eq!(second.target, 50.0);
    let pause = began.elapsed();
    assert!(
        pause > Duration::from_millis(900) && pause <= Duration::from_secs(1),
        "{pause:?}"
    );
    // The same value again changes nothing, so the next one is of the turn.
    kit.set("target", 50).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    kit.turn().await;
    let third: Water = kit.checkpoint().await;
    assert_eq!(third.turns, 1);
}

#[tokio::test]
async fn a_state_too_long_for_a_snapshot_is_not_told_and_not_handed_over() {
    let mut kettle = Kettle::new();
    kettle.water.padding = "x".repeat(65_536);
    let from = Resume {
        state: kettle.water.clone(),
        cause: Cause::Restart,
        age: None,
    };
    let mut kit = Kit::start(kettle).await;
    kit.resume(&from).await.unwrap();
    assert_eq!(kit.ask(Ask::Quiesce).await.unwrap_err().code, DEVICE_FAILED);
    assert_eq!(kit.exit().await, Exit::Done);
}

#[tokio::test]
async fn a_change_of_health_is_told_after_the_turn_that_brought_it() {
    let kettle = Kettle::new();
    let well = Arc::clone(&kettle.well);
    let mut kit = active(kettle).await;
    kit.health(&Health::Well).await;
    well.store(false, Ordering::Relaxed);
    kit.turn().await;
    let reason = "dry".to_owned();
    kit.health(&Health::Unwell { reason }).await;
    well.store(true, Ordering::Relaxed);
    kit.turn().await;
    kit.health(&Health::Well).await;
}

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
            let leash = leash::hold(reader, ender).unwrap().await.unwrap().unwrap();
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
        Some(Duration::from_millis(1))
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
    let blocker = Blocker {
        gate: Arc::clone(&gate),
    };
    // A thread of its own, as a process has.
    let life = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (_ender, ends) = tokio::sync::watch::channel(None);
        runtime.block_on(serve(blocker, &leash, ends))
    });
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
