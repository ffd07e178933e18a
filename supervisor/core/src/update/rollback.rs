//! An operator goes back from the trusted version to the one before it, in order.
//!
//! The running worker hands over where the device stands, or is stopped at its deadline, and the version before goes on from there. It
//! acts first and writes after, so that a disk that takes nothing keeps nobody from going back: both versions were trusted once, and
//! after a power cut either of them runs. The version that is left is held back in the same record, or the platform's next query would
//! bring it again. It keeps the other place in the record, should the one before be found damaged; going back once more needs an operator's
//! `release` of it first.

use worker_protocol::v1::Cause;

use super::{Hands, Phase, Told, Update, regret::Regretting};
use crate::{event::Effect, outcome::Outcome, record::Hold};

impl Update {
    /// The version before is to run again: before a commit that is the end of the update, after it the way back from a trusted version.
    pub fn roll_back(&mut self, hands: &mut Hands<'_, '_>) -> Effect {
        if !self.is_idle() {
            return self.cancel(hands);
        }
        let record = &hands.ledger.record;
        let (Some(bad), Some(back)) = (record.active.clone(), record.former.clone()) else {
            return Effect::NoFormer;
        };
        let starts = hands.ledger.starts_of(&back, &[]);
        if hands.ledger.hold_on(&back.version).is_some() || starts >= hands.scene.policy.tries {
            let version = back.version;
            return Effect::FormerQuarantined { version };
        }
        // What it died of is still there, and nothing would take it back a second time.
        if hands.ledger.kept_dying(&back) {
            let version = back.version;
            return Effect::FormerKeptDying { version };
        }
        hands.told.push(Told::Regret(format!(
            "an operator goes back from version {} to version {}",
            bad.version, back.version
        )));
        self.fresh = None;
        hands.ledger.hold(&bad.version, Hold::RolledBack);
        hands
            .crew
            .keep(None, Cause::RollBack, hands.scene.now.ticks);
        hands.crew.quiesce_all_but(None, hands.scene);
        let effect = Effect::RollsBack {
            from: bad.version.clone(),
            to: back.version.clone(),
        };
        let regretting = Regretting::begin(bad, back, Outcome::RolledBack, hands);
        self.save_regret(regretting.leaving(), hands);
        self.leave(hands);
        effect
    }

    /// The version before is started as soon as nobody else may hold the hardware.
    pub(super) fn leave(&mut self, hands: &mut Hands<'_, '_>) {
        let Phase::Regretting(regretting) = &mut self.phase else {
            return;
        };
        if !regretting.is_leaving() || hands.crew.hardware_held_by_other(None) {
            return;
        }
        let back = regretting.arrive();
        let now = hands.scene.now.ticks;
        hands.crew.keep(Some(back), Cause::RollBack, now);
        self.end_regret(hands);
    }
}
