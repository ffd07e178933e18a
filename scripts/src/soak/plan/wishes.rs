//! What an operator says in the middle of it all.

use std::time::Duration;

use super::Deed;
use crate::soak::dice::Dice;

/// What an operator wishes of the supervisor that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing goes on and nothing begins.
    Pause,
    /// It goes on.
    Resume,
    /// The update under way ends.
    Cancel,
    /// The version before runs again.
    Rollback,
    /// What is offered in this round may be taken again.
    Release,
    /// The update under way waits for nobody's consent.
    Hasten,
}

impl Wish {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 6] = [
        Self::Pause,
        Self::Resume,
        Self::Cancel,
        Self::Rollback,
        Self::Release,
        Self::Hasten,
    ];

    /// As it is written on the command line; a release names its version besides.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::Pause => &["pause"],
            Self::Resume => &["resume"],
            Self::Cancel => &["cancel"],
            Self::Rollback => &["rollback"],
            Self::Release => &["release"],
            Self::Hasten => &["update", "--now"],
        }
    }

    /// May it end an update, or take a version away?
    pub(crate) fn ends(self) -> bool {
        matches!(self, Self::Cancel | Self::Rollback)
    }
}

/// How many rounds in a hundred an operator speaks in.
const SPEAKS: u64 = 30;

/// The longest pause, in ms; one that is left open is ended when everything is to come to rest.
const LONGEST_PAUSE: u64 = 2500;

/// Draws what an operator says in a round, and when.
pub(super) fn drawn(dice: &mut Dice, window: u64) -> Vec<(Duration, Deed)> {
    let mut steps = Vec::new();
    if !dice.percent(SPEAKS) {
        return steps;
    }
    for _ in 0..*dice.weighed(&[(6, 1), (3, 2), (1, 3)]) {
        // Before the offer, or after it.
        let at = if dice.percent(25) {
            Duration::ZERO
        } else {
            dice.within(window)
        };
        let wish = match dice.between(1, 100) {
            1..=34 => {
                let over = at + dice.within(LONGEST_PAUSE);
                steps.push((at, Deed::Say(Wish::Pause)));
                steps.push((over, Deed::Say(Wish::Resume)));
                continue;
            }
            35..=52 => Wish::Cancel,
            53..=70 => Wish::Rollback,
            71..=82 => Wish::Release,
            _ => Wish::Hasten,
        };
        steps.push((at, Deed::Say(wish)));
    }
    steps
}
