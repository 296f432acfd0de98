//! Why an operation on previews came to nothing.

use berth_core::config::Forge;
use berth_core::env_file::EnvName;
use berth_core::meta::UnitName;
use berth_core::slug::SlugError;
use berth_core::{CommitSha, Name, PreviewPhase, RepoName, Subnet};
use thiserror::Error;

use crate::agents::{Detail, chain};
use crate::apply::ApplyError;
use crate::containers::ContainersError;
use crate::database_password::DatabasePasswordError;
use crate::environment::EnvironmentError;
use crate::firewall_table::TableError;
use crate::github::{GitHubError, OpenGitHubError};
use crate::guests::GuestError;
use crate::inventory::InventoryError;
use crate::lock::LockError;
use crate::network::ProbeError;
use crate::postgres::PostgresError;
use crate::preview_closures::PreviewClosureError;
use crate::repos::RepoError;
use crate::routes::RouteError;
use crate::secret_file::SecretFileError;
use crate::state::StateError;
use crate::systemd::SystemdError;

/// Why an operation came to nothing.
#[derive(Debug, Error)]
pub enum PreviewError {
    /// The operator has configured none.
    #[error(
        "this host has no previews: set `preview.domain` in /etc/berth/berth.toml to the domain below which they are served"
    )]
    NotConfigured,
    /// There is no preview of this slug.
    #[error(
        "there is no preview `{slug}`; {}",
        near.as_ref().map_or_else(|| "see `preview list`".to_owned(), |near| format!("did you mean `{near}`?"))
    )]
    NotFound {
        /// The slug.
        slug: Name,
        /// One that there is, and that may be meant.
        near: Option<Name>,
    },
    /// That cannot be a slug.
    #[error(transparent)]
    Slug(#[from] SlugError),
    /// Another process works on this preview.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// It could not be deployed for the first time.
    #[error("could not create the preview `{slug}`")]
    Create {
        /// The slug.
        slug: Name,
        /// The first thing that went wrong.
        source: Box<DeployError>,
        /// Logs, and what was taken back or kept.
        details: Vec<Detail>,
    },
    /// It could not be brought to another commit.
    #[error(
        "could not update the preview `{slug}`; {}",
        if *serves_on { "it serves on what it did" } else { "nobody knows whether it still answers" }
    )]
    Update {
        /// The slug.
        slug: Name,
        /// Whether what was deployed before serves on.
        serves_on: bool,
        /// The first thing that went wrong.
        source: Box<DeployError>,
        /// Logs, and what was taken back.
        details: Vec<Detail>,
    },
    /// It could not be started again.
    #[error("could not restart the preview `{slug}`")]
    Restart {
        /// The slug.
        slug: Name,
        /// The first thing that went wrong.
        source: Box<DeployError>,
        /// Logs.
        details: Vec<Detail>,
    },
    /// Its closure could not be built.
    #[error("could not build what {source_text} declares")]
    Build {
        /// Repository and branch.
        source_text: String,
        /// Why.
        source: Box<DeployError>,
    },
    /// Something of it could not be removed. Its record stays, so that nothing
    /// is given away.
    #[error(
        "could not remove all of the preview `{slug}`; mend what is named and run `preview destroy {slug}` again"
    )]
    Destroy {
        /// The slug.
        slug: Name,
        /// Everything that is still there, with its reason.
        left: Vec<String>,
    },
    /// Somebody interrupted it while another process worked on the preview.
    #[error("interrupted while another process worked on the preview `{slug}`; nothing was changed")]
    Interrupted {
        /// The slug.
        slug: Name,
    },
    /// Not possible in this phase.
    #[error("the preview `{slug}` is {phase}; {way_out}")]
    WrongPhase {
        /// The slug.
        slug: Name,
        /// Its phase.
        phase: PreviewPhase,
        /// What to do instead.
        way_out: String,
    },
    /// systemd could not be asked.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The containers could not be listed.
    #[error(transparent)]
    Containers(#[from] ContainersError),
    /// The host could not be looked at.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
}

