use cloud_emulator::{Emulator, Fault, FaultName, Options, Package, Transport, What};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::{Got, LIMIT, emulator, get, request};

/// 200,000 bytes without a short period.
fn bytes() -> Vec<u8> {
    (0..200_000u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

fn served(options: Options) -> (Emulator, String) {
    let emulator = emulator(options);
    let firmware = emulator
        .add_firmware(Package::from_bytes("1.1.0", bytes()))
        .unwrap();
    let url = emulator.offer(&firmware, Transport::Http)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    (emulator, url)
}

async fn from(url: &str, start: u64) -> Got {
    get(url, &[("Range", &format!("bytes={start}-"))]).await
}

#[tokio::test]
async fn a_file_comes_whole_with_length_and_tag() {
    let (emulator, url) = served(Options::default());
    let whole = get(&url, &[]).await;
    assert_eq!((whole.status, whole.body == bytes()), (200, true));
    assert_eq!(
        (
            whole.header("content-length"),
            whole.header("accept-ranges")
        ),
        (Some("200000"), Some("bytes"))
    );
    assert!(whole.header("etag").is_some());
    let head = request("HEAD", &url, &[], b"").await;
    assert_eq!(
        (head.header("content-length"), head.body.len()),
        (Some("200000"), 0)
    );
    assert_eq!(request("POST", &url, &[], b"").await.status, 405);
    let told = |entry: &cloud_emulator::Entry| {
        matches!(
            entry.what,
            What::Sent {
                bytes: 200_000,
                whole: true,
                ..
            }
        )
    };
    emulator
        .wait_for_entry(0, LIMIT, "the end of the download", told)
        .await
        .unwrap();
}

#[tokio::test]
async fn ranges_are_served_and_guarded_by_the_tag() {
    let (_emulator, url) = served(Options::default());
    let tail = from(&url, 150_000).await;
    assert_eq!(
        (tail.status, tail.header("content-range")),
        (206, Some("bytes 150000-199999/200000"))
    );
    assert_eq!(tail.body, bytes()[150_000..]);
    let middle = get(&url, &[("range", "bytes=10-19")]).await;
    assert_eq!(
        (middle.status, middle.body.as_slice()),
        (206, &bytes()[10..20])
    );
    let etag = tail.header("etag").unwrap();
    let same = get(&url, &[("Range", "bytes=10-"), ("If-Range", etag)]).await;
    assert_eq!(same.status, 206);
    let other = get(&url, &[("Range", "bytes=10-"), ("If-Range", "\"other\"")]).await;
    assert_eq!((other.status, other.body.len()), (200, 200_000));
    let beyond = from(&url, 200_000).await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some("bytes */200000"))
    );
}

