//! Evaluating what strangers wrote.

use std::time::Duration;

use berth_core::closure_key::PREVIEW_CONFIG;
use berth_core::{Layout, NarHash, StorePath};
use serde::Deserialize;
use tokio::time::timeout;

use super::{Evaluated, Evaluation, NixError, build_output, messages};
use crate::confined::{Confined, ConfinedError};
use crate::exec::{Exit, Output, Watcher};
use crate::printable::printable_line;

/// Whom the evaluation of repositories runs as.
pub(crate) const USER: &str = "berth-build";

/// What an evaluation may not do. Each is set here whatever `nix.conf` says;
/// the features too, as one of them is derivations that have network.
///
/// `restrict-eval` is left out: pure evaluation has the same rules for paths
/// already, and it would refuse inputs of the operator's flake by their URL.
/// What has a hash may be fetched in a pure evaluation, so there is no network.
const OPTIONS: [(&str, &str); 6] = [
    ("experimental-features", "nix-command flakes"),
    ("pure-eval", "true"),
    ("allow-import-from-derivation", "false"),
    ("allow-unsafe-native-code-during-evaluation", "false"),
    ("plugin-files", ""),
    ("substitute", "false"),
];

/// How much later than the unit's own clock ours is.
const SLACK: Duration = Duration::from_millis(500);

/// The most that an evaluation may print, in bytes: a meta is far smaller.
const PRINTED_MAX: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Printed {
    drv_path: String,
    meta: String,
}

pub(super) async fn evaluate(evaluation: &Evaluation, log: Watcher<'_>) -> Result<Evaluated, NixError> {
    let subject = subject(evaluation);
    let safe_log = |line: &str| log(&printable_line(line));
    // Nix hears no request to end while it calculates. Dropped, it is killed
    // without anybody waiting for that.
    let late = NixError::EvaluationTime { subject, after: evaluation.time };
    let run = confined(evaluation).run_watched(&safe_log);
    let output = match timeout(evaluation.time + SLACK, run).await {
        Err(_) | Ok(Err(ConfinedError::TimedOut { .. })) => return Err(late),
        Ok(ended) => ended?,
    };
    if !output.exit.is_success() {
        return Err(failure(evaluation, &output));
    }
    match output.whole_stdout() {
        Ok(json) => parse(json).map_err(|source| NixError::EvaluationForm { subject, source }),
        Err(_) => Err(NixError::EvaluationLength { subject, limit: PRINTED_MAX }),
    }
}

fn confined(evaluation: &Evaluation) -> Confined {
    let options = OPTIONS.iter().flat_map(|(name, value)| ["--option", name, value]);
    Confined::new(USER, format!("evaluate {}", subject(evaluation)), evaluation.time, evaluation.memory)
        // A fetch of a known revision can read a repository of the host.
        .hidden(Layout::host().data_dir())
        // The expression is last; each text in it is a type's own form.
        .args(["nix"])
        .args(options)
        .args(["--offline", "eval", "--json", "--show-trace", "--expr"])
        .args([expression(evaluation)])
        .env("NIX_REMOTE", "daemon")
}

/// What is evaluated. Store paths and hashes have no character that is special
/// in a Nix string; the folder is the operator's own and is quoted.
fn expression(evaluation: &Evaluation) -> String {
    let Evaluation { flake, source, .. } = evaluation;
    let folder = flake.folder.as_ref().map(|folder| format!("&dir={}", in_url(folder))).unwrap_or_default();
    let source =
        source.as_ref().map_or_else(|| "null".to_owned(), |tree| tree_text(&tree.path, &tree.nar_hash));
    format!(
        r#"let
  flake = builtins.getFlake "path:{}?narHash={}{folder}";
  missing = throw "the operator's closures flake has no `lib.previewSystem`";
  build = ((flake.lib or {{ }}).previewSystem or missing {{ source = {source}; }}).config.system.build;
in {{
  drvPath = builtins.unsafeDiscardStringContext build.toplevel.drvPath;
  meta = builtins.unsafeDiscardStringContext (builtins.toJSON build.previewMeta);
}}"#,
        flake.path, flake.nar_hash
    )
}

