//! The one connection to the platform: when to try, how long to wait, and what to say about its loss.
//!
//! The platform keeps one connection per device identity: a second one with the same identity closes the first without a word
//! (MQTT 3.1.1 has none for it). A client that reconnects at once then closes the other, and so on for ever. So an accepted
//! connection that the broker closes soon counts as a failure, its wait grows like any other, and the second one in a row is
//! called by its likely name.

use std::time::Duration;

use crate::{
    event::{CloudLoss, Command},
    policy::Policy,
    time::{Backoff, Jitter, Ticks},
};

/// A connection that held this long was a good one.
const HELD_LONG: Duration = Duration::from_secs(60);

/// The shortest wait after a connection that the broker closed soon.
const KICKED_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting(Ticks),
    Connecting,
    Up(Ticks),
    Ended,
}

/// The one connection to the platform.
#[derive(Debug, Clone)]
pub struct Session {
    state: State,
    backoff: Backoff,
    closed_soon: u32,
    connections: u64,
    word: Option<String>,
}

impl Session {
    /// Not connected; the first try is due at once.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        let (base, cap) = policy.reconnect_backoff;
        Self {
            state: State::Waiting(Ticks(0)),
            backoff: Backoff::new(base, cap),
            closed_soon: 0,
            connections: 0,
            word: None,
        }
    }

    /// Tries to connect if that is due.
    pub fn tick(&mut self, now: Ticks, out: &mut Vec<Command>) {
        if let State::Waiting(at) = self.state
            && now >= at
        {
            self.state = State::Connecting;
            out.push(Command::Connect);
        }
    }

    /// The broker accepted the login.
    pub fn up(&mut self, now: Ticks) {
        self.state = State::Up(now);
        self.connections += 1;
        if self.closed_soon == 0 {
            self.word = None;
        }
    }

    /// The connection is lost, or was never had. Answers what to say about it.
    pub fn down(&mut self, loss: &CloudLoss, now: Ticks, jitter: &mut Jitter) -> String {
        if self.state == State::Ended {
            return "the cloud link is closed".to_owned();
        }
        let held = match self.state {
            State::Up(since) => Some(now.since(since)),
            _ => None,
        };
        if held.is_some_and(|held| held >= HELD_LONG) {
            self.backoff.reset();
            self.closed_soon = 0;
        }
        let soon = *loss == CloudLoss::Closed && held.is_some_and(|held| held < HELD_LONG);
        let mut wait = self.backoff.next(jitter);
        if soon {
            self.closed_soon += 1;
            wait = wait.max(KICKED_WAIT);
        }
        self.state = State::Waiting(now.after(wait));
        let word = self.tell(loss);
        self.word = Some(word.clone());
        format!(
            "{word}; the next try follows in {:.1} s",
            wait.as_secs_f64()
        )
    }

    fn tell(&self, loss: &CloudLoss) -> String {
        match loss {
            CloudLoss::Closed if self.closed_soon >= 2 => {
                "the broker keeps closing accepted connections: most likely another session uses the same device identity; \
                 end it, or give each device a name of its own"
                    .to_owned()
            }
            loss => loss.words(),
        }
    }

    /// No more tries.
    pub fn end(&mut self, out: &mut Vec<Command>) {
        if matches!(self.state, State::Up(_)) {
            out.push(Command::Disconnect);
        }
        self.state = State::Ended;
    }

    /// Is the link up?
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    /// How often it came up.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Why it is down, or what is odd about it.
    #[must_use]
    pub fn word(&self) -> Option<&str> {
        self.word.as_deref()
    }

    /// When the next try is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Ticks> {
        match self.state {
            State::Waiting(at) => Some(at),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lose(
        session: &mut Session,
        loss: &CloudLoss,
        now: &mut Ticks,
        held: u64,
    ) -> (String, Duration) {
        let mut jitter = Jitter::new(now.0);
        let mut out = Vec::new();
        session.tick(*now, &mut out);
        assert_eq!(out, [Command::Connect]);
        session.up(*now);
        *now = Ticks(now.0 + held);
        let word = session.down(loss, *now, &mut jitter);
        let next = session.next_deadline().unwrap();
        let wait = next.since(*now);
        *now = next;
        (word, wait)
    }

    #[test]
    fn a_session_kicked_again_and_again_backs_off_and_says_so() {
        let mut session = Session::new(&Policy::default());
        let mut now = Ticks(0);
        let mut words = Vec::new();
        for _ in 0..10 {
            let (word, wait) = lose(&mut session, &CloudLoss::Closed, &mut now, 100);
            assert!(wait >= KICKED_WAIT, "{wait:?} is no back-off");
            words.push(word);
        }
        assert!(words[1].contains("another session uses the same device identity"));
        assert!(session.word().unwrap().contains("same device identity"));
    }

    #[test]
    fn a_connection_that_held_long_is_tried_again_soon() {
        let mut session = Session::new(&Policy::default());
        let mut now = Ticks(0);
        for _ in 0..10 {
            let (_, wait) = lose(&mut session, &CloudLoss::Closed, &mut now, 61_000);
            assert!(wait <= Duration::from_secs(1));
        }
    }

    #[test]
    fn every_refusal_of_the_broker_is_told_in_plain_words_and_backed_off() {
        let mut session = Session::new(&Policy::default());
        let mut now = Ticks(0);
        let mut jitter = Jitter::new(3);
        let mut longest = Duration::ZERO;
        for (code, word) in [
            (1, "3.1.1"),
            (2, "client id"),
            (3, "keepalive"),
            (4, "secret"),
            (5, "region"),
            (9, "code 9"),
        ] {
            session.tick(now, &mut Vec::new());
            let told = session.down(&CloudLoss::Refused(code), now, &mut jitter);
            assert!(told.contains(word), "{told}");
            let next = session.next_deadline().unwrap();
            longest = longest.max(next.since(now));
            now = next;
        }
        assert!(longest > Duration::from_secs(2), "{longest:?}");
    }

    #[test]
    fn nothing_is_tried_after_the_end() {
        let mut session = Session::new(&Policy::default());
        let mut out = Vec::new();
        session.end(&mut out);
        session.tick(Ticks(1_000_000), &mut out);
        assert_eq!(out, []);
        assert_eq!(session.next_deadline(), None);
    }
}
