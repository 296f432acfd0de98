//! The host's configuration, `/etc/berth/berth.toml`.
//!
//! Unknown keys are refused, and all problems are told at once: an operator
//! should need one round, not ten. `docs/configuration.md` lists the keys.

mod daemon;
mod github;
mod gpu;
mod preview;
mod reader;

use std::path::PathBuf;

use ipnet::Ipv4Net;
use jiff::SignedDuration;
use thiserror::Error;

pub use self::daemon::DaemonConfig;
pub use self::github::{ApiBase, ApiBaseError, AppId, AppIdError, GitHubConfig, GitHubCredentials};
pub use self::gpu::GpuConfig;
pub use self::preview::{
    Bounds, CaddyConfig, Forge, ForgeError, PostgresConfig, PreviewConfig, PreviewDeadlines, SecretGrant,
};
use self::reader::Section;
use crate::conf_file::Ownership;
use crate::guest::{AuthorizedKey, Credential, Mode, Owner};
use crate::{Limits, Subnet, Ttl};

/// The configuration, with its defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The private network of the containers.
    pub subnet: Subnet,
    /// The flake that has `nixosConfigurations.agent`.
    pub closures: String,
    /// The host's name or address as people outside reach it, for the ssh line
    /// that `agent create` prints.
    pub public_host: Option<String>,
    /// How the files of a root get their owner.
    pub ownership: Ownership,
    /// What concerns agents.
    pub agent: AgentConfig,
    /// What concerns previews; nothing where there are none.
    pub preview: Option<PreviewConfig>,
    /// What concerns pull requests; nothing where none are followed.
    pub github: Option<GitHubConfig>,
    /// The GPU that containers may get; nothing where none may.
    pub gpu: Option<GpuConfig>,
    /// What concerns `berthd`.
    pub daemon: DaemonConfig,
    /// How long things may take.
    pub deadlines: Deadlines,
}

/// What every new agent gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentConfig {
    /// How long it lives when `--ttl` is not given; for ever if nothing.
    pub ttl: Option<Ttl>,
    /// What it may use when no option says otherwise.
    pub limits: Limits,
    /// Keys of people that may log in to every agent.
    pub authorized_keys: Vec<AuthorizedKey>,
    /// Files that every new agent gets a copy of.
    pub credentials: Vec<Credential>,
}

/// How long the host's tools may take before Berth steps in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the start of a container to a successful login.
    pub boot: SignedDuration,
    /// For a container to shut down by itself; then it is killed.
    pub stop: SignedDuration,
    /// For a build of a closure.
    pub build: SignedDuration,
}

