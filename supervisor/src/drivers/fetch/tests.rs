mod blocks;
mod limits;
mod resume;
mod sink;
mod vouching;

use std::{fs, net::SocketAddr, path::Path, time::Duration};

use supervisor_core::{
    alink::codec::{Digest, DigestMethod},
    event::{Event, FetchFault, SlotId},
    record::{Slot, Source, WantedFile},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use super::*;
use crate::config::{Limits, Trust, Vouching};

const JOB: JobId = JobId(3);

/// What the server does with one connection after it has read the request.
enum Act {
    /// Sends these bytes and closes.
    Say(Vec<u8>),
    /// Sends these bytes and then nothing more, and keeps the connection.
    Hang(Vec<u8>),
}

/// A web server that does one thing per connection, in order.
async fn serve(acts: Vec<Act>) -> SocketAddr {
    serve_noting(acts).await.0
}

/// The same; what it was asked can be read, one request after the other.
async fn serve_noting(acts: Vec<Act>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (asked, requests) = mpsc::unbounded_channel();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        for act in acts {
            let (mut stream, _) = listener.accept().await.unwrap();
            let request = read_request(&mut stream).await;
            // Fails only when nobody wants to know.
            let _ = asked.send(request);
            let (Act::Say(bytes) | Act::Hang(bytes)) = &act;
            // The client may hang up at any byte.
            let _ = stream.write_all(bytes).await;
            match act {
                Act::Say(_) => drop(stream.shutdown().await),
                Act::Hang(_) => kept.push(stream),
            }
        }
        std::future::pending::<()>().await;
    });
    (address, requests)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let text = String::from_utf8(request).unwrap().to_lowercase();
    assert!(text.contains("accept-encoding: identity"), "{text}");
    text
}

fn answer(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn redirect_to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// Many bytes that are not all alike.
fn image() -> Vec<u8> {
    (0..300_000_u32)
        .map(|it| (it.wrapping_mul(it) >> 7) as u8)
        .collect()
}

fn digests(image: &[u8]) -> Vec<Digest> {
    let mut md5 = md5::Md5::default();
    md5::Digest::update(&mut md5, image);
    let sha256 = <sha2::Sha256 as sha2::Digest>::digest(image);
    vec![
        Digest::Md5(md5::Digest::finalize(md5).into()),
        Digest::Sha256(sha256.into()),
    ]
}

fn wanted(url: String, image: &[u8]) -> WantedFile {
    WantedFile {
        name: None,
        size: image.len() as u64,
        source: Source::Url(url),
        digests: digests(image),
        digest_sign: None,
        seal: None,
    }
}

/// Nobody needs to vouch for anything.
fn settings(stall_limit: Duration) -> Fetching {
    Fetching {
        trust: Trust::System,
        connect_limit: Duration::from_secs(5),
        stall_limit,
        limits: Limits::default(),
        vouching: Vouching {
            require_signature: false,
            keys: Vec::new(),
            digest_key: None,
            target: "x86_64-unknown-linux-gnu".to_owned(),
        },
    }
}

/// A state folder with a fetch driver.
struct Case {
    _folder: tempfile::TempDir,
    layout: Layout,
    fetch: Fetch,
    happened: mpsc::Receiver<Event>,
}

impl Case {
    fn new(stall_limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::make(folder.path()).unwrap();
        let (events, happened) = mpsc::channel(4);
        Self {
            _folder: folder,
            fetch: Fetch::new(settings(stall_limit), layout.clone(), events),
            layout,
            happened,
        }
    }

    fn order(&mut self, url: String, image: &[u8]) {
        self.order_file(wanted(url, image));
    }

    fn order_file(&mut self, file: WantedFile) {
        self.fetch.start(FetchOrder {
            job: JOB,
            slot: SlotId(2),
            version: "1.0.7".parse().unwrap(),
            module: None,
            files: vec![file],
            entry: None,
        });
    }

    /// How it ended, and the progress told on the way.
    async fn end(&mut self) -> (Result<Slot, FetchFault>, Vec<u64>) {
        let mut progress = Vec::new();
        loop {
            match self.happened.recv().await.unwrap() {
                Event::FetchProgress { job: JOB, on_disk } => progress.push(on_disk),
                Event::Fetched { job: JOB, slot } => return (Ok(slot), progress),
                Event::FetchFailed { job: JOB, fault } => return (Err(fault), progress),
                other => panic!("{other:?}"),
            }
        }
    }

    async fn fault(mut self, act: Act, image: &[u8]) -> FetchFault {
        let address = serve(vec![act]).await;
        self.order(format!("http://{address}/worker"), image);
        let (ended, progress) = self.end().await;
        assert!(
            progress
                .iter()
                .all(|on_disk| *on_disk < image.len() as u64 || image.is_empty())
        );
        let fault = ended.unwrap_err();
        // What may be worth another try leaves its part, and nothing else does.
        let may_stay = fault.may_pass() || matches!(fault, FetchFault::Status(_));
        assert!(may_stay || self.left().is_empty(), "{:?}", self.left());
        assert!(self.left().iter().all(|it| it.starts_with("md5-")));
        fault
    }

    /// Names of whatever lies among parts and slots.
    fn left(&self) -> Vec<String> {
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            entries
                .map(|it| it.unwrap().file_name().into_string().unwrap())
                .collect::<Vec<_>>()
        };
        [names(&self.layout.parts()), names(&self.layout.slots())].concat()
    }
}

