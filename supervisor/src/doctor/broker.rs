//! The way to the broker and to the firmware host, each step a check of its own.
//!
//! A broker is asked on one connection: name, port, TLS, login, ping, goodbye. The packets are those of the MQTT library the supervisor uses, and
//! who is trusted comes from the same place.

use std::{
    io::{self, Read, Write},
    time::SystemTime,
};

use bytes::BytesMut;
use rumqttc::{Connect, ConnectReturnCode, Disconnect, Packet, PingReq};
use supervisor_core::{
    event::CloudLoss,
    record::{Record, Source},
};

use super::{
    Check, LIMIT, Running,
    line::{self, Line},
};
use crate::{
    advice::Mistake,
    config::{Cloud, Config},
    drivers::{
        chain,
        cloud::loss,
        store::{disk::Real, layout::Layout, pair::Pair},
    },
};

/// No answer to a login or a ping is longer, in bytes; what a broker sends beside them is beyond it and ends the check.
const LONGEST_ANSWER: usize = 256 * 1024;

/// No head of an answer of a web server is looked at beyond this, in bytes.
const LONGEST_HEAD: u64 = 16 * 1024;

/// What to do when a way is closed for a reason that is none of the usual ones.
const LOOK: &str = "check the address, and whether something in between closes the connection";

/// What the way to the broker showed.
pub(super) struct Seen {
    pub(super) checks: Vec<Check>,
    /// What a certificate said of the clock.
    pub(super) clock: Option<Mistake>,
}

/// Goes the way to the broker as far as it leads.
pub(super) fn look(cloud: &Cloud, running: &Running) -> Seen {
    let mut seen = Seen {
        checks: Vec::new(),
        clock: None,
    };
    let line = way(cloud, &mut seen);
    let (login, ping) = ("login", "ping");
    let [logged_in, pinged] = match (running, line) {
        (Running::Answers(status), _) if status.cloud_up => [
            Check::ok(login, "the running supervisor is logged in"),
            Check::not_tried(ping, "the running supervisor pings by itself"),
        ],
        (Running::Answers(status), _) => {
            let why = status
                .cloud_word
                .as_deref()
                .unwrap_or("it is not connected yet");
            let (says, next) = why.split_once("; ").unwrap_or((why, LOOK));
            [
                Check::failed(login, format!("the running supervisor says: {says}"), next),
                Check::not_tried(ping, "the running supervisor is not logged in"),
            ]
        }
        (Running::Silent, _) => {
            let why = "a supervisor may be running, and a second login would throw it out";
            [Check::not_tried(login, why), Check::not_tried(ping, why)]
        }
        (Running::Nobody, None) => {
            let why = "the broker was not reached";
            [Check::not_tried(login, why), Check::not_tried(ping, why)]
        }
        (Running::Nobody, Some(line)) => introduce(cloud, line),
    };
    seen.checks.extend([logged_in, pinged]);
    seen
}

/// Name, port, TLS; the connection, if there is one in the end.
fn way(cloud: &Cloud, seen: &mut Seen) -> Option<Line> {
    let (name, port, tls) = ("name", "port", "tls");
    let (host, number) = (&cloud.host, cloud.port);
    let not_reached = |check| Check::not_tried(check, "the broker was not reached");
    let addresses = match line::resolve(host, number) {
        Ok(found) => found,
        Err(why) => {
            seen.checks
                .push(fault(name, host, &why, Some(Mistake::NoSuchHost)));
            seen.checks.extend([not_reached(port), not_reached(tls)]);
            return None;
        }
    };
    let shown: Vec<_> = addresses.iter().map(|it| it.ip().to_string()).collect();
    seen.checks.push(Check::ok(
        name,
        match *shown == [host.clone()] {
            true => format!("`{host}` is an address"),
            false => format!("`{host}` is {}", shown.join(", ")),
        },
    ));
    let (line, address) = match line::open(&addresses) {
        Ok(found) => found,
        Err(why) => {
            let place = format!("{host}:{number}");
            seen.checks.push(fault(port, &place, &why, None));
            seen.checks.push(not_reached(tls));
            return None;
        }
    };
    seen.checks
        .push(Check::ok(port, format!("{address} accepts connections")));
    let Some(trust) = &cloud.trust else {
        seen.checks
            .push(Check::not_tried(tls, "`cloud.tls` is \"off\""));
        return Some(Line::Plain(line));
    };
    match line::secure(trust, host, line) {
        Ok((line, version)) => {
            seen.checks.push(Check::ok(
                tls,
                format!("{version}, and `{host}` is vouched for"),
            ));
            Some(line)
        }
        Err(why) => {
            seen.clock = Mistake::of(&why);
            // Whoever does not know what it is told hangs up.
            let hung_up = is_end(&why).then_some(Mistake::NotTls);
            seen.checks.push(fault(tls, host, &why, hung_up));
            None
        }
    }
}

