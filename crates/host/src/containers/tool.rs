//! The program `nixos-container`, as far as it is used.

use std::time::Duration;

use async_trait::async_trait;
use berth_core::ContainerName;
use berth_core::conf_file::ContainerConf;

use crate::exec::{ExecError, Invocation};

/// nixos-container waits for its lock and for Nix' database; on a host that
/// makes many containers at once that takes a while.
const DEADLINE: Duration = Duration::from_mins(2);

/// What the program does, as CONTRACTS tell it. Behind a trait, so that the
/// fake is only this, and what is built on it is tested as it is.
#[async_trait]
pub(super) trait Tool: Send + Sync {
    /// Writes a configuration file and sets the profile. Refuses a name that
    /// has a configuration file.
    async fn create(&self, name: ContainerName, conf: &ContainerConf) -> Result<(), ExecError>;

    /// Removes all that it made. Success without a configuration file, and
    /// with files left.
    async fn destroy(&self, name: ContainerName) -> Result<(), ExecError>;
}

/// The program itself.
pub(super) struct Program;

#[async_trait]
impl Tool for Program {
    async fn create(&self, name: ContainerName, conf: &ContainerConf) -> Result<(), ExecError> {
        create_invocation(name, conf).run().await.map(drop)
    }

    async fn destroy(&self, name: ContainerName) -> Result<(), ExecError> {
        destroy_invocation(name).run().await.map(drop)
    }
}

fn create_invocation(name: ContainerName, conf: &ContainerConf) -> Invocation {
    Invocation::new("nixos-container")
        .args(["create", &name.to_string(), "--system-path", conf.system.as_str()])
        .args(["--host-address", &conf.addresses.host.to_string()])
        .args(["--local-address", &conf.addresses.container.to_string()])
        .aim(format!("create container {name}"))
        .deadline(DEADLINE)
}

fn destroy_invocation(name: ContainerName) -> Invocation {
    Invocation::new("nixos-container")
        .args(["destroy", &name.to_string()])
        .aim(format!("remove container {name}"))
        .deadline(DEADLINE)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use berth_core::AddressPair;
    use berth_core::conf_file::Ownership;

    use super::*;

    #[test]
    fn the_calls_are_these() {
        let name = "a12".parse().expect("a container");
        let conf = ContainerConf {
            addresses: AddressPair {
                host: Ipv4Addr::new(10, 100, 0, 24),
                container: Ipv4Addr::new(10, 100, 0, 25),
            },
            system: "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"
                .parse()
                .expect("a store path"),
            ownership: Ownership::Auto,
            flags: vec![],
        };
        insta::assert_snapshot!(create_invocation(name, &conf).call());
        insta::assert_snapshot!(destroy_invocation(name).call(), @"nixos-container destroy a12");
    }
}
