//! Tables for people: no borders, two spaces between columns.
//!
//! A name, an address or a path is never broken: it would not survive being
//! copied. A terminal that is too narrow breaks the line by itself, which does
//! no harm. Only a last column of prose is wrapped, between words.

use std::fmt;
use std::io::{self, IsTerminal};

use berth_host::printable::printable;
use comfy_table::{Cell, ContentArrangement, presets};
use rustix::termios::tcgetwinsize;

/// Between two columns.
const GAP: usize = 2;
/// Prose is not pressed into less than this.
const NARROWEST: usize = 30;

/// A table. Its cells may hold anything: they are escaped.
///
/// The library could wrap cells and find the terminal's width out itself, but
/// where the kernel does not tell it runs `tput`, as whoever called us has it in
/// the `PATH`: root would run what somebody behind sudo has written.
#[derive(Debug, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    /// The width to wrap the last column for.
    width: Option<usize>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        Self { headings: headings.map(str::to_owned).into(), ..Self::default() }
    }

    /// A table of `key  value` lines.
    pub fn headless() -> Self {
        Self::default()
    }

    /// The last column is prose: on a terminal it is wrapped where there is
    /// room for it.
    #[must_use]
    pub fn with_prose(self) -> Self {
        Self { width: terminal_width().map(usize::from), ..self }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell)).into());
    }

    /// How wide the last column may be; as wide as it is where nothing is said.
    fn room(&self) -> Option<usize> {
        let rows = || self.rows.iter().chain(std::iter::once(&self.headings));
        let columns = rows().map(Vec::len).max()?;
        let widest = |column: usize| {
            let cells = rows().filter_map(|row| row.get(column));
            cells.flat_map(|cell| cell.lines()).map(|line| line.chars().count()).max().unwrap_or(0)
        };
        let others: usize = (0..columns.saturating_sub(1)).map(|column| widest(column) + GAP).sum();
        self.width?.checked_sub(others).filter(|room| *room >= NARROWEST)
    }

    /// As if the terminal had this width.
    #[cfg(test)]
    fn width(self, width: usize) -> Self {
        Self { width: Some(width), ..self }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let room = self.room();
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !self.headings.is_empty() {
            table.set_header(&self.headings);
        }
        for row in &self.rows {
            let last = row.len().saturating_sub(1);
            table.add_row(row.iter().enumerate().map(|(column, cell)| match room {
                Some(room) if column == last => Cell::new(wrapped(cell, room)),
                Some(_) | None => Cell::new(cell),
            }));
        }
        let gap = u16::try_from(GAP).expect("a gap is small");
        for column in table.column_iter_mut() {
            column.set_padding((0, gap));
        }
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Breaks lines between words; what follows a break stands as far in as the
/// line began. A word that is longer has a line of its own.
fn wrapped(text: &str, room: usize) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let mut current = indent.to_owned();
        for word in line.split_whitespace() {
            let is_first = current.len() == indent.len();
            if !is_first && current.chars().count() + 1 + word.chars().count() > room {
                lines.push(std::mem::replace(&mut current, format!("{indent}{word}")));
            } else {
                current.extend((!is_first).then_some(' '));
                current.push_str(word);
            }
        }
        lines.push(current);
    }
    lines.join("\n")
}

/// How many columns the terminal has that results go to, if they go to one.
fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    let is_terminal = stdout.is_terminal();
    let columns = is_terminal.then(|| tcgetwinsize(&stdout).ok()).flatten()?.ws_col;
    (columns > 0).then_some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["NAME", "STATE", "ADDRESS"]);
        table.row(["fix-login".to_owned(), "running".to_owned(), "10.100.0.3".to_owned()]);
        table.row(["x".to_owned(), "\u{1b}[31mfailed".to_owned(), "10.100.0.5".to_owned()]);
        table
    }

    #[test]
    fn columns_stand_below_each_other_and_cells_are_escaped() {
        insta::assert_snapshot!(table(), @r#"
        NAME       STATE             ADDRESS
        fix-login  running           10.100.0.3
        x          \u{1b}[31mfailed  10.100.0.5
        "#);
    }

    #[test]
    fn a_narrow_terminal_breaks_no_name_and_no_address() {
        assert_eq!(table().width(30).to_string(), table().to_string());
    }

    #[test]
    fn prose_is_wrapped_between_words_where_there_is_room() {
        let mut table = Table::headless();
        let prose = "`/etc/berth/berth.toml` cannot be used\n  because: it has a problem or two of this kind\n→ mend it, then look again";
        table.row(["ERROR".to_owned(), "configuration".to_owned(), prose.to_owned()]);
        let path = "/nix/store/mskqhhvqjz02kxbnri7y97pdpxjfb5yx-nixos-system-agent";
        table.row(["ok".to_owned(), "closure".to_owned(), format!("{path} is pinned")]);
        insta::assert_snapshot!(table.width(54), @"
        ERROR  configuration  `/etc/berth/berth.toml` cannot
                              be used
                                because: it has a problem or
                                two of this kind
                              → mend it, then look again
        ok     closure        /nix/store/mskqhhvqjz02kxbnri7y97pdpxjfb5yx-nixos-system-agent
                              is pinned
        ");
    }

    #[test]
    fn prose_that_has_no_room_is_left_to_the_terminal() {
        let mut table = Table::new(["WHEN", "DETAIL"]);
        table.row(["2026-11-20 19:40:12 UTC".to_owned(), "could not start a1: it ended at once".to_owned()]);
        insta::assert_snapshot!(table.width(40), @"
        WHEN                     DETAIL
        2026-11-20 19:40:12 UTC  could not start a1: it ended at once
        ");
    }

    #[test]
    fn keys_and_values_have_no_headings() {
        let mut table = Table::headless();
        table.row(["name".to_owned(), "fix-login".to_owned()]);
        table.row(["failed units".to_owned(), "a.service\nb.service".to_owned()]);
        insta::assert_snapshot!(table, @"
        name          fix-login
        failed units  a.service
                      b.service
        ");
    }
}
