//! A GitHub that is not there: REST, git over HTTP and webhooks, for tests and
//! the demo.
//!
//! [`Double::start`] listens on two sockets. The first is GitHub for Berth: the
//! REST calls that Berth makes, refused as GitHub refuses them (credentials,
//! permissions, missing fields, limits), and `BASE/OWNER/NAME.git` through git's
//! own http-backend. The second is for tests, which are the people on GitHub:
//! they send [`Command`]s to push, to open pull requests, to comment, and to
//! make GitHub misbehave. In the same process, [`Double::run`] does the same.
//!
//! Commits and references are real, pull requests and the rest are in memory.

mod answer;
mod clock;
mod command;
mod control;
mod deliver;
mod faults;
mod git;
mod grants;
mod http_backend;
mod jwt;
mod people;
mod random;
mod rest;
mod shapes;
mod world;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use self::command::{Command, FaultKind, HookOptions, Role};
use self::deliver::Hooks;
use self::git::Git;
pub use self::random::Random;
use self::world::World;
pub use self::world::{APP_ID, APP_SLUG};

/// The private key of the App, as GitHub gives it out. It opens nothing else.
pub const APP_KEY: &str = include_str!("../assets/app-key.pem");

/// Where a double listens and what it keeps its repositories in.
#[derive(Clone, Debug)]
pub struct Options {
    /// GitHub's side.
    pub listen: SocketAddr,
    /// The tests' side.
    pub control: SocketAddr,
    /// The folder of the repositories; one that goes with the double when
    /// nothing.
    pub root: Option<PathBuf>,
}

impl Default for Options {
    /// Any free ports of loopback.
    fn default() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { listen: any, control: any, root: None }
    }
}

/// A running double. It ends when it is dropped.
pub struct Double {
    shared: Shared,
    address: SocketAddr,
    control: SocketAddr,
    servers: Vec<JoinHandle<()>>,
    _folder: Option<tempfile::TempDir>,
}

/// What all handlers share.
#[derive(Clone)]
pub(crate) struct Shared {
    world: Arc<Mutex<World>>,
    pub(crate) git: Git,
    pub(crate) hooks: Hooks,
    /// Where people reach it: for addresses in answers.
    pub(crate) base: Arc<str>,
}

impl Shared {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().expect("nothing panics while it holds the world")
    }
}

impl Double {
    /// Starts it.
    pub async fn start(options: Options) -> Result<Self> {
        let folder = match &options.root {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("make a folder for repositories")?),
        };
        let root = folder.as_ref().map(|folder| folder.path().to_owned()).or(options.root);
        let git = Git::new(root.context("there is a folder")?).await?;
        let listener = TcpListener::bind(options.listen).await.context("listen as GitHub")?;
        let control = TcpListener::bind(options.control).await.context("listen for tests")?;
        let address = listener.local_addr()?;
        let control_address = control.local_addr()?;
        let base: Arc<str> = format!("http://{address}").into();
        let world = Arc::new(Mutex::new(World::new()?));
        let shared = Shared { hooks: Hooks::new(), world, git, base };
        let servers =
            vec![serve(listener, rest::app(shared.clone())), serve(control, control::app(shared.clone()))];
        Ok(Self { shared, address, control: control_address, servers, _folder: folder })
    }

    /// The base of the API and of the repositories: `http://127.0.0.1:PORT`.
    pub fn base(&self) -> &str {
        &self.shared.base
    }

    /// Where it listens as GitHub.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for tests.
    pub fn control(&self) -> SocketAddr {
        self.control
    }

    /// The time that it takes to be now.
    pub fn now(&self) -> jiff::Timestamp {
        self.shared.world().clock.now()
    }

    /// Does what people on GitHub do, and tells what came of it.
    pub async fn run(&self, command: Command) -> Result<serde_json::Value> {
        control::run(&self.shared, command).await
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
    }
}

fn serve(listener: TcpListener, app: axum::Router) -> JoinHandle<()> {
    tokio::spawn(async move {
        // It ends with its task only.
        let _ = axum::serve(listener, app).await;
    })
}
