//! Following new commits, without an outage.

use berth_core::config::PreviewConfig;
use berth_core::guest;
use berth_core::preview_phase::PreviewEvent;
use berth_core::{CommitSha, Name, PreviewPhase};

use super::again::deploy_again;
use super::deploy::{self, Failed, Target};
use super::restart::serving;
use super::units::Units;
use super::{
    DeployError, PreviewError, config, database, find, locked, new_berth, note, ready, route, services,
};
use crate::agents::{Actor, Detail, chain};
use crate::environment;
use crate::guests::GuestFile;
use crate::host::Host;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, Deployment, Outcome, PreviewRecord, StateError};

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateOptions {
    /// The commit; the newest if nothing.
    pub commit: Option<CommitSha>,
    /// Whether a new berth is made also where the old one would do.
    pub is_forced: bool,
}

/// How an update was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateKind {
    /// There was nothing new.
    Nothing,
    /// The new commit was handed to the berth that serves.
    Code,
    /// A new berth took the place of the old one.
    Switched,
    /// It had failed, and was deployed from the beginning.
    Deployed,
}

/// What an update did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The preview now.
    pub record: PreviewRecord,
    /// How it was done.
    pub kind: UpdateKind,
}

/// Brings a preview to a newer commit. The commit is recorded once it answers;
/// whatever fails before leaves the old site serving and the record saying so.
pub async fn update(
    host: &Host,
    slug: &Name,
    options: UpdateOptions,
    by: &Actor,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<Updated, PreviewError> {
    let config = config(host)?;
    let (record, _lock) = locked(host, slug, "update", interrupt).await?;
    match record.phase {
        PreviewPhase::Failed => deploy_again(host, config, record, options, by, progress, interrupt).await,
        PreviewPhase::Ready | PreviewPhase::Running => {
            let mut update = Update {
                host,
                config,
                record: &record,
                options: &options,
                by,
                progress,
                interrupt,
                phase: record.phase,
                has_lost_old: false,
            };
            update.run().await
        }
        // Its lock is free, so whoever worked on it is dead.
        phase @ (PreviewPhase::Building
        | PreviewPhase::Creating
        | PreviewPhase::SettingUp
        | PreviewPhase::Updating
        | PreviewPhase::Destroying
        | PreviewPhase::Gone) => Err(PreviewError::WrongPhase {
            slug: slug.clone(),
            phase,
            way_out: "its last operation was cut short: run `preview doctor --fix`".to_owned(),
        }),
    }
}

struct Update<'a> {
    host: &'a Host,
    config: &'a PreviewConfig,
    record: &'a PreviewRecord,
    options: &'a UpdateOptions,
    by: &'a Actor,
    progress: &'a dyn Progress,
    interrupt: &'a Interrupt,
    /// How far it is.
    phase: PreviewPhase,
    /// Whether what was deployed before could not be brought back.
    has_lost_old: bool,
}

