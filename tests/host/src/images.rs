//! The images: built once, cached, and only ever complete.
//!
//! A base is what mmdebstrap makes of a package list (a minute); an image is
//! the set-up on top of two bases (seconds). Each is named by a hash of what it
//! is made from, built under a temporary name and renamed when it is complete.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::apt_sources::{AptSources, SUITE};
use crate::cache::Cache;
use crate::golden::{self, Placed};
use crate::state::folders_in_use;

/// Documentation and translations that no test reads.
const LEFT_OUT: [&str; 4] =
    ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*"];

/// What a host boots from.
#[derive(Debug, Clone)]
pub struct Images {
    /// The Debian system of the host.
    pub(crate) host_base: PathBuf,
    /// The set-up on top of it.
    pub(crate) layer: PathBuf,
    /// The pristine `/nix`, with the guests.
    pub(crate) nix: PathBuf,
    /// The folders of the cache that hold them.
    folders: Vec<PathBuf>,
}

/// How long an image stays that nobody boots any more.
const UNUSED_IMAGE: Duration = Duration::from_hours(2);
/// The same for a base, which takes longer to build.
const UNUSED_BASE: Duration = Duration::from_hours(24 * 7);

impl Images {
    /// The images, built first where they are missing. `progress` is told
    /// before each step that takes long.
    pub fn ensure(cache: &Cache, progress: &mut dyn FnMut(&str)) -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "the test host needs root: mounts, namespaces, containers; run again with sudo"
        );
        let lock_path = cache.build_lock();
        let lock =
            File::create(&lock_path).with_context(|| format!("could not open `{}`", lock_path.display()))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        remove_unfinished(cache)?;

        let (host_base, guest_base) = ensure_bases(cache, progress)?;
        let golden = golden::placed(&host_base)?;
        let image = cache.image(&image_key(&host_base, &guest_base, &golden)?);
        if !image.exists() {
            progress("setting up the host and the guests' store (10 s)");
            build_atomically(&image, |unfinished| build_image(&host_base, &guest_base, &golden, unfinished))?;
        }
        let folders = vec![host_base.clone(), guest_base, image.clone()];
        remove_unused(cache, &folders)?;
        Ok(Self { host_base, layer: image.join("layer"), nix: image.join("nix"), folders })
    }

    /// The folders of the cache that hold them.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.folders.clone()
    }

    /// Debian packages that the machine outside needs.
    pub fn packages_needed_outside() -> Result<Vec<String>> {
        packages("outside")
    }
}

/// The folder of scripts, units and package lists.
pub(crate) fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")
}

/// The build lock is held: whatever has the temporary name was left by a
/// build that was killed.
fn remove_unfinished(cache: &Cache) -> Result<()> {
    for entry in fs::read_dir(cache.root())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == UNFINISHED) {
            fs::remove_dir_all(&path).with_context(|| format!("could not remove `{}`", path.display()))?;
        }
    }
    Ok(())
}

/// Marks what is used now, removes what nobody used for long and no host needs.
fn remove_unused(cache: &Cache, used_now: &[PathBuf]) -> Result<()> {
    let now = SystemTime::now();
    for folder in used_now {
        File::open(folder)?.set_modified(now)?;
    }
    let in_use = folders_in_use(cache)?;
    for entry in fs::read_dir(cache.root())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let keep = if name.starts_with("image-") {
            UNUSED_IMAGE
        } else if name.starts_with("base-") {
            UNUSED_BASE
        } else {
            continue;
        };
        let age = now.duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if age > keep && !in_use.contains(&entry.path()) {
            // Never half an image under its name.
            let unfinished = entry.path().with_extension(UNFINISHED);
            fs::rename(entry.path(), &unfinished)?;
            fs::remove_dir_all(&unfinished)?;
        }
    }
    Ok(())
}

const UNFINISHED: &str = "unfinished";

fn build_atomically(path: &Path, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let unfinished = path.with_extension(UNFINISHED);
    fs::create_dir(&unfinished).with_context(|| format!("could not make `{}`", unfinished.display()))?;
    build(&unfinished)?;
    fs::rename(&unfinished, path)?;
    Ok(())
}

/// Both bases, built side by side where they are missing.
fn ensure_bases(cache: &Cache, progress: &mut dyn FnMut(&str)) -> Result<(PathBuf, PathBuf)> {
    let (host, guest) = (Base::of(cache, "host")?, Base::of(cache, "guest")?);
    if !host.path.exists() || !guest.path.exists() {
        progress("building file systems from Debian packages (a minute)");
    }
    thread::scope(|scope| {
        let building = scope.spawn(|| guest.ensure());
        host.ensure()?;
        building.join().expect("the builder does not panic")
    })?;
    Ok((host.path, guest.path))
}

