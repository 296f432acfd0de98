use proptest::prelude::*;

use super::*;

fn commit(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a commit")
}

fn login(name: &str) -> Login {
    name.parse().expect("a login")
}

fn policy() -> Policy {
    let repositories = ["acme/site".parse::<RepoPattern>().expect("a pattern")].into_iter().collect();
    Policy { repositories, drafts: Drafts::Deploy, labels: Labels::default() }
}

fn pull() -> Pull {
    Pull {
        repo: "acme/site".parse().expect("a repository"),
        number: "7".parse().expect("a number"),
        state: PullState::Open,
        is_merged: false,
        is_draft: false,
        head: commit('a'),
        head_branch: Some("fix".parse().expect("a branch")),
        origin: Origin::Branch,
        base_branch: Some("main".parse().expect("a branch")),
        labels: Vec::new(),
        author: login("ada"),
    }
}

fn fork() -> Pull {
    Pull { origin: Origin::Fork("eve/site".parse().expect("a repository")), ..pull() }
}

fn approval(how: How, digit: char) -> Approval {
    Approval { commit: commit(digit), by: login("ada"), how }
}

fn shown(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Deploy { is_trusted: true } => "deploy".into(),
        Verdict::Deploy { is_trusted: false } => "deploy without trust".into(),
        Verdict::Hold { why } => {
            let fork = why.fork.as_ref().map_or("a deleted fork", RepoName::as_str);
            format!("hold {} of {fork}", why.commit.short())
        }
        Verdict::Refuse { why } => format!("refuse: {why}"),
        Verdict::Remove => "remove".into(),
    }
}

#[test]
fn each_pull_request_gets_what_is_written_here() {
    let labelled = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect::<Vec<_>>();
    let draft = Pull { is_draft: true, ..pull() };
    let skip = Policy { drafts: Drafts::Skip, ..policy() };
    let elsewhere = Pull { repo: "acme/other".parse().expect("a repository"), ..pull() };
    let by_comment = [approval(How::Comment, 'a')];
    let by_label = [approval(How::Label, 'a')];
    let of_before = [approval(How::Comment, 'b'), approval(How::Label, 'c')];
    let with_label = Pull { labels: labelled(&["Preview"]), ..fork() };
    let table: [(&str, Pull, Policy, &[Approval]); 17] = [
        ("branch", pull(), policy(), &[]),
        ("closed", Pull { state: PullState::Closed, ..pull() }, policy(), &[]),
        ("closed, elsewhere", Pull { state: PullState::Closed, ..elsewhere.clone() }, policy(), &[]),
        ("elsewhere", elsewhere, policy(), &by_comment),
        ("forbidden", Pull { labels: labelled(&["NO-preview", "preview"]), ..pull() }, policy(), &[]),
        ("draft", draft.clone(), policy(), &[]),
        ("draft, skipped", draft.clone(), skip.clone(), &[]),
        ("draft, forced", Pull { labels: labelled(&["preview "]), ..draft }, skip.clone(), &[]),
        ("odd branch", Pull { head_branch: None, ..pull() }, policy(), &[]),
        ("fork", fork(), policy(), &[]),
        ("deleted fork", Pull { origin: Origin::DeletedFork, ..fork() }, policy(), &[]),
        ("fork, labelled by nobody", with_label.clone(), policy(), &[]),
        ("fork, approved by comment", fork(), policy(), &by_comment),
        ("fork, approved by label", with_label, policy(), &by_label),
        ("fork, label taken away", fork(), policy(), &by_label),
        ("fork, pushed again", fork(), policy(), &of_before),
        ("fork, draft, skipped", Pull { is_draft: true, ..fork() }, skip, &by_comment),
    ];
    let lines: Vec<String> = table
        .iter()
        .map(|(name, pull, policy, approvals)| format!("{name}: {}", shown(&decide(pull, policy, approvals))))
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    branch: deploy
    closed: remove
    closed, elsewhere: remove
    elsewhere: refuse: this repository gets no previews
    forbidden: refuse: it carries the label `no-preview`
    draft: deploy
    draft, skipped: refuse: it is a draft: mark it as ready for review, or set the label `preview`
    draft, forced: deploy
    odd branch: refuse: the name of its branch is too long, or has characters that hide others
    fork: hold aaaaaaaaaaaa of eve/site
    deleted fork: hold aaaaaaaaaaaa of a deleted fork
    fork, labelled by nobody: hold aaaaaaaaaaaa of eve/site
    fork, approved by comment: deploy without trust
    fork, approved by label: deploy without trust
    fork, label taken away: hold aaaaaaaaaaaa of eve/site
    fork, pushed again: hold aaaaaaaaaaaa of eve/site
    fork, draft, skipped: refuse: it is a draft: mark it as ready for review, or set the label `preview`
    ");
}

