//! A host with everything that previews need.

use std::ops::Deref;
use std::sync::{Arc, Mutex, Weak};

use berth_testhost::TestHost;

use crate::BerthHost;
use crate::forge::{FORGE, Forge};
use crate::web::{self, Answer};

/// Below which previews are served.
pub(crate) const DOMAIN: &str = "preview.test";

/// Which Caddy the host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caddy {
    /// 2.6, as Debian has it.
    Old,
    /// 2.11, as current systems have it.
    New,
}

/// A host with PostgreSQL, Caddy, a forge and a configuration for previews. It
/// ends with the value, and must be clean then.
#[derive(Debug)]
pub struct PreviewHost(BerthHost);

impl PreviewHost {
    /// Boots one with Debian's Caddy.
    ///
    /// # Panics
    /// If it does not boot.
    #[track_caller]
    pub fn boot(name: &str) -> Self {
        Self::boot_with(name, Caddy::Old)
    }

    /// Boots one with this Caddy.
    ///
    /// # Panics
    /// If it does not boot.
    #[track_caller]
    pub fn boot_with(name: &str, caddy: Caddy) -> Self {
        let host = BerthHost::boot(&format!("e2e-{name}"));
        host.install_built("preview");
        let this = Self(host);
        this.configure_previews("");
        if caddy == Caddy::New {
            this.command("ln")
                .args(["-sf", "/usr/lib/berth-testhost/caddy-2.11/caddy", "/usr/bin/caddy"])
                .ok();
        }
        // As an operator has them: they come back after a reboot.
        this.command("systemctl").args(["enable", "--now", "--quiet", "caddy", "postgresql"]).ok();
        this
    }

    /// Configures previews: this is added to the section `[preview]`, and may
    /// begin others.
    ///
    /// # Panics
    /// If it cannot be written.
    #[track_caller]
    pub fn configure_previews(&self, more: &str) {
        let deadlines = "[preview.deadlines]\nsetup = \"1m\"\nready = \"1m\"\ndrain = \"3s\"\n";
        let deadlines = if more.contains("[preview.deadlines]") { "" } else { deadlines };
        self.0.configure(&format!(
            "[preview]\ndomain = \"{DOMAIN}\"\nforge = \"{FORGE}\"\n{more}\n{deadlines}"
        ));
    }

    /// Puts one more program on it.
    ///
    /// # Panics
    /// If it is not built.
    #[track_caller]
    pub(crate) fn install_built(&self, program: &str) {
        self.0.install_built(program);
    }

    /// Its forge.
    pub fn forge(&self) -> Forge {
        Forge::of(&self.0)
    }

    /// Asks a host name of the previews' domain through Caddy, with TLS.
    ///
    /// # Panics
    /// If there is no answer.
    #[track_caller]
    pub fn get(&self, label: &str, path: &str) -> Answer {
        web::get(&self.0, &format!("{label}.{DOMAIN}"), path)
    }

    /// Reboots it; its files stay.
    ///
    /// # Panics
    /// If it does not come up again.
    #[track_caller]
    pub fn reboot(&mut self) {
        self.0.reboot();
    }
}

impl Deref for PreviewHost {
    type Target = TestHost;

    fn deref(&self) -> &TestHost {
        &self.0
    }
}

impl Drop for PreviewHost {
    fn drop(&mut self) {
        if !std::thread::panicking() && self.is_up() {
            self.assert_clean();
        }
    }
}

/// One host for all tests of a file: the first one boots it, the last one that
/// runs ends it.
#[derive(Debug)]
pub struct SharedPreviewHost {
    name: &'static str,
    host: Mutex<Weak<PreviewHost>>,
}

impl SharedPreviewHost {
    /// A host of this name, not booted yet.
    pub const fn named(name: &'static str) -> Self {
        Self { name, host: Mutex::new(Weak::new()) }
    }

    /// The host, booted if it is not there.
    ///
    /// # Panics
    /// If it does not boot.
    #[track_caller]
    pub fn get(&self) -> Arc<PreviewHost> {
        let mut shared = self.host.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let host = Arc::new(PreviewHost::boot(self.name));
            *shared = Arc::downgrade(&host);
            host
        })
    }
}
