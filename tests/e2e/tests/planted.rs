//! What the root of a container plants for the root of the host.
//!
//! A start script and systemd-nspawn work as host root in a folder that the
//! container owns, also at automatic restarts and at reboots from inside, and
//! so does Berth. Each test plants something, lets the host touch it in one
//! way, and compares what the plant leads to with what it was.

use std::time::Duration;

use berth_e2e::{Agent, BerthHost, JournalMark, Output, TestHost, Victim, Victims, wait_until};

/// A busy host restarts and stops containers slowly.
const PATIENT: Duration = Duration::from_mins(2);

/// Symlinks that lie side by side: where a folder is one, nothing below it can
/// be another.
struct Plants {
    name: &'static str,
    links: &'static [(&'static str, Victim)],
    /// Those that the start script or systemd-nspawn would follow: the guard
    /// must name each.
    guarded: &'static [&'static str],
    /// What `agent start` must name: Berth looks before the guard does, and
    /// stops at the first path of its own that is in the way.
    told: &'static [&'static str],
}

const PLANTS: [Plants; 3] = [
    Plants {
        name: "top",
        links: &[
            ("etc", Victim::Folder),
            ("var", Victim::Folder),
            ("root", Victim::Folder),
            ("usr", Victim::Folder),
            ("nix", Victim::Folder),
        ],
        guarded: &["etc", "var", "root", "usr", "nix"],
        told: &["etc"],
    },
    Plants {
        name: "below",
        links: &[
            // First, as it is a mount inside: its folder has to be replaced.
            ("etc/resolv.conf", Victim::Folder),
            ("etc/os-release", Victim::Nothing),
            ("etc/machine-id", Victim::Nothing),
            ("var/lib", Victim::Folder),
            ("var/log", Victim::Folder),
            ("usr/bin", Victim::Folder),
            ("usr/lib", Victim::Folder),
            ("nix/store", Victim::Folder),
            ("nix/var", Victim::Folder),
        ],
        guarded: &[
            "etc/resolv.conf",
            "etc/os-release",
            "etc/machine-id",
            "var/lib",
            "var/log",
            "usr/bin",
            "usr/lib",
            "nix/store",
            "nix/var",
        ],
        told: &[
            "etc/resolv.conf",
            "etc/os-release",
            "etc/machine-id",
            "var/lib",
            "var/log",
            "usr/bin",
            "nix/store",
        ],
    },
    Plants {
        name: "deep",
        links: &[
            ("var/lib/private", Victim::Folder),
            ("var/log/journal", Victim::Folder),
            ("etc/os-release", Victim::File),
            ("etc/machine-id", Victim::File),
            ("etc/berth", Victim::Folder),
        ],
        guarded: &["var/lib/private", "var/log/journal", "etc/os-release", "etc/machine-id"],
        told: &["etc/berth"],
    },
];

/// An agent with its plants, and what they lead to.
struct Planted<'h> {
    host: &'h TestHost,
    plants: &'static Plants,
    agent: Agent,
    unit: String,
    victims: Victims,
    since: JournalMark,
}

impl<'h> Planted<'h> {
    fn new(host: &'h TestHost, test: &str, plants: &'static Plants) -> Self {
        let name = format!("{test}-{}", plants.name);
        let agent = Agent::create(host, &name);
        let victims = Victims::new(host, &name, plants.links);
        victims.plant(&agent);
        Self { host, plants, unit: agent.unit(), agent, victims, since: JournalMark::now(host) }
    }

    /// The unit was refused, and its journal names every path.
    fn assert_refused_by_the_guard(&self, event: &str) {
        let journal = self.since.messages_of(&self.unit);
        let root = self.agent.root();
        for path in self.plants.guarded {
            let named = format!(
                "berth-guard: container {} is not started: `{root}/{path}` is a symlink to",
                self.agent.container()
            );
            assert!(journal.contains(&named), "{path} is not named after {event}:\n{journal}");
        }
        self.victims.assert_unchanged(event);
    }

    /// `agent start` fails as well, and says what stands in the way.
    fn assert_start_tells(&self) {
        let started = self.agent.command("start").deadline(PATIENT).run();
        assert_eq!(started.code(), Some(1), "{started}");
        let root = self.agent.root();
        for path in self.plants.told {
            assert!(
                started.stderr.contains(&format!("`{root}/{path}` is a symlink to")),
                "{path}: {started}"
            );
        }
        self.victims.assert_unchanged("agent start");
    }