#[tokio::test]
async fn one_connection_serves_several_requests() {
    let (emulator, url) = served(Options::default());
    let path = url
        .strip_prefix(&format!("http://{}", emulator.firmware_address()))
        .unwrap();
    let mut socket = tokio::net::TcpStream::connect(emulator.firmware_address())
        .await
        .unwrap();
    let one = format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n");
    let last =
        format!("GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=4-7\r\nConnection: close\r\n\r\n");
    socket
        .write_all(format!("{one}{last}").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    assert!(answer.ends_with(&bytes()[4..8]));
    assert_eq!(
        answer
            .windows(12)
            .filter(|part| part == b"HTTP/1.1 206")
            .count(),
        2
    );
}

#[tokio::test]
async fn urls_expire_and_cannot_be_forged() {
    let (_emulator, url) = served(Options {
        url_lifetime: std::time::Duration::ZERO,
        ..Options::default()
    });
    let expired = get(&url, &[]).await;
    assert_eq!(expired.status, 403);
    assert!(String::from_utf8_lossy(&expired.body).contains("<Code>AccessDenied</Code>"));
    let (_emulator, url) = served(Options::default());
    assert_eq!(
        get(&url.replace("Expires=", "Expires=9"), &[]).await.status,
        403
    );
    assert_eq!(get(url.split('?').next().unwrap(), &[]).await.status, 403);
}

#[tokio::test]
async fn a_cut_download_delivers_exactly_that_many_bytes_and_can_be_resumed() {
    let (emulator, url) = served(Options::default());
    emulator.fault(Fault::new(FaultName::DropAfterBytes).n(70_001).times(2));
    let mut kept = get(&url, &[]).await.body;
    assert_eq!(kept.len(), 70_001);
    kept.extend(from(&url, kept.len() as u64).await.body);
    assert_eq!(kept.len(), 140_002);
    kept.extend(from(&url, kept.len() as u64).await.body);
    assert!(kept == bytes());
    assert_eq!(emulator.struck(FaultName::DropAfterBytes), 2);
}

#[tokio::test]
async fn a_cut_at_an_unknown_place_follows_the_seed() {
    let cut = async |seed| {
        let (emulator, url) = served(Options::default());
        emulator.fault(Fault {
            seed,
            ..Fault::new(FaultName::DropAfterBytes)
        });
        get(&url, &[]).await.body.len()
    };
    assert_eq!(cut(7).await, cut(7).await);
    assert_ne!(cut(7).await, cut(8).await);
}

#[tokio::test]
async fn lengths_lie_when_told_to() {
    let (emulator, url) = served(Options::default());
    emulator.fault(Fault::new(FaultName::WrongLength).n(5).times(1));
    let short = get(&url, &[]).await;
    assert_eq!(
        (short.header("content-length"), short.body.len()),
        (Some("200005"), 200_000)
    );
    emulator.fault(Fault::new(FaultName::LongerThanPromised).n(3).times(1));
    let long = get(&url, &[]).await;
    assert_eq!(
        (long.header("content-length"), long.body.len()),
        (Some("200003"), 200_003)
    );
    assert!(long.body.starts_with(&bytes()));
}

#[tokio::test]
async fn one_bit_is_flipped_and_no_more() {
    let (emulator, url) = served(Options::default());
    for fault in [
        Fault::new(FaultName::FlipOneBit).n(123_456),
        Fault {
            seed: 5,
            ..Fault::new(FaultName::FlipOneBit)
        },
    ] {
        emulator.fault(fault);
        let body = get(&url, &[]).await.body;
        let bits: u32 = body
            .iter()
            .zip(bytes())
            .map(|(got, sent)| (got ^ sent).count_ones())
            .sum();
        assert_eq!(bits, 1);
    }
    emulator.fault(Fault::new(FaultName::FlipOneBit).n(123_456));
    assert!(
        from(&url, 123_457).await.body == bytes()[123_457..],
        "the bit is not in this range"
    );
}

#[tokio::test]
async fn ranges_can_be_ignored_and_files_changed_behind_the_url() {
    let (emulator, url) = served(Options::default());
    emulator.fault(Fault::new(FaultName::RangeIgnored).times(1));
    let ignored = from(&url, 100).await;
    assert_eq!((ignored.status, ignored.body.len()), (200, 200_000));
    let etag = get(&url, &[]).await.header("etag").unwrap().to_owned();
    emulator.fault(Fault::new(FaultName::FileChanged));
    let changed = from(&url, 100).await;
    assert_eq!(changed.status, 206);
    assert_ne!(changed.header("etag"), Some(etag.as_str()));
    assert_ne!(changed.body[0], bytes()[100]);
    let guarded = get(&url, &[("Range", "bytes=100-"), ("If-Range", &etag)]).await;
    assert_eq!((guarded.status, guarded.body.len()), (200, 200_000));
}

#[tokio::test]
async fn a_server_error_passes_and_an_expired_url_says_so() {
    let (emulator, url) = served(Options::default());
    emulator.fault(Fault::new(FaultName::ServerErrorThenOk).n(502));
    assert_eq!(get(&url, &[]).await.status, 502);
    assert_eq!(get(&url, &[]).await.status, 200);
    emulator.fault(Fault::new(FaultName::UrlExpired).times(1));
    assert_eq!(get(&url, &[]).await.status, 403);
    assert_eq!(get(&url, &[]).await.status, 200);
}

#[tokio::test]
async fn redirects_lead_to_another_path_scheme_or_anywhere() {
    let (emulator, url) = served(Options::with_tls());
    emulator.fault(Fault::new(FaultName::Redirect));
    let moved = get(&url, &[]).await;
    let location = moved.header("location").unwrap();
    assert_eq!(moved.status, 302);
    let there = format!("http://{}{location}", emulator.firmware_address());
    assert_eq!(get(&there, &[]).await.status, 200, "the other path works");
    emulator.fault(Fault::new(FaultName::Redirect).to("scheme"));
    let secure = get(&url, &[]).await;
    let expected = format!(
        "https://{}/firmware/",
        emulator.firmware_tls_address().unwrap()
    );
    assert!(secure.header("location").unwrap().starts_with(&expected));
    emulator.fault(Fault::new(FaultName::Redirect).to("ftp://elsewhere/x"));
    assert_eq!(
        get(&url, &[]).await.header("location"),
        Some("ftp://elsewhere/x")
    );
}

#[tokio::test]
async fn a_slow_download_keeps_its_rate() {
    let (emulator, url) = served(Options::default());
    emulator.fault(Fault::new(FaultName::Slow).n(400_000));
    let begun = std::time::Instant::now();
    assert!(get(&url, &[]).await.body == bytes());
    assert!(
        begun.elapsed() >= std::time::Duration::from_millis(490),
        "{:?}",
        begun.elapsed()
    );
}

/// How much of a body there is behind the head.
fn body_bytes(answer: &[u8]) -> Option<usize> {
    let mut places = answer.windows(4);
    let end = places.position(|four| four == b"\r\n\r\n");
    end.map(|end| answer.len() - end - 4)
}

/// Asks for a file that stalls after 1000 bytes, and has them.
async fn stalled(emulator: &Emulator, url: &str) -> (tokio::net::TcpStream, Vec<u8>) {
    emulator.fault(Fault::new(FaultName::Stall).n(1000));
    let path = url
        .strip_prefix(&format!("http://{}", emulator.firmware_address()))
        .unwrap();
    let mut socket = tokio::net::TcpStream::connect(emulator.firmware_address())
        .await
        .unwrap();
    socket
        .write_all(
            format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
        )
        .await
        .unwrap();
    let mut answer = Vec::new();
    while body_bytes(&answer) < Some(1000) {
        assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0);
    }
    assert_eq!(body_bytes(&answer), Some(1000), "nothing beyond the stall");
    (socket, answer)
}

