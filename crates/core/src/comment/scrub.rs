//! Taking secrets out of a text.

use super::text::clean;

/// What stands in the place of a secret.
const SHOWN: &str = "[secret]";
/// The shortest that is looked for: the places of anything shorter would tell
/// it.
const SHORTEST: usize = 4;

/// The text, cleaned as a comment cleans it, without these values: neither as
/// they are nor as they stand in an address or in JSON, and of those with
/// several lines no line that says something.
///
/// Scrub a text before it is cut: of a secret that was cut in two, nothing is
/// found. Values shorter than four bytes are left alone.
pub fn scrub(text: &str, secrets: &[&str]) -> String {
    // Cleaned first: a secret with a control character in its midst would be
    // whole after a later cleaning.
    let mut scrubbed = clean(text);
    let mut forms: Vec<String> = secrets.iter().flat_map(|secret| forms(secret)).collect();
    // Longest first: one may be part of another.
    forms.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    forms.dedup();
    for form in forms {
        scrubbed = scrubbed.replace(&form, SHOWN);
    }
    scrubbed
}

fn forms(secret: &str) -> Vec<String> {
    let cleaned = clean(secret);
    let whole = cleaned.trim();
    let lines = whole.lines().map(str::trim);
    let plain: Vec<&str> = std::iter::once(whole).chain(lines).filter(|one| one.len() >= SHORTEST).collect();
    let encoded = plain.iter().flat_map(|one| [percent_encoded(one), json_escaped(one)]);
    plain.iter().map(|&one| one.to_owned()).chain(encoded).collect()
}

fn percent_encoded(text: &str) -> String {
    let is_kept = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if is_kept(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn json_escaped(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}
