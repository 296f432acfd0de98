//! Evaluating a declaration with the Nix of this machine.
//!
//! A host evaluates the same as a user that may do nothing else. Here it runs as
//! the caller and in the caller's environment: it is the caller's code, and it
//! is the caller's Nix that knows how to come by the closures flake.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_core::store_path::StorePathError;
use berth_core::{NarHash, NixFiles, StorePath};
use berth_host::exec::{ExecError, Invocation};
use berth_host::nix::evaluation_error;
use berth_term::Explained;
use thiserror::Error;

/// The name that Nix gives to trees that it fetches.
const NAME: &str = "source";
const ADD: Duration = Duration::from_mins(2);
const EVALUATE: Duration = Duration::from_mins(10);

/// Why there is no declaration.
#[derive(Debug, Error)]
pub(super) enum EvaluationError {
    /// The default flake is that of a host.
    #[error("there is no closures flake `{flake}` here: name the host's with `--closures`")]
    NoFlake {
        /// The flake.
        flake: String,
    },
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

/// Where and with what the tools of the caller run.
#[derive(Clone, Debug)]
pub(super) struct Surroundings {
    /// The folder that relative flakes are meant from.
    pub(super) folder: PathBuf,
    /// All variables of the caller.
    pub(super) variables: Vec<(OsString, OsString)>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_this_process() -> io::Result<Self> {
        Ok(Self { folder: std::env::current_dir()?, variables: std::env::vars_os().collect() })
    }

    fn call(&self, program: &str) -> Invocation {
        let call = Invocation::new(program).dir(&self.folder);
        self.variables.iter().fold(call, |call, (name, value)| call.env(name, value))
    }
}

/// The declaration of these files as JSON.
pub(super) async fn meta(
    files: &NixFiles,
    flake: &str,
    around: &Surroundings,
) -> Result<String, EvaluationError> {
    if flake.strip_prefix("path:").is_some_and(|path| path.starts_with('/') && !Path::new(path).exists()) {
        return Err(EvaluationError::NoFlake { flake: flake.to_owned() });
    }
    let tree = add(files, around).await?;
    let call = evaluate(around, flake, &expression(&tree, &files.nar_hash()));
    let output = call.run_any().await?;
    if !output.exit.is_success() {
        return Err(EvaluationError::Evaluate { said: evaluation_error(&output.stderr.text(), &tree) });
    }
    Ok(String::from_utf8_lossy(output.whole_stdout()?).into_owned())
}

/// What is evaluated of a flake is evaluated purely.
fn evaluate(around: &Surroundings, flake: &str, expression: &str) -> Invocation {
    around
        .call("nix")
        .args(["--extra-experimental-features", "nix-command flakes"])
        .args(["--option", "pure-eval", "true", "--option", "allow-import-from-derivation", "false"])
        .args(["eval", "--raw", "--show-trace", "--no-update-lock-file", "--apply", expression])
        .args(["--", &format!("{flake}#lib.previewSystem")])
        .aim("evaluate preview-config.nix")
        .deadline(EVALUATE)
}

/// The declaration alone would say nothing of the services behind it, so the
/// whole system is evaluated, as on a host.
///
/// Store paths and hashes have no character that is special in a Nix string.
fn expression(tree: &StorePath, hash: &NarHash) -> String {
    format!(
        r#"previewSystem:
let
  source = builtins.fetchTree {{ type = "path"; path = "{tree}"; narHash = "{hash}"; }};
  build = (previewSystem {{ inherit source; }}).config.system.build;
in builtins.seq build.toplevel.drvPath
  (builtins.unsafeDiscardStringContext (builtins.toJSON build.previewMeta))"#
    )
}

/// Puts the files into the store, as data.
async fn add(files: &NixFiles, around: &Surroundings) -> Result<StorePath, EvaluationError> {
    let folder = tempfile::tempdir().map_err(EvaluationError::LayOut)?;
    let top = folder.path().join(NAME);
    lay_out(files, &top).map_err(EvaluationError::LayOut)?;
    let call = around
        .call("nix-store")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn path(hash: &str) -> StorePath {
        format!("/nix/store/{hash}-source").parse().expect("a path")
    }

    fn around() -> Surroundings {
        Surroundings { folder: "/work".into(), variables: vec![("HOME".into(), "/home/ada".into())] }
    }

    #[test]
    fn the_call_is_pure_and_made_of_typed_values() {
        let expression = expression(&path("hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7"), &NixFiles::new().nar_hash());
        insta::assert_snapshot!(expression, @r#"
        previewSystem:
        let
          source = builtins.fetchTree { type = "path"; path = "/nix/store/hcjyfas5h6yi55hgdl5fkmqvkwd3n0m7-source"; narHash = "sha256-pQpattmS9VmO3ZIQUFn66az8GSmB4IvYhTTCFn6SUmo="; };
          build = (previewSystem { inherit source; }).config.system.build;
        in builtins.seq build.toplevel.drvPath
          (builtins.unsafeDiscardStringContext (builtins.toJSON build.previewMeta))
        "#);
        let call = evaluate(&around(), "./closures", "EXPRESSION").call().to_string();
        insta::assert_snapshot!(call, @"nix --extra-experimental-features 'nix-command flakes' --option pure-eval true --option allow-import-from-derivation false eval --raw --show-trace --no-update-lock-file --apply EXPRESSION -- './closures#lib.previewSystem'");
    }

    #[tokio::test]
    async fn who_has_no_host_is_asked_for_its_flake() {
        let error = meta(&NixFiles::new(), "path:/nowhere/closures", &around()).await;
        insta::assert_snapshot!(error.expect_err("no flake"), @"there is no closures flake `path:/nowhere/closures` here: name the host's with `--closures`");
    }
}