impl Update<'_> {
    async fn run(&mut self) -> Result<Updated, PreviewError> {
        let Self { host, record, by, .. } = *self;
        note(host, by, record, "update", Outcome::Began, None).await;
        self.advance(PreviewEvent::UpdateBegan).await?;
        match self.bring_over().await {
            Ok(kind) => {
                note(host, by, record, "update", Outcome::Succeeded, None).await;
                Ok(Updated { record: find(host, &record.slug).await?, kind })
            }
            Err(Failed { source, details }) => {
                let reason = format!("its last update came to nothing: {}", chain(&source));
                self.stay(Some(&reason)).await?;
                note(host, by, record, "update", Outcome::Failed, Some(reason)).await;
                let (slug, serves_on, source) = (record.slug.clone(), !self.has_lost_old, Box::new(source));
                Err(PreviewError::Update { slug, serves_on, source, details })
            }
        }
    }

    async fn advance(&mut self, event: PreviewEvent) -> Result<(), StateError> {
        self.phase = self.host.state.advance_preview(self.record.id, self.phase, event, None).await?;
        Ok(())
    }

    /// What serves stays.
    async fn stay(&mut self, reason: Option<&str>) -> Result<(), StateError> {
        let is_known = self.record.phase == PreviewPhase::Ready && !self.has_lost_old;
        let event = if is_known { PreviewEvent::UpdateFailed } else { PreviewEvent::UpdateFailedUnanswered };
        let state = &self.host.state;
        self.phase = state.advance_preview(self.record.id, self.phase, event, reason).await?;
        Ok(())
    }

    async fn bring_over(&mut self) -> Result<UpdateKind, Failed> {
        let Self { host, config, record, options, progress, interrupt, .. } = *self;
        let target =
            deploy::target(host, config, record, options.commit.clone(), progress, interrupt).await?;
        let old = serving(host, record).await.ok();
        let Some(old) = old else {
            return self.switch(&target, None).await;
        };
        let runs = Units::of(host).await?.runs(old.container);
        let is_same = runs
            && !options.is_forced
            && old.system == target.closure.system
            && record.meta.as_ref() == Some(target.meta())
            && record.inputs.as_ref() == Some(&target.inputs);
        if is_same && record.commit.as_ref() == Some(&target.commit) {
            self.stay(None).await?;
            return Ok(UpdateKind::Nothing);
        }
        if is_same { self.hand_over(&target, &old).await } else { self.switch(&target, Some(&old)).await }
    }

    /// Hands the new commit to the berth that serves: same system, same
    /// settings, so only the code is new. What fails is answered by handing the
    /// old commit over again.
    async fn hand_over(&mut self, target: &Target, berth: &BerthRecord) -> Result<UpdateKind, Failed> {
        let Self { host, config, record, progress, interrupt, .. } = *self;
        let meta = target.meta();
        // From here on what serves is not what it was: killed here, a repair
        // sets it up again.
        self.advance(PreviewEvent::SetupBegan).await?;
        let served = async {
            self.show(target, berth).await?;
            services::start(host, berth.container, meta, progress, interrupt).await?;
            ready::await_answer(host, config, record, meta, berth, progress, interrupt).await?;
            self.record(target, berth).await
        };
        match served.await {
            Ok(()) => Ok(UpdateKind::Code),
            Err(source) => {
                let mut details = deploy::service_logs(host, berth.container, meta, &source).await;
                details.push(self.hand_back(target, berth).await);
                Err(Failed { source, details })
            }
        }
    }

    /// Puts a commit where the services of this berth find it.
    async fn show(&self, target: &Target, berth: &BerthRecord) -> Result<(), DeployError> {
        let Self { host, record, progress, .. } = *self;
        progress.step("hand the new commit over");
        deploy::publish(host, record, &target.commit).await?;
        let text = environment::render(&host.layout, host.config.subnet, &target.environment)?;
        let file = GuestFile {
            path: format!("/{}", guest::ENVIRONMENT),
            content: zeroize::Zeroizing::new(text.as_bytes().to_vec()),
            owner: guest::SERVICES_ID,
            mode: 0o400,
        };
        Ok(host.tools.guests.replace_file(berth.container, file).await?)
    }

    /// Hands the commit over again that served before. Not interruptible: it is
    /// what an interrupt leads to.
    async fn hand_back(&mut self, target: &Target, berth: &BerthRecord) -> Detail {
        let Self { host, config, record, progress, .. } = *self;
        let (_keep, never) = Interrupt::new();
        let back = async {
            let commit = record.commit.clone().ok_or(DeployError::NoBerth)?;
            let old = Target {
                environment: guest::PreviewEnvironment {
                    commit: commit.clone(),
                    ..target.environment.clone()
                },
                commit,
                closure: target.closure.clone(),
                gpu: target.gpu.clone(),
                inputs: target.inputs.clone(),
            };
            self.show(&old, berth).await?;
            services::start(host, berth.container, old.meta(), progress, &never).await?;
            ready::await_answer(host, config, record, old.meta(), berth, progress, &never).await
        };
        match back.await {
            Ok(()) => Detail {
                title: "taken back".to_owned(),
                lines: vec!["the commit that served before was handed over again".to_owned()],
            },
            Err(error) => {
                self.has_lost_old = true;
                Detail {
                    title: "the commit that served before could not be handed over again".to_owned(),
                    lines: vec![chain(&error), format!("try `preview restart {}`", record.slug)],
                }
            }
        }
    }

    /// Makes a second berth beside the first, leads requests to it once it
    /// answers, and removes the first when nobody talks to it any more.
    async fn switch(&self, target: &Target, old: Option<&BerthRecord>) -> Result<UpdateKind, Failed> {
        let Self { host, config, record, by, progress, interrupt, .. } = *self;
        self.take_hosts(target).await?;
        let made = async {
            database::ensure(host, record, target.meta(), progress).await?;
            deploy::publish(host, record, &target.commit).await?;
            new_berth::make(host, record, target, by, progress, interrupt).await
        };
        let (new, lock) = match made.await {
            Ok(made) => made,
            Err(failed) => return Err(self.back_to_old(failed).await),
        };
        if let Err(source) = self.serve_from(target, &new).await {
            let mut details = deploy::service_logs(host, new.container, target.meta(), &source).await;
            let left = new_berth::remove_locked(host, &new, progress).await;
            let left = left.unwrap_or_else(|error| vec![chain(&error)]);
            if !left.is_empty() {
                details.push(Detail { title: "still there".to_owned(), lines: left });
            }
            drop(lock);
            return Err(self.back_to_old(Failed { source, details }).await);
        }
        drop(lock);
        if let Some(old) = old {
            progress.step("let the old site finish");
            ready::drain(host, config, old, interrupt).await;
            let left = new_berth::remove(host, old, progress).await;
            if !left.is_empty() {
                // The update is done; what stayed goes with the next repair.
                tracing::warn!(slug = %record.slug, left = left.join("; "), "the old site is not all gone");
            }
        }
        Ok(UpdateKind::Switched)
    }

    /// Takes the host names of old and new together: both are served for a
    /// moment.
    async fn take_hosts(&self, target: &Target) -> Result<(), DeployError> {
        let mut labels = route::free_labels(self.config, self.record, target.meta())?;
        for label in self.record.meta.iter().flat_map(|meta| route::labels(self.record, meta)) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        Ok(self.host.state.set_hosts(self.record.id, &labels).await?)
    }

    async fn serve_from(&self, target: &Target, berth: &BerthRecord) -> Result<(), DeployError> {
        let Self { host, config, record, progress, interrupt, .. } = *self;
        let meta = target.meta();
        services::start(host, berth.container, meta, progress, interrupt).await?;
        ready::await_answer(host, config, record, meta, berth, progress, interrupt).await?;
        progress.step("switch over");
        route::lead_to(host, config, record, meta, berth).await?;
        if let Err(error) = self.record(target, berth).await {
            // The record says what serves: the route must not say another thing.
            self.lead_to_old().await;
            return Err(error);
        }
        Ok(())
    }

    async fn record(&self, target: &Target, berth: &BerthRecord) -> Result<(), DeployError> {
        let Self { host, record, .. } = *self;
        let deployed = Deployment {
            commit: target.commit.clone(),
            meta: target.meta().clone(),
            inputs: target.inputs.clone(),
            berth: berth.id,
            at: (host.now)(),
        };
        host.state.deploy(record.id, self.phase, PreviewEvent::Answered, &deployed).await?;
        if let Err(error) = host.state.set_hosts(record.id, &route::labels(record, target.meta())).await {
            tracing::warn!(slug = %record.slug, %error, "host names of the old site are kept");
        }
        Ok(())
    }

    /// Takes back what a failed switch changed outside the new berth.
    async fn back_to_old(&self, mut failed: Failed) -> Failed {
        let Self { host, record, .. } = *self;
        let mut left = Vec::new();
        if let Some(meta) = &record.meta
            && let Err(error) = host.state.set_hosts(record.id, &route::labels(record, meta)).await
        {
            left.push(chain(&error));
        }
        if let Some(commit) = &record.commit
            && let Err(error) = deploy::publish(host, record, commit).await
        {
            left.push(chain(&error));
        }
        let lines = if left.is_empty() { vec!["the new berth and its host names".to_owned()] } else { left };
        let title = "taken back".to_owned();
        failed.details.push(Detail { title, lines });
        failed
    }

    async fn lead_to_old(&self) {
        let Self { host, config, record, .. } = *self;
        let Some(meta) = &record.meta else { return };
        let led = async {
            let old = serving(host, record).await?;
            route::lead_to(host, config, record, meta, &old).await
        };
        if let Err(error) = led.await {
            tracing::error!(slug = %record.slug, error = %chain(&error), "requests are led to a berth that goes");
        }
    }
}
