//! Who writes a command or sets a label, and what they are told.

use std::time::Duration;

use berth_core::lane::{Answer, NotGranted};
use berth_core::policy::PullState::{Closed, Open};
use berth_host::github::{CommentId, Reaction};
use berth_host::state::Settled;

use super::bed::{Bed, Daemon, commit, number, repo, title, until};

/// The line below Berth's comment, if there is one.
fn line(bed: &Bed, pull: u32) -> Option<String> {
    let text = bed.comment(pull)?;
    let last = text.lines().last()?;
    (last.contains("was not")).then(|| last.to_owned())
}

/// How often Berth wrote its comment.
fn writes(bed: &Bed, pull: u32) -> usize {
    let comments = bed.world.github_comments(&repo(), number(pull));
    comments.iter().filter(|comment| comment.is_own).map(|comment| comment.texts.len()).sum()
}

async fn with_preview(bed: &Bed) -> Daemon {
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Open);
    bed.stores_change(1, 1);
    daemon.settles().await;
    daemon
}

async fn unanswered(daemon: &Daemon) -> usize {
    let mut all = 0;
    for record in daemon.state.lanes().await.expect("read") {
        all += daemon.state.answers(record.id).await.expect("read").len();
        all += daemon.state.wishes(record.id).await.expect("read").len();
    }
    all
}

#[tokio::test]
async fn each_command_gets_a_reaction_and_the_last_refused_one_a_line_until_something_changes() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    for (id, by, text, reaction, told) in [
        (2, "grace", "/preview rebuild", Reaction::ThumbUp, None),
        (
            3,
            "eve",
            "/preview destroy",
            Reaction::Confused,
            Some(
                "`/preview destroy` of `eve` was not carried out: it needs write permission on `acme/site`.",
            ),
        ),
        (
            4,
            "grace",
            "/preview now",
            Reaction::Confused,
            Some(
                "`/preview now` of `grace` was not carried out: write `/preview`, `/preview rebuild`, `/preview \
                 destroy`, or `/preview` and the newest commit, on a line of its own and once.",
            ),
        ),
        (5, "grace", "/preview", Reaction::ThumbUp, None),
        (6, "eve", "what is /preview?", Reaction::ThumbUp, None),
    ] {
        let before = line(&bed, 1);
        let comment = bed.comments(id, 1, by, text);
        daemon.settles().await;
        let expected: &[Reaction] = if id == 6 { &[] } else { &[reaction] };
        assert_eq!(bed.world.github_reactions(comment), expected, "{text}");
        assert_eq!(line(&bed, 1), told.map(ToOwned::to_owned).or(before), "{text}");
        assert_eq!(title(&bed, 1), "### Preview: ready");
    }
    bed.pull(1, 2, Open);
    bed.stores_change(9, 1);
    daemon.settles().await;
    assert_eq!((line(&bed, 1), title(&bed, 1).as_str()), (None, "### Preview: ready"));
    assert_eq!((unanswered(&daemon).await, daemon.compares().await), (0, 0));
}

#[tokio::test]
async fn a_delivery_that_comes_again_answers_nothing() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    let comment = bed.comments(2, 1, "eve", "/preview destroy");
    daemon.settles().await;
    let before = writes(&bed, 1);
    bed.stores_comment_of(2, 1, comment, "eve", "/preview destroy");
    daemon.settles().await;
    assert_eq!((writes(&bed, 1), bed.world.github_reactions(comment)), (before, vec![Reaction::Confused]));
}

#[tokio::test]
async fn where_berth_has_no_comment_a_stranger_makes_it_write_none() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(1, 1, Closed);
    let comment = bed.comments(1, 1, "eve", "/preview");
    daemon.settles().await;
    assert_eq!(bed.world.github_reactions(comment), [Reaction::Confused]);
    assert_eq!((bed.comment(1), unanswered(&daemon).await), (None, 0));
}

#[tokio::test]
async fn a_flood_of_commands_gets_few_reactions_and_one_line() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    let before = writes(&bed, 1);
    let flood: Vec<CommentId> =
        (0..50).map(|index| bed.comments(10 + index, 1, "eve", "/preview destroy")).collect();
    let asked = bed.comments(90, 1, "grace", "/preview rebuild");
    daemon.settles().await;
    let answered = flood.iter().filter(|one| !bed.world.github_reactions(**one).is_empty()).count();
    let written = writes(&bed, 1) - before;
    assert!(answered + written <= 30 && answered >= 10, "{answered} reactions, {written} texts");
    assert_eq!(bed.world.github_reactions(asked), [Reaction::ThumbUp]);
    assert_eq!((bed.sites.builds(1), unanswered(&daemon).await), (2, 0));
}