/// A configuration that cannot be used, with all that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the configuration has {}:{}", count(.0), list(.0))]
pub struct ConfigError(pub Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{key}`: {message}")]
pub struct Problem {
    /// The key, with its section.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

fn count(problems: &[Problem]) -> String {
    match problems.len() {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    }
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

impl Config {
    /// Reads the text of a configuration file.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let mut top = Section::parse(text)?;
        let subnet: Ipv4Net = top.parsed("subnet").unwrap_or_else(default_subnet);
        let subnet = Subnet::try_from(subnet).unwrap_or_else(|error| {
            top.problem("subnet", error.to_string());
            Subnet::try_from(default_subnet()).expect("the default is a subnet")
        });
        let config = Self {
            subnet,
            closures: top
                .checked("closures", check_flake)
                .unwrap_or_else(|| "path:/etc/berth/closures".to_owned()),
            public_host: top.checked("public_host", check_host),
            ownership: top.choice("ownership", &OWNERSHIPS).unwrap_or_default(),
            agent: agent(&mut top),
            preview: preview::preview(&mut top),
            github: github::github(&mut top),
            gpu: gpu::gpu(&mut top),
            daemon: daemon::daemon(&mut top),
            deadlines: deadlines(&mut top),
        };
        top.finish()?;
        Ok(config)
    }
}

const OWNERSHIPS: [(&str, Ownership); 3] =
    [("auto", Ownership::Auto), ("map", Ownership::Map), ("chown", Ownership::Chown)];

const OWNERS: [(&str, Owner); 2] = [("agent", Owner::Agent), ("root", Owner::Root)];

fn default_subnet() -> Ipv4Net {
    Ipv4Net::new_assert([10, 100, 0, 0].into(), 16)
}

fn agent(top: &mut Section) -> AgentConfig {
    top.section("agent", |agent| AgentConfig {
        ttl: agent.parsed("ttl"),
        limits: limits(agent),
        authorized_keys: agent.parsed_list("authorized_keys"),
        credentials: credentials(agent),
    })
}

fn limits(section: &mut Section) -> Limits {
    Limits {
        memory: section.parsed("memory").unwrap_or_else(|| "4G".parse().expect("an amount")),
        cpus: section.parsed("cpus").unwrap_or_else(|| "2".parse().expect("an amount")),
        tasks: section.parsed("tasks").unwrap_or_else(|| "4096".parse().expect("an amount")),
    }
}

fn credentials(agent: &mut Section) -> Vec<Credential> {
    let credentials = agent.sections("credential", credential);
    for (index, one) in credentials.iter().enumerate() {
        // Inside they would be one file, of whichever comes last.
        if credentials[..index].iter().any(|other| other.name == one.name) {
            agent.problem(
                "credential",
                format!("`{}` is there twice: each needs a name of its own", one.name),
            );
        }
    }
    credentials
}

fn credential(section: &mut Section) -> Option<Credential> {
    let name = section.required("name");
    let source: Option<PathBuf> = section.checked("source", check_absolute).map(Into::into);
    if source.is_none() && !section.has_problem("source") {
        section.problem("source", "is missing: name the file on the host".to_owned());
    }
    let owner = section.choice("owner", &OWNERS).unwrap_or(Owner::Agent);
    let mode = section.parsed("mode").unwrap_or(Mode::OWNER_READS);
    name.zip(source).map(|(name, source)| Credential { name, source, owner, mode })
}

fn deadlines(top: &mut Section) -> Deadlines {
    top.section("deadlines", |section| Deadlines {
        boot: section.duration("boot").unwrap_or(SignedDuration::from_mins(2)),
        stop: section.duration("stop").unwrap_or(SignedDuration::from_secs(30)),
        build: section.duration("build").unwrap_or(SignedDuration::from_hours(1)),
    })
}

fn check_flake(text: &str) -> Result<(), String> {
    let is_plain =
        !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_graphic() && c != '#');
    is_plain.then_some(()).ok_or_else(|| {
        format!(
            "`{}` is no flake: write it without `#`, such as `path:/etc/berth/closures`",
            text.escape_debug()
        )
    })
}

fn check_host(text: &str) -> Result<(), String> {
    let is_host = !text.is_empty()
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:@_".contains(&b));
    is_host.then_some(()).ok_or_else(|| format!("`{}` is no host name or address", text.escape_debug()))
}

