//! What an event means for a lane.

use berth_core::delivery::{Command, CommentEvent, Event, PullRequestAction, PullRequestEvent};
use berth_core::lane::Wish;
use berth_core::policy::{AllowList, Login};
use berth_host::state::Meaning;

/// Every event about a pull request makes somebody look at it. Of what it says
/// only wishes are kept; whether somebody may have them is asked later.
pub(super) fn meaning(event: Event, repositories: &AllowList) -> Meaning {
    let (repo, pull, wish) = match event {
        Event::Ping => return Meaning::Nothing("a ping".to_owned()),
        Event::Ignored(reason) => return Meaning::Nothing(reason.to_string()),
        Event::PullRequest(event) => {
            let wish = label(&event);
            (event.repo, event.number, wish)
        }
        Event::Comment(event) => match command(&event) {
            Some(wish) => (event.repo, event.number, Some(wish)),
            None => return Meaning::Nothing("a command that is none".to_owned()),
        },
    };
    if !repositories.allows(&repo) {
        return Meaning::Nothing(format!("`{repo}` gets no previews"));
    }
    Meaning::Look { repo, pull, wish }
}

/// A label may approve the commit that was the head when it was set.
fn label(event: &PullRequestEvent) -> Option<(Login, Wish)> {
    let label = event.label.clone().filter(|_| event.action == PullRequestAction::Labeled)?;
    let by = event.sender.as_str().parse().ok()?;
    Some((by, Wish::Label { label, head: event.head.clone() }))
}

fn command(event: &CommentEvent) -> Option<(Login, Wish)> {
    let by = event.author.as_str().parse().ok()?;
    let wish = match &event.command {
        Command::Preview => Wish::Deploy,
        Command::Approve(named) => Wish::Approve { named: named.as_str().parse().ok()? },
        Command::Rebuild => Wish::Rebuild,
        Command::Destroy => Wish::Destroy,
        Command::Malformed(_) => return None,
    };
    Some((by, wish))
}
