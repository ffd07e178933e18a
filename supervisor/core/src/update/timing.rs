//! When a switch may happen: in a maintenance window, with the device's consent, or when an operator does not want to wait.
//!
//! What waits for a window is a finished slot, and no try of it is spent yet: a device that is switched off every night does not lose its
//! update by that. The wall clock may be wrong, and be set right while it is waited for: it is looked at again every minute. A window
//! that closes while the new worker warms up or the device puts the switch off is a wait for the next one, with the new worker
//! kept warm. The limit on consent counts against the device alone: after it, the switch goes ahead as soon as a window is open.
//!
//! An operator's pause is a window that is shut for everybody, also for what is not to wait, and opens at his word.

use std::time::Duration;

use super::{Hands, Phase, Update, Waiting, Warm};
use crate::{
    event::Effect,
    record::Slot,
    time::{Ticks, Wall},
};

/// How often the clock is looked at while a window is waited for.
const LOOK: Duration = Duration::from_secs(60);

/// Why no switch may happen at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shut {
    /// No maintenance window is open.
    Window {
        /// When to look at the clock again.
        look: Ticks,
        /// When the next one opens, by the wall clock as it stands.
        opens: Wall,
    },
    /// An operator said `pause`.
    Paused,
}

impl Shut {
    /// When to look again.
    pub(super) fn look(self) -> Option<Ticks> {
        match self {
            Self::Window { look, .. } => Some(look),
            Self::Paused => None,
        }
    }
}

impl std::fmt::Display for Shut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Window { opens, .. } => {
                write!(
                    f,
                    "a maintenance window, which opens at {}",
                    opens.rfc3339()
                )
            }
            Self::Paused => f.write_str(RESUME),
        }
    }
}

/// What a paused update waits for.
pub(super) const RESUME: &str = "an operator's `resume`";

/// Why no switch may happen at this moment; `None` if one may.
pub(super) fn shut(hands: &Hands<'_, '_>) -> Option<Shut> {
    if hands.ledger.record.paused {
        return Some(Shut::Paused);
    }
    let (now, wall) = (hands.scene.now.ticks, hands.scene.now.wall);
    let wait = hands.scene.policy.maintenance.opens_in(wall);
    if wait.is_zero() || hands.is_at_once() {
        return None;
    }
    Some(Shut::Window {
        look: now.after(wait.min(LOOK)),
        opens: wall.after(wait),
    })
}

impl Update {
    /// The slot is finished, and no switch may happen.
    pub(super) fn await_window(&mut self, slot: Slot, shut: Shut, hands: &mut Hands<'_, '_>) {
        let known = match (&self.phase, shut) {
            (Phase::Waiting(waiting), Shut::Window { .. }) => waiting.shut != Shut::Paused,
            (Phase::Waiting(waiting), Shut::Paused) => waiting.shut == Shut::Paused,
            _ => false,
        };
        if !known {
            hands.step(format!(
                "version {} is ready; it waits for {shut}",
                slot.version
            ));
        }
        self.phase = Phase::Waiting(Waiting { slot, shut });
    }

    /// Does a finished slot wait until a switch may happen?
    #[must_use]
    pub fn waits_for_window(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// The update under way is not to wait for a window or for the device's consent, from now on to its end. A pause holds it all
    /// the same.
    pub fn hasten(&mut self, hands: &mut Hands<'_, '_>) -> Effect {
        let may_wait = self.phase.is_before_switch();
        let Some(job) = hands.ledger.record.job.as_mut().filter(|_| may_wait) else {
            return Effect::NothingToHasten;
        };
        if !job.at_once {
            job.at_once = true;
            hands.ledger.untidy();
            hands.step("the switch is not to wait for a better time".to_owned());
        }
        match self.phase.clone() {
            Phase::Waiting(waiting) => self.keep_fetched(waiting.slot, hands),
            Phase::Warming(warming)
                if matches!(
                    warming.step,
                    Warm::Asking | Warm::PutOff(..) | Warm::Shut(..)
                ) =>
            {
                self.seek_consent(warming, hands);
            }
            _ => {}
        }
        let paused = hands.ledger.record.paused;
        Effect::Hastened { paused }
    }
}
