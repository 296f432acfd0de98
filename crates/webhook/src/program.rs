//! From the command line to a running server and its end.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use jiff::Timestamp;
use rustix::process::Signal;
use sd_notify::NotifyState;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{State, app};
use crate::cli::{Cli, Command, Options};
use crate::config::{self, ConfigError, Surroundings};
use crate::limits::Limits;
use crate::metrics::{Metrics, metrics_app};
use crate::refusal::chain;
use crate::server::{Server, Stopped};
use crate::sockets::{Passed, SocketError};
use crate::spool::{Bounds, Spool, SpoolError};
use crate::store::Store;
use crate::{logs, notify};

/// A wrong call, or options that it cannot run with.
const EXIT_USAGE: u8 = 2;

/// Why it ended.
#[derive(Debug, Error)]
enum ProgramError {
    #[error("`{}` is no filter for logs: write such as `info` or `berth_webhook=debug`", logs::VARIABLE)]
    Logs(#[source] tracing_subscriber::filter::ParseError),
    #[error("the runtime could not start")]
    Runtime(#[source] io::Error),
    #[error("signals cannot be received")]
    Signals(#[source] io::Error),
    #[error(transparent)]
    Spool(#[from] SpoolError),
    #[error(transparent)]
    Sockets(#[from] SocketError),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match (cli.command, cli.options) {
        (Some(Command::CheckConfig(options)), _) => check_config(&options),
        (Some(Command::Completions { shell }), _) => {
            clap_complete::generate(shell, &mut Cli::command(), "preview-webhook", &mut io::stdout());
            ExitCode::SUCCESS
        }
        (Some(Command::Man), _) => {
            let printed = clap_mangen::Man::new(Cli::command()).render(&mut io::stdout());
            printed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        (None, Some(options)) => serve(&options),
        (None, None) => {
            Cli::command().error(clap::error::ErrorKind::MissingRequiredArgument, "give `--spool`").exit()
        }
    }
}

/// The definition of the command line, for generated documents.
pub fn command_line() -> clap::Command {
    Cli::command()
}

fn surroundings() -> Surroundings {
    Surroundings {
        is_root: rustix::process::geteuid().is_root(),
        credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
    }
}

fn check_config(options: &Options) -> ExitCode {
    match config::check(options, &surroundings()) {
        Ok(_) => {
            println!("preview-webhook could run with these options");
            ExitCode::SUCCESS
        }
        Err(problems) => refused(&problems),
    }
}

fn refused(problems: &[ConfigError]) -> ExitCode {
    for problem in problems {
        eprintln!("preview-webhook: {}", chain(problem));
    }
    ExitCode::from(EXIT_USAGE)
}

fn serve(options: &Options) -> ExitCode {
    // Before there are threads: it changes the environment.
    let passed = Passed::take(&std::env::var("LISTEN_FDNAMES").unwrap_or_default());
    let secrets = match config::check(options, &surroundings()) {
        Ok(secrets) => secrets,
        Err(problems) => return refused(&problems),
    };
    let filter = std::env::var(logs::VARIABLE).ok();
    let served = logs::init(filter.as_deref()).map_err(ProgramError::Logs).and_then(|()| {
        let runtime = tokio::runtime::Runtime::new().map_err(ProgramError::Runtime)?;
        runtime.block_on(async {
            let bounds = Bounds { files: options.max_files.get(), bytes: options.max_bytes.get() };
            let store: Arc<dyn Store> = Arc::new(Spool::open(&options.spool, bounds)?);
            let limits = Arc::new(Limits::new(options.rate, Duration::from_secs(options.body_timeout)));
            let metrics = Arc::new(Metrics::default());
            run(passed, options, State { secrets, store, limits, metrics, clock: Timestamp::now }).await
        })
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("preview-webhook: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run(passed: Passed, options: &Options, state: State) -> Result<(), ProgramError> {
    let listen = |kind| signal(kind).map_err(ProgramError::Signals);
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    // A limit on the size of files is an error to answer, not to die of.
    let _size_limit = listen(SignalKind::from_raw(Signal::XFSZ.as_raw()))?;

    let sockets = passed.open(options.listen, options.metrics_listen).await?;
    let mut server = Server::new(options.max_connections.get(), Arc::clone(&state.metrics));
    for listener in sockets.metrics {
        let router = metrics_app(Arc::clone(&state.metrics), Arc::clone(&state.store));
        server.serve(listener, router);
    }
    for listener in sockets.public {
        server.serve(listener, app(state.clone()));
    }
    if let Some(interval) = sd_notify::watchdog_enabled() {
        tokio::spawn(notify::watch(interval, Arc::clone(&state.store)));
    }
    notify::tell(&[NotifyState::Ready]);
    tracing::info!("ready");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    notify::tell(&[NotifyState::Stopping]);
    tracing::info!("stopping");
    match server.stop().await {
        Stopped::Answered => tracing::info!("stopped"),
        Stopped::Cut => tracing::warn!("stopped, and cut requests that took too long"),
    }
    Ok(())
}
