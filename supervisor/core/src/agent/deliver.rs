//! The outbox's way out, and what keeps it from delivering: a connection on which nothing is acknowledged, and bounds that were reached.

use super::{Agent, note};
use crate::{
    alink::codec::log_post,
    event::{CloudLoss, Command, Grade},
    status::Dropped,
    time::{Now, Ticks},
};

impl Agent {
    /// Sends what may be sent, if there is a connection.
    pub(super) fn flush(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.session.is_up() {
            self.outbox.settled(self.ledger.is_durable());
            self.outbox.flush(now.ticks, now.wall.0, out);
        }
    }

    /// What was noted since, and what waits of it, goes to the platform too, if an operator wants that.
    pub(super) fn upload_log(&mut self, before: usize, now: Now, out: &mut Vec<Command>) {
        for command in out.get(before..).unwrap_or_default() {
            if let Command::Note(note) = command {
                self.log_upload.hear(note, now);
            }
        }
        if self.session.is_up()
            && !self.stopping
            && let Some(lines) = self.log_upload.take(now)
        {
            out.push(Command::Publish {
                ticket: None,
                topic: self.topics.log_post(),
                payload: log_post(&self.outbox.id(), &lines),
            });
        }
    }

    /// MQTT sends nothing again on the same connection: what stays unacknowledged there for too long is sent over a new one.
    pub(super) fn renew_silent_link(&mut self, now: Now, out: &mut Vec<Command>) {
        if self.silent_at().is_none_or(|at| now.ticks < at) {
            return;
        }
        let limit = self.policy.ack_limit.as_secs_f64();
        let why = format!("the broker has not acknowledged a message for {limit} s");
        out.push(Command::Disconnect);
        self.cloud_down(&CloudLoss::Broken(why), now, out);
    }

    /// When the connection will have been silent for too long.
    pub(super) fn silent_at(&self) -> Option<Ticks> {
        let since = self
            .outbox
            .unheard_since()
            .filter(|_| self.session.is_up())?;
        Some(since.after(self.policy.ack_limit))
    }

    /// The connection is lost.
    pub(super) fn cloud_down(&mut self, loss: &CloudLoss, now: Now, out: &mut Vec<Command>) {
        let word = self.session.down(loss, now.ticks, &mut self.jitter);
        self.outbox.lost();
        self.query_at = None;
        if let Some(update) = &mut self.update {
            update.link_lost();
        }
        note(out, Grade::Warning, None, None, word);
    }

    /// What was dropped at a bound so far.
    pub(super) fn dropped(&self) -> Dropped {
        let dropped = self.outbox.dropped();
        Dropped {
            reports: dropped.reports.saturating_add(self.ledger.record.dropped),
            ..dropped
        }
    }

    /// Says once of each kind that some of it was dropped, and of outcomes each time.
    pub(super) fn tell_dropped(&mut self, now: Now, out: &mut Vec<Command>) {
        let (dropped, told) = (self.dropped(), self.dropped_told);
        if dropped == told {
            return;
        }
        self.dropped_told = dropped;
        for (grew, what) in [
            (
                dropped.reports > told.reports,
                "outcomes of updates or refusals",
            ),
            (dropped.events > 0 && told.events == 0, "events"),
            (
                dropped.properties > 0 && told.properties == 0,
                "values of properties",
            ),
        ] {
            if grew {
                let text = format!(
                    "{what} are dropped, as the platform takes none and no more are kept; `supervisor status` counts them"
                );
                self.chatter
                    .note(now.ticks, Grade::Warning, None, text, out);
            }
        }
    }
}
