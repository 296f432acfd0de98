//! A host of one test alone.

use anyhow::Result;

use crate::boot::TestHost;
use crate::cache::Cache;
use crate::options::BootOptions;

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
        self.host = TestHost::reboot(&self.cache, self.host.name())?;
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
        if let Err(error) = TestHost::down(&self.cache, self.host.name()) {
            eprintln!("host `{}` could not be ended: {error:#}", self.host.name());
        }
    }
}
