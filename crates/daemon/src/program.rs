//! The process: what it opens, what runs in it, and how it ends.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use berth_core::config::{Config, GitHubConfig};
use berth_core::delivery::WebhookSecret;
use berth_core::lane::Retries;
use berth_core::{Layout, PullNumber, RepoName};
use berth_host::agents::Actor;
use berth_host::control::{Answer, Request};
use berth_host::github::{GitHub, GitHubApi, OnDemand};
use berth_host::progress::{Interrupt, Interrupter};
use berth_host::{Host, LostRecords, exec};
use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Mode, OFlags};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::beat::Beats;
use crate::compare::compare;
use crate::deploy::HostDeployer;
use crate::intake::Intake;
use crate::intake::spool::Spool;
use crate::lanes::{Lanes, Parts};
use crate::loops::Loop;
use crate::metrics::Metrics;
use crate::upkeep::Upkeep;
use crate::{chain, logs, rights, sockets};

/// A loop that only looks into a folder or a table.
const QUICK: Duration = Duration::from_mins(1);
/// A loop that works on the host or asks GitHub.
const SLOW: Duration = Duration::from_hours(1);
/// How often what should run is looked at.
const STARTS: Duration = Duration::from_secs(15);
/// How often what has outlived its time is looked at.
const EXPIRY: Duration = Duration::from_mins(1);
/// How often systemd is told what goes on.
const STATUS: Duration = Duration::from_secs(5);
/// What the end may take beyond the patience with deployments.
const END: Duration = Duration::from_secs(5);

/// Runs the daemon until it is told to end.
pub(crate) fn serve(chosen: Option<&Path>) -> ExitCode {
    rustix::process::umask(Mode::from_raw_mode(0o022));
    logs::init();
    match start(chosen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "berthd ends");
            ExitCode::FAILURE
        }
    }
}

/// The configuration, and what the files say that it names.
pub(crate) fn read(layout: &Layout, chosen: Option<&Path>) -> Result<(Config, Option<GitHubParts>)> {
    let config = berth_term::config_file::load(layout, chosen)?;
    let github = config.github.as_ref().map(GitHubParts::open).transpose()?;
    Ok((config, github))
}

fn start(chosen: Option<&Path>) -> Result<()> {
    let layout = Layout::host();
    let (config, github) = read(&layout, chosen)?;
    if !rustix::process::geteuid().is_root() {
        bail!("`berthd` works on containers: run it as root");
    }
    let _only = only_one(&layout)?;
    // Before there are other threads: rights are a thread's.
    rights::give_up().context("could not give up capabilities")?;
    let runtime = tokio::runtime::Runtime::new().context("could not start the threads of berthd")?;
    let ended = runtime.block_on(run(layout, config, github));
    runtime.shutdown_timeout(END);
    exec::settle();
    ended
}

/// Two daemons would work on the same lanes. The lock is not inherited, so that
/// a daemon which was killed does not keep its successor waiting for tools.
fn only_one(layout: &Layout) -> Result<File> {
    let path = layout.daemon_lock();
    std::fs::create_dir_all(layout.run_dir()).context("could not make the folder of the lock")?;
    // Whoever can read a file can lock it.
    let flags = OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new().create(true).append(true).mode(0o600).custom_flags(flags).open(&path);
    let file = file.with_context(|| format!("could not open `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another `berthd` runs on this host"),
        Err(TryLockError::Error(error)) => Err(error).context("could not lock `berthd.lock`"),
    }
}

/// What is read from files before rights are given up.
pub(crate) struct GitHubParts {
    api: Arc<dyn GitHub>,
    secrets: Vec<WebhookSecret>,
}

impl GitHubParts {
    fn open(config: &GitHubConfig) -> Result<Self> {
        let api = Arc::new(GitHubApi::open(config)?);
        let secrets = config.webhook_secrets.iter().map(|path| webhook_secret(path));
        Ok(Self { api, secrets: secrets.collect::<Result<_>>()? })
    }
}

fn webhook_secret(path: &Path) -> Result<WebhookSecret> {
    let content = std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let secret = WebhookSecret::new(&Zeroizing::new(content));
    secret.with_context(|| format!("`{}` is no webhook secret", path.display()))
}

/// Makes a loop's next pass come at once when what it returns ends.
type Nudge = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

fn nudge<F>(nudged: impl Fn() -> F + Send + Sync + 'static) -> Nudge
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move || Box::pin(nudged()))
}

/// What the loops share.
struct Daemon {
    host: Arc<Host>,
    lanes: Option<Arc<Lanes>>,
    upkeep: Arc<Upkeep>,
    metrics: Arc<Metrics>,
    beats: Beats,
    stop: Interrupt,
}

