//! Signatures that lie beside what they are about: at the image's address, at each file's of a package, or beside an operator's file.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    thread::{self, JoinHandle},
};

use cloud_emulator::{
    Carrier, Fault, FaultName, Package, Rollout, SigningKey, Source, TaskState, Transport, What,
};
use e2e::{Programs, Stand};
use serde_json::json;

use super::{comment, flipped, plain, signed, target};
use crate::telltale::{Served, Site, telltale};

#[test]
fn a_signature_beside_the_image_is_fetched_first() {
    let stand = Stand::new();
    let mut site = Site::with(&stand, "1.0.0");
    let (image, text) = signed(&stand, "1.0.7");
    let with = |text: &str| plain(&image).carrier(Carrier::Url).minisig(text);
    let fault = |name| stand.cloud.fault(Fault::new(name).times(1));

    fault(FaultName::MinisigMissing);
    let served = site.refuses(
        "missing",
        with(&text),
        -3,
        "the image has no publisher's signature",
    );
    assert_eq!(served, Served::ONE_SIGNATURE);
    fault(FaultName::MinisigGarbled);
    let served = site.refuses("garbled", with(&text), -3, "its words were changed");
    assert_eq!(served, Served::ONE_SIGNATURE);
    fault(FaultName::MinisigLonger);
    let served = site.refuses(
        "longer",
        with(&text),
        -3,
        "the publisher's signature does not hold: it has more than 4096 bytes",
    );
    assert_eq!(served, Served::ONE_SIGNATURE);
    let served = site.refuses(
        "no text",
        with("nothing"),
        -3,
        "line 1 of the signature is not",
    );
    assert_eq!(served, Served::ONE_SIGNATURE);
    // Two further tries are allowed.
    stand
        .cloud
        .fault(Fault::new(FaultName::MinisigErrorThenOk).times(9));
    let served = site.refuses(
        "a broken server",
        with(&text),
        -2,
        "the firmware server answered 503",
    );
    assert_eq!(
        served,
        Served {
            signatures: 3,
            ..Served::NOTHING
        }
    );
    stand.cloud.clear_fault(FaultName::MinisigErrorThenOk);

    // What the offer carries is what counts: a good one elsewhere does not mend it.
    let firmware = stand.upload_as(with(&text));
    let mut offer = stand.cloud.offer(&firmware, Transport::Http);
    offer["extData"] = json!({ "_package_udi": flipped(&text, 4, 300) });
    let served = site.refuses_offer(
        "a bad one in the offer",
        &offer,
        -3,
        "its words were changed",
    );
    assert_eq!(served, Served::NOTHING);

    // It lies behind the query that opens the image, or the emulator would not have given it.
    let served = site.takes("a good one", with(&text));
    assert_eq!(
        served,
        Served {
            signatures: 1,
            ..Served::all_of(&image)
        }
    );
}

#[test]
fn a_signature_that_comes_late_is_waited_for_as_an_image_is() {
    let mut stand = Stand::new();
    stand.set("update.stall_limit_s", 0.3);
    let mut site = Site::with(&stand, "1.0.0");
    let beside = |version: &str| {
        stand
            .package(&telltale(&stand, version))
            .carrier(Carrier::Url)
    };
    stand.cloud.fault(Fault::new(FaultName::MinisigStall));
    let served = site.refuses(
        "a silent server",
        beside("1.0.1"),
        -2,
        "the firmware server sent nothing for 1 s",
    );
    assert_eq!((served.requests, served.signatures), (0, 3));
    stand
        .cloud
        .fault(Fault::new(FaultName::MinisigStall).times(1));
    let served = site.takes("silent once", beside("1.0.2"));
    assert_eq!((served.requests, served.signatures), (1, 2));
    stand
        .cloud
        .fault(Fault::new(FaultName::MinisigErrorThenOk).times(2));
    let served = site.takes("broken twice", beside("1.0.3"));
    assert_eq!((served.requests, served.signatures), (1, 3));
    // The storage's word for an address that is too old: another one is asked for.
    stand
        .cloud
        .fault(Fault::new(FaultName::MinisigErrorThenOk).n(403));
    let served = site.takes("too old an address", beside("1.0.4"));
    assert_eq!((served.requests, served.signatures), (1, 2));
}

/// A web server that sends so many requests on to another one, path and query as they came. Its end tells what was asked for.
fn sends_on(to: SocketAddr, times: usize) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answered = thread::spawn(move || {
        let answer = |_| {
            let (mut stream, _) = listener.accept().unwrap();
            let head: Vec<_> = BufReader::new(&stream)
                .lines()
                .map(Result::unwrap)
                .take_while(|line| !line.is_empty())
                .collect();
            let asked = head[0].split(' ').nth(1).unwrap().to_owned();
            let answer = format!(
                "HTTP/1.1 302 Found\r\nLocation: http://{to}{asked}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).unwrap();
            asked
        };
        (0..times).map(answer).collect()
    });
    (address, answered)
}

