//! The mistakes: each as two texts, what stands in the core and what is put in its place.
//!
//! A row says which laws the mistake breaks and which tests must notice. It is caught when one of those tests fails and says that one of
//! those laws was broken; without a law in its row, when one of the tests fails. They are run in this order, and the first that
//! catches it ends the trial, so that those that decide quickly come first. Where the core changes its text, a test says which row is to follow.

use std::fmt;

/// A mistake.
#[derive(Debug)]
pub(super) struct Mutant {
    /// What is wrong then, in one sentence.
    pub(super) name: &'static str,
    /// Where it is made, from the workspace's folder on.
    pub(super) file: &'static str,
    /// What stands there, exactly once.
    pub(super) from: &'static str,
    /// What is put in its place.
    pub(super) to: &'static str,
    /// The laws of the simulated world that it breaks.
    pub(super) laws: &'static [&'static str],
    /// The tests that must notice, with their rooms.
    pub(super) tests: &'static [&'static str],
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n    in {}", self.name, self.file)?;
        for law in self.laws {
            write!(f, "\n    breaks `{law}`")?;
        }
        for test in self.tests {
            write!(f, "\n    noticed by {test}")?;
        }
        Ok(())
    }
}

/// Every one fault at every place of every kind of update.
const ONE_FAULT: &str = "world::every::one_fault_at_every_place_of_every_kind_of_update";

/// Each kind of bad version without any fault.
const BAD: &str = "world::stories::every_bad_version_is_taken_back_and_the_platform_is_told_why";

/// Three power cuts at every three places.
const CUTS: &str =
    "world::sweep::every_version_good_or_bad_comes_to_rest_whatever_three_power_cuts_do";

/// Saves that fail.
const SAVES: &str =
    "world::sweep::a_failing_save_at_any_place_leaves_a_proved_worker_and_a_told_outcome";

/// Everything at random.
const WALKS: &str =
    "world::walk::whatever_happens_at_random_the_laws_hold_and_the_world_comes_to_rest";

