//! Taking deliveries out of the spool and into the records.
//!
//! A file is removed only after its delivery is recorded, so a crash in between
//! makes it come again, which changes nothing. What is no delivery is put aside
//! ([`spool`]) and told, and the next one is taken.

mod meaning;
pub mod spool;

use std::sync::Arc;
use std::time::Duration;

use berth_core::delivery::{Delivery, DeliveryError, Event, PayloadError, SpoolName, WebhookSecret};
use berth_core::policy::AllowList;
use berth_host::progress::Interrupt;
use berth_host::state::{NewDelivery, State, StateError, Taken};
use jiff::Timestamp;
use thiserror::Error;

use self::meaning::meaning;
use self::spool::{Spool, SpoolError};
use crate::chain;
use crate::lanes::Lanes;

/// How often the spool is looked into, unless somebody
/// [nudges](Lanes::nudge).
const PAUSE: Duration = Duration::from_millis(500);
/// The pause after something of our own failed.
const FAILURE_PAUSE: Duration = Duration::from_secs(5);

/// Takes deliveries in.
pub struct Intake {
    spool: Spool,
    secrets: Vec<WebhookSecret>,
    repositories: AllowList,
    state: State,
    lanes: Arc<Lanes>,
    now: fn() -> Timestamp,
}

/// Why one file is no delivery that can be taken. It is put aside.
#[derive(Debug, Error)]
pub enum Refused {
    /// It is no file that the webhook writes.
    #[error(transparent)]
    File(SpoolError),
    /// Its content has another form.
    #[error(transparent)]
    Form(#[from] DeliveryError),
    /// Nobody who knows the secret has sent it.
    #[error("its signature is not that of the secret")]
    Signature,
    /// GitHub sends no such payload.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

/// Why nothing can be taken at this moment. The files stay.
#[derive(Debug, Error)]
pub enum IntakeError {
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What one look into the spool came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Deliveries that are recorded now.
    pub taken: u64,
    /// Deliveries that had been recorded before.
    pub again: u64,
    /// Files that were put aside.
    pub refused: u64,
}

impl Intake {
    /// From this spool, for these lanes.
    pub fn new(
        spool: Spool,
        secrets: Vec<WebhookSecret>,
        repositories: AllowList,
        lanes: Arc<Lanes>,
    ) -> Self {
        let (state, now) = (lanes.parts().state.clone(), lanes.parts().now);
        Self { spool, secrets, repositories, state, lanes, now }
    }

    /// Takes until `stop`. `beat` is called all the while, `passed` with what
    /// each look came to.
    pub async fn run(&self, stop: &Interrupt, beat: &(dyn Fn() + Sync), passed: &(dyn Fn(Pass) + Sync)) {
        while !stop.is_interrupted() {
            beat();
            let pause = match self.pass().await {
                Ok(pass) => {
                    passed(pass);
                    PAUSE
                }
                Err(error) => {
                    tracing::error!(error = chain(&error), "no delivery can be taken");
                    FAILURE_PAUSE
                }
            };
            tokio::select! {
                () = stop.interrupted() => {}
                () = self.lanes.nudged() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Takes everything that is in the spool at this moment, up to a bound.
    pub async fn pass(&self) -> Result<Pass, IntakeError> {
        let mut pass = Pass::default();
        for name in self.spool.list()? {
            match self.take(&name).await? {
                Ok(Taken::New(record)) => {
                    pass.taken += 1;
                    if let Some(record) = record {
                        self.lanes.heard(record.id);
                    }
                }
                Ok(Taken::Again) => pass.again += 1,
                Err(reason) => {
                    pass.refused += 1;
                    tracing::warn!(file = %name, reason = chain(&reason), "put aside: this is no delivery");
                    self.spool.put_aside(&name)?;
                    continue;
                }
            }
            self.spool.remove(&name)?;
        }
        if pass.taken + pass.again > 0 {
            self.spool.sync()?;
        }
        Ok(pass)
    }

    async fn take(&self, name: &SpoolName) -> Result<Result<Taken, Refused>, IntakeError> {
        let content = match self.spool.read(name) {
            Ok(content) => content,
            Err(error) if error.is_of_the_file() => return Ok(Err(Refused::File(error))),
            Err(error) => return Err(error.into()),
        };
        let new = match self.understand(name, &content) {
            Ok(new) => new,
            Err(refused) => return Ok(Err(refused)),
        };
        let (event, id) = (new.event.clone(), new.id.clone());
        let taken = self.state.take_delivery(new, (self.now)()).await?;
        tracing::info!(delivery = %id, %event, is_new = matches!(taken, Taken::New(_)), "taken");
        Ok(Ok(taken))
    }

    fn understand(&self, name: &SpoolName, content: &[u8]) -> Result<NewDelivery, Refused> {
        let Delivery { envelope, body } = Delivery::decode(name, content)?;
        if !envelope.signature.verify(&self.secrets, body) {
            return Err(Refused::Signature);
        }
        let event = Event::parse(&envelope.event, envelope.content_type, body)?;
        Ok(NewDelivery {
            id: envelope.delivery,
            event: envelope.event,
            received_at: envelope.received_at,
            meaning: meaning(event, &self.repositories),
        })
    }
}
