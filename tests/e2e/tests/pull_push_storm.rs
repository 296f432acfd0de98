//! More happens to a pull request than can be deployed: a hundred pushes make
//! few builds, and what is closed in the middle of a deployment is gone.

use std::time::Duration;

use berth_e2e::{Files, PullHost, PullRequest, fixture, sql, wait_until};

const SOON: Duration = Duration::from_mins(2);
const PUSHES: usize = 100;

/// A host with so many workers, on which a setup that waits for somebody may
/// wait long.
fn host(name: &str, workers: u32) -> PullHost {
    let host = PullHost::boot_with(name, "", &format!("workers = {workers}"));
    let configuration = host.read_file("/etc/berth/berth.toml").replace("setup = \"1m\"", "setup = \"9m\"");
    host.write_file("/etc/berth/berth.toml", configuration, 0o644);
    host.command("systemctl").args(["restart", "berthd"]).ok();
    host
}

/// A site whose setup waits until [`let_go`].
fn waiting() -> Files {
    let waits = "until [ -e \"''${PREVIEW_REPO_URL#file://}/go\" ]; do sleep 0.1; done\n      old=";
    fixture("static").replacing("preview-config.nix", "old=", waits)
}

/// Lets the setups of all previews that are there go on, now and later.
fn let_go(host: &PullHost) {
    host.shell("for one in /var/lib/berth/sources/*; do touch $one/go; done").ok();
}

/// Waits until this is done for a pull request.
fn does(host: &PullHost, pull: &PullRequest, step: &str) {
    let is_done = |job: &berth_e2e::Value| {
        job["repository"] == pull.repo()
            && job["pull"] == pull.number()
            && job["step"].as_str().is_some_and(|text| text.starts_with(step))
    };
    wait_until(SOON, &format!("{} does `{step}`", pull.slug()), || {
        host.jobs(&[]).as_array().expect("a list").iter().any(is_done)
    });
}

/// How the operations on a preview began and ended, but for its removal.
fn operations(host: &PullHost, slug: &str) -> Vec<String> {
    let statement =
        "SELECT action, outcome FROM events WHERE name = 'SLUG' AND action <> 'destroy' ORDER BY id";
    sql(host, &statement.replace("SLUG", slug))
}

/// How many builds of closures have begun.
fn builds(host: &PullHost) -> usize {
    let last = sql(host, "SELECT seq FROM sqlite_sequence WHERE name = 'closures'");
    last.first().map_or(0, |last| last.parse().expect("a number"))
}

#[test]
fn a_hundred_pushes_make_at_most_three_builds_and_the_last_one_is_served() {
    let host = host("pushes", 2);
    let github = host.github();
    let repo = github.repository("acme/site", &waiting());
    github.push(&repo, "fix", &[("index.html", "0\n")]);
    let pull = github.open(&repo, "fix");
    does(&host, &pull, "set up with");
    let config = waiting().text("preview-config.nix");
    let mut last = String::new();
    for number in 1..=PUSHES {
        // Each is another closure.
        let config = config.replace("Serve the site", &format!("Serve {number}"));
        let page = format!("{number}\n");
        last = github.push(&repo, "fix", &[("index.html", &page), ("preview-config.nix", &config)]);
    }
    github.settle();
    wait_until(SOON, "all pushes are known", || {
        sql(&host, "SELECT count(*) FROM deliveries") == [(PUSHES + 1).to_string()]
    });
    let_go(&host);
    host.serves("site-1", "/", &format!("{PUSHES}\n"));
    host.rests();
    assert_eq!(sql(&host, "SELECT commit_sha FROM previews"), [last.as_str()]);
    assert!(pull.says().contains(&last[..12]), "{}", pull.says());
    assert!(builds(&host) <= 3, "{} builds", builds(&host));
    let operations = operations(&host, "site-1");
    assert_eq!(operations, ["create|began", "create|succeeded", "update|began", "update|succeeded"]);
    host.assert_no_fault();
}

#[test]
fn a_close_ends_a_deployment_in_any_of_its_stages_and_leaves_nothing() {
    let host = host("closes", 4);
    let github = host.github();
    let stages = [
        ("acme/evaluates", fixture("hostile/endless-evaluation"), "evaluate preview-config.nix"),
        ("acme/builds", fixture("hostile/endless-build"), "build /nix/store/"),
        ("acme/waits", waiting(), "set up with"),
    ];
    let opened = stages.map(|(name, files, step)| {
        let repo = github.repository(name, &files);
        github.push(&repo, "fix", &[("index.html", "two\n")]);
        (github.open(&repo, "fix"), step)
    });
    let repo = github.repository("acme/serves", &fixture("static"));
    github.push(&repo, "fix", &[("index.html", "two\n")]);
    let serving = github.open(&repo, "fix");
    host.serves("serves-1", "/", "two\n");
    let endless = fixture("hostile/endless-build").text("preview-config.nix");
    let endless = endless.replace("echo working", "echo works on");
    github.push(&repo, "fix", &[("preview-config.nix", &endless)]);
    let mut opened = opened.to_vec();
    opened.push((serving, "build /nix/store/"));

    for (pull, step) in &opened {
        does(&host, pull, step);
    }
    assert_eq!(host.page("serves-1", "/").as_deref(), Some("two\n"), "it serves while it is updated");
    for (pull, _) in &opened {
        pull.close();
    }
    for (pull, _) in &opened {
        host.is_gone(&pull.slug());
    }
    host.rests();
    for (pull, step) in &opened {
        let told = pull.told();
        assert!(told.last().is_some_and(|text| text.contains("### Preview: removed")), "{step}: {told:#?}");
        assert!(!told.iter().any(|text| text.contains("failed")), "{step}: {told:#?}");
    }
    wait_until(SOON, "nobody evaluates or builds", || {
        let users = host.command("ps").args(["-eo", "user:32="]).ok().stdout;
        !users.lines().any(|user| user.starts_with("nixbld") || user == "berth-build")
    });
    assert_eq!(sql(&host, "SELECT id FROM closures WHERE system IS NULL"), [""; 0], "builds under way");
    assert_eq!(host.command("ls").arg("/etc/nixos-containers").ok().stdout, "");
    host.assert_no_fault();
}

#[test]
fn what_is_closed_while_it_waits_for_its_turn_is_never_begun() {
    let host = host("turns", 1);
    let github = host.github();
    let repo = github.repository("acme/site", &waiting());
    github.push(&repo, "first", &[("index.html", "first\n")]);
    github.push(&repo, "second", &[("index.html", "second\n")]);
    let first = github.open(&repo, "first");
    does(&host, &first, "set up with");
    let second = github.open(&repo, "second");
    does(&host, &second, "wait for its turn");
    wait_until(SOON, "it is told", || second.says().contains("### Preview: queued"));
    second.close();
    wait_until(SOON, "it is told", || second.says().contains("### Preview: removed"));
    let_go(&host);
    host.serves("site-1", "/", "first\n");
    host.rests();
    assert_eq!(operations(&host, "site-1"), ["create|began", "create|succeeded"]);
    assert_eq!(operations(&host, "site-2"), [""; 0]);
    assert_eq!(host.slugs(), ["site-1"]);
    host.assert_no_fault();
}
