//! Making text that a container wrote safe to show.
//!
//! Container root writes what it likes into its journal and its unit names:
//! escape sequences that move the reader's cursor or retitle the terminal,
//! characters that turn the direction of writing around. None of them reaches a
//! terminal or a log of the host.

/// The text with every control character but the line feed and the tab made
/// visible (`\u{1b}`), and nothing after a line's last word.
pub fn printable(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(printable_line).collect();
    lines.join("\n")
}

/// The same for one line: a line feed in it becomes visible too.
pub fn printable_line(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for character in line.trim_end().chars() {
        if is_hostile(character) {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

fn is_hostile(character: char) -> bool {
    let is_control = character.is_control() && character != '\t';
    is_control || turns_direction(character)
}

/// The characters that change the direction of what follows, or end lines in
/// some terminals ([UAX #9](https://www.unicode.org/reports/tr9/), [Trojan Source](https://trojansource.codes/)).
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_becomes_visible() {
        for (hostile, shown) in [
            ("\u{1b}[2J\u{1b}]0;root\u{7}", "\\u{1b}[2J\\u{1b}]0;root\\u{7}"),
            ("a\rb", "a\\u{d}b"),
            ("a\u{9b}31mb", "a\\u{9b}31mb"),
            ("a\u{8}\u{7f}", "a\\u{8}\\u{7f}"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("nul\0", "nul\\u{0}"),
        ] {
            assert_eq!(printable(hostile), shown);
        }
    }

    #[test]
    fn text_of_people_stays_as_it_is() {
        for text in ["plain", "two\nlines", "a\ttab", "größe → 日本語 👍", "", "\\u{1b} as text"] {
            assert_eq!(printable(text), text);
        }
    }

    #[test]
    fn a_line_cannot_become_two() {
        assert_eq!(printable_line("one\nroot@host# "), "one\\u{a}root@host#");
    }
}
