//! When a switch may happen: in a maintenance window, with the device's consent, or when an operator does not want to wait.
//!
//! What waits for a window is a finished slot, and no try of it is spent yet: a device that is switched off every night does not lose its
//! update by that. The wall clock may be wrong, and be set right while it is waited for: it is looked at again every minute. A window
//! that closes while the new worker warms up or the device puts the switch off is a wait for the next one, with the new worker
//! kept warm. The limit on consent counts against the device alone: after it, the switch goes ahead as soon as a window is open.

use std::time::Duration;

use super::{Hands, Phase, Update, Waiting, Warm};
use crate::{
    record::Slot,
    time::{Ticks, Wall},
};

/// How often the clock is looked at while a window is waited for.
const LOOK: Duration = Duration::from_secs(60);

/// If no switch may happen at this moment: when to look again, and when a window opens.
pub(super) fn shut(hands: &Hands<'_, '_>) -> Option<(Ticks, Wall)> {
    let (now, wall) = (hands.scene.now.ticks, hands.scene.now.wall);
    let wait = hands.scene.policy.maintenance.opens_in(wall);
    if wait.is_zero() || hands.is_at_once() {
        return None;
    }
    Some((now.after(wait.min(LOOK)), wall.after(wait)))
}

impl Update {
    /// The slot is finished, and no window is open.
    pub(super) fn await_window(
        &mut self,
        slot: Slot,
        look: Ticks,
        opens: Wall,
        hands: &mut Hands<'_, '_>,
    ) {
        if !self.waits_for_window() {
            hands.step(format!(
                "version {} is ready; it waits for a maintenance window, which opens at {}",
                slot.version,
                opens.rfc3339()
            ));
        }
        self.phase = Phase::Waiting(Waiting { slot, look, opens });
    }

    /// Does a finished slot wait for a maintenance window?
    #[must_use]
    pub fn waits_for_window(&self) -> bool {
        matches!(self.phase, Phase::Waiting(_))
    }

    /// The update under way is not to wait for a window or for the device's consent, from now on to its end. Answers whether there
    /// is one that still could.
    pub fn hasten(&mut self, hands: &mut Hands<'_, '_>) -> bool {
        let may_wait = matches!(
            self.phase,
            Phase::Opening(_)
                | Phase::Fetching(_)
                | Phase::Waiting(_)
                | Phase::Keeping(..)
                | Phase::Warming(_)
        );
        let Some(job) = hands.ledger.record.job.as_mut().filter(|_| may_wait) else {
            return false;
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
                self.mark(warming, hands);
            }
            _ => {}
        }
        true
    }
}
