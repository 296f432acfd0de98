//! From a branch to everything that a deployment of it needs.

use berth_core::config::PreviewConfig;
use berth_core::guest::PreviewEnvironment;
use berth_core::{CommitSha, Gpu, Meta};

use super::{DeployError, Source, git_token, told, unless_interrupted};
use crate::agents::Detail;
use crate::environment;
use crate::host::{Host, duration};
use crate::preview_closures::{self, BuildLimits, ClosureRequest, PreviewClosure, PreviewClosureError};
use crate::progress::{Interrupt, Progress};
use crate::repos::{Fetch, FetchLimits, Wanted};
use crate::state::{PreviewRecord, RepositoryId};

/// How many lines of a service's log belong to an error.
const LINES: u32 = 30;

/// Why a deployment came to nothing, with the logs that tell more.
pub(super) struct Failed {
    pub(super) source: DeployError,
    pub(super) details: Vec<Detail>,
}

impl<E: Into<DeployError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self { source: error.into(), details: Vec::new() }
    }
}

/// A commit with its closure, and what its services are to be told.
pub(super) struct Target {
    pub(super) commit: CommitSha,
    pub(super) closure: PreviewClosure,
    pub(super) environment: PreviewEnvironment,
    /// The GPU that it gets, if its repository is granted it.
    pub(super) gpu: Option<Gpu>,
    /// A hash of what its services are told but for the commit, and of the GPU.
    pub(super) inputs: String,
}

impl Target {
    pub(super) fn meta(&self) -> &Meta {
        &self.closure.meta
    }
}

/// Fetches and builds what a preview is to become. Nothing of the preview
/// itself is changed.
pub(super) async fn target(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    commit: Option<CommitSha>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Target, DeployError> {
    let source =
        Source { repo: record.repo.clone(), branch: record.branch.clone(), pull: record.pull, commit };
    let commit = fetch(host, config, record.repository, &source, Some(record), progress, interrupt).await?;
    let see_log = format!("preview logs {} --build", record.slug);
    let closure =
        closure(host, config, record.repository, &source, &commit, Some(&see_log), progress, interrupt);
    let closure = match closure.await {
        Ok(closure) => {
            host.state.set_last_build(record.id, closure.id).await?;
            closure
        }
        Err(error) => {
            if let DeployError::Closure(PreviewClosureError::Build { build, .. }) = &error {
                host.state.set_last_build(record.id, *build).await?;
            }
            return Err(error);
        }
    };
    if !record.is_trusted && !closure.meta.host_secrets.is_empty() {
        progress.line("it asks for secrets of the host, and a pull request gets none unless it is trusted");
    }
    let environment = told::environment(host, config, record, &commit, &closure.meta)?;
    let gpu = told::gpu(&host.config, record);
    let inputs = environment::digest(&host.layout, host.config.subnet, &environment, gpu.as_ref())?;
    Ok(Target { commit, closure, environment, gpu, inputs })
}

/// Brings what is wanted into the repository's mirror.
pub(super) async fn fetch(
    host: &Host,
    config: &PreviewConfig,
    repository: RepositoryId,
    source: &Source,
    record: Option<&PreviewRecord>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<CommitSha, DeployError> {
    let wanted = source.pull.map_or_else(|| Wanted::Branch(source.branch.clone()), Wanted::Pull);
    progress.step(&format!("fetch {wanted} of {}", source.repo));
    let fetch = Fetch {
        mirror: repository.get(),
        repo: source.repo.clone(),
        forge: config.forge.clone(),
        token: None,
        preview: record.map(|record| record.id),
        wanted,
        commit: source.commit.clone(),
    };
    let limits =
        FetchLimits { deadline: duration(config.deadlines.fetch), largest: config.bounds.repository };
    let tell = |line: &str| progress.line(line);
    let doing = format!("fetching {}", source.repo);
    unless_interrupted(interrupt, &doing, git_token::fetch(host, config, fetch, limits, &tell)).await
}

/// Puts a commit where the preview's services find it. Short, so it hears no
/// interrupt: a git that is told to end would go on beside what takes it back.
pub(super) async fn publish(
    host: &Host,
    record: &PreviewRecord,
    commit: &CommitSha,
) -> Result<(), DeployError> {
    Ok(host.tools.repos.publish(record.id, record.repository.get(), &record.branch, commit).await?)
}

/// Builds what a commit declares, or finds it built.
#[expect(
    clippy::too_many_arguments,
    reason = "what to build, whom to tell and when to stop are three subjects"
)]
pub(super) async fn closure(
    host: &Host,
    config: &PreviewConfig,
    repository: RepositoryId,
    source: &Source,
    commit: &CommitSha,
    see_log: Option<&str>,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<PreviewClosure, DeployError> {
    progress.step("read preview-config.nix");
    let files = host.tools.repos.nix_files(repository.get(), commit);
    let files = unless_interrupted(interrupt, "reading preview-config.nix", files).await?;
    if !files.has_preview_config() && !config.allows_default_configuration {
        return Err(DeployError::NoConfiguration { repo: source.repo.clone(), commit: commit.clone() });
    }
    let bounds = &config.bounds;
    let limits = BuildLimits {
        evaluation_memory: bounds.evaluation_memory,
        evaluation_time: duration(bounds.evaluation_time),
        build_time: duration(host.config.deadlines.build),
        silent_time: duration(bounds.build_silence),
        closure_max: bounds.closure.bytes(),
        free_min: bounds.free.bytes(),
        keep: bounds.closures_kept,
    };
    let request = ClosureRequest { files: &files, settings: &[], limits: &limits, see_log };
    Ok(preview_closures::closure_for(host, &request, progress, interrupt).await?)
}

/// The last lines of the service that an error is about, or of all services
/// where nothing answered.
pub(super) async fn service_logs(
    host: &Host,
    container: berth_core::ContainerName,
    meta: &Meta,
    error: &DeployError,
) -> Vec<Detail> {
    let units: Vec<&str> = match error {
        DeployError::Service { unit, .. } | DeployError::ServiceDied { unit } => vec![unit.as_str()],
        DeployError::NoAnswer { .. } | DeployError::BadAnswer { .. } => {
            meta.app_services.iter().map(berth_core::meta::UnitName::as_str).collect()
        }
        _ => Vec::new(),
    };
    let mut details = Vec::new();
    for unit in units {
        // A log that cannot be read is no second error.
        if let Ok(tail) = host.tools.guests.unit_tail(container, unit, LINES).await
            && !tail.trim().is_empty()
        {
            let lines = tail.lines().map(str::to_owned).collect();
            details.push(Detail { title: format!("the last lines of {unit}"), lines });
        }
    }
    details
}
