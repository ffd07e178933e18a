//! The console: its page, the events it follows, and who is kept from both.

use std::time::Duration;

use cloud_emulator::{Emulator, Options, Package};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Device, Got, LIMIT, automatic, emulator, get, oven, request, sys};

const OVEN: &str = "/api/devices/a1Sample001/oven001";

fn url(emulator: &Emulator, path: &str) -> String {
    format!("http://{}{path}", emulator.http_address())
}

/// Somebody who follows the events.
struct Follower(Lines<BufReader<TcpStream>>);

/// One event as it came.
#[derive(Debug)]
struct Told {
    name: String,
    id: Option<String>,
    data: Value,
}

impl Follower {
    async fn of(emulator: &Emulator, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(emulator.http_address()).await.unwrap();
        // In HTTP/1.0 the body comes without chunks around it.
        let ask = format!("GET /api/events{query} HTTP/1.0\r\n{headers}\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut follower = Self(BufReader::new(stream).lines());
        let status = follower.line().await.unwrap();
        assert!(status.contains(" 200 "), "{status}");
        while !follower.line().await.unwrap().is_empty() {}
        follower
    }

    /// The next line; `None` at the end.
    async fn line(&mut self) -> Option<String> {
        let line = timeout(LIMIT, self.0.next_line()).await;
        line.expect("nothing came in time").unwrap_or(None)
    }

    async fn next(&mut self) -> Told {
        let mut told = Told {
            name: String::new(),
            id: None,
            data: Value::Null,
        };
        loop {
            let line = self.line().await.expect("the events ended");
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut told.name),
                Some(("id", id)) => told.id = Some(id.to_owned()),
                Some(("data", data)) => told.data = serde_json::from_str(data).unwrap(),
                _ if line.is_empty() && !told.name.is_empty() => return told,
                _ => {}
            }
        }
    }

    /// The next event of this name for which something holds; others are passed over.
    async fn until(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> Told {
        loop {
            let told = self.next().await;
            if told.name == name && holds(&told.data) {
                return told;
            }
        }
    }
}

fn inform(version: &str) -> String {
    json!({"id": "1", "params": {"version": version}}).to_string()
}

const INFORM: &str = "/ota/device/inform/a1Sample001/oven001";

/// Whether a batch of entries has one that says this.
fn says(part: &'static str) -> impl Fn(&Value) -> bool {
    move |entries| entries.to_string().contains(part)
}

#[tokio::test]
async fn the_page_and_its_files_are_served_and_may_load_nothing_from_elsewhere() {
    let emulator = emulator(Options::default());
    let page = get(&url(&emulator, "/"), &[]).await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = page.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "script-src 'self';",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    let text = String::from_utf8(page.body).unwrap();
    let named = text
        .split('"')
        .filter(|word| word.starts_with("/console/") && word.contains('.'));
    let mut files = 0;
    for file in named {
        let got = get(&url(&emulator, file), &[]).await;
        assert!(got.status == 200 && !got.body.is_empty(), "{file}");
        files += 1;
    }
    assert!(files >= 4, "{text}");
    for stranger in ["/console/nothing.js", "/console/..%2findex.html"] {
        assert_eq!(get(&url(&emulator, stranger), &[]).await.status, 404);
    }
}

