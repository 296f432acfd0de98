//! A host of one test alone, with Berth's programs on it.

use std::ops::Deref;
use std::path::PathBuf;

use berth_testhost::{OwnHost, TestHost};

/// The programs that make a host a host of Berth.
const PROGRAMS: [&str; 2] = ["agent", "berth-guard"];

/// Names the host of a run, see `berth_testhost`.
const SHARED_HOST: &str = "BERTH_TEST_HOST";

const FLAKE: &str = "/etc/berth/closures/flake.nix";
/// What the flake says of agents as the host's image has it.
const NORMAL: &str = "agent = normal;";

/// An init that is ready at once and does nothing, for tests of numbers.
const IDLE_INIT: &str = r#"#!@tools@/bin/bash
export PATH=@tools@/bin
mount -o bind "@guest@/usr" /usr
for folder in bin sbin lib lib64; do
  [[ -e /$folder ]] || ln -s "usr/$folder" "/$folder"
done
exec /usr/bin/python3 -ISc '
import os, signal, socket, sys
signal.signal(signal.SIGRTMIN + 3, lambda *_: sys.exit(0))
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True: signal.pause()'
"#;

/// A host of one test alone, with Berth's programs as they were built last. It
/// ends with the value.
#[derive(Debug)]
pub struct BerthHost(OwnHost);

impl BerthHost {
    /// Boots a host of this name, behind the name of the host that all tests of
    /// this run share: two runs on one machine do not end each other's hosts.
    ///
    /// # Panics
    /// If it does not boot or the programs are not built.
    #[track_caller]
    pub fn boot(name: &str) -> Self {
        let run = std::env::var(SHARED_HOST).unwrap_or_else(|_| "own".to_owned());
        let host = OwnHost::boot(&format!("{run}-{name}")).unwrap_or_else(|error| panic!("{error:#}"));
        for program in PROGRAMS {
            host.install_binary(&built(program), program);
        }
        Self(host)
    }

    /// The same, with this configuration.
    ///
    /// # Panics
    /// If it does not boot or the programs are not built.
    #[track_caller]
    pub fn configured(name: &str, configuration: &str) -> Self {
        let this = Self::boot(name);
        this.configure(configuration);
        this
    }

    /// Replaces the configuration.
    ///
    /// # Panics
    /// If it cannot be written.
    #[track_caller]
    pub fn configure(&self, configuration: &str) {
        self.write_file("/etc/berth/berth.toml", configuration, 0o644);
    }

    /// Lets agents be made from another system of the host's flake, such as
    /// `degraded`; `agent` is the usual one. The next `agent build` takes it.
    ///
    /// # Panics
    /// If the flake cannot be changed.
    #[track_caller]
    pub fn offer(&self, system: &str) {
        let agent = match system {
            "agent" => NORMAL.to_owned(),
            other => format!("agent = {other};"),
        };
        let replace = |line: &str| {
            let is_agent = line.trim_start().starts_with("agent = ");
            format!("{}\n", if is_agent { &agent } else { line })
        };
        let flake: String = self.read_file(FLAKE).lines().map(replace).collect();
        assert!(flake.contains(&agent), "the flake of the test host has another form");
        self.write_file(FLAKE, flake, 0o644);
    }

    /// Lets agents be made from a system that is ready at once and does
    /// nothing: no ssh, no systemd inside. Create them with `--no-wait`.
    ///
    /// # Panics
    /// If it cannot be built.
    #[track_caller]
    pub fn offer_idle(&self) {
        self.change_guest("cat >init", IDLE_INIT);
        self.offer("agent");
        self.command("agent").arg("build").ok();
    }

    /// Changes what the host's systems are made of, by a line of shell in that
    /// folder with this stdin. The next `agent build` takes it.
    ///
    /// # Panics
    /// If the line fails.
    #[track_caller]
    pub fn change_guest(&self, script: &str, stdin: &str) {
        let script = format!(
            "cd /usr/share/berth-testhost/guest && {script} && \
             nix --extra-experimental-features 'nix-command flakes' \
             flake lock --update-input guest path:/etc/berth/closures"
        );
        self.shell(&script).stdin(stdin).ok();
    }

    /// Puts one more program on it.
    ///
    /// # Panics
    /// If it is not built.
    #[track_caller]
    pub(crate) fn install_built(&self, program: &str) {
        self.install_binary(&built(program), program);
    }

    /// Reboots it; its files stay.
    ///
    /// # Panics
    /// If it does not come up again.
    #[track_caller]
    pub fn reboot(&mut self) {
        self.0.reboot().unwrap_or_else(|error| panic!("{error:#}"));
    }
}

impl Deref for BerthHost {
    type Target = TestHost;

    fn deref(&self) -> &TestHost {
        &self.0
    }
}

/// Where cargo put a program: two folders above the tests.
#[track_caller]
fn built(program: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let path = test.ancestors().nth(2).expect("a test lies in `deps`").join(program);
    assert!(path.exists(), "`{}` is missing: run `./dev test`, which builds it", path.display());
    path
}