async fn run(layout: Layout, config: Config, github: Option<GitHubParts>) -> Result<()> {
    let (interrupter, stop) = Interrupt::new();
    end_by_signal(interrupter)?;
    let since = Timestamp::now();
    let mut host = Host::open(layout, config, LostRecords::Refuse).await?;
    if let Some(parts) = &github {
        // Lanes and deployments share its tokens, and know of the same limits.
        host.tools.github = OnDemand::opened(Arc::clone(&parts.api));
    }
    let host = Arc::new(host);
    let by = Actor::new("berthd");
    let follows = github.filter(|_| host.config.preview.is_some());
    let (secrets, api) = follows.map_or((Vec::new(), None), |parts| (parts.secrets, Some(parts.api)));
    let lanes = api.zip(host.config.github.as_ref()).map(|(api, config)| lanes(&host, api, config, &by));
    let metrics = Arc::new(Metrics::new(lanes.clone()));
    let starts = usize::try_from(host.config.daemon.starts).unwrap_or(1);
    let upkeep = Arc::new(Upkeep::new(Arc::clone(&host), by, starts));
    let daemon = Daemon { host, lanes, upkeep, metrics, beats: Beats::default(), stop };
    let control = sockets::bind(&daemon.host.layout.control_socket())?;
    let shown = sockets::bind(&daemon.host.layout.metrics_socket())?;
    tokio::spawn(sockets::answer(control, daemon.answers(since)));
    tokio::spawn(sockets::metrics(shown, Arc::clone(&daemon.metrics)));
    let mut loops = JoinSet::new();
    daemon.begin(&mut loops, secrets);
    notify(&[NotifyState::Ready]);
    tracing::info!(follows_pull_requests = daemon.lanes.is_some(), "ready");
    daemon.until_stopped().await;
    notify(&[NotifyState::Stopping, NotifyState::Status("interrupting what is under way")]);
    let patience = duration(daemon.host.config.daemon.shutdown) + END;
    let all = async { while loops.join_next().await.is_some() {} };
    if tokio::time::timeout(patience, all).await.is_err() {
        tracing::warn!("not everything ended in time: the next start goes on with it");
    }
    daemon.host.state.close().await;
    for socket in [daemon.host.layout.control_socket(), daemon.host.layout.metrics_socket()] {
        sockets::remove(&socket)?;
    }
    Ok(())
}

/// SIGTERM is how systemd asks for the end, SIGINT how a person does.
fn end_by_signal(interrupter: Interrupter) -> Result<()> {
    let listen = |kind| signal(kind).context("could not listen to signals");
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end: what is under way is interrupted and taken back");
        interrupter.interrupt();
    });
    Ok(())
}

fn lanes(host: &Arc<Host>, github: Arc<dyn GitHub>, config: &GitHubConfig, by: &Actor) -> Arc<Lanes> {
    let daemon = &host.config.daemon;
    Lanes::new(Parts {
        state: host.state.clone(),
        github,
        deployer: Arc::new(HostDeployer::new(Arc::clone(host), by.clone())),
        policy: config.policy.clone(),
        retries: Retries { most: daemon.attempts, ..Retries::default() },
        workers: usize::try_from(daemon.workers).unwrap_or(1),
        now: host.now,
        jitter,
    })
}

/// A number from 0 to 1. Where there is none to be had, pauses are not spread.
fn jitter() -> f64 {
    let mut bytes = [0_u8; 4];
    let read = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    if read.is_ok() { f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX) } else { 0.5 }
}

impl Daemon {
    fn one(&self, name: &'static str, patience: Duration) -> Loop {
        let (beats, metrics, stop) = (self.beats.clone(), Arc::clone(&self.metrics), self.stop.clone());
        Loop { name, patience, beats, metrics, stop }
    }

    /// Begins all loops. Each has its own errors; none stops another.
    fn begin(&self, loops: &mut JoinSet<()>, secrets: Vec<WebhookSecret>) {
        let config = &self.host.config.daemon;
        let (lanes, upkeep) = (self.lanes.clone(), Arc::clone(&self.upkeep));
        let half_way = nudge(move || {
            let lanes = lanes.clone();
            async move {
                match lanes {
                    Some(lanes) => lanes.half_way_found().await,
                    None => std::future::pending().await,
                }
            }
        });
        let reconciled = nudge(move || {
            let upkeep = Arc::clone(&upkeep);
            async move { upkeep.reconciled().await }
        });
        let never = nudge(std::future::pending);
        let period = duration(config.reconcile);
        self.upkeep(loops, "reconcile", period, half_way, |upkeep, stop| async move {
            upkeep.reconcile(&stop).await
        });
        self.upkeep(
            loops,
            "start",
            STARTS,
            reconciled,
            |upkeep, stop| async move { upkeep.start(&stop).await },
        );
        self.upkeep(loops, "expire", EXPIRY, never, |upkeep, _| async move { upkeep.expire().await });
        if let Some(lanes) = &self.lanes {
            self.follow(loops, lanes, secrets);
        }
    }