fn case() -> Case {
    Case::new(Duration::from_secs(20))
}

#[tokio::test]
async fn an_image_becomes_a_slot_and_its_progress_is_told_up_to_its_end() {
    let image = image();
    let mut case = case();
    let address = serve(vec![Act::Say(answer(image.len(), &image))]).await;
    case.order(format!("http://{address}/worker?sign=a%2Fb"), &image);
    let (ended, progress) = case.end().await;
    let slot = ended.unwrap();
    assert_eq!((slot.id, slot.size), (SlotId(2), image.len() as u64));
    let sha256 = Digest::from_hex(DigestMethod::Sha256, &slot.sha256).unwrap();
    assert_eq!(sha256, digests(&image)[1]);
    assert_eq!(fs::read(case.layout.image(&slot)).unwrap(), image);
    assert!(
        progress.is_sorted() && progress.len() <= 101,
        "{progress:?}"
    );
    assert_eq!(progress.last(), Some(&(image.len() as u64)));
    assert_eq!(case.left(), ["2-1.0.7"]);
}

#[tokio::test]
async fn a_body_without_an_announced_length_is_counted() {
    let image = image();
    let mut case = case();
    let bytes = [b"HTTP/1.1 200 OK\r\n\r\n", image.as_slice()].concat();
    let address = serve(vec![Act::Say(bytes.clone()), Act::Say(bytes)]).await;
    case.order(format!("http://{address}/"), &image);
    assert!(case.end().await.0.is_ok());
    case.order(format!("http://{address}/"), &image[..image.len() - 1]);
    let promised = image.len() as u64 - 1;
    assert_eq!(case.end().await.0, Err(FetchFault::Long { promised }));
}

#[tokio::test]
async fn a_body_that_ends_early_is_a_fault_and_never_reaches_the_end() {
    let image = image();
    // Closed by the server in the middle of what it announced.
    let fault = case()
        .fault(Act::Say(answer(image.len(), &image[..100_000])), &image)
        .await;
    assert!(
        matches!(fault, FetchFault::Short { got, .. } if got <= 100_000) && fault.may_pass(),
        "{fault:?}"
    );
    let bare = [b"HTTP/1.1 200 OK\r\n\r\n", &image[..100_000]].concat();
    let promised = image.len() as u64;
    let short = FetchFault::Short {
        got: 100_000,
        promised,
    };
    assert_eq!(case().fault(Act::Say(bare), &image).await, short);
}

#[tokio::test]
async fn a_length_other_than_promised_is_a_fault_before_the_body() {
    let image = image();
    let promised = image.len() as u64;
    // The server sends no body at all: the length alone must do.
    let fault = case()
        .fault(Act::Hang(answer(image.len() + 1, b"")), &image)
        .await;
    assert_eq!(fault, FetchFault::Long { promised });
    let fault = case().fault(Act::Hang(answer(1000, b"")), &image).await;
    let got = 1000;
    assert_eq!(fault, FetchFault::Short { got, promised });
}

