//! The line about what somebody asked for and did not get.

use super::text::code_span;
use super::{refusal, repository, short};
use crate::RepoName;
use crate::lane::{NotGranted, Unmet, Wish};

/// The text of a comment with one line more: what somebody asked for on the
/// pull request of this repository, and why it was not done.
///
/// `text` is what [`render`](super::render) made. The line mentions nobody, and
/// what was asked for stands in a code span as all text of strangers.
pub fn explained(text: &str, repo: &RepoName, unmet: &Unmet) -> String {
    let by = code_span(unmet.by.as_str());
    let subject = match &unmet.wish {
        Wish::Label { label, .. } => format!("The label {}, set by {by}, was not obeyed", code_span(label)),
        Wish::Approve { named } => not_done(&format!("/preview {named}"), &by),
        Wish::Deploy => not_done("/preview", &by),
        Wish::Rebuild => not_done("/preview rebuild", &by),
        Wish::Destroy => not_done("/preview destroy", &by),
        Wish::Malformed { text } => not_done(text, &by),
    };
    format!("{text}\n{subject}: {}.\n", reason(repo, &unmet.why))
}

fn not_done(command: &str, by: &str) -> String {
    format!("{} of {by} was not carried out", code_span(command))
}

fn reason(repo: &RepoName, why: &NotGranted) -> String {
    match why {
        NotGranted::Malformed => {
            "write `/preview`, `/preview rebuild`, `/preview destroy`, or `/preview` and the newest commit, on a \
             line of its own and once"
                .to_owned()
        }
        NotGranted::Label => "it approves nothing here".to_owned(),
        NotGranted::Permission => format!("it needs write permission on {}", repository(repo)),
        NotGranted::OtherCommit { head } => {
            format!("the newest commit is {} now: look at it, and approve it with `/preview {head}`", short(head))
        }
        NotGranted::Held { head } => {
            format!("the pull request comes from a fork: look at its newest commit, and approve it with `/preview {head}`")
        }
        NotGranted::NoPreview { why } => refusal(why),
        NotGranted::Closed => "the pull request is closed".to_owned(),
    }
}
