use std::collections::BTreeMap;

use super::*;

/// A day of 2026, in days since 1970.
const TODAY: u64 = 20_700;

fn limits(budget: u64, budget_per_day: u64) -> Limits {
    Limits {
        budget: Some(budget),
        budget_per_day: Some(budget_per_day),
        ..Limits::default()
    }
}

/// One process with the account, on one day.
struct Case {
    folder: tempfile::TempDir,
    account: Account,
    today: u64,
    build: String,
    limits: Limits,
    open: u64,
    back: u64,
}

impl Case {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            account: Account::at(folder.path().join("budget")),
            folder,
            today: TODAY,
            build: "1".to_owned(),
            limits,
            open: 0,
            back: 0,
        }
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join("budget")
    }

    fn step(&mut self, act: Act) -> Result<u64, FetchFault> {
        let step = Step {
            build: self.build.clone(),
            limits: self.limits,
            open: self.open,
            back: std::mem::take(&mut self.back),
            act,
        };
        let allowed = self.account.carry_out_on(&step, self.today).unwrap()?;
        self.open += allowed;
        Ok(allowed)
    }

    fn spend(&mut self, most: u64) -> Result<u64, FetchFault> {
        self.step(Act::Spend(Ask::Some {
            least: 1,
            most,
            missing: 1,
        }))
    }

    /// It all comes, and the try ends.
    fn had(&mut self, most: u64) -> Result<u64, FetchFault> {
        let allowed = self.spend(most)?;
        self.open = 0;
        self.step(Act::Rest)?;
        Ok(allowed)
    }

    /// The process is killed, and another one starts.
    fn killed(&mut self) {
        self.account = Account::at(self.place());
        (self.open, self.back) = (0, 0);
    }
}

fn spent(budget: u64) -> Result<u64, FetchFault> {
    Err(FetchFault::DaySpent { budget })
}

fn over(budget: u64) -> Result<u64, FetchFault> {
    Err(FetchFault::OverBudget { budget })
}

#[test]
fn a_day_has_exactly_its_bytes_and_the_next_one_has_them_again() {
    let mut case = Case::new(limits(u64::MAX, 1000));
    for day in 0..3 {
        case.today = TODAY + day;
        assert_eq!(case.had(400), Ok(400));
        assert_eq!(case.had(400), Ok(400));
        assert_eq!(case.had(400), Ok(200));
        assert_eq!(case.had(400), spent(1000));
        case.killed();
        assert_eq!(case.had(1), spent(1000));
    }
}

#[test]
fn an_update_has_exactly_its_bytes_and_is_ended_when_it_cannot_be_done_with_them() {
    let mut case = Case::new(limits(1000, u64::MAX));
    let all = |missing| {
        Act::Spend(Ask::Some {
            least: 1,
            most: 400,
            missing,
        })
    };
    assert_eq!(case.step(all(1001)), over(1000));
    assert_eq!(case.step(all(1000)), Ok(400));
    // One byte was lost on the way.
    assert_eq!(case.step(all(601)), over(1000));
    assert_eq!(case.step(all(600)), Ok(400));
    assert_eq!(case.step(Act::Spend(Ask::All(201))), over(1000));
    assert_eq!(case.step(Act::Spend(Ask::All(200))), Ok(200));
    assert_eq!(case.had(1), over(1000));
    // The same offered again is the same update, until it is a slot.
    case.killed();
    assert_eq!(case.step(all(1)), over(1000));
    assert_eq!(case.step(Act::Close), Ok(0));
    case.killed();
    assert_eq!(case.step(all(1000)), Ok(400));
    case.build = "2".to_owned();
    assert_eq!(case.step(all(1000)), Ok(400));
}

#[test]
fn what_is_wanted_whole_or_not_at_all_waits_for_a_day_that_has_so_many_bytes() {
    let mut case = Case::new(limits(u64::MAX, 1000));
    assert_eq!(case.had(900), Ok(900));
    assert_eq!(case.step(Act::Spend(Ask::All(101))), spent(1000));
    assert_eq!(case.step(Act::Spend(Ask::All(1001))), over(1000));
    let some = |least| {
        Act::Spend(Ask::Some {
            least,
            most: 500,
            missing: 500,
        })
    };
    assert_eq!(case.step(some(101)), spent(1000));
    assert_eq!(case.step(some(100)), Ok(100));
    case.today += 1;
    assert_eq!(case.step(Act::Spend(Ask::All(101))), Ok(101));
}

#[test]
fn what_is_given_back_is_there_again_and_what_was_killed_is_not() {
    let mut case = Case::new(limits(2000, 1000));
    assert_eq!(case.spend(800), Ok(800));
    (case.open, case.back) = (0, 700);
    assert_eq!(case.spend(800), Ok(800));
    case.killed();
    assert_eq!(case.spend(800), Ok(100));
    // Given back at the end of a try, it is on the disk.
    (case.open, case.back) = (0, 60);
    assert_eq!(case.step(Act::Rest), Ok(0));
    case.killed();
    assert_eq!(case.spend(800), Ok(60));
}

#[test]
fn bytes_asked_for_before_midnight_count_after_it_as_well() {
    let mut case = Case::new(limits(u64::MAX, 1000));
    assert_eq!(case.spend(300), Ok(300));
    case.today += 1;
    // All but 100 of them came, and perhaps all of those after midnight.
    (case.open, case.back) = (0, 100);
    assert_eq!(case.had(1000), Ok(800));

    let mut case = Case::new(limits(u64::MAX, 1000));
    assert_eq!(case.spend(300), Ok(300));
    case.killed();
    case.today += 1;
    assert_eq!(case.had(1000), Ok(700));
    case.today += 1;
    assert_eq!(case.had(1000), Ok(1000));
}

