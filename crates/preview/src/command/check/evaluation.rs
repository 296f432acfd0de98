//! Evaluating a declaration with the Nix of this machine.
//!
//! The expression is the one that a host evaluates. A host does it as a user
//! that may do nothing else; here it runs with the caller's own rights, whose
//! code it is.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use berth_core::store_path::StorePathError;
use berth_core::{NarHash, NixFiles, StorePath};
use berth_host::exec::{ExecError, Invocation};
use berth_host::nix::{LockedFlake, Nix, NixCli, NixError};
use berth_host::printable::printable_line;
use berth_host::progress::Progress;
use berth_term::Explained;
use thiserror::Error;

/// The name that Nix gives to trees that it fetches.
const NAME: &str = "source";
const ADD: Duration = Duration::from_mins(2);
const EVALUATE: Duration = Duration::from_mins(10);
/// The most lines of what Nix says that are shown.
const SHOWN: usize = 30;

/// Why there is no declaration.
#[derive(Debug, Error)]
pub(super) enum EvaluationError {
    /// The default flake is that of a host.
    #[error("there is no closures flake `{flake}` here: name the host's with `--closures`")]
    NoFlake {
        /// The flake.
        flake: String,
    },
    /// The flake cannot be had.
    #[error(transparent)]
    Flake(#[from] NixError),
    /// The files could not be laid ready for Nix.
    #[error("could not lay out the repository's `.nix` files")]
    LayOut(#[source] io::Error),
    /// Nix did not take the files, or could not be run.
    #[error(transparent)]
    Run(#[from] ExecError),
    /// Nix said something else than where the files are.
    #[error("nix told in a form that Berth does not know where the repository's files are")]
    Form(#[source] StorePathError),
    /// The code is wrong; Nix says what.
    #[error("`preview-config.nix` does not evaluate:\n{said}")]
    Evaluate {
        /// Nix' own words.
        said: String,
    },
}

impl Explained for EvaluationError {}

/// The declaration of these files as JSON. What Nix says meanwhile is told.
pub(super) async fn meta(
    files: &NixFiles,
    flake: &str,
    progress: &dyn Progress,
) -> Result<String, EvaluationError> {
    if flake.strip_prefix("path:").is_some_and(|path| path.starts_with('/') && !Path::new(path).exists()) {
        return Err(EvaluationError::NoFlake { flake: flake.to_owned() });
    }
    let locked = NixCli.locked(flake).await?;
    let tree = add(files).await?;
    let expression = expression(&locked, &tree, &files.nar_hash());
    let output = call(&expression).run_watched(&|line| progress.line(&printable_line(line))).await?;
    if !output.exit.is_success() {
        return Err(EvaluationError::Evaluate { said: said(&output.stderr.text(), &tree) });
    }
    Ok(String::from_utf8_lossy(output.whole_stdout()?).into_owned())
}

fn call(expression: &str) -> Invocation {
    Invocation::new("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["--option", "pure-eval", "true", "--option", "allow-import-from-derivation", "false"])
        .args(["eval", "--raw", "--expr", expression])
        .aim("evaluate preview-config.nix")
        .deadline(EVALUATE)
}

/// Store paths and hashes have no character that is special in a Nix string.
fn expression(flake: &LockedFlake, tree: &StorePath, hash: &NarHash) -> String {
    let folder = flake.folder.as_ref().map(|folder| format!("&dir={}", in_url(folder))).unwrap_or_default();
    let LockedFlake { path, nar_hash, .. } = flake;
    format!(
        r#"let
  flake = builtins.getFlake "path:{path}?narHash={nar_hash}{folder}";
  source = builtins.fetchTree {{ type = "path"; path = "{tree}"; narHash = "{hash}"; }};
  build = (flake.lib.previewSystem {{ inherit source; }}).config.system.build;
in builtins.unsafeDiscardStringContext (builtins.toJSON build.previewMeta)"#
    )
}

/// Percent-encoded: safe in a URL and in a Nix string.
fn in_url(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    text.bytes()
        .map(|byte| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// Puts the files into the store, as data.
async fn add(files: &NixFiles) -> Result<StorePath, EvaluationError> {
    let folder = tempfile::tempdir().map_err(EvaluationError::LayOut)?;
    let top = folder.path().join(NAME);
    lay_out(files, &top).map_err(EvaluationError::LayOut)?;
    let call = Invocation::new("nix-store")
        .arg("--add")
        .arg(&top)
        .aim("put the repository's `.nix` files into the store")
        .deadline(ADD);
    call.run().await?.stdout.text().trim().parse().map_err(EvaluationError::Form)
}

fn lay_out(files: &NixFiles, top: &Path) -> io::Result<()> {
    fs::create_dir(top)?;
    for (path, content) in files {
        let path = top.join(path);
        fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
        fs::write(path, content)?;
    }
    Ok(())
}

/// What Nix says of its errors, the repository's files by their names there.
fn said(stderr: &str, tree: &StorePath) -> String {
    let text = stderr.replace(&format!("{tree}/"), "");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let begin = lines.iter().rposition(|line| line.starts_with("error:")).unwrap_or(0);
    let told = &lines[begin..];
    let last = &told[told.len().saturating_sub(SHOWN)..];
    last.iter().map(|line| format!("  {}", printable_line(line))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(hash: &str) -> StorePath {
        format!("/nix/store/{hash}-source").parse().expect("a path")
    }

    #[test]
    fn the_call_is_pure_and_made_of_typed_values() {
        let nar_hash = NixFiles::new().nar_hash();
        let flake = LockedFlake {
            path: path("j1n2ab2sgk140irwws8vkhbh5a1ky7lz"),
            nar_hash,
            folder: Some("a b\"${x}".to_owned()),
        };
        let expression = expression(&flake, &path("hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7"), &nar_hash);
        insta::assert_snapshot!(expression, @r#"
        let
          flake = builtins.getFlake "path:/nix/store/j1n2ab2sgk140irwws8vkhbh5a1ky7lz-source?narHash=sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo=&dir=a%20b%22%24%7Bx%7D";
          source = builtins.fetchTree { type = "path"; path = "/nix/store/hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7-source"; narHash = "sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo="; };
          build = (flake.lib.previewSystem { inherit source; }).config.system.build;
        in builtins.unsafeDiscardStringContext (builtins.toJSON build.previewMeta)
        "#);
        let call = call("x").call().to_string();
        assert!(call.contains("pure-eval true") && call.contains("import-from-derivation false"), "{call}");
    }

    #[test]
    fn what_nix_says_names_the_repositorys_own_files() {
        let stderr = "warning: dirty\nerror: undefined variable 'pkg'\n\n       at /nix/store/hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7-source/preview-config.nix:3:7:\n\u{1b}[31m";
        insta::assert_snapshot!(said(stderr, &path("hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7")), @r"
          error: undefined variable 'pkg'
                 at preview-config.nix:3:7:
          \u{1b}[31m
        ");
    }

    #[tokio::test]
    async fn who_has_no_host_is_asked_for_its_flake() {
        let error = meta(&NixFiles::new(), "path:/nowhere/closures", &berth_host::progress::Silent).await;
        insta::assert_snapshot!(error.expect_err("no flake"), @"there is no closures flake `path:/nowhere/closures` here: name the host's with `--closures`");
    }
}
