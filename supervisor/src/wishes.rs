//! `pause`, `resume`, `cancel`, `rollback`, `release`, `update --now`: a wish is put to the running supervisor, and what becomes of it is told in plain
//! words with the next step.
//!
//! What holds now, held before or goes on by itself ends with 0; what could not be done ends with 1. Nothing here decides.

use std::path::Path;

use serde_json::json;
use supervisor_core::{
    alink::version::Version,
    event::{Effect, Request},
};

use crate::{
    Failure,
    cli::Action,
    drivers::{
        control::{self, Answer, AskError},
        store::layout::Layout,
    },
    exit::Exit,
    show::{complain, say},
    unexpected,
};

/// What is told of a wish that is in force and not on the disk.
const NOT_ON_DISK: &str = "the disk has not taken it yet: until it does, which is tried again and again, a power cut undoes it; the \
     supervisor's log says what is wrong with the disk";

/// What is told of `--now` for an image whose turn has not come.
pub(crate) const NOT_YET: &str = "its turn has not come; say `supervisor update --now` when it has";

/// What is wished of the running supervisor by this command, and whether the answer is for programs.
pub(crate) fn of(action: &Action) -> Option<(Request, bool)> {
    Some(match action {
        Action::Pause { json } => (Request::Pause, *json),
        Action::Resume { json } => (Request::Resume, *json),
        Action::Cancel { json } => (Request::Cancel, *json),
        Action::Rollback { json } => (Request::Rollback, *json),
        Action::Release { version, json } => (Request::Release(version.clone()), *json),
        Action::Update {
            file: None, json, ..
        } => (Request::Hasten, *json),
        _ => return None,
    })
}

/// Puts a wish to the supervisor that runs on this state folder.
pub(crate) async fn put(state: &Path, wish: Request, json: bool) -> Result<(), Failure> {
    let answer = control::ask(&Layout::of(state), &wish).await;
    let Answer::Wish { effect, on_disk } = answer.map_err(|why| unexpected(&why))? else {
        return Err(unexpected(&AskError::Unfit));
    };
    if json {
        let answer = json!({"wish": wish, "effect": effect, "on_disk": on_disk});
        say(&format!("{answer}\n"));
    }
    let text = words(&wish, &effect);
    if !is_done(&effect) {
        return Err(Failure {
            exit: Exit::Unexpected,
            text,
        });
    }
    if !json {
        say(&format!("{text}\n"));
    }
    if !on_disk {
        complain(NOT_ON_DISK);
    }
    Ok(())
}

/// Does it hold now, or go on by itself?
fn is_done(effect: &Effect) -> bool {
    match effect {
        Effect::Paused
        | Effect::PausedSoon
        | Effect::PausedAlready
        | Effect::Resumed
        | Effect::NotPaused
        | Effect::Cancelled { .. }
        | Effect::Dropped { .. }
        | Effect::TakenBack { .. }
        | Effect::OnItsWay { .. }
        | Effect::RollsBack { .. }
        | Effect::Released { .. }
        | Effect::Hastened { .. } => true,
        Effect::NothingUnderWay
        | Effect::TooLate { .. }
        | Effect::NoFormer
        | Effect::FormerQuarantined { .. }
        | Effect::FormerKeptDying { .. }
        | Effect::NotQuarantined
        | Effect::NothingToHasten
        | Effect::Refused { .. } => false,
    }
}

