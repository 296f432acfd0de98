//! Plans: what is to be done to the host, as data.
//!
//! A plan is made from records and from what the host has, without effects;
//! the host applies it step by step. Each step may be repeated: half-made goes
//! on, already gone is success. A plan that creates is undone by [`Plan::undo`].

use std::fmt;

use crate::conf_file::ContainerConf;
use crate::firewall::Pin;
use crate::guest::Preparation;
use crate::{ContainerName, Gpu, Limits};

/// One thing to do to the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Let the container send from its address.
    Pin(Pin),
    /// Take that right away, and that to reach PostgreSQL with it.
    Unpin(Pin),
    /// Let the container reach the host's PostgreSQL.
    OpenDatabase(Pin),
    /// Make the stopped container and write its configuration file.
    Create(ContainerName, ContainerConf),
    /// Write what Berth injects into the stopped root.
    Prepare(ContainerName, Preparation),
    /// Set the unit's limits.
    Limit(ContainerName, Limits),
    /// Let the unit use a GPU's device nodes, which are on the host.
    AllowGpu(ContainerName, Gpu),
    /// Take the unit's properties back.
    Unlimit(ContainerName),
    /// Start the container and wait until the system inside is up.
    Start(ContainerName),
    /// Stop the container, by force after a deadline, and forget its failures.
    Stop(ContainerName),
    /// Wait until a login with the pinned keys succeeds.
    AwaitLogin(ContainerName),
    /// Remove the root, the profile and the configuration file.
    Remove(ContainerName),
    /// Remove what others keep of it: its journal link, its pinned host key.
    Forget(ContainerName),
}

impl Step {
    /// The steps that take this one back, in order.
    fn undo(&self) -> Vec<Step> {
        match self {
            Self::Pin(pin) => vec![Self::Unpin(*pin)],
            Self::Create(name, _) => vec![Self::Remove(*name), Self::Forget(*name)],
            Self::Limit(name, _) => vec![Self::Unlimit(*name)],
            Self::Start(name) => vec![Self::Stop(*name)],
            // What unpins closes the way to the database too, and what takes
            // the limits back takes all of the unit's properties.
            Self::OpenDatabase(_)
            | Self::AllowGpu(..)
            | Self::Prepare(..)
            | Self::AwaitLogin(_)
            | Self::Unpin(_)
            | Self::Unlimit(_)
            | Self::Stop(_)
            | Self::Remove(_)
            | Self::Forget(_) => vec![],
        }
    }
}

impl fmt::Display for Step {
    /// What people see while it happens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pin(pin) => write!(f, "open the firewall for {} from {}", pin.container, pin.address),
            Self::Unpin(pin) => write!(f, "close the firewall for {}", pin.container),
            Self::OpenDatabase(pin) => write!(f, "let {} reach PostgreSQL", pin.container),
            Self::Create(name, conf) => write!(f, "create container {name} from {}", conf.system),
            Self::Prepare(name, _) => write!(f, "prepare the files of {name}"),
            Self::Limit(name, limits) => write!(
                f,
                "limit {name} to {} of memory, {} CPUs, {} tasks",
                limits.memory, limits.cpus, limits.tasks
            ),
            Self::AllowGpu(name, gpu) => write!(f, "let {name} use the GPU: {gpu}"),
            Self::Unlimit(name) => write!(f, "take back the limits of {name}"),
            Self::Start(name) => write!(f, "start {name}"),
            Self::Stop(name) => write!(f, "stop {name}"),
            Self::AwaitLogin(name) => write!(f, "wait for ssh in {name}"),
            Self::Remove(name) => write!(f, "remove container {name}"),
            Self::Forget(name) => write!(f, "remove the traces of {name}"),
        }
    }
}

/// Steps in the order in which they are applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// What takes the first `applied` steps back, the newest first.
    ///
    /// A step that failed may have done half of its work, so the caller counts
    /// it as applied.
    #[must_use]
    pub fn undo(&self, applied: usize) -> Plan {
        let done = &self.steps[..applied.min(self.steps.len())];
        Plan { steps: done.iter().rev().flat_map(Step::undo).collect() }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>2}. {step}")?;
        }
        Ok(())
    }
}

/// Everything a create needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateRequest {
    /// The container.
    pub container: ContainerName,
    /// Its configuration.
    pub conf: ContainerConf,
    /// What is put into it.
    pub preparation: Preparation,
    /// What it may use.
    pub limits: Limits,
    /// The GPU that it gets, if it gets one.
    pub gpu: Option<Gpu>,
    /// Whether to wait until a login succeeds.
    pub wait: bool,
}

