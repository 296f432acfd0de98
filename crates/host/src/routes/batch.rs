//! Applying many changes with one reload, and finding the bad ones.

use std::collections::{BTreeMap, BTreeSet};

use super::files::{Change, Files, Target};
use super::{NotTaken, RouteError};
use crate::caddy::{Caddy, CaddyError};

/// What came of a batch.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// What Caddy did not take, and why.
    pub(super) not_taken: BTreeMap<Target, NotTaken>,
    /// How many reloads were run.
    pub(super) reloads: usize,
}

/// Applies changes, together with what a killed process left unsettled, by one
/// reload. Where Caddy refuses, the files go back to what it last took; then
/// halves and halves of halves are tried, so that good changes get through and
/// each bad one is told its own error.
///
/// What is removed stays removed in any case. Where Caddy refuses even then, the
/// removal is told so and stays unsettled: Caddy may still serve it.
pub(super) async fn apply(
    files: &Files<'_>,
    caddy: &dyn Caddy,
    changes: &BTreeMap<Target, Change>,
) -> Result<Done, RouteError> {
    let mut open = files.unsettled()?;
    for (target, change) in changes {
        if !files.has(*target, change)? {
            files.write(*target, change)?;
            open.insert(*target);
        }
    }
    let mut batch = Batch { files, caddy, done: Done::default() };
    if !open.is_empty() {
        batch.settle(open).await?;
    }
    Ok(batch.done)
}

struct Batch<'a> {
    files: &'a Files<'a>,
    caddy: &'a dyn Caddy,
    done: Done,
}

/// Files to put, with their texts.
type Puts = Vec<(Target, Change)>;

impl Batch<'_> {
    async fn settle(&mut self, open: BTreeSet<Target>) -> Result<(), RouteError> {
        let Err(first) = self.reload().await else { return self.accept(open) };
        let (mut puts, mut removals) = (Puts::new(), BTreeSet::new());
        for target in open {
            match self.files.text(target)? {
                Some(text) => puts.push((target, Change::Put(text))),
                None => _ = removals.insert(target),
            }
        }
        self.take_back(&puts)?;
        let without = match first {
            NotTaken::NotRunning => Err(NotTaken::NotRunning),
            NotTaken::Refused(_) | NotTaken::Otherwise(_) | NotTaken::Unfinished(_) if puts.is_empty() => {
                Err(first.clone())
            }
            NotTaken::Refused(_) | NotTaken::Otherwise(_) | NotTaken::Unfinished(_) => self.reload().await,
        };
        if let Err(reason) = without {
            return self.give_up(&puts, removals, reason);
        }
        self.accept(removals)?;
        match puts.as_slice() {
            [(target, _)] => self.not_taken(*target, first),
            _ => self.divide(puts).await?,
        }
        Ok(())
    }

    /// Caddy takes nothing now, whatever the changes are.
    fn give_up(
        &mut self,
        puts: &Puts,
        removals: BTreeSet<Target>,
        reason: NotTaken,
    ) -> Result<(), RouteError> {
        let reason = match reason {
            // One that does not run serves nothing, and reads the files when it starts.
            NotTaken::NotRunning => {
                self.accept(removals)?;
                for (target, _) in puts {
                    self.not_taken(*target, NotTaken::NotRunning);
                }
                return Ok(());
            }
            NotTaken::Refused(said) | NotTaken::Otherwise(said) => NotTaken::Otherwise(said),
            NotTaken::Unfinished(said) => NotTaken::Unfinished(said),
        };
        let targets = puts.iter().map(|(target, _)| *target).chain(removals);
        targets.for_each(|target| self.not_taken(target, reason.clone()));
        Ok(())
    }

    /// Tries halves of what was refused as a whole.
    async fn divide(&mut self, puts: Puts) -> Result<(), RouteError> {
        let mut parts = halves(puts);
        let mut is_unsure = false;
        while let Some(part) = parts.pop() {
            for (target, change) in &part {
                self.files.write(*target, change)?;
            }
            let Err(reason) = self.reload().await else {
                is_unsure = false;
                self.accept(part.iter().map(|(target, _)| *target))?;
                continue;
            };
            self.take_back(&part)?;
            match reason {
                NotTaken::NotRunning => {
                    let rest = parts.drain(..).flatten().chain(part);
                    rest.for_each(|(target, _)| self.not_taken(target, NotTaken::NotRunning));
                }
                NotTaken::Refused(_) | NotTaken::Otherwise(_) | NotTaken::Unfinished(_) => {
                    is_unsure |= matches!(reason, NotTaken::Unfinished(_));
                    match part.as_slice() {
                        [(target, _)] => self.not_taken(*target, reason),
                        _ => parts.extend(halves(part)),
                    }
                }
            }
        }
        if is_unsure {
            // Caddy may serve a part that was taken back.
            let _ = self.reload().await;
        }
        Ok(())
    }

    async fn reload(&mut self) -> Result<(), NotTaken> {
        self.done.reloads += 1;
        self.caddy.reload().await.map_err(|error| reason(&error))
    }

    fn accept(&self, targets: impl IntoIterator<Item = Target>) -> Result<(), RouteError> {
        targets.into_iter().try_for_each(|target| self.files.accept(target))
    }

    fn take_back(&self, puts: &Puts) -> Result<(), RouteError> {
        puts.iter().try_for_each(|(target, _)| self.files.take_back(*target))
    }

    fn not_taken(&mut self, target: Target, reason: NotTaken) {
        tracing::warn!(?target, %reason, "a change of the routes was not taken");
        self.done.not_taken.insert(target, reason);
    }
}

/// The second half first: the parts are taken from the end.
fn halves(mut puts: Puts) -> Vec<Puts> {
    let second = puts.split_off(puts.len() / 2);
    vec![second, puts]
}

fn reason(error: &CaddyError) -> NotTaken {
    match error {
        CaddyError::NotRunning => NotTaken::NotRunning,
        CaddyError::Reload(said) => NotTaken::Refused(said.clone()),
        CaddyError::RunReload(error) => NotTaken::Unfinished(error.to_string()),
        CaddyError::AskVersion(_)
        | CaddyError::Version(_)
        | CaddyError::RunCheck(_)
        | CaddyError::Check(_)
        | CaddyError::Escape => NotTaken::Unfinished(error.to_string()),
    }
}
