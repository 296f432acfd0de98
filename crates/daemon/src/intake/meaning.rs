//! What an event means for a lane.

use berth_core::delivery::{Command, CommentEvent, Event, PullRequestAction, PullRequestEvent};
use berth_core::lane::Wish;
use berth_core::policy::AllowList;
use berth_host::state::{Asked, Meaning};

/// Every event about a pull request makes somebody look at it. Of what it says
/// only wishes are kept; whether somebody may have them is asked later.
pub(super) fn meaning(event: Event, repositories: &AllowList) -> Meaning {
    let (repo, pull, asked) = match event {
        Event::Ping => return Meaning::Nothing("a ping".to_owned()),
        Event::Ignored(reason) => return Meaning::Nothing(reason.to_string()),
        Event::PullRequest(event) => {
            let asked = label(&event);
            (event.repo, event.number, asked)
        }
        Event::Comment(CommentEvent { repo, number, comment_id, author, command }) => {
            let asked = Asked { by: author, wish: wish(command), comment: Some(comment_id) };
            (repo, number, Some(asked))
        }
    };
    if !repositories.allows(&repo) {
        return Meaning::Nothing(format!("`{repo}` gets no previews"));
    }
    Meaning::Look { repo, pull, asked }
}

/// A label may approve the commit that was the head when it was set.
fn label(event: &PullRequestEvent) -> Option<Asked> {
    let label = event.label.clone().filter(|_| event.action == PullRequestAction::Labeled)?;
    let wish = Wish::Label { label, head: event.head.clone() };
    Some(Asked { by: event.sender.clone(), wish, comment: None })
}

fn wish(command: Command) -> Wish {
    match command {
        Command::Preview => Wish::Deploy,
        Command::Approve(named) => Wish::Approve { named },
        Command::Rebuild => Wish::Rebuild,
        Command::Destroy => Wish::Destroy,
        Command::Malformed(text) => Wish::Malformed { text },
    }
}