#[tokio::test]
async fn the_right_length_with_one_bit_flipped_is_another_digest() {
    let image = image();
    let mut flipped = image.clone();
    flipped[150_000] ^= 1;
    let fault = case()
        .fault(Act::Say(answer(image.len(), &flipped)), &image)
        .await;
    let method = DigestMethod::Md5.to_string();
    assert_eq!(fault, FetchFault::OtherDigest { method });
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let image = image();
    let stalled = FetchFault::Stalled { seconds: 1 };
    let impatient = || Case::new(Duration::from_millis(300));
    let fault = impatient().fault(Act::Hang(Vec::new()), &image).await;
    assert_eq!(fault, stalled);
    let some = answer(image.len(), &image[..100_000]);
    assert_eq!(impatient().fault(Act::Hang(some), &image).await, stalled);
}

#[tokio::test]
async fn an_answer_other_than_success_is_told_with_its_number() {
    for status in [403, 404, 500, 206] {
        let bytes = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n");
        let fault = case().fault(Act::Say(bytes.into_bytes()), b"x").await;
        assert_eq!(fault, FetchFault::Status(status));
    }
}

#[tokio::test]
async fn redirects_are_followed_on_the_same_scheme() {
    let image = image();
    let mut case = case();
    let there = serve(vec![Act::Say(answer(image.len(), &image))]).await;
    let here = serve(vec![
        Act::Say(redirect_to("/elsewhere")),
        Act::Say(redirect_to(&format!("http://{there}/worker"))),
    ])
    .await;
    case.order(format!("http://{here}/"), &image);
    assert!(case.end().await.0.is_ok());
}

#[tokio::test]
async fn redirects_to_other_schemes_or_without_end_are_refused() {
    for location in ["file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:x"] {
        let fault = case().fault(Act::Say(redirect_to(location)), b"x").await;
        let to = location.to_owned();
        assert_eq!(fault, FetchFault::Redirected { to });
    }
    let mut case = case();
    let round = (0..=http::server::MOST_REDIRECTS)
        .map(|_| Act::Say(redirect_to("/again")))
        .collect();
    let address = serve(round).await;
    case.order(format!("http://{address}/"), b"x");
    let fault = case.end().await.0.unwrap_err();
    assert!(matches!(fault, FetchFault::Redirected { .. }), "{fault:?}");
}

#[test]
fn an_image_never_comes_from_a_less_safe_place_than_the_one_before() {
    let may =
        |from: &str, to: &str| http::server::may_lead(&from.parse().unwrap(), &to.parse().unwrap());
    assert!(may("https://a/", "https://b/"));
    assert!(may("http://a/", "https://b/"));
    assert!(may("http://a/", "http://b/"));
    assert!(!may("https://a/", "http://a/"));
    assert!(!may("https://a/", "file:///a"));
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_no_tls_is_a_broken_connection() {
    let mut case = case();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    case.order(format!("http://{address}/"), b"x");
    let fault = case.end().await.0.unwrap_err();
    assert!(
        matches!(&fault, FetchFault::Connection(why) if !why.contains("http://")),
        "{fault:?}"
    );
}

#[tokio::test]
async fn an_abandoned_download_leaves_nothing_and_says_nothing() {
    let image = image();
    let mut case = case();
    let some = answer(image.len(), &image[..200_000]);
    let address = serve(vec![Act::Hang(some), Act::Say(answer(image.len(), &image))]).await;
    case.order(format!("http://{address}/"), &image);
    let first = case.happened.recv().await;
    assert!(
        matches!(first, Some(Event::FetchProgress { .. })),
        "{first:?}"
    );
    case.fetch.abandon(JOB);
    // When the errand has ended, it no longer holds the queue: only the driver itself does. What it had goes after that.
    while case.fetch.events.strong_count() > 1 || !case.left().is_empty() {
        tokio::task::yield_now().await;
    }
    while let Ok(event) = case.happened.try_recv() {
        assert!(matches!(event, Event::FetchProgress { .. }), "{event:?}");
    }
    assert_eq!(case.left(), Vec::<String>::new());
    case.order(format!("http://{address}/"), &image);
    assert!(case.end().await.0.is_ok());
}
