use std::collections::VecDeque;

use supervisor_core::event::{SaveId, Tenure};

use super::*;

const LIMIT: Duration = Duration::from_millis(50);

/// Notes what it is told, and answers with what it was given.
#[derive(Default)]
struct Script {
    told: Vec<Event>,
    answers: VecDeque<Vec<Command>>,
    deadline: Option<Ticks>,
    /// A deadline that does not pass by being told.
    stuck: bool,
}

impl Brain for Script {
    fn handle(&mut self, _: Now, event: Event, commands: &mut Vec<Command>) {
        if event == Event::Tick && !self.stuck {
            self.deadline = None;
        }
        self.told.push(event);
        commands.extend(self.answers.pop_front().unwrap_or_default());
    }

    fn next_deadline(&self) -> Option<Ticks> {
        self.deadline
    }

    fn standing(&self) -> Standing<'_> {
        Standing {
            phase: "idle",
            active: None,
            installed: false,
            cloud_up: false,
        }
    }
}

struct Ran {
    ended: Ended,
    told: Vec<Event>,
    done: Vec<Command>,
}

async fn ran(mut brain: Script, first: Vec<Command>, events: Vec<Event>, wishes: usize) -> Ran {
    let (event, happened) = mpsc::channel(16);
    let (wish, wished) = mpsc::channel(4);
    for it in events {
        event.try_send(it).unwrap();
    }
    for _ in 0..wishes {
        wish.try_send(()).unwrap();
    }
    let mut done = Vec::new();
    let ended = run(
        &mut brain,
        Clock::start(),
        happened,
        wished,
        &mut Notify::nobody(),
        LIMIT,
        first,
        |command| {
            done.push(command);
            if done.last() == Some(&Command::Exit) {
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        },
    )
    .await;
    drop(event);
    Ran {
        ended,
        told: brain.told,
        done,
    }
}

fn saved(number: u64) -> Event {
    Event::Saved {
        save: SaveId(number),
    }
}

fn kill(number: u64) -> Command {
    Command::Kill {
        tenure: Tenure(number),
    }
}

#[tokio::test]
async fn commands_are_carried_out_in_order_the_first_ones_before_any_event() {
    let brain = Script {
        answers: [
            vec![kill(2), kill(3)],
            vec![kill(4), Command::Exit, kill(5)],
        ]
        .into(),
        ..Script::default()
    };
    let ran = ran(brain, vec![kill(1)], vec![saved(1), saved(2), saved(3)], 0).await;
    assert_eq!(ran.ended, Ended::InOrder);
    assert_eq!(ran.told, [saved(1), saved(2)]);
    assert_eq!(
        ran.done,
        [kill(1), kill(2), kill(3), kill(4), Command::Exit]
    );
}

#[tokio::test]
async fn a_deadline_wakes_the_brain_when_nothing_happens() {
    let brain = Script {
        deadline: Some(Ticks(20)),
        answers: [vec![Command::Exit]].into(),
        ..Script::default()
    };
    let ran = ran(brain, Vec::new(), Vec::new(), 0).await;
    assert_eq!((ran.ended, ran.told), (Ended::InOrder, vec![Event::Tick]));
}

#[tokio::test]
async fn a_deadline_that_has_come_is_told_before_waiting_events_and_does_not_hold_them_up() {
    let brain = Script {
        deadline: Some(Ticks(0)),
        stuck: true,
        answers: [vec![], vec![], vec![], vec![Command::Exit]].into(),
        ..Script::default()
    };
    let ran = ran(brain, Vec::new(), vec![saved(1), saved(2)], 0).await;
    assert_eq!(ran.told, [Event::Tick, saved(1), Event::Tick, saved(2)]);
}

#[tokio::test]
async fn the_first_wish_to_end_is_told_to_the_brain_which_ends_in_order() {
    let brain = Script {
        answers: [vec![kill(1)], vec![Command::Exit]].into(),
        ..Script::default()
    };
    let ran = ran(brain, Vec::new(), vec![saved(1)], 1).await;
    assert_eq!(ran.ended, Ended::InOrder);
    assert_eq!(ran.told, [Event::Stop, saved(1)]);
}

#[tokio::test]
async fn the_second_wish_to_end_is_obeyed_at_once() {
    let ran = ran(Script::default(), Vec::new(), vec![saved(1)], 2).await;
    assert_eq!((ran.ended, ran.told), (Ended::AtOnce, vec![Event::Stop]));
}

#[tokio::test]
async fn a_brain_that_never_gets_to_its_end_is_ended() {
    let ran = ran(Script::default(), Vec::new(), Vec::new(), 1).await;
    assert_eq!(ran.ended, Ended::AtOnce);
    assert_eq!(ran.told, [Event::Stop]);
}

#[tokio::test]
async fn hands_that_are_all_gone_end_the_loop() {
    let (event, happened) = mpsc::channel(1);
    let (_wish, wished) = mpsc::channel(1);
    drop(event);
    let mut brain = Script::default();
    let go_on = |_| ControlFlow::Continue(());
    let ended = run(
        &mut brain,
        Clock::start(),
        happened,
        wished,
        &mut Notify::nobody(),
        LIMIT,
        Vec::new(),
        go_on,
    )
    .await;
    assert_eq!(ended, Ended::AtOnce);
}