/// How a new container comes to run.
///
/// `has_leftovers` tells that the host already has something of that name. The
/// slot is free according to the records, so it belongs to nobody and is
/// cleared first: nixos-container would adopt an old root silently.
pub fn create(request: CreateRequest, has_leftovers: bool) -> Plan {
    let CreateRequest { container, mut conf, preparation, limits, gpu, wait } = request;
    conf.flags.extend(gpu.iter().flat_map(Gpu::flags));
    let pin = Pin { container, address: conf.addresses.container };
    let mut steps = if has_leftovers { destroy(pin).steps } else { Vec::new() };
    steps.extend(open(pin, &preparation));
    steps.extend([
        Step::Create(container, conf),
        Step::Prepare(container, preparation),
        Step::Limit(container, limits),
    ]);
    steps.extend(gpu.map(|gpu| Step::AllowGpu(container, gpu)));
    steps.push(Step::Start(container));
    if wait {
        steps.push(Step::AwaitLogin(container));
    }
    Plan { steps }
}

/// How a stopped container comes to run again. What takes a failed start back
/// is [`stop`], not [`Plan::undo`]: the pin stays with the berth.
pub fn start(pin: Pin, preparation: Preparation, gpu: Option<Gpu>, wait: bool) -> Plan {
    let container = pin.container;
    let mut steps = open(pin, &preparation);
    steps.push(Step::Prepare(container, preparation));
    steps.extend(gpu.map(|gpu| Step::AllowGpu(container, gpu)));
    steps.push(Step::Start(container));
    if wait {
        steps.push(Step::AwaitLogin(container));
    }
    Plan { steps }
}

/// What the firewall must let through.
fn open(pin: Pin, preparation: &Preparation) -> Vec<Step> {
    let mut steps = vec![Step::Pin(pin)];
    if preparation.reaches_database() {
        steps.push(Step::OpenDatabase(pin));
    }
    steps
}

/// The same for one that is neither down nor up: it failed, or systemd tries
/// to start it again and again. Its files are written while nothing runs.
pub fn restart(pin: Pin, preparation: Preparation, gpu: Option<Gpu>, wait: bool) -> Plan {
    let mut plan = stop(pin.container);
    plan.steps.extend(start(pin, preparation, gpu, wait).steps);
    plan
}

/// How a container that is up already is found usable.
pub fn login(container: ContainerName) -> Plan {
    Plan { steps: vec![Step::AwaitLogin(container)] }
}

/// How a container is paused. Its pin stays: it keeps its berth.
pub fn stop(container: ContainerName) -> Plan {
    Plan { steps: vec![Step::Stop(container)] }
}

