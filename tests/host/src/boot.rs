//! Booting, finding and ending a host.

use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, HostFolder};
use crate::cgroup::Cgroup;
use crate::images::{Images, assets};
use crate::process::ProcessId;
use crate::wait::poll;

/// Names the host that `cargo xtask` booted for a test run.
pub(crate) const SHARED_HOST: &str = "BERTH_TEST_HOST";

const BOOT_DEADLINE: Duration = Duration::from_mins(1);
const POWER_OFF_DEADLINE: Duration = Duration::from_secs(30);

/// How to boot a host.
#[derive(Debug, Clone)]
pub struct BootOptions {
    /// Tells several hosts apart: lower-case letters, digits and dashes.
    pub name: String,
    /// What the container roots lie on.
    pub roots: Roots,
}

impl BootOptions {
    /// A host of this name.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), roots: Roots::Plain }
    }

    /// With the container roots on btrfs, where folders can be subvolumes.
    #[must_use]
    pub fn on_btrfs(mut self) -> Self {
        self.roots = Roots::Btrfs;
        self
    }
}

/// The file system of the container roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Roots {
    /// The one of the machine outside.
    #[default]
    Plain,
    /// A btrfs of their own, on a loop device.
    Btrfs,
}

impl Roots {
    /// The word that the launch script knows.
    fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Btrfs => "btrfs",
        }
    }
}

/// A running host.
#[derive(Debug, Clone)]
pub struct TestHost {
    name: String,
    leader: ProcessId,
    /// Where commands from outside run: the host's `init.scope`.
    pub(crate) command_cgroup: PathBuf,
}

/// What is known of a host between programs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    nspawn: ProcessId,
    /// Process 1 of the host, once it is up.
    leader: Option<ProcessId>,
    /// Folders of the cache that the host's root is made of.
    #[serde(default)]
    uses: Vec<PathBuf>,
    #[serde(default)]
    roots: Roots,
}

impl TestHost {
    /// Boots a host from the pristine image and waits until it is up. What an
    /// earlier host of this name left is removed first; one that still runs is
    /// an error.
    pub fn boot(cache: &Cache, options: &BootOptions, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        let name = &options.name;
        ensure!(
            !name.is_empty()
                && name.len() <= 32
                && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')),
            "`{name}` is no name for a host: use up to 32 lower-case letters, digits and dashes"
        );
        let images = Images::ensure(cache, progress)?;
        let folder = cache.host(name);
        let _lock = lock(&folder)?;
        // Without a leader it was never up: who booted it was killed meanwhile.
        if read_state(&folder)?.is_some_and(|state| state.leader.is_some_and(ProcessId::is_alive)) {
            bail!("host `{name}` is already up; use it, or end it with `./dev host down --name {name}`");
        }
        let cgroup = cgroup(cache, name)?;
        clear(&folder, &cgroup)?;
        prepare(&folder, &images)?;
        cgroup.create()?;
        match start(options, &folder, &cgroup, &images) {
            Ok(host) => Ok(host),
            Err(error) => {
                let console = console_tail(&folder);
                // The first cause is on top; what cannot be cleared now, the next boot clears.
                let _ = clear(&folder, &cgroup);
                Err(error.context(format!("host `{name}` did not boot; its console ends with\n{console}")))
            }
        }
    }

    /// The running host of this name.
    pub fn attach(cache: &Cache, name: &str) -> Result<Self> {
        let state = read_state(&cache.host(name))?;
        let leader =
            state.and_then(|state| state.leader).filter(|leader| leader.is_alive()).with_context(|| {
                format!("host `{name}` is not up; boot it with `./dev host up --name {name}`")
            })?;
        Self::from_leader(cache, name, leader)
    }

