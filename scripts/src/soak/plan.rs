//! What a round does: which update is offered, how it travels, and what is done to whom and when. All of it follows from seed, lane
//! and round, so that each round can be had again by its numbers; how far a process has come by then does not.

mod builds;
mod faults;
mod wishes;

use std::time::Duration;

use serde_json::Value;

use super::dice::Dice;
pub(super) use builds::{Build, Content, Seal, Trust};
pub(super) use faults::Fault;
pub(super) use wishes::Wish;

/// A round.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What is offered.
    pub(super) offer: Offer,
    /// Over MQTT instead of from the firmware server?
    pub(super) blocks: bool,
    /// Where the signature lies: the emulator's word for it.
    pub(super) carrier: &'static str,
    /// Does an operator let the build in again before it is offered once more?
    pub(super) release: bool,
    /// Does the device count the bytes from the network?
    pub(super) metered: bool,
    /// What is done, by time.
    pub(super) steps: Vec<Step>,
}

/// What is offered.
#[derive(Debug, Clone)]
pub(super) enum Offer {
    /// A new build.
    New(Build),
    /// The build of the round before, if that did not succeed; otherwise this one.
    Again(Build),
    /// One that is older than all others.
    Older(Build),
}

/// Something that is done at some time after the offer.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// When.
    pub(super) at: Duration,
    /// What.
    pub(super) deed: Deed,
}

/// Whom something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whom {
    /// The supervisor.
    Supervisor,
    /// The worker that was started first, or the one that was started last.
    Worker {
        /// The last?
        last: bool,
    },
    /// The platform.
    Platform,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Deed {
    /// SIGKILL. A supervisor and a platform are started again by a step of their own.
    Kill(Whom),
    /// Started, if it does not run.
    Start(Whom),
    /// SIGSTOP.
    Stop(Whom),
    /// SIGCONT.
    Continue(Whom),
    /// The supervisor is ended in order; it is started again by a step of its own.
    Leave,
    /// The device's wall clock shows this many seconds more than the true time, or less.
    Clock(i64),
    /// The emulator gets a fault.
    Fault(Fault),
    /// The connection is closed as another session would.
    Kick,
    /// The connection breaks.
    Drop,
    /// An operator says something to the supervisor that runs.
    Say(Wish),
}

/// How far the device's clock may be from the truth, in seconds.
const CLOCKS: [i64; 10] = [
    -94_608_000,
    -86_400,
    -3_600,
    -2,
    0,
    2,
    3_600,
    86_400,
    31_536_000,
    315_360_000,
];

/// So often a supervisor may be ended in a round before a good build may have used up its tries.
const SPARED_LIVES: usize = 2;

/// So often an address may be refused in a round before a good build is given up: no device asks for others for ever.
const SPARED_ADDRESSES: u64 = 3;

impl Plan {
    /// The plan of a round.
    pub(super) fn of(seed: u64, lane: u64, round: u64, has_clock: bool) -> Self {
        let mut dice = Dice::of(&[seed, lane, round]);
        let offer = Offer::drawn(&mut dice);
        let blocks = dice.percent(12);
        let carrier = match blocks {
            // A signature beside the file needs a file server.
            true => dice.one(&["udi", "udi-json"]),
            false => dice.one(&["udi", "udi-json", "url"]),
        };
        let mut steps = Vec::new();
        let mut network = dice.clone();
        let slowed = faults::slowed(&mut network, blocks);
        let window = match &slowed {
            Some((_, lasts)) => 1500 + lasts,
            None => 1500,
        };
        // Drawn apart, so that what else is done does not depend on it.
        let mut wishes = Dice::of(&[seed, lane, round, 2]);
        let release = matches!(offer, Offer::Again(_)) && wishes.percent(60);
        let said = wishes::drawn(&mut wishes, window);
        let count = *dice.weighed(&[(14, 0), (28, 1), (24, 2), (16, 3), (10, 4), (5, 6), (3, 8)]);
        if count > 0 || !said.is_empty() {
            let slow = slowed.map(|(fault, _)| Deed::Fault(fault));
            steps.extend(slow.map(|deed| (Duration::ZERO, deed)));
        }
        for _ in 0..count {
            trouble(&mut dice, window, blocks, carrier, has_clock, &mut steps);
        }
        steps.extend(said);
        steps.sort_by_key(|(at, _)| *at);
        Self {
            offer,
            blocks,
            carrier,
            release,
            metered: is_metered(lane),
            steps: steps
                .into_iter()
                .map(|(at, deed)| Step { at, deed })
                .collect(),
        }
    }

