//! All lives of workers, and the one rule about them: never two that may hold the hardware.
//!
//! The crew keeps one slot's worker active for whoever asked for it, starts it again when it dies (at once the first time, then after a
//! delay that doubles with jitter up to a cap, and never gives up), and remembers where the device stood.

#[cfg(test)]
mod tests;

use std::time::Duration;

use worker_protocol::v1::{Ask, Cause, RequestId, ToWorker};

use crate::{
    event::{Command, Tenure},
    memory::{Memory, Source},
    policy::Policy,
    record::{Slot, SlotId},
    tenure::{Death, Life, Milestone, Role},
    time::{Backoff, Jitter, Now, Ticks, sooner},
};

/// Everything about one event that a change of the crew needs.
pub struct Scene<'a> {
    /// Both clocks.
    pub now: Now,
    /// The operator's decisions.
    pub policy: &'a Policy,
    /// Where commands go.
    pub out: &'a mut Vec<Command>,
}

/// All lives of workers.
#[derive(Debug, Clone)]
pub struct Crew {
    lives: Vec<Life>,
    next_tenure: u64,
    /// Whose worker is to be active.
    kept: Option<Slot>,
    /// Whose words about the device are trusted: the slot that was kept last.
    home: Option<SlotId>,
    cause: Cause,
    respawn_at: Option<Ticks>,
    backoff: Backoff,
    memory: Option<Memory>,
    trial: Option<Memory>,
    words: u64,
    respawns: u64,
}

