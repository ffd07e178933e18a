use std::{collections::BTreeMap, os::unix::net::UnixDatagram};

use super::*;

const IDLE: Standing<'_> = Standing {
    phase: "idle",
    active: None,
    installed: true,
    cloud_up: false,
};

/// The other end of the socket.
struct System {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl System {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { folder, socket }
    }

    fn notify(&self, more: &[(&'static str, String)]) -> Notify {
        let path = self.folder.path().join("notify").into_os_string();
        let mut variables: BTreeMap<_, OsString> = [(SOCKET, path)].into();
        variables.extend(more.iter().map(|(name, value)| (*name, value.into())));
        Notify::from_env(&|name| variables.get(name).cloned())
    }

    fn told(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut datagram = [0; 512];
        while let Ok(count) = self.socket.recv(&mut datagram) {
            told.push(String::from_utf8(datagram[..count].to_vec()).unwrap());
        }
        told
    }
}

#[test]
fn it_is_ready_when_a_worker_is_active_and_says_so_once() {
    let system = System::new();
    let mut notify = system.notify(&[]);
    notify.look(Ticks(0), || IDLE);
    notify.look(Ticks(1), || IDLE);
    assert_eq!(
        system.told(),
        ["STATUS=idle, no worker is active, cloud down"]
    );
    let version = "1.0.0".parse().unwrap();
    let active = Standing {
        active: Some(&version),
        ..IDLE
    };
    notify.look(Ticks(2), || active);
    notify.look(Ticks(3), || active);
    notify.look(Ticks(4), || IDLE);
    notify.look(Ticks(5), || active);
    let up = "STATUS=idle, worker 1.0.0 is active, cloud down";
    assert_eq!(
        system.told(),
        [
            &format!("READY=1\n{up}"),
            "STATUS=idle, no worker is active, cloud down",
            up
        ]
    );
    assert_eq!(notify.next(), None, "nobody asked to be fed");
}

#[test]
fn without_a_worker_it_is_ready_when_the_platform_can_bring_one() {
    let system = System::new();
    let mut notify = system.notify(&[]);
    let empty = Standing {
        installed: false,
        ..IDLE
    };
    notify.look(Ticks(0), || empty);
    let cloud_up = Standing {
        cloud_up: true,
        ..empty
    };
    notify.look(Ticks(1), || cloud_up);
    assert_eq!(
        system.told(),
        [
            "STATUS=idle, no worker is installed, cloud down",
            "READY=1\nSTATUS=idle, no worker is installed, cloud up"
        ]
    );
}

#[test]
fn the_watchdog_is_fed_three_times_in_its_time_also_while_stopping() {
    let system = System::new();
    let pid = std::process::id().to_string();
    let mut notify = system.notify(&[
        ("WATCHDOG_USEC", "3000000".to_owned()),
        ("WATCHDOG_PID", pid),
    ]);
    notify.look(Ticks(10), || IDLE);
    assert_eq!(notify.next(), Some(Ticks(1010)));
    assert_eq!(system.told()[0], "WATCHDOG=1");
    notify.look(Ticks(1009), || IDLE);
    assert!(system.told().is_empty());
    notify.stopping();
    notify.look(Ticks(1010), || IDLE);
    assert_eq!(
        system.told(),
        ["STOPPING=1\nSTATUS=stopping", "WATCHDOG=1"],
        "and nothing is told of how it stands"
    );
}

#[test]
fn a_watchdog_of_another_process_or_without_a_time_is_none_of_ours() {
    let system = System::new();
    let time = ("WATCHDOG_USEC", "3000000".to_owned());
    let other = ("WATCHDOG_PID", "1".to_owned());
    assert_eq!(system.notify(&[time.clone(), other]).next(), None);
    assert_eq!(
        system.notify(&[("WATCHDOG_USEC", "0".to_owned())]).next(),
        None
    );
    assert_eq!(
        system
            .notify(&[("WATCHDOG_USEC", "soon".to_owned())])
            .next(),
        None
    );
    assert_eq!(system.notify(&[time]).next(), Some(Ticks(0)));
}

#[test]
fn a_socket_that_cannot_be_had_is_done_without() {
    for address in ["", "relative", "/no/such/socket", "@no-such-socket"] {
        let mut notify =
            Notify::from_env(&|name| (name == SOCKET).then(|| OsString::from(address)));
        notify.look(Ticks(0), || panic!("nobody wants to know"));
        notify.stopping();
        assert_eq!(notify.next(), None);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_lies_on_no_disk_is_one_as_well() {
    use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};

    let name = format!("hotplate-notify-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let mut notify = Notify::from_env(&|it| (it == SOCKET).then(|| format!("@{name}").into()));
    notify.look(Ticks(0), || IDLE);
    let mut datagram = [0; 512];
    let count = socket.recv(&mut datagram).unwrap();
    assert!(datagram[..count].starts_with(b"STATUS="));
}
