//! `demo`: the main job, for real, on a host of its own.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use berth_testhost::{BootOptions, Cache, TestHost};

use crate::programs::{self, Profile};

const HOST: &str = "demo";

/// What a person types, and why.
const SCENES: [(&str, &[&str]); 9] = [
    ("Build the system that agents get, once.", &["agent", "build"]),
    ("Make an agent.", &["agent", "create", "fix-login", "--ttl", "8h", "--memory", "2G"]),
    (
        "Work in it over ssh.",
        &["agent", "ssh", "fix-login", "--", "echo hello from $(hostname), I am $(whoami)"],
    ),
    (
        "Or without ssh, as its root.",
        &["agent", "run", "fix-login", "--root", "--", "systemctl", "is-system-running"],
    ),
    ("See what there is.", &["agent", "list"]),
    ("Pause it, and go on where it was.", &["agent", "stop", "fix-login"]),
    ("", &["agent", "start", "fix-login"]),
    ("Remove it.", &["agent", "destroy", "fix-login"]),
    ("Nothing is left.", &["agent", "doctor"]),
];

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
    for (why, command) in SCENES {
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
    host.assert_clean();
    Ok(())
}

fn shown(command: &[&str]) -> String {
    let words = command
        .iter()
        .map(|word| if word.contains([' ', '$']) { format!("'{word}'") } else { (*word).to_owned() });
    words.collect::<Vec<_>>().join(" ")
}