impl Crew {
    /// Nobody lives yet.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        Self {
            lives: Vec::new(),
            next_tenure: 1,
            kept: None,
            home: None,
            cause: Cause::PowerCut,
            respawn_at: None,
            backoff: Backoff::new(policy.respawn_backoff.0, policy.respawn_backoff.1),
            memory: None,
            trial: None,
            words: 0,
            respawns: 0,
        }
    }

    /// From now on this slot's worker is to be active (`None`: nobody's is kept so).
    pub fn keep(&mut self, slot: Option<Slot>, cause: Cause, now: Ticks) {
        if let Some(slot) = &slot {
            self.home = Some(slot.id);
        }
        self.kept = slot;
        self.cause = cause;
        self.respawn_at = Some(now);
    }

    /// A slot cannot be used any more: if it was kept, another one takes its place, or nobody. Its worker did not run the device: why
    /// that starts again is still what it was.
    pub fn replace(&mut self, slot: SlotId, by: Option<Slot>, now: Ticks) {
        if self.kept.as_ref().is_some_and(|kept| kept.id == slot) {
            self.keep(by, self.cause, now);
        }
    }

    /// The same, but when the kept slot's own next start would have been: neither of the two could be read.
    pub fn put_in_turn(&mut self, slot: SlotId, by: Slot) {
        if self.kept.as_ref().is_some_and(|kept| kept.id == slot) {
            self.home = Some(by.id);
            self.kept = Some(by);
        }
    }

    /// From now on nobody's worker is kept active, because another one is to take over.
    pub fn give_way(&mut self, now: Ticks) {
        // With nobody at work the new one does not take over what goes on: it learns why nobody is, and decides itself.
        let cause = match self.active() {
            Some(_) => Cause::Upgrade,
            None => self.cause,
        };
        self.keep(None, cause, now);
    }

    /// Starts the kept worker if it is due and nothing else may hold the hardware.
    pub fn tend(&mut self, scene: &mut Scene<'_>) {
        let Some(slot) = &self.kept else { return };
        let due = self.respawn_at.is_some_and(|at| scene.now.ticks >= at);
        if due && !self.lives.iter().any(Life::holds_hardware) {
            let slot = slot.clone();
            self.respawn_at = None;
            self.start(slot, Role::Active, scene);
        }
    }

    /// Starts a life.
    pub fn start(&mut self, slot: Slot, role: Role, scene: &mut Scene<'_>) -> Tenure {
        let tenure = Tenure(self.next_tenure);
        self.next_tenure += 1;
        let life = Life::start(
            tenure,
            slot,
            role,
            scene.now.ticks,
            &scene.policy.life,
            scene.out,
        );
        self.lives.push(life);
        tenure
    }

    /// A milestone of a life: activates what is to be active, buries what is over and plans its successor.
    pub fn reached(
        &mut self,
        tenure: Tenure,
        milestone: &Milestone,
        scene: &mut Scene<'_>,
        jitter: &mut Jitter,
    ) {
        match milestone {
            Milestone::Ready => {
                if self
                    .life(tenure)
                    .is_some_and(|life| life.role == Role::Active)
                {
                    self.activate(tenure, scene);
                }
            }
            Milestone::Handed(snapshot) => self.remember(tenure, snapshot.clone(), scene.now),
            Milestone::Gone(death) => self.bury(tenure, death, scene, jitter),
            Milestone::Active
            | Milestone::Consent(_)
            | Milestone::Health(_)
            | Milestone::Answered(..) => {}
        }
    }

    fn bury(&mut self, tenure: Tenure, death: &Death, scene: &Scene<'_>, jitter: &mut Jitter) {
        let Some(at) = self.lives.iter().position(|life| life.tenure == tenure) else {
            return;
        };
        let life = self.lives.swap_remove(at);
        let kept = self
            .kept
            .as_ref()
            .is_some_and(|slot| slot.id == life.slot.id);
        if !kept || life.role != Role::Active {
            return;
        }
        if let Death::Damaged { .. } = death {
            // It would be found damaged again: whoever trusted it says what takes its place.
            self.respawn_at = None;
            return;
        }
        let now = scene.now.ticks;
        if *death == Death::Asked {
            self.respawn_at = Some(now);
            return;
        }
        if life
            .active_since
            .is_some_and(|since| now.since(since) >= scene.policy.respawn_calm)
        {
            self.backoff.reset();
        }
        let at_once = self.backoff.failures() == 0;
        let wait = self.backoff.next(jitter);
        self.respawn_at = Some(if at_once { now } else { now.after(wait) });
        // One that was never active did not run the device: why the device starts again is still what it was.
        if life.active_since.is_some() {
            self.cause = Cause::Crash;
        }
        self.respawns += 1;
    }

    /// This memory was found on the disk.
    pub fn recall(&mut self, memory: Memory) {
        self.memory = Some(memory);
    }

    /// Orders a warmed-up life to take over, from the newest memory.
    pub fn activate(&mut self, tenure: Tenure, scene: &mut Scene<'_>) {
        let now = scene.now.ticks;
        let memory = self.memory.as_ref();
        let from = memory.map(|memory| memory.handover(self.cause, now));
        if let Some(life) = self.lives.iter_mut().find(|life| life.tenure == tenure) {
            life.activate(from, now, &scene.policy.life, scene.out);
        }
    }

    /// A worker said where its device stands. What a worker on trial says is kept apart until it is trusted.
    pub fn remember(&mut self, tenure: Tenure, snapshot: Vec<u8>, now: Now) {
        let Some(life) = self.life(tenure) else {
            return;
        };
        let memory = Memory {
            number: self.words + 1,
            slot: life.slot.id,
            version: Some(life.slot.version.clone()),
            snapshot,
            at: Some(now.wall),
            source: Source::Heard(now.ticks),
        };
        self.words += 1;
        if self.home == Some(memory.slot) {
            self.memory = Some(memory);
        } else {
            self.trial = Some(memory);
        }
    }

    /// The worker on trial is trusted: its words replace its predecessor's, and it is kept active from now on.
    pub fn trust(&mut self, slot: Slot, now: Ticks) {
        if let Some(memory) = self.trial.take() {
            self.memory = Some(memory);
        }
        self.backoff.reset();
        self.keep(Some(slot), Cause::Crash, now);
    }

    /// What a worker on trial said counts for nothing any more.
    pub fn distrust(&mut self) {
        self.trial = None;
    }

    /// Ends a life at once.
    pub fn kill(&mut self, tenure: Tenure, scene: &mut Scene<'_>) {
        let now = scene.now.ticks;
        if let Some(life) = self.life_mut(tenure) {
            life.kill(Death::Asked, now, scene.out);
        }
    }

    /// Orders whatever may hold the hardware, but for one life, to hand over and go.
    pub fn quiesce_all_but(&mut self, but: Option<Tenure>, scene: &mut Scene<'_>) {
        for life in &mut self.lives {
            if Some(life.tenure) != but && life.holds_hardware() {
                life.quiesce(scene.now.ticks, &scene.policy.life, scene.out);
            }
        }
    }

    /// Orders everybody to go, with no successor waiting.
    pub fn stop_all(&mut self, scene: &mut Scene<'_>) {
        self.kept = None;
        for life in &mut self.lives {
            life.stop(scene.now.ticks, &scene.policy.life, scene.out);
        }
    }

    /// May the hardware be held by anybody but this life?
    #[must_use]
    pub fn hardware_held_by_other(&self, than: Option<Tenure>) -> bool {
        self.lives
            .iter()
            .any(|life| life.holds_hardware() && Some(life.tenure) != than)
    }

    /// The life that runs the device and can be asked, if there is one.
    #[must_use]
    pub fn active(&self) -> Option<&Life> {
        self.lives.iter().find(|life| life.acts())
    }

    /// Asks the active life something; `None` if there is none.
    pub fn ask_active(&mut self, ask: Ask, out: &mut Vec<Command>) -> Option<(Tenure, RequestId)> {
        let life = self.lives.iter_mut().find(|life| life.acts())?;
        Some((life.tenure, life.ask(ask, out)))
    }

    /// Asks the active life for its consent; `false` if there is none.
    pub fn may_i(&mut self, scene: &mut Scene<'_>) -> bool {
        let Some(life) = self.lives.iter_mut().find(|life| life.acts()) else {
            return false;
        };
        life.may_i(scene.now.ticks, scene.out);
        true
    }

    /// Asks the active life for its full status.
    pub fn report_all(&self, out: &mut Vec<Command>) {
        if let Some(life) = self.active() {
            life.send(ToWorker::ReportAll, out);
        }
    }

    /// Everybody alive.
    #[must_use]
    pub fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// Is anybody of this slot alive?
    #[must_use]
    pub fn runs(&self, slot: SlotId) -> bool {
        self.lives.iter().any(|life| life.slot.id == slot)
    }

    /// One life.
    #[must_use]
    pub fn life(&self, tenure: Tenure) -> Option<&Life> {
        self.lives.iter().find(|life| life.tenure == tenure)
    }

    /// One life, to be told something.
    pub fn life_mut(&mut self, tenure: Tenure) -> Option<&mut Life> {
        self.lives.iter_mut().find(|life| life.tenure == tenure)
    }

    /// Looks at every life's deadlines.
    pub fn tick(&mut self, scene: &mut Scene<'_>) -> Vec<(Tenure, Milestone)> {
        let (now, policy) = (scene.now.ticks, &scene.policy.life);
        self.lives
            .iter_mut()
            .filter_map(|life| Some((life.tenure, life.tick(now, policy, scene.out)?)))
            .collect()
    }

    /// The supervisor itself was not running for so long.
    pub fn excuse(&mut self, lost: Duration) {
        for life in &mut self.lives {
            life.excuse(lost);
        }
    }

    /// When there is something to do.
    #[must_use]
    pub fn next_deadline(&self, policy: &Policy) -> Option<Ticks> {
        let waits = self.kept.is_some() && !self.lives.iter().any(Life::holds_hardware);
        let respawn = self.respawn_at.filter(|_| waits);
        self.lives.iter().fold(respawn, |next, life| {
            sooner(next, life.next_deadline(&policy.life))
        })
    }

    /// How often the kept worker was started again.
    #[must_use]
    pub fn respawns(&self) -> u64 {
        self.respawns
    }

    /// Where the device stood when that was last said by a trusted worker.
    #[must_use]
    pub fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }
}
