//! Asking a person.

use std::io::{self, IsTerminal, Write};

/// Whether somebody sits at the terminal who can be asked.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question on stderr; anything but `y` or `yes` is a no.
pub fn confirm(question: &str) -> io::Result<bool> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    if io::stdin().read_line(&mut answer)? == 0 {
        // Nobody has ended the line of the question.
        writeln!(stderr)?;
    }
    Ok(is_yes(&answer))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y\n", " yes \n"] {
            assert!(is_yes(yes));
        }
        for no in ["", "\n", "n\n", "yeah\n", "yes please\n"] {
            assert!(!is_yes(no));
        }
    }
}
