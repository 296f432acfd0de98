//! The whole chain: a pull request on GitHub, `preview-webhook`, `berthd`, a
//! site behind Caddy, and what GitHub is told of it.

use berth_e2e::{PullHost, fixture};

const REPO: &str = "acme/site";

#[test]
fn a_pull_request_has_a_preview_that_follows_it_and_goes_with_it() {
    let host = PullHost::boot("chain");
    let github = host.github();
    github.repository(REPO, &fixture("static"));
    let first = github.push(REPO, "fix", &[("index.html", "two\n")]);
    let pull = github.open(REPO, "fix");
    host.serves("site-1", "/", "two\n");
    host.rests();
    let told = pull.told();
    assert!(told[0].contains("building"), "{told:#?}");
    assert!(pull.says().contains("https://site-1.preview.test"), "{told:#?}");
    assert_eq!(pull.deployment_states(&first), ["in_progress", "success"]);

    let second = github.push(REPO, "fix", &[("index.html", "three\n")]);
    host.serves("site-1", "/", "three\n");
    host.rests();
    assert!(pull.says().contains(&second[..12]), "{}", pull.says());

    pull.close();
    host.is_gone("site-1");
    host.rests();
    assert!(pull.says().contains("removed"), "{}", pull.says());
    assert_eq!(host.slugs(), Vec::<String>::new());
}
