//! The guard on roots in a temporary folder. Needs root (owners are part of
//! what it checks), and `nft` and `unshare` for the real listing.

#![allow(clippy::unwrap_used, reason = "all of this is test code, the helpers too")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use berth_core::conf_file::{ContainerConf, Ownership};
use berth_core::firewall::{self, Pin, Pins};
use berth_core::{ContainerName, Layout, Subnet};
use berth_guard::paths::{Must, RULES};
use rustix::fs::{FileType, Mode};
use tempfile::TempDir;

const SUBNET: &str = "10.100.0.0/16";

/// A host below a temporary folder, with the container `a12` as it is after a
/// first start, and a folder `precious` that must stay as it is.
struct World {
    dir: TempDir,
    layout: Layout,
}

impl World {
    fn new() -> Self {
        assert!(rustix::process::geteuid().is_root(), "this test needs root: owners are checked");
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::below(dir.path());
        let root = layout.container_root(name());
        for rule in RULES.iter().filter(|rule| rule.must == Must::BeDirectory) {
            fs::create_dir_all(root.join(rule.path)).unwrap();
        }
        symlink("/etc/static/os-release", root.join("etc/os-release")).unwrap();
        fs::write(root.join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
        fs::write(root.join("etc/resolv.conf"), "").unwrap();
        fs::write(root.join("usr/lib/os-release"), "ID=nixos\n").unwrap();
        // What a NixOS system has besides, and what must not disturb.
        symlink("/run/current-system", root.join("var/booted")).unwrap();
        symlink("/etc/static/passwd", root.join("etc/passwd")).unwrap();
        symlink("usr/bin", root.join("bin")).unwrap();
        for folder in layout.writable_from_inside() {
            fs::create_dir_all(&folder).unwrap();
            chmod(&folder, 0o700);
        }
        fs::create_dir_all(layout.conf_dir()).unwrap();
        fs::write(layout.conf(name()), conf().render()).unwrap();
        let precious = dir.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "of the host").unwrap();
        chmod(&precious, 0o755);
        Self { dir, layout }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.layout.container_root(name()).join(path)
    }

    fn precious(&self) -> PathBuf {
        self.dir.path().join("precious")
    }

    /// Takes away what stands at a path.
    fn clear(&self, path: &str) {
        let path = self.at(path);
        match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(path).unwrap(),
            Ok(_) => fs::remove_file(path).unwrap(),
            Err(_) => {}
        }
    }

    /// The guard's messages, with a firewall that holds.
    fn refusals(&self) -> Vec<String> {
        self.refusals_with(&listing(SUBNET, &[pin()]))
    }

    fn refusals_with(&self, json: &str) -> Vec<String> {
        let refusals = berth_guard::refusals(&self.layout, name(), || Ok(json.as_bytes().to_vec()));
        refusals.iter().map(ToString::to_string).collect()
    }

    fn is_precious_unchanged(&self) -> bool {
        let names: Vec<_> = fs::read_dir(self.precious()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names == ["file"] && fs::metadata(self.precious()).unwrap().permissions().mode() & 0o7777 == 0o755
    }

    fn assert_refused(&self, path: &str, what: &str) {
        let shown = format!("`{}` is {what}", self.at(path).display());
        let refusals = self.refusals();
        assert_eq!(refusals.len(), 1, "{path}: {refusals:#?}");
        assert!(refusals[0].starts_with(&shown), "{} does not begin with {shown}", refusals[0]);
        assert!(refusals[0].ends_with("remove it, or destroy the container"), "{}", refusals[0]);
        assert!(self.is_precious_unchanged(), "{path}");
    }
}

fn name() -> ContainerName {
    "a12".parse().unwrap()
}

fn subnet(text: &str) -> Subnet {
    Subnet::try_from(text.parse::<ipnet::Ipv4Net>().unwrap()).unwrap()
}

fn pin() -> Pin {
    Pin { container: name(), address: subnet(SUBNET).addresses(name().slot()).unwrap().container }
}

