//! What concerns previews: the section `[preview]`.

use std::path::PathBuf;
use std::str::FromStr;

use jiff::SignedDuration;
use thiserror::Error;

use super::reader::Section;
use super::{check_absolute, limits};
use crate::env_file::EnvName;
use crate::limits::Memory;
use crate::site::Tls;
use crate::{Domain, Limits, Name, RepoName, Ttl};

/// Where previews come from, where they are served, and what they may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewConfig {
    /// Below which each has its host name.
    pub domain: Domain,
    /// The certificate of that domain's wildcard.
    pub tls: Tls,
    /// Where the repositories are.
    pub forge: Forge,
    /// A file with the token that may read them.
    pub token: Option<PathBuf>,
    /// How long a preview lives when `--ttl` is not given; for ever if nothing.
    pub ttl: Option<Ttl>,
    /// What a preview may use.
    pub limits: Limits,
    /// The repository whose pull requests are known by their number alone.
    pub default_repository: Option<RepoName>,
    /// Whether a repository without a `preview-config.nix` gets the host's own.
    pub allows_default_configuration: bool,
    /// Names that no preview may have, beyond Berth's own list.
    pub reserved: Vec<Name>,
    /// Secrets of the host, and who gets them.
    pub secrets: Vec<SecretGrant>,
    /// The repositories whose previews are given the forge's token.
    pub token_repositories: Vec<RepoName>,
    /// The web server.
    pub caddy: CaddyConfig,
    /// The host's PostgreSQL.
    pub postgres: PostgresConfig,
    /// How much repositories may ask of the host.
    pub bounds: Bounds,
    /// How long things may take.
    pub deadlines: PreviewDeadlines,
}

/// A secret of the host that some repositories' previews get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretGrant {
    /// The variable, as a repository asks for it in `hostSecrets`.
    pub name: EnvName,
    /// The file on the host.
    pub source: PathBuf,
    /// Who gets it when they ask.
    pub repositories: Vec<RepoName>,
}

/// How to reach Caddy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaddyConfig {
    /// The operator's Caddyfile, which imports the site of the previews.
    pub config: PathBuf,
    /// Its admin endpoint, as `caddy reload --address` takes it.
    pub admin: String,
}

impl Default for CaddyConfig {
    /// As the NixOS module sets Caddy up.
    fn default() -> Self {
        Self { config: "/etc/caddy/Caddyfile".into(), admin: "unix//run/caddy/admin.sock".to_owned() }
    }
}

/// How to reach `PostgreSQL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresConfig {
    /// The folder of its socket.
    pub socket: PathBuf,
    /// The role that makes databases and roles.
    pub role: String,
}

impl Default for PostgresConfig {
    /// As PostgreSQL has its socket, and the role that the NixOS module makes.
    fn default() -> Self {
        Self { socket: "/run/postgresql".into(), role: "berth".to_owned() }
    }
}

/// How much repositories may ask of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The largest pack that a fetch may bring.
    pub repository: Memory,
    /// The memory of an evaluation.
    pub evaluation_memory: Memory,
    /// The time of an evaluation.
    pub evaluation_time: SignedDuration,
    /// How long a build may say nothing.
    pub build_silence: SignedDuration,
    /// The largest closure.
    pub closure: Memory,
    /// What a build must leave free on the store's file system.
    pub free: Memory,
    /// How many closures that no preview uses are kept.
    pub closures_kept: usize,
}

/// How long the steps of a deployment may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PreviewDeadlines {
    /// Fetching a commit.
    pub fetch: SignedDuration,
    /// The setup service.
    pub setup: SignedDuration,
    /// From the start of the app services until the preview is up: it answers,
    /// and something listens at every port that a route leads to.
    pub ready: SignedDuration,
    /// How long connections to the old site may go on after a switch.
    pub drain: SignedDuration,
}

/// The base of the URLs of repositories: `BASE/OWNER/NAME.git`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forge(String);

/// A text that is no base of repositories' URLs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no base of repositories: write such as `https://github.com`, without a user or a `/` at the end"
)]
pub struct ForgeError(String);

impl Forge {
    /// The base, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Forge {
    type Err = ForgeError;

    fn from_str(text: &str) -> Result<Self, ForgeError> {
        let rest = ["https://", "http://", "file:///"].iter().find_map(|scheme| text.strip_prefix(scheme));
        let is_base = rest.is_some_and(|rest| {
            !rest.is_empty()
                && !rest.starts_with('-')
                && !rest.ends_with('/')
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-:/[]".contains(&b))
        });
        if is_base { Ok(Self(text.to_owned())) } else { Err(ForgeError(text.escape_debug().to_string())) }
    }
}

/// Reads the section; nothing when it is not there.
pub(super) fn preview(top: &mut Section) -> Option<PreviewConfig> {
    top.section_if_any("preview", |section| {
        let domain = section.required("domain");
        let token = path(section, "token");
        let token_repositories: Vec<RepoName> = section.parsed_list("token_repositories");
        if token.is_none() && !token_repositories.is_empty() {
            section.problem(
                "token_repositories",
                "there is no `token` to give them: what `[github]` has is given to no preview".to_owned(),
            );
        }
        let rest = Rest {
            tls: section.section("tls", tls),
            forge: section.parsed("forge").unwrap_or_else(|| Forge("https://github.com".to_owned())),
            ttl: section.parsed("ttl"),
            limits: limits(section),
            default_repository: section.parsed("default_repository"),
            allows_default_configuration: section.boolean("default_configuration").unwrap_or(false),
            reserved: section.parsed_list("reserved"),
            secrets: secrets(section),
            caddy: section.section("caddy", caddy),
            postgres: section.section("postgres", postgres),
            bounds: section.section("bounds", bounds),
            deadlines: section.section("deadlines", deadlines),
        };
        domain.map(|domain| rest.with(domain, token, token_repositories))
    })
    .flatten()
}