/// What becomes of a wish, and the next step.
fn words(wish: &Request, effect: &Effect) -> String {
    match effect {
        Effect::Paused => "updates are paused: nothing goes on and nothing begins until `supervisor resume`".to_owned(),
        Effect::PausedSoon => "updates are paused: what is under way cannot be held any more and ends by itself, and nothing begins after it \
             until `supervisor resume`; `supervisor cancel` takes a version on trial back"
            .to_owned(),
        Effect::PausedAlready => "updates are paused already, until `supervisor resume`".to_owned(),
        Effect::Resumed => "updates go on where they stood; `supervisor status` shows how it goes".to_owned(),
        Effect::NotPaused => "updates are not paused; `supervisor status` shows what is under way".to_owned(),
        Effect::Cancelled {
            version,
            quarantined,
            next,
        } => {
            let mut text = format!(
                "the update to version {version} is cancelled, and what ran goes on running{}",
                kept_away(version, *quarantined)
            );
            if let Some(next) = next {
                text += &format!(
                    "; version {next}, which was offered meanwhile, is looked at next, and `supervisor pause` would keep it waiting"
                );
            }
            text
        }
        Effect::Dropped {
            version,
            quarantined,
        } => format!(
            "the offer of version {version} that waited is dropped{}",
            kept_away(version, *quarantined)
        ),
        Effect::TakenBack {
            from,
            to,
            quarantined,
        } => format!(
            "version {from} is stopped and {}{}; `supervisor status` shows how it goes",
            runs_again(to.as_ref()),
            kept_away(from, *quarantined)
        ),
        Effect::OnItsWay { to } => format!(
            "the way back has begun already: {}; `supervisor status` shows how it goes",
            runs_again(to.as_ref())
        ),
        Effect::Hastened { paused: false } => {
            "the update waits neither for a maintenance window nor for the device's consent; `supervisor status` shows how it goes".to_owned()
        }
        Effect::Hastened { paused: true } => {
            "the update will wait neither for a maintenance window nor for the device's consent, but updates are paused; `supervisor resume` lets \
             it go on"
                .to_owned()
        }
        Effect::NothingToHasten => {
            "no update is under way whose switch is still to come; `supervisor update FILE --now` begins one".to_owned()
        }
        Effect::NothingUnderWay => "no update is under way; `supervisor rollback` goes back from the version that runs".to_owned(),
        Effect::TooLate { version } if *wish == Request::Rollback => {
            format!("version {version} is being trusted in this moment; say `supervisor rollback` again in a second")
        }
        Effect::TooLate { version } => format!(
            "version {version} has proved itself and is being trusted in this moment; `supervisor rollback` goes back from it"
        ),
        Effect::RollsBack { from, to } => format!(
            "version {from} hands over to version {to}{}; `supervisor status` shows how it goes",
            kept_away(from, true)
        ),
        Effect::NoFormer => "there is no version to go back to; `supervisor update FILE --allow-downgrade` installs an older one".to_owned(),
        Effect::FormerQuarantined { version } => format!(
            "the version to go back to, {version}, is quarantined; `supervisor release {version}` lets it in again, and then \
             `supervisor rollback` goes back to it"
        ),
        Effect::FormerKeptDying { version } => format!(
            "the version to go back to, {version}, was taken back because it kept dying; `supervisor release {version}` lets it in again, and \
             then `supervisor rollback` goes back to it"
        ),
        Effect::Released { tries } => {
            let again = match tries {
                0 => "may be taken again",
                _ => "may be taken again, with all its tries",
            };
            format!(
                "version {} {again}; the platform is asked for it now, and must begin its job anew if that had failed",
                subject(wish)
            )
        }
        Effect::NotQuarantined => format!(
            "nothing is held against version {}; `supervisor status` shows which versions are quarantined",
            subject(wish)
        ),
        Effect::Refused { why } => why.clone(),
    }
}

fn kept_away(version: &Version, quarantined: bool) -> String {
    match quarantined {
        true => format!(
            "; the platform may not bring version {version} again before `supervisor release {version}`"
        ),
        false => String::new(),
    }
}

fn runs_again(version: Option<&Version>) -> String {
    match version {
        Some(version) => format!("version {version} takes over again"),
        None => "no worker is left, as before".to_owned(),
    }
}

