//! Deploying a branch or a pull request for the first time.

use berth_core::config::PreviewConfig;
use berth_core::preview_phase::PreviewEvent;
use berth_core::slug::{SlugError, check_slug};
use berth_core::{CommitSha, Name, PreviewPhase, Ttl};

use super::deploy::{self, Failed, Target};
use super::destroy::destroy_record;
use super::{
    DeployError, PreviewError, Source, config, database, find, lock, new_berth, note, ready, route, services,
};
use crate::agents::{Actor, Detail, chain};
use crate::host::Host;
use crate::lock::Lock;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, Deployment, NewPreview, Outcome, PreviewRecord, StateError};

/// How often a record is made again that a repair took for one of a killed
/// process, in the moment before it was locked.
const RESERVATIONS: usize = 5;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CreateOptions {
    /// What is to be deployed.
    pub source: Source,
    /// The slug; made from the source if nothing.
    pub slug: Option<Name>,
    /// How long it lives; as configured if nothing.
    pub ttl: Option<Ttl>,
    /// Whether to wait until it answers.
    pub wait: bool,
    /// Whether what fails stays for a look.
    pub keeps_failed: bool,
    /// Whether it may have secrets of the host.
    pub is_trusted: bool,
}

/// Deploys a branch or a pull request. What fails stays as it is, in phase
/// `failed`, unless the caller wants it taken back; what is interrupted is taken
/// back.
pub async fn create(
    host: &Host,
    options: CreateOptions,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<PreviewRecord, PreviewError> {
    let config = config(host)?;
    refuse_reserved(config, options.slug.as_ref())?;
    let (record, _lock) = record(host, config, &options, by).await?;
    note(host, by, &record, "create", Outcome::Began, None).await;
    let mut deployment = FirstDeployment {
        host,
        config,
        record: &record,
        commit: options.source.commit,
        wait: options.wait,
        by,
        progress,
        interrupt,
        phase: PreviewPhase::Building,
        failed_before: None,
    };
    match deployment.run().await {
        Ok(()) => {
            note(host, by, &record, "create", Outcome::Succeeded, None).await;
            find(host, &record.slug).await
        }
        Err(failed) => {
            // What was not even fetched is most often a slip of the fingers.
            let has_nothing = matches!(failed.source, DeployError::Repo(_) | DeployError::Token(_));
            let keeps = options.keeps_failed && !failed.source.is_interrupt() && !has_nothing;
            Err(give_up(host, &record, failed, keeps, "create", by, progress).await)
        }
    }
}

/// A name that the host keeps for itself must not be taken over.
fn refuse_reserved(config: &PreviewConfig, slug: Option<&Name>) -> Result<(), PreviewError> {
    let Some(slug) = slug else { return Ok(()) };
    check_slug(slug.as_str())?;
    if config.reserved.contains(slug) {
        return Err(PreviewError::Slug(SlugError::Reserved { slug: slug.clone() }));
    }
    Ok(())
}

/// A record in phase `building` with its lock held.
async fn record(
    host: &Host,
    config: &PreviewConfig,
    options: &CreateOptions,
    by: &Actor,
) -> Result<(PreviewRecord, Lock), PreviewError> {
    let now = (host.now)();
    let new = NewPreview {
        repo: options.source.repo.clone(),
        branch: options.source.branch.clone(),
        pull: options.source.pull,
        slug: options.slug.clone(),
        default_repository: config.default_repository.clone(),
        reserved: config.reserved.clone(),
        is_trusted: options.is_trusted,
        limits: config.limits,
        created_by: by.to_string(),
        created_at: now,
        expires_at: options.ttl.or(config.ttl).map(|ttl| ttl.end(now)),
    };
    let mut last = None;
    for _ in 0..RESERVATIONS {
        let record = host.state.add_preview(new.clone()).await?;
        let lock = match lock(host, &record, "create", None).await {
            Ok(lock) => lock,
            Err(error) => {
                give_back(host, &record).await;
                return Err(error);
            }
        };
        match host.state.preview_of(record.id).await? {
            Some(now) if now == record => return Ok((record, lock)),
            Some(_) | None => last = Some(StateError::PreviewGone { id: record.id }),
        }
    }
    Err(last.expect("the loop ran").into())
}

/// Gives back a slug of which nothing is used yet. If that fails, the next
/// repair does it.
async fn give_back(host: &Host, record: &PreviewRecord) {
    let given = async {
        host.state.advance_preview(record.id, record.phase, PreviewEvent::DestroyBegan, None).await?;
        host.state.advance_preview(record.id, PreviewPhase::Destroying, PreviewEvent::Removed, None).await
    };
    if let Err(error) = given.await {
        tracing::error!(slug = %record.slug, %error, "the slug of a preview is for the next repair");
    }
}

/// A deployment of a preview that serves nothing yet.
pub(super) struct FirstDeployment<'a> {
    pub(super) host: &'a Host,
    pub(super) config: &'a PreviewConfig,
    pub(super) record: &'a PreviewRecord,
    pub(super) commit: Option<CommitSha>,
    pub(super) wait: bool,
    pub(super) by: &'a Actor,
    pub(super) progress: &'a dyn Progress,
    pub(super) interrupt: &'a Interrupt,
    /// How far it is.
    pub(super) phase: PreviewPhase,
    /// Why an earlier deployment came to nothing. It stays in the record until
    /// this one serves: a repair keeps what was kept before.
    pub(super) failed_before: Option<String>,
}