/// Every mistake there is.
pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "a version is trusted before its healthy seconds are over",
        file: "supervisor/core/src/update/trial.rs",
        from: "let until = hands.scene.now.ticks.after(hands.scene.policy.proving);",
        to: "let until = hands.scene.now.ticks;",
        laws: &["bad_never_committed"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "a version that fell silent in its window is trusted at the end of it",
        file: "supervisor/core/src/update.rs",
        from: "life.acts() && life.heard() >= proving.until.after(TARDY)",
        to: "life.acts()",
        laws: &["bad_never_committed"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "success is told before the commit is on the disk",
        file: "supervisor/core/src/update/trial.rs",
        from: "let save = hands.ledger.save_as(record.clone(), hands.scene.out);",
        to: "let save = hands.ledger.save_as(record.clone(), hands.scene.out);
        hands.ledger.record.active = Some(slot.clone());
        hands.told.push(Told::Trusted);",
        laws: &["told_truth"],
        tests: &[SAVES, ONE_FAULT],
    },
    Mutant {
        name: "the new worker acts before the old one is seen to be gone",
        file: "supervisor/core/src/update/trial.rs",
        from: "if hands.crew.hardware_held_by_other(*new) {",
        to: "if false {",
        laws: &["one_active"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "the old worker is taken back while the new one still acts",
        file: "supervisor/core/src/crew.rs",
        from: "if due && !self.lives.iter().any(Life::holds_hardware) {",
        to: "if due {",
        laws: &["one_active"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "a new worker is warmed up and no try is spent",
        file: "supervisor/core/src/update/fetching.rs",
        from: "        if hands.scene.policy.standby {
            hands.spend(&slot);
        }
",
        to: "",
        laws: &["tries_bounded"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "a new worker is started first and its try saved after that",
        file: "supervisor/core/src/update/trial.rs",
        from: "        let save = hands.ledger.save(hands.scene.out);
        self.phase = Phase::Spending(slot, save);",
        to: "        self.phase = Phase::Switching(slot, None);
        self.advance(hands);
        hands.ledger.save(hands.scene.out);",
        laws: &["tries_bounded"],
        tests: &[BAD, CUTS],
    },
    Mutant {
        name: "a try that was spent is forgotten when the next one is",
        file: "supervisor/core/src/record/ledger.rs",
        from: "strike.starts = strike.starts.saturating_add(1);",
        to: "strike.starts = 1;",
        laws: &["tries_bounded"],
        tests: &[BAD, CUTS],
    },
    Mutant {
        name: "a build that used up its tries is started once more",
        file: "supervisor/core/src/update/trial.rs",
        from: "if starts >= hands.scene.policy.tries {",
        to: "if starts > hands.scene.policy.tries {",
        laws: &["tries_bounded"],
        tests: &[BAD, CUTS],
    },
    Mutant {
        name: "a bad build's tries are given back when its update has ended",
        file: "supervisor/core/src/update/ending.rs",
        from: "if let Some(job) = hands.ledger.record.job.take() {",
        to: "if let Some(job) = hands.ledger.record.job.take() {
            hands.ledger.record.strikes.clear();",
        laws: &["tries_bounded"],
        tests: &[
            "world::stories::a_build_that_used_up_its_tries_is_refused_at_once",
            WALKS,
        ],
    },
    Mutant {
        name: "the quarantine of a build is not looked at when it is offered again",
        file: "supervisor/core/src/plan.rs",
        from: "if starts >= policy.tries {",
        to: "if false {",
        laws: &[],
        tests: &[
            "plan::tests::a_build_is_refused_once_its_tries_are_used_up_and_not_before",
            "world::stories::a_build_that_used_up_its_tries_is_refused_at_once",
        ],
    },
    Mutant {
        name: "a version that keeps dying after its commit is never quarantined",
        file: "supervisor/core/src/update/regret.rs",
        from: "hands.ledger.spend(&bad, &[]);",
        to: "",
        laws: &[],
        tests: &[
            "world::stories::a_version_that_keeps_dying_soon_after_its_commit_is_taken_back_and_ends_in_quarantine",
        ],
    },
    Mutant {
        name: "a cancelled version is begun again when the platform offers it again",
        file: "supervisor/core/src/plan.rs",
        from: "        return Verdict::Refuse(Outcome::Held { by });",
        to: "        let _ = by;",
        laws: &[],
        tests: &[
            "world::operator::a_cancelled_version_is_not_begun_again_before_a_release_and_another_is_taken",
        ],
    },
    Mutant {
        name: "an old worker that is taken back starts without its state",
        file: "supervisor/core/src/crew.rs",
        from: "let from = memory.map(|memory| memory.handover(self.cause, now));",
        to: "let from = memory.filter(|_| self.cause != Cause::RollBack);
        let from = from.map(|memory| memory.handover(self.cause, now));",
        laws: &["old_state_kept"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "the words of a worker on trial pass for those of the trusted one",
        file: "supervisor/core/src/crew.rs",
        from: "if self.home == Some(memory.slot) {",
        to: "if true {",
        laws: &["trial_not_kept", "old_state_kept"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "what was kept on the disk is not given to the first worker",
        file: "supervisor/core/src/agent/recall.rs",
        from: "self.crew.recall(memory);",
        to: "drop(memory);",
        laws: &["old_state_kept"],
        tests: &[
            "world::checkpoints::after_a_loss_the_worker_is_told_what_was_kept_last_and_what_was_lost",
            ONE_FAULT,
        ],
    },
    Mutant {
        name: "a checkpoint that could not be kept is not tried again",
        file: "supervisor/core/src/checkpoint/schedule.rs",
        from: "        self.again = true;
",
        to: "",
        laws: &[],
        tests: &["checkpoint::tests::a_failure_is_told_once_in_a_while_and_tried_again_for_ever"],
    },
    Mutant {
        name: "an outcome is forgotten when it is sent and not when it is acknowledged",
        file: "supervisor/core/src/outbox.rs",
        from: "Message::Inform(_) => {}",
        to: "Message::Inform(_) | Message::Report(_) => {}",
        laws: &["told_truth"],
        tests: &[
            "world::deliveries::an_outcome_that_is_not_acknowledged_is_told_again_over_a_new_connection_until_it_is",
            ONE_FAULT,
        ],
    },
    Mutant {
        name: "a failure is told before it is on the disk",
        file: "supervisor/core/src/update/ending.rs",
        from: "told = Some(owed);",
        to: "hands.told.push(Told::Failed(owed.clone()));
                told = Some(owed);",
        laws: &["told_truth"],
        tests: &[SAVES, ONE_FAULT],
    },
    Mutant {
        name: "the slot of a failed update is never removed",
        file: "supervisor/core/src/update/ending.rs",
        from: "            if let Some(slot) = job_slot(Some(&job)) {
                self.throw_away(slot);
            }
",
        to: "",
        laws: &["nothing_leaks"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "the part of a cancelled download is never removed",
        file: "supervisor/core/src/update/wishes.rs",
        from: "hands.scene.out.push(Command::AbandonFetch { job });",
        to: "let _ = job;",
        laws: &["nothing_leaks"],
        tests: &[
            "world::operator::a_cancel_is_answered_and_ends_well_in_every_phase",
            ONE_FAULT,
        ],
    },
    Mutant {
        name: "a worker is started from a trusted slot that was not found whole",
        file: "supervisor/core/src/update/resume.rs",
        from: "let there = found.contains(slot) || unread.contains(slot);",
        to: "let there = true;",
        laws: &["only_verified_runs"],
        tests: &[
            "world::stories::a_damaged_trusted_slot_gives_way_to_the_one_before_it",
            ONE_FAULT,
        ],
    },
    Mutant {
        name: "a worker that says it is another version is taken for what its slot says",
        file: "supervisor/core/src/tenure.rs",
        from: "if version != self.slot.version.as_str() {",
        to: "if false {",
        laws: &["bad_never_committed"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "a cancelled update goes on",
        file: "supervisor/core/src/update/wishes.rs",
        from: "                it.abandon(Outcome::Cancelled, hands);
",
        to: "",
        laws: &[],
        tests: &["world::operator::a_cancel_is_answered_and_ends_well_in_every_phase"],
    },
    Mutant {
        name: "a paused update switches all the same",
        file: "supervisor/core/src/update/timing.rs",
        from: "    if hands.ledger.record.paused {
        return Some(Shut::Paused);
    }
",
        to: "",
        laws: &[],
        tests: &[
            "world::operator::pauses::a_pause_holds_what_can_be_held_and_the_rest_ends_by_itself",
        ],
    },
    Mutant {
        name: "a worker that never says hello is awaited for ever",
        file: "supervisor/core/src/tenure.rs",
        from: "self.due = Some(now.after(policy.hello_limit));",
        to: "self.due = None;",
        laws: &["comes_to_rest"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "a commit that could not be saved is not tried again",
        file: "supervisor/core/src/update.rs",
        from: "                committing.again = again;
",
        to: "",
        laws: &["comes_to_rest"],
        tests: &[SAVES, ONE_FAULT],
    },
    Mutant {
        name: "a save that nobody waits for overtakes the commit",
        file: "supervisor/core/src/record/ledger.rs",
        from: "if self.untidy && self.in_flight.is_empty() && self.again.is_none_or(|at| now >= at) {",
        to: "if self.untidy && self.again.is_none_or(|at| now >= at) {",
        laws: &["told_truth", "comes_to_rest", "nothing_needed_is_removed"],
        tests: &[ONE_FAULT, WALKS],
    },
    Mutant {
        name: "something else is told before the version on a new connection",
        file: "supervisor/core/src/agent/cloud.rs",
        from: "closed by it.
        self.inform();",
        to: "closed by it.",
        laws: &["inform_first"],
        tests: &[BAD, ONE_FAULT],
    },
    Mutant {
        name: "a job whose place another has is told of all the same",
        file: "supervisor/core/src/record.rs",
        from: "self.wanted.is_reported() && !self.superseded",
        to: "self.wanted.is_reported()",
        laws: &["told_of_its_own"],
        tests: &[
            "world::replaced::a_failure_of_a_job_whose_place_another_has_is_not_told",
            ONE_FAULT,
        ],
    },
    Mutant {
        name: "a new connection is told of a job before the platform has said which it has",
        file: "supervisor/core/src/agent/cloud.rs",
        from: "            self.outbox.await_word(now.ticks);
",
        to: "",
        laws: &["told_of_its_own"],
        tests: &[
            "world::replaced::what_was_not_heard_before_a_connection_waits_on_it_for_the_platforms_word",
            WALKS,
        ],
    },
    Mutant {
        name: "a power cut on the way back gives the bad version another try",
        file: "supervisor/core/src/update/ending.rs",
        from: "job.verdict = Some(outcome.clone());",
        to: "",
        laws: &[],
        tests: &[
            "world::stories::a_power_cut_on_the_way_back_does_not_give_the_bad_version_another_try",
        ],
    },
];