#[test]
fn a_signature_is_followed_to_where_its_server_sends_it_with_the_query_it_needs() {
    let stand = Stand::new();
    let site = Site::with(&stand, "1.0.0");
    let image = telltale(&stand, "1.0.7");
    let firmware = stand.upload_as(stand.package(&image).carrier(Carrier::Url));
    let mut offer = stand.cloud.offer(&firmware, Transport::Http);
    let origin = stand.cloud.firmware_address();
    let (address, answered) = sends_on(origin, 2);
    let url = offer["url"].as_str().unwrap().to_owned();
    let asked = url.strip_prefix(&format!("http://{origin}")).unwrap();
    offer["url"] = json!(format!("http://{address}{asked}"));
    assert!(stand.cloud.push_offer(&stand.device, &offer));
    site.supervisor.await_rest("1.0.7");
    let (path, query) = asked.split_once('?').unwrap();
    assert_eq!(
        answered.join().unwrap(),
        [format!("{path}.minisig?{query}"), asked.to_owned()]
    );
}

#[test]
fn a_signature_beside_an_image_behind_tls_comes_over_tls() {
    let stand = Stand::with_tls();
    let site = Site::with(&stand, "1.0.0");
    let beside = |package: Package| {
        let firmware = stand.upload_as(package.carrier(Carrier::Url));
        stand.start(Rollout {
            transport: Transport::Https,
            ..Rollout::new(firmware.id, &stand.device)
        });
    };
    let (image, text) = signed(&stand, "1.0.7");
    let bad = plain(&image).minisig(flipped(&text, 2, 300));
    let served = site.refuses_after("a bad one", -3, "its words were changed", || beside(bad));
    assert_eq!(served, Served::ONE_SIGNATURE);
    beside(plain(&image).minisig(&text));
    stand.await_task(TaskState::Succeeded);
    site.supervisor.await_rest("1.0.7");
    let over_tls = |entry: &cloud_emulator::Entry| match entry.what {
        What::Minisig { tls, .. } | What::Request { tls, .. } => Some(tls),
        _ => None,
    };
    let asked: Vec<_> = stand.cloud.journal().iter().filter_map(over_tls).collect();
    assert_eq!(asked, [true; 3], "two signatures and an image");
}

#[test]
fn a_file_an_operator_brings_needs_its_signature_beside_it() {
    let stand = Stand::new();
    let site = Site::with(&stand, "1.0.0");
    let (image, text) = signed(&stand, "1.0.7");
    let file = Programs::under_test().see(&image.path);
    let beside = image.path.with_extension("minisig");
    let fails = |name: &str, words: &str| {
        let served = site.untouched(name, || {
            let mark = site.supervisor.log.position();
            let ended = stand.cli(&["update", &file, "--version", "1.0.7"]);
            assert_eq!(ended.code, Some(0), "{name}: {ended:?}");
            site.supervisor.log.await_line_after(mark, words);
        });
        assert_eq!(served, Served::NOTHING, "{name}");
    };
    fails("no signature", "the image has no publisher's signature");
    let by_another = plain(&image).signed(&SigningKey::generate(), target());
    for (name, text, words) in [
        ("garbage", "nothing", "line 1 of the signature is not"),
        (
            "a flipped bit",
            &*flipped(&text, 2, 300),
            "its words were changed",
        ),
        (
            "another key",
            stand.upload_as(by_another).minisig().unwrap(),
            "which is not pinned here",
        ),
        (
            "another build's",
            &stand
                .publisher
                .sign(&b"another build"[..], &comment(&image))
                .unwrap(),
            "it is not over this image",
        ),
    ] {
        std::fs::write(&beside, text).unwrap();
        fails(name, words);
    }
    assert_eq!(stand.steps(), [0; 0], "the platform has not asked for it");
}

#[test]
fn one_bad_signature_of_a_package_spares_the_bytes_of_all_its_files() {
    let mut stand = Stand::new();
    let program = if target().contains("windows") {
        "oven.exe"
    } else {
        "oven"
    };
    stand.set_text("update.entry", program);
    let mut site = Site::with(&stand, "1.0.0");
    let image = telltale(&stand, "1.0.7");
    let package = || {
        let files = vec![
            Source::Bytes(program.to_owned(), std::fs::read(&image.path).unwrap()),
            Source::Bytes("recipes.txt".to_owned(), b"bread 220 35\n".to_vec()),
        ];
        Package {
            files,
            ..plain(&image)
        }
        .signed(&stand.publisher, target())
    };
    let firmware = stand.upload_as(package());
    let texts = [0, 1].map(|file| firmware.files[file].minisig.clone().unwrap());
    let [first, second] = texts.each_ref().map(|text| Some(&**text));
    let damaged = flipped(&texts[1], 2, 300);
    for (name, given, words) in [
        (
            "the second has none",
            [first, None],
            "the image has no publisher's signature",
        ),
        (
            "the second's is changed",
            [first, Some(&damaged)],
            "its words were changed",
        ),
        (
            "both have the first one's",
            [first, first],
            "the publisher signed something else: the seal is for file `oven",
        ),
    ] {
        for (file, text) in given.into_iter().enumerate() {
            stand.cloud.set_minisig(firmware.id, file, text);
        }
        let served = site.refuses_after(name, -3, words, || {
            stand.start(Rollout::new(firmware.id, &stand.device));
        });
        assert_eq!(
            served,
            Served {
                signatures: 2,
                ..Served::NOTHING
            },
            "{name}"
        );
    }
    let alone = plain(&image).minisig(second.unwrap());
    let words = "the publisher signed something else: the seal is for files `2`, not `1`";
    let served = site.refuses("one of them alone", alone, -3, words);
    assert_eq!(served, Served::NOTHING);
    site.takes("the whole package", package());
}
