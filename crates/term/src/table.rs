//! Tables for people: no borders, two spaces between columns, and on a
//! terminal no wider than it.

use std::fmt;
use std::io::{self, IsTerminal};

use berth_host::printable::printable;
use comfy_table::{Cell, ContentArrangement, presets};
use rustix::termios::tcgetwinsize;

/// A table. Its cells may hold anything: they are escaped.
///
/// The library could find the terminal's width out itself, but where the kernel
/// does not tell it runs `tput`, as whoever called us has it in the `PATH`: root
/// would run what somebody behind sudo has written.
#[derive(Debug)]
pub struct Table(comfy_table::Table);

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(headings: [&str; N]) -> Self {
        let mut table = Self::headless();
        table.0.set_header(headings);
        table
    }

    /// A table of `key  value` lines.
    pub fn headless() -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        if let Some(width) = terminal_width() {
            table.set_width(width);
        }
        Self(table)
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.0.add_row(cells.map(|cell| Cell::new(printable(&cell))));
    }

    /// As if the terminal had this width.
    #[cfg(test)]
    fn width(mut self, width: u16) -> Self {
        self.0.set_width(width);
        self
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = self.0.clone();
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
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
    fn a_narrow_terminal_wraps_cells() {
        insta::assert_snapshot!(table().width(30), @r#"
        NAME      STATE     ADDRESS
        fix-logi  running   10.100.0
        n                   .3
        x         \u{1b}[3  10.100.0
                  1mfailed  .5
        "#);
    }

    #[test]
    fn no_library_asks_tput_for_the_width() {
        let locked = include_str!("../../../Cargo.lock");
        assert!(locked.contains("name = \"comfy-table\""), "this is the list of libraries");
        assert!(!locked.contains("name = \"crossterm\""));
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
