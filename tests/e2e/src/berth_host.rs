//! A host of one test alone, with Berth's programs on it.

use std::ops::Deref;
use std::path::PathBuf;

use berth_testhost::{OwnHost, TestHost};

/// The programs that make a host a host of Berth.
const PROGRAMS: [&str; 2] = ["agent", "berth-guard"];

/// A host of one test alone, with Berth's programs as they were built last. It
/// ends with the value.
#[derive(Debug)]
pub struct BerthHost(OwnHost);

impl BerthHost {
    /// Boots a host of this name.
    ///
    /// # Panics
    /// If it does not boot or the programs are not built.
    #[track_caller]
    pub fn boot(name: &str) -> Self {
        let host = OwnHost::boot(name).unwrap_or_else(|error| panic!("{error:#}"));
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
