//! `explain` at a terminal: the same sentences as in a pipe, with what is grave standing out.

use cloud_emulator::TaskState;
use e2e::{Stand, Terminal, applies, until};
use serde_json::json;

#[test]
fn at_a_terminal_the_story_is_the_one_of_the_pipe_and_a_failure_stands_out() {
    if !applies() {
        return;
    }
    let stand = Stand::new();
    let supervisor = stand.run_with(&stand.good("1.0.0"));
    stand.offer(&stand.misfit(&json!({ "version": "1.0.8", "do": "fail-activate" })));
    stand.await_task(TaskState::Failed);
    supervisor.await_rest("1.0.0");
    let piped = until("the story in a pipe", || {
        let told = stand.cli(&["explain"]).stdout;
        match told.contains("! The update ended: ") {
            true => Ok(told),
            false => Err(told),
        }
    });
    assert!(!piped.contains('\x1b'), "{piped:?}");
    let mut terminal = Terminal::start(&stand.command(&["explain"]), 240, 60);
    let shown = terminal.await_shown("its last line", |shown| shown.contains("lets it in again"));
    assert_eq!(terminal.await_end(), Some(0));
    let rows = |text: &str| {
        text.lines()
            .map(|row| row.trim_end().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(rows(shown.trim_end()), rows(piped.trim_end()));
    let row = rows(&shown)
        .iter()
        .position(|row| row.contains("! The update ended: "))
        .unwrap();
    let column = "  00:00:00.0 ".len();
    let place = (u16::try_from(row).unwrap(), u16::try_from(column).unwrap());
    let colour = terminal.look(|screen| screen.cell(place.0, place.1).map(vt100::Cell::fgcolor));
    assert_eq!(colour, Some(vt100::Color::Idx(3)), "{shown}");
}