#[test]
fn only_who_may_write_approves_and_only_the_head() {
    let named = |text: &str| text.parse::<CommitPrefix>().expect("a prefix");
    let by_comment =
        |text: &str, permission| Approval::by_comment(&fork(), &named(text), &login("ada"), permission);
    assert_eq!(by_comment("AAAAAAAAAAAA", Permission::Write), Ok(approval(How::Comment, 'a')));
    let error = by_comment("aaaaaaaaaaaa", Permission::Triage).expect_err("may not write");
    assert_eq!(
        error.to_string(),
        "`ada` has the permission `triage` here: only who may write approves a preview"
    );
    let error = by_comment("aaaaaaaaaaab", Permission::Admin).expect_err("not the head");
    assert_eq!(
        error.to_string(),
        "`aaaaaaaaaaab` is not the newest commit: that is `aaaaaaaaaaaa` now, look at it and approve it"
    );
}

#[test]
fn a_label_approves_the_commit_of_its_own_delivery() {
    let pull = Pull { labels: vec!["preview".into()], ..fork() };
    let by = |pull: &Pull, label: &str, digit| {
        Approval::by_label(pull, &policy(), label, &commit(digit), &login("ada"), Permission::Write)
    };
    assert_eq!(by(&pull, "PREVIEW", 'a'), Ok(approval(How::Label, 'a')));
    assert!(matches!(by(&pull, "preview", 'b'), Err(NotApproved::OtherCommit { .. })), "pushed since");
    assert!(matches!(by(&pull, "bug", 'a'), Err(NotApproved::OtherLabel { .. })));
    assert!(matches!(by(&fork(), "preview", 'a'), Err(NotApproved::OtherLabel { .. })), "taken away since");
}

prop_compose! {
    fn any_pull()(
        is_open in any::<bool>(),
        is_draft in any::<bool>(),
        origin in 0..3,
        head in "[abc]",
        labels in proptest::collection::vec("(?i)(no-)?preview|bug", 0..3),
        is_elsewhere in any::<bool>(),
    ) -> Pull {
        let origin = match origin {
            0 => Origin::Branch,
            1 => Origin::Fork("eve/site".parse().expect("a repository")),
            _ => Origin::DeletedFork,
        };
        let repo = if is_elsewhere { "acme/other" } else { "acme/site" };
        let state = if is_open { PullState::Open } else { PullState::Closed };
        let head = commit(head.chars().next().expect("a digit"));
        Pull { repo: repo.parse().expect("a repository"), state, is_draft, head, origin, labels, ..pull() }
    }
}

fn any_approvals() -> impl Strategy<Value = Vec<Approval>> {
    let one = ("[abc]", any::<bool>()).prop_map(|(digit, is_label)| {
        let how = if is_label { How::Label } else { How::Comment };
        approval(how, digit.chars().next().expect("a digit"))
    });
    proptest::collection::vec(one, 0..4)
}

proptest! {
    #[test]
    fn nothing_of_a_fork_is_ever_trusted_or_built_without_approval_of_its_head(
        pull in any_pull(), approvals in any_approvals(), skips in any::<bool>(),
    ) {
        let drafts = if skips { Drafts::Skip } else { Drafts::Deploy };
        let policy = Policy { drafts, ..policy() };
        if let Verdict::Deploy { is_trusted } = decide(&pull, &policy, &approvals) {
            let is_own = pull.origin == Origin::Branch;
            prop_assert_eq!(is_trusted, is_own);
            prop_assert!(is_own || approvals.iter().any(|approval| approval.commit == pull.head));
            prop_assert!(pull.state == PullState::Open && !pull.has_label("no-preview"));
            prop_assert!(policy.repositories.allows(&pull.repo));
        }
    }

    #[test]
    fn approvals_never_take_a_preview_away(pull in any_pull(), approvals in any_approvals()) {
        let (without, with) = (decide(&pull, &policy(), &[]), decide(&pull, &policy(), &approvals));
        match without {
            Verdict::Hold { .. } => {}
            Verdict::Deploy { .. } | Verdict::Refuse { .. } | Verdict::Remove => prop_assert_eq!(without, with),
        }
    }

    #[test]
    fn a_closed_one_is_removed_whatever_else(pull in any_pull(), approvals in any_approvals()) {
        let closed = Pull { state: PullState::Closed, ..pull };
        prop_assert_eq!(decide(&closed, &policy(), &approvals), Verdict::Remove);
    }
}
