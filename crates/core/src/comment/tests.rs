use proptest::prelude::*;
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::*;
use crate::delivery::Command;
use crate::lane::{NotGranted, Unmet, Wish};

fn commit(digit: char) -> CommitSha {
    digit.to_string().repeat(40).parse().expect("a commit")
}

fn at() -> Timestamp {
    "2026-11-21T08:44:13Z".parse().expect("a time")
}

fn failed_with(what: &str, reason: &str, log: &str) -> CommentState {
    let (what, reason, log) = (what.to_owned(), reason.to_owned(), log.to_owned());
    CommentState::Failed { commit: commit('a'), what, reason, log, still: None, at: at() }
}

#[test]
fn a_queued_preview_reads_so() {
    insta::assert_snapshot!(render(&CommentState::Queued { commit: commit('a') }), @r"
    <!-- berth:preview -->
    ### Preview: queued

    Commit `aaaaaaaaaaaa` waits for its turn.
    ");
}

#[test]
fn a_preview_that_is_built_reads_so() {
    let state = CommentState::Building { commit: commit('a'), since: at() };
    insta::assert_snapshot!(render(&state), @r"
    <!-- berth:preview -->
    ### Preview: building

    Building and starting commit `aaaaaaaaaaaa` since 2026-11-21 08:44:13 UTC.
    ");
}

#[test]
fn a_ready_preview_reads_so() {
    let links = ["https://site-7.preview.example.com/", "https://api-site-7.preview.example.com/"];
    let state = CommentState::Ready {
        commit: commit('a'),
        links: links.iter().map(|link| link.parse().expect("a link")).collect(),
        took: Some(SignedDuration::from_secs(83)),
        at: at(),
    };
    insta::assert_snapshot!(render(&state), @r"
    <!-- berth:preview -->
    ### Preview: ready

    - <https://site-7.preview.example.com/>
    - <https://api-site-7.preview.example.com/>

    Commit `aaaaaaaaaaaa`, deployed in 1 min 23 s on 2026-11-21 08:44:13 UTC.
    ");
}

#[test]
fn a_ready_preview_of_which_nobody_knows_how_long_it_took_does_not_tell() {
    let links = vec!["https://site-7.preview.example.com/".parse().expect("a link")];
    let state = CommentState::Ready { commit: commit('a'), links, took: None, at: at() };
    insta::assert_snapshot!(render(&state), @r"
    <!-- berth:preview -->
    ### Preview: ready

    - <https://site-7.preview.example.com/>

    Commit `aaaaaaaaaaaa`, deployed on 2026-11-21 08:44:13 UTC.
    ");
}

#[test]
fn a_failed_preview_reads_so() {
    let state = CommentState::Failed {
        commit: commit('b'),
        what: "setup.service".into(),
        reason: "exited with code 1".into(),
        log: "\u{1b}[1;31mmigrating\u{1b}[0m\nerror: no table `users`, ask @octocat\r\n```\n# big\n".into(),
        still: Some(commit('a')),
        at: at(),
    };
    insta::assert_snapshot!(render(&state).replace('\u{200b}', "<ZWSP>"), @r"
    <!-- berth:preview -->
    ### Preview: failed

    `setup.service` failed for commit `bbbbbbbbbbbb` on 2026-11-21 08:44:13 UTC:

    > `exited with code 1`

    The preview still serves commit `aaaaaaaaaaaa`.

    <details>
    <summary>Log: the last 4 lines</summary>

    ````text
    migrating
    error: no table `users`, ask @<ZWSP>octocat
    ```
    # big
    ````

    </details>

    A new push tries again, and so does a comment with `/preview rebuild`.
    ");
}

#[test]
fn a_failure_without_words_has_no_fold() {
    insta::assert_snapshot!(render(&failed_with("fetch", " ", " \n\n")), @r"
    <!-- berth:preview -->
    ### Preview: failed

    `fetch` failed for commit `aaaaaaaaaaaa` on 2026-11-21 08:44:13 UTC.

    A new push tries again, and so does a comment with `/preview rebuild`.
    ");
}

#[test]
fn a_held_preview_names_the_line_to_paste() {
    let fork = Some("eve/site".parse().expect("a repository"));
    let text = render(&CommentState::Held(Hold { commit: commit('a'), fork }));
    insta::assert_snapshot!(text, @r"
    <!-- berth:preview -->
    ### Preview: waiting for approval

    This pull request comes from `eve/site`, so nothing of it is built until somebody with write permission has looked at it. To approve commit `aaaaaaaaaaaa`, comment:

    > `/preview aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`

    Each push needs a new approval. The preview gets no secrets.
    ");
    assert_eq!(Command::parse(&text), None, "Berth's own comment approves nothing");
    assert_eq!(Command::parse(&text.replace(MARKER, "")), None, "nor does a copy without the marker");
    let pasted = "/preview aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert!(text.contains(pasted) && matches!(Command::parse(pasted), Some(Command::Approve(_))));
}

#[test]
fn a_refused_preview_says_why() {
    let text = |why| render(&CommentState::Refused(why));
    insta::assert_snapshot!(text(Refusal::Draft { label: "preview".into() }), @r"
    <!-- berth:preview -->
    ### Preview: none

    There is no preview: the pull request is a draft. Mark it as ready for review, or set the label `preview`.
    ");
    assert!(text(Refusal::Label { label: "no-preview".into() }).contains("carries the label `no-preview`."));
}

#[test]
fn a_removed_preview_reads_so() {
    insta::assert_snapshot!(render(&CommentState::Removed { at: at() }), @r"
    <!-- berth:preview -->
    ### Preview: removed

    The preview was removed on 2026-11-21 08:44:13 UTC.
    ");
}

fn unmet(wish: Wish, why: NotGranted) -> Unmet {
    Unmet { by: "ada".parse().expect("a login"), wish, why }
}

fn with_line(state: &CommentState, unmet: &Unmet) -> String {
    explained(&render(state), &"acme/shop".parse().expect("a repository"), unmet)
}

#[test]
fn what_was_not_carried_out_is_told_below() {
    let text = with_line(&CommentState::Removed { at: at() }, &unmet(Wish::Destroy, NotGranted::Permission));
    insta::assert_snapshot!(text, @r"
    <!-- berth:preview -->
    ### Preview: removed

    The preview was removed on 2026-11-21 08:44:13 UTC.

    `/preview destroy` of `ada` was not carried out: it needs write permission on `acme/shop`.
    ");
    assert_eq!(Command::parse(&text.replace(MARKER, "")), None, "it commands nothing itself");
}

#[test]
fn each_refusal_has_its_sentence() {
    let named = "bbbbbbbbbbbb".parse().expect("digits");
    let refusal = Refusal::Label { label: "no-preview".into() };
    let malformed = Wish::Malformed { text: "/preview `@octocat` now".into() };
    let app = Unmet {
        by: "dependabot[bot]".parse().expect("a login"),
        ..unmet(Wish::Label { label: "preview".into(), head: commit('b') }, NotGranted::Permission)
    };
    let told: Vec<String> = [
        unmet(malformed, NotGranted::Malformed),
        unmet(Wish::Approve { named }, NotGranted::OtherCommit { head: commit('a') }),
        unmet(Wish::Deploy, NotGranted::Held { head: commit('a') }),
        unmet(Wish::Rebuild, NotGranted::NoPreview { why: refusal }),
        unmet(Wish::Rebuild, NotGranted::Closed),
        app,
    ]
    .iter()
    .map(|unmet| explained("", &"acme/shop".parse().expect("a repository"), unmet).trim().to_owned())
    .collect();
    insta::assert_snapshot!(told.join("\n").replace('\u{200b}', "<ZWSP>"), @r"
    ``/preview `@<ZWSP>octocat` now`` of `ada` was not carried out: write `/preview`, `/preview rebuild`, `/preview destroy`, or `/preview` and the newest commit, on a line of its own and once.
    `/preview bbbbbbbbbbbb` of `ada` was not carried out: the newest commit is `aaaaaaaaaaaa` now: look at it, and approve it with `/preview aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`.
    `/preview` of `ada` was not carried out: the pull request comes from a fork: look at its newest commit, and approve it with `/preview aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa`.
    `/preview rebuild` of `ada` was not carried out: the pull request carries the label `no-preview`.
    `/preview rebuild` of `ada` was not carried out: the pull request is closed.
    The label `preview`, set by `dependabot[bot]`, was not obeyed: it needs write permission on `acme/shop`.
    ");
}

#[test]
fn durations_are_told_in_two_units() {
    for (seconds, told) in
        [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7320, "2 h 2 min")]
    {
        assert_eq!(duration(SignedDuration::from_secs(seconds)), told);
    }
    assert_eq!(duration(SignedDuration::from_secs(-5)), "0 s", "clocks are set back");
}

#[test]
fn an_address_has_nothing_that_markdown_reads() {
    for text in ["https://a.example.com/", "http://127.0.0.1:8080/x_y/%20", "https://a"] {
        assert!(text.parse::<Link>().is_ok(), "{text}");
    }
    for text in [
        "",
        "https://",
        "javascript:alert",
        "ftp://a",
        "https://a>b",
        "https://a b",
        "https://a\n",
        "https://é",
        "https://u@a",
    ] {
        assert!(text.parse::<Link>().is_err(), "{text}");
    }
}

#[test]
fn only_the_last_30_lines_are_shown() {
    let log: String = (1..=100).map(|number| format!("line {number}\n")).collect();
    let text = render(&failed_with("unit", "", &log));
    assert!(text.contains("the last 30 lines") && text.contains("line 71\n") && text.contains("line 100\n"));
    assert!(!text.contains("line 70\n"));
}

#[test]
fn secrets_are_taken_out_in_every_form() {
    let secrets =
        ["pa\"ss w/ord", "-----BEGIN-----\nMIIEabc123\n-----END-----\n", "tokentoken", "token", "abc"];
    for (text, scrubbed) in [
        ("x pa\"ss w/ord y", "x [secret] y"),
        ("postgres://u:pa%22ss%20w%2Ford@h/d", "postgres://u:[secret]@h/d"),
        (r#"{"p":"pa\"ss w/ord"}"#, r#"{"p":"[secret]"}"#),
        ("key MIIEabc123 only", "key [secret] only"),
        ("-----BEGIN-----\nMIIEabc123\n-----END-----", "[secret]"),
        ("tokentokentoken", "[secret][secret]"),
        ("to\u{200b}ken to\u{1b}[31mken to\0ken", "[secret] [secret] [secret]"),
        ("abc is too short to hide", "abc is too short to hide"),
    ] {
        assert_eq!(scrub(text, &secrets), scrubbed);
    }
    assert_eq!(scrub("all of it", &[""]), "all of it");
}

/// The form of a comment without its words, and the words outside of code.
fn form(markdown: &str) -> (Vec<String>, String) {
    let (mut form, mut prose, mut is_in_block) = (Vec::new(), String::new(), false);
    for event in Parser::new(markdown) {
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                is_in_block = true;
                let CodeBlockKind::Fenced(kind) = kind else { panic!("an indented block") };
                form.push(format!("fence {kind}"));
            }
            Event::End(TagEnd::CodeBlock) => is_in_block = false,
            Event::Text(_) if is_in_block => {}
            Event::Text(text) => prose.push_str(&text),
            Event::Code(_) => form.push("code".into()),
            Event::SoftBreak => {}
            other => form.push(format!("{other:?}")),
        }
    }
    (form, prose)
}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "`{1,12}",
        "~{3,5}",
        Just("\n".to_owned()),
        Just("\r".to_owned()),
        Just("\n\n</details>\n\n# x\n".to_owned()),
        Just("@octocat ".to_owned()),
        Just("<!-- berth:preview -->".to_owned()),
        Just("[x](https://evil) ![y](z) <b> &amp; \\` | ".to_owned()),
        Just("\u{1b}[31m\u{1b}]0;x\u{7}\0".to_owned()),
        "[ \t]{1,6}",
        "\\PC{0,8}",
        any::<String>(),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nothing_in_a_log_or_a_name_changes_the_form_of_a_comment(
        what in hostile(), reason in hostile(), log in hostile(),
    ) {
        let text = render(&failed_with(&format!("x{what}"), &format!("x{reason}"), &format!("{log}\nx")));
        let plain = render(&failed_with("x", "x", "x"));
        let (form, prose) = form(&text);
        let (form_of_plain, prose_of_plain) = self::form(&plain);
        let lines = |form: &[String]| form.iter().filter(|one| !one.contains("Log: ")).cloned().collect::<Vec<_>>();
        prop_assert_eq!(lines(&form), lines(&form_of_plain));
        prop_assert_eq!(prose, prose_of_plain);
        prop_assert!(text.len() <= LENGTH_MAX);
        prop_assert!(!text.contains("@octocat"));
        let is_clean = |c: char| c == '\n' || c == '\t' || !c.is_control();
        prop_assert!(text.chars().all(is_clean));
    }

    #[test]
    fn nothing_that_was_asked_for_changes_the_form_of_a_comment(asked in hostile()) {
        let state = CommentState::Removed { at: at() };
        let text = |text: String| with_line(&state, &unmet(Wish::Malformed { text }, NotGranted::Malformed));
        let hostile = text(format!("x{asked}"));
        prop_assert_eq!(form(&hostile), form(&text("x".to_owned())));
        prop_assert!(!hostile.contains("@octocat"));
        prop_assert_eq!(Command::parse(&hostile.replace(MARKER, "")), None);
    }

    #[test]
    fn what_is_scrubbed_has_no_secret_in_it(before in hostile(), after in hostile(), secret in "[a-z0-9/+\"]{8,40}") {
        let scrubbed = scrub(&format!("{before}{secret}{after}"), &[&secret]);
        prop_assert!(!scrubbed.contains(&secret));
        let text = render(&failed_with("x", &scrubbed, &scrubbed));
        prop_assert!(!text.contains(&secret));
    }
}

#[test]
fn the_longest_comment_is_short_enough() {
    for character in ["@", "`", "\u{1f600}", "é"] {
        let line = character.repeat(5000);
        let state = failed_with(&line, &line, &format!("{line}\n").repeat(50));
        let text = with_line(&state, &unmet(Wish::Malformed { text: line }, NotGranted::Malformed));
        assert!(text.len() <= LENGTH_MAX, "{character}: {}", text.len());
    }
}
