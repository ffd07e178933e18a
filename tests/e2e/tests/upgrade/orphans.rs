//! Worker processes that outlive a killed supervisor: the next one ends them, and nobody else, and has a worker of its own in bounded time.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use e2e::{Image, Stand, Supervisor, applies, process_of, until};
use serde_json::{Value, json};

/// A good worker that notes its life.
fn good(stand: &Stand) -> Image {
    stand.misfit(&json!({ "version": "1.0.0", "journal": stand.misfit_journal_path("lives") }))
}

/// Offers a build that does this as a standby, and waits until it does. Returns the standby's process.
fn standby(stand: &Stand, supervisor: &Supervisor<'_>, deed: &str) -> u64 {
    let journal = stand.misfit_journal_path("standby");
    stand.offer(&stand.misfit(&json!({ "version": "1.0.8", "do": deed, "journal": journal })));
    stand.await_misfit("standby", "started", 1);
    let runs = |status: &Value| process_of(status, "1.0.8").is_some();
    let status = supervisor.await_status("a standby runs", runs);
    process_of(&status, "1.0.8").unwrap()
}

fn stop(process: u64) {
    let mut command = Command::new("kill");
    command.args(["-STOP", &process.to_string()]);
    assert!(command.status().expect("a Unix has `kill`").success());
}

/// Is there such a process? One that has ended and only waits to be reaped is not.
fn is_there(process: u64) -> bool {
    let mut look = Command::new("ps");
    look.args(["-o", "stat=", "-p", &process.to_string()]);
    let state = look.output().expect("a Unix has `ps`").stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

/// The next supervisor has a worker of its own at work, and none of these processes is there any more.
#[track_caller]
fn the_next_one_works<'s>(stand: &'s Stand, orphans: &[u64]) -> Supervisor<'s> {
    let next = stand.run();
    let status = next.await_status("a worker is active", |status| {
        let workers = status["workers"].as_array().into_iter().flatten();
        let mut active = workers.filter(|worker| worker["stage"] == "active");
        active
            .next()
            .is_some_and(|worker| worker["version"] == "1.0.0")
    });
    for orphan in orphans {
        assert_ne!(process_of(&status, "1.0.0"), Some(*orphan));
        assert!(!is_there(*orphan), "process {orphan} is there");
    }
    next
}

/// These were ended because they stood still.
#[track_caller]
fn ended_by_force(next: &Supervisor<'_>, orphans: &[u64]) {
    for orphan in orphans {
        let line = next.log.await_line(&format!("pid={orphan}"));
        assert!(
            line.contains("is ended by force: it stands still"),
            "{line}"
        );
    }
}

#[test]
fn a_worker_that_stands_still_while_it_makes_its_device_safe_does_not_keep_the_device() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "do": "keep-handover", "journal": journal });
    let mut supervisor = stand.run_with(&stand.misfit(&orders));
    let worker = supervisor.worker();
    supervisor.kill();
    stand.await_misfit("lives", "kept", 1);
    stop(worker);
    assert!(is_there(worker));
    ended_by_force(&the_next_one_works(&stand, &[worker]), &[worker]);
}

#[test]
fn neither_do_a_worker_and_a_standby_together() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let journal = stand.misfit_journal_path("lives");
    let orders = json!({ "version": "1.0.0", "do": "keep-handover", "journal": journal });
    let mut supervisor = stand.run_with(&stand.misfit(&orders));
    let orphans = [supervisor.worker(), standby(&stand, &supervisor, "outstay")];
    supervisor.kill();
    stand.await_misfit("lives", "kept", 1);
    for orphan in orphans {
        stop(orphan);
    }
    ended_by_force(&the_next_one_works(&stand, &orphans), &orphans);
}

/// The system itself makes some of these go on when their supervisor dies, and then they leave by themselves; others not.
#[test]
fn a_worker_and_a_standby_that_were_stopped_before_their_supervisor_was_killed_are_gone_before_the_next_worker_acts()
 {
    if !applies() {
        return;
    }
    for stops_standby in [false, true] {
        let stand = Stand::new();
        let mut supervisor = stand.run_with(&good(&stand));
        let worker = supervisor.worker();
        let standby = standby(&stand, &supervisor, "never-ready");
        stop(if stops_standby { standby } else { worker });
        supervisor.kill();
        the_next_one_works(&stand, &[worker, standby]);
    }
}

/// The same for a program that knows nothing of a leash; on every system.
#[test]
fn a_process_that_does_not_go_by_itself_is_ended_when_its_time_is_over() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&good(&stand));
    let standby = standby(&stand, &supervisor, "outstay");
    stand.await_misfit("standby", "stays", 1);
    supervisor.kill();
    let next = stand.run();
    let line = next
        .log
        .await_line("is ended by force: it does not go by itself");
    assert!(line.contains(&format!("pid={standby}")), "{line}");
    next.log
        .await_line("the worker of the former supervisor has gone");
    next.await_status("a worker is active", |status| {
        status["workers"][0]["stage"] == "active"
    });
}

#[test]
fn a_worker_that_makes_its_device_safe_is_waited_for_and_not_ended_by_force() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&good(&stand));
    supervisor.kill();
    let next = stand.run();
    next.await_rest("1.0.0");
    assert!(!next.log.has("ended by force"));
    stand.await_misfit("lives", "quiesced", 1);
}

/// Something that has nothing to do with any supervisor, until it is dropped.
struct Stranger(Child);

impl Stranger {
    fn start() -> Self {
        let mut command = Command::new(if cfg!(windows) { "cmd" } else { "cat" });
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null());
        Self(command.spawn().expect("every system has it"))
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // Fails only when it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stranger_with_the_number_of_a_former_worker_and_damaged_files_are_left_in_peace() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&good(&stand));
    let pids = stand.path("state").join("run").join("pids");
    let worker = supervisor.worker().to_string();
    let mark = fs::read_to_string(pids.join(&worker)).expect("a worker is written down");
    supervisor.kill();
    stand.await_misfit("lives", "exited", 1);
    let mut stranger = Stranger::start();
    let number = stranger.0.id().to_string();
    fs::write(pids.join(&number), &mark).unwrap();
    fs::write(pids.join("1"), "").unwrap();
    fs::write(pids.join("no number"), &mark).unwrap();
    fs::write(pids.join(std::process::id().to_string()), [0xff; 5000]).unwrap();
    let next = stand.run();
    let now = next.await_rest("1.0.0");
    assert!(stranger.0.try_wait().unwrap().is_none(), "it was ended");
    let named = || fs::read_dir(&pids).unwrap().flatten();
    let left: Vec<_> = named().map(|file| file.file_name()).collect();
    let worker = process_of(&now, "1.0.0").unwrap().to_string();
    assert_eq!(left, [worker.as_str()]);
    assert!(!next.log.has("a former supervisor"));
    next.ask_to_end();
    until("the last file is removed", || match named().count() {
        0 => Ok(()),
        count => Err(format!("{count} files")),
    });
}
