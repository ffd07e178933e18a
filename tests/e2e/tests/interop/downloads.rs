//! Broken downloads from nginx: its own ranges, its own slowness, its own restarts, and its own account of what it has sent.

use e2e::{Image, Stand, Supervisor, Tally, until};

use crate::{
    nginx::{Served, served},
    relay::Relay,
    servers::Server,
};

/// What the supervisor holds in memory of an image at most, in bytes.
const BLOCK: u64 = 64 * 1024;

/// A folder of nginx with an image in it.
fn folder_with(image: &Image) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&image.path, folder.path().join("firmware.bin")).unwrap();
    folder
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/firmware.bin")
}

#[track_caller]
fn await_part(stand: &Stand, least: u64) {
    until(&format!("{least} bytes are on the disk"), || {
        let part = stand.part();
        (part >= least)
            .then_some(())
            .ok_or_else(|| part.to_string())
    });
}

/// Nginx has answered a request for the rest from there on, with all of it.
fn rest(image: &Image, from: u64) -> Served {
    Served {
        status: 206,
        body: image.size() - from,
        from,
    }
}

#[test]
fn a_download_that_the_network_cuts_goes_on_with_the_ranges_of_nginx() {
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let folder = folder_with(&image);
    let web = Server::nginx(folder.path());
    let (first, second) = (205_588, 1_000_000);
    let relay = Relay::to(web.port, vec![first, second]);
    stand.push_at(&image, &url(relay.port));
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image));
    let served = served(folder.path(), 3);
    let froms: Vec<u64> = served.iter().map(|it| it.from).collect();
    // What the relay let through is all there, and nothing of it was asked for again.
    assert_eq!(froms, [0, first, first + second]);
    assert_eq!(served[2], rest(&image, first + second));
    let told = Tally::told_in(&supervisor.log);
    assert_eq!((told.there, told.twice), (first + second, 0), "{told:?}");
}

#[test]
fn nginx_restarted_in_mid_download_sends_the_rest_only() {
    let mut stand = Stand::new();
    // The server is away for longer than a stand's supervisor would try.
    stand.set("update.fetch_retries", 50);
    stand.set("update.fetch_wait_s", 0.1);
    stand.set("update.fetch_longest_wait_s", 0.2);
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let folder = folder_with(&image);
    let rate = image.size() / 4;
    let web = Server::slow_nginx(folder.path(), rate);
    let port = web.port;
    stand.push_at(&image, &url(port));
    await_part(&stand, image.size() / 3);
    drop(web);
    supervisor.log.await_line("cannot be reached");
    let there = stand.part();
    let web = Server::again(&mut Server::nginx_at(folder.path(), port, rate), port);
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image));
    // The one that was killed could not account for its answer; the next one was asked for the rest only.
    let served = served(folder.path(), 1);
    assert_eq!(served, [rest(&image, there)]);
    assert!((image.size() / 3..image.size()).contains(&there), "{there}");
    let told = Tally::told_in(&supervisor.log);
    assert_eq!((told.there, told.twice), (there, 0), "{told:?}");
    drop(web);
}

/// Kills the supervisor when so much is on the disk, and tells how much that was in the end.
#[track_caller]
fn killed_at(stand: &Stand, supervisor: &mut Supervisor<'_>, least: u64) -> u64 {
    await_part(stand, least);
    supervisor.kill();
    stand.part()
}

#[test]
fn what_nginx_sends_to_a_supervisor_that_is_killed_is_not_sent_again_but_for_little() {
    let stand = Stand::new();
    let mut supervisor = stand.run_with(&stand.good("1.0.0"));
    let image = stand.good("1.0.7");
    let folder = folder_with(&image);
    let rate = image.size() / 4;
    let web = Server::slow_nginx(folder.path(), rate);
    stand.push_at(&image, &url(web.port));
    let mut parts = vec![0];
    for quarter in 1..=3 {
        parts.push(killed_at(
            &stand,
            &mut supervisor,
            image.size() / 4 * quarter,
        ));
        // Nginx notices when it wants to send more.
        served(folder.path(), parts.len() - 1);
        supervisor = stand.run();
    }
    supervisor.await_rest("1.0.7");
    assert!(stand.keeps(&image));
    let served = served(folder.path(), parts.len());
    let froms: Vec<u64> = served.iter().map(|it| it.from).collect();
    assert_eq!(froms, parts, "each life asks for what is not on the disk");
    let sent: u64 = served.iter().map(|it| it.body).sum();
    let waste = sent - image.size();
    let size = image.size();
    println!("nginx sent {sent} bytes for {size}: 3 kills cost {waste}");
    // Nginx hands out what a second brings at a time, so that as much of it may lie in the kernel's buffers.
    assert!(waste <= 3 * (BLOCK + rate), "{served:?}");
    let told = Tally::told_in(&supervisor.log);
    assert_eq!(told.there, parts[3]);
    assert!(told.twice <= waste, "{told:?}");
}