    /// The host that `cargo xtask` booted for this test run.
    ///
    /// # Panics
    /// If there is none, with the next step.
    #[track_caller]
    pub fn shared() -> Self {
        let Ok(name) = std::env::var(SHARED_HOST) else {
            panic!(
                "this test needs the test host: run `./dev test`, or `./dev host up` and then set {SHARED_HOST}=main"
            );
        };
        let attached = Cache::from_env().and_then(|cache| Self::attach(&cache, &name));
        attached.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Powers the host off and boots it again with all its files, as a machine
    /// reboots.
    pub fn reboot(cache: &Cache, name: &str) -> Result<Self> {
        let images = Images::ensure(cache, &mut |_| ())?;
        let folder = cache.host(name);
        let _lock = lock(&folder)?;
        let cgroup = cgroup(cache, name)?;
        let state = read_state(&folder)?.with_context(|| format!("host `{name}` is not up"))?;
        power_off(&folder);
        cgroup.kill_and_remove()?;
        cgroup.create()?;
        start(&BootOptions { name: name.to_owned(), roots: state.roots }, &folder, &cgroup, &images)
    }

    /// Powers the host off and removes everything it had; not being up is fine.
    pub fn down(cache: &Cache, name: &str) -> Result<()> {
        let folder = cache.host(name);
        let _lock = lock(&folder)?;
        power_off(&folder);
        clear(&folder, &cgroup(cache, name)?)?;
        let _ = fs::remove_file(folder.lock());
        Ok(())
    }

    /// Names of all hosts, and whether each is up.
    pub fn list(cache: &Cache) -> Result<Vec<(String, bool)>> {
        let names = cache.host_names()?;
        names
            .into_iter()
            .map(|name| {
                let state = read_state(&cache.host(&name))?;
                Ok((name, state.is_some_and(|state| state.nspawn.is_alive())))
            })
            .collect()
    }

    /// The name it was booted under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the host's process 1, as the machine outside counts.
    pub fn leader(&self) -> u32 {
        self.leader.pid
    }

    /// Whether the host still runs.
    pub fn is_up(&self) -> bool {
        self.leader.is_alive()
    }

    fn from_leader(cache: &Cache, name: &str, leader: ProcessId) -> Result<Self> {
        let command_cgroup = cgroup(cache, name)?.of_process(leader.pid)?;
        Ok(Self { name: name.to_owned(), leader, command_cgroup })
    }
}

/// A host of one test alone, for what a shared one must not suffer; it ends
/// with the value.
#[derive(Debug)]
pub struct OwnHost {
    cache: Cache,
    host: TestHost,
}

impl OwnHost {
    /// Boots a host of this name.
    pub fn boot(name: &str) -> Result<Self> {
        Self::boot_with(&BootOptions::named(name))
    }

    /// Boots a host with options.
    pub fn boot_with(options: &BootOptions) -> Result<Self> {
        let cache = Cache::from_env()?;
        // What an earlier run of the test left, killed before it could clean up.
        TestHost::down(&cache, &options.name)?;
        let host = TestHost::boot(&cache, options, &mut |step| eprintln!("{step}"))?;
        Ok(Self { cache, host })
    }

    /// Reboots it; its files stay.
    pub fn reboot(&mut self) -> Result<()> {
        self.host = TestHost::reboot(&self.cache, &self.host.name)?;
        Ok(())
    }
}

impl std::ops::Deref for OwnHost {
    type Target = TestHost;

