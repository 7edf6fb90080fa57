//! The drawing: a story that scrolls, and under it two boards that follow what happens.
//!
//! On a terminal the boards are redrawn in place, and stay where they are when a scene ends. Into a pipe or a file goes
//! plain text: of each board the rows that are new or have changed in more than their age, as `kubectl get --watch` does.
//! Colours need a terminal, and `NO_COLOR` switches them off.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

use crate::view::{Board, Row};

/// Prose is easier to read in lines that are not too long.
const PROSE: usize = 100;
const INDENT: &str = "    ";
/// Lines of a board above its head: an empty one and the title.
const HEADING: usize = 2;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// Words of the boards that carry the story.
const WORDS: [(&str, &str); 14] = [
    ("True", GREEN),
    ("Completed", GREEN),
    ("complete", GREEN),
    ("Submitting", CYAN),
    ("Running", CYAN),
    ("running", CYAN),
    ("InstanceBusy", YELLOW),
    ("OutcomeUnknown", YELLOW),
    ("lost", YELLOW),
    ("ResourceUnavailable.InstanceStatusInvalid", YELLOW),
    ("DatabaseNotFound", RED),
    ("Failed", RED),
    ("failed", RED),
    ("ResourceNotFound.DBNotFound", RED),
];

/// Standard output.
pub(crate) struct Screen {
    out: io::Stdout,
    is_terminal: bool,
    colour: bool,
    /// Lines above the cursor that the next frame overwrites.
    drawn: usize,
    /// Keys of the rows of the last frame.
    told: Vec<String>,
    /// Titles of the boards that this scene has already shown.
    introduced: Vec<&'static str>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let out = io::stdout();
        let is_terminal = out.is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { out, is_terminal, colour: is_terminal && !refused, drawn: 0, told: Vec::new(), introduced: Vec::new() }
    }

    /// The title of the whole, or of a scene.
    pub(crate) fn title(&mut self, number: &str, text: &str) -> io::Result<()> {
        self.settle();
        self.introduced.clear();
        let title = format!("{number}  {text}");
        let rule = "─".repeat(PROSE.min(self.size().1).saturating_sub(title.chars().count() + 1));
        let line = format!("{} {}", self.paint(BOLD, &title), self.paint(DIM, &rule));
        self.write(&["", &line])
    }

    /// A sentence or more, for people.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        let lines = wrapped(text, PROSE.min(self.size().1).saturating_sub(2));
        let lines: Vec<_> = lines.iter().map(|line| format!("  {line}")).collect();
        self.write(&lines)
    }

    /// A command as one could type it, and what it printed.
    pub(crate) fn command(&mut self, typed: &str, printed: &str) -> io::Result<()> {
        let mut lines: Vec<_> = [format!("{INDENT}$ {typed}")]
            .iter()
            .flat_map(|typed| typed.lines())
            .map(|line| self.paint(BOLD, line))
            .collect();
        lines.extend(printed.lines().map(|line| format!("{INDENT}{line}")));
        self.write(&lines)
    }

    /// The end of a scene.
    pub(crate) fn verdict(&mut self, text: &str) -> io::Result<()> {
        self.settle();
        let lines = wrapped(text, PROSE.min(self.size().1).saturating_sub(4));
        let mark = self.paint(GREEN, "✔");
        let lines = lines.iter().enumerate().map(|(nth, line)| match nth {
            0 => format!("  {mark} {line}"),
            _ => format!("{INDENT}{line}"),
        });
        let lines: Vec<_> = std::iter::once(String::new()).chain(lines).collect();
        self.write(&lines)
    }

    /// The end of everything. What is quoted below its first line keeps its lines.
    pub(crate) fn failure(&mut self, text: &str) -> io::Result<()> {
        self.settle();
        let mark = self.paint(RED, "✘");
        self.write(&["", &format!("  {mark} {text}")])
    }

    /// Something to look at more closely, below the boards.
    pub(crate) fn aside(&mut self, text: &str, lines: &[String]) -> io::Result<()> {
        self.settle();
        self.write(&[""])?;
        self.say(text)?;
        self.verbatim(lines)
    }

    /// Lines that must stay as they are, to be copied.
    pub(crate) fn verbatim(&mut self, lines: &[String]) -> io::Result<()> {
        let lines: Vec<_> = lines.iter().map(|line| format!("{INDENT}{line}")).collect();
        self.write(&lines)
    }

    /// The boards as they are now.
    pub(crate) fn frame(&mut self, boards: &[Board]) -> io::Result<()> {
        if self.is_terminal {
            return self.redraw(boards);
        }
        let mut lines = Vec::new();
        for board in boards {
            let Some((head, rows)) = board.rows.split_first() else { continue };
            let news: Vec<_> = rows.iter().filter(|row| !self.told.contains(&row.key)).collect();
            if news.is_empty() {
                continue;
            }
            lines.push(String::new());
            if !self.introduced.contains(&board.title) {
                self.introduced.push(board.title);
                lines.push(format!("  {}", board.title));
            }
            lines.extend([head].into_iter().chain(news).map(|row| format!("{INDENT}{}", row.text)));
        }
        self.told = boards.iter().flat_map(|board| &board.rows).map(|row| row.key.clone()).collect();
        self.write(&lines)
    }

    /// The boards as a whole, where only their changes were written before; on a terminal they are there already.
    pub(crate) fn whole(&mut self, boards: &[Board]) -> io::Result<()> {
        if self.is_terminal {
            return Ok(());
        }
        self.told.clear();
        self.introduced.clear();
        self.frame(boards)
    }

    /// What is drawn stays; the next frame begins below.
    fn settle(&mut self) {
        self.drawn = 0;
    }

    fn redraw(&mut self, boards: &[Board]) -> io::Result<()> {
        let (height, width) = self.size();
        // What scrolls out of sight cannot be overwritten: the oldest rows go first.
        let height = height.saturating_sub(1);
        let all: usize = boards.iter().map(|board| board.rows.len() + HEADING).sum();
        let mut left_out = all.saturating_sub(height);
        let mut lines = Vec::new();
        for board in boards.iter().rev() {
            let drop = left_out.min(board.rows.len().saturating_sub(1));
            left_out -= drop;
            lines.splice(0..0, self.lines(board, drop, width));
        }
        lines.truncate(height);
        let mut text = self.back();
        for line in &lines {
            text.push_str(line);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        self.drawn = lines.len();
        self.emit(&text)
    }

    /// A board, without so many of its first rows after the head.
    fn lines(&self, board: &Board, left_out: usize, width: usize) -> Vec<String> {
        let row = |row: &Row| cut(&format!("{INDENT}{}", row.text), width);
        let head = board.rows.first().map(|head| self.paint(DIM, &row(head)));
        let rows = board.rows.iter().skip(1 + left_out).map(|it| self.tint(&row(it)));
        let title = self.paint(BOLD, &cut(&format!("  {}", board.title), width));
        [String::new(), title].into_iter().chain(head).chain(rows).collect()
    }

    /// Writes lines of the story: above the boards, which the next frame draws anew.
    fn write<S: AsRef<str>>(&mut self, lines: &[S]) -> io::Result<()> {
        let mut text = self.back();
        if self.drawn > 0 {
            text.push_str("\x1b[J");
        }
        for line in lines {
            text.push_str(line.as_ref());
            text.push('\n');
        }
        self.drawn = 0;
        self.emit(&text)
    }

    /// To the first line of the boards.
    fn back(&self) -> String {
        if self.drawn > 0 { format!("\r\x1b[{}A", self.drawn) } else { String::new() }
    }

    /// In one piece, so that nothing flickers.
    fn emit(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    /// Lines and columns.
    fn size(&self) -> (usize, usize) {
        let size = if self.is_terminal { tcgetwinsize(&self.out).ok() } else { None };
        match size {
            Some(size) if size.ws_row > 0 && size.ws_col > 0 => (usize::from(size.ws_row), usize::from(size.ws_col)),
            _ => (24, PROSE),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn tint(&self, row: &str) -> String {
        let painted = row.split_inclusive(' ').map(|piece| {
            let (word, rest) = piece.split_at(piece.trim_end().len());
            match WORDS.iter().find(|(known, _)| *known == word) {
                Some((_, code)) => format!("{}{rest}", self.paint(code, word)),
                None => piece.to_owned(),
            }
        });
        painted.collect()
    }
}

/// At most `width` characters, the last of them a mark if something is missing.
fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    line.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_filled_and_never_overfull() {
        assert_eq!(wrapped("one two  three\nfour", 9), ["one two", "three", "four"]);
        assert_eq!(wrapped("unbreakable", 4), ["unbreakable"]);
    }

    #[test]
    fn a_cut_line_says_so() {
        assert_eq!([cut("abcd", 4), cut("abcde", 4)], ["abcd", "abc…"]);
    }
}