#[tokio::test]
async fn a_stalled_download_goes_on_when_the_fault_is_cleared() {
    let (emulator, url) = served(Options::default());
    let (mut socket, mut answer) = stalled(&emulator, &url).await;
    emulator.clear_fault(FaultName::Stall);
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(body_bytes(&answer), Some(200_000));
}

#[tokio::test]
async fn a_download_that_is_hung_up_on_ends_there_and_is_told_as_not_whole() {
    let (emulator, url) = served(Options::default());
    let (mut socket, mut answer) = stalled(&emulator, &url).await;
    emulator.hang_up_downloads();
    socket.read_to_end(&mut answer).await.unwrap();
    assert_eq!(body_bytes(&answer), Some(1000));
    let told = |entry: &cloud_emulator::Entry| {
        matches!(
            entry.what,
            What::Sent {
                bytes: 1000,
                whole: false,
                ..
            }
        )
    };
    emulator
        .wait_for_entry(0, LIMIT, "the end of the download", told)
        .await
        .unwrap();
    emulator.clear_fault(FaultName::Stall);
    assert_eq!(get(&url, &[]).await.body, bytes());
}

#[tokio::test]
async fn a_file_given_by_its_path_is_served_from_where_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker 1.1");
    std::fs::write(&path, bytes()).unwrap();
    let emulator = emulator(Options::default());
    let firmware = emulator
        .add_firmware(Package::from_path("1.1.0", &path))
        .unwrap();
    assert_eq!(
        (&firmware.files[0].path, firmware.files[0].name.as_str()),
        (&path, "worker_1.1")
    );
    assert!(!emulator.folder().exists(), "nothing is copied");
    let url = emulator.offer(&firmware, Transport::Http)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(get(&url, &[]).await.body == bytes());
}
