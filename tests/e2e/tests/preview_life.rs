//! The whole life of each kind of preview: create, request through Caddy with
//! TLS and the real host name, both kinds of update under a steady load,
//! destroy. With the Caddy of Debian and with that of current systems.

use std::sync::Arc;

use berth_e2e::{Caddy, Preview, PreviewHost, Seen, fixture, preview};

type Life = fn(&Arc<PreviewHost>);
const LIVES: [Life; 4] = [static_site, app_with_a_database, two_services, plain_contract];

/// One after the other: a reload makes visitors connect anew, and Caddy 2.11 may
/// leave one that does so during the next reload with the routes of before.
fn live(name: &str, caddy: Caddy) {
    let host = Arc::new(PreviewHost::boot_with(name, caddy));
    for life in LIVES {
        life(&host);
    }
    assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n");
    host.assert_clean();
}

#[test]
fn every_fixture_lives_its_whole_life_behind_caddy_2_6() {
    live("life-old", Caddy::Old);
}

#[test]
fn every_fixture_lives_its_whole_life_behind_caddy_2_11() {
    live("life-new", Caddy::New);
}

/// Runs a change under a steady load of requests, and tells what that saw.
fn under_load(one: &Preview, path: &str, change: impl FnOnce()) -> Seen {
    let load = one.load(path);
    change();
    load.end()
}

/// Asserts that no request was lost while the site went from one page to the
/// next.
#[track_caller]
fn assert_seamless(seen: &Seen, pages: &[&str]) {
    assert_eq!(seen.failures, [""; 0], "of {} requests", seen.count);
    assert!(seen.retries <= 3, "at most each visitor lost its connection once: {seen:?}");
    assert_eq!(seen.bodies, pages);
}

