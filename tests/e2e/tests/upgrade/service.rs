//! The supervisor as a service: what it tells whoever started it, and the definitions it installs.

use std::{
    fs, io,
    io::{Read as _, Write as _},
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use e2e::{LIMIT, Programs, Stand, Supervisor, applies};
use serde_json::json;

/// So long the watchdog of these tests waits to be fed.
const WATCHDOG: Duration = Duration::from_secs(2);

/// Plays the system that started the supervisor.
struct System {
    socket: UnixDatagram,
    path: std::path::PathBuf,
}

impl System {
    fn new(stand: &Stand) -> Self {
        let path = stand.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, path }
    }

    fn starts<'s>(&self, stand: &'s Stand, stderr: Stdio) -> Supervisor<'s> {
        stand.run_as(|command| {
            command
                .env("NOTIFY_SOCKET", &self.path)
                .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
                .stderr(stderr);
        })
    }

    /// The next datagram; `None` if none comes in so long.
    fn next(&self, limit: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let mut datagram = [0; 1024];
        let count = self.socket.recv(&mut datagram).ok()?;
        Some(String::from_utf8(datagram[..count].to_vec()).unwrap())
    }

    /// Everything up to a datagram with this in it.
    #[track_caller]
    fn until(&self, word: &str) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let next = self.next(LIMIT);
            told.push(next.unwrap_or_else(|| panic!("`{word}` is not told, only {told:?}")));
            if told.last().is_some_and(|it| it.contains(word)) {
                return told;
            }
        }
    }
}

#[test]
fn the_system_is_told_when_the_device_is_up_how_it_goes_and_that_it_ends() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let system = System::new(&stand);
    let mut supervisor = system.starts(&stand, Stdio::piped());
    system.until("READY=1\nSTATUS=idle, worker 1.0.0 is active");
    assert_eq!(supervisor.status()["workers"][0]["stage"], "active");
    stand.offer(&stand.good("1.0.1"));
    let told = system.until("STATUS=idle, worker 1.0.1 is active");
    assert!(
        told.iter().any(|it| it.contains("STATUS=proving")),
        "{told:?}"
    );
    assert!(!told.iter().any(|it| it.contains("READY")), "{told:?}");
    supervisor.ask_to_end();
    system.until("STOPPING=1");
    assert_eq!(supervisor.await_end(), Some(0));
}

#[test]
fn a_device_whose_worker_never_acts_is_not_called_up() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.misfit(&json!({ "version": "1.0.0", "do": "fail-activate" })));
    let system = System::new(&stand);
    let supervisor = system.starts(&stand, Stdio::piped());
    supervisor.await_status("three new starts", |status| {
        status["respawns"].as_u64() >= Some(3)
    });
    let told = system.until("no worker is active, cloud up");
    assert!(!told.iter().any(|it| it.contains("READY")), "{told:?}");
}

#[test]
fn without_a_worker_the_device_is_up_when_the_platform_is_reached() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let system = System::new(&stand);
    let _supervisor = system.starts(&stand, Stdio::piped());
    system.until("READY=1\nSTATUS=idle, no worker is installed, cloud up");
}

#[test]
fn the_watchdog_is_fed_while_nothing_happens_and_not_by_a_spine_that_hangs() {
    if !applies() {
        return;
    }
    let mut stand = Stand::new();
    // Nothing else wakes the spine so often.
    stand.set("worker.heartbeat_s", 30);
    stand.set("worker.silence_limit_s", 90);
    stand.install(&stand.good("1.0.0"));
    let system = System::new(&stand);
    let (mut log, stderr) = io::pipe().unwrap();
    let mut filler = stderr.try_clone().unwrap();
    let supervisor = system.starts(&stand, stderr.into());
    system.until("READY=1");
    for _ in 0..5 {
        system.until("WATCHDOG=1");
    }
    let mut worker = supervisor.worker();
    // A log that nobody reads takes nothing more when it is full, and the spine has something to say.
    let enough = Arc::new(AtomicBool::new(false));
    let is_enough = Arc::clone(&enough);
    let full = thread::spawn(move || {
        while !is_enough.load(Ordering::Relaxed) && filler.write_all(&[b'.'; 4096]).is_ok() {}
    });
    Programs::under_test().kill(worker);
    // What was on the way is told still, and then it is quiet for as long as the watchdog would wait.
    let begun = Instant::now();
    while system.next(WATCHDOG).is_some() {
        assert!(begun.elapsed() < LIMIT, "it is fed on and on");
        if let Ok(next) = supervisor.try_worker()
            && next != worker
        {
            worker = next;
            Programs::under_test().kill(worker);
        }
    }
    // Once somebody reads again, it goes on.
    enough.store(true, Ordering::Relaxed);
    let read = thread::spawn(move || {
        let mut piece = [0; 65_536];
        while log.read(&mut piece).is_ok_and(|count| count > 0) {}
    });
    system.until("WATCHDOG=1");
    drop(supervisor);
    full.join().unwrap();
    read.join().unwrap();
}

#[test]
fn a_worker_knows_nothing_of_the_system_that_started_its_supervisor() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let system = System::new(&stand);
    let supervisor = system.starts(&stand, Stdio::piped());
    system.until("READY=1");
    let environment = fs::read(format!("/proc/{}/environ", supervisor.worker())).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(!environment.is_empty());
    for name in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
        assert!(!environment.contains(name), "{name}");
    }
}

#[test]
fn a_unit_is_printed_installed_below_a_root_and_removed_and_systemd_takes_it() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let printed = stand.cli(&["service", "print", "--system", "systemd"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let root = stand.path("a root");
    let below = root.to_str().unwrap();
    let installed = stand.cli(&["service", "install", "--root", below]);
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let file = root.join("etc/systemd/system/hotplate.service");
    assert_eq!(fs::read_to_string(&file).unwrap(), printed.stdout);
    match Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output()
    {
        Ok(checked) => {
            let words = String::from_utf8_lossy(&checked.stderr).into_owned();
            assert!(
                checked.status.success() && !words.contains("hotplate.service"),
                "{words}"
            );
        }
        Err(why) => println!("systemd-analyze does not check it here: {why}"),
    }
    let removed = stand.cli(&["service", "uninstall", "--root", below]);
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(!file.exists());
    let again = stand.cli(&["service", "uninstall", "--root", below]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("no service `hotplate` is installed"));
}

#[test]
fn a_service_that_would_not_start_is_not_installed() {
    let mut stand = Stand::new();
    stand.set("update.tries", 0);
    let refused = stand.cli(&["service", "install"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("update.tries"), "{refused:?}");
}
