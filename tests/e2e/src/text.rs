//! What differs between two runs of the same test, taken out of its text. Each
//! filter is small and named after what it takes out, so that a snapshot hides
//! nothing else.

/// The hash in a store path: `/nix/store/HASH-name`.
pub fn without_hashes(text: &str) -> String {
    const STORE: &str = "/nix/store/";
    let mut parts = text.split(STORE);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let hash = part.bytes().take_while(u8::is_ascii_alphanumeric).count();
        format!("{shown}{STORE}HASH{}", &part[hash..])
    })
}

/// The name under which ssh remembers an agent's key: `HostKeyAlias=x-y9tk6cox`.
pub fn without_key_aliases(text: &str) -> String {
    const OPTION: &str = "HostKeyAlias=";
    let mut parts = text.split(OPTION);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| {
        let alias = part.find(char::is_whitespace).unwrap_or(part.len());
        format!("{shown}{OPTION}ALIAS{}", &part[alias..])
    })
}

/// The number in `program[123]`.
pub fn without_pids(text: &str) -> String {
    between(text, '[', ']', "PID", |inner| inner.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The moment at the begin of a journal's line: `Nov 20 19:40:12 host `.
pub fn without_times(text: &str) -> String {
    lines(text, |line| {
        let start = line.len() - line.trim_start().len();
        let (indent, rest) = line.split_at(start);
        match rest.get(..16) {
            Some(moment) if is_moment(moment) => format!("{indent}TIME {}", &rest[16..]),
            Some(_) | None => line.to_owned(),
        }
    })
}

/// Durations such as `1.234s`, `205ms` and `12s`.
pub fn without_durations(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let is_word_part = before.ends_with(|c: char| c.is_alphanumeric());
        let length = number.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(number.len());
        let (digits, after) = number.split_at(length);
        let unit = ["ms", "us", "min", "s"].into_iter().find(|unit| {
            after.strip_prefix(unit).is_some_and(|next| !next.starts_with(|c: char| c.is_alphanumeric()))
        });
        shown += before;
        match unit {
            Some(unit) if !is_word_part => {
                shown += "TIME";
                rest = &after[unit.len()..];
            }
            Some(_) | None => {
                shown += digits;
                rest = after;
            }
        }
    }
    shown + rest
}

/// What a program says at its end of why it failed. Tools that it calls write
/// `error:` too, at the begin of a line and within: its own is the last one
/// that begins a line.
#[track_caller]
pub fn own_error(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.split_inclusive('\n').collect();
    let start = lines.iter().rposition(|line| line.starts_with("error:"));
    lines[start.unwrap_or_else(|| panic!("no error: {stderr}"))..].concat()
}

/// Lines that tell a step because it was slow, or that Nix had to wait for its
/// database: on a busy machine every step may be.
pub fn without_slow_steps(text: &str) -> String {
    const STEPS: [&str; 17] = [
        "build path:",
        "building ",
        "close the firewall for ",
        "create container ",
        "limit ",
        "load the firewall",
        "look the host over",
        "open the firewall for ",
        "prepare the files of ",
        "release unused closures",
        "remove container ",
        "remove the traces of ",
        "start a",
        "stop a",
        "take back the limits of ",
        "wait for ssh in ",
        "warning: error: SQLite database '/nix/var/nix/db/db.sqlite' is busy",
    ];
    without_lines(text, |line| STEPS.iter().any(|step| line.starts_with(step)))
}

/// Lines that this says are unstable as a whole.
pub fn without_lines(text: &str, is_unstable: impl Fn(&str) -> bool) -> String {
    text.lines().filter(|line| !is_unstable(line)).map(|line| format!("{line}\n")).collect()
}

fn lines(text: &str, change: impl Fn(&str) -> String) -> String {
    text.lines().map(|line| change(line) + "\n").collect()
}

/// `Nov 20 19:40:12 `.
fn is_moment(text: &str) -> bool {
    let shape: String = text
        .chars()
        .map(|c| match c {
            '0'..='9' => '0',
            'A'..='Z' => 'A',
            'a'..='z' => 'a',
            other => other,
        })
        .collect();
    matches!(shape.as_str(), "Aaa 00 00:00:00 " | "Aaa  0 00:00:00 ")
}

fn between(text: &str, open: char, close: char, word: &str, is_unstable: impl Fn(&str) -> bool) -> String {
    let mut parts = text.split(open);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |shown, part| match part.split_once(close) {
        Some((inner, after)) if !inner.is_empty() && is_unstable(inner) => {
            format!("{shown}{open}{word}{close}{after}")
        }
        Some(_) | None => format!("{shown}{open}{part}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unstable_part_is_taken_out() {
        let hash = "0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9";
        assert_eq!(without_hashes(&format!("a /nix/store/{hash}-x b")), "a /nix/store/HASH-x b");
        assert_eq!(without_key_aliases("-o HostKeyAlias=x-1 y"), "-o HostKeyAlias=ALIAS y");
        assert_eq!(without_pids("init[12]: [x] [] [1"), "init[PID]: [x] [] [1");
        assert_eq!(without_times("  Nov 20 19:40:12 host x: y\nz"), "  TIME host x: y\nz\n");
        assert_eq!(without_durations("a1s took 1.5s, 20ms, 2 s, 3sx"), "a1s took TIME, TIME, 2 s, 3sx");
        assert_eq!(without_lines("a\nb\n", |line| line == "a"), "b\n");
        assert_eq!(without_slow_steps("start a1\nerror: x\n    stop a1\n"), "error: x\n    stop a1\n");
        let busy = "warning: error: SQLite database '/nix/var/nix/db/db.sqlite' is busy\n";
        assert_eq!(without_slow_steps(&format!("{busy}x\n")), "x\n");
        assert_eq!(
            own_error(&format!("{busy}error: of a tool\nstart p1\nerror: x\n  y\n")),
            "error: x\n  y\n"
        );
    }
}