    /// Must a good build arrive in spite of all that is done? Power cuts, networks and clocks do not excuse a device, as long as the
    /// build has a try left, and its address too; a worker that somebody kills or a file that is not the right one do. What an operator
    /// says is not looked at here, as only its answer tells what it meets.
    pub(super) fn spares_good(&self) -> bool {
        let ended = |step: &&Step| matches!(step.deed, Deed::Kill(Whom::Supervisor) | Deed::Leave);
        let spares = |step: &Step| match &step.deed {
            Deed::Kill(Whom::Worker { .. }) | Deed::Stop(Whom::Worker { .. }) => false,
            // More than was asked for may not come where bytes are counted.
            Deed::Fault(fault) if self.metered && fault.name == "range-ignored" => false,
            Deed::Fault(fault) => fault.spares_good,
            _ => true,
        };
        let refusals = self.steps.iter().map(|step| match &step.deed {
            Deed::Fault(fault) if fault.refuses_the_address() => fault.count,
            _ => 0,
        });
        self.steps.iter().all(spares)
            && self.steps.iter().filter(ended).count() <= SPARED_LIVES
            && refusals.sum::<u64>() <= SPARED_ADDRESSES
    }

    /// Is nothing done at all?
    pub(super) fn is_calm(&self) -> bool {
        self.steps.is_empty()
    }

    /// Is a build offered that the device has never seen?
    pub(super) fn is_new(&self) -> bool {
        matches!(self.offer, Offer::New(_) | Offer::Older(_))
    }

    /// May the platform offer the build again when it has failed already?
    pub(super) fn repeats_offers(&self) -> bool {
        let repeats = |step: &Step| match &step.deed {
            Deed::Fault(fault) => fault.name == "push-while-updating",
            _ => false,
        };
        self.steps.iter().any(repeats)
    }

    /// In words, one line for each thing.
    pub(super) fn told(&self) -> String {
        let mut text = format!(
            "offer {:?} over {} with its signature at {}{}\n",
            self.offer,
            if self.blocks { "mqtt" } else { "http" },
            self.carrier,
            if self.release {
                ", let in again before"
            } else {
                ""
            },
        );
        for step in &self.steps {
            text.push_str(&format!("{:>6} ms  {:?}\n", step.at.as_millis(), step.deed));
        }
        text
    }
}

/// Does the device of this lane count the bytes from the network?
pub(super) fn is_metered(lane: u64) -> bool {
    lane % 3 == 2
}

/// One thing that goes wrong, and the end of it where it has one.
fn trouble(
    dice: &mut Dice,
    window: u64,
    blocks: bool,
    carrier: &str,
    has_clock: bool,
    steps: &mut Vec<(Duration, Deed)>,
) {
    let at = dice.within(window);
    let later = |dice: &mut Dice, most: u64| at + dice.within(most);
    let worker = Whom::Worker {
        last: dice.percent(60),
    };
    match dice.between(1, if has_clock { 100 } else { 92 }) {
        1..=20 => {
            steps.push((at, Deed::Kill(Whom::Supervisor)));
            steps.push((later(dice, 600), Deed::Start(Whom::Supervisor)));
        }
        21..=24 => {
            steps.push((at, Deed::Leave));
            steps.push((later(dice, 1500), Deed::Start(Whom::Supervisor)));
        }
        25..=30 => {
            steps.push((at, Deed::Stop(Whom::Supervisor)));
            steps.push((later(dice, 4000), Deed::Continue(Whom::Supervisor)));
        }
        31..=38 => steps.push((at, Deed::Kill(worker))),
        39..=43 => {
            steps.push((at, Deed::Stop(worker)));
            steps.push((later(dice, 6000), Deed::Continue(worker)));
        }
        44..=52 => {
            steps.push((at, Deed::Kill(Whom::Platform)));
            steps.push((later(dice, 1500), Deed::Start(Whom::Platform)));
        }
        53..=57 => {
            steps.push((at, Deed::Stop(Whom::Platform)));
            steps.push((later(dice, 2500), Deed::Continue(Whom::Platform)));
        }
        58..=60 => steps.push((at, Deed::Kick)),
        61..=63 => steps.push((at, Deed::Drop)),
        64..=92 => {
            // Most faults wait for their occasion, so they are there from the beginning.
            let at = if dice.percent(70) { Duration::ZERO } else { at };
            steps.push((at, Deed::Fault(Fault::drawn(dice, blocks, carrier))));
        }
        _ => steps.push((at, Deed::Clock(*dice.one(&CLOCKS)))),
    }
}

