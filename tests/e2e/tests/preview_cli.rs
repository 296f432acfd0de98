//! The command line of `preview`: errors as they are told, results as they are
//! documented, and interrupts.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use berth_e2e::text::{own_error, without_durations, without_hashes, without_pids};
use berth_e2e::{
    Output, Preview, PreviewHost, SharedPreviewHost, Signal, Value, fixture, json, preview, wait_until,
};

static HOST: SharedPreviewHost = SharedPreviewHost::named("cli");
const SOON: Duration = Duration::from_secs(40);

/// Exit code and error of what must fail; what was said of the work before
/// depends on its pace.
#[track_caller]
fn told(failed: &Output) -> String {
    assert!(!failed.is_success(), "{failed}");
    assert_eq!(failed.stdout, "", "an error is no result");
    let code = failed.code().map_or_else(|| "no code".to_owned(), |code| code.to_string());
    format!("exit {code}\n{}", own_error(&failed.stderr))
}

/// The same without what differs from run to run.
#[track_caller]
fn told_stable(failed: &Output) -> String {
    without_pids(&without_durations(&without_hashes(&told(failed))))
}

#[track_caller]
fn keys(value: &Value) -> String {
    value.as_object().expect("an object").keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_host_without_previews_and_one_with_a_broken_configuration_say_what_to_write() {
    let host = HOST.get();
    host.write_file("/etc/berth/none.toml", "", 0o644);
    let broken = "[preview]\ndomain = \"no domain\"\nttl = \"soon\"\nforge = \"github.com\"\nrest = 1\n\
                  [[preview.secret]]\nname = \"A-B\"\n";
    host.write_file("/etc/berth/broken.toml", broken, 0o644);
    let with =
        |file: &str, words: &[&str]| preview(&host, &["--config", file]).args(words.iter().copied()).run();
    let mut all = String::new();
    for words in [&["create", "acme/x", "main"][..], &["build", "acme/x", "main"], &["update", "x"]] {
        all += &format!("--- preview {}\n{}", words.join(" "), told(&with("/etc/berth/none.toml", words)));
    }
    all += &format!("--- broken\n{}", told(&with("/etc/berth/broken.toml", &["list"])));
    insta::assert_snapshot!(all);
    assert_eq!(
        with("/etc/berth/none.toml", &["list", "--json"]).stdout[..1],
        *"[",
        "looking is always possible"
    );
}

#[test]
fn slugs_that_are_not_there_kept_or_taken_are_told_with_the_way_out() {
    let host = HOST.get();
    host.forge().repository("acme/slugs", fixture("static"));
    let slugs = host.forge().repository("acme/slugs-too", fixture("static"));
    let one = Preview::create_with(&host, &slugs, "main", &["--slug", "my-slug"]);
    let before = one.info();
    let mut all = String::new();
    for words in [
        &["info", "my-slog"][..],
        &["update", "nothing-like-it"],
        &["logs", "nothing-like-it"],
        &["run", "nothing-like-it", "--", "true"],
        &["restart", "nothing-like-it"],
        &["create", "acme/slugs", "main", "--slug", "my-slug"],
        &["create", "acme/slugs-too", "main"],
        &["create", "acme/slugs-too", "main", "--slug", "another"],
        &["create", "acme/slugs", "main", "--slug", "webhook"],
        &["create", "acme/slugs", "main", "--slug", "No_Label"],
        &["create", "acme/slugs", "main", "--slug", "xn--bcher-kva"],
        &["create", "acme/slugs", "main", "--slug", "a-slug-that-is-much-longer-than-any-slug-can-be"],
    ] {
        all += &format!("--- preview {}\n{}", words.join(" "), told(&preview(&host, words).run()));
    }
    insta::assert_snapshot!(all);
    assert_eq!(one.info(), before);
}

#[test]
fn what_a_deployment_needs_and_is_stopped_is_named() {
    let host = Arc::new(PreviewHost::boot("stopped"));
    let site = host.forge().repository("acme/site", fixture("static"));
    let app = host.forge().repository("acme/app", fixture("database"));
    let create = |name: &str| preview(&host, &["create", name, "main"]).run();

    host.command("systemctl").args(["stop", "caddy"]).ok();
    let one = Preview::attach(&host, "site-main");
    insta::assert_snapshot!("caddy_stopped", told_stable(&create(site.name())));
    assert_eq!(one.state(), "failed");
    host.command("systemctl").args(["start", "caddy"]).ok();
    assert_eq!(one.update(), "deployed");
    assert_eq!(one.page("/"), "one\n");

    host.command("systemctl").args(["stop", "postgresql@15-main"]).ok();
    let two = Preview::attach(&host, "app-main");
    insta::assert_snapshot!("postgres_stopped", told_stable(&create(app.name())));
    assert_eq!(one.page("/"), "one\n", "others do not need it");
    host.command("systemctl").args(["start", "postgresql@15-main"]).ok();
    assert_eq!(two.update(), "deployed");
    assert_eq!(two.page("/"), "visits: 1\n");
    let names = [one.slug(), two.slug(), "neither"];
    let destroyed = preview(&host, &["destroy"]).args(names).ok();
    // At once, so each is told when it is done.
    let mut done: Vec<&str> = destroyed.stdout.lines().collect();
    done.sort_unstable();
    insta::assert_snapshot!("several_destroyed", format!("{}\n---\n{}", done.join("\n"), destroyed.stderr));
    assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_half_done() {
    let host = Arc::new(PreviewHost::boot("full"));
    let site = host.forge().repository("acme/site", fixture("static"));
    preview(&host, &["build", site.name(), "main"]).ok();
    let script = "cd /var/lib && cp -a berth berth.copy && mount -t tmpfs -o size=8M,mode=0755 full berth && \
                  cp -a berth.copy/. berth && rm -r berth.copy";
    host.shell(script).ok();
    let fill = |leaves: &str| {
        let script = "rm -f /var/lib/berth/filled; avail=$(df --output=avail -B1K /var/lib/berth | tail -n1); \
                      head -c $(((avail - $1) << 10)) /dev/zero >/var/lib/berth/filled";
        host.command("sh").args(["-ec", script, "sh", leaves]).ok();
    };
    let large = "x y z\n".repeat(200_000);
    let noise: String =
        (0_u64..150_000).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    site.commit("large", &[("large", &large), ("noise", &noise)]);
    let words = ["create", site.name(), "main"];
    fill("600");
    insta::assert_snapshot!("mirror_full", told_stable(&preview(&host, &words).run()));
    fill("0");
    let refused = preview(&host, &words).run();
    // SQLite meets it anywhere, and not always by its name.
    let told = told(&refused);
    assert!(told.contains("in the state database `/var/lib/berth/state/berth.db`"), "{told}");
    host.command("rm").arg("/var/lib/berth/filled").ok();
    assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n");
    preview(&host, &["build", site.name(), "main"]).ok();
    // Nothing was ever started here: the firewall comes with the first container.
    preview(&host, &["doctor", "--fix"]).ok();
    preview(&host, &["doctor"]).ok();
}

#[test]
fn a_member_of_the_group_uses_it_through_sudo_and_checks_as_herself() {
    let host = HOST.get();
    let sudo = |words: &[&str]| {
        host.command("sudo").args(["-n", "preview"]).args(words.iter().copied()).as_user("alice")
    };
    assert!(json(&sudo(&["list", "--json"]).ok()).is_array());
    let mut all = String::new();
    for words in [
        &["--config", "/etc/berth/berth.toml", "list"][..],
        &["check", "/etc/shadow"],
        &["check", "-", "--closures", "path:/etc/berth/closures"],
    ] {
        all += &format!("--- sudo preview {}\n{}", words.join(" "), told(&sudo(words).run()));
    }
    let direct = host.command("preview").arg("list").as_user("alice").run();
    all += &format!("--- preview list\n{}", told(&direct));
    insta::assert_snapshot!(all);
}

#[test]
fn a_checkout_is_checked_without_root() {
    let host = HOST.get();
    let check = |name: &str| {
        host.command("preview").args(["check", &format!("/srv/checks/{name}")]).as_user("alice").run()
    };
    let write = |path: &str, content: &str| {
        let script = "mkdir -p \"$(dirname \"$1\")\" && cat >\"$1\"";
        host.command("sh").args(["-ec", script, "sh", &format!("/srv/checks/{path}")]).stdin(content).ok();
    };
    write("good/preview-config.nix", &fixture("two-services").text("preview-config.nix"));
    write("bad/preview-config.nix", &fixture("bad-meta").text("preview-config.nix"));
    write("shadow/preview-config.nix", &fixture("hostile/read-shadow").text("preview-config.nix"));
    write("link/preview-config.nix", "{ imports = [ ./other.nix ]; }\n");
    host.command("ln").args(["-s", "/etc/shadow", "/srv/checks/link/other.nix"]).ok();
    write("empty/readme", "nothing\n");
    let good = check("good");
    assert!(good.is_success(), "{good}");
    insta::assert_snapshot!("check_good", good.stdout);
    let mut all = String::new();
    for name in ["bad", "shadow", "link", "empty", "nowhere"] {
        all += &format!("--- {name}\n{}", told(&check(name)));
    }
    insta::assert_snapshot!("check_bad", all);
    let declared = r#"{ "appServices": ["a.service"], "routes": [{ "path": "/", "port": 80 }] }"#;
    host.command("preview").args(["check", "-", "--json"]).stdin(declared).as_user("alice").ok();
}

#[test]
fn json_has_the_keys_that_are_documented() {
    let host = HOST.get();
    let repository = host.forge().repository("acme/keys", fixture("static"));
    let created = json(&preview(&host, &["create", repository.name(), "main", "--json"]).ok());
    let one = Preview::attach(&host, "keys-main");
    let listed = json(&preview(&host, &["list", "--json"]).ok());
    let listed =
        listed.as_array().expect("a list").iter().find(|each| each["slug"] == "keys-main").expect("it");
    let updated = json(&one.command("update").arg("--json").ok());
    let events = json(&preview(&host, &["events", "keys-main", "--json"]).ok());
    let events = events.as_array().expect("a list");
    let told: Vec<String> = events
        .iter()
        .map(|event| ["actor", "action", "outcome"].map(|key| event[key].as_str().unwrap_or("-")).join(" "))
        .collect();
    insta::assert_snapshot!(format!(
        "create: {}\nupdate: {}\nevent: {}\n{}",
        keys(&created),
        keys(&updated),
        keys(&events[0]),
        told.join("\n")
    ));
    for same in [listed, &one.info(), &updated["preview"]] {
        assert_eq!(keys(same), keys(&created));
    }
}

#[test]
fn commands_run_inside_and_logs_are_followed_until_an_interrupt() {
    let host = HOST.get();
    let one = Preview::create(&host, &host.forge().repository("acme/inside", fixture("static")));
    assert_eq!(one.run("exit 42").run().code(), Some(42));
    assert_eq!(one.run("id -un; cat").stdin("through\nstdin\n").ok().stdout, "preview\nthrough\nstdin\n");
    assert_eq!(one.run_as_root("id -un").ok().stdout, "root\n");
    assert_eq!(one.command("run").args(["--", "no-such-program"]).run().code(), Some(127));

    let setup = one.command("logs").args(["--unit", "preview-setup.service"]).ok().stdout;
    assert!(setup.contains("cloned ") && !setup.contains("GET /"), "{setup}");
    let follow = one.command("logs").arg("-f").spawn();
    wait_until(SOON, "a request is in the log", || {
        one.get("/followed");
        follow.stdout_so_far().contains("GET /followed")
    });
    follow.signal(Signal::INT);
    let ended = follow.wait();
    assert!(matches!(ended.code(), Some(0 | 130)), "{ended}");
    let build = one.command("logs").arg("--build").ok().stdout;
    assert!(build.ends_with("-- done\n"), "{build}");
}

#[test]
fn what_has_outlived_its_time_is_removed_and_several_at_once_are() {
    let host = Arc::new(PreviewHost::boot("expire"));
    let site = host.forge().repository("acme/site", fixture("static"));
    for branch in ["a", "b", "c"] {
        site.commit_to(branch, "begin", &[("index.html", branch)]);
    }
    let short = Preview::create_with(&host, &site, "a", &["--ttl", "1h", "--no-wait"]);
    let long = Preview::create_with(&host, &site, "b", &["--ttl", "2h", "--no-wait"]);
    assert_eq!(preview(&host, &["expire"]).ok().stdout, "");
    berth_e2e::sql(&host, "UPDATE previews SET expires_at = expires_at - 3600000 WHERE slug = 'site-a'");
    let expired = preview(&host, &["expire"]).ok();
    insta::assert_snapshot!("expired", format!("{}---\n{}", expired.stdout, expired.stderr));
    assert_eq!(short.command("info").run().code(), Some(3));
    short.keep();
    let third = Preview::create_with(&host, &site, "c", &["--no-wait"]);
    let slugs = [long.slug(), third.slug(), long.slug()];
    let ends: Vec<Output> = thread::scope(|scope| {
        let all: Vec<_> =
            slugs.iter().map(|slug| scope.spawn(|| preview(&host, &["destroy", slug]).run())).collect();
        all.into_iter().map(|one| one.join().expect("it ended")).collect()
    });
    assert!(ends.iter().all(Output::is_success), "{ends:?}");
    assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n");
}

#[test]
fn an_interrupted_create_leaves_nothing_and_an_interrupted_update_the_old_site() {
    let host = Arc::new(PreviewHost::boot("interrupt"));
    let steady = fixture("static");
    let slow_build = steady.clone().replacing(
        "preview-config.nix",
        "\"exec python3 ",
        "\"# ${pkgs.runCommand \"slow\" { } \"echo >&2 slow build; sleep 30; echo >$out\"}\nexec python3 ",
    );
    let slow_setup = steady.clone().replacing(
        "preview-config.nix",
        "echo \"cloned",
        "echo slow setup; sleep 30; echo \"cloned",
    );
    for (name, files, moment) in [
        ("build", &slow_build, "slow build"),
        ("setup", &slow_setup, "slow setup"),
        ("start", &steady, "building"),
    ] {
        let repository = host.forge().repository(&format!("acme/{name}"), files.clone());
        let create = preview(&host, &["create", repository.name(), "main"]).spawn();
        wait_until(SOON, moment, || create.stderr_so_far().contains(moment));
        create.signal(Signal::INT);
        let ended = create.wait();
        assert_eq!((ended.code(), ended.stdout.as_str()), (Some(130), ""), "{name}: {ended}");
        assert!(ended.stderr.contains("interrupted: taking back what was done"), "{ended}");
        assert!(ended.stderr.contains("nothing of it is left"), "{ended}");
        assert_eq!(preview(&host, &["list", "--json"]).ok().stdout, "[]\n", "{name}");
        host.assert_clean();
    }

    let site = host.forge().repository("acme/site", steady);
    let one = Preview::create(&host, &site);
    let before = one.info();
    for (files, moment) in [(slow_build, "slow build"), (slow_setup, "slow setup")] {
        site.replace("slow", files);
        let update = one.command("update").spawn();
        wait_until(SOON, moment, || update.stderr_so_far().contains(moment));
        update.signal(Signal::INT);
        let ended = update.wait();
        assert_eq!(ended.code(), Some(130), "{ended}");
        assert!(ended.stderr.contains("interrupted: going back to what was served"), "{ended}");
        assert_eq!(one.page("/"), "one\n");
        let after = one.info();
        for key in ["state", "commit", "container", "closure"] {
            assert_eq!(after[key], before[key], "{key}: {ended}");
        }
        host.assert_clean();
    }
}
