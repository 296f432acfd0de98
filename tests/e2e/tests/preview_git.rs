//! Repositories: every branch that git allows, exact commits, pull requests,
//! tokens, and fetches that come to nothing.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use berth_e2e::text::own_error;
use berth_e2e::{
    Files, Output, Preview, PreviewHost, Repository, Running, SharedPreviewHost, Signal, fixture, json,
    preview, wait_until,
};

static HOST: SharedPreviewHost = SharedPreviewHost::named("git");
const SOON: Duration = Duration::from_mins(1);

/// `preview create NAME …` that must fail.
#[track_caller]
fn refused(host: &PreviewHost, words: &[&str]) -> Output {
    let output = preview(host, words).run();
    assert_eq!(output.stdout, "", "{output}");
    assert!(!output.is_success(), "{output}");
    output
}

/// The error alone.
#[track_caller]
fn error(output: &Output) -> String {
    own_error(&output.stderr)
}

/// Another configuration for one command: the host's own with these changes.
#[track_caller]
fn configuration(host: &PreviewHost, name: &str, changes: &[(&str, &str)]) -> String {
    let mut text = host.read_file("/etc/berth/berth.toml");
    for (from, to) in changes {
        assert!(text.contains(from), "{text}");
        text = text.replacen(from, to, 1);
    }
    let path = format!("/etc/berth/{name}.toml");
    host.write_file(&path, text, 0o644);
    path
}

fn git_folder(repository: &Repository) -> String {
    format!("/srv/forge/{}.git", repository.name())
}

/// The mirror of a repository.
#[track_caller]
fn mirror(host: &PreviewHost, repository: &Repository) -> String {
    let query = format!("SELECT id FROM repositories WHERE name = '{}'", repository.name());
    format!("/var/lib/berth/mirrors/{}.git", berth_e2e::sql(host, &query)[0])
}

/// `git` in a mirror, as the user who may.
#[track_caller]
fn git_in(host: &PreviewHost, mirror: &str, words: &[&str]) -> String {
    let git = ["-u", "berth-git", "--", "git", "--git-dir", mirror];
    host.command("runuser").args(git).args(words.iter().copied()).ok().stdout
}

#[test]
fn branches_of_every_name_that_git_allows_are_deployed() {
    const BRANCHES: [&str; 6] = [
        "feature/a/b.c",
        "it's-\"$(id)\"-`id`",
        "größe/日本語/👩‍💻",
        "-leading",
        "--upload-pack=x;reboot;#",
        "a';id;'{}&|<>!$HOME%s%n",
    ];
    let host = HOST.get();
    let names = host.forge().repository("acme/names", fixture("static"));
    // Two at a time: what all containers of a machine watch is limited.
    thread::scope(|scope| {
        for half in 0..2 {
            let (host, names) = (&host, &names);
            scope.spawn(move || {
                for (index, branch) in BRANCHES.iter().enumerate().filter(|(index, _)| index % 2 == half) {
                    deployed_under_its_name(host, names, branch, index);
                }
            });
        }
    });
}

fn deployed_under_its_name(host: &Arc<PreviewHost>, names: &Repository, branch: &str, index: usize) {
    let page = format!("page {index}\n");
    let commit = names.commit_to(branch, "begin", &[("index.html", &page)]);
    let one = Preview::create_with(host, names, branch, &[]);
    // Setup has cloned the branch by the name that systemd read.
    assert_eq!(one.page("/"), page, "{branch}");
    assert_eq!((one.field("branch").as_str(), one.field("commit")), (branch, commit.clone()));
    let read = ". /etc/preview.env && printf %s \"$PREVIEW_BRANCH\"";
    assert_eq!(one.run(read).ok().stdout, branch);

    let clone = ". /etc/preview.env && cd \"$(mktemp -d)\" && id -u && \
                 git clone -q --branch \"$PREVIEW_BRANCH\" \"$PREVIEW_REPO_URL\" here && cat here/index.html && \
                 git -C here rev-parse HEAD && git ls-remote \"$PREVIEW_REPO_URL\"";
    let seen = format!("{page}{commit}\n{commit}\tHEAD\n{commit}\trefs/heads/{branch}\n");
    assert_eq!(one.run(clone).ok().stdout, format!("1000\n{seen}"));
    assert_eq!(one.run_as_root(clone).ok().stdout, format!("0\n{seen}"));

    let changed = format!("changed {index}\n");
    names.commit_to(branch, "change", &[("index.html", &changed)]);
    assert_eq!(one.update(), "code", "{branch}");
    assert_eq!(one.page("/"), changed);
    assert!(host.shell("ls / /root /tmp").ok().stdout.lines().all(|name| !name.contains("upload-pack")));
}

