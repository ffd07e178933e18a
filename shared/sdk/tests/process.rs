//! A worker as a real process: what its arguments print, and how its stdin, a signal and a panic end it.
//!
//! This program is both: with `CHILD` in its environment it is a worker, without it the tests. Its arguments must be the
//! worker's alone, so no test runner stands between.

use std::{
    io::{Read as _, Write as _},
    process::{Child, Command, ExitCode, Output, Stdio},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use worker_link::{LinkEvent, Listener, Options};
use worker_protocol::v1::{Ask, Done, FromWorker, RequestId, ToWorker};
use worker_sdk::{
    Device, Exit, Fault, Refusal, Reporter, Resume, Value, ValueMap,
    model::{Field, Kind, Model, Property, Service},
};

const CHILD: &str = "WORKER_SDK_CHILD";
const PATIENCE: Duration = Duration::from_secs(30);

/// A device that tells on stderr when it was made safe, and panics when it is asked to.
struct Switch;

impl Device for Switch {
    type Snapshot = u8;

    fn model(&self) -> Model {
        let kind = Kind::Bool {
            off: "off",
            on: "on",
        };
        let field = Field {
            id: "on",
            name: "On",
            kind,
        };
        Model {
            name: "Switch",
            version: "2.3.4".to_owned(),
            properties: vec![Property {
                field,
                writable: true,
            }],
            services: vec![Service {
                id: "panic",
                name: "Panic",
                inputs: vec![],
                outputs: vec![],
            }],
            events: vec![],
        }
    }

    async fn warm_up(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    async fn activate(&mut self, _: Reporter, _: Option<Resume<u8>>) -> Result<(), Fault> {
        Ok(())
    }

    async fn set(&mut self, _: &str, _: Value) -> Result<(), Refusal> {
        Ok(())
    }

    async fn call(&mut self, _: &str, _: ValueMap) -> Result<ValueMap, Refusal> {
        panic!("the fuse has blown");
    }

    fn snapshot(&self) -> u8 {
        9
    }

    async fn quiesce(&mut self) -> u8 {
        eprintln!("switched off");
        9
    }
}

fn main() -> ExitCode {
    if std::env::var_os(CHILD).is_some() {
        return worker_sdk::run(|| Switch);
    }
    it_prints_its_version();
    it_prints_its_thing_model_with_and_without_a_product_key();
    it_explains_itself_when_started_in_another_way();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a test has a runtime");
    runtime.block_on(async {
        it_hands_over_and_exits_with_0().await;
        the_end_of_its_stdin_makes_the_device_safe().await;
        a_panic_of_the_device_ends_it_with_another_code().await;
        #[cfg(unix)]
        a_signal_to_end_makes_the_device_safe_and_an_interrupt_or_a_hangup_does_nothing().await;
        #[cfg(target_os = "linux")]
        its_process_is_called_as_its_program().await;
    });
    ExitCode::SUCCESS
}

fn child(arguments: &[&str]) -> Command {
    let program = std::env::current_exe().expect("a program has a path");
    let mut command = Command::new(program);
    command.args(arguments).env(CHILD, "1");
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

fn run(arguments: &[&str], stdin: &str) -> Output {
    let mut child = child(arguments).spawn().expect("a program starts");
    let mut input = child.stdin.take().expect("stdin is piped");
    // A child that has ended already does not want it.
    let _ = input.write_all(stdin.as_bytes());
    drop(input);
    child.wait_with_output().expect("a child ends")
}

fn it_prints_its_version() {
    let output = run(&["--version"], "");
    assert_eq!(output.stdout, b"2.3.4\n");
    assert_eq!(code(&output), Some(Exit::Done as i32));
}

fn it_prints_its_thing_model_with_and_without_a_product_key() {
    for (arguments, key) in [
        (&["--tsl"][..], ""),
        (&["--tsl", "a1Sample001"], "a1Sample001"),
    ] {
        let output = run(arguments, "");
        assert_eq!(code(&output), Some(Exit::Done as i32));
        let text = String::from_utf8(output.stdout).expect("the thing model is text");
        assert_eq!(text, worker_sdk::tsl::export(&Switch.model(), key));
        assert!(
            text.contains(&format!("\"productKey\": \"{key}\"")),
            "{text}"
        );
    }
}

fn it_explains_itself_when_started_in_another_way() {
    for (arguments, stdin) in [
        (&["--fly"][..], ""),
        (&["--tsl", "a", "b"], ""),
        (&[], ""),
        (&[], "hello\n"),
        (&[], &"x".repeat(5000)),
    ] {
        let output = run(arguments, stdin);
        assert_eq!(code(&output), Some(Exit::Usage as i32), "{arguments:?}");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(words.contains("started by its supervisor"), "{words}");
        assert!(output.stdout.is_empty());
    }
}

async fn it_hands_over_and_exits_with_0() {
    let mut worker = Worker::active().await;
    assert_eq!(
        worker.ask(Ask::Quiesce).await,
        Some(Done::Snapshot(b"9".to_vec()))
    );
    let (code, words) = worker.end().await;
    assert_eq!(code, Some(Exit::Done as i32), "{words}");
    assert!(words.contains("switched off"), "{words}");
}

async fn the_end_of_its_stdin_makes_the_device_safe() {
    let mut worker = Worker::active().await;
    drop(worker.child.stdin.take());
    let (code, words) = worker.end().await;
    assert_eq!(code, Some(Exit::SupervisorLost as i32), "{words}");
    assert!(words.contains("switched off"), "{words}");
}

async fn a_panic_of_the_device_ends_it_with_another_code() {
    let mut worker = Worker::active().await;
    let service = "panic".to_owned();
    let args = ValueMap::new();
    assert_eq!(worker.ask(Ask::Call { service, args }).await, None);
    let (code, words) = worker.end().await;
    assert!(words.contains("the fuse has blown"), "{words}");
    // With panics that abort there is no code on Unix, and a large one on Windows.
    assert!(
        !(0..=Exit::SupervisorLost as i32).contains(&code.unwrap_or(-1)),
        "{code:?}"
    );
}

#[cfg(unix)]
async fn a_signal_to_end_makes_the_device_safe_and_an_interrupt_or_a_hangup_does_nothing() {
    let mut worker = Worker::active().await;
    for signal in ["INT", "HUP"] {
        worker.signal(signal);
        assert!(matches!(
            worker.ask(Ask::MayI).await,
            Some(Done::Consent(_))
        ));
    }
    worker.signal("TERM");
    let (code, words) = worker.end().await;
    assert_eq!(code, Some(Exit::Done as i32), "{words}");
    assert!(words.contains("switched off"), "{words}");
}

#[cfg(target_os = "linux")]
async fn its_process_is_called_as_its_program() {
    use std::os::unix::process::CommandExt as _;

    let mut command = child(&[]);
    command.arg0("/slots/1-1.0.0/heater-of-the-oven");
    let mut worker = Worker::active_as(command).await;
    let comm = format!("/proc/{}/comm", worker.child.id());
    let name = std::fs::read_to_string(comm).expect("a process has a name");
    assert_eq!(name, "heater-of-the-o\n", "Linux keeps 15 bytes");
    drop(worker.child.stdin.take());
    worker.end().await;
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

/// A worker's process and the supervisor's end of its link.
struct Worker {
    child: Child,
    listener: Listener,
    events: mpsc::Receiver<LinkEvent>,
    asked: u32,
    _base: tempfile::TempDir,
}

impl Worker {
    async fn active() -> Self {
        Self::active_as(child(&[])).await
    }

    async fn active_as(mut command: Command) -> Self {
        let base = tempfile::tempdir().expect("there is a temporary folder");
        let (listener, events) =
            Listener::bind(base.path(), Options::default()).expect("there is a socket");
        let leash = listener.expect(1).expect("there are random bytes");
        let mut child = command.spawn().expect("a program starts");
        child
            .stdin
            .as_mut()
            .expect("stdin is piped")
            .write_all(leash.to_line().as_bytes())
            .expect("the child reads its leash");
        let mut worker = Self {
            child,
            listener,
            events,
            asked: 0,
            _base: base,
        };
        while !matches!(
            worker.hear().await,
            LinkEvent::Said {
                message: FromWorker::Ready,
                ..
            }
        ) {}
        let active = worker.ask(Ask::Activate { from: None }).await;
        assert_eq!(active, Some(Done::Active));
        worker
    }

    async fn hear(&mut self) -> LinkEvent {
        timeout(PATIENCE, self.events.recv())
            .await
            .expect("an event comes in time")
            .expect("the listener lives")
    }

    /// The answer, or nothing when the link ends first.
    async fn ask(&mut self, ask: Ask) -> Option<Done> {
        let id = RequestId(self.asked);
        self.asked += 1;
        let request = ToWorker::Request { id, ask };
        self.listener
            .send(1, request)
            .expect("the worker is connected");
        loop {
            match self.hear().await {
                LinkEvent::Said {
                    message: FromWorker::Reply { id: of, result },
                    ..
                } if of == id => return Some(result.expect("the request is not refused")),
                LinkEvent::Parted { .. } => return None,
                _ => {}
            }
        }
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.expect("there is a `kill`").success());
    }

    /// The exit code and what stood on stderr.
    async fn end(mut self) -> (Option<i32>, String) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "the worker does not end");
            // Its link must go on being served meanwhile.
            let _ = timeout(Duration::from_millis(10), self.events.recv()).await;
        };
        let mut words = String::new();
        let mut stderr = self.child.stderr.take().expect("stderr is piped");
        stderr.read_to_string(&mut words).expect("stderr is text");
        (status.code(), words)
    }
}
