//! `cargo xtask console --check`: the emulator's console in a real browser, with a real supervisor and a real oven behind it.
//!
//! Everything is done on the page and seen on the page: heat is set and the curve rises, a good version is brought and stays, a bad one
//! is brought and is taken back, an oven with an open door refuses. Pictures in light and dark, wide and narrow, are left in
//! `target/console`; with `--keep-pictures` those that the README shows are made anew.

mod browser;
mod page;
mod pictures;
mod story;
mod visits;

use crate::demo::images;
use crate::needs;
use crate::stage::{self, Stage};
use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;
use browser::{Browser, NEEDS};
use page::Page;
use pictures::Pictures;

/// What to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Try the page in Chromium, without a window
    #[arg(long)]
    check: bool,
    /// Also make the README's pictures anew
    #[arg(long, requires = "check")]
    keep_pictures: bool,
}

/// What to do about a step that fails.
const NEXT: &str = "look at the newest picture in target/console; `cargo demo` shows the same page in a browser of your own";

/// Runs the steps and tells whether all of them held.
///
/// # Errors
/// When the workspace cannot be read, or nothing is asked for.
pub(crate) fn console(args: &Args) -> Result<bool, crate::Error> {
    if !args.check {
        return Err(crate::Error::Usage(
            "use the console without `--check`; `cargo demo` shows it with a device to play with"
                .to_owned(),
        ));
    }
    let workspace = Workspace::read()?;
    let mut steps = Steps::new();
    steps.step("Chromium and its driver", || {
        Ok(Held::with(needs::provide(&NEEDS, false)?))
    });
    if steps.all_hold() {
        run(&workspace, args, &mut steps);
    }
    Ok(steps.finish("console"))
}

fn run(workspace: &Workspace, args: &Args, steps: &mut Steps) {
    let built = steps.got("supervisor and workers", || {
        let images = images::build(workspace, false).map_err(failed)?;
        Ok((images, "1.0.0, 1.0.7, and 1.0.8, which is bad".to_owned()))
    });
    let Some(images) = built else { return };
    let set = steps.got("a device", || {
        let platform = stage::platform(0).map_err(failed)?;
        let stage = Stage::set_with(platform, &images.plan(0)).map_err(failed)?;
        let note = format!("on line at {}", stage.broker());
        Ok((stage, note))
    });
    let Some(stage) = set else { return };
    let opened = steps.got("the page in a browser", || {
        let pictures = Pictures::into(workspace, args.keep_pictures).map_err(failed)?;
        let page = Page::open(Browser::start().map_err(failed)?, &stage).map_err(failed)?;
        Ok(((page, pictures), "live, the oven chosen".to_owned()))
    });
    let Some((page, pictures)) = opened else {
        return;
    };
    let told: [(&'static str, &dyn Fn() -> Outcome); 12] = [
        ("180 °C, and the curve rises", &|| {
            story::heat(&page, args.keep_pictures)
        }),
        ("a good update", &|| {
            story::good(&page, &stage, &images, &pictures)
        }),
        ("a bad update", &|| {
            story::bad(&page, &stage, &images, &pictures)
        }),
        ("refusals in their own words", &|| story::refusals(&page)),
        ("the journal", &|| story::journal(&page)),
        ("a page that comes late", &|| story::late(&page)),
        ("keyboard alone", &|| story::keyboard(&page)),
        ("pictures", &|| pictures.all(&page)),
        ("a connection cut", &|| visits::cut(&page, &stage)),
        ("an update cancelled", &|| story::cancel(&page, &stage)),
        ("pages of strangers", &|| visits::strangers(&page, &stage)),
        ("lost and found again", &|| visits::lost(&page, &pictures)),
    ];
    for (name, tell) in told {
        if !steps.step(name, tell) {
            // What it looks like says more than any message; that it cannot be had is not worth another one.
            let _ = pictures.now(&page, "failed");
        }
    }
    steps.step("no error in the page's code", || {
        match page.errors().map_err(failed)?.as_slice() {
            [] => Ok(Held::default()),
            errors => Err(Failure::new(
                errors.join("\n"),
                "mend what the browser names",
            )),
        }
    });
}

fn failed(error: impl std::error::Error) -> Failure {
    Failure::from_error(&error, NEXT)
}