fn conf() -> ContainerConf {
    ContainerConf {
        addresses: subnet(SUBNET).addresses(name().slot()).unwrap(),
        system: "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent".parse().unwrap(),
        ownership: Ownership::Auto,
        flags: Vec::new(),
    }
}

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// What the real nft lists after the real commands, in a network of its own.
fn listing(subnet_text: &str, pins: &[Pin]) -> String {
    in_network(&load_commands(subnet_text, pins))
}

fn load_commands(subnet_text: &str, pins: &[Pin]) -> String {
    let pins = Pins { sources: pins.iter().copied().collect(), ..Pins::default() };
    firewall::load_commands(subnet(subnet_text), &pins)
}

fn in_network(commands: &str) -> String {
    let output = sh("unshare --net sh -ec 'nft -f -; nft -j -s list table inet berth'", commands);
    assert!(output.status.success(), "this test needs root, nft and unshare: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn sh(script: &str, input: &str) -> Output {
    let mut child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_clean_root_passes_before_and_after_its_first_start() {
    let world = World::new();
    assert_eq!(world.refusals(), Vec::<String>::new());
    for rule in RULES {
        world.clear(rule.path);
    }
    assert_eq!(world.refusals(), Vec::<String>::new());
}

#[test]
fn a_symlink_at_any_path_is_refused_and_named() {
    for rule in RULES {
        for target in ["absolute", "../precious", "nowhere"] {
            let world = World::new();
            let target = if target == "absolute" { world.precious() } else { target.into() };
            world.clear(rule.path);
            symlink(&target, world.at(rule.path)).unwrap();
            world.assert_refused(rule.path, &format!("a symlink to `{}`", target.display()));
        }
    }
}

#[test]
fn anything_else_that_is_not_what_it_must_be_is_refused() {
    for rule in RULES {
        let world = World::new();
        world.clear(rule.path);
        rustix::fs::mknodat(rustix::fs::CWD, world.at(rule.path), FileType::Fifo, Mode::RUSR, 0).unwrap();
        world.assert_refused(rule.path, "a FIFO");
        world.clear(rule.path);
        if rule.must == Must::BeDirectory {
            fs::write(world.at(rule.path), "").unwrap();
            world.assert_refused(rule.path, "a regular file");
        } else {
            fs::create_dir(world.at(rule.path)).unwrap();
            world.assert_refused(rule.path, "a directory");
        }
    }
}

#[test]
fn the_whole_message_is_this() {
    let world = World::new();
    world.clear("root");
    symlink("/etc", world.at("root")).unwrap();
    assert_eq!(
        world.refusals(),
        [format!(
            "`{}` is a symlink to `/etc`; it must be a directory or absent, because the start script makes it and \
             sets its mode as host root; remove it, or destroy the container",
            world.at("root").display()
        )]
    );
}

/// The twin of "the host is unchanged": the same symlinks, not refused, do
/// reach the host by the commands of the start script.
#[test]
fn without_the_guard_the_start_script_reaches_the_host() {
    for (path, command) in [
        ("root", "chmod 0700 $root/root"),
        ("etc", "touch $root/etc/machine-id"),
        ("var", "mkdir -p $root/var/lib"),
        ("etc/resolv.conf", "cp --remove-destination /etc/resolv.conf $root/etc/resolv.conf"),
    ] {
        let world = World::new();
        world.clear(path);
        symlink(world.precious(), world.at(path)).unwrap();
        let output = sh(&format!("root={}; {command}", world.at("").display()), "");
        assert!(output.status.success(), "{output:?}");
        assert!(!world.is_precious_unchanged(), "{command}");
    }
}

#[test]
fn os_release_may_be_a_link_that_stays_within_the_system() {
    let world = World::new();
    for target in ["/etc/static/os-release", "../usr/lib/os-release"] {
        world.clear("etc/os-release");
        symlink(target, world.at("etc/os-release")).unwrap();
        assert_eq!(world.refusals(), Vec::<String>::new(), "{target}");
    }
    for target in ["/etc/static/../os-release", "/usr/lib/os-release", "/etc/static/os-release/"] {
        world.clear("etc/os-release");
        symlink(target, world.at("etc/os-release")).unwrap();
        world.assert_refused("etc/os-release", "a symlink to");
    }
}

#[test]
fn the_root_and_the_folders_around_are_looked_at_too() {
    let world = World::new();
    let root = world.layout.container_root(name());
    fs::rename(&root, world.dir.path().join("elsewhere")).unwrap();
    assert_eq!(world.refusals(), [format!("`{}` does not exist", root.display())]);
    symlink(world.precious(), &root).unwrap();
    assert!(world.refusals()[0].contains("is a symlink to"), "{:?}", world.refusals());

    let world = World::new();
    for folder in world.layout.writable_from_inside() {
        chmod(&folder, 0o711);
        let path = folder.display();
        assert_eq!(
            world.refusals(),
            [format!(
                "`{path}` must be a directory of root with mode 0700, not one with mode 0711; run `chmod 0700 {path}`"
            )]
        );
        std::os::unix::fs::chown(&folder, Some(1000), None).unwrap();
        assert!(world.refusals()[0].contains("not one of user 1000"), "{:?}", world.refusals());
        std::os::unix::fs::chown(&folder, Some(0), None).unwrap();
        chmod(&folder, 0o700);
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let world = World::new();
    for path in ["root", "var"] {
        world.clear(path);
        symlink("/etc", world.at(path)).unwrap();
    }
    let refusals = world.refusals_with(&listing(SUBNET, &[]));
    assert_eq!(refusals.len(), 3, "{refusals:#?}");
}

#[test]
fn a_configuration_that_does_not_shut_in_is_refused() {
    for (from, to, part) in [
        ("PRIVATE_NETWORK=1", "PRIVATE_NETWORK=0", "is not as Berth writes it"),
        ("PRIVATE_USERS=pick", "PRIVATE_USERS=no", "is not as Berth writes it"),
        ("--settings=no ", "", "is not as Berth writes it"),
        ("SYSTEM_PATH=/nix/store/", "SYSTEM_PATH=/etc/", "is not as Berth writes it"),
        ("HOST_ADDRESS=10.100.0.24", "HOST_ADDRESS=", "has no `HOST_ADDRESS` of slot 12"),
        ("HOST_ADDRESS=10.100.0.24", "HOST_ADDRESS=10.100.0.26", "has no `HOST_ADDRESS` of slot 12"),
        ("LOCAL_ADDRESS=10.100.0.25", "LOCAL_ADDRESS=10.100.0.27", "is not as Berth writes it"),
    ] {
        let world = World::new();
        let text = conf().render().replacen(from, to, 1);
        assert_ne!(text, conf().render(), "{from}");
        fs::write(world.layout.conf(name()), text).unwrap();
        let refusals = world.refusals();
        assert_eq!(refusals.len(), 1, "{from}: {refusals:#?}");
        assert!(refusals[0].contains(part), "{from}: {}", refusals[0]);
    }
}

#[test]
fn the_nodes_of_a_gpu_pass_and_no_other_bind_that_can_be_written_to() {
    let with = |bind: &str| {
        let world = World::new();
        let text = conf().render().replacen("--settings=no", &format!("--settings=no {bind}"), 1);
        fs::write(world.layout.conf(name()), text).unwrap();
        world.refusals()
    };
    for bind in ["--bind=/dev/nvidia0", "--bind=/dev/dri/renderD128", "--bind-ro=/x:/run/opengl-driver"] {
        assert_eq!(with(bind), [""; 0], "{bind}");
    }
    for bind in
        ["--bind=/dev/sda", "--bind=/dev/nvidia0:/dev/sda", "--bind=/dev", "--bind=/run/opengl-driver"]
    {
        assert_eq!(with(bind).len(), 1, "{bind}");
    }
}

#[test]
fn a_configuration_that_others_can_write_or_that_is_absent_is_refused() {
    let world = World::new();
    let path = world.layout.conf(name());
    chmod(&path, 0o666);
    assert!(
        world.refusals()[0].contains("must be a regular file that only root can write"),
        "{:?}",
        world.refusals()
    );
    fs::remove_file(&path).unwrap();
    assert_eq!(world.refusals(), [format!("`{}` cannot be read", path.display())]);
    let target = world.dir.path().join("conf");
    fs::write(&target, conf().render()).unwrap();
    symlink(&target, &path).unwrap();
    assert_eq!(world.refusals(), [format!("`{}` cannot be read", path.display())]);
}

#[test]
fn a_firewall_that_does_not_hold_this_container_is_refused() {
    let world = World::new();
    let other = Pin { container: "a13".parse().unwrap(), address: "10.100.0.27".parse().unwrap() };
    let wrong = Pin { address: "10.100.0.27".parse().unwrap(), ..pin() };
    let not_pinned = "the firewall does not pin `\"ve-a12\" . 10.100.0.25` in the set `sources`; \
                      load it anew with `agent doctor --fix`";
    for pins in [vec![], vec![other], vec![wrong], vec![other, wrong]] {
        assert_eq!(world.refusals_with(&listing(SUBNET, &pins)), [not_pinned]);
    }
    assert_eq!(world.refusals_with(&listing(SUBNET, &[other, pin()])), Vec::<String>::new(), "the twin");
    // Who may reach the databases is pinned only if it is in the other set, too.
    let database_only = load_commands(SUBNET, &[]) + &firewall::open_database_command(&pin());
    assert_eq!(world.refusals_with(&in_network(&database_only)), [not_pinned]);

    let good = load_commands(SUBNET, &[pin()]);
    for chain in firewall::BASE_CHAINS {
        let message = format!(
            "the firewall table `inet berth` has no chain `{chain}` in force; load it anew with `agent doctor --fix`"
        );
        let flushed = format!("{good}\nflush chain inet berth {chain}\n");
        assert_eq!(world.refusals_with(&in_network(&flushed)), [message.as_str()]);
        let deleted = format!("{flushed}\ndelete chain inet berth {chain}\n");
        assert_eq!(world.refusals_with(&in_network(&deleted)), [message.as_str()]);
    }
}

#[test]
fn a_firewall_that_is_not_loaded_is_refused() {
    let world = World::new();
    let empty = r#"{"nftables": [{"metainfo": {"json_schema_version": 1}}]}"#;
    assert_eq!(
        world.refusals_with(empty),
        ["the firewall table `inet berth` is not loaded; load it with `agent doctor --fix`"]
    );
    assert_eq!(world.refusals_with("no json"), ["nft's listing of the table `inet berth` cannot be read"]);
}

fn guard(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_berth-guard")).args(args).output().unwrap()
}

#[test]
fn containers_of_others_pass_without_a_look() {
    for name in ["web", "a0", "a128", "a012", "my-agent", "b1"] {
        let output = guard(&[name]);
        assert!(output.status.success() && output.stderr.is_empty(), "{name}: {output:?}");
    }
}

/// The twin: the same program refuses a container of Berth that is not there.
#[test]
fn a_container_of_berth_is_looked_at_and_refused_on_stderr() {
    let output = guard(&["a32767"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("berth-guard: container a32767 is not started: "), "{text}");
}

#[test]
fn a_wrong_call_says_how() {
    for args in [&[] as &[&str], &[""], &["a1", "a2"], &["--config"]] {
        let output = guard(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().starts_with("usage: berth-guard NAME"), "{args:?}");
    }
    assert!(String::from_utf8(guard(&["--help"]).stdout).unwrap().starts_with("usage: berth-guard NAME"));
}