    fn upkeep<F>(
        &self,
        loops: &mut JoinSet<()>,
        name: &'static str,
        period: Duration,
        nudged: Nudge,
        pass: impl Fn(Arc<Upkeep>, Interrupt) -> F + Clone + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (upkeep, stop) = (Arc::clone(&self.upkeep), self.stop.clone());
        let one = self.one(name, SLOW);
        loops.spawn(one.keep(move |one| {
            let (upkeep, stop, pass) = (Arc::clone(&upkeep), stop.clone(), pass.clone());
            let nudged = Arc::clone(&nudged);
            async move { one.every(period, || pass(Arc::clone(&upkeep), stop.clone()), || nudged()).await }
        }));
    }

    /// The loops that follow pull requests.
    fn follow(&self, loops: &mut JoinSet<()>, lanes: &Arc<Lanes>, secrets: Vec<WebhookSecret>) {
        let patience = duration(self.host.config.daemon.shutdown);
        let work = Arc::clone(lanes);
        loops.spawn(self.one("lanes", QUICK).keep(move |one| {
            let work = Arc::clone(&work);
            async move { work.run(&one.stop, patience, &|| one.beat()).await }
        }));
        let (host, taken) = (Arc::clone(&self.host), Arc::clone(lanes));
        loops.spawn(
            self.one("intake", QUICK)
                .keep(move |one| take_in(one, Arc::clone(&host), Arc::clone(&taken), secrets.clone())),
        );
        let (host, compared) = (Arc::clone(&self.host), Arc::clone(lanes));
        let period = duration(self.host.config.daemon.compare);
        loops.spawn(self.one("compare", SLOW).keep(move |one| {
            let (host, lanes) = (Arc::clone(&host), Arc::clone(&compared));
            async move {
                let pass = || compare_all(&host, &lanes);
                one.every(period, pass, std::future::pending::<()>).await;
            }
        }));
    }

    fn answers(&self, since: Timestamp) -> Arc<dyn Fn(Request, u32) -> Answer + Send + Sync> {
        let lanes = self.lanes.clone();
        Arc::new(move |request, user| match (request, &lanes) {
            (Request::Status, lanes) => {
                Answer::Status { since, doing: lanes.as_ref().map(|lanes| lanes.doing()).unwrap_or_default() }
            }
            (Request::Nudge, _) if user != 0 => Answer::Refused { reason: "only root may nudge".to_owned() },
            (Request::Nudge, lanes) => {
                if let Some(lanes) = lanes {
                    lanes.nudge();
                }
                Answer::Done
            }
        })
    }

    /// Tells systemd what goes on, and that the loops do, until stopped.
    async fn until_stopped(&self) {
        let watchdog = sd_notify::watchdog_enabled().map(|period| period / 3);
        let period = watchdog.map_or(STATUS, |period| period.min(STATUS));
        while !self.stop.is_interrupted() {
            let silent = self.beats.silent(Instant::now());
            let doing = self.lanes.as_ref().map_or(0, |lanes| lanes.doing().len());
            let status = format!("pull requests at work: {doing}");
            if silent.is_empty() {
                notify(&[NotifyState::Watchdog, NotifyState::Status(&status)]);
            } else {
                tracing::error!(loops = silent.join(", "), "loops stand still: systemd is told no more");
            }
            tokio::select! {
                () = self.stop.interrupted() => {}
                () = tokio::time::sleep(period) => {}
            }
        }
    }
}

/// The spool belongs to another program, which may start later.
async fn take_in(one: Loop, host: Arc<Host>, lanes: Arc<Lanes>, secrets: Vec<WebhookSecret>) {
    let (folder, aside) = (host.config.daemon.spool.clone(), host.layout.rejected_dir());
    let spool = loop {
        one.beat();
        match Spool::open(&folder, &aside) {
            Ok(spool) => break spool,
            Err(error) => tracing::warn!(error = chain(&error), "the spool is not there yet"),
        }
        tokio::select! {
            () = one.stop.interrupted() => return,
            () = tokio::time::sleep(STATUS) => {}
        }
    };
    let repositories = lanes.parts().policy.repositories.clone();
    let intake = Intake::new(spool, secrets, repositories, lanes);
    intake.run(&one.stop, &|| one.beat(), &|pass| one.metrics.passed(pass)).await;
}

async fn compare_all(host: &Host, lanes: &Arc<Lanes>) -> Result<(), String> {
    let previews = host.state.previews().await.map_err(|error| chain(&error))?;
    let places: BTreeSet<(RepoName, PullNumber)> =
        previews.into_iter().filter_map(|preview| Some((preview.repo, preview.pull?))).collect();
    match compare(lanes, &places).await {
        Ok(0) => Ok(()),
        Ok(heard) => {
            tracing::info!(heard, "pull requests and previews differed");
            Ok(())
        }
        Err(error) => Err(chain(&error)),
    }
}

fn duration(configured: SignedDuration) -> Duration {
    Duration::try_from(configured).unwrap_or_default()
}

/// Not told is no failure: nobody may be there to listen.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
