//! The new worker beside the old one: warm-up, consent, and the mark on the disk before the switch.

use std::time::Duration;

use worker_protocol::v1::{Consent, Health};

use super::{Hands, Phase, Update, Warm, Warming, timing::shut, trial::stillborn};
use crate::{
    event::Tenure,
    outcome::Outcome,
    record::{Slot, Stage},
    tenure::{Milestone, Role},
};

/// The shortest and the longest time before a worker that said "later" is asked again.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

impl Update {
    pub(super) fn warming_reached(
        &mut self,
        warming: Warming,
        tenure: Tenure,
        milestone: &Milestone,
        hands: &mut Hands<'_, '_>,
    ) {
        let is_new = warming.new == Some(tenure);
        match milestone {
            Milestone::Ready if is_new => self.seek_consent(warming, hands),
            Milestone::Gone(death) if is_new => {
                let outcome = stillborn(death);
                self.close(outcome, hands);
            }
            Milestone::Health(Health::Unwell { reason }) if is_new => {
                let why = format!("it is unwell: {reason}");
                self.give_up_warming(Outcome::NotReady { why }, hands);
            }
            Milestone::Consent(consent) if !is_new && warming.step == Warm::Asking => {
                self.consent(warming, consent, hands);
            }
            Milestone::Gone(_) if !is_new && warming.step == Warm::Asking => {
                self.mark(warming, hands);
            }
            _ => {}
        }
    }

    pub(super) fn warm(&mut self, slot: Slot, hands: &mut Hands<'_, '_>) {
        let mut warming = Warming {
            slot: slot.clone(),
            new: None,
            step: Warm::Starting,
            sought: None,
        };
        if hands.scene.policy.standby {
            hands.step(format!(
                "version {} warms up beside the running one",
                slot.version
            ));
            warming.new = Some(hands.crew.start(slot, Role::Standby, hands.scene));
            self.phase = Phase::Warming(warming);
        } else {
            self.seek_consent(warming, hands);
        }
    }

    pub(super) fn seek_consent(&mut self, mut warming: Warming, hands: &mut Hands<'_, '_>) {
        let now = hands.scene.now.ticks;
        let limit = hands.scene.policy.consent_limit;
        if let Some(shut) = shut(hands) {
            if !matches!(warming.step, Warm::Shut(_)) {
                hands.step(format!("the switch waits for {shut}"));
            }
            warming.step = Warm::Shut(shut);
            self.phase = Phase::Warming(warming);
        } else if hands.is_at_once() {
            self.mark(warming, hands);
        } else if warming
            .sought
            .is_some_and(|since| now.since(since) >= limit)
        {
            hands.trouble("the longest wait for consent is over; the switch goes ahead".to_owned());
            self.mark(warming, hands);
        } else if hands.crew.may_i(hands.scene) {
            warming.sought.get_or_insert(now);
            warming.step = Warm::Asking;
            self.phase = Phase::Warming(warming);
        } else {
            self.mark(warming, hands);
        }
    }

    pub(super) fn consent(
        &mut self,
        mut warming: Warming,
        consent: &Consent,
        hands: &mut Hands<'_, '_>,
    ) {
        let now = hands.scene.now.ticks;
        match consent {
            Consent::Now => self.mark(warming, hands),
            Consent::Later { after_ms, reason } => {
                let wait = Duration::from_millis(*after_ms).clamp(ASK_AGAIN.0, ASK_AGAIN.1);
                let last = warming
                    .sought
                    .unwrap_or(now)
                    .after(hands.scene.policy.consent_limit);
                hands.step(format!("the device puts the switch off: {reason}"));
                warming.step = Warm::PutOff(now.after(wait).min(last.max(now)), reason.clone());
                self.phase = Phase::Warming(warming);
            }
        }
    }

    pub(super) fn mark(&mut self, mut warming: Warming, hands: &mut Hands<'_, '_>) {
        if warming.new.is_none() {
            hands.spend(&warming.slot);
        }
        hands.stage(Stage::Trial {
            slot: warming.slot.clone(),
        });
        warming.step = Warm::Marking(hands.ledger.save(hands.scene.out));
        self.phase = Phase::Warming(warming);
    }

    pub(super) fn give_up_warming(&mut self, outcome: Outcome, hands: &mut Hands<'_, '_>) {
        if let Phase::Warming(warming) = &self.phase
            && let Some(new) = warming.new
        {
            hands.crew.kill(new, hands.scene);
        }
        self.close(outcome, hands);
    }
}
