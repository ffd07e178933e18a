//! Which of the inputs that were found are worth committing: the few that together led furthest beyond the committed corpus.
//!
//! The fuzzer tells for each input which edges between pieces of code it takes. The one that takes most new ones is kept first,
//! then the one that takes most of what is new after that, and so on. All of them would be hundreds, which nobody looks at.

use super::engine::Engine;
use super::{FuzzError, files_in};
use crate::run;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The most inputs kept of one run.
const MOST_KEPT: usize = 24;

/// The fewest new edges an input is kept for.
const FEWEST_EDGES: usize = 3;

/// Puts inputs of the last run into the committed corpus, and tells how many.
pub(super) fn keep(engine: &Engine, target: &str) -> Result<usize, FuzzError> {
    let committed = engine.committed(target);
    let working = engine.scratch.join("corpus").join(target);
    let before: BTreeSet<PathBuf> = files_in(&committed)?.into_iter().collect();
    let notes = engine.scratch.join(format!("{target}.merge"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| FuzzError::File { path, source }
    };
    // The first folder is the one merged into, so it is a copy: which inputs are taken is decided here.
    let copy = engine.scratch.join("merged").join(target);
    super::emptied(&copy)?;
    for file in &before {
        let to = copy.join(file.file_name().unwrap_or_default());
        std::fs::copy(file, to).map_err(failed(file))?;
    }
    if notes.exists() {
        std::fs::remove_file(&notes).map_err(failed(&notes))?;
    }
    let mut program = engine.program(target);
    program.args(["-set_cover_merge=1", "-use_counters=0"]);
    program.arg(format!("-merge_control_file={}", notes.display()));
    run::captured(program.arg(&copy).arg(&working)).map_err(|source| FuzzError::Program {
        target: target.to_owned(),
        source,
    })?;
    let told = std::fs::read_to_string(&notes).map_err(failed(&notes))?;
    let chosen = furthest(&told);
    for input in &chosen {
        // Its name there is a hash of its bytes.
        let hash = input.file_name().unwrap_or_default().to_string_lossy();
        let hash: String = hash.chars().take(12).collect();
        let to = committed.join(format!("found.{hash}"));
        std::fs::copy(input, &to).map_err(failed(&to))?;
    }
    Ok(chosen.len())
}

/// Chooses among the inputs by what libFuzzer noted about them: how many there are, how many of them were there before, one
/// path a line, and then for each number the edges it takes (`FT`).
fn furthest(told: &str) -> Vec<PathBuf> {
    let mut rows = told.lines();
    let mut count = || rows.next()?.trim().parse::<usize>().ok();
    let (Some(all), Some(before)) = (count(), count()) else {
        return Vec::new();
    };
    let paths: Vec<&str> = rows.by_ref().take(all).collect();
    let mut seen = BTreeSet::new();
    let mut inputs: Vec<(usize, BTreeSet<u64>)> = Vec::new();
    for row in rows {
        let mut words = row.split(' ');
        let Some(input) = words
            .next()
            .filter(|word| *word == "FT")
            .and_then(|_| words.next()?.parse().ok())
        else {
            continue;
        };
        let edges = words.filter_map(|word| word.parse().ok());
        if input < before {
            seen.extend(edges);
        } else {
            inputs.push((input, edges.collect()));
        }
    }
    let mut chosen = Vec::new();
    while chosen.len() < MOST_KEPT {
        for (_, edges) in &mut inputs {
            edges.retain(|edge| !seen.contains(edge));
        }
        // Of several that lead as far the first is taken, which is the shortest.
        let best = inputs.iter().rev().max_by_key(|(_, edges)| edges.len());
        let Some((input, edges)) = best.filter(|(_, edges)| edges.len() >= FEWEST_EDGES) else {
            break;
        };
        seen.extend(edges.iter().copied());
        chosen.extend(paths.get(*input).map(PathBuf::from));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_that_lead_furthest_are_chosen_first_and_one_that_adds_little_is_not() {
        let told = "\
4
1
corpus/known
found/much
found/more
found/little
STARTED 0 9
FT 0 1 2 3
COV 0 1 2 3
STARTED 1 9
FT 1 1 10 11 12
STARTED 2 9
FT 2 10 11 12 13 14 15
STARTED 3 9
FT 3 1 15 16 17
";
        assert_eq!(furthest(told), [Path::new("found/more")]);
        let further = told.replace("FT 3 1 15 16 17", "FT 3 15 16 17 18");
        assert_eq!(
            furthest(&further),
            [Path::new("found/more"), Path::new("found/little")]
        );
    }

    #[test]
    fn notes_that_were_cut_choose_nothing() {
        for told in ["", "4", "4\n1\na", "x\ny\n"] {
            assert_eq!(furthest(told), Vec::<PathBuf>::new());
        }
    }
}