#[tokio::test]
async fn who_follows_hears_of_everything_as_it_happens() {
    let emulator = emulator(Options::default());
    let mut follower = Follower::of(&emulator, "", "").await;
    let hello = follower.next().await;
    assert_eq!(
        (hello.name.as_str(), &hello.data["resumed"]),
        ("hello", &json!(false))
    );
    follower
        .until("device", |device| device["online"] == false)
        .await;
    let device = Device::connect(automatic(&emulator)).await.unwrap();
    follower
        .until("device", |device| device["online"] == true)
        .await;
    device
        .publish(
            &sys("thing/event/property/post"),
            json!({"id": "1", "params": {"current_temperature": {"value": 180.5, "time": 7}}})
                .to_string(),
        )
        .await;
    let told = follower.until("entries", says("180.5")).await;
    assert!(told.id.is_some(), "{told:?}");
    let known = follower
        .until("device", |device| {
            device["properties"]["current_temperature"]["value"] == 180.5
        })
        .await;
    assert_eq!(
        known.data["progress"],
        json!([]),
        "the long lists are left out"
    );
    let package = Package::from_bytes("1.0.7", "image");
    emulator.add_firmware(package).unwrap();
    follower
        .until("firmware", |list| list[0]["version"] == "1.0.7")
        .await;
    request(
        "POST",
        &url(&emulator, "/api/faults"),
        &[],
        br#"{"name":"slow"}"#,
    )
    .await;
    follower
        .until("faults", |list| list[0]["name"] == "slow")
        .await;
}