/// Logs in, pings, and takes its leave.
fn introduce(cloud: &Cloud, mut line: Line) -> [Check; 2] {
    let (login, ping) = ("login", "ping");
    let not_tried = Check::not_tried(ping, "the broker has not let this device in");
    let mut connect = Connect::new(&cloud.login.client_id);
    connect.keep_alive = u16::try_from(cloud.keepalive.as_secs()).unwrap_or(u16::MAX);
    connect.set_login(&cloud.login.username, &cloud.login.password);
    let mut came = BytesMut::new();
    let answer = say(&mut line, &Packet::Connect(connect))
        .and_then(|()| heard(&mut line, &mut came, |it| matches!(it, Packet::ConnAck(_))));
    let code = match answer {
        Ok(Packet::ConnAck(answer)) => answer.code,
        Ok(_) => ConnectReturnCode::Success,
        Err(why) => {
            // Silence is no answer; anything else is none in MQTT.
            let is_plain = matches!(line, Line::Plain(_)) && !is_silence(&why);
            let mistake = is_plain.then_some(Mistake::OnlyTls);
            return [fault(login, &cloud.host, &why, mistake), not_tried];
        }
    };
    if code != ConnectReturnCode::Success {
        let words = CloudLoss::Refused(loss::number(code)).words();
        let (says, next) = words.split_once("; ").unwrap_or((&words, LOOK));
        return [Check::failed(login, says, next), not_tried];
    }
    let logged_in = Check::ok(login, "the broker lets this device in");
    let begun = std::time::Instant::now();
    let answer = say(&mut line, &Packet::PingReq)
        .and_then(|()| heard(&mut line, &mut came, |it| matches!(it, Packet::PingResp)));
    let pinged = match answer {
        Ok(_) => Check::ok(
            ping,
            format!("answered in {} ms", begun.elapsed().as_millis()),
        ),
        Err(why) => fault(ping, &cloud.host, &why, None),
    };
    // It notices without that as well, after a while.
    let _ = say(&mut line, &Packet::Disconnect);
    [logged_in, pinged]
}

fn say(line: &mut Line, packet: &Packet) -> io::Result<()> {
    let mut bytes = BytesMut::new();
    let written = match packet {
        Packet::Connect(connect) => connect.write(&mut bytes),
        Packet::Disconnect => Disconnect.write(&mut bytes),
        _ => PingReq.write(&mut bytes),
    };
    written.map_err(io::Error::other)?;
    line.write_all(&bytes)?;
    line.flush()
}

/// Reads packets until one is what is wanted.
fn heard(
    line: &mut Line,
    came: &mut BytesMut,
    is_wanted: impl Fn(&Packet) -> bool,
) -> io::Result<Packet> {
    let mut piece = [0; 1024];
    loop {
        match Packet::read(came, LONGEST_ANSWER) {
            Ok(packet) if is_wanted(&packet) => return Ok(packet),
            Ok(_) => continue,
            Err(rumqttc::mqttbytes::Error::InsufficientBytes(_)) => {}
            Err(why) => return Err(io::Error::other(why)),
        }
        let count = line.read(&mut piece)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if came.len() > LONGEST_ANSWER {
            return Err(io::Error::other("it sends more than it is asked for"));
        }
        came.extend_from_slice(&piece[..count]);
    }
}

/// The host of the update under way, and the time it gives.
pub(super) fn firmware(config: &Config, layout: &Layout) -> (Check, Option<SystemTime>) {
    let name = "firmware";
    let record = Pair::<Record>::open(&Real, layout.records(), &mut Vec::new());
    let job = record.ok().and_then(|(_, record)| record?.job);
    let sources = job.iter().flat_map(|job| &job.wanted.files);
    let address = sources.map(|file| &file.source).find_map(|it| match it {
        Source::Url(address) => reqwest::Url::parse(address).ok(),
        _ => None,
    });
    let Some(address) = address else {
        let why = "its host is not known yet: it comes with an update";
        return (Check::not_tried(name, why), None);
    };
    let host = address.host_str().unwrap_or_default().to_owned();
    let port = address.port_or_known_default().unwrap_or(443);
    let asked = line::resolve(&host, port)
        .and_then(|addresses| line::open(&addresses))
        .and_then(|(line, _)| match address.scheme() {
            "https" => Ok(line::secure(&config.fetch.trust, &host, line)?.0),
            _ => Ok(Line::Plain(line)),
        })
        .and_then(|line| head(line, &host));
    match asked {
        Ok(date) => (Check::ok(name, format!("{host}:{port} answers")), date),
        Err(why) => (fault(name, &format!("{host}:{port}"), &why, None), None),
    }
}

/// Asks a web server for nothing but its head, and reads the time in it.
fn head(mut line: Line, host: &str) -> io::Result<Option<SystemTime>> {
    let words = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    line.write_all(words.as_bytes())?;
    line.flush()?;
    let mut answer = Vec::new();
    // What came before it hung up, with or without a word, counts.
    match line.take(LONGEST_HEAD).read_to_end(&mut answer) {
        Err(why) if answer.is_empty() => return Err(why),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer);
    let mut lines = answer.lines().filter_map(|line| line.split_once(':'));
    let date = lines.find(|(name, _)| name.eq_ignore_ascii_case("date"));
    Ok(date.and_then(|(_, date)| read_date(date.trim())))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, the one form that is sent (RFC 9110, 5.6.7).
fn read_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|it| *it == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

/// The same wait that is over has two names.
fn is_silence(why: &io::Error) -> bool {
    let kind = why.kind();
    matches!(kind, io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn is_end(why: &io::Error) -> bool {
    matches!(
        why.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

/// A step that failed, with the mistake it shows, or is taken to show.
fn fault(check: &'static str, what: &str, why: &io::Error, or: Option<Mistake>) -> Check {
    let words = match why {
        why if is_end(why) => "it hung up".to_owned(),
        why if is_silence(why) => format!("no answer within {} s", LIMIT.as_secs()),
        why => chain(why),
    };
    match Mistake::of(why).or(or) {
        Some(mistake) => {
            let says = format!("`{what}`: {words}: {}", mistake.cause());
            Check::failed(check, says, mistake.cure())
        }
        None => Check::failed(check, format!("`{what}`: {words}"), LOOK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_web_server_is_read() {
        let date = read_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let seconds = date.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(seconds.as_secs(), 784_111_777);
        for text in ["", "yesterday", "Sun, 06 Now 1994 08:49:37 GMT", "Sun, 06"] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }
}
