use super::*;
use crate::record::SlotId;

/// A life, its limits, and what it ordered.
struct Cradle {
    life: Life,
    limits: LifePolicy,
    out: Vec<Command>,
}

impl Cradle {
    fn new(role: Role) -> Self {
        let limits = LifePolicy::default();
        let slot = Slot {
            id: SlotId(1),
            version: "1.0.0".parse().unwrap(),
            sha256: String::new(),
            size: 1,
            package: None,
        };
        let mut out = Vec::new();
        let life = Life::start(Tenure(1), slot, role, Ticks(0), &limits, &mut out);
        Self { life, limits, out }
    }

    /// A life in this stage, at time 0.
    fn in_stage(stage: Stage) -> Self {
        let mut cradle = Self::new(Role::Standby);
        let later = [
            Stage::Warming,
            Stage::Standby,
            Stage::Activating,
            Stage::Active,
            Stage::Quiescing,
            Stage::Leaving,
        ];
        let steps = later
            .iter()
            .position(|it| *it == stage)
            .map_or(0, |it| it + 1);
        let now = Ticks(0);
        for step in later.iter().take(steps) {
            let Self { life, limits, out } = &mut cradle;
            match step {
                Stage::Warming => life.joined("1.0.0", now, limits, out),
                Stage::Standby => assert_eq!(cradle.say(FromWorker::Ready), Some(Milestone::Ready)),
                Stage::Activating => life.activate(None, now, limits, out),
                Stage::Active => {
                    assert_eq!(cradle.answer(Ok(Done::Active)), Some(Milestone::Active));
                }
                Stage::Quiescing => life.quiesce(now, limits, out),
                _ => {
                    let handed = cradle.answer(Ok(Done::Snapshot(vec![7])));
                    assert_eq!(handed, Some(Milestone::Handed(vec![7])));
                }
            }
        }
        if stage == Stage::Stopping {
            cradle = Self::in_stage(Stage::Active);
            cradle.life.stop(now, &cradle.limits, &mut cradle.out);
        }
        assert_eq!(cradle.life.stage, stage);
        cradle.out.clear();
        cradle
    }

    fn say(&mut self, message: FromWorker) -> Option<Milestone> {
        self.life
            .said(message, Ticks(0), &self.limits, &mut self.out)
            .unwrap()
    }

    /// Answers the last order.
    fn answer(&mut self, result: Result<Done, Refusal>) -> Option<Milestone> {
        let id = self.life.order.unwrap();
        self.say(FromWorker::Reply { id, result })
    }

    /// Lets time pass, heard or not, until the life is to be killed.
    fn killed_at(&mut self, heard: bool) -> u64 {
        for _ in 0..1000 {
            let now = self.life.next_deadline(&self.limits).unwrap();
            if heard {
                self.life.heard = now;
            }
            self.life.tick(now, &self.limits, &mut self.out);
            if self.out.contains(&Command::Kill { tenure: Tenure(1) }) {
                return now.0;
            }
        }
        panic!("never killed");
    }