/// A file system made of packages.
struct Base {
    packages: Vec<String>,
    path: PathBuf,
}

impl Base {
    fn of(cache: &Cache, kind: &str) -> Result<Self> {
        let packages = packages(kind)?;
        let inputs = format!("{SUITE}\n{}\n{}\n", packages.join(" "), LEFT_OUT.join(" "));
        let path = cache.base(kind, &hash(inputs.as_bytes())?);
        Ok(Self { packages, path })
    }

    fn ensure(&self) -> Result<()> {
        if self.path.exists() {
            return Ok(());
        }
        build_atomically(&self.path, |unfinished| build_base(&self.packages, unfinished))
    }
}

fn packages(kind: &str) -> Result<Vec<String>> {
    let path = assets().join("packages").join(kind).with_extension("txt");
    let text = fs::read_to_string(&path).with_context(|| format!("could not read `{}`", path.display()))?;
    Ok(text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect())
}

fn build_base(packages: &[String], target: &Path) -> Result<()> {
    let sources = AptSources::read(Path::new("/etc/apt"))?;
    let list = target.with_extension("unfinished.list");
    let stanzas = target.with_extension("unfinished.sources");
    let mut command = contained("mmdebstrap");
    command.args(["--quiet", "--mode=root", "--variant=minbase", "--format=directory", "--skip=output/dev"]);
    command.arg(format!("--include={}", packages.join(",")));
    for path in LEFT_OUT {
        command.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    for option in apt_transport_options()? {
        command.arg(format!("--aptopt={option}"));
    }
    command.arg(SUITE).arg(target);
    for (path, text) in [(&list, &sources.lines), (&stanzas, &sources.stanzas)] {
        if !text.is_empty() {
            fs::write(path, text)?;
            command.arg(path);
        }
    }
    let built = run(&mut command, "build a Debian file system");
    for path in [list, stanzas] {
        let _ = fs::remove_file(path);
    }
    built
}

/// How this machine's apt reaches its sources: proxies, certificates, checks.
fn apt_transport_options() -> Result<Vec<String>> {
    let output = Command::new("apt-config").arg("dump").output().context("could not start `apt-config`")?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| {
            ["Acquire::http", "Acquire::Check-", "Acquire::Retries"]
                .iter()
                .any(|prefix| line.starts_with(prefix))
                && !line.ends_with("\"\";")
        })
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect())
}

fn build_image(host_base: &Path, guest_base: &Path, golden: &[Placed], target: &Path) -> Result<()> {
    let assets = assets();
    let staged = target.join(".golden");
    golden::write(golden, &staged)?;
    let mut command = contained("bash");
    command.arg(assets.join("build/image.sh"));
    command.args([host_base, guest_base, &assets, &staged, target]);
    run(&mut command, "set up the host's image")?;
    fs::remove_dir_all(staged)?;
    Ok(())
}

/// A program that dies with us, however we end, and takes its processes and
/// mounts along: the next build must not find it at work.
fn contained(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["--mount", "--propagation", "slave", program]);
    command
}

fn run(command: &mut Command, aim: &str) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not {aim}: setpriv does not start; install util-linux"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<_> = stderr.lines().collect();
        bail!(
            "could not {aim}: it ended with {}; if a tool is missing, ./dev installs it\n{}",
            output.status,
            lines[lines.len().saturating_sub(40)..].join("\n")
        );
    }
    Ok(())
}

/// A hash of the bases, of every asset and of every golden file that enters the
/// image.
fn image_key(host_base: &Path, guest_base: &Path, golden: &[Placed]) -> Result<String> {
    let mut inputs = golden::identity(golden).into_bytes();
    for base in [host_base, guest_base] {
        inputs.extend_from_slice(base.file_name().expect("a base has a name").as_encoded_bytes());
    }
    for folder in ["build", "closures", "guest", "host"] {
        add_tree(&assets().join(folder), &mut inputs)?;
    }
    hash(&inputs)
}

fn add_tree(folder: &Path, inputs: &mut Vec<u8>) -> Result<()> {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("could not list `{}`", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let relative = path.strip_prefix(assets()).expect("listed below the assets");
        writeln!(inputs, "{}", relative.display())?;
        if path.is_dir() {
            add_tree(&path, inputs)?;
        } else {
            let content = fs::read(&path).with_context(|| format!("could not read `{}`", path.display()))?;
            writeln!(inputs, "{}", content.len())?;
            inputs.extend_from_slice(&content);
        }
    }
    Ok(())
}

/// The first 16 digits of the SHA-256.
fn hash(bytes: &[u8]) -> Result<String> {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("could not start `sha256sum`")?;
    child.stdin.take().expect("stdin is piped").write_all(bytes)?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "`sha256sum` ended with {}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).chars().take(16).collect())
}