/// All but what decides whether there are previews at all: it is read first,
/// so that every problem is told.
struct Rest {
    tls: Tls,
    forge: Forge,
    ttl: Option<Ttl>,
    limits: Limits,
    default_repository: Option<RepoName>,
    allows_default_configuration: bool,
    reserved: Vec<Name>,
    secrets: Vec<SecretGrant>,
    caddy: CaddyConfig,
    postgres: PostgresConfig,
    bounds: Bounds,
    deadlines: PreviewDeadlines,
}

impl Rest {
    fn with(
        self,
        domain: Domain,
        token: Option<PathBuf>,
        token_repositories: Vec<RepoName>,
    ) -> PreviewConfig {
        PreviewConfig {
            domain,
            tls: self.tls,
            forge: self.forge,
            token,
            ttl: self.ttl,
            limits: self.limits,
            default_repository: self.default_repository,
            allows_default_configuration: self.allows_default_configuration,
            reserved: self.reserved,
            secrets: self.secrets,
            token_repositories,
            caddy: self.caddy,
            postgres: self.postgres,
            bounds: self.bounds,
            deadlines: self.deadlines,
        }
    }
}

fn tls(section: &mut Section) -> Tls {
    #[derive(Clone, Copy)]
    enum Mode {
        Internal,
        Files,
        Acme,
    }
    let modes = [("internal", Mode::Internal), ("files", Mode::Files), ("acme", Mode::Acme)];
    let mode = section.choice("mode", &modes).unwrap_or(Mode::Internal);
    let tls = match mode {
        Mode::Internal => Some(Tls::Internal),
        Mode::Files => {
            let files = path(section, "certificate").zip(path(section, "key"));
            if files.is_none() {
                section
                    .problem("mode", "`files` needs `certificate` and `key`, as absolute paths".to_owned());
            }
            files.map(|(certificate, key)| Tls::Files { certificate, key })
        }
        Mode::Acme => {
            let dns = section.required("dns");
            let token = section.required("token_variable");
            dns.zip(token).map(|(dns, token)| Tls::Acme { dns, token })
        }
    };
    tls.unwrap_or(Tls::Internal)
}

fn path(section: &mut Section, key: &'static str) -> Option<PathBuf> {
    section.checked(key, check_absolute).map(Into::into)
}

fn secrets(section: &mut Section) -> Vec<SecretGrant> {
    let secrets = section.sections("secret", |section| {
        let name: Option<EnvName> = section.required("name");
        let source = path(section, "source");
        if source.is_none() && !section.has_problem("source") {
            section.problem("source", "is missing: name the file on the host".to_owned());
        }
        let repositories = section.parsed_list("repositories");
        if repositories.is_empty() && !section.has_problem("repositories") {
            section.problem("repositories", "is missing: name who gets it, such as `acme/shop`".to_owned());
        }
        name.zip(source).map(|(name, source)| SecretGrant { name, source, repositories })
    });
    for (index, one) in secrets.iter().enumerate() {
        if secrets[..index].iter().any(|other| other.name == one.name) {
            section
                .problem("secret", format!("`{}` is there twice: list all `repositories` in one", one.name));
        }
    }
    secrets
}

fn caddy(section: &mut Section) -> CaddyConfig {
    let default = CaddyConfig::default();
    CaddyConfig {
        config: path(section, "config").unwrap_or(default.config),
        admin: section.checked("admin", check_admin).unwrap_or(default.admin),
    }
}

fn postgres(section: &mut Section) -> PostgresConfig {
    let default = PostgresConfig::default();
    PostgresConfig {
        socket: path(section, "socket").unwrap_or(default.socket),
        role: section.checked("role", check_role).unwrap_or(default.role),
    }
}

fn bounds(section: &mut Section) -> Bounds {
    let amount = |text: &str| text.parse::<Memory>().expect("an amount");
    Bounds {
        repository: section.parsed("repository").unwrap_or_else(|| amount("2G")),
        evaluation_memory: section.parsed("evaluation_memory").unwrap_or_else(|| amount("4G")),
        evaluation_time: section.duration("evaluation_time").unwrap_or(SignedDuration::from_mins(2)),
        build_silence: section.duration("build_silence").unwrap_or(SignedDuration::from_mins(15)),
        closure: section.parsed("closure").unwrap_or_else(|| amount("10G")),
        free: section.parsed("free").unwrap_or_else(|| amount("5G")),
        closures_kept: section.parsed("closures_kept").unwrap_or(20),
    }
}

fn deadlines(section: &mut Section) -> PreviewDeadlines {
    PreviewDeadlines {
        fetch: section.duration("fetch").unwrap_or(SignedDuration::from_mins(10)),
        setup: section.duration("setup").unwrap_or(SignedDuration::from_mins(15)),
        ready: section.duration("ready").unwrap_or(SignedDuration::from_mins(2)),
        drain: section.duration("drain").unwrap_or(SignedDuration::from_secs(10)),
    }
}

fn check_admin(text: &str) -> Result<(), String> {
    let is_address = !text.is_empty()
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"./_:[]-".contains(&b));
    is_address.then_some(()).ok_or_else(|| {
        format!("`{}` is no address: write such as `unix//run/caddy/admin.sock`", text.escape_debug())
    })
}

fn check_role(text: &str) -> Result<(), String> {
    let is_role = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_role
        .then_some(())
        .ok_or_else(|| format!("`{}` is no role: take 1 to 63 of `a-z`, `0-9` and `_`", text.escape_debug()))
}
