//! Texts that only a derivation has: evaluation writes it down, and it is read
//! instead of built.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bed;
use crate::step;

/// The text of the derivation of this name among these and what they need.
pub(super) fn text(bed: &Bed, drvs: &[String], name: &str) -> Result<String> {
    let mut command = bed.evaluator.command("nix");
    let shown = step::output(command.args(["show-derivation", "--recursive"]).args(drvs))?;
    let shown: Value = serde_json::from_slice(&shown.stdout)?;
    // Newer versions of Nix wrap it.
    let all = shown.get("derivations").unwrap_or(&shown).as_object().context("no derivations")?;
    let has_text = |one: &&Value| one["env"]["name"] == name && one["env"]["text"].is_string();
    let mut found = all.values().filter(has_text).map(|one| &one["env"]["text"]);
    match (found.next().and_then(Value::as_str), found.next()) {
        (Some(text), None) => Ok(text.to_owned()),
        (Some(_), Some(_)) => bail!("several derivations are called `{name}`"),
        (None, _) => bail!("no derivation with a text is called `{name}`"),
    }
}