#[tokio::test]
async fn a_reaction_that_cannot_be_set_keeps_nothing_and_is_not_tried_for_ever() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    bed.world.fail_always("github.react");
    let comments = [(2, "grace", "/preview rebuild"), (3, "eve", "/preview destroy")]
        .map(|(id, by, text)| bed.comments(id, 1, by, text));
    daemon.settles().await;
    assert_eq!((bed.sites.builds(1), unanswered(&daemon).await), (2, 0));
    assert!(line(&bed, 1).is_some());
    bed.world.clear_faults();
    bed.stores_change(4, 1);
    daemon.settles().await;
    assert_eq!(comments.map(|one| bed.world.github_reactions(one).len()), [0, 0]);
}

#[tokio::test]
async fn what_a_killed_daemon_had_looked_into_is_answered_by_the_next_one() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    let comment = bed.comments(2, 1, "eve", "/preview destroy");
    daemon.intake.pass().await.expect("taken");
    let lane = daemon.state.lanes().await.expect("read")[0].id;
    let wish = daemon.state.wishes(lane).await.expect("read")[0].id;
    let answer = Some(Answer::Refused(NotGranted::Permission));
    daemon.state.change_lane(lane, &[Settled { id: wish, answer }], |_| ()).await.expect("recorded");
    drop(daemon);
    let next = bed.daemon().await;
    next.settles().await;
    assert_eq!(bed.world.github_reactions(comment), [Reaction::Confused]);
    assert!(line(&bed, 1).is_some());
}

#[tokio::test]
async fn a_command_during_a_build_is_answered_at_once_and_explained_after_it() {
    let bed = Bed::new();
    let daemon = with_preview(&bed).await;
    bed.sites.take(Duration::from_secs(2));
    bed.pull(1, 2, Open);
    bed.stores_change(2, 1);
    let commanding = async {
        daemon.intake.pass().await.expect("taken");
        until(|| bed.sites.builds(1) == 2).await;
        let comment = bed.comments(3, 1, "eve", "/preview destroy");
        daemon.intake.pass().await.expect("taken");
        until(|| bed.world.github_reactions(comment) == [Reaction::Confused]).await;
        assert_eq!((title(&bed, 1).as_str(), line(&bed, 1)), ("### Preview: building", None));
        daemon.until_quiet().await;
    };
    tokio::select! {
        () = daemon.works() => {}
        () = commanding => {}
    }
    assert_eq!(title(&bed, 1), "### Preview: ready");
    assert!(line(&bed, 1).is_some());
}

#[tokio::test]
async fn of_a_fork_a_command_without_the_commit_is_answered_with_the_line_to_paste() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    bed.pull(4, 1, Open);
    let comment = bed.comments(1, 4, "grace", "/preview");
    daemon.settles().await;
    assert_eq!(bed.world.github_reactions(comment), [Reaction::Confused]);
    let told = line(&bed, 4).expect("a line");
    assert!(
        told.contains("comes from a fork") && told.contains(&format!("/preview {}", commit(1))),
        "{told}"
    );
    let comment = bed.comments(2, 4, "grace", &format!("/preview {}", commit(1)));
    daemon.settles().await;
    assert_eq!(bed.world.github_reactions(comment), [Reaction::ThumbUp]);
    assert_eq!((title(&bed, 4).as_str(), line(&bed, 4)), ("### Preview: ready", None));
}

#[tokio::test]
async fn a_label_that_approves_nothing_is_explained_where_it_was_meant_to() {
    let bed = Bed::new();
    let daemon = bed.daemon().await;
    for (pull, is_told) in [(1, false), (4, true)] {
        bed.pull_labelled(pull, 1, &["preview"]);
        bed.stores_label(10 + pull, pull, "eve", "preview", 1);
        bed.stores_label(20 + pull, pull, "eve", "bug", 1);
        daemon.settles().await;
        assert_eq!(line(&bed, pull).is_some(), is_told, "of {pull}");
    }
    let told = line(&bed, 4).expect("a line");
    let expected =
        "The label `preview`, set by `eve`, was not obeyed: it needs write permission on `acme/site`.";
    assert_eq!(told, expected);
    bed.stores_label(30, 4, "grace", "preview", 1);
    daemon.settles().await;
    assert_eq!((title(&bed, 4).as_str(), line(&bed, 4)), ("### Preview: ready", None));
}