    fn deref(&self) -> &TestHost {
        &self.host
    }
}

impl Drop for OwnHost {
    fn drop(&mut self) {
        if let Err(error) = TestHost::down(&self.cache, &self.host.name) {
            eprintln!("host `{}` could not be ended: {error:#}", self.host.name);
        }
    }
}

fn cgroup(cache: &Cache, name: &str) -> Result<Cgroup> {
    Cgroup::named(&format!("berth-testhost-{}-{name}", cache.fingerprint()))
}

fn lock(folder: &HostFolder) -> Result<File> {
    let path = folder.lock();
    fs::create_dir_all(path.parent().expect("the lock is in a folder"))?;
    let lock = File::create(&path).with_context(|| format!("could not open `{}`", path.display()))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    Ok(lock)
}

fn read_state(folder: &HostFolder) -> Result<Option<State>> {
    let path = folder.state();
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map(Some).with_context(|| {
            format!("could not read `{}`; end that host with `./dev host down`", path.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("could not read `{}`", path.display())),
    }
}

/// Folders of the cache that some host's root is made of, running or not.
pub(crate) fn folders_in_use(cache: &Cache) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for name in cache.host_names()? {
        folders.extend(read_state(&cache.host(&name))?.into_iter().flat_map(|state| state.uses));
    }
    Ok(folders)
}

fn write_state(folder: &HostFolder, state: &State) -> Result<()> {
    let path = folder.state();
    let unfinished = path.with_extension("unfinished");
    fs::write(&unfinished, serde_json::to_vec(state)?)?;
    fs::rename(&unfinished, &path)?;
    Ok(())
}

/// Asks the host to halt, then insists; not running is fine.
fn power_off(folder: &HostFolder) {
    // Where nobody can tell which process it is, the cgroup still holds it.
    if let Ok(Some(state)) = read_state(folder) {
        // nspawn passes the first request on to the host; at the second, it kills it.
        for _ in 0..2 {
            state.nspawn.signal(Signal::TERM);
            if poll(POWER_OFF_DEADLINE, || !state.nspawn.is_alive()) {
                break;
            }
        }
        state.nspawn.reap();
    }
}

/// Ends every process of the host and removes its folder. Nothing is mounted
/// there: the mounts died with their namespace.
fn clear(folder: &HostFolder, cgroup: &Cgroup) -> Result<()> {
    cgroup.kill_and_remove()?;
    if folder.root().exists() && fs::remove_dir_all(folder.root()).is_err() {
        // Tests plant immutable files.
        run_quietly(Command::new("chattr").args(["-R", "-f", "-i"]).arg(folder.root()));
        fs::remove_dir_all(folder.root())
            .with_context(|| format!("could not remove `{}`", folder.root().display()))?;
    }
    Ok(())
}

fn prepare(folder: &HostFolder, images: &Images) -> Result<()> {
    for part in ["upper", "work", "root", "containers", "berth"] {
        let path = folder.part(part);
        fs::create_dir_all(&path).with_context(|| format!("could not make `{}`", path.display()))?;
    }
    fs::set_permissions(folder.part("containers"), fs::Permissions::from_mode(0o700))?;
    // Store paths never change, so hard links will do; the database does change.
    let database = folder.nix().join("var/nix/db");
    run(Command::new("cp").arg("-al").args([&images.nix, &folder.nix()]))?;
    fs::remove_dir_all(&database)?;
    run(Command::new("cp").arg("-a").args([&images.nix.join("var/nix/db"), &database]))
}

fn start(options: &BootOptions, folder: &HostFolder, cgroup: &Cgroup, images: &Images) -> Result<TestHost> {
    // An abstract name is free of length limits and leaves no file.
    let socket_name = cgroup.path().file_name().expect("the group has a name").to_owned();
    let address = SocketAddr::from_abstract_name(socket_name.as_encoded_bytes())?;
    let notifications = UnixDatagram::bind_addr(&address)?;
    notifications.set_read_timeout(Some(Duration::from_millis(50)))?;

    let console = File::create(folder.console())?;
    let mut child = Command::new("setsid")
        .args(["unshare", "--mount", "--propagation", "slave", "bash"])
        .arg(assets().join("boot/launch.sh"))
        .arg(&options.name)
        .arg(folder.root())
        .arg(format!("{}:{}", images.layer.display(), images.host_base.display()))
        .arg(cgroup.path())
        .arg(options.roots.word())
        .env("NOTIFY_SOCKET", format!("@{}", socket_name.display()))
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()
        .context("could not start `setsid`")?;
    let nspawn = ProcessId::of(child.id()).context("the host ended at once")?;
    let state = State { nspawn, leader: None, uses: images.folders(), roots: options.roots };
    write_state(folder, &state)?;

    let end = Instant::now() + BOOT_DEADLINE;
    let mut leader = None;
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("it ended with {status} while booting");
        }
        ensure!(Instant::now() < end, "it is not up after {BOOT_DEADLINE:?}");
        let mut buffer = [0; 4096];
        let Ok(length) = notifications.recv(&mut buffer) else {
            continue;
        };
        let message = String::from_utf8_lossy(&buffer[..length]).into_owned();
        for line in message.lines() {
            if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                leader = pid.parse().ok().and_then(ProcessId::of);
            }
        }
        if let (true, Some(leader)) = (message.lines().any(|line| line == "READY=1"), leader) {
            write_state(folder, &State { leader: Some(leader), ..state })?;
            let command_cgroup = cgroup.of_process(leader.pid)?;
            return Ok(TestHost { name: options.name.clone(), leader, command_cgroup });
        }
    }
}

fn console_tail(folder: &HostFolder) -> String {
    let console = fs::read(folder.console()).unwrap_or_default();
    let console = String::from_utf8_lossy(&console);
    let lines: Vec<_> = console.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("could not start `{program}`"))?;
    ensure!(
        output.status.success(),
        "`{program}` ended with {}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

fn run_quietly(command: &mut Command) {
    let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