fn tree_text(path: &StorePath, hash: &NarHash) -> String {
    format!(r#"builtins.fetchTree {{ type = "path"; path = "{path}"; narHash = "{hash}"; }}"#)
}

/// Percent-encoded: safe in a URL and in a Nix string.
fn in_url(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn parse(json: &[u8]) -> Result<Evaluated, serde_json::Error> {
    let Printed { drv_path, meta } = serde_json::from_slice(json)?;
    let derivation = build_output::store_path(&drv_path).map_err(serde::de::Error::custom)?;
    if derivation.as_path().extension().is_none_or(|extension| extension != "drv") {
        return Err(serde::de::Error::custom(format!("`{derivation}` is no derivation")));
    }
    Ok(Evaluated { derivation, meta })
}

fn failure(evaluation: &Evaluation, output: &Output) -> NixError {
    let subject = subject(evaluation);
    let stderr = output.stderr.text();
    // Nix says so where its own limit stops it; the kernel kills where the
    // unit's does.
    let is_memory = ["out of memory", "Out of Memory", "Out of memory", "Cannot allocate memory"]
        .iter()
        .any(|words| stderr.contains(words));
    let was_killed = !stderr.lines().any(|line| line.trim_start().starts_with("error:"))
        && matches!(output.exit, Exit::Signal(_) | Exit::Code(134 | 139 | 255));
    if is_memory || was_killed {
        return NixError::EvaluationMemory { subject, limit: evaluation.memory };
    }
    let source = evaluation.source.as_ref().map(|tree| &tree.path);
    NixError::Evaluation { subject, said: messages::evaluation(&stderr, source) }
}

fn subject(evaluation: &Evaluation) -> &'static str {
    match evaluation.source {
        Some(_) => SUBJECT,
        None => "the host's default preview configuration",
    }
}

/// What repositories call the file.
const SUBJECT: &str = "`preview-config.nix`";
const _: () = assert!(SUBJECT.len() == PREVIEW_CONFIG.len() + 2);

#[cfg(test)]
mod tests {
    use berth_core::NixFiles;

    use super::*;
    use crate::nix::{LockedFlake, SourceTree};

    fn evaluation(folder: Option<&str>, has_source: bool) -> Evaluation {
        let path = |hash: &str| format!("/nix/store/{hash}-source").parse().expect("a path");
        let nar_hash = NixFiles::new().nar_hash();
        Evaluation {
            flake: LockedFlake {
                path: path("j1n2ab2sgk140irwws8vkhbh5a1ky7lz"),
                nar_hash,
                folder: folder.map(str::to_owned),
            },
            source: has_source
                .then(|| SourceTree { path: path("hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7"), nar_hash }),
            memory: "1G".parse().expect("an amount"),
            time: Duration::from_mins(1),
        }
    }

    #[test]
    fn the_expression_is_made_of_typed_values_only() {
        insta::assert_snapshot!(expression(&evaluation(None, true)), @r#"
        let
          flake = builtins.getFlake "path:/nix/store/j1n2ab2sgk140irwws8vkhbh5a1ky7lz-source?narHash=sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo=";
          missing = throw "the operator's closures flake has no `lib.previewSystem`";
          build = ((flake.lib or { }).previewSystem or missing { source = builtins.fetchTree { type = "path"; path = "/nix/store/hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7-source"; narHash = "sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo="; }; }).config.system.build;
        in {
          drvPath = builtins.unsafeDiscardStringContext build.toplevel.drvPath;
          meta = builtins.unsafeDiscardStringContext (builtins.toJSON build.previewMeta);
        }
        "#);
        let default = expression(&evaluation(Some("a b\"${x}"), false));
        assert!(default.contains("{ source = null; }"), "{default}");
        assert!(default.contains("&dir=a%20b%22%24%7Bx%7D\""), "{default}");
    }

    #[test]
    fn what_an_evaluation_prints_is_read_and_nothing_else() {
        let good = br#"{"drvPath":"/nix/store/0q0cwqcprw9q4nwn8a9h8rf4pdhw4hid-x.drv","meta":"{\"a\":1}"}"#;
        let read = parse(good).expect("good");
        assert_eq!(read.meta, r#"{"a":1}"#);
        for bad in [
            "",
            "{}",
            r#"{"drvPath":"/nix/store/0q0cwqcprw9q4nwn8a9h8rf4pdhw4hid-x","meta":""}"#,
            r#"{"drvPath":"/etc/x.drv","meta":""}"#,
            r#"{"drvPath":"/nix/store/0q0cwqcprw9q4nwn8a9h8rf4pdhw4hid-x\n.drv","meta":""}"#,
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
