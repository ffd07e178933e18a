//! What comes from outside of the story: pages of strangers, a platform that goes away and comes back, one with no place left.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use cloud_emulator::{Emulator, Options};

use super::browser::{LIMIT, STRANGER};
use super::failed;
use super::page::Page;
use super::pictures::{self, Pictures};
use crate::stage::Stage;
use crate::step::{Failure, Held, Outcome};

/// How many may follow the events of one emulator.
const PLACES: usize = 16;

/// The device's connection is cut on the page, which shows for how long it was gone; the oven heats on meanwhile.
pub(super) fn cut(page: &Page, stage: &Stage) -> Outcome {
    let connects = || {
        let state = stage.emulator().device_state(stage.device());
        state.map_or(0, |state| state.counters.connects)
    };
    let before = connects();
    page.press("#drop").map_err(failed)?;
    page.reply("#fault-reply", "done").map_err(failed)?;
    page.until(
        "the time off line on the axis",
        "document.querySelector('.offline')",
    )
    .map_err(failed)?;
    page.until(
        "the device on line again",
        "document.querySelector('.device').dataset.online === 'true'",
    )
    .map_err(failed)?;
    let note = format!("connection {before} cut, {} made", connects());
    Ok(Held::with(note))
}

/// Neither a stranger's page nor a stranger's name for this machine gets at the device.
pub(super) fn strangers(page: &Page, stage: &Stage) -> Outcome {
    let address = stage.emulator().http_address();
    let before = stage.emulator().faults();
    let post = format!(
        "(window.done = false, fetch('http://{address}/api/faults', {{method: 'POST', mode: 'no-cors', body: '{{\"name\":\"url-expired\"}}'}})\
         .catch(() => null).finally(() => window.done = true), true)"
    );
    // Another port is another origin, and on this machine none that the browser itself keeps away from ours.
    let stranger = format!("http://{}/", stage.emulator().firmware_address());
    page.elsewhere(&stranger).map_err(failed)?;
    page.ask(&post).map_err(failed)?;
    page.until("the end of the request", "window.done")
        .map_err(failed)?;
    if stage.emulator().faults().len() != before.len() {
        let output = "a page of a stranger has switched a fault on";
        return Err(Failure::new(output, super::NEXT));
    }
    let name = format!("http://{STRANGER}:{}/", address.port());
    page.elsewhere(&name).map_err(failed)?;
    let words = page
        .until(
            "a refusal",
            "document.body.innerText.includes('is not an IP address') && document.body.innerText",
        )
        .map_err(failed)?;
    page.home().map_err(failed)?;
    Ok(Held::with(words.as_str().unwrap_or_default().to_owned()))
}

/// A platform that goes away and comes back under its address, with none and then with one device whose names are as long as may be.
pub(super) fn lost(page: &Page, pictures: &Pictures) -> Outcome {
    let start = |port: u16| {
        Emulator::start(Options {
            api_port: port,
            ..Options::default()
        })
        .map_err(failed)
    };
    let first = start(0)?;
    let address = first.http_address();
    page.visit(&format!("http://{address}/")).map_err(failed)?;
    page.until(
        "the words for no device",
        "!document.getElementById('no-devices').hidden",
    )
    .map_err(failed)?;
    pictures.now(page, "empty").map_err(failed)?;
    drop(first);
    page.until(
        "the page saying that it is disconnected",
        "document.body.dataset.link === 'lost' && !document.getElementById('lost').hidden",
    )
    .map_err(failed)?;
    pictures.now(page, "disconnected").map_err(failed)?;
    let second = start(address.port())?;
    let long = cloud_emulator::DeviceId::new("a1LongestKey", "kitchen-of-the-3rd-floor-oven-01");
    second.add_device(&long, "0123456789abcdef0123456789abcdef");
    page.until("the page live again, with the new device", "document.body.dataset.link === 'live' && document.querySelectorAll('.device').length === 1")
        .map_err(failed)?;
    // What others say is text, however much it looks like markup, and has room, however long it is.
    let markup = "<img src=x onerror=document.title='caught'> in a mark of eighty characters or so";
    second.mark(&long, None, markup);
    let shown = format!(
        "[...document.querySelectorAll('.entry .words')].some(words => words.textContent === {markup:?}) && !document.querySelector('.entry img')"
    );
    page.until("markup as text", &shown).map_err(failed)?;
    pictures.sized(page, pictures::NARROW).map_err(failed)?;
    pictures.now(page, "long").map_err(failed)?;
    pictures.sized(page, pictures::WIDE).map_err(failed)?;

    page.elsewhere("about:blank").map_err(failed)?;
    let followers = full(&second)?;
    page.elsewhere(&format!("http://{address}/"))
        .map_err(failed)?;
    let words = page.until(
        "the emulator's own words when it has no place for another page",
        "(words => words.includes('16 followers') && words)(document.getElementById('lost').textContent)",
    );
    words.map_err(failed)?;
    drop(followers);
    page.until(
        "the page live when there is a place again",
        "document.body.dataset.link === 'live'",
    )
    .map_err(failed)?;
    page.home().map_err(failed)?;
    Ok(Held::with("the page says so, and comes back by itself"))
}

/// Takes every place that there is for those who follow the events.
fn full(emulator: &Emulator) -> Result<Vec<TcpStream>, Failure> {
    let begun = Instant::now();
    let mut followers = Vec::new();
    while followers.len() < PLACES {
        let status = follow(emulator).map_err(failed)?;
        followers.extend(status);
        // The page's own place becomes free a moment after it was left.
        if begun.elapsed() > LIMIT {
            let output = format!("only {} of {PLACES} places are to be had", followers.len());
            return Err(Failure::new(output, super::NEXT));
        }
    }
    Ok(followers)
}

/// One who follows the events; none if there is no place.
fn follow(emulator: &Emulator) -> std::io::Result<Option<TcpStream>> {
    let mut follower = TcpStream::connect(emulator.http_address())?;
    follower.write_all(b"GET /api/events HTTP/1.0\r\n\r\n")?;
    let mut status = [0; 12];
    follower.read_exact(&mut status)?;
    Ok(status.ends_with(b"200").then_some(follower))
}
