//! Strangers on the local socket: refused, counted, and of no harm to the worker that is there.

#[cfg(unix)]
mod unix {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream,
        path::PathBuf,
        time::Duration,
    };

    use e2e::{LIMIT, Stand, Supervisor, applies};

    /// What opens every conversation: the magic, the lowest and the highest version spoken.
    const PREFACE: [u8; 8] = *b"HOTP\x01\0\x01\0";

    /// A frame: its length, then its bytes.
    fn frame(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_le_bytes()[..], body].concat()
    }

    /// A hello laid out by hand: token, version, model digest, process id. Small numbers and lengths are one byte each.
    fn hello(token: [u8; 32]) -> Vec<u8> {
        frame(&[&token[..], b"\x051.0.0", &[0; 32], b"\x07"].concat())
    }

    fn socket(stand: &Stand) -> PathBuf {
        let folder = stand.path("state/run/link");
        let sockets: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "sock"))
            .collect();
        let [socket] = &sockets[..] else {
            panic!("{sockets:?}")
        };
        socket.clone()
    }

    /// Says these bytes, and reads until the supervisor hangs up.
    fn visit(stand: &Stand, bytes: &[u8], leave: bool) -> Vec<u8> {
        let mut stream = UnixStream::connect(socket(stand)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        // The supervisor may hang up before it has read everything.
        let _ = stream.write_all(bytes);
        if leave {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        }
        let mut heard = Vec::new();
        let ended = stream.read_to_end(&mut heard);
        let gave_up = ended
            .as_ref()
            .is_err_and(|why| why.kind() == std::io::ErrorKind::WouldBlock);
        assert!(
            !gave_up,
            "the supervisor let a stranger stay for {:?}",
            Duration::from_secs(30)
        );
        heard
    }

    fn oven(stand: &Stand) -> Supervisor<'_> {
        stand.run_with(&stand.good("1.0.0"))
    }

    #[test]
    fn a_stranger_is_refused_and_the_worker_goes_on() {
        if !applies() {
            return;
        }
        let stand = Stand::new();
        let supervisor = oven(&stand);
        let worker = supervisor.worker();
        let after_preface = |frame: &[u8]| [&PREFACE[..], frame].concat();
        let cases: [(&str, Vec<u8>, bool, &str); 8] = [
            ("nothing at all", vec![], true, "left before its preface"),
            (
                "another protocol",
                b"GET / HTTP/1.1\r\n\r\n".to_vec(),
                false,
                "",
            ),
            (
                "a version nobody speaks",
                b"HOTP\x09\0\x0a\0".to_vec(),
                false,
                "speaks versions 9..=10",
            ),
            (
                "no token",
                after_preface(&hello([0; 32])),
                false,
                "its token is not expected, or was used before",
            ),
            (
                "a stale token",
                after_preface(&hello([0xa5; 32])),
                false,
                "its token is not expected, or was used before",
            ),
            (
                "a frame that is too long",
                after_preface(&u32::MAX.to_le_bytes()),
                false,
                "at most 1024 are allowed",
            ),
            (
                "a frame that is cut",
                after_preface(&frame(&[1; 40])[..20]),
                true,
                "said no hello",
            ),
            (
                "garbage",
                after_preface(&frame(&[0xff; 60])),
                false,
                "said no hello",
            ),
        ];
        for (count, (name, bytes, leave, words)) in cases.into_iter().enumerate() {
            let mark = supervisor.log.position();
            visit(&stand, &bytes, leave);
            let line = supervisor
                .log
                .await_line_after(mark, "a stranger on the worker socket was refused");
            assert!(line.contains(words), "{name}: {line}");
            assert_eq!(supervisor.status()["strangers"], count + 1, "{name}");
        }
        assert_eq!(supervisor.await_rest("1.0.0")["workers"][0]["pid"], worker);
    }

    #[test]
    fn a_stranger_who_says_nothing_is_sent_away_after_a_while() {
        if !applies() {
            return;
        }
        let stand = Stand::new();
        let supervisor = oven(&stand);
        visit(&stand, &PREFACE, false);
        supervisor.log.await_line("said no hello within 2s");
        supervisor.await_rest("1.0.0");
    }

    #[test]
    fn many_silent_strangers_do_not_keep_an_upgrade_from_going_through() {
        if !applies() {
            return;
        }
        let stand = Stand::new();
        let supervisor = oven(&stand);
        let socket = socket(&stand);
        let _crowd: Vec<_> = (0..9)
            .map(|_| UnixStream::connect(&socket).unwrap())
            .collect();
        stand.offer(&stand.good("1.0.7"));
        stand.await_task(cloud_emulator::TaskState::Succeeded);
        supervisor.await_rest("1.0.7");
    }

    #[test]
    fn nobody_else_may_enter_the_folder_with_the_socket() {
        use std::os::unix::fs::PermissionsExt;

        if !applies() {
            return;
        }
        let stand = Stand::new();
        let _supervisor = oven(&stand);
        for folder in ["state", "state/run", "state/run/link"] {
            let mode = std::fs::metadata(stand.path(folder))
                .unwrap()
                .permissions()
                .mode()
                & 0o777;
            assert_eq!(mode, 0o700, "{folder}");
        }
    }
}
