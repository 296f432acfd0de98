//! Finding what Nix means in what Nix says.

mod evaluation;

pub(super) use self::evaluation::evaluation;
use crate::printable::printable_line;

/// The most lines of an error that are shown, counted from its end.
const SHOWN: usize = 30;

/// The errors in the stderr of a failed build, without the traces through
/// functions of Nix itself, and without "a dependency failed" where the
/// dependency's own error is there. All of the last lines when there is none.
pub(super) fn errors(stderr: &str) -> String {
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut is_inside = false;
    for line in stderr.lines() {
        if line.starts_with("error:") {
            blocks.push(vec![line]);
            is_inside = true;
        } else if is_inside && (line.starts_with(' ') || line.trim().is_empty()) {
            blocks.last_mut().expect("a block was begun").push(line);
        } else {
            is_inside = false;
        }
    }
    let causes: Vec<&Vec<&str>> = blocks.iter().filter(|block| !is_consequence(block)).collect();
    let told: Vec<&str> = match (causes.as_slice(), blocks.as_slice()) {
        ([], []) => stderr.lines().collect(),
        ([], blocks) => blocks.iter().flat_map(|block| essence(block)).copied().collect(),
        (causes, _) => causes.iter().flat_map(|block| essence(block)).copied().collect(),
    };
    shown(&told)
}

/// Whether an error says only that something else failed.
fn is_consequence(block: &[&str]) -> bool {
    block.iter().any(|line| {
        let line = line.trim();
        (line.starts_with("error:") && line.contains("dependencies of derivation"))
            || (line.starts_with("Reason:") && line.contains("dependenc"))
    })
}

/// From the innermost `error:` on: what stands before it is the trace.
fn essence<'a, 'b>(block: &'b [&'a str]) -> &'b [&'a str] {
    let is_message =
        |line: &&str| line.trim_start().strip_prefix("error:").is_some_and(|rest| !rest.is_empty());
    let start = block.iter().rposition(is_message).unwrap_or(0);
    &block[start..]
}

/// The last lines, as far to the left as the leftmost of those below an
/// `error:`.
fn shown(lines: &[&str]) -> String {
    let lines: Vec<String> =
        lines.iter().map(|line| printable_line(line)).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(SHOWN)..];
    let deepest = |line: &&String| !line.trim_start().starts_with("error:");
    let indent =
        last.iter().filter(deepest).map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
    let text: Vec<String> = last
        .iter()
        .map(|line| match line.trim_start() {
            message if message.starts_with("error:") => format!("  {message}"),
            _ => format!("    {}", &line[indent..]),
        })
        .collect();
    text.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_builder_is_told_with_its_last_lines() {
        // 2.8
        let stderr = "warning: Git tree '/x' is dirty
building '/nix/store/…-inner.drv'...
inner> making
inner> boom
error: builder for '/nix/store/…-inner.drv' failed with exit code 1;
       last 2 log lines:
       > making
       > boom
       For full logs, run 'nix log /nix/store/…-inner.drv'.
error: 1 dependencies of derivation '/nix/store/…-system.drv' failed to build
";
        insta::assert_snapshot!(errors(stderr), @r"
          error: builder for '/nix/store/…-inner.drv' failed with exit code 1;
            last 2 log lines:
            > making
            > boom
            For full logs, run 'nix log /nix/store/…-inner.drv'.
        ");
        // 2.31
        let stderr = "error: Cannot build '/nix/store/…-inner.drv'.
       Reason: builder failed with exit code 1.
       Output paths:
         /nix/store/…-inner
       Last 1 log lines:
       > boom
error: Cannot build '/nix/store/…-system.drv'.
       Reason: 1 dependency failed.
       Output paths:
         /nix/store/…-system
";
        insta::assert_snapshot!(errors(stderr), @r"
          error: Cannot build '/nix/store/…-inner.drv'.
            Reason: builder failed with exit code 1.
            Output paths:
              /nix/store/…-inner
            Last 1 log lines:
            > boom
        ");
    }

    #[test]
    fn a_failed_evaluation_is_told_without_the_trace() {
        let stderr = "error:
       … while calling the 'derivationStrict' builtin
         at <nix/derivation-internal.nix>:37:12:
           36|
           37|   strict = derivationStrict drvAttrs;
             |            ^

       … while evaluating attribute 'system'

       (stack trace truncated; use '--show-trace' to show the full, detailed trace)

       error: undefined variable 'pkg'
       at /nix/store/…-source/flake.nix:12:9:
           11|       modules = [
           12|         pkg.git
             |         ^
";
        insta::assert_snapshot!(errors(stderr), @r"
          error: undefined variable 'pkg'
            at /nix/store/…-source/flake.nix:12:9:
                11|       modules = [
                12|         pkg.git
                  |         ^
        ");
    }

    #[test]
    fn words_without_an_error_are_told_as_they_are_and_made_safe() {
        assert_eq!(errors("terminated\n\u{1b}[31mred\n"), "    terminated\n    \\u{1b}[31mred");
        assert_eq!(errors(""), "");
    }
}
