//! The supervisor as a service of Windows: installed, started, stopped in order and removed by its own command line. For programs for
//! Windows alone, on Windows or under Wine.

use e2e::{Stand, applies, until};
use serde_json::Value;

/// A service that is removed in the end, whatever happens.
struct Installed<'s> {
    stand: &'s Stand,
    name: String,
}

impl Installed<'_> {
    #[track_caller]
    fn cli(&self, deed: &str) -> e2e::Ended {
        self.stand.cli(&["service", "--name", &self.name, deed])
    }

    #[track_caller]
    fn done(&self, deed: &str) -> String {
        let ended = self.cli(deed);
        assert_eq!(ended.code, Some(0), "`{deed}`: {ended:?}");
        ended.stdout
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.stand.path("state/supervisor.log"));
            eprintln!("--- the service's log ---\n{}", log.unwrap_or_default());
        }
        self.cli("uninstall");
    }
}

#[test]
fn a_service_of_windows_runs_the_worker_and_stops_in_order() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    stand.install(&stand.good("1.0.0"));
    let service = Installed {
        stand: &stand,
        name: format!("hotplate-test-{}", std::process::id()),
    };
    let none = service.cli("status");
    assert_eq!(none.code, Some(1), "{none:?}");
    assert!(none.stderr.contains("no service"), "{none:?}");
    service.done("install");
    // Again, as after a move: it is changed.
    service.done("install");
    assert_eq!(service.cli("status").code, Some(1), "it rests");
    let told = service.done("start");
    assert!(told.contains("running"), "{told}");
    until("the worker of the service is active", || {
        let asked = stand.cli(&["status", "--json"]);
        let status: Value = serde_json::from_str(&asked.stdout).map_err(|_| asked.stderr)?;
        match status["workers"][0]["stage"] == "active" && status["cloud_up"] == true {
            true => Ok(()),
            false => Err(status.to_string()),
        }
    });
    assert!(service.done("status").contains("running"));
    service.done("stop");
    let log = std::fs::read_to_string(stand.path("state/supervisor.log")).unwrap();
    assert!(log.contains("stopping"), "{log}");
    assert!(!log.contains("ended without stopping"), "{log}");
    until("the supervisor is gone", || {
        match stand.cli(&["status"]).code {
            Some(1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    service.done("uninstall");
    assert!(service.cli("status").stderr.contains("no service"));
}
