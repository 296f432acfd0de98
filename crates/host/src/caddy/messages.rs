//! The one line that matters in what Caddy prints.
//!
//! Caddy logs JSON lines, and ends with `Error: …` (2.6) or one more JSON line
//! of level `error` (2.11). Inside is what the running Caddy has answered, as
//! JSON again.

use serde::Deserialize;

use crate::printable::printable_line;

/// The most that is shown of an error, in characters.
const SHOWN: usize = 600;

#[derive(Deserialize)]
struct LogLine {
    level: String,
    msg: String,
}

#[derive(Deserialize)]
struct Answer {
    error: String,
}

/// Caddy's last error, in one line that is safe to show.
pub(super) fn last_error(stderr: &str) -> String {
    let lines = || stderr.lines().rev().filter(|line| !line.trim().is_empty());
    let error = lines().find_map(error_in).or_else(|| lines().next().map(str::to_owned));
    let error = error.unwrap_or_else(|| "it gave no reason".to_owned());
    printable_line(&without_wrapping(&error)).chars().take(SHOWN).collect()
}

/// Whether the error says that nobody listens at the admin address.
pub(super) fn is_not_running(error: &str) -> bool {
    let reasons = ["connect: no such file or directory", "connect: connection refused"];
    error.contains(": dial ") && reasons.iter().any(|reason| error.ends_with(reason))
}

fn error_in(line: &str) -> Option<String> {
    if let Some(error) = line.strip_prefix("Error: ") {
        return Some(error.to_owned());
    }
    let line: LogLine = serde_json::from_str(line).ok()?;
    (line.level == "error").then_some(line.msg)
}

/// Without what says only how the reload was carried out.
fn without_wrapping(error: &str) -> String {
    let error = error.strip_prefix("sending configuration to instance: ").unwrap_or(error);
    let error = error.strip_prefix("adapting config using caddyfile: ").unwrap_or(error);
    let error = error.strip_prefix("validation: ").unwrap_or(error);
    let answer =
        error.strip_prefix("caddy responded with error: HTTP ").and_then(|rest| rest.split_once(": "));
    match answer.map(|(_, answer)| (answer, serde_json::from_str::<Answer>(answer))) {
        Some((_, Ok(answer))) => answer.error,
        Some((answer, Err(_))) => answer.to_owned(),
        None => error.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = r#"{"level":"info","ts":1.5,"msg":"using provided configuration","config_file":"/etc/caddy/Caddyfile"}"#;

    /// As printed by 2.6.2 and 2.11.7 on the test host.
    #[test]
    fn both_forms_of_an_error_become_the_line_that_matters() {
        for (printed, line) in [
            (
                "Error: adapting config using caddyfile: /r/4.caddy:1: unrecognized directive: revers_proxy",
                "/r/4.caddy:1: unrecognized directive: revers_proxy",
            ),
            (
                r#"{"level":"error","ts":1.5,"msg":"adapting config using caddyfile: /r/4.caddy:1: unrecognized directive: revers_proxy"}"#,
                "/r/4.caddy:1: unrecognized directive: revers_proxy",
            ),
            (
                "Error: sending configuration to instance: caddy responded with error: HTTP 400: {\"error\":\"loading \
                 config: missing closing ): `(((`\"}\n",
                "loading config: missing closing ): `(((`",
            ),
            (
                r#"{"level":"error","ts":1.5,"msg":"sending configuration to instance: caddy responded with error: HTTP 400: {\"error\":\"loading config: missing closing ): `(((`\"}\n"}"#,
                "loading config: missing closing ): `(((`",
            ),
            ("caddy: no such option\u{1b}[31m", "caddy: no such option\\u{1b}[31m"),
        ] {
            assert_eq!(last_error(&format!("{INFO}\n{printed}\n")), line);
            assert!(!is_not_running(line));
        }
        assert_eq!(last_error("\n"), "it gave no reason");
        assert_eq!(last_error(INFO), INFO);
    }

    #[test]
    fn a_caddy_that_does_not_run_is_recognised() {
        for printed in [
            r#"Error: sending configuration to instance: performing request: Post "http://%20/load": dial unix /run/caddy/admin.sock: connect: no such file or directory"#,
            r#"Error: sending configuration to instance: performing request: Post "http://localhost:2019/load": dial tcp 127.0.0.1:2019: connect: connection refused"#,
            r#"{"level":"error","ts":1.5,"msg":"sending configuration to instance: performing request: Post \"http://127.0.0.1/load\": dial unix /run/caddy/admin.sock: connect: no such file or directory"}"#,
        ] {
            assert!(is_not_running(&last_error(printed)), "{printed}");
        }
    }
}
