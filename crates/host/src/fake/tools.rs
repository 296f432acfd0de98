//! The fakes as the tools of a host.

use super::FakeWorld;
use crate::caddy::FakeCaddy;
use crate::containers::FakeContainers;
use crate::github::OnDemand;
use crate::guests::FakeGuests;
use crate::host::Tools;
use crate::login::FakeLogins;
use crate::network::FakeNetwork;
use crate::nftables::FakeFirewall;
use crate::nix::FakeNix;
use crate::postgres::FakePostgres;
use crate::repos::FakeRepos;
use crate::systemd::FakeSystemd;

impl FakeWorld {
    /// All tools of this world. GitHub is not configured; a test puts a
    /// [`FakeGitHub`](crate::github::FakeGitHub) there that needs it.
    pub fn tools(&self) -> Tools {
        Tools {
            containers: Box::new(FakeContainers::new(self)),
            systemd: Box::new(FakeSystemd::new(self)),
            guests: Box::new(FakeGuests::new(self)),
            logins: Box::new(FakeLogins::new(self)),
            nix: Box::new(FakeNix::new(self)),
            firewall: Box::new(FakeFirewall::new(self)),
            repos: Box::new(FakeRepos::new(self)),
            postgres: Box::new(FakePostgres::new(self)),
            caddy: Box::new(FakeCaddy::new(self)),
            network: Box::new(FakeNetwork::new(self)),
            github: OnDemand::new(None),
        }
    }
}
