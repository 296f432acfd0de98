//! What else the root of a container leaves behind for the host: beside
//! symlinks in the place of what a start touches (`planted.rs`).

use std::time::Duration;

use berth_e2e::{Agent, BerthHost, TestHost, Victim, Victims, agent, wait_until};

const PATIENT: Duration = Duration::from_mins(3);

const SECRET: &str = "a-secret-of-the-host";

/// A configuration with one credential, whose source is there.
fn with_credential(name: &str) -> BerthHost {
    let host = BerthHost::configured(
        name,
        "[[agent.credential]]\nname = \"claude\"\nsource = \"/etc/berth-secret\"\nowner = \"agent\"\n",
    );
    host.write_file("/etc/berth-secret", SECRET, 0o600);
    host
}

#[test]
fn folders_that_berth_writes_into_are_not_followed_and_named() {
    let host = with_credential("planted-folders");
    let links = [("etc/berth/ssh", Victim::Folder), ("etc/berth/credentials", Victim::Folder)];
    for link in links {
        let agent = Agent::create(&host, "planted-folders");
        let victims = Victims::new(&host, "planted-folders", &[link]);
        victims.plant(&agent);

        // Nothing of a start leads through these: the guard lets it pass.
        host.command("systemctl").args(["restart", &agent.unit()]).ok();
        victims.assert_unchanged("a restart of the unit");

        agent.command("stop").ok();
        let started = agent.command("start").run();
        assert_eq!(started.code(), Some(1), "{started}");
        let named = format!("`{}/{}` is a symlink to `{}/", agent.root(), link.0, victims.folder());
        assert!(started.stderr.contains(&named), "{started}");
        victims.assert_unchanged("agent start");

        agent.destroy();
        victims.assert_unchanged("agent destroy");
    }
}

#[test]
fn files_that_berth_writes_take_the_place_of_symlinks() {
    let host = with_credential("planted-injected");
    let agent = Agent::create(&host, "planted-injected");
    let links = [
        "etc/berth/hostname",
        "etc/berth/ssh/authorized_keys",
        "etc/berth/credentials/claude",
        // Under such a name a file is written before it gets its own.
        "etc/berth/credentials/.berth-new-claude",
        "etc/berth/ssh/.berth-new-authorized_keys",
        // Not needed once the private half is known; left alone.
        "etc/berth/ssh/ssh_host_ed25519_key.pub",
    ];
    let victims = Victims::new(&host, "planted-injected", &links.map(|link| (link, Victim::File)));
    victims.plant(&agent);
    agent.command("stop").ok();
    agent.command("start").ok();
    victims.assert_unchanged("agent start");

    for file in &links[..3] {
        let kind = agent.run_as_root(&format!("stat -c %F /{file}")).ok().stdout;
        assert_eq!(kind, "regular file\n", "{file}");
    }
    let inside =
        agent.run("cat /etc/berth/credentials/claude; hostname; ls -A /etc/berth/credentials").ok().stdout;
    assert_eq!(inside, format!("{SECRET}planted-injected\nclaude\n"));
    agent.ssh("true").ok();
}

/// The host key is read back, to keep it over a pause.
#[test]
fn a_host_key_that_is_a_symlink_is_not_read_and_named() {
    const KEY: &str = "etc/berth/ssh/ssh_host_ed25519_key";
    let host = TestHost::shared();
    let agent = Agent::create(&host, "planted-host-key");
    let victims = Victims::new(&host, "planted-host-key", &[(KEY, Victim::File)]);
    victims.plant(&agent);
    agent.command("stop").ok();
    let started = agent.command("start").run();
    assert_eq!(started.code(), Some(1), "{started}");
    assert!(started.stderr.contains(&format!("`{}/{KEY}` is a symlink to", agent.root())), "{started}");
    victims.assert_unchanged("agent start");
}

#[test]
fn a_replaced_profile_link_is_never_resolved_by_the_host() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "planted-profile");
    let victims = Victims::new(&host, "planted-profile", &[("profile", Victim::Folder)]);
    let profile = format!("{}/profile", victims.folder());
    let plant = |target: &str| {
        agent
            .run_as_root(&format!(
                "rm -rf /nix/var/nix/profiles/system*; ln -s {target} /nix/var/nix/profiles/system"
            ))
            .ok();
        let link = format!("/nix/var/nix/profiles/per-container/{}/system", agent.container());
        let planted = host.command("readlink").arg(&link).ok().stdout;
        assert_eq!(planted.trim_end(), target, "the host sees it");
    };
    for target in ["/etc", &profile] {
        plant(target);
        host.command("systemctl").args(["restart", &agent.unit()]).ok();
        agent.command("stop").ok();
        agent.command("start").ok();
        let system = agent.run("readlink /run/current-system").ok().stdout;
        assert_eq!(system.trim_end(), agent.closure());
        victims.assert_unchanged("a start");
    }
    agent.destroy();
    victims.assert_unchanged("agent destroy");
    assert!(host.exists("/etc/passwd"));
}

