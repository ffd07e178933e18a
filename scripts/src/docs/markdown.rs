//! A document's blocks, each with the marks before it.

use std::path::Path;

/// A document that can be walked.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// What stands between two fences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Which line its fence is in.
    pub(super) line: usize,
    /// What it is written in.
    pub(super) language: String,
    pub(super) text: String,
    pub(super) marks: Vec<Mark>,
}

/// What is to become of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    Shows(String),
    Until(String),
    Fails,
    Writes(String),
    Is(String),
    Port(String),
    With { there: String, here: String },
    NotHere(String),
}

/// Why a document cannot be walked.
#[derive(Debug, thiserror::Error)]
pub(super) enum DocumentError {
    #[error("`{0}` cannot be read: {1}")]
    Unread(&'static str, std::io::Error),
    #[error("`{0}`, line {1}: the fence of this block is never closed")]
    Open(&'static str, usize),
    #[error(
        "`{0}`, line {1}: say what the block is written in, behind its fence: sh, text, toml, rust, powershell, json"
    )]
    Nameless(&'static str, usize),
    #[error("`{0}`, line {1}: the mark `{2}` is unknown")]
    Unknown(&'static str, usize, String),
    #[error("`{0}`, line {1}: commands that are not run need a reason of a few words")]
    NoReason(&'static str, usize),
}

/// A reason is at least so long, in characters.
const SHORTEST_REASON: usize = 15;

impl Block {
    /// Is it run?
    pub(super) fn is_run(&self) -> bool {
        self.language == "sh" && !self.is_left()
    }

    /// Is it left to somebody else?
    pub(super) fn is_left(&self) -> bool {
        self.marks
            .iter()
            .any(|mark| matches!(mark, Mark::NotHere(_)))
    }
}

impl Document {
    pub(super) fn read(root: &Path, name: &'static str) -> Result<Self, DocumentError> {
        let text = std::fs::read_to_string(root.join(name));
        let text = text.map_err(|why| DocumentError::Unread(name, why))?;
        Self::parse(name, &text)
    }

    pub(super) fn parse(name: &'static str, text: &str) -> Result<Self, DocumentError> {
        let mut blocks = Vec::new();
        let mut marks = Vec::new();
        let mut lines = text.lines().zip(1..);
        while let Some((line, number)) = lines.next() {
            if let Some(comment) = line.trim().strip_prefix("<!-- walk: ") {
                let comment = comment.trim_end_matches("-->").trim();
                marks = self::marks(name, number, comment)?;
                continue;
            }
            let Some(language) = line.strip_prefix("```") else {
                if !line.trim().is_empty() {
                    marks.clear();
                }
                continue;
            };
            if language.is_empty() {
                return Err(DocumentError::Nameless(name, number));
            }
            let mut body = String::new();
            loop {
                match lines.next() {
                    None => return Err(DocumentError::Open(name, number)),
                    Some(("```", _)) => break,
                    Some((line, _)) => {
                        body.push_str(line);
                        body.push('\n');
                    }
                }
            }
            let block = Block {
                line: number,
                language: language.to_owned(),
                text: body,
                marks: std::mem::take(&mut marks),
            };
            if block.language == "powershell" && !block.is_left() {
                return Err(DocumentError::NoReason(name, number));
            }
            blocks.push(block);
        }
        Ok(Self { name, blocks })
    }
}

fn marks(name: &'static str, line: usize, comment: &str) -> Result<Vec<Mark>, DocumentError> {
    if let Some(reason) = comment.strip_prefix("not here, ") {
        if reason.chars().count() < SHORTEST_REASON {
            return Err(DocumentError::NoReason(name, line));
        }
        return Ok(vec![Mark::NotHere(reason.to_owned())]);
    }
    let each = comment.split("; ").map(|mark| {
        let unknown = || DocumentError::Unknown(name, line, mark.to_owned());
        let (word, rest) = mark.split_once(' ').unwrap_or((mark, ""));
        let quoted = |text: &str| {
            let inner = text.strip_prefix('"')?.strip_suffix('"')?;
            Some(inner.to_owned())
        };
        let found = match word {
            "fails" if rest.is_empty() => Some(Mark::Fails),
            "shows" => quoted(rest).map(Mark::Shows),
            "until" => quoted(rest).map(Mark::Until),
            "writes" => quoted(rest).map(Mark::Writes),
            "is" => quoted(rest).map(Mark::Is),
            "port" => quoted(rest).map(Mark::Port),
            "with" => rest.split_once("\" for \"").and_then(|(here, there)| {
                Some(Mark::With {
                    here: here.strip_prefix('"')?.to_owned(),
                    there: there.strip_suffix('"')?.to_owned(),
                })
            }),
            _ => None,
        };
        found.ok_or_else(unknown)
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_the_marks_that_stand_right_before_it() {
        let text = "\
words
<!-- walk: shows \"well\"; with \"127.0.0.1\" for \"cloud.example\" -->

```sh
oven --ask
```
<!-- walk: not here, it needs a Windows PC -->
```powershell
dir
```
<!-- walk: fails -->
words again
```text
reading
```
";
        let document = Document::parse("x.md", text).unwrap();
        let [ask, dir, read] = document.blocks.as_slice() else {
            panic!("{document:?}");
        };
        assert_eq!(ask.text, "oven --ask\n");
        assert_eq!(ask.line, 4);
        let with = Mark::With {
            here: "127.0.0.1".to_owned(),
            there: "cloud.example".to_owned(),
        };
        assert_eq!(ask.marks, [Mark::Shows("well".to_owned()), with]);
        assert!(ask.is_run() && dir.is_left() && !dir.is_run() && !read.is_run());
        assert!(read.marks.is_empty(), "words came between");
    }

    #[test]
    fn what_cannot_be_walked_is_said_with_its_line() {
        for (text, wanted) in [
            (
                "\n```\nls\n```\n",
                "line 2: say what the block is written in",
            ),
            (
                "```sh\nls\n",
                "line 1: the fence of this block is never closed",
            ),
            ("<!-- walk: hops -->\n", "the mark `hops` is unknown"),
            ("<!-- walk: not here, no -->\n", "need a reason"),
            ("```powershell\ndir\n```\n", "need a reason"),
        ] {
            let why = Document::parse("x.md", text).unwrap_err().to_string();
            assert!(why.contains(wanted), "{why}");
        }
    }
}