    fn destroy(self) {
        let root = self.agent.root();
        self.agent.destroy();
        assert!(!self.host.exists(&root));
        self.victims.assert_unchanged("agent destroy");
    }
}

fn state(host: &TestHost, unit: &str) -> String {
    host.command("systemctl")
        .args(["show", "--value", "-p", "ActiveState", unit])
        .ok()
        .stdout
        .trim_end()
        .to_owned()
}

fn restart(host: &TestHost, unit: &str) -> Output {
    host.command("systemctl").args(["restart", unit]).deadline(PATIENT).run()
}

fn restart_is_refused(host: &TestHost, test: &str) {
    for plants in &PLANTS {
        let planted = Planted::new(host, test, plants);
        assert!(!restart(host, &planted.unit).is_success());
        planted.assert_refused_by_the_guard("a restart of the unit");
        planted.assert_start_tells();
        planted.destroy();
    }
}

fn reboot_is_refused(host: &TestHost, test: &str) {
    for plants in &PLANTS {
        let planted = Planted::new(host, test, plants);
        // The answer may be lost with the container.
        planted.agent.run_as_root("systemctl --no-block reboot").run();
        // systemd tries a few times more by itself.
        wait_until(PATIENT, "the unit has given up", || state(host, &planted.unit) == "failed");
        planted.assert_refused_by_the_guard("a reboot from inside");
        planted.assert_start_tells();
        planted.destroy();
    }
}

fn pause_and_resume_is_refused(host: &TestHost, test: &str) {
    for plants in &PLANTS {
        let planted = Planted::new(host, test, plants);
        planted.agent.command("stop").deadline(PATIENT).ok();
        planted.victims.assert_unchanged("agent stop");
        planted.assert_start_tells();
        planted.destroy();
    }
}

#[test]
fn symlinks_planted_before_a_restart_change_nothing_and_are_named() {
    restart_is_refused(&TestHost::shared(), "planted-restart");
}

#[test]
fn symlinks_planted_before_a_reboot_from_inside_change_nothing_and_are_named() {
    reboot_is_refused(&TestHost::shared(), "planted-reboot");
}

#[test]
fn symlinks_planted_before_a_pause_change_nothing_and_are_named() {
    pause_and_resume_is_refused(&TestHost::shared(), "planted-pause");
}

#[test]
fn symlinks_planted_before_a_destroy_change_nothing() {
    let host = TestHost::shared();
    for plants in &PLANTS {
        Planted::new(&host, "planted-destroy", plants).destroy();
    }
}

#[test]
fn the_same_holds_with_the_older_start_script() {
    let host = BerthHost::boot("planted-old");
    host.write_file("/etc/berth-testhost/module-generation", "old\n", 0o644);
    restart_is_refused(&host, "planted-old");
    pause_and_resume_is_refused(&host, "planted-old");
    host.assert_clean();
}

/// The twin of all above: where nobody looks, the host is changed. So the
/// plants are good ones, and the comparison sees it.
#[test]
fn without_the_guard_both_start_scripts_change_the_host() {
    let host = BerthHost::boot("planted-unguarded");
    host.command("rm").arg("/etc/systemd/system/container@.service.d/10-berth-guard.conf").ok();
    host.command("systemctl").arg("daemon-reload").ok();
    for generation in ["new", "old"] {
        host.write_file("/etc/berth-testhost/module-generation", generation, 0o644);
        for (plants, changed) in PLANTS.iter().zip([
            &["etc", "var", "root", "usr"][..],
            &["etc-machine-id", "var-lib", "var-log"][..],
            &["var-lib-private"][..],
        ]) {
            let planted = Planted::new(&host, "planted-unguarded", plants);
            restart(&host, &planted.unit);
            let changes = planted.victims.changes();
            for victim in changed {
                let is_changed = changes.iter().any(|line| line.starts_with(&format!("+{victim}")));
                assert!(is_changed, "{generation}: {victim} is as it was:\n{}", changes.join("\n"));
            }
            planted.agent.destroy();
        }
    }
}