/// What a container can write to on the host, as both name it.
const WRITABLE: [(&str, &str); 3] = [
    ("/srv", "/var/lib/nixos-containers"),
    ("/nix/var/nix/profiles", "/nix/var/nix/profiles/per-container"),
    ("/nix/var/nix/gcroots", "/nix/var/nix/gcroots/per-container"),
];

#[test]
fn set_uid_files_of_a_container_are_out_of_reach_for_users_of_the_host() {
    let host = BerthHost::boot("planted-suid");
    let agent = Agent::create(&host, "planted-suid");
    for (inside, around) in WRITABLE {
        agent.run_as_root(&format!("cp /usr/bin/id {inside}/id && chmod 6755 {inside}/id")).ok();
        let below = if inside == "/srv" { "/srv" } else { "" };
        let planted = format!("{around}/{}{below}/id", agent.container());
        let seen = host.command("stat").args(["-c", "%u %g %a", &planted]).ok().stdout;
        assert_eq!(seen, "0 0 6755\n", "with mapped owners the host sees a set-uid root file");

        // By a shell of hers: what gives up root's rights for her still has
        // them when it looks for the program.
        let run_by_alice = || host.shell(&format!("{planted} -u")).as_user("alice").run();
        let denied = run_by_alice();
        assert!(!denied.is_success() && denied.stderr.contains("Permission denied"), "{denied}");

        // The twin: nothing but the folder around stands before it.
        host.command("chmod").args(["0711", around]).ok();
        let as_root = run_by_alice();
        assert_eq!(as_root.stdout, "0\n", "{as_root}");
    }
    agent.command("stop").ok();
    let started = agent.command("start").run();
    for (_, around) in WRITABLE {
        let why = format!("`{around}` must be a directory of root with mode 0700, not one with mode 0711");
        assert!(!started.is_success() && started.stderr.contains(&why), "{started}");
    }
    // The next create closes them again.
    Agent::create(&host, "planted-suid-2");
    agent.command("start").ok();
}

#[test]
fn a_journal_that_leads_to_the_hosts_shows_nothing_of_the_host() {
    let host = TestHost::shared();
    let marker = "planted-journal-words-of-the-host";
    host.command("logger").args(["-t", "planted-journal", marker]).ok();
    host.command("journalctl").arg("--flush").ok();
    let machine = host.read_file("/etc/machine-id").trim_end().to_owned();
    let folder_of_host = format!("/var/log/journal/{machine}");
    wait_until(PATIENT, "the host's journal is on disk", || {
        host.command("journalctl").arg("--sync").ok();
        host.command("journalctl")
            .args(["-q", "-o", "cat", "-D", &folder_of_host, "-t", "planted-journal"])
            .run()
            .stdout
            .contains(marker)
    });
    let plants = [
        "rm -rf /var/log/journal && ln -s /var/log/journal /var/log/journal".to_owned(),
        format!("cd /var/log/journal && rm -rf * && ln -s {folder_of_host} {machine}"),
        format!("cd /var/log/journal/* && rm -f * && ln -s {folder_of_host}/system.journal system.journal"),
    ];
    for (number, plant) in plants.iter().enumerate() {
        let agent = Agent::create(&host, &format!("planted-journal-{number}"));
        agent.run_as_root("systemctl stop systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service").run();
        agent.run_as_root(plant).ok();
        agent.command("stop").ok();

        // The twin: root's own journalctl is taken in.
        let taken_in = format!("journalctl -q -o cat -D {}/var/log/journal -t planted-journal", agent.root());
        let seen = host.shell(&taken_in).run();
        assert!(seen.stdout.contains(marker), "plant {number} does not lead to the host's journal: {seen}");

        for words in [&["logs"][..], &["start"][..]] {
            let output = agent.command(words[0]).run();
            let text = format!("{}{}", output.stdout, output.stderr);
            assert!(!text.contains(marker), "plant {number}: {text}");
        }
    }
}