#[test]
fn names_that_git_does_not_allow_are_refused_with_the_rule() {
    let host = HOST.get();
    let long = "x".repeat(201);
    let branches = [
        "",
        "a b",
        "a..b",
        "a~1",
        "main^",
        "a:b",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "@",
        "HEAD",
        "a@{u}",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.",
        "a\nb",
        "a\u{1b}[2Jb",
        "a\u{202e}b",
        "a\u{200b}b",
        &long,
    ];
    let mut told = String::new();
    for branch in branches {
        let output = refused(&host, &["create", "--", "acme/names", branch]);
        assert_eq!(output.code(), Some(2), "{output}");
        told += &error(&output);
    }
    for name in
        ["acme", "acme/", "acme/a/b", "../x", "acme/..", "-x/y", "acme/a b", "https://poison@h/acme/a"]
    {
        let output = refused(&host, &["create", "--", name, "main"]);
        assert_eq!(output.code(), Some(2), "{output}");
        assert!(!output.stderr.contains("poison"), "{output}");
        told += &error(&output);
    }
    for commit in ["main", "0123456789ab", "HEAD~1"] {
        told += &error(&refused(&host, &["create", "acme/names", "main", "--commit", commit]));
    }
    for pull in ["0", "-1", "seven", "1/head"] {
        told += &error(&refused(&host, &["create", "acme/names", "main", &format!("--pr={pull}")]));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_pull_request_is_its_own_head_and_never_a_branch_of_that_name() {
    let host = HOST.get();
    let pulls = host.forge().repository("acme/pulls", fixture("static"));
    for branch in ["7", "pull/7/head", "fix", "refs/pull/7/head"] {
        pulls.commit_to(branch, "not it", &[("index.html", "a branch\n")]);
    }
    let missing = refused(&host, &["create", "acme/pulls", "fix", "--pr", "7"]);
    assert!(missing.stderr.contains("there is no pull request 7 in `acme/pulls`"), "{missing}");
    assert_eq!(preview(&host, &["info", "pulls-7"]).run().code(), Some(3), "nothing is left of it");

    let commit = pulls.commit_to_pull(7, "it", &[("index.html", "the pull request\n")]);
    let one = Preview::create_with(&host, &pulls, "fix", &["--pr", "7"]);
    assert_eq!((one.slug(), one.page("/").as_str()), ("pulls-7", "the pull request\n"));
    assert_eq!(one.field("commit"), commit);
    assert_eq!(one.run(". /etc/preview.env; echo $PREVIEW_BRANCH").ok().stdout, "fix\n");
    // The twin: the branch of that name.
    let other = Preview::create_with(&host, &pulls, "fix", &[]);
    assert_eq!(other.page("/"), "a branch\n");
    pulls.commit_to("fix", "a change", &[("index.html", "a changed branch\n")]);
    assert_eq!((one.update(), other.update()), ("nothing".to_owned(), "code".to_owned()));
}

#[test]
fn a_commit_must_belong_to_what_is_deployed() {
    let host = HOST.get();
    let commits = host.forge().repository("acme/commits", fixture("static"));
    let first = commits.commit("first", &[("index.html", "first\n")]);
    let second = commits.commit("second", &[("index.html", "second\n")]);
    let branch = commits.commit_to("branch", "aside", &[("index.html", "aside\n")]);
    let fork = commits.commit_to_pull(3, "fork", &[("index.html", "fork\n")]);
    let nowhere = "0123456789".repeat(4);
    // All of them are in the mirror by now.
    preview(&host, &["build", "acme/commits", "branch"]).ok();
    preview(&host, &["build", "acme/commits", "x", "--pr", "3"]).ok();

    let refusal = |words: &[&str], commit: &str| {
        let words = [&["build", "acme/commits"], words, &["--commit", commit]].concat();
        error(&refused(&host, &words)).replace(&commit[..12], "COMMIT")
    };
    insta::assert_snapshot!("commit_of_another_branch", refusal(&["main"], &branch));
    insta::assert_snapshot!("commit_that_is_no_part_of_a_pull", refusal(&["x", "--pr", "3"], &branch));
    let elsewhere = refusal(&["main"], &branch);
    assert_eq!(refusal(&["main"], &fork), elsewhere, "of a fork");
    assert_eq!(refusal(&["main"], &nowhere), elsewhere, "of nothing");

    let one = Preview::create_with(&host, &commits, "main", &["--commit", &first]);
    assert_eq!((one.page("/").as_str(), one.field("commit")), ("first\n", first.clone()));
    assert_eq!(one.update(), "code");
    assert_eq!((one.page("/").as_str(), one.field("commit")), ("second\n", second));
    assert_eq!(one.update_with(&["--commit", &first]), "code");
    assert_eq!(one.page("/"), "first\n");
    let fails = one.command("update").args(["--commit", &fork]).run();
    assert!(fails.stderr.contains("is no commit of branch `main` of `acme/commits`"), "{fails}");
    assert_eq!(
        (one.page("/").as_str(), one.field("commit"), one.state().as_str()),
        ("first\n", first, "ready")
    );
}

#[test]
fn what_a_branch_is_after_a_forced_push_is_deployed() {
    let host = HOST.get();
    let forced = host.forge().repository("acme/forced", fixture("static"));
    let base = forced.commit("base", &[("index.html", "base\n")]);
    let gone = forced.commit("gone", &[("index.html", "gone\n")]);
    let one = Preview::create(&host, &forced);
    assert_eq!(one.page("/"), "gone\n");
    let folder = format!("--git-dir={}", git_folder(&forced));
    host.command("git").args([&folder, "update-ref", "refs/heads/main", &base]).ok();
    let new = forced.commit("rewritten", &[("index.html", "rewritten\n")]);
    // What is deployed stays, whatever somebody does to clean up.
    let mirror = mirror(&host, &forced);
    preview(&host, &["build", "acme/forced", "main"]).ok();
    git_in(&host, &mirror, &["gc", "--quiet", "--prune=now"]);
    let clone = ". /etc/preview.env; cd $(mktemp -d) && git clone -q $PREVIEW_REPO_URL x && cat x/index.html";
    assert_eq!(one.run(clone).ok().stdout, "gone\n");
    let refused = one.command("update").args(["--commit", &gone]).run();
    assert!(refused.stderr.contains("or the branch was rewritten"), "{refused}");

    assert_eq!(one.update(), "code");
    assert_eq!((one.page("/").as_str(), one.field("commit")), ("rewritten\n", new.clone()));
    // The twin: what is deployed no more is gone then.
    let has = |commit: &str| {
        host.command("git")
            .args(["-c", "safe.directory=*", "--git-dir", &mirror, "cat-file", "-e", commit])
            .run()
    };
    git_in(&host, &mirror, &["gc", "--quiet", "--prune=now"]);
    assert!(has(&new).is_success());
    assert_eq!(
        git_in(&host, &mirror, &["for-each-ref", "--format=%(objectname)", "refs/berth"])
            .lines()
            .filter(|line| **line == gone)
            .count(),
        0
    );
    assert_eq!(one.run(clone).ok().stdout, "rewritten\n");
}

#[test]
fn a_preview_sees_its_branch_only_and_can_change_nothing() {
    let host = HOST.get();
    let seen = host.forge().repository("acme/seen", fixture("static"));
    let commit = seen.commit_to("secret-plans", "hidden", &[("index.html", "hidden\n")]);
    preview(&host, &["build", "acme/seen", "secret-plans"]).ok();
    let one = Preview::create(&host, &seen);
    let references = "git --git-dir=${PREVIEW_REPO_URL#file://} for-each-ref --format='%(refname)'";
    let references = one.run_as_root(&format!(". /etc/preview.env; {references}")).ok().stdout;
    assert_eq!(references, "refs/heads/main\n");
    let mirror = mirror(&host, &seen);
    // The twin: the mirror has it.
    git_in(&host, &mirror, &["cat-file", "-e", &commit]);
    let inside = one.run_as_root("cd /var/lib/berth && find . -maxdepth 3 | sort").ok().stdout;
    let below = |folder: &str| inside.lines().filter(|path| path.starts_with(folder)).count();
    let top = inside.lines().filter(|path| path.matches('/').count() == 1).collect::<Vec<_>>();
    assert_eq!(top, ["./mirrors", "./sources"], "{inside}");
    assert_eq!(below("./mirrors"), 3, "of the mirror its objects only: {inside}");

    let source = one.run_as_root(". /etc/preview.env; echo ${PREVIEW_REPO_URL#file://}").ok().stdout;
    for path in [source.trim(), &format!("{mirror}/objects"), &format!("{}/objects", source.trim())] {
        let script = format!("ls {path} && echo x >{path}/planted");
        let written = one.run_as_root(&script).run();
        assert!(written.stderr.contains("Read-only file system"), "{path}: {written}");
        assert!(!written.stdout.is_empty(), "it is there: {written}");
    }
    let push = one.run_as_root(
        ". /etc/preview.env; cd $(mktemp -d) && git clone -q $PREVIEW_REPO_URL x && cd x && git push -q origin HEAD:new",
    );
    assert!(!push.run().is_success());
}

/// What opens private repositories, and nothing else has in it.
const TOKEN: &str = "ghp_PoisonPoisonPoison0123456789";

/// Looks for a text in the arguments and the environments of all processes,
/// again and again, and tells how often it was there when it is ended.
const SAMPLER: &str = r#"
import os, signal, sys
texts = [text.encode() for text in sys.argv[2:]]
seen = dict.fromkeys(texts, 0)
running = [True]
signal.signal(signal.SIGTERM, lambda *_: running.clear())
print("sampling", file=sys.stderr, flush=True)
while running:
    for pid in filter(str.isdigit, os.listdir("/proc")):
        if int(pid) == os.getpid():
            continue
        for file in ("cmdline", "environ"):
            try:
                with open(f"/proc/{pid}/{file}", "rb") as opened:
                    read = opened.read()
            except OSError:
                continue
            for text in texts:
                seen[text] += text in read
print(*seen.values())
"#;

#[test]
fn a_token_opens_a_private_repository_and_is_seen_nowhere() {
    let host = Arc::new(PreviewHost::boot("private"));
    let private = host.forge().repository("acme/private", fixture("static"));
    private.make_private(TOKEN);
    let words = ["create", "acme/private", "main"];
    insta::assert_snapshot!("no_token", error(&refused(&host, &words)));
    host.write_file("/etc/berth/token", "wrong\n", 0o600);
    host.configure_previews("token = \"/etc/berth/token\"\n");
    insta::assert_snapshot!("wrong_token", error(&refused(&host, &words)));
    for (content, name) in [("", "empty_token"), ("two words", "odd_token")] {
        host.write_file("/etc/berth/token", content, 0o600);
        insta::assert_snapshot!(name, error(&refused(&host, &words)));
    }
    assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n");

    host.write_file("/etc/berth/token", format!("{TOKEN}\n"), 0o600);
    let encoded = host.shell(&format!("printf %s x-access-token:{TOKEN} | base64 -w0")).ok().stdout;
    // The sampler has the texts in its own arguments, which it leaves out.
    let sampler =
        host.command("python3").args(["-c", SAMPLER, "-", TOKEN, &encoded[8..40], "acme/private"]).spawn();
    wait_until(SOON, "it samples", || sampler.stderr_so_far().contains("sampling"));
    let one = Preview::create(&host, &private);
    private.commit("change", &[("index.html", "two\n")]);
    assert_eq!(one.update(), "code");
    sampler.signal(Signal::TERM);
    let counted = sampler.wait().stdout;
    let counts: Vec<u32> = counted.split_whitespace().map(|count| count.parse().expect("a count")).collect();
    assert_eq!(counts[..2], [0, 0], "{counted}");
    assert!(counts[2] > 10, "{counted}");

    let fails = one.command("update").args(["--commit", &"0".repeat(40)]).run();
    assert!(!fails.stderr.contains(TOKEN), "{fails}");
    for text in [TOKEN, &encoded[8..40]] {
        assert_eq!(found(&host, text), "");
    }
    assert!(found(&host, "acme/private").contains("/var/lib/berth/state/"));
    host.command("logger").arg("twin-of-the-token").ok();
    assert!(found(&host, "twin-of-the-token").contains("journal"));
    assert!(!one.run_as_root("ls /etc").ok().stdout.contains("preview-token"));
    one.destroy();

    // Who is granted the token has it, and nobody else inside.
    host.configure_previews("token = \"/etc/berth/token\"\ntoken_repositories = [\"acme/private\"]\n");
    let one = Preview::create(&host, &private);
    assert_eq!(one.run("cat /etc/preview-token").ok().stdout.trim(), TOKEN);
    let found = found(&host, TOKEN);
    assert!(
        found.lines().all(|line| line.starts_with("/var/lib/nixos-containers/")) && !found.is_empty(),
        "{found}"
    );
    assert_eq!(
        one.run_as_root("setpriv --reuid 65534 --clear-groups cat /etc/preview-token").run().code(),
        Some(1)
    );
}

/// Where a text is on the host, but for the operator's own files and the forge.
fn found(host: &PreviewHost, text: &str) -> String {
    let script = r#"
        { grep -rlsaF -D skip -- "$1" /var/lib/berth /var/lib/nixos-containers /var/lib/caddy /var/log/postgresql \
            /tmp /var/tmp /run/berth /root
          journalctl -q -a -o json --no-pager | grep -cF -- "$1" | sed 's/^0$//;s/^/journal: /;/: $/d'
        } || :"#;
    host.command("sh").args(["-c", script, "sh", text]).ok().stdout
}

/// A forge that stops in the middle of a pack.
const FORGE_THAT_HANGS: &str = include_str!("programs/forge_that_hangs.py");

struct Hanging(Running);

impl Hanging {
    fn begin(host: &PreviewHost) -> Self {
        let forge =
            host.command("python3").args(["-c", FORGE_THAT_HANGS]).deadline(Duration::from_mins(10)).spawn();
        wait_until(SOON, "it listens", || forge.stderr_so_far().contains("listening"));
        Self(forge)
    }

    fn count(&self) -> usize {
        self.0.stderr_so_far().matches("hanging").count()
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
}

#[test]
fn a_fetch_that_is_killed_or_hangs_does_not_poison_the_mirror() {
    let host = Arc::new(PreviewHost::boot("broken-fetch"));
    let forge = "http://127.0.0.1:8418";
    let hanging = ("http://127.0.0.1:8418", "http://127.0.0.1:8419");
    let patient = configuration(&host, "hanging", &[(forge, hanging.1)]);
    let deadline = ("[preview.deadlines]\n", "[preview.deadlines]\nfetch = \"15s\"\n");
    let impatient = configuration(&host, "impatient", &[hanging, deadline]);
    let broken = host.forge().repository("acme/broken", fixture("static"));
    let one = Preview::create(&host, &broken);
    let mirror = mirror(&host, &broken);
    let forge = Hanging::begin(&host);
    let mut packs = 0;
    let mut fetch = |config: &str| {
        packs += 1;
        large_commit(&host, &broken, packs, 2);
        let fetch = preview(&host, &["--config", config, "update", one.slug()]).spawn();
        wait_until(SOON, "a pack is half there", || {
            forge.count() == packs && temporary(&host, &mirror).contains("tmp_pack")
        });
        fetch
    };
    let recovers = |what: &str| {
        assert_eq!(one.update(), "code", "{what}");
        assert_eq!(temporary(&host, &mirror), "", "{what}");
        git_in(&host, &mirror, &["fsck", "--full", "--strict", "--no-dangling"]);
        assert_eq!(one.state(), "ready", "{what}");
        assert_eq!(one.page("/"), "one\n");
    };

    let killed = fetch(&patient);
    host.shell("systemctl kill --signal=KILL 'berth-git-*.service'").ok();
    let killed = killed.wait();
    assert_eq!(killed.code(), Some(1), "{killed}");
    let error_of_killed = error(&killed);
    // Which of git's processes ends first decides on its last words.
    let (told, git) = error_of_killed.trim_end().rsplit_once("`: ").expect("what git said");
    insta::assert_snapshot!("killed_fetch", told);
    assert!(!git.is_empty() && !git.contains('\n'), "{killed}");
    recovers("the unit was killed");

    let hangs = fetch(&impatient).wait();
    assert_eq!(hangs.code(), Some(1), "{hangs}");
    insta::assert_snapshot!("hanging_fetch", error(&hangs));
    recovers("the deadline has passed");

    let killed = fetch(&impatient);
    killed.signal(Signal::KILL);
    assert_eq!(killed.wait().signal(), Some(9));
    preview(&host, &["doctor", "--fix"]).ok();
    recovers("the program was killed");

    let interrupted = fetch(&patient);
    interrupted.signal(Signal::INT);
    let interrupted = interrupted.wait();
    assert_eq!(interrupted.code(), Some(130), "{interrupted}");
    recovers("it was interrupted");

    // A first fetch, too: there is no mirror before it.
    let name = "acme/first";
    let first = host.forge().repository(name, fixture("static"));
    large_commit(&host, &first, 9, 2);
    let fails = refused(&host, &["--config", &impatient, "create", name, "main"]);
    assert!(fails.stderr.contains("could not fetch `acme/first` within 15s"), "{fails}");
    Preview::create(&host, &first).destroy();
    preview(&host, &["doctor"]).ok();
}

/// What git leaves in the middle of its work.
fn temporary(host: &PreviewHost, mirror: &str) -> String {
    host.shell(&format!("find {mirror} -name 'tmp_*' -o -name '*.lock'")).ok().stdout
}

/// Adds a file of so many MiB to `main` that nothing makes smaller.
#[track_caller]
fn large_commit(host: &PreviewHost, repository: &Repository, number: usize, mebibytes: usize) {
    let script = r#"
        size=$(($3 << 20)) from=$(git --git-dir="$1" rev-parse main)
        { printf 'commit refs/heads/main\ncommitter Ada <ada@example.com> 1795000000 +0000\ndata 5\nlarge\nfrom %s\n' "$from"
          printf 'M 100644 inline large-%s\ndata %s\n' "$2" "$size"
          head -c "$size" /dev/urandom
          echo
        } | git -c core.compression=0 -c core.bigFileThreshold=1 --git-dir="$1" fast-import --quiet --force"#;
    let arguments = [git_folder(repository), number.to_string(), mebibytes.to_string()];
    host.command("sh").args(["-ec", script, "sh"]).args(arguments).ok();
}

#[test]
fn a_repository_that_is_too_large_is_told_and_leaves_the_mirror_as_it_was() {
    let host = HOST.get();
    let small = configuration(
        &host,
        "small",
        &[("[preview.deadlines]", "[preview.bounds]\nrepository = \"64M\"\n[preview.deadlines]")],
    );
    let large = host.forge().repository("acme/large", fixture("static"));
    let build = ["build", "acme/large", "main"];
    let bounded = || preview(&host, &["--config", &small]).args(build);
    bounded().ok();
    large_commit(&host, &large, 1, 70);
    let refused = bounded().run();
    assert_eq!((refused.code(), refused.stdout.as_str()), (Some(1), ""), "{refused}");
    insta::assert_snapshot!(error(&refused));
    let mirror = mirror(&host, &large);
    assert_eq!(temporary(&host, &mirror), "");
    let size = host.command("du").args(["-sm", &mirror]).ok().stdout;
    assert!(size.starts_with("1\t"), "{size}");
    preview(&host, &build).ok();
    bounded().ok();
}

#[test]
fn json_of_a_build_has_what_is_documented() {
    let host = HOST.get();
    host.forge().repository(
        "acme/json",
        Files::default().with("preview-config.nix", &fixture("static").text("preview-config.nix")),
    );
    let built = json(&preview(&host, &["build", "acme/json", "main", "--json"]).ok());
    let keys: Vec<&str> = built.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(keys, ["commit", "meta", "size", "system"]);
}
