//! A disk without room: found out before, survived during, and told as what it is; and nothing is left behind.

use std::fs;

use cloud_emulator::{Fault, FaultName, TaskState};
use e2e::{Stand, Supervisor, until};

/// The update has failed for want of room, and neither the worker nor the disk bears a trace of it.
#[track_caller]
fn fails_for_want_of_room(stand: &Stand, supervisor: &Supervisor<'_>, worker: u64) {
    let device = stand.await_task(TaskState::Failed);
    let task = device.task().unwrap();
    assert_eq!(task.step, Some(-4), "{task:?}");
    assert!(task.description.contains("too little room"), "{task:?}");
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["workers"][0]["pid"], worker, "{status}");
    until("nothing is left of it", || {
        let left = fs::read_dir(stand.path("state/parts")).unwrap().count();
        (left == 0).then_some(()).ok_or_else(|| left.to_string())
    });
}

#[test]
fn without_room_for_it_nothing_of_an_image_is_fetched() {
    let mut stand = Stand::new();
    stand.set("update.keep_free_bytes", 1_u64 << 60);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    stand.offer(&stand.good("1.0.7"));
    fails_for_want_of_room(&stand, &supervisor, worker);
    assert_eq!(stand.answers(), []);
}

#[test]
fn parts_of_other_jobs_are_gone_after_a_start_and_that_of_the_job_under_way_is_gone_on_with() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let pace = Fault::new(FaultName::Slow).n(image.size() / 4);
    stand.cloud.fault(pace);
    stand.offer(&image);
    until("some of it is on the disk", || {
        let part = stand.part();
        (part > 100_000)
            .then_some(())
            .ok_or_else(|| part.to_string())
    });
    supervisor.kill();
    let stale = ["md5-00.part", "md5-00.meta", "sha256-00.meta-new"];
    let stale = stale.map(|name| stand.path("state/parts").join(name));
    for file in &stale {
        fs::write(file, "of a job that was abandoned").unwrap();
    }
    stand.cloud.clear_fault(FaultName::Slow);
    let supervisor = stand.run();
    stand.await_task(TaskState::Succeeded);
    supervisor.await_rest("1.0.7");
    assert!(stale.iter().all(|file| !file.exists()));
    let froms: Vec<_> = stand.answers().iter().map(|it| it.from).collect();
    assert!(froms.len() == 2 && froms[1] > 0, "{froms:?}");
}

#[cfg(target_os = "linux")]
mod small {
    //! On a disk that is really small. Only who may mount one can look at it.

    use std::{
        path::{Path, PathBuf},
        process::Command,
    };

    use e2e::applies;

    use super::*;

    /// Room for what is small, in bytes.
    const ROOM: u64 = 1 << 20;

    /// A file system in memory, for as long as this lives.
    struct Disk(PathBuf);

    impl Disk {
        /// `None`, with a word, where that is not allowed.
        fn mount(folder: &Path, bytes: u64) -> Option<Self> {
            fs::create_dir(folder).unwrap();
            let mut mount = Command::new("mount");
            mount.args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={bytes},mode=700"),
                "tmpfs",
            ]);
            let mounted = mount.arg(folder).output().unwrap();
            if mounted.status.success() {
                return Some(Self(folder.to_owned()));
            }
            let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
            println!("left out, as no small disk can be mounted here: {why}");
            None
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            // Lazily: the programs on it end at the same time.
            let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        }
    }

    /// A stand whose state lies on a disk with room for three workers.
    fn on_a_small_disk() -> Option<(Disk, Stand)> {
        if !applies() {
            return None;
        }
        let mut stand = Stand::new();
        let first = stand.good("1.0.0");
        let folder = stand.path("small");
        let disk = Disk::mount(&folder, 3 * first.size() + ROOM)?;
        // The stand looks for the state in its usual place.
        std::os::unix::fs::symlink(&folder, stand.path("state")).unwrap();
        stand.set_text("state.dir", "small");
        stand.set("update.keep_free_bytes", 0);
        Some((disk, stand))
    }

    #[test]
    fn an_image_larger_than_the_disk_is_never_begun_and_a_smaller_one_is_installed() {
        let Some((_disk, stand)) = on_a_small_disk() else {
            return;
        };
        let supervisor = stand.run_with(&stand.good("1.0.0"));
        let worker = supervisor.worker();
        let size = 4 * usize::try_from(stand.good("1.0.0").size()).unwrap();
        stand.offer(&stand.padded("1.0.7", size));
        fails_for_want_of_room(&stand, &supervisor, worker);
        assert_eq!(stand.answers(), []);
        stand.offer(&stand.good("1.0.8"));
        stand.await_task(TaskState::Succeeded);
        supervisor.await_rest("1.0.8");
    }

    #[test]
    fn a_disk_that_runs_full_in_mid_download_gets_its_room_back_and_the_worker_goes_on() {
        let Some((_disk, stand)) = on_a_small_disk() else {
            return;
        };
        let supervisor = stand.run_with(&stand.good("1.0.0"));
        let worker = supervisor.worker();
        let image = stand.good("1.0.7");
        stand
            .cloud
            .fault(Fault::new(FaultName::Slow).n(image.size() / 3));
        stand.offer(&image);
        until("some of it is on the disk", || {
            let part = stand.part();
            (part > 0).then_some(()).ok_or_else(|| part.to_string())
        });
        // Somebody else is quicker.
        let other = stand.path("small").join("somebody-elses");
        let all = 4 * usize::try_from(image.size()).unwrap();
        let full = fs::write(&other, vec![7; all]).unwrap_err();
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        fails_for_want_of_room(&stand, &supervisor, worker);
        stand.cloud.clear_fault(FaultName::Slow);
        fs::remove_file(&other).unwrap();
        stand.offer(&stand.good("1.0.8"));
        stand.await_task(TaskState::Succeeded);
        supervisor.await_rest("1.0.8");
    }
}
