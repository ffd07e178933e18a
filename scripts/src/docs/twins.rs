//! A document and its translation say the same: what can be compared without knowing both languages is.

use std::path::Path;

use crate::step::{Failure, Held, Outcome};

/// What a translation keeps.
#[derive(Debug, PartialEq, Eq)]
struct Frame<'t> {
    /// How deep each heading is.
    headings: Vec<usize>,
    /// The blocks between fences, without what stands behind a `#` in them.
    blocks: Vec<Vec<&'t str>>,
    /// Where links and pictures lead, in their order; but for those from one of the two to the other.
    links: Vec<&'t str>,
    /// How many columns each row of a table has.
    rows: Vec<usize>,
}

/// Compares the two.
pub(super) fn compare(root: &Path, [one, other]: [&str; 2]) -> Outcome {
    let read = |name: &str| {
        std::fs::read_to_string(root.join(name))
            .map_err(|why| Failure::new(format!("`{name}`: {why}"), "write the translation"))
    };
    let (first, second) = (read(one)?, read(other)?);
    let (first, second) = (Frame::of(&first), Frame::of(&second));
    let mut odd = Vec::new();
    differ(&mut odd, "heading", &first.headings, &second.headings);
    differ(&mut odd, "block", &first.blocks, &second.blocks);
    differ(&mut odd, "link", &first.links, &second.links);
    differ(&mut odd, "row of a table", &first.rows, &second.rows);
    if odd.is_empty() {
        return Ok(Held::with(format!(
            "{} headings, {} blocks, {} links, {} rows as in {one}",
            first.headings.len(),
            first.blocks.len(),
            first.links.len(),
            first.rows.len()
        )));
    }
    Err(Failure::new(
        odd.join("\n"),
        format!("bring `{other}` up to `{one}`"),
    ))
}

fn differ<T: PartialEq + std::fmt::Debug>(
    odd: &mut Vec<String>,
    what: &str,
    one: &[T],
    other: &[T],
) {
    let first = (0..one.len().max(other.len())).find(|at| one.get(*at) != other.get(*at));
    if let Some(at) = first {
        odd.push(format!(
            "{what} {} differs: {:?} and {:?}",
            at + 1,
            one.get(at),
            other.get(at)
        ));
    }
}

impl<'t> Frame<'t> {
    fn of(text: &'t str) -> Self {
        let mut frame = Self {
            headings: Vec::new(),
            blocks: Vec::new(),
            links: Vec::new(),
            rows: Vec::new(),
        };
        let mut fenced = false;
        for line in text.lines() {
            if line.starts_with("```") {
                fenced = !fenced;
                if fenced {
                    frame.blocks.push(vec![line]);
                }
            } else if fenced {
                let (words, _) = line.split_once('#').unwrap_or((line, ""));
                if let Some(block) = frame.blocks.last_mut() {
                    block.push(words.trim_end());
                }
            } else {
                let depth = line.bytes().take_while(|byte| *byte == b'#').count();
                if depth > 0 {
                    frame.headings.push(depth);
                }
                if line.starts_with('|') {
                    frame.rows.push(line.matches('|').count());
                }
                let links = line.split("](").skip(1);
                let links = links.filter_map(|rest| rest.split(')').next());
                frame
                    .links
                    .extend(links.filter(|link| !link.starts_with("README")));
            }
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_translation_may_say_everything_else_in_its_own_words() {
        let english = "# Hot\n\n[guide](GUIDE.md)\n\n```sh\nrun   # starts it\n```\n\n| a | b |\n";
        let chinese = "# 热\n\n[指南](GUIDE.md)\n\n```sh\nrun   # 启动\n```\n\n| 甲 | 乙 |\n";
        assert_eq!(Frame::of(english), Frame::of(chinese));
        let other = chinese.replace("run ", "walk ");
        assert_ne!(Frame::of(english), Frame::of(&other));
        let mut odd = Vec::new();
        differ(
            &mut odd,
            "block",
            &Frame::of(english).blocks,
            &Frame::of(&other).blocks,
        );
        assert!(odd[0].starts_with("block 1 differs: "), "{odd:?}");
    }
}