/// Asserts that the site went from one page to the next; while its service is
/// started again Caddy finds nobody, an answer that the service was giving when
/// it ended breaks off, and while git writes a file in place its readers see
/// half of it.
#[track_caller]
fn assert_restarted(seen: &Seen, pages: &[&str]) {
    // What Caddy says of an answer that it could not pass on to its end.
    let broke_off = |failure: &str| {
        failure.starts_with("200 HTTP/2 stream ") && failure.ends_with("INTERNAL_ERROR (err 2)")
    };
    let is_of_restart = |failure: &str| failure.starts_with("502") || broke_off(failure);
    let lost: Vec<&String> = seen.failures.iter().filter(|failure| !is_of_restart(failure)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    // Of two visitors the one that asked first may be answered last: what is seen
    // half-way can come after the first new page.
    let ends = [seen.bodies.first(), Some(&seen.last)].map(|page| page.map(String::as_str));
    assert_eq!(ends, [pages.first().copied(), pages.last().copied()], "{:?}", seen.bodies);
}

#[track_caller]
fn destroy(host: &PreviewHost, one: Preview) {
    let slug = one.slug().to_owned();
    one.destroy();
    let answer = host.get(&slug, "/");
    assert_eq!((answer.status, answer.body.as_str()), (404, "there is no preview of this name"));
}

fn static_site(host: &Arc<PreviewHost>) {
    let site = host.forge().repository("acme/site", fixture("static"));
    let one = Preview::create(host, &site);
    assert_eq!((one.slug(), one.state().as_str()), ("site-main", "ready"));
    assert_eq!(one.page("/"), "one\n");
    assert!(one.get("/").head.contains("x-robots-tag: noindex"), "{:?}", one.get("/"));
    assert_eq!(one.get("/missing").status, 404);
    assert_eq!(one.update(), "nothing");

    let container = one.container();
    let commit = site.commit("change", &[("index.html", "two\n")]);
    let seen = under_load(&one, "/", || assert_eq!(one.update(), "code"));
    assert_restarted(&seen, &["one\n", "two\n"]);
    assert_eq!((one.field("commit"), one.container()), (commit, container.clone()));

    let moved =
        fixture("static").replacing("preview-config.nix", "8080", "8081").with("index.html", "three\n");
    let commit = site.replace("another port", moved);
    let seen = under_load(&one, "/", || assert_eq!(one.update(), "switched"));
    assert_seamless(&seen, &["two\n", "three\n"]);
    assert_eq!(one.field("commit"), commit);
    assert_ne!(one.container(), container);
    destroy(host, one);
}

fn app_with_a_database(host: &Arc<PreviewHost>) {
    let app = host.forge().repository("acme/counter", fixture("database"));
    let one = Preview::create(host, &app);
    assert_eq!(one.page("/"), "visits: 1\n");
    assert_eq!(one.page("/"), "visits: 2\n");

    let renamed = fixture("database").replacing("counter.py", "visits\"\n", "guests\"\n");
    app.commit("another title", &[("counter.py", &renamed.text("counter.py"))]);
    let seen = under_load(&one, "/health", || assert_eq!(one.update(), "code"));
    assert_restarted(&seen, &["well\n"]);
    assert_eq!(one.page("/"), "guests: 3\n");

    app.replace(
        "another port",
        renamed.replacing("preview-config.nix", "3000", "3001").replacing("counter.py", "3000", "3001"),
    );
    let seen = under_load(&one, "/health", || assert_eq!(one.update(), "switched"));
    assert_seamless(&seen, &["well\n"]);
    assert_eq!(one.page("/"), "guests: 4\n");

    let seen = under_load(&one, "/health", || assert_eq!(one.update_with(&["--force"]), "switched"));
    assert_seamless(&seen, &["well\n"]);
    assert_eq!(one.page("/"), "guests: 5\n");
    destroy(host, one);
}

fn two_services(host: &Arc<PreviewHost>) {
    let app = host.forge().repository("acme/two", fixture("two-services"));
    let one = Preview::create(host, &app);
    let name = "two-main.preview.test";
    assert_eq!(one.page("/"), format!("web / {name} https\n"));
    assert_eq!(one.page("/api/users/7?full"), format!("api /users/7?full {name} https\n"));
    assert_eq!(one.page("/apis"), format!("web /apis {name} https\n"));
    let redirected = one.get("/api");
    assert_eq!(redirected.status, 308);
    assert!(redirected.head.contains("location: /api/"), "{redirected:?}");
    assert_eq!(one.get_extra("admin", "/api/x").body, format!("api /api/x admin-{name} https\n"));

    let changed = fixture("two-services").replacing("echo.py", "self.headers[\"Host\"]", "\"changed\"");
    app.commit("another answer", &[("echo.py", &changed.text("echo.py"))]);
    let seen = under_load(&one, "/api/", || {
        assert_eq!(one.update(), "code");
    });
    assert_restarted(&seen, &[&format!("api / {name} https\n"), "api / changed https\n"]);

    // Another extra host, and a prefix that stays: the routes change with the berth.
    let moved = changed.replacing("preview-config.nix", "stripPrefix = true;", "").replacing(
        "preview-config.nix",
        "\"admin\"",
        "\"staff\"",
    );
    app.replace("other routes", moved);
    let seen = under_load(&one, "/api/", || assert_eq!(one.update(), "switched"));
    assert_seamless(&seen, &["api / changed https\n", "api /api/ changed https\n"]);
    assert_eq!(one.get_extra("staff", "/x").body, "api /x changed https\n");
    assert_eq!(one.get_extra("admin", "/x").status, 404);
    destroy(host, one);
    assert_eq!(host.get("staff-two-main", "/").status, 404);
}

fn plain_contract(host: &Arc<PreviewHost>) {
    let app = host.forge().repository("acme/plain", fixture("plain"));
    let one = Preview::create(host, &app);
    assert_eq!(one.page("/"), "plain\n");

    app.commit("change", &[("index.html", "changed\n")]);
    let seen = under_load(&one, "/", || assert_eq!(one.update(), "code"));
    assert_restarted(&seen, &["plain\n", "changed\n"]);

    let moved =
        fixture("plain").replacing("preview-config.nix", "3000", "3001").with("index.html", "moved\n");
    app.replace("another port", moved);
    let seen = under_load(&one, "/", || assert_eq!(one.update(), "switched"));
    assert_seamless(&seen, &["changed\n", "moved\n"]);
    destroy(host, one);
}