fn subject(wish: &Request) -> String {
    match wish {
        Request::Release(version) => version.to_string(),
        _ => "that runs".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn every_answer_says_what_happens_now_and_names_the_next_step() {
        let (old, new) = (version("1.0.0"), version("1.0.7"));
        let release = || Request::Release(version("1.0.7"));
        let cases = [
            (Request::Pause, Effect::Paused, true, "`supervisor resume`"),
            (
                Request::Pause,
                Effect::PausedSoon,
                true,
                "`supervisor cancel`",
            ),
            (
                Request::Pause,
                Effect::PausedAlready,
                true,
                "`supervisor resume`",
            ),
            (
                Request::Resume,
                Effect::Resumed,
                true,
                "`supervisor status`",
            ),
            (
                Request::Resume,
                Effect::NotPaused,
                true,
                "`supervisor status`",
            ),
            (
                Request::Cancel,
                Effect::Cancelled {
                    version: new.clone(),
                    quarantined: true,
                    next: Some(version("1.0.8")),
                },
                true,
                "before `supervisor release 1.0.7`; version 1.0.8",
            ),
            (
                Request::Cancel,
                Effect::Dropped {
                    version: new.clone(),
                    quarantined: true,
                },
                true,
                "`supervisor release 1.0.7`",
            ),
            (
                Request::Cancel,
                Effect::TakenBack {
                    from: new.clone(),
                    to: Some(old.clone()),
                    quarantined: true,
                },
                true,
                "version 1.0.0 takes over again",
            ),
            (
                Request::Cancel,
                Effect::OnItsWay {
                    to: Some(old.clone()),
                },
                true,
                "`supervisor status`",
            ),
            (
                Request::Cancel,
                Effect::NothingUnderWay,
                false,
                "`supervisor rollback`",
            ),
            (
                Request::Cancel,
                Effect::TooLate {
                    version: new.clone(),
                },
                false,
                "`supervisor rollback` goes back",
            ),
            (
                Request::Rollback,
                Effect::TooLate {
                    version: new.clone(),
                },
                false,
                "again in a second",
            ),
            (
                Request::Rollback,
                Effect::RollsBack {
                    from: new.clone(),
                    to: old,
                },
                true,
                "`supervisor release 1.0.7`",
            ),
            (
                Request::Rollback,
                Effect::NoFormer,
                false,
                "`supervisor update",
            ),
            (
                Request::Rollback,
                Effect::FormerQuarantined {
                    version: new.clone(),
                },
                false,
                "`supervisor release 1.0.7`",
            ),
            (
                Request::Rollback,
                Effect::FormerKeptDying { version: new },
                false,
                "it kept dying; `supervisor release 1.0.7`",
            ),
            (
                release(),
                Effect::Released { tries: 3 },
                true,
                "with all its tries",
            ),
            (
                release(),
                Effect::NotQuarantined,
                false,
                "`supervisor status`",
            ),
            (
                Request::Hasten,
                Effect::Hastened { paused: false },
                true,
                "`supervisor status`",
            ),
            (
                Request::Hasten,
                Effect::Hastened { paused: true },
                true,
                "`supervisor resume`",
            ),
            (
                Request::Hasten,
                Effect::NothingToHasten,
                false,
                "`supervisor update FILE --now`",
            ),
        ];
        for (wish, effect, done, word) in cases {
            let text = words(&wish, &effect);
            assert!(text.contains(word), "{effect:?}: {text}");
            assert_eq!(is_done(&effect), done, "{text}");
        }
    }

    #[test]
    fn what_an_operator_brought_is_not_said_to_be_kept_away() {
        let effect = Effect::Cancelled {
            version: version("1.0.7"),
            quarantined: false,
            next: None,
        };
        let text = words(&Request::Cancel, &effect);
        assert!(!text.contains("release"), "{text}");
    }

    #[test]
    fn wishes_and_answers_are_sent_in_words_that_are_a_promise() {
        let sent = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(sent(&Request::Pause), r#""pause""#);
        assert_eq!(sent(&Request::Resume), r#""resume""#);
        assert_eq!(sent(&Request::Cancel), r#""cancel""#);
        assert_eq!(sent(&Request::Rollback), r#""rollback""#);
        let release = Request::Release(version("1.0.7"));
        assert_eq!(sent(&release), r#"{"release":"1.0.7"}"#);
        let answered = |effect: &Effect| serde_json::to_string(effect).unwrap();
        assert_eq!(answered(&Effect::PausedSoon), r#""paused-soon""#);
        assert_eq!(
            answered(&Effect::RollsBack {
                from: version("1.0.7"),
                to: version("1.0.0"),
            }),
            r#"{"rolls-back":{"from":"1.0.7","to":"1.0.0"}}"#
        );
    }
}
