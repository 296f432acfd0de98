//! The long part of the work on a lane.

use berth_core::Name;
use berth_core::comment::CommentState;
use berth_core::lane::{End, Step};
use berth_host::progress::{Interrupt, Progress};
use berth_host::state::LaneId;

use super::look::Look;
use super::{Busy, Lanes};
use crate::deploy::{Fault, Wanted, WayOut, Work};
use crate::report::links;

/// Shows in `preview jobs` and in the log what a lane does.
struct Told<'a> {
    id: LaneId,
    busy: &'a Busy,
}

impl Progress for Told<'_> {
    fn step(&self, text: &str) {
        self.busy.set_step(text);
        tracing::info!(job = self.id.get(), repo = %self.busy.repo, pull = %self.busy.pull, step = text);
    }

    fn line(&self, text: &str) {
        tracing::debug!(job = self.id.get(), line = text);
    }
}

impl Lanes {
    /// Removes the preview. Not interruptible: it is what should be.
    pub(super) async fn destroy(&self, id: LaneId, slug: &Name, busy: &Busy) -> Result<(), Fault> {
        let (_keep, never) = Interrupt::new();
        let progress = Told { id, busy };
        let work = Work { progress: &progress, interrupt: &never };
        self.parts.deployer.destroy(slug, work).await
    }

    /// Deploys the head, unless `stop` or news make that pointless meanwhile.
    pub(super) async fn deploy(&self, look: &Look, busy: &Busy, stop: &Interrupt) -> End {
        let begun = (self.parts.now)();
        busy.set_step("begin the deployment");
        let commit = look.pull.head.clone();
        let building = CommentState::Building { commit: commit.clone(), since: begun };
        self.reporter.tell(&look.record, building).await;
        match self.deploy_unless_pointless(look, busy, stop).await {
            Ok(()) => {
                let found = self.parts.deployer.find(&look.record.repo, look.record.pull).await;
                let urls = found.ok().flatten().map(|found| found.urls).unwrap_or_default();
                let at = (self.parts.now)();
                let took = Some(at.duration_since(begun));
                let ready = CommentState::Ready { commit, links: links(&urls), took, at };
                self.reporter.tell(&look.record, ready).await;
                End::Done
            }
            Err(fault) => self.failed(look, fault).await,
        }
    }

    async fn deploy_unless_pointless(&self, look: &Look, busy: &Busy, stop: &Interrupt) -> Result<(), Fault> {
        let (interrupter, interrupt) = Interrupt::new();
        let progress = Told { id: look.record.id, busy };
        let work = Work { progress: &progress, interrupt: &interrupt };
        let pointless = async {
            tokio::select! {
                () = stop.interrupted() => {}
                () = self.pointless(look.record.id, busy) => {}
            }
            busy.set_step("take back what was begun");
            interrupter.interrupt();
            // The deployment ends by itself, once it has taken back what it did.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = self.deploy_head(look, work) => done,
            () = pointless => unreachable!("it never ends"),
        }
    }

    async fn deploy_head(&self, look: &Look, work: Work<'_>) -> Result<(), Fault> {
        let Look { record, pull, found, .. } = look;
        let is_trusted = look.verdict == berth_core::policy::Verdict::Deploy { is_trusted: true };
        let Some(branch) = pull.head_branch.clone() else {
            let reason = "its branch has a name that Berth does not take".to_owned();
            let (way_out, what, log) = (WayOut::Push, "branch".to_owned(), String::new());
            return Err(Fault { way_out, what, reason, log });
        };
        let wanted = Wanted {
            repo: record.repo.clone(),
            pull: record.pull,
            branch,
            commit: pull.head.clone(),
            is_trusted,
        };
        let is_forced = look.step == Step::Update { is_forced: true };
        match found {
            Some(found) => self.parts.deployer.update(&found.slug, &wanted, is_forced, work).await,
            None => self.parts.deployer.create(&wanted, work).await,
        }
    }

    /// Ends when what is deployed should not be there at all. A newer push is
    /// no reason: in a storm of pushes nothing would ever be finished.
    async fn pointless(&self, id: LaneId, busy: &Busy) {
        loop {
            busy.news.notified().await;
            if let Ok(look) = self.look(id).await {
                if matches!(look.step, Step::Destroy | Step::Replace) {
                    return;
                }
                self.reporter.react(&look.record).await;
            }
        }
    }
}
