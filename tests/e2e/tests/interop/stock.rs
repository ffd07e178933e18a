//! A publisher who has nothing of ours: keys and signatures by the stock `minisign`, images and signatures on nginx.

use std::{fs, path::Path, process::Command};

use cloud_emulator::{Package, Transport};
use e2e::{Image, Programs, Stand};

use crate::{nginx::served, servers::Server};

/// Where nginx has the image.
const FILE: &str = "firmware.bin";

/// Runs the stock tool in this folder.
#[track_caller]
fn minisign(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(super::needed("HOTPLATE_INTEROP_MINISIGN"));
    let done = command.current_dir(folder).args(arguments).output();
    let done = done.unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {said}");
}

/// New keys without a password; the line for the device's configuration.
fn keys(folder: &Path) -> String {
    minisign(folder, &["-G", "-W", "-p", "stock.pub", "-s", "stock.key"]);
    let public = fs::read_to_string(folder.join("stock.pub")).unwrap();
    let line = public.lines().nth(1).unwrap();
    format!("[{line:?}]")
}

/// Signs the image on nginx, with these further arguments.
fn sign(folder: &Path, more: &[&str]) {
    let arguments = ["-S", "-W", "-s", "stock.key", "-m", FILE];
    minisign(folder, &[&arguments, more].concat());
}

/// What the stock tool is told to say about an image, as `cargo xtask sign image --help` explains it.
fn claims(image: &Image, version: &str) -> String {
    let (target, size) = (Programs::under_test().target(), image.size());
    format!("version:{version} target:{target} module:default size:{size}")
}

#[test]
fn an_image_signed_with_the_stock_tool_is_taken_from_nginx_and_one_signed_otherwise_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut stand = Stand::new();
    stand.set("update.keys", keys(folder));
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let image = stand.good("1.0.7");
    fs::copy(&image.path, folder.join(FILE)).unwrap();
    let web = Server::nginx(folder);
    let firmware = stand.upload_as(Package::from_path("1.0.7", &image.path));
    let mut offer = stand.cloud.offer(&firmware, Transport::Http);
    offer["url"] = format!("http://127.0.0.1:{}/{FILE}?a=b", web.port).into();

    let good = claims(&image, "1.0.7");
    let refused: [(&str, Option<&[&str]>, &str); 5] = [
        ("not at all", None, "the image has no publisher's signature"),
        (
            "as it does by itself",
            Some(&[]),
            "the trusted comment claims no `version`",
        ),
        (
            "in its older form",
            Some(&["-l", "-t", &good]),
            "the signature is of the legacy form `Ed`",
        ),
        (
            "for another version",
            Some(&["-t", &claims(&image, "1.0.6")]),
            "the seal is for version `1.0.6`, not `1.0.7`",
        ),
        (
            "with a word too many",
            Some(&["-t", &format!("{good} version:1.0.7")]),
            "the trusted comment claims `version` more than once",
        ),
    ];
    for (count, (name, more, words)) in refused.into_iter().enumerate() {
        if let Some(more) = more {
            sign(folder, more);
        }
        assert!(stand.cloud.push_offer(&stand.device, &offer), "{name}");
        let device = stand.await_device(name, |device| {
            let failed = |it: &&cloud_emulator::Progress| it.step.starts_with('-');
            device.progress.iter().filter(failed).count() > count
        });
        let report = device.progress.last().unwrap();
        assert_eq!(report.step, "-3", "{name}: {report:?}");
        assert!(report.description.contains(words), "{name}: {report:?}");
        let status = supervisor.await_rest("1.0.0");
        assert_eq!(status["workers"][0]["pid"], worker, "{name}");
    }
    // Nginx was asked for signatures only: none of them is as long as the image.
    let before = served(folder, refused.len());
    assert!(before.iter().all(|it| it.body < 4096), "{before:?}");

    sign(folder, &["-t", &good]);
    assert!(stand.cloud.push_offer(&stand.device, &offer));
    supervisor.await_rest("1.0.7");
    let answers = served(folder, before.len() + 2);
    let text = fs::read(folder.join(format!("{FILE}.minisig"))).unwrap();
    let bodies: Vec<u64> = answers[before.len()..].iter().map(|it| it.body).collect();
    assert_eq!(bodies, [text.len() as u64, image.size()]);
}

#[test]
fn what_the_stock_tool_signed_is_no_signature_of_an_image_that_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut stand = Stand::new();
    stand.set("update.keys", keys(folder));
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let worker = supervisor.worker();
    let image = stand.good("1.0.7");
    fs::copy(&image.path, folder.join(FILE)).unwrap();
    sign(folder, &["-t", &claims(&image, "1.0.7")]);
    // Whoever has changed it also makes the offer, so that its digest is right.
    let mut bytes = fs::read(&image.path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let changed = stand.image("1.0.7", &bytes);
    fs::copy(&changed.path, folder.join(FILE)).unwrap();
    let web = Server::nginx(folder);
    let firmware = stand.upload_as(Package::from_path("1.0.7", &changed.path));
    let mut offer = stand.cloud.offer(&firmware, Transport::Http);
    offer["url"] = format!("http://127.0.0.1:{}/{FILE}", web.port).into();
    assert!(stand.cloud.push_offer(&stand.device, &offer));
    let device = stand.await_device("it is refused", |device| {
        device.progress.iter().any(|report| report.step == "-3")
    });
    let told = &device.progress.last().unwrap().description;
    let words = "the publisher's signature does not hold: it is not over this image";
    assert_eq!(told, words);
    let status = supervisor.await_rest("1.0.0");
    assert_eq!(status["workers"][0]["pid"], worker);
}