fn check_absolute(text: &str) -> Result<(), String> {
    let is_absolute = text.starts_with('/') && !text.contains('\0');
    is_absolute.then_some(()).ok_or_else(|| format!("`{}` is no absolute path", text.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::parse("").expect("defaults");
        assert_eq!(config.subnet.to_string(), "10.100.0.0/16");
        assert_eq!(config.closures, "path:/etc/berth/closures");
        assert_eq!(config.agent.ttl, None);
        assert_eq!(config.agent.limits.memory.to_string(), "4G");
        assert_eq!(config.deadlines.boot, SignedDuration::from_mins(2));
    }

    #[test]
    fn every_key_is_read() {
        let config = Config::parse(
            r#"
            subnet = "10.7.0.0/20"
            closures = "github:acme/closures"
            public_host = "berth.example.com"
            ownership = "chown"

            [agent]
            ttl = "8h"
            memory = "8G"
            cpus = "1.5"
            tasks = 2048
            authorized_keys = ["ssh-ed25519 AAAAC3Nza ada"]

            [[agent.credential]]
            name = "claude"
            source = "/run/secrets/claude"
            owner = "root"
            mode = "0600"

            [preview]
            domain = "Preview.Example.com"
            forge = "https://git.example.com:8443/forge"
            token = "/run/secrets/forge"
            ttl = "14d"
            memory = "2G"
            cpus = "1"
            tasks = 512
            default_repository = "Acme/Site"
            default_configuration = true
            reserved = ["shop"]
            token_repositories = ["acme/old"]

            [preview.tls]
            mode = "acme"
            dns = "cloudflare"
            token_variable = "CLOUDFLARE_TOKEN"

            [[preview.secret]]
            name = "STRIPE_KEY"
            source = "/run/secrets/stripe"
            repositories = ["acme/shop", "acme/site"]

            [preview.caddy]
            config = "/etc/caddy/caddy_config"
            admin = "localhost:2019"

            [preview.postgres]
            socket = "/run/pg"
            role = "berth_admin"

            [preview.bounds]
            repository = "1G"
            evaluation_memory = "2G"
            evaluation_time = "1m"
            build_silence = "5m"
            closure = "4G"
            free = "1G"
            closures_kept = 5

            [preview.deadlines]
            fetch = "5m"
            setup = "20m"
            ready = "1m"
            drain = "5s"

            [github]
            token = "/run/secrets/github"
            webhook_secret = "/run/secrets/webhook"
            repositories = ["acme/*", "other/one"]

            [daemon]
            workers = 3
            starts = 8
            attempts = 5
            reconcile = "30s"
            compare = "10m"
            shutdown = "20s"
            spool = "/run/spool"

            [deadlines]
            boot = "3m"
            stop = "10s"
            build = "30m"
            "#,
        )
        .expect("a good file");
        insta::assert_debug_snapshot!(config);
    }

    #[test]
    fn all_problems_are_told_at_once() {
        let error = Config::parse(
            r#"
            subnet = "10.100.1.0/16"
            closure = "path:/x"
            closures = "path:/x#agent"
            public_host = "-oProxyCommand=id"
            ownership = "mapped"

            [agent]
            ttl = "1y"
            memory = "lots"
            cpus = 0
            tasks = "4096 "
            authorized_keys = ["rubbish", 7]
            colour = "blue"

            [[agent.credential]]
            name = "../passwd"
            source = "secrets"
            mode = "0644"

            [[agent.credential]]
            name = "token"

            [deadlines]
            boot = "-1s"

            [previews]
            "#,
        )
        .expect_err("a bad file");
        insta::assert_snapshot!(error);
    }

    #[test]
    fn all_problems_of_previews_are_told_at_once() {
        let error = Config::parse(
            r#"
            [preview]
            forge = "ssh://git@example.com/"
            default_configuration = "yes"
            reserved = ["Shop"]
            default_repository = "site"
            token_repositories = ["acme/old"]

            [preview.tls]
            mode = "files"
            certificate = "cert.pem"

            [[preview.secret]]
            name = "STRIPE-KEY"
            source = "stripe"

            [[preview.secret]]
            name = "A"
            source = "/a"
            repositories = ["acme/shop"]

            [[preview.secret]]
            name = "A"
            source = "/b"
            repositories = ["acme/site"]

            [preview.caddy]
            admin = "--x"

            [preview.postgres]
            role = "berth; drop"

            [preview.bounds]
            closure = "much"
            "#,
        )
        .expect_err("a bad file");
        insta::assert_snapshot!(error);
    }

    #[test]
    fn two_credentials_of_one_name_are_refused() {
        let credential = |name: &str| format!("[[agent.credential]]\nname = \"{name}\"\nsource = \"/x\"\n");
        Config::parse(&[credential("a"), credential("b")].concat()).expect("two names");
        let twice = [credential("a"), credential("b"), credential("a")].concat();
        insta::assert_snapshot!(Config::parse(&twice).expect_err("one name"), @"
        the configuration has 1 problem:
          `agent.credential`: `a` is there twice: each needs a name of its own
        ");
    }

    #[test]
    fn text_that_is_no_toml_is_told_with_its_line() {
        insta::assert_snapshot!(Config::parse("subnet = \n").expect_err("no value"));
    }
}
