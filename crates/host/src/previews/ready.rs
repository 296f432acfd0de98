//! Waiting until a preview answers, and until nobody talks to the old one.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use berth_core::Meta;
use berth_core::config::PreviewConfig;
use tokio::time::Instant;

use super::{DeployError, route, told};
use crate::host::{Host, duration};
use crate::network::ProbeError;
use crate::progress::{Interrupt, Progress};
use crate::state::{BerthRecord, PreviewRecord};

/// The pause between two questions.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// How long nobody must have been seen at the old site before it goes. Caddy
/// looks every half a second at most for connections to close.
const QUIET: Duration = Duration::from_secs(1);
/// How often the services are looked at meanwhile.
const LOOK: Duration = Duration::from_secs(2);

/// Why a preview is not up yet.
enum Missing {
    Answer(NonZeroU16, ProbeError),
    RightAnswer(u16),
}

/// Waits until the preview answers as it declares and something listens at every
/// port that a route leads to: before that, visitors of another path would be
/// led from a site that serves it to nobody. Ends early when one of its
/// services has failed for good: then nothing will answer any more.
pub(super) async fn await_answer(
    host: &Host,
    config: &PreviewConfig,
    record: &PreviewRecord,
    meta: &Meta,
    berth: &BerthRecord,
    progress: &dyn Progress,
    interrupt: &Interrupt,
) -> Result<(), DeployError> {
    let asked = meta.ready_request();
    progress.step(&format!("wait for an answer on port {}", asked.port));
    let upstream = route::address(host, berth)?;
    let address = SocketAddr::from((upstream, asked.port.get()));
    let name = told::site(config, record, meta, upstream).hosts().swap_remove(0);
    let deadline = duration(config.deadlines.ready);
    let end = Instant::now() + deadline;
    let mut looked = Instant::now();
    loop {
        let patience = ANSWER.min(end.saturating_duration_since(Instant::now())).max(PAUSE);
        let missing = tokio::select! {
            biased;
            () = interrupt.interrupted() => {
                return Err(DeployError::Interrupted { doing: "waiting for the first answer".to_owned() });
            }
            up = check(host, meta, address, &name, patience) => match up {
                Ok(()) => return Ok(()),
                Err(missing) => missing,
            },
        };
        if Instant::now() >= end {
            return Err(too_late(meta, deadline, missing));
        }
        if looked.elapsed() >= LOOK {
            refuse_failed_service(host, meta, berth).await?;
            looked = Instant::now();
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// One look at whether it is up.
async fn check(
    host: &Host,
    meta: &Meta,
    address: SocketAddr,
    name: &str,
    patience: Duration,
) -> Result<(), Missing> {
    let network = &host.tools.network;
    let asked = meta.ready_request();
    // The page comes last: the log of whoever serves it is not filled while
    // another port is waited for.
    let others = meta.ports().into_iter().filter(|port| *port != asked.port);
    for port in std::iter::once(asked.port).chain(others) {
        let there = SocketAddr::new(address.ip(), port.get());
        network.connect(there, patience).await.map_err(|error| Missing::Answer(port, error))?;
    }
    match network.status(address, name, asked.path, patience).await {
        Ok(status) if meta.ready.is_met_by(status) => Ok(()),
        Ok(status) => Err(Missing::RightAnswer(status)),
        Err(error) => Err(Missing::Answer(asked.port, error)),
    }
}

fn too_late(meta: &Meta, deadline: Duration, missing: Missing) -> DeployError {
    let asked = meta.ready_request();
    match missing {
        Missing::Answer(port, source) => {
            DeployError::NoAnswer { port: port.get(), seconds: deadline.as_secs(), source }
        }
        Missing::RightAnswer(status) => DeployError::BadAnswer {
            port: asked.port.get(),
            path: asked.path.to_owned(),
            status,
            expected: meta.ready.status.map_or_else(|| "2xx or 3xx".to_owned(), |status| status.to_string()),
        },
    }
}

async fn refuse_failed_service(host: &Host, meta: &Meta, berth: &BerthRecord) -> Result<(), DeployError> {
    // What cannot be asked now can be the next time.
    let Ok(condition) = host.tools.guests.condition(berth.container).await else { return Ok(()) };
    let failed = meta.app_services.iter().find(|unit| {
        let unit = unit.as_str();
        condition.failed_units.iter().any(|failed| failed == unit)
    });
    match failed {
        Some(unit) => Err(DeployError::ServiceDied { unit: unit.clone() }),
        None => Ok(()),
    }
}

/// Waits until the host has had no connection to a berth for a while, or the
/// deadline for it has passed. Only then: visitors whose own connections are
/// being closed by the reload are still led to the old berth for a moment, and
/// between two of their requests there is nothing to be seen.
pub(super) async fn drain(host: &Host, config: &PreviewConfig, berth: &BerthRecord, interrupt: &Interrupt) {
    let Ok(address) = route::address(host, berth) else { return };
    let end = Instant::now() + duration(config.deadlines.drain);
    let mut last_seen = Instant::now();
    while Instant::now() < end && last_seen.elapsed() < QUIET && !interrupt.is_interrupted() {
        match host.tools.network.connections(address) {
            Ok(0) => {}
            Ok(_) => last_seen = Instant::now(),
            Err(error) => {
                tracing::warn!(%error, "open connections cannot be counted");
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
