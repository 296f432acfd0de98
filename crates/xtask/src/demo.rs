//! `demo`: the main job, for real, on a host of its own.

mod pull_requests;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use berth_e2e::{Forge, Repository, fixture};
use berth_testhost::{BootOptions, Cache, TestHost};

use crate::programs::{self, Profile};

const HOST: &str = "demo";

/// Something that a person types, and why.
struct Scene<'a> {
    why: &'a str,
    command: &'a [&'a str],
}

const fn scene<'a>(why: &'a str, command: &'a [&'a str]) -> Scene<'a> {
    Scene { why, command }
}

const AGENTS: [Scene; 8] = [
    scene("Build the system that agents get, once.", &["agent", "build"]),
    scene("Make an agent.", &["agent", "create", "fix-login", "--ttl", "8h", "--memory", "2G"]),
    scene(
        "Work in it over ssh.",
        &["agent", "ssh", "fix-login", "--", "echo hello from $(hostname), I am $(whoami)"],
    ),
    scene(
        "Or without ssh, as its root.",
        &["agent", "run", "fix-login", "--root", "--", "systemctl", "is-system-running"],
    ),
    scene("See what there is.", &["agent", "list"]),
    scene("Pause it, and go on where it was.", &["agent", "stop", "fix-login"]),
    scene("", &["agent", "start", "fix-login"]),
    scene("Remove it.", &["agent", "destroy", "fix-login"]),
];

/// What an operator configures.
const PREVIEWS: &str = "[preview]\ndomain = \"preview.test\"\nforge = \"http://127.0.0.1:8418\"\n";
/// The page of the preview, with TLS by Caddy's own authority.
const PAGE: &[&str] =
    &["curl", "-sS", "--config", "/run/curl-preview", "https://guestbook-main.preview.test/"];
const CURL: &str = "resolve = guestbook-main.preview.test:443:127.0.0.1\n\
                    resolve = site-1.preview.test:443:127.0.0.1\n\
                    cacert = /var/lib/caddy/.local/share/caddy/pki/authorities/local/root.crt\n";

const FIRST_DEPLOYMENT: [Scene; 2] = [
    scene("Deploy a branch, with its database.", &["preview", "create", "acme/guestbook", "main"]),
    scene("Ask for its page, through Caddy.", PAGE),
];

const UPDATES: [Scene; 6] = [
    scene("Somebody pushes. Follow; the data stays.", &["preview", "update", "guestbook-main"]),
    scene("", PAGE),
    scene(
        "Let a new container take over, as for a changed system: no request is lost.",
        &["preview", "update", "guestbook-main", "--force"],
    ),
    scene("", PAGE),
    scene("See what there is.", &["preview", "list"]),
    scene("Remove it, the database included.", &["preview", "destroy", "guestbook-main"]),
];

const END: [Scene; 1] = [scene("Nothing is left.", &["preview", "doctor"])];

/// Boots a host and plays every scene, each with its time.
pub(crate) fn run() -> Result<ExitCode> {
    let begin = Instant::now();
    let cache = Cache::from_env()?;
    TestHost::down(&cache, HOST)?;
    let booting = Instant::now();
    let host = TestHost::boot(&cache, &BootOptions::named(HOST), &mut |text| eprintln!("==> {text}"))?;
    eprintln!("==> a host is up ({:.1} s)", booting.elapsed().as_secs_f64());
    let played = play(&host);
    TestHost::down(&cache, HOST)?;
    played?;
    eprintln!("\nthe whole demo took {:.0} s", begin.elapsed().as_secs_f64());
    Ok(ExitCode::SUCCESS)
}

fn play(host: &TestHost) -> Result<()> {
    programs::install(host, Profile::Dev)?;
    show(host, &AGENTS)?;
    let guestbook = prepare_previews(host);
    show(host, &FIRST_DEPLOYMENT)?;
    let title = fixture(GUESTBOOK).text("counter.py").replace("\"visits\"", "\"visitors\"");
    guestbook.commit("call them visitors", &[("counter.py", &title)]);
    show(host, &UPDATES)?;
    pull_requests::play(host)?;
    show(host, &END)?;
    pull_requests::end(host);
    host.assert_clean();
    Ok(())
}

/// The repository of the demo: `tests/fixtures/…`.
const GUESTBOOK: &str = "database";

/// What the NixOS module does on a real host, and a repository on a forge.
fn prepare_previews(host: &TestHost) -> Repository {
    host.write_file("/etc/berth/berth.toml", PREVIEWS, 0o644);
    host.write_file("/run/curl-preview", CURL, 0o644);
    host.command("systemctl").args(["start", "caddy", "postgresql"]).ok();
    Forge::of(host).repository("acme/guestbook", fixture(GUESTBOOK))
}

/// Types each command, and stops at the first that fails.
fn show(host: &TestHost, scenes: &[Scene]) -> Result<()> {
    for Scene { why, command } in scenes {
        if !why.is_empty() {
            println!("\n# {why}");
        }
        println!("$ {}", shown(command));
        let begin = Instant::now();
        let status = host.command(command[0]).args(&command[1..]).interactive()?;
        println!("  ({:.2} s)", begin.elapsed().as_secs_f64());
        if !status.success() {
            bail!("`{}` ended with {status}", shown(command));
        }
    }
    Ok(())
}

fn shown(command: &[&str]) -> String {
    let words = command
        .iter()
        .map(|word| if word.contains([' ', '$']) { format!("'{word}'") } else { (*word).to_owned() });
    words.collect::<Vec<_>>().join(" ")
}