#[test]
fn two_hundred_thousand_small_files_are_destroyed() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "planted-many");
    let many = "import os\nfor d in range(200):\n  os.mkdir(f'/srv/{d}')\n  for f in range(1000):\n    os.close(os.open(f'/srv/{d}/{f}', os.O_CREAT))";
    agent.command("run").args(["--root", "--", "python3", "-c", many]).deadline(PATIENT).ok();
    let root = agent.root();
    let count = host.shell(&format!("find {root}/srv -type f | wc -l")).ok().stdout;
    assert_eq!(count.trim(), "200000");
    agent.destroy();
    assert!(!host.exists(&root));
}

/// Planted by container root, as far as it can.
const ODD_THINGS: &str = r#"
import os, socket
os.chdir("/srv")
for name in [b"new\nline", b"\xff\xfe not utf-8", b"-rf", b" ", b"\x1b[2J", b"a" * 255]:
    os.mkdir(name)
    os.close(os.open(name + b"/" + name, os.O_CREAT))
os.mkfifo("fifo")
socket.socket(socket.AF_UNIX).bind("socket")
os.mknod("whiteout", 0o20644, os.makedev(0, 0))
os.symlink("/", "root")
os.symlink("loop", "loop")
os.mkdir("locked", 0)
os.setxattr("locked", "user.x", b"x")
for _ in range(3000):
    os.mkdir("deep")
    os.chdir("deep")
"#;

#[test]
fn what_tools_stumble_over_is_destroyed() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "planted-odd");
    agent.command("run").args(["--root", "--", "python3", "-"]).stdin(ODD_THINGS).ok();
    let root = agent.root();
    // What a container cannot, somebody may have done for it.
    for cannot in ["chattr +i /srv/fifo/.. ", "mknod /srv/disk b 8 0", "touch /srv/x && chattr +i /srv/x"] {
        let output = agent.run_as_root(cannot).run();
        assert!(!output.is_success(), "{output}");
    }
    let plant = r#"cd "$1/srv" && mknod disk b 8 0 && echo x >immutable && mkdir append && echo x >append/x &&
        chattr +i immutable && chattr +a append && ! rm immutable 2>/dev/null && ! rm append/x 2>/dev/null"#;
    host.command("bash").args(["-c", plant, "bash", &root]).ok();
    agent.destroy();
    assert!(!host.exists(&root));
}

#[test]
fn a_mount_in_the_way_is_named_and_a_second_destroy_goes_on() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "planted-mount");
    let (root, container) = (agent.root(), agent.container());
    host.shell(&format!(
        "mkdir -p {root}/srv/a && mount -t tmpfs tmpfs {root}/srv/a && echo x >{root}/srv/a/file"
    ))
    .ok();

    let refused = agent.command("destroy").run();
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert!(refused.stderr.contains(&format!("`{root}/srv/a`: is a mount: unmount it first")), "{refused}");
    assert_eq!(host.read_file(&format!("{root}/srv/a/file")), "x\n", "nothing is removed beyond a mount");
    assert_eq!(agent.container(), container, "the berth is not given away");

    host.command("umount").arg(format!("{root}/srv/a")).ok();
    agent.destroy();
    assert!(!host.exists(&root));
}

#[test]
fn a_fifo_in_the_place_of_a_file_is_refused_at_once() {
    let host = TestHost::shared();
    let agent = Agent::create(&host, "planted-fifo");
    agent.run_as_root("cd /etc && rm -f machine-id os-release && mkfifo machine-id os-release").ok();
    agent.command("stop").ok();
    let started = agent.command("start").deadline(Duration::from_secs(50)).run();
    assert_eq!(started.code(), Some(1), "{started}");
    for file in ["machine-id", "os-release"] {
        assert!(started.stderr.contains(&format!("`{}/etc/{file}` is a FIFO", agent.root())), "{started}");
    }
}

#[test]
fn an_agent_that_is_refused_is_shown_as_failed_and_starts_when_mended() {
    let host = TestHost::shared();
    let planted = Agent::create(&host, "planted-mended");
    planted.run_as_root("rm -rf /root && ln -s /srv /root").ok();
    planted.command("stop").ok();
    assert_eq!(planted.command("start").run().code(), Some(1));
    assert_eq!(planted.state(), "failed");
    agent(&host, &["list"]).ok();

    host.command("rm").arg(format!("{}/root", planted.root())).ok();
    planted.command("start").ok();
    assert_eq!(planted.state(), "running");
    planted.ssh("true").ok();
}