#[test]
fn a_clock_that_goes_back_brings_no_bytes_until_a_whole_day_has_passed_on_it() {
    let mut case = Case::new(limits(u64::MAX, 1000));
    assert_eq!(case.had(900), Ok(900));
    // A device without a clock of its own wakes up in 1970, twice, and is told the time.
    for _ in 0..2 {
        case.killed();
        case.today = 0;
        assert_eq!(case.had(40), Ok(40));
        case.today = TODAY;
        assert_eq!(case.had(10), Ok(10));
    }
    assert_eq!(case.had(1), spent(1000));
    // One whose clock was far ahead once is not without bytes until then.
    case.today = TODAY + 10_000;
    assert_eq!(case.had(1000), Ok(1000));
    for day in [1, 1, 2] {
        case.today = TODAY + day;
        case.killed();
        assert_eq!(case.had(1), spent(1000), "day {day}");
    }
    case.today = TODAY + 3;
    assert_eq!(case.had(2000), Ok(1000));
    assert_eq!(case.had(1), spent(1000));
    case.today = TODAY + 4;
    assert_eq!(case.had(2000), Ok(1000));
}

#[test]
fn an_account_that_cannot_be_read_means_that_everything_is_spent() {
    for damage in ["", "{}", "nonsense", r#"{"form":2,"day":0}"#] {
        let mut case = Case::new(limits(1000, 1000));
        assert_eq!(case.had(1), Ok(1));
        fs::write(case.place(), damage).unwrap();
        case.killed();
        assert_eq!(case.had(1), over(1000), "{damage}");
        case.limits.budget = None;
        assert_eq!(case.had(1), spent(1000), "{damage}");
        case.killed();
        assert_eq!(case.had(1), spent(1000), "{damage}");
        case.killed();
        case.today += 1;
        case.build = "2".to_owned();
        case.limits.budget = Some(1000);
        assert_eq!(case.had(1), Ok(1), "{damage}");
    }
}

#[test]
fn bytes_that_cannot_be_written_down_are_not_asked_for() {
    let mut case = Case::new(limits(1000, 1000));
    assert_eq!(case.had(1), Ok(1));
    // Where the fresh file would be, there is something else.
    let fresh = case.place().with_extension("new");
    fs::create_dir(&fresh).unwrap();
    let step = Step {
        build: case.build.clone(),
        limits: case.limits,
        open: 0,
        back: 0,
        act: Act::Spend(Ask::All(1)),
    };
    assert!(case.account.carry_out_on(&step, TODAY).is_err());
    fs::remove_dir(&fresh).unwrap();
    assert_eq!(case.spend(2000), Ok(999));
}

/// Splitmix64: equal seeds give equal histories.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }
}

/// What really came, by day and by update.
#[derive(Debug, Default)]
struct Wire {
    days: BTreeMap<u64, u64>,
    updates: BTreeMap<u64, u64>,
}

/// A history without a disk: what is written down is there after every step.
struct History {
    random: Random,
    spent: Spent,
    today: u64,
    update: u64,
    open: u64,
    back: u64,
    wire: Wire,
}

impl History {
    const LIMITS: (u64, u64) = (5000, 1000);

    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            spent: Spent::default(),
            today: TODAY,
            update: 0,
            open: 0,
            back: 0,
            wire: Wire::default(),
        }
    }

    fn step(&mut self, act: Act) {
        let step = Step {
            build: self.update.to_string(),
            limits: limits(Self::LIMITS.0, Self::LIMITS.1),
            open: self.open,
            back: std::mem::take(&mut self.back),
            act,
        };
        self.spent.begin(&step, self.today);
        // Refused is as good as allowed here.
        self.open += self.spent.spend(&step).unwrap_or(0);
    }

    /// Some of what was asked for comes, seen or unseen.
    fn some_come(&mut self) -> u64 {
        let bytes = self.random.below(self.open + 1);
        *self.wire.days.entry(self.today).or_default() += bytes;
        *self.wire.updates.entry(self.update).or_default() += bytes;
        bytes
    }

    fn goes_on(&mut self) {
        match self.random.below(12) {
            0..4 => {
                let most = 1 + self.random.below(400);
                self.step(Act::Spend(Ask::Some {
                    least: 1,
                    most,
                    missing: 1,
                }));
            }
            4..7 => self.open -= self.some_come(),
            7 => {
                // The answer has ended, and some of it is on its way unread.
                self.back += self.open - self.some_come();
                self.open = 0;
            }
            8 => {
                // Killed, with some of the answer on its way.
                self.some_come();
                (self.open, self.back) = (0, 0);
            }
            9 => self.today += self.random.below(3),
            10 => self.step(Act::Rest),
            _ => {
                self.update += self.random.below(2);
                (self.open, self.back) = (0, 0);
            }
        }
    }
}

#[test]
fn in_no_history_comes_a_byte_more_than_is_allowed() {
    let (of_update, of_day) = History::LIMITS;
    let (mut full_days, mut full_updates) = (0, 0);
    for seed in 0..1000 {
        let mut history = History::new(seed);
        for _ in 0..300 {
            history.goes_on();
            let Wire { days, updates } = &history.wire;
            assert!(
                days.values().all(|it| *it <= of_day),
                "seed {seed}: {days:?}"
            );
            let kept = updates.values().all(|it| *it <= of_update);
            assert!(kept, "seed {seed}: {updates:?}");
        }
        let Wire { days, updates } = &history.wire;
        full_days += days.values().filter(|it| **it * 10 >= of_day * 9).count();
        full_updates += updates.values().filter(|it| **it * 2 >= of_update).count();
    }
    // The limits were met, and not only never reached.
    assert!(
        full_days > 100 && full_updates > 100,
        "{full_days} {full_updates}"
    );
}
