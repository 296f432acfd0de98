//! Many previews at once: each gets its own, Caddy is reloaded for many of them
//! together, and one that cannot be served does not disturb the others.
//!
//! One test alone: twenty containers take most of the inotify instances that
//! Linux gives a user who raises no limit.

use std::sync::Arc;
use std::time::Duration;

use berth_e2e::{JournalMark, Preview, PreviewHost, fixture, json, preview, wait_until};

const COUNT: usize = 20;
const LONG: Duration = Duration::from_secs(100);

#[test]
fn twenty_created_at_once_are_all_up_with_fewer_reloads_and_none_that_fails() {
    let host = Arc::new(PreviewHost::boot("twenty"));
    // Reloads are told on this level; NixOS lets Caddy tell errors alone.
    host.shell("sed -i 's/level ERROR/level INFO/' /etc/caddy/Caddyfile && systemctl reload caddy").ok();
    // Set-up waits for the others: all are led to within a moment.
    let waits = "until [ -e \"''${PREVIEW_REPO_URL#file://}/go\" ]; do sleep 0.1; done\n      old=";
    let files = fixture("static").replacing("preview-config.nix", "old=", waits);
    let site = host.forge().repository("acme/site", files);
    let branches: Vec<String> = (1..=COUNT).map(|number| format!("b{number}")).collect();
    for branch in &branches {
        site.commit_to(branch, "own page", &[("index.html", branch)]);
    }
    // Its host name is what another one wants for its extra host.
    let other = host.forge().repository("acme/other", fixture("static"));
    let taken = Preview::create_with(&host, &other, "main", &["--slug", "admin-shop-main"]);
    let shop = host.forge().repository("acme/shop", fixture("two-services"));

    let mark = JournalMark::now(&host);
    let creates: Vec<_> = branches
        .iter()
        .map(|branch| preview(&host, &["create", site.name(), branch]).deadline(LONG).spawn())
        .collect();
    let refused = preview(&host, &["create", shop.name(), "main", "--rollback"]).deadline(LONG).run();
    assert_eq!(refused.code(), Some(4), "{refused}");
    assert!(refused.stderr.contains("`admin-shop-main`"), "it names what is taken: {refused}");
    wait_until(LONG, "all are being set up", || {
        let listed = json(&preview(&host, &["list", "--json"]).ok());
        let states = listed.as_array().expect("a list").iter().map(|one| &one["state"]);
        states.filter(|state| **state == "setting up").count() == COUNT
    });
    host.shell("cd /var/lib/berth/sources && for one in *; do touch $one/go; done").ok();
    for create in creates {
        let outcome = create.wait();
        assert!(outcome.is_success(), "{outcome}");
    }

    for branch in &branches {
        let answer = host.get(&format!("site-{branch}"), "/");
        assert_eq!((answer.status, answer.body.as_str()), (200, branch.as_str()));
    }
    assert_eq!(taken.page("/"), "one\n");
    let said = mark.messages_of("caddy.service");
    let reloads = said.lines().filter(|line| line.contains("\"load complete\"")).count();
    assert!(0 < reloads && reloads < COUNT, "{reloads} reloads for {COUNT} previews");
    let failed: Vec<&str> = said.lines().filter(|line| line.contains("\"level\":\"error\"")).collect();
    assert_eq!(failed, [""; 0]);

    let listed = json(&preview(&host, &["list", "--json"]).ok());
    assert_eq!(listed.as_array().expect("a list").len(), COUNT + 1);
    let slugs: Vec<String> = branches.iter().map(|branch| format!("site-{branch}")).collect();
    preview(&host, &["destroy"]).args(&slugs).deadline(LONG).ok();
    taken.destroy();
    host.assert_clean();
}