impl Offer {
    fn drawn(dice: &mut Dice) -> Self {
        match dice.between(1, 100) {
            1..=48 => Self::New(Build::good(dice)),
            49..=78 => Self::New(Build::bad_worker(dice)),
            79..=88 => Self::New(Build::spoilt(dice)),
            89..=90 => Self::New(Build::late()),
            91..=96 => Self::Again(Build::bad_worker(dice)),
            _ => Self::Older(Build::older()),
        }
    }

    /// The build that is made for it.
    pub(super) fn build(&self) -> &Build {
        let (Self::New(build) | Self::Again(build) | Self::Older(build)) = self;
        build
    }
}

impl Fault {
    /// For the emulator.
    pub(super) fn order(&self) -> Value {
        serde_json::json!({"name": self.name, "n": self.n, "count": self.count, "seed": self.seed})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_the_same_whenever_it_is_planned() {
        for round in 0..50 {
            let told = || Plan::of(7, 3, round, true).told();
            assert_eq!(told(), told());
        }
        assert_ne!(
            Plan::of(7, 3, 1, true).told(),
            Plan::of(8, 3, 1, true).told()
        );
    }

    #[test]
    fn whatever_is_ended_or_stopped_is_started_or_continued_by_a_later_step() {
        for round in 0..2000 {
            let plan = Plan::of(1, 1, round, true);
            for (place, step) in plan.steps.iter().enumerate() {
                let wanted = match step.deed {
                    Deed::Kill(Whom::Worker { .. }) => continue,
                    Deed::Kill(whom) => Deed::Start(whom),
                    Deed::Leave => Deed::Start(Whom::Supervisor),
                    Deed::Stop(whom) => Deed::Continue(whom),
                    Deed::Say(Wish::Pause) => Deed::Say(Wish::Resume),
                    _ => continue,
                };
                assert!(
                    plan.steps[place..].iter().any(|step| step.deed == wanted),
                    "{}",
                    plan.told()
                );
            }
        }
    }

    #[test]
    fn a_good_build_is_excused_when_its_address_is_refused_too_often() {
        let mut plan = Plan::of(1, 1, 0, true);
        let refused = |name, count| {
            let fault = Fault {
                name,
                n: None,
                count,
                seed: 0,
                spares_good: true,
            };
            let at = Duration::ZERO;
            let deed = Deed::Fault(fault);
            Step { at, deed }
        };
        plan.steps = vec![refused("error-header", 2), refused("url-expired", 1)];
        plan.steps.push(refused("lost-reply", 2));
        assert!(plan.spares_good(), "{}", plan.told());
        plan.steps.push(refused("error-header", 1));
        assert!(!plan.spares_good(), "{}", plan.told());
    }

    #[test]
    fn every_kind_of_build_of_fault_and_of_deed_comes_up() {
        let plans: Vec<Plan> = (0..4000).map(|round| Plan::of(1, 1, round, true)).collect();
        for kind in builds::all() {
            let drawn = |plan: &&Plan| plan.offer.build().name == kind;
            assert!(plans.iter().any(|plan| drawn(&plan)), "{kind}");
        }
        let deeds: Vec<&Deed> = plans
            .iter()
            .flat_map(|plan| plan.steps.iter().map(|step| &step.deed))
            .collect();
        for name in faults::all() {
            let is = |deed: &&&Deed| matches!(deed, Deed::Fault(fault) if fault.name == name);
            assert!(deeds.iter().any(|deed| is(&deed)), "{name}");
        }
        for deed in [Deed::Leave, Deed::Kick, Deed::Drop, Deed::Clock(2)] {
            assert!(deeds.contains(&&deed), "{deed:?}");
        }
        for wish in Wish::ALL {
            assert!(deeds.contains(&&Deed::Say(wish)), "{wish:?}");
        }
        let before = |plan: &&Plan| {
            let pause = Deed::Say(Wish::Pause);
            plan.steps
                .iter()
                .any(|step| step.at.is_zero() && step.deed == pause)
        };
        assert!(
            plans.iter().any(|plan| before(&plan)),
            "no offer in a pause"
        );
        assert!(plans.iter().any(|plan| plan.release));
        let calm = plans.iter().filter(|plan| plan.is_calm()).count();
        assert!((300..900).contains(&calm), "{calm}");
        let spared = plans.iter().filter(|plan| plan.spares_good()).count();
        assert!((1500..3500).contains(&spared), "{spared}");
    }
}
