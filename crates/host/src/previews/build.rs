//! Building what a branch declares, without deploying it.

use berth_core::{CommitSha, Meta, StorePath};

use super::{PreviewError, Source, config, deploy};
use crate::agents::Actor;
use crate::host::Host;
use crate::progress::{Interrupt, Progress};
use crate::state::{NewEvent, Outcome};

/// What a build made, or found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewBuilt {
    /// The commit.
    pub commit: CommitSha,
    /// The system.
    pub system: StorePath,
    /// What it declares.
    pub meta: Meta,
    /// The bytes of the whole closure.
    pub size: u64,
}

/// Builds the closure of a branch or a pull request, so that a create finds it
/// there.
pub async fn build(
    host: &Host,
    source: &Source,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<PreviewBuilt, PreviewError> {
    let config = config(host)?;
    let repository = host.state.repository_number(&source.repo, (host.now)()).await?;
    let built = async {
        let commit = deploy::fetch(host, config, repository, source, None, progress, interrupt).await?;
        let closure =
            deploy::closure(host, config, repository, source, &commit, None, progress, interrupt).await?;
        Ok((commit, closure))
    };
    let what = || format!("{} of {}", source.branch, source.repo);
    let built = built.await;
    let event = NewEvent {
        at: (host.now)(),
        actor: by.to_string(),
        kind: berth_core::Kind::Preview,
        name: None,
        container: None,
        action: "build".to_owned(),
        outcome: if built.is_ok() { Outcome::Succeeded } else { Outcome::Failed },
        detail: Some(what()),
    };
    host.note(event).await;
    match built {
        Ok((commit, closure)) => {
            Ok(PreviewBuilt { commit, system: closure.system, meta: closure.meta, size: closure.size })
        }
        Err(source) => Err(PreviewError::Build { source_text: what(), source: Box::new(source) }),
    }
}
