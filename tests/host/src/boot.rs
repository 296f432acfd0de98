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

use crate::cache::{Cache, HostFolder};
use crate::cgroup::Cgroup;
use crate::images::{Images, assets};
use crate::options::BootOptions;
use crate::process::ProcessId;
use crate::state::{self, State};
use crate::wait::poll;

/// Names the host that `cargo xtask` booted for a test run.
pub(crate) const SHARED_HOST: &str = "BERTH_TEST_HOST";

const BOOT_DEADLINE: Duration = Duration::from_mins(3);
const POWER_OFF_DEADLINE: Duration = Duration::from_mins(1);

/// A running host.
#[derive(Debug, Clone)]
pub struct TestHost {
    name: String,
    leader: ProcessId,
    /// Where commands from outside run: the host's `init.scope`.
    pub(crate) command_cgroup: PathBuf,
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
        if state::read(&folder)?.is_some_and(|state| state.leader.is_some_and(ProcessId::is_alive)) {
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
        let state = state::read(&cache.host(name))?;
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
        let state = state::read(&folder)?.with_context(|| format!("host `{name}` is not up"))?;
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
                let state = state::read(&cache.host(&name))?;
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

/// Asks the host to halt, then insists; not running is fine.
fn power_off(folder: &HostFolder) {
    // Where nobody can tell which process it is, the cgroup still holds it.
    if let Ok(Some(state)) = state::read(folder) {
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
    state::write(folder, &state)?;

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
            state::write(folder, &State { leader: Some(leader), ..state })?;
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
