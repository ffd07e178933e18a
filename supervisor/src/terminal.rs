//! The terminal: how large it is, what is drawn on it in place, and what is typed that nobody may read.
//!
//! What is drawn is our own few sequences that every terminal of the last thirty years knows. Text that came from somewhere else, such as what a
//! worker says of its health, is cut to the width and cannot bring sequences of its own.

#[cfg(unix)]
#[path = "terminal/unix.rs"]
mod system;
#[cfg(windows)]
#[path = "terminal/windows.rs"]
mod system;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
};

pub(crate) use self::system::read_secret;

/// What a terminal is taken for that does not say how large it is, in columns and rows.
const USUAL: (usize, usize) = (80, 24);

/// The narrowest and lowest one that is drawn on.
const SMALLEST: (usize, usize) = (8, 2);

/// Another page, so that nothing of what was there is lost, and no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";

/// The page that was there before, and its cursor.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A colour of the few every terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Colour {
    /// As everything else.
    Plain,
    /// Well.
    Green,
    /// Wants a look.
    Yellow,
    /// Not well.
    Red,
    /// Less important.
    Dim,
}

impl Colour {
    fn number(self) -> Option<u8> {
        match self {
            Self::Plain => None,
            Self::Green => Some(32),
            Self::Yellow => Some(33),
            Self::Red => Some(31),
            Self::Dim => Some(2),
        }
    }

    /// The text in this colour, if it is to be coloured at all.
    pub(crate) fn paint(self, text: &str, coloured: bool) -> String {
        match self.number().filter(|_| coloured) {
            Some(number) => format!("\x1b[{number}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// One row of what is drawn: texts with their colours.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Row(Vec<(Colour, String)>);

impl Row {
    /// A row that begins with this.
    pub(crate) fn of(colour: Colour, text: impl Into<String>) -> Self {
        Self::default().and(colour, text)
    }

    /// The same with more behind it.
    pub(crate) fn and(mut self, colour: Colour, text: impl Into<String>) -> Self {
        self.0.push((colour, text.into()));
        self
    }

    /// Its text, cut to so many columns, in colours if they are wanted.
    pub(crate) fn cut(&self, columns: usize, coloured: bool) -> String {
        let mut left = columns;
        let mut row = String::new();
        for (colour, text) in &self.0 {
            let mut piece = String::new();
            for letter in text.chars() {
                let wide = width(letter);
                if wide > left {
                    left = 0;
                    break;
                }
                left -= wide;
                if wide > 0 {
                    piece.push(letter);
                }
            }
            row += &colour.paint(&piece, coloured);
        }
        row
    }
}

/// How many columns a letter takes: none for what would steer the terminal, two for the wide ones of East Asia and for pictures.
fn width(letter: char) -> usize {
    match letter {
        it if it.is_control() => 0,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

/// Is standard output a terminal that can be drawn on?
pub(crate) fn is_drawable() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_dumb && system::understands_sequences()
}

/// Does whoever looks want colours? A variable by which many programs go says no (<https://no-color.org>).
pub(crate) fn is_coloured() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty())
}

/// Is there still somebody to read standard output? Where the system does not tell, it is taken for granted until a line cannot be written.
pub(crate) fn is_read() -> bool {
    system::is_read()
}

/// Standard output's columns and rows; of a terminal that does not know, what two variables say.
fn size() -> (usize, usize) {
    let said = |name: &str| std::env::var(name).ok().and_then(|it| it.parse().ok());
    let (columns, rows) = system::size().unwrap_or_else(|| {
        let (columns, rows) = (said("COLUMNS"), said("LINES"));
        (columns.unwrap_or(USUAL.0), rows.unwrap_or(USUAL.1))
    });
    (columns.max(SMALLEST.0), rows.max(SMALLEST.1))
}

/// A page of the terminal that is drawn on in place; what was there before is there again when this goes.
#[derive(Debug)]
pub(crate) struct Page;

impl Page {
    /// Turns to the page.
    pub(crate) fn open() -> io::Result<Self> {
        put(ENTER)?;
        Ok(Self)
    }

    /// Draws rows in the place of those that were there, cut to what fits.
    pub(crate) fn draw(&self, rows: &[Row]) -> io::Result<()> {
        let (columns, most) = size();
        let coloured = is_coloured();
        // Each row is cleared behind its text, and the rest below the last one: a page that was cleared first would flicker.
        let mut text = String::from("\x1b[H");
        for (at, row) in rows.iter().take(most).enumerate() {
            let end = if at == 0 { "" } else { "\r\n" };
            let _ = write!(text, "{end}{}\x1b[K", row.cut(columns, coloured));
        }
        text += "\x1b[J";
        put(&text)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing any more.
        let _ = put(LEAVE);
    }
}

/// Writes to standard output at once.
pub(crate) fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_cut_by_columns_and_brings_no_sequences_of_its_own() {
        let row = Row::of(Colour::Red, "well").and(Colour::Plain, ": \x1b[2Jfine\r\n");
        assert_eq!(row.cut(80, false), "well: [2Jfine");
        assert_eq!(row.cut(6, false), "well: ");
        assert_eq!(row.cut(2, true), "\x1b[31mwe\x1b[0m");
        let wide = Row::of(Colour::Plain, "烤箱 ok");
        assert_eq!(wide.cut(4, false), "烤箱");
        assert_eq!(wide.cut(3, false), "烤");
        assert_eq!(wide.cut(5, false), "烤箱 ");
    }
}
