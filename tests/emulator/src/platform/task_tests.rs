use super::*;

const RULES: Rules = Rules {
    time_limit: Some(1000),
    retries: 0,
    retry_interval: 500,
};

fn task() -> Task {
    Task::new(0, Some("1.0.0".into()), "1.1.0".into(), RULES)
}

fn updating() -> Task {
    let mut task = task();
    task.offered(10);
    task.progressed(20, 1, "");
    task
}

#[test]
fn the_ordinary_life_goes_through_all_states() {
    let mut task = updating();
    assert_eq!(task.state, TaskState::InProgress);
    task.progressed(30, 100, "downloaded");
    assert_eq!(task.state, TaskState::InProgress, "100 is not success");
    task.informed(40, "1.1.0");
    let states: Vec<_> = task.history.iter().map(|turn| turn.state).collect();
    assert_eq!(
        states,
        [
            TaskState::Queued,
            TaskState::Notified,
            TaskState::InProgress,
            TaskState::Succeeded
        ]
    );
}

#[test]
fn the_target_version_succeeds_from_every_open_state() {
    let mut queued = task();
    queued.informed(1, "1.1.0");
    let mut notified = task();
    notified.offered(1);
    notified.informed(2, "1.1.0");
    for task in [queued, notified] {
        assert_eq!(task.state, TaskState::Succeeded);
    }
}

#[test]
fn the_source_version_reported_again_changes_nothing() {
    let mut task = updating();
    task.informed(30, "1.0.0");
    assert_eq!(task.state, TaskState::InProgress);
}

#[test]
fn a_third_version_fails_only_after_progress_began() {
    let mut early = task();
    early.offered(1);
    early.informed(2, "0.9.0");
    assert_eq!(early.state, TaskState::Notified);
    let mut late = updating();
    late.informed(30, "0.9.0");
    assert_eq!(late.state, TaskState::Failed);
    assert!(late.reason.unwrap().contains("0.9.0"));
}

#[test]
fn each_negative_step_fails_and_zero_does_not() {
    for step in [-1, -2, -3, -4] {
        let mut task = updating();
        task.progressed(30, step, "why");
        assert_eq!(task.state, TaskState::Failed);
        assert!(task.reason.unwrap().contains("why"));
    }
    let mut zero = updating();
    zero.progressed(30, 0, "");
    assert_eq!(zero.state, TaskState::InProgress);
}

#[test]
fn the_time_limit_starts_with_the_first_progress() {
    let mut task = task();
    task.offered(10);
    assert_eq!(task.deadline(), None);
    task.progressed(50, 1, "");
    task.progressed(900, 50, "");
    assert_eq!(task.deadline(), Some(1050));
    assert!(!task.elapsed(1049));
    assert!(task.elapsed(1050));
    assert_eq!(task.state, TaskState::Failed);
}

#[test]
fn a_failure_with_tries_left_is_queued_again_after_the_interval() {
    let mut task = Task::new(
        0,
        None,
        "2".into(),
        Rules {
            retries: 1,
            ..RULES
        },
    );
    task.offered(1);
    task.progressed(2, -2, "cut");
    assert_eq!(task.state, TaskState::Queued);
    assert!(!task.may_be_offered(501));
    assert!(task.may_be_offered(502));
    assert!(task.elapsed(502));
    task.offered(503);
    task.progressed(504, -2, "cut again");
    assert_eq!(task.state, TaskState::Failed, "only one retry was allowed");
}

#[test]
fn nothing_moves_a_final_state() {
    let mut task = updating();
    task.cancel(30, "operator");
    task.informed(31, "1.1.0");
    task.progressed(32, 5, "");
    task.offered(33);
    task.cancel(34, "twice");
    assert_eq!(task.state, TaskState::Canceled);
    assert_eq!(task.history.len(), 4);
    assert!(!task.elapsed(u64::MAX));
}

#[test]
fn each_connection_gets_the_push_once_until_progress_began() {
    let mut task = task();
    assert!(task.wants_push(1, 7));
    task.pushed_on = Some(7);
    task.offered(1);
    assert!(!task.wants_push(2, 7));
    assert!(
        task.wants_push(2, 8),
        "never reported on, so pushed again on the next connection"
    );
    task.progressed(3, 1, "");
    assert!(!task.wants_push(4, 9));
}

#[test]
fn the_first_version_heard_becomes_the_source() {
    let mut task = Task::new(0, None, "2".into(), RULES);
    task.informed(1, "1");
    assert_eq!(task.source.as_deref(), Some("1"));
    task.progressed(2, 1, "");
    task.informed(3, "1");
    assert_eq!(task.state, TaskState::InProgress);
}