    /// The process and its link end.
    fn end(&mut self) -> Death {
        let now = Ticks(99_000);
        let parted = self.life.parted("eof", now, &mut self.out);
        let exited = self.life.exited(Exit::Code(3), now, &mut self.out);
        match parted.or(exited) {
            Some(Milestone::Gone(death)) => death,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_wait_of_the_table_ends_in_a_kill_at_its_limit() {
    let limits = LifePolicy::default();
    let in_time = || "not in time".to_owned();
    for (stage, limit, death) in [
        (Stage::Starting, limits.hello_limit, Death::NeverHello),
        (
            Stage::Warming,
            limits.warm_up_limit,
            Death::NotReady(in_time()),
        ),
        (
            Stage::Activating,
            limits.activate_limit,
            Death::NotActivated(in_time()),
        ),
        (Stage::Quiescing, limits.quiesce_limit, Death::Asked),
        (Stage::Stopping, limits.quiesce_limit, Death::Asked),
        (Stage::Leaving, limits.exit_limit, Death::Asked),
    ] {
        let mut cradle = Cradle::in_stage(stage);
        let at = cradle.killed_at(true);
        assert_eq!(u128::from(at), limit.as_millis(), "{stage:?}");
        assert_eq!(cradle.end(), death, "{stage:?}");
    }
}

#[test]
fn a_joined_life_that_falls_silent_is_killed_in_every_stage() {
    let silence = LifePolicy::default().silence_limit.as_millis();
    for stage in [Stage::Warming, Stage::Standby, Stage::Active] {
        let mut cradle = Cradle::in_stage(stage);
        assert_eq!(u128::from(cradle.killed_at(false)), silence, "{stage:?}");
        assert_eq!(cradle.end(), Death::Silent, "{stage:?}");
    }
}

#[test]
fn an_end_by_itself_is_told_by_what_it_was_at() {
    let code = || "ended with code 3".to_owned();
    for (stage, death) in [
        (Stage::Warming, Death::NotReady(code())),
        (Stage::Standby, Death::Ended(code())),
        (Stage::Activating, Death::NotActivated(code())),
        (Stage::Active, Death::Ended(code())),
        (Stage::Quiescing, Death::Asked),
        (Stage::Stopping, Death::Asked),
        (Stage::Leaving, Death::Asked),
    ] {
        assert_eq!(Cradle::in_stage(stage).end(), death, "{stage:?}");
    }
    let mut early = Cradle::new(Role::Standby);
    let end = early.life.exited(Exit::Signal(9), Ticks(1), &mut early.out);
    let death = Death::Ended("was ended by signal 9 before its hello".to_owned());
    assert_eq!(end, Some(Milestone::Gone(death)));
}

#[test]
fn a_life_is_not_over_before_its_last_words_are_heard() {
    let mut cradle = Cradle::in_stage(Stage::Quiescing);
    let exited = cradle.life.exited(Exit::Code(0), Ticks(5), &mut cradle.out);
    assert_eq!(exited, None);
    let handed = cradle.answer(Ok(Done::Snapshot(vec![1])));
    assert_eq!(handed, Some(Milestone::Handed(vec![1])));
    let parted = cradle.life.parted("eof", Ticks(6), &mut cradle.out);
    assert_eq!(parted, Some(Milestone::Gone(Death::Asked)));
}

#[test]
fn a_link_that_outlives_its_process_is_hung_up() {
    let mut cradle = Cradle::in_stage(Stage::Active);
    cradle.life.exited(Exit::Code(0), Ticks(0), &mut cradle.out);
    assert!(!cradle.life.acts());
    let due = cradle.life.next_deadline(&cradle.limits).unwrap();
    assert_eq!(due, Ticks(1000));
    cradle.life.tick(due, &cradle.limits, &mut cradle.out);
    assert_eq!(cradle.out, [Command::HangUp { tenure: Tenure(1) }]);
}

#[test]
fn a_process_that_outlives_its_link_is_killed_and_killed_again() {
    let mut cradle = Cradle::in_stage(Stage::Active);
    cradle.life.parted("eof", Ticks(0), &mut cradle.out);
    assert!(!cradle.life.acts());
    assert_eq!(cradle.killed_at(false), 200);
    cradle.out.clear();
    assert_eq!(cradle.killed_at(false), 2200);
    let death = Death::Ended("lost its link: eof".to_owned());
    assert_eq!(cradle.end(), death);
}

#[test]
fn the_hello_is_awaited_from_when_the_process_runs_and_the_verifying_has_a_time_of_its_own() {
    let mut cradle = Cradle::new(Role::Standby);
    cradle.life.slot.size = 30_000_000;
    let Cradle { life, limits, out } = &mut cradle;
    let slot = life.slot.clone();
    *life = Life::start(Tenure(1), slot, Role::Standby, Ticks(0), limits, out);
    let hello = u64::try_from(limits.hello_limit.as_millis()).unwrap();
    let due = |life: &Life| life.next_deadline(&LifePolicy::default());
    assert_eq!(due(life), Some(Ticks(30_000 + hello)));
    life.spawned(99, Ticks(7_000), limits);
    assert_eq!(due(life), Some(Ticks(7_000 + hello)));
    assert_eq!(
        u128::from(cradle.killed_at(false)),
        u128::from(7_000 + hello)
    );
}

#[test]
fn a_damaged_slot_is_told_as_such_whatever_else_was_decided_and_one_given_up_is_not_called_unstartable()
 {
    let gone = |killed: bool, damaged: bool| {
        let mut cradle = Cradle::new(Role::Active);
        if killed {
            let Cradle { life, out, .. } = &mut cradle;
            life.kill(Death::NeverHello, Ticks(0), out);
        }
        let why = "it has other bytes".to_owned();
        let milestone = if damaged {
            cradle.life.slot_damaged(why, &mut cradle.out)
        } else {
            cradle.life.spawn_failed(why, &mut cradle.out)
        };
        let hang_up = Command::HangUp { tenure: Tenure(1) };
        assert_eq!(cradle.out.last(), Some(&hang_up));
        milestone
    };
    let why = || "it has other bytes".to_owned();
    let slot = SlotId(1);
    let damaged = Milestone::Gone(Death::Damaged { slot, why: why() });
    assert_eq!(gone(false, true), damaged);
    assert_eq!(gone(true, true), damaged);
    assert_eq!(gone(true, false), Milestone::Gone(Death::NeverHello));
    assert_eq!(
        gone(false, false),
        Milestone::Gone(Death::NotStartable(why()))
    );
}

#[test]
fn another_version_in_the_hello_is_not_taken() {
    let mut cradle = Cradle::new(Role::Standby);
    let Cradle { life, limits, out } = &mut cradle;
    life.joined("6.6.6", Ticks(1), limits, out);
    assert_eq!(cradle.end(), Death::OtherVersion("6.6.6".to_owned()));
}

#[test]
fn a_wrong_answer_to_an_order_is_a_failure() {
    let mut cradle = Cradle::in_stage(Stage::Activating);
    assert_eq!(cradle.answer(Ok(Done::Accepted)), None);
    assert!(matches!(cradle.end(), Death::NotActivated(_)));
    let mut cradle = Cradle::in_stage(Stage::Activating);
    let message = "the heater does not answer".to_owned();
    cradle.answer(Err(Refusal { code: 1, message }));
    let death = Death::NotActivated("the heater does not answer".to_owned());
    assert_eq!(cradle.end(), death);
}

#[test]
fn a_consent_that_is_never_given_counts_as_given() {
    let mut cradle = Cradle::in_stage(Stage::Active);
    cradle.life.may_i(Ticks(0), &mut cradle.out);
    let due = Ticks(2000);
    cradle.life.heard = due;
    let given = cradle.life.tick(due, &cradle.limits, &mut cradle.out);
    assert_eq!(given, Some(Milestone::Consent(Consent::Now)));
    assert_eq!(cradle.life.tick(due, &cradle.limits, &mut cradle.out), None);
}

#[test]
fn words_of_a_worker_are_cut_and_the_same_health_is_told_once() {
    let mut cradle = Cradle::in_stage(Stage::Active);
    let reason = "x".repeat(100_000);
    let unwell = FromWorker::Health(Health::Unwell { reason });
    let Some(Milestone::Health(Health::Unwell { reason })) = cradle.say(unwell.clone()) else {
        panic!("not told");
    };
    assert_eq!(reason.len(), 200);
    assert_eq!(cradle.say(unwell), None);
}

#[test]
fn a_standby_never_holds_the_hardware_and_one_told_to_act_always_does() {
    for (stage, holds) in [
        (Stage::Warming, false),
        (Stage::Standby, false),
        (Stage::Activating, true),
        (Stage::Active, true),
        (Stage::Quiescing, true),
        (Stage::Stopping, true),
        (Stage::Leaving, true),
    ] {
        assert_eq!(
            Cradle::in_stage(stage).life.holds_hardware(),
            holds,
            "{stage:?}"
        );
    }
}
