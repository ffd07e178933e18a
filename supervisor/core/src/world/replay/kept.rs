//! A walk that broke a law, as short as it can be told, in a file that `cargo xtask replay` shows again.

use std::{
    any::Any,
    cell::Cell,
    panic::AssertUnwindSafe,
    path::PathBuf,
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::world::{faults::Fault, recorded::Walk};

impl Walk {
    /// Writes it to a file, as short as it can be told, and says how to see it again.
    pub(in crate::world) fn write_down(&self) {
        println!("{}", self.shortened().kept());
    }

    /// Leaves out every step without which a law is broken all the same.
    fn shortened(&self) -> Self {
        let breaks = |walk: &Self| broken_by(|| walk.go()).is_some();
        let mut walk = self.clone();
        let mut at = walk.steps.len();
        while at > 0 {
            at -= 1;
            let mut shorter = walk.clone();
            let (span, _) = shorter.steps.remove(at);
            let mut waiting = walk.clone();
            waiting.steps[at] = (span, Fault::Wait);
            if breaks(&shorter) {
                walk = shorter;
            } else if breaks(&waiting) {
                walk = waiting;
            }
        }
        walk
    }

    /// Writes it to a file, and answers what to say about that.
    fn kept(&self) -> String {
        let path = fresh_path();
        match std::fs::write(&path, self.to_string()) {
            Ok(()) => {
                let path = path.display().to_string();
                let quote = if path.contains(' ') { "\"" } else { "" };
                format!(
                    "the walk is in `{path}`; to see it again: cargo xtask replay {quote}{path}{quote}"
                )
            }
            Err(why) => format!(
                "the walk could not be written to `{}`: {why}\n{self}",
                path.display()
            ),
        }
    }
}

/// A file that no other walk is in.
fn fresh_path() -> PathBuf {
    static WALKS: AtomicU64 = AtomicU64::new(0);
    let (process, walk) = (std::process::id(), WALKS.fetch_add(1, Ordering::Relaxed));
    std::env::temp_dir().join(format!("hotplate-{process}-{walk}.walk"))
}

/// Does it without a word about a broken law, and answers what was said of it if one was broken.
pub(super) fn broken_by<T>(work: impl FnOnce() -> T) -> Option<String> {
    thread_local! {
        /// Does this thread break laws on purpose?
        static QUIET: Cell<bool> = const { Cell::new(false) };
    }
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |why| {
            if !QUIET.get() {
                told(why);
            }
        }));
    });
    QUIET.set(true);
    let done = std::panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    done.err().map(|why| said(why.as_ref()))
}

fn said(why: &(dyn Any + Send)) -> String {
    let text = why.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| why.downcast_ref::<&str>().copied());
    text.unwrap_or("without a word").to_owned()
}

#[test]
fn a_walk_that_breaks_a_law_is_left_in_a_file_that_breaks_it_again_in_as_few_steps() {
    let text = "hotplate walk 1\nstill yes\noffered 1.0.7\nwants 9.9.9\n5 places set\n9 places kick-cloud\nend rest";
    let walk = Walk::read(text).unwrap();
    let told = walk.shortened().kept();
    let (_, path) = told.split_once("cargo xtask replay ").unwrap();
    let path = path.trim_matches('"');
    let kept = Walk::read(&std::fs::read_to_string(path).unwrap());
    std::fs::remove_file(path).unwrap();
    let kept = kept.unwrap();
    assert_eq!(kept.steps, []);
    let why = broken_by(|| kept.go()).unwrap();
    assert!(
        why.starts_with("comes_to_rest: the trusted version"),
        "{why}"
    );
    assert_ne!(fresh_path(), fresh_path());
}