/// Which step of a deployment came to nothing, and why.
#[derive(Debug, Error)]
pub enum DeployError {
    /// The commit could not be fetched or shown to the preview.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// The forge's token.
    #[error("the token of the forge cannot be used: set `preview.token` to a file that root can read")]
    Token(#[source] SecretFileError),
    /// GitHub cannot be asked for a token as it is configured.
    #[error(transparent)]
    GitHub(#[from] OpenGitHubError),
    /// GitHub gives no token for git.
    #[error("GitHub gives no token to read `{repo}`")]
    NoToken {
        /// The repository.
        repo: RepoName,
        /// Why.
        source: GitHubError,
    },
    /// The forge shows no such repository, and the App is not there to see it.
    #[error(
        "there is no `{repo}` at `{}`, or it is private and the GitHub App is not installed for it: install the \
         App there",
        forge.as_str()
    )]
    NotInstalled {
        /// The repository.
        repo: RepoName,
        /// Where it was looked for.
        forge: Forge,
    },
    /// There is nothing to build it from.
    #[error(
        "`{repo}` has no `preview-config.nix` at {}: add one, or let the operator allow the host's own with \
         `preview.default_configuration`",
        commit.short()
    )]
    NoConfiguration {
        /// The repository.
        repo: RepoName,
        /// The commit.
        commit: CommitSha,
    },
    /// The closure could not be built.
    #[error(transparent)]
    Closure(#[from] PreviewClosureError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The database.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The database's password.
    #[error(transparent)]
    Password(#[from] DatabasePasswordError),
    /// What the services are told.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// A host name that it asks for.
    #[error("the host name `{label}` is kept for the host itself: choose another `prefix` in `extraHosts`")]
    HostReserved {
        /// Its first label.
        label: Name,
    },
    /// A secret that it asks for and was not granted.
    #[error(
        "`{name}` is not granted to `{repo}`: the operator can add the repository to its `[[preview.secret]]`, \
         or leave it out of `hostSecrets`"
    )]
    NotGranted {
        /// The variable.
        name: EnvName,
        /// Who asked for it.
        repo: RepoName,
    },
    /// The firewall.
    #[error(transparent)]
    Firewall(#[from] TableError),
    /// Every slot of the subnet is taken.
    #[error(
        "all {taken} berths of {subnet} are taken; destroy what is not needed or configure a larger `subnet`"
    )]
    Full {
        /// The configured subnet.
        subnet: Subnet,
        /// How many berths there are.
        taken: usize,
    },
    /// The berth is locked by somebody else.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The host could not be looked at.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// systemd could not be asked.
    #[error(transparent)]
    Systemd(#[from] SystemdError),
    /// The container could not be made or started.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// A service inside failed.
    #[error("`{unit}` failed inside the preview")]
    Service {
        /// Its unit.
        unit: UnitName,
        /// What systemd says, where it says more.
        source: GuestError,
    },
    /// A service inside failed while the first answer was waited for.
    #[error("`{unit}` failed inside the preview before it answered")]
    ServiceDied {
        /// Its unit.
        unit: UnitName,
    },
    /// The system inside could not be reached.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// Nothing answered in time.
    #[error(
        "nothing answered on port {port}, where a route leads, within {seconds} s; \
         raise `preview.deadlines.ready` if it only needs longer"
    )]
    NoAnswer {
        /// The port that a route leads to.
        port: u16,
        /// The deadline.
        seconds: u64,
        /// The last thing that was tried.
        source: ProbeError,
    },
    /// It answered, and not as it should.
    #[error("port {port} answered `{path}` with status {status}, which is not {expected}")]
    BadAnswer {
        /// The port of the route that was asked.
        port: u16,
        /// The path.
        path: String,
        /// What it answered.
        status: u16,
        /// What would have been right.
        expected: String,
    },
    /// The web server did not take the route.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// The container has no address any more.
    #[error("slot {slot} lies outside `subnet` {subnet}")]
    NoAddress {
        /// The slot.
        slot: u16,
        /// The configured subnet.
        subnet: Subnet,
    },
    /// Its container is gone.
    #[error("its container is not there any more; run `preview update` with `--force`")]
    NoBerth,
    /// Somebody interrupted it.
    #[error("interrupted while it was {doing}")]
    Interrupted {
        /// What was being done.
        doing: String,
    },
}

impl DeployError {
    /// Whether somebody interrupted the operation.
    pub fn is_interrupt(&self) -> bool {
        matches!(
            self,
            Self::Interrupted { .. }
                | Self::Closure(PreviewClosureError::Interrupted)
                | Self::Apply(ApplyError::Interrupted { .. })
        )
    }
}

impl PreviewError {
    /// What belongs to the error beyond its chain of causes.
    pub fn details(&self) -> Vec<Detail> {
        match self {
            Self::Create { details, .. } | Self::Update { details, .. } | Self::Restart { details, .. } => {
                details.clone()
            }
            Self::Destroy { left, .. } => {
                vec![Detail { title: "still there".to_owned(), lines: left.clone() }]
            }
            Self::NotConfigured
            | Self::NotFound { .. }
            | Self::Slug(_)
            | Self::Lock(_)
            | Self::State(_)
            | Self::Build { .. }
            | Self::Interrupted { .. }
            | Self::WrongPhase { .. }
            | Self::Systemd(_)
            | Self::Containers(_)
            | Self::Inventory(_) => Vec::new(),
        }
    }

    /// Whether somebody interrupted the operation.
    pub fn is_interrupt(&self) -> bool {
        match self {
            Self::Create { source, .. }
            | Self::Update { source, .. }
            | Self::Restart { source, .. }
            | Self::Build { source, .. } => source.is_interrupt(),
            Self::Interrupted { .. } => true,
            Self::NotConfigured
            | Self::NotFound { .. }
            | Self::Slug(_)
            | Self::Lock(_)
            | Self::State(_)
            | Self::Destroy { .. }
            | Self::WrongPhase { .. }
            | Self::Systemd(_)
            | Self::Containers(_)
            | Self::Inventory(_) => false,
        }
    }

    /// The error and its causes on one line, for records.
    pub fn on_one_line(&self) -> String {
        let details = self.details().into_iter().flat_map(|detail| detail.lines);
        std::iter::once(chain(self)).chain(details).collect::<Vec<_>>().join("; ")
    }
}
