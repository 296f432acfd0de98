//! Text of strangers inside Markdown.

/// The most characters of a span, and of a line of a log.
const SPAN_MAX: usize = 1000;
const LINE_MAX: usize = 400;

/// The text without what steers a terminal, hides or reorders: sequences that
/// colour, control characters but line feed and tab, marks of direction and
/// what has no width.
pub(super) fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let mut cleaned = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\u{1b}' if rest.peek() == Some(&'[') => {
                // The sequence ends with its first letter or with the line.
                rest.next();
                while rest.next_if(|c| matches!(c, '\u{20}'..='\u{3f}')).is_some() {}
                rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
            }
            '\r' => cleaned.push('\n'),
            '\n' | '\t' => cleaned.push(character),
            _ if character.is_control() || is_unseen(character) => {}
            _ => cleaned.push(character),
        }
    }
    cleaned
}

fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Mentions nobody: what has no width stands between the sign and the name.
fn without_mentions(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

/// One line in a code span that nothing in it can end.
pub(super) fn code_span(text: &str) -> String {
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let line = without_mentions(&cut(&line, SPAN_MAX));
    if line.is_empty() {
        return "`?`".to_owned();
    }
    let ticks = "`".repeat(longest_run(&line) + 1);
    // A space on either side is taken away again, and parts the ticks.
    let is_plain = !line.starts_with('`') && !line.ends_with('`');
    if is_plain { format!("{ticks}{line}{ticks}") } else { format!("{ticks} {line} {ticks}") }
}

/// The last lines of a log in a fence that nothing in it can end, and how many
/// they are. Nothing when it says nothing.
pub(super) fn code_block(log: &str, lines_max: usize) -> Option<(usize, String)> {
    let log = clean(log);
    let lines: Vec<&str> = log.trim_end().lines().collect();
    let last = &lines[lines.len().saturating_sub(lines_max)..];
    if last.iter().all(|line| line.trim().is_empty()) {
        return None;
    }
    let shown: Vec<String> =
        last.iter().map(|line| without_mentions(&cut(line.trim_end(), LINE_MAX))).collect();
    let shown = shown.join("\n");
    let fence = "`".repeat(longest_run(&shown).max(2) + 1);
    Some((last.len(), format!("{fence}text\n{shown}\n{fence}\n")))
}

fn cut(line: &str, max: usize) -> String {
    match line.char_indices().nth(max) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}
