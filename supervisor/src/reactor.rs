//! The spine: one loop that feeds events to the brain and carries out the commands it returns, in order.
//!
//! Nothing in this loop waits for anything but the next event, the brain's deadline, or a wish of the system to end. Hands are called
//! and must return at once. Events wait in one bounded queue; a deadline that has come is told before the next event, so that a
//! flood of events cannot put it off, and events are told between two deadlines, so that neither can the other.

#[cfg(test)]
mod tests;

use std::{ops::ControlFlow, time::Duration};

use supervisor_core::{
    agent::Agent,
    event::{Command, Event},
    status::Standing,
    time::{Now, Ticks, sooner},
};
use tokio::{sync::mpsc, time::timeout_at};

use crate::drivers::{clock::Clock, notify::Notify};

/// How long stopping in order may take. After that the process ends, and takes its workers along.
pub(crate) const STOP_LIMIT: Duration = Duration::from_secs(15);

/// What decides.
pub(crate) trait Brain {
    /// Decides what follows from an event.
    fn handle(&mut self, now: Now, event: Event, commands: &mut Vec<Command>);

    /// When it wants to be woken at the latest.
    fn next_deadline(&self) -> Option<Ticks>;

    /// How the device stands.
    fn standing(&self) -> Standing<'_>;
}

impl Brain for Agent {
    fn handle(&mut self, now: Now, event: Event, commands: &mut Vec<Command>) {
        Self::handle(self, now, event, commands);
    }

    fn next_deadline(&self) -> Option<Ticks> {
        Self::next_deadline(self)
    }

    fn standing(&self) -> Standing<'_> {
        Self::standing(self)
    }
}

/// How the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The brain said so: everything is stopped in order.
    InOrder,
    /// Somebody insisted, or the time for stopping was up.
    AtOnce,
}

/// Runs until the brain says `Exit`. Each word from `wishes` is a wish of the system that the process should end: the first is told to the
/// brain, which has `stop_limit` to say `Exit`; the second is obeyed at once. Whoever started the process is told how it stands each time
/// the loop comes round, and that it comes round.
#[expect(
    clippy::too_many_arguments,
    reason = "everything the loop stands between, each named once"
)]
pub(crate) async fn run(
    brain: &mut impl Brain,
    clock: Clock,
    mut events: mpsc::Receiver<Event>,
    mut wishes: mpsc::Receiver<()>,
    notify: &mut Notify,
    stop_limit: Duration,
    mut commands: Vec<Command>,
    mut carry_out: impl FnMut(Command) -> ControlFlow<()>,
) -> Ended {
    let mut stop_by: Option<Ticks> = None;
    let mut ticked = false;
    loop {
        for command in commands.drain(..) {
            if carry_out(command).is_break() {
                return Ended::InOrder;
            }
        }
        let now = clock.now();
        if stop_by.is_some_and(|limit| limit <= now.ticks) {
            return Ended::AtOnce;
        }
        notify.look(now.ticks, || brain.standing());
        let deadline = brain.next_deadline();
        let due = deadline.is_some_and(|deadline| deadline <= now.ticks);
        let event = if due && !ticked {
            Event::Tick
        } else {
            let wake = sooner(sooner(deadline, stop_by), notify.next());
            let wake = wake.unwrap_or(Ticks(u64::MAX));
            tokio::select! {
                biased;
                Some(()) = wishes.recv() => {
                    if stop_by.is_some() {
                        return Ended::AtOnce;
                    }
                    notify.stopping();
                    stop_by = Some(now.ticks.after(stop_limit));
                    Event::Stop
                }
                event = timeout_at(clock.moment(wake).into(), events.recv()) => match event {
                    Ok(Some(event)) => event,
                    // Nobody is left who could report anything.
                    Ok(None) => return Ended::AtOnce,
                    // Whose time has come is seen when the loop comes round.
                    Err(_) => {
                        ticked = false;
                        continue;
                    }
                },
            }
        };
        ticked = event == Event::Tick;
        brain.handle(clock.now(), event, &mut commands);
    }
}
