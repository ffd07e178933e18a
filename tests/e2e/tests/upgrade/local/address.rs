//! The operator's image lies on a web server, with its signature and its digest beside it.

use std::{collections::BTreeMap, fmt::Write as _, fs};

use e2e::{Image, Stand, Web};
use sha2::{Digest as _, Sha256};

use super::{beside, is_refused, sign};

/// A web server with these files by the endings of its one address.
fn site(files: BTreeMap<&'static str, Vec<u8>>) -> Web {
    Web::start(move |head| {
        let path = head.split(' ').nth(1).unwrap_or_default();
        let ending = path.strip_prefix("/firmware.bin").unwrap_or("?");
        match files.get(ending) {
            Some(body) => {
                let length = body.len();
                let mut answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
                )
                .into_bytes();
                if !head.starts_with("head ") {
                    answer.extend(body);
                }
                answer
            }
            None => {
                b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            }
        }
    })
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn files(stand: &Stand, image: &Image) -> BTreeMap<&'static str, Vec<u8>> {
    sign(stand, image);
    let bytes = fs::read(&image.path).unwrap();
    let digest = format!("{}  oven-1.0.7\n", sha256(&bytes)).into_bytes();
    let seal = fs::read(beside(image)).unwrap();
    BTreeMap::from([("", bytes), (".sha256", digest), (".minisig", seal)])
}

#[test]
fn an_image_at_an_address_is_fetched_verified_and_installed_and_the_platform_hears_only_its_version()
 {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let web = site(files(&stand, &stand.good("1.0.7")));
    let ended = stand.cli(&["update", &web.url()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor.await_rest("1.0.7");
    stand.await_device("the new version is informed", |device| {
        device.version() == Some("1.0.7")
    });
    assert_eq!(stand.steps(), [0; 0]);
}

#[test]
fn an_image_at_an_address_that_lacks_something_is_refused_with_what_is_to_be_put_beside_it() {
    let mut stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let all = files(&stand, &stand.good("1.0.7"));
    let digest = sha256(&all[""]);
    let without = |ending: &str| {
        let mut files = all.clone();
        files.remove(ending);
        site(files)
    };
    let web = without(".sha256");
    is_refused(
        &stand.cli(&["update", &web.url()]),
        ".sha256`, or give it with `--sha256`",
    );
    is_refused(
        &stand.cli(&["update", &web.url(), "--sha256", "1234"]),
        "cannot be read",
    );
    let web = without(".minisig");
    is_refused(
        &stand.cli(&["update", &web.url()]),
        "nothing says which version",
    );
    let ended = stand.cli(&[
        "update",
        &web.url(),
        "--version",
        "1.0.7",
        "--sha256",
        &digest,
    ]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor.log.await_line("no publisher's signature");
    supervisor.await_rest("1.0.0");
    let web = site(all.clone());
    let other = sha256(b"another image");
    let ended = stand.cli(&["update", &web.url(), "--sha256", &other]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    supervisor.log.await_line("does not have the promised");
    supervisor.await_rest("1.0.0");
    drop(supervisor);
    stand.set("update.allow_http", false);
    is_refused(&stand.cli(&["update", &web.url()]), "begins with https://");
    is_refused(
        &stand.cli(&["update", "https://127.0.0.1:9/oven"]),
        "cannot be had",
    );
}
