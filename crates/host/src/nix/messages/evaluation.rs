//! What Nix says of code from a repository.

use berth_core::StorePath;

use super::SHOWN;
use crate::printable::printable_line;

/// The most characters of a line that are shown.
const WIDTH: usize = 240;

/// The error of a failed evaluation (with `--show-trace`) and the place in the
/// repository's files that is nearest to it, these by their names in the
/// repository.
///
/// Older versions of Nix tell the error first and the trace from the inside to
/// the outside, newer ones the other way round and the error last.
pub(in crate::nix) fn evaluation(stderr: &str, source: Option<&StorePath>) -> String {
    let lines: Vec<&str> = stderr.lines().collect();
    let Some(begin) = lines.iter().rposition(|line| line.starts_with("error:")) else {
        return super::errors(stderr);
    };
    let block = &lines[begin..];
    let is_error = |line: &&str| line.trim().strip_prefix("error:").is_some_and(|rest| !rest.is_empty());
    let is_new = !is_error(&block[0]);
    let at = if is_new { block.iter().rposition(is_error).unwrap_or(0) } else { 0 };
    let message: Vec<&str> = block[at..].iter().copied().take_while(|line| !is_trace(line)).collect();
    let after = &block[at + message.len()..];
    let own = after.iter().position(|line| is_place(line, source)).map(|found| &after[found..]);
    let around =
        || block[..at].iter().rposition(|line| is_place(line, source)).map(|found| &block[found..at]);
    let place = own.or_else(around).unwrap_or_default();
    let place = place.iter().enumerate().take_while(|(index, line)| *index == 0 || is_excerpt(line));
    let hint = is_missing_file(&message, source).then_some(
        "only the repository's `.nix` files are there while its configuration is evaluated; other files are there \
         when it runs",
    );
    let told = message.iter().chain(place.map(|(_, line)| line)).copied().chain(hint);
    let shown: Vec<String> =
        told.filter(|line| !line.trim().is_empty()).map(|line| shown(line, source)).collect();
    shown[..shown.len().min(SHOWN)].join("\n")
}

/// Whether a line belongs to the trace and no more to the message.
fn is_trace(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('…') || is_at(line) || line.starts_with("(use '--show-trace'") || line.starts_with("{\"")
}

/// `at /nix/store/…/file.nix:3:7:`
fn is_at(line: &str) -> bool {
    line.trim_start().strip_prefix("at ").is_some_and(|place| {
        let end = place.trim_end().trim_end_matches(':');
        end.rsplit(':').take(2).all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// The same, in a file of the repository.
fn is_place(line: &str, source: Option<&StorePath>) -> bool {
    is_at(line) && source.is_none_or(|source| line.contains(source.as_str()))
}

/// A line of the file with its number, the mark below it, or nothing.
fn is_excerpt(line: &str) -> bool {
    let number = line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit());
    line.trim().is_empty() || number.starts_with('|')
}

fn is_missing_file(message: &[&str], source: Option<&StorePath>) -> bool {
    let message = message.join(" ");
    let is_missing = message.contains("No such file or directory")
        || (message.contains("path '") && message.contains("does not exist"));
    is_missing && source.is_some_and(|source| message.contains(source.as_str()))
}

fn shown(line: &str, source: Option<&StorePath>) -> String {
    let mut line = line.replace(" (use '--impure' to override)", "");
    if let Some(source) = source {
        line = line.replace(&format!("{source}/"), "").replace(source.as_str(), "the repository");
    }
    let width = line.char_indices().nth(WIDTH).map(|(at, _)| at);
    let cut = width.map_or_else(|| line.clone(), |at| format!("{} …", &line[..at]));
    let safe = printable_line(&cut);
    match safe.trim_start() {
        message if message.starts_with("error:") => format!("  {message}"),
        place if is_at(place) => format!("    {place}"),
        _ => format!("    {}", safe.strip_prefix("       ").unwrap_or(&safe)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> StorePath {
        "/nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source".parse().expect("a path")
    }

    #[test]
    fn an_error_is_told_with_its_place_in_the_repository() {
        // 2.8
        let stderr = "error: access to absolute path '/etc/shadow' is forbidden in pure eval mode (use '--impure' to override)

       … while realising the context of path '/etc/shadow'

       at /nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/preview-config.nix:3:7:

            2| {
            3|   y = builtins.readFile /etc/shadow;
             |       ^
            4| }

       … while evaluating the attribute 'y'

       at /nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/preview-config.nix:3:3:

            2| {
{\"x\":}
";
        let told = "  error: access to absolute path '/etc/shadow' is forbidden in pure eval mode
    at preview-config.nix:3:7:
         2| {
         3|   y = builtins.readFile /etc/shadow;
          |       ^
         4| }";
        assert_eq!(evaluation(stderr, Some(&source())), told);
        // The form of 2.31
        let stderr = "trace: hello
error:
       … while evaluating the attribute 'y'
         at /nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/preview-config.nix:3:3:
            2| {
            3|   y = builtins.readFile /etc/shadow;
             |   ^
            4| }

       … while calling the 'readFile' builtin
         at /nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/preview-config.nix:3:7:
            2| {
            3|   y = builtins.readFile /etc/shadow;
             |       ^
            4| }

       … while doing something in nixpkgs
         at /nix/store/j1n2ab2sgk140irwws8vkhbh5a1ky7lz-source/lib/modules.nix:1:2:
            1| x

       error: access to absolute path '/etc/shadow' is forbidden in pure evaluation mode (use '--impure' to override)
";
        let told = told.replace("pure eval mode", "pure evaluation mode");
        assert_eq!(evaluation(stderr, Some(&source())), told);
    }

    #[test]
    fn a_message_of_several_lines_is_whole_and_safe() {
        let stderr = "error: two
       lines \u{1b}[31m
       - In `/nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/sub/b.nix'

       at /nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/preview-config.nix:3:30:
";
        insta::assert_snapshot!(evaluation(stderr, Some(&source())), @r"
          error: two
            lines \u{1b}[31m
            - In `sub/b.nix'
            at preview-config.nix:3:30:
        ");
    }

    #[test]
    fn a_missing_file_is_told_with_what_is_there() {
        let stderr = "error: getting status of '/nix/store/y0vldi260whnxl606p3yppyr6y5yk2js-source/version.txt': No such file or directory\n";
        insta::assert_snapshot!(evaluation(stderr, Some(&source())), @r"
          error: getting status of 'version.txt': No such file or directory
            only the repository's `.nix` files are there while its configuration is evaluated; other files are there when it runs
        ");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let stderr = format!("error: {}\n", "ä".repeat(100_000));
        assert!(evaluation(&stderr, None).len() < 600);
        assert_eq!(evaluation("", None), "");
    }
}
