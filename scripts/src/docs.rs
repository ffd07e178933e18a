//! `cargo xtask docs`: every command in the documents is run, in the documents' own order, and every file they show is the real one.
//!
//! | before a block, in a comment | what becomes of it |
//! |---|---|
//! | nothing | a block of `sh` is run and must succeed; one of `text` is for reading |
//! | `walk: shows "TEXT"` | and what it printed must have this in it |
//! | `walk: until "TEXT"` | it is started, and the walk goes on when it has printed this; it is ended with the document |
//! | `walk: fails` | it must fail |
//! | `walk: writes "PATH"` | the block becomes this file |
//! | `walk: is "PATH"` | this file of the repository has the block in it, letter by letter |
//! | `walk: with "A" for "B"` | A is put in the place of B before it is run, because B is not to be had on a test machine |
//! | `walk: port "NUMBER"` | a free port is put in the place of this one, from here to the end of the document |
//! | `walk: not here, REASON` | it is not run, and the reason names what runs it instead, or why nothing can |
//!
//! Several of them are parted by semicolons. Each document begins in the root of the workspace, with a home folder of its own that goes away, with the
//! built programs on its path and the root in `HOTPLATE`, as the guides have it. It must leave the workspace as it was. People type these commands into a shell, so this is the
//! one script that goes through one, and only where there is a `sh`.

mod markdown;
mod twins;
mod walk;

use std::path::PathBuf;

use crate::step::{Failure, Held, Outcome, Steps};
use crate::workspace::Workspace;
use markdown::Document;

/// The documents with commands, in the order in which a newcomer meets them.
const DOCUMENTS: [&str; 5] = [
    "README.md",
    "worker/GUIDE.md",
    "supervisor/ALIBABA-CLOUD.md",
    "supervisor/OPERATING.md",
    "CONTRIBUTING.md",
];

/// A document and its translation: the same blocks, the same headings, the same links.
const TWINS: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// What to walk through.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this document; without it, all
    #[arg(long, value_name = "FILE")]
    only: Option<PathBuf>,
    /// Look whether each block can be walked, but run nothing
    #[arg(long)]
    list: bool,
}

/// Walks, and tells whether everything held.
///
/// # Errors
/// When the workspace cannot be read at all.
pub(crate) fn docs(args: &Args) -> Result<bool, crate::Error> {
    let workspace = Workspace::read()?;
    let mut steps = Steps::new();
    let wanted = |name: &&str| {
        args.only
            .as_ref()
            .is_none_or(|only| only.ends_with(name) || workspace.root.join(name) == *only)
    };
    let mut known = false;
    for name in DOCUMENTS.into_iter().filter(wanted) {
        known = true;
        steps.step(name, || one(&workspace, name, args.list));
    }
    if args.only.is_none() {
        steps.step(TWINS[1], || twins::compare(&workspace.root, TWINS));
    } else if !known {
        let only = args.only.as_deref().unwrap_or(std::path::Path::new(""));
        return Err(crate::Error::Usage(format!(
            "find the document `{}`; there are {}",
            only.display(),
            DOCUMENTS.join(", ")
        )));
    }
    Ok(steps.finish("documents"))
}

fn one(workspace: &Workspace, name: &'static str, list: bool) -> Outcome {
    let document = Document::read(&workspace.root, name).map_err(|why| {
        Failure::new(
            why.to_string(),
            "mend the document; the marks stand in the comment of scripts/src/docs.rs",
        )
    })?;
    let run = document
        .blocks
        .iter()
        .filter(|block| block.is_run())
        .count();
    if list {
        let left = document.blocks.iter().filter(|block| block.is_left());
        let held = Held::with(format!(
            "{} blocks, {run} to run, {} left to others",
            document.blocks.len(),
            left.count()
        ));
        return Ok(held);
    }
    let walked = walk::walk(workspace, &document).map_err(|why| {
        Failure::new(
            crate::run::chain(&why),
            format!("mend what it says or what it names; `cargo xtask docs --only {name}` walks it alone"),
        )
    })?;
    Ok(Held::with(format!(
        "{walked} commands ran, {run} of {} blocks",
        document.blocks.len()
    )))
}