/// How everything of a container goes. Nothing is removed under a living
/// unit, and the firewall closes last, when nothing can send any more.
pub fn destroy(pin: Pin) -> Plan {
    let container = pin.container;
    Plan {
        steps: vec![
            Step::Stop(container),
            Step::Remove(container),
            Step::Unlimit(container),
            Step::Forget(container),
            Step::Unpin(pin),
        ],
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::AddressPair;
    use crate::conf_file::Ownership;
    use crate::guest::{AgentPreparation, PreviewEnvironment, PreviewPreparation};

    fn request() -> CreateRequest {
        CreateRequest {
            container: "a12".parse().expect("a container"),
            conf: ContainerConf {
                addresses: AddressPair {
                    host: Ipv4Addr::new(10, 100, 0, 24),
                    container: Ipv4Addr::new(10, 100, 0, 25),
                },
                system: "/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent"
                    .parse()
                    .expect("a store path"),
                ownership: Ownership::Auto,
                flags: vec![],
            },
            preparation: Preparation::Agent(AgentPreparation {
                host_name: "fix-login".parse().expect("a name"),
                authorized_keys: vec![],
                credentials: vec![],
            }),
            limits: Limits {
                memory: "4G".parse().expect("memory"),
                cpus: "2".parse().expect("cpus"),
                tasks: "4096".parse().expect("tasks"),
            },
            gpu: None,
            wait: true,
        }
    }

    #[test]
    fn a_create_is_these_steps() {
        insta::assert_snapshot!(create(request(), false), @"
         1. open the firewall for a12 from 10.100.0.25
         2. create container a12 from /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
         3. prepare the files of a12
         4. limit a12 to 4G of memory, 2 CPUs, 4096 tasks
         5. start a12
         6. wait for ssh in a12
        ");
    }

    #[test]
    fn a_failed_create_is_undone_newest_first() {
        let plan = create(request(), false);
        insta::assert_snapshot!(plan.undo(6), @"
         1. stop a12
         2. take back the limits of a12
         3. remove container a12
         4. remove the traces of a12
         5. close the firewall for a12
        ");
        insta::assert_snapshot!(plan.undo(2), @"
         1. remove container a12
         2. remove the traces of a12
         3. close the firewall for a12
        ");
        assert_eq!(plan.undo(0).steps, []);
    }

    #[test]
    fn leftovers_are_cleared_before_a_create_and_clearing_is_never_undone() {
        let plan = create(request(), true);
        insta::assert_snapshot!(plan, @"
         1. stop a12
         2. remove container a12
         3. take back the limits of a12
         4. remove the traces of a12
         5. close the firewall for a12
         6. open the firewall for a12 from 10.100.0.25
         7. create container a12 from /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
         8. prepare the files of a12
         9. limit a12 to 4G of memory, 2 CPUs, 4096 tasks
        10. start a12
        11. wait for ssh in a12
        ");
        assert_eq!(plan.undo(5).steps, []);
    }

    #[test]
    fn what_is_neither_up_nor_down_is_stopped_before_its_files_are_written() {
        let CreateRequest { container, conf, preparation, .. } = request();
        let pin = Pin { container, address: conf.addresses.container };
        insta::assert_snapshot!(restart(pin, preparation, None, true), @"
         1. stop a12
         2. open the firewall for a12 from 10.100.0.25
         3. prepare the files of a12
         4. start a12
         5. wait for ssh in a12
        ");
    }

    fn gpu() -> Gpu {
        let devices = ["/dev/nvidia0", "/dev/nvidia-uvm"].map(|path| path.parse().expect("a node"));
        Gpu { devices: devices.into(), driver: "/run/opengl-driver".parse().expect("a folder") }
    }

    #[test]
    fn a_gpu_is_allowed_before_every_start_and_goes_with_the_limits() {
        let plan = create(CreateRequest { gpu: Some(gpu()), ..request() }, false);
        insta::assert_snapshot!(plan, @"
         1. open the firewall for a12 from 10.100.0.25
         2. create container a12 from /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
         3. prepare the files of a12
         4. limit a12 to 4G of memory, 2 CPUs, 4096 tasks
         5. let a12 use the GPU: /dev/nvidia0, /dev/nvidia-uvm with /run/opengl-driver
         6. start a12
         7. wait for ssh in a12
        ");
        let Step::Create(_, conf) = &plan.steps[1] else { panic!("it is the second") };
        assert_eq!(conf.flags, gpu().flags());
        insta::assert_snapshot!(plan.undo(5), @"
         1. take back the limits of a12
         2. remove container a12
         3. remove the traces of a12
         4. close the firewall for a12
        ");
        let CreateRequest { container, conf, preparation, .. } = request();
        let pin = Pin { container, address: conf.addresses.container };
        insta::assert_snapshot!(start(pin, preparation, Some(gpu()), false), @"
         1. open the firewall for a12 from 10.100.0.25
         2. prepare the files of a12
         3. let a12 use the GPU: /dev/nvidia0, /dev/nvidia-uvm with /run/opengl-driver
         4. start a12
        ");
    }

    fn preview_request() -> CreateRequest {
        let environment = PreviewEnvironment {
            preview: crate::PreviewId::new(42),
            repository_url: "file:///var/lib/berth/sources/d42.git".to_owned(),
            branch: "main".parse().expect("a branch"),
            commit: "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit"),
            host: "site-main.example.com".to_owned(),
            url: "https://site-main.example.com".to_owned(),
            has_database: true,
            secrets: vec![],
            token: None,
        };
        let host_name = "site-main".parse().expect("a name");
        let preparation = Preparation::Preview(Box::new(PreviewPreparation { host_name, environment }));
        CreateRequest { preparation, wait: false, ..request() }
    }

    #[test]
    fn a_preview_with_a_database_may_reach_it_from_its_first_moment_on() {
        let plan = create(preview_request(), false);
        insta::assert_snapshot!(plan, @"
        1. open the firewall for a12 from 10.100.0.25
        2. let a12 reach PostgreSQL
        3. create container a12 from /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos-system-agent
        4. prepare the files of a12
        5. limit a12 to 4G of memory, 2 CPUs, 4096 tasks
        6. start a12
        ");
        insta::assert_snapshot!(plan.undo(2), @" 1. close the firewall for a12");
    }

    #[test]
    fn every_undo_of_a_create_removes_all_that_its_steps_made() {
        let plan = create(request(), false);
        for applied in 0..=plan.steps.len() {
            let undo = plan.undo(applied);
            let made = |wanted: fn(&Step) -> bool| plan.steps[..applied].iter().any(wanted);
            let unmade = |wanted: fn(&Step) -> bool| undo.steps.iter().any(wanted);
            assert_eq!(made(|s| matches!(s, Step::Pin(_))), unmade(|s| matches!(s, Step::Unpin(_))));
            assert_eq!(made(|s| matches!(s, Step::Create(..))), unmade(|s| matches!(s, Step::Remove(_))));
            assert_eq!(made(|s| matches!(s, Step::Limit(..))), unmade(|s| matches!(s, Step::Unlimit(_))));
            assert_eq!(made(|s| matches!(s, Step::Start(_))), unmade(|s| matches!(s, Step::Stop(_))));
        }
    }
}
