//! From the errors of deployments to what can be done about them.

use berth_host::preview_closures::{BuildFailure, PreviewClosureError};
use berth_host::previews::{DeployError, PreviewError};
use berth_host::state::StateError;

use super::{Fault, WayOut};
use crate::chain;

impl Fault {
    /// What an error of the operations on previews means for a lane. `scrub`
    /// takes secrets out of what was said.
    pub(super) fn of(error: &PreviewError, scrub: impl Fn(&str) -> String) -> Self {
        let (what, reason) = match error {
            PreviewError::Create { source, .. }
            | PreviewError::Update { source, .. }
            | PreviewError::Restart { source, .. }
            | PreviewError::Build { source, .. } => (step(source), chain(source.as_ref())),
            PreviewError::NotConfigured
            | PreviewError::NotFound { .. }
            | PreviewError::Slug(_)
            | PreviewError::Lock(_)
            | PreviewError::State(_)
            | PreviewError::Destroy { .. }
            | PreviewError::Interrupted { .. }
            | PreviewError::WrongPhase { .. }
            | PreviewError::Systemd(_)
            | PreviewError::Containers(_)
            | PreviewError::Inventory(_) => ("preview".to_owned(), chain(error)),
        };
        let lines: Vec<String> = error
            .details()
            .into_iter()
            .filter(|detail| detail.title.starts_with("the last lines"))
            .flat_map(|detail| detail.lines)
            .collect();
        Self { way_out: way_out(error), what, reason: scrub(&reason), log: scrub(&lines.join("\n")) }
    }
}

fn way_out(error: &PreviewError) -> WayOut {
    if error.is_interrupt() {
        return WayOut::Interrupted;
    }
    match error {
        PreviewError::Create { source, .. }
        | PreviewError::Update { source, .. }
        | PreviewError::Restart { source, .. }
        | PreviewError::Build { source, .. } => of_deployment(source),
        PreviewError::Slug(_) => WayOut::Push,
        PreviewError::WrongPhase { .. } => WayOut::Repair,
        PreviewError::Interrupted { .. } => WayOut::Interrupted,
        PreviewError::NotConfigured
        | PreviewError::NotFound { .. }
        | PreviewError::Lock(_)
        | PreviewError::State(_)
        | PreviewError::Destroy { .. }
        | PreviewError::Systemd(_)
        | PreviewError::Containers(_)
        | PreviewError::Inventory(_) => WayOut::Retry,
    }
}

/// What the repository itself says or does wrong is not cured by time.
fn of_deployment(error: &DeployError) -> WayOut {
    match error {
        DeployError::NoConfiguration { .. }
        | DeployError::NotGranted { .. }
        | DeployError::Service { .. }
        | DeployError::ServiceDied { .. }
        | DeployError::NoAnswer { .. }
        | DeployError::BadAnswer { .. }
        | DeployError::State(StateError::HostTaken { .. })
        | DeployError::Closure(PreviewClosureError::Build {
            source:
                BuildFailure::Nix(_)
                | BuildFailure::Realise(_)
                | BuildFailure::Meta(_)
                | BuildFailure::TooLarge { .. },
            ..
        }) => WayOut::Push,
        _ => WayOut::Retry,
    }
}

/// What failed, in a word or two.
fn step(error: &DeployError) -> String {
    let words = match error {
        DeployError::Service { unit, .. } | DeployError::ServiceDied { unit } => return unit.to_string(),
        DeployError::Repo(_)
        | DeployError::Token(_)
        | DeployError::GitHub(_)
        | DeployError::NoToken { .. }
        | DeployError::NotInstalled { .. } => "fetching the commit",
        DeployError::NoConfiguration { .. } => "preview-config.nix",
        DeployError::Closure(_) => "building the system",
        DeployError::Postgres(_) | DeployError::Password(_) => "the database",
        DeployError::Environment(_) | DeployError::NotGranted { .. } => "the settings",
        DeployError::NoAnswer { .. } | DeployError::BadAnswer { .. } => "the first answer",
        DeployError::Route(_) => "the route",
        DeployError::Apply(_) | DeployError::Guest(_) => "the container",
        _ => "the deployment",
    };
    words.to_owned()
}