#[tokio::test]
async fn who_comes_late_begins_with_the_last_entries_and_who_comes_back_goes_on() {
    let emulator = emulator(Options::default());
    let mut device = Device::connect(automatic(&emulator)).await.unwrap();
    for version in ["1.0.1", "1.0.2", "1.0.3"] {
        device.publish(INFORM, inform(version)).await;
    }
    // Messages of one connection keep their order, so the answer means that all of them are there.
    device
        .ask(&sys("thing/deviceinfo/update"), r#"{"id":"2","params":[]}"#)
        .await;
    let mut late = Follower::of(&emulator, "?last=3", "").await;
    let told = late.until("entries", |_| true).await;
    let numbers: Vec<u64> = told.data.as_array().unwrap().iter().map(seq).collect();
    let last = emulator.journal_position();
    assert_eq!(numbers, [last - 2, last - 1, last]);

    let id = told.id.unwrap();
    drop(late);
    device.publish(INFORM, inform("1.0.4")).await;
    let header = format!("Last-Event-ID: {id}\r\n");
    for (query, headers) in [
        (String::new(), header),
        (format!("?last=1&after={id}"), String::new()),
    ] {
        let mut back = Follower::of(&emulator, &query, &headers).await;
        assert_eq!(back.next().await.data["resumed"], true);
        let told = back.until("entries", |_| true).await;
        assert_eq!(seq(&told.data[0]), last + 1, "nothing twice, nothing lost");
    }

    // An id of another life of the emulator says nothing about this one's entries.
    let mut stranger = Follower::of(&emulator, "?last=1&after=0badcafe.2", "").await;
    assert_eq!(stranger.next().await.data["resumed"], false);
    let told = stranger.until("entries", |_| true).await;
    assert_eq!(told.data.as_array().unwrap().len(), 1);
}

fn seq(entry: &Value) -> u64 {
    entry["seq"].as_u64().unwrap()
}

#[tokio::test]
async fn what_the_ring_forgot_before_it_was_told_is_counted() {
    let emulator = emulator(Options {
        journal_capacity: 4,
        ..Options::default()
    });
    let mut first = Follower::of(&emulator, "", "").await;
    for _ in 0..3 {
        emulator.mark(&oven(), None, "early");
    }
    let id = first.until("entries", |_| true).await.id.unwrap();
    let (run, seen) = id.split_once('.').unwrap();
    let seen: u64 = seen.parse().unwrap();
    for _ in 0..20 {
        emulator.mark(&oven(), None, "late");
    }
    let mut back = Follower::of(&emulator, &format!("?after={run}.{seen}"), "").await;
    let missed = back.until("missed", |_| true).await;
    assert_eq!(
        missed.data["entries"],
        emulator.journal_position() - 4 - seen
    );
    let told = back.until("entries", |_| true).await;
    assert_eq!(told.data.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn there_are_places_for_so_many_followers_and_they_become_free_again() {
    let emulator = emulator(Options::default());
    let mut followers = Vec::new();
    for _ in 0..16 {
        let mut follower = Follower::of(&emulator, "", "").await;
        assert_eq!(follower.next().await.name, "hello");
        followers.push(follower);
    }
    let full = get(&url(&emulator, "/api/events"), &[]).await;
    assert_eq!(full.status, 503);
    assert!(full.json()["error"].as_str().unwrap().contains("16"));
    followers.clear();
    let free = timeout(LIMIT, async {
        loop {
            // A place is given back when the server has seen the connection end, which what happens brings about.
            emulator.mark(&oven(), None, "something");
            let mut stream = TcpStream::connect(emulator.http_address()).await.unwrap();
            stream
                .write_all(b"GET /api/events HTTP/1.0\r\n\r\n")
                .await
                .unwrap();
            let status = BufReader::new(stream).lines().next_line().await.unwrap();
            if status.unwrap().contains(" 200 ") {
                return;
            }
        }
    });
    free.await.expect("no place became free");
}

#[tokio::test]
async fn who_waits_for_a_follower_learns_of_the_first() {
    let emulator = emulator(Options::default());
    assert!(!emulator.wait_for_follower(Duration::ZERO).await);
    let (come, _follower) = tokio::join!(
        emulator.wait_for_follower(LIMIT),
        Follower::of(&emulator, "", "")
    );
    assert!(come);
}

#[tokio::test]
async fn no_page_of_a_stranger_can_drive_a_device() {
    let emulator = emulator(Options::default());
    let host = emulator.http_address().to_string();
    let own = format!("http://{host}");
    let fault = br#"{"name":"slow"}"#;
    let post = async |headers: &[(&str, &str)]| -> Got {
        request("POST", &url(&emulator, "/api/faults"), headers, fault).await
    };
    for origin in ["http://evil.example", "null", "http://127.0.0.1:1"] {
        let got = post(&[("Origin", origin)]).await;
        assert_eq!(got.status, 403, "{origin}");
        assert!(
            got.json()["error"].as_str().unwrap().contains(origin),
            "it names what kept it out"
        );
    }
    let sites = post(&[("Sec-Fetch-Site", "cross-site")]).await;
    assert_eq!(sites.status, 403);
    assert!(emulator.faults().is_empty());
    for path in ["/", "/api", "/api/events", "/console/main.js"] {
        let rebound = format!("GET {path} HTTP/1.0\r\nHost: evil.example:{host}\r\n\r\n");
        let mut stream = TcpStream::connect(&host).await.unwrap();
        stream.write_all(rebound.as_bytes()).await.unwrap();
        let status = BufReader::new(stream).lines().next_line().await.unwrap();
        assert!(status.unwrap().contains(" 403 "), "{path}");
    }
    let page = [("Origin", own.as_str()), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(post(&page).await.status, 200);
    assert_eq!(emulator.faults().len(), 1);
}

#[tokio::test]
async fn marks_and_the_kinds_of_faults_are_there_for_the_console() {
    let emulator = emulator(Options::default());
    let mark = async |body: Value| {
        let path = url(&emulator, &format!("{OVEN}/marks"));
        request("POST", &path, &[], body.to_string().as_bytes()).await
    };
    assert_eq!(
        mark(json!({"text": "gap 5 ms", "at": 1234})).await.status,
        200
    );
    let journal = get(&url(&emulator, "/api/journal"), &[]).await.json();
    let entry = &journal["entries"][0];
    assert_eq!(
        (&entry["kind"], &entry["text"], &entry["at"]),
        (&json!("mark"), &json!("gap 5 ms"), &json!(1234))
    );
    for bad in [json!({"text": ""}), json!({"text": "x".repeat(81)})] {
        assert_eq!(mark(bad).await.status, 400);
    }
    let nobody = url(&emulator, "/api/devices/p/nobody/marks");
    assert_eq!(
        request("POST", &nobody, &[], br#"{"text":"x"}"#)
            .await
            .status,
        404
    );
    let kinds = get(&url(&emulator, "/api/faults/kinds"), &[]).await.json();
    let mut kinds = kinds.as_array().unwrap().iter();
    let slow = kinds.find(|kind| kind["name"] == "slow").unwrap();
    assert!(slow["n"].as_str().unwrap().contains("16,384"), "{slow}");
}