impl FirstDeployment<'_> {
    /// Deploys. What it did until a failure stays, for the caller to keep or to
    /// take back.
    pub(super) async fn run(&mut self) -> Result<(), Failed> {
        let Self { host, config, record, progress, interrupt, .. } = *self;
        let target = deploy::target(host, config, record, self.commit.clone(), progress, interrupt).await?;
        host.state.set_hosts(record.id, &route::free_labels(config, record, target.meta())?).await?;
        self.advance(PreviewEvent::Built).await?;
        database::ensure(host, record, target.meta(), progress).await?;
        progress.step("hand the commit over");
        deploy::publish(host, record, &target.commit).await?;
        let (berth, _lock) = new_berth::make(host, record, &target, self.by, progress, interrupt).await?;
        host.state.set_preview_berth(record.id, berth.id).await?;
        self.advance(PreviewEvent::Started).await?;
        let served = self.serve(&target, &berth).await;
        if let Err(source) = served {
            let details = deploy::service_logs(host, berth.container, target.meta(), &source).await;
            return Err(Failed { source, details });
        }
        Ok(())
    }

    async fn serve(&mut self, target: &Target, berth: &BerthRecord) -> Result<(), DeployError> {
        let Self { host, config, record, progress, interrupt, .. } = *self;
        let meta = target.meta();
        let event = if self.wait {
            services::start(host, berth.container, meta, progress, interrupt).await?;
            ready::await_answer(host, config, record, meta, berth, progress, interrupt).await?;
            PreviewEvent::Answered
        } else {
            services::leave_alone(host, berth.container, meta).await?;
            PreviewEvent::LeftAlone
        };
        progress.step("lead requests to it");
        route::lead_to(host, config, record, meta, berth).await?;
        let deployed = Deployment {
            commit: target.commit.clone(),
            meta: meta.clone(),
            inputs: target.inputs.clone(),
            berth: berth.id,
            at: (host.now)(),
        };
        self.phase = host.state.deploy(record.id, self.phase, event, &deployed).await?;
        Ok(())
    }

    async fn advance(&mut self, event: PreviewEvent) -> Result<(), StateError> {
        let reason = self.failed_before.as_deref();
        self.phase = self.host.state.advance_preview(self.record.id, self.phase, event, reason).await?;
        Ok(())
    }
}

/// Keeps what came to nothing as `failed`, or takes it back.
pub(super) async fn give_up(
    host: &Host,
    record: &PreviewRecord,
    failed: Failed,
    keeps: bool,
    action: &'static str,
    by: &Actor,
    progress: &dyn Progress,
) -> PreviewError {
    let Failed { source, mut details } = failed;
    let reason = chain(&source);
    note(host, by, record, action, Outcome::Failed, Some(reason.clone())).await;
    let detail =
        if keeps { keep(host, record, &reason).await } else { take_back(host, record, by, progress).await };
    details.push(detail);
    PreviewError::Create { slug: record.slug.clone(), source: Box::new(source), details }
}

async fn keep(host: &Host, record: &PreviewRecord, reason: &str) -> Detail {
    let slug = &record.slug;
    let kept = async {
        let now = host.state.preview_of(record.id).await?;
        let now = now.ok_or(StateError::PreviewGone { id: record.id })?;
        host.state.advance_preview(now.id, now.phase, PreviewEvent::Failed, Some(reason)).await?;
        Ok::<_, StateError>(now.berth.is_some())
    };
    let lines = match kept.await {
        Ok(true) => vec![
            format!("look at it with `preview logs {slug}` and `preview run {slug} --root -- bash`"),
            format!(
                "then try again with `preview update {slug}`, or remove it with `preview destroy {slug}`"
            ),
        ],
        Ok(false) => {
            vec![format!(
                "try again with `preview update {slug}`, or remove it with `preview destroy {slug}`"
            )]
        }
        Err(error) => vec![format!("it could not be marked as failed: {}", chain(&error))],
    };
    Detail { title: "it is kept".to_owned(), lines }
}

async fn take_back(host: &Host, record: &PreviewRecord, by: &Actor, progress: &dyn Progress) -> Detail {
    let taken = async {
        let now = host.state.preview_of(record.id).await?;
        let now = now.ok_or(StateError::PreviewGone { id: record.id })?;
        destroy_record(host, &now, by, "take back", progress).await
    };
    match taken.await {
        Ok(_) => Detail { title: "taken back".to_owned(), lines: vec!["nothing of it is left".to_owned()] },
        Err(error) => {
            let lines = vec![error.on_one_line(), "run `preview doctor --fix` when it is mended".to_owned()];
            Detail { title: "still there".to_owned(), lines }
        }
    }
}
