//! A fake host with previews, and words for what tests do with it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use berth_core::{CommitSha, Config, ContainerName, Layout, Name, NixFiles, StorePath};
use jiff::Timestamp;
use tempfile::TempDir;

use super::super::{
    CreateOptions, PreviewError, Source, UpdateOptions, Updated, create, destroy, list, restart, update,
};
use crate::agents::{self, Actor, AgentError, Destroyed};
use crate::fake::FakeWorld;
use crate::host::Host;
use crate::lock::Locks;
use crate::progress::{Interrupt, Interrupter, Silent};
use crate::reconcile::{Report, reconcile};
use crate::repos::Wanted;
use crate::state::{BerthRecord, PreviewRecord, State};

/// A preview with everything that one can have.
pub(super) const FULL: &str = r#"{
    "setupService": "setup.service",
    "appServices": ["web.service", "worker.service"],
    "database": "host",
    "routes": [{ "path": "/", "port": 3000 }],
    "hostSecrets": ["API_KEY"],
    "extraHosts": [{ "prefix": "admin", "routes": [{ "path": "/", "port": 3001 }] }]
}"#;
/// The same with another host name and one service less.
pub(super) const OTHER: &str = r#"{
    "setupService": "setup.service",
    "appServices": ["web.service"],
    "database": "host",
    "routes": [{ "path": "/", "port": 4000 }],
    "extraHosts": [{ "prefix": "docs", "routes": [{ "path": "/", "port": 4001 }] }]
}"#;
pub(super) const SECRET: &str = "s3cret-of-the-host";
pub(super) const TOKEN: &str = "token-of-the-forge";
const AGENT: &str = "nixosConfigurations.agent.config.system.build.toplevel";

/// Long enough to take anything back here.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for an interrupt that is heard at once.
const MOMENT: Duration = Duration::from_millis(10);
/// What is not dropped for an interrupt: it has short deadlines of its own, or
/// goes on when it is dropped.
const SHORT: [&str; 14] = [
    "systemd.revert",
    "firewall.unpin",
    "nixos-container.destroy",
    "caddy.",
    "postgres.ensure",
    "repos.publish",
    "systemd.stop",
    "containers.remove",
    "systemd.set_limits",
    "systemd.unit_states",
    "systemd.restarted",
    "guests.replace_file",
    "guests.start_units",
    "guests.unit_tail",
];

/// How an operation comes to its end before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A call fails.
    Fails,
    /// The process is killed in a call.
    Dies,
    /// Somebody interrupts it in a call that takes long.
    Interrupted,
}

/// A fake host. A small subnet keeps "exhausted" near.
pub(super) struct Bed {
    pub(super) world: FakeWorld,
    pub(super) host: Host,
    _folder: TempDir,
}

impl Bed {
    /// A host on which `acme/site` has a branch `main` with the commit 1, and
    /// nothing has happened yet.
    pub(super) async fn new() -> Self {
        // In memory where there is room for that: durability is not tested here.
        let in_memory = tempfile::tempdir_in("/dev/shm");
        let folder = in_memory.or_else(|_| tempfile::tempdir()).expect("a folder");
        let layout = Layout::below(folder.path());
        let world = FakeWorld::new(&layout);
        let bed = Self {
            host: Host {
                state: State::open(&layout).await.expect("a database"),
                locks: Locks::new(&layout),
                tools: world.tools(),
                config: config(&layout),
                layout,
                now: Timestamp::now,
            },
            world,
            _folder: folder,
        };
        bed.evaluates("one", 1, FULL);
        bed.evaluates("two", 2, OTHER);
        bed.push("main", 1, "one");
        let site = super::super::route::site_text(&bed.host, bed.host.config.preview.as_ref().expect("one"));
        super::super::route::routes(&bed.host).put_site(&site).await.expect("caddy runs");
        bed
    }

    /// The same with `site-main` deployed at commit 1, and commit `2` pushed
    /// with this configuration.
    pub(super) async fn deployed(next: &str) -> (Self, PreviewRecord) {
        let bed = Self::new().await;
        let record = bed.create("main").await.expect("created");
        bed.push("main", 2, next);
        (bed, record)
    }

    /// Lets a `preview-config.nix` of this text build that system.
    pub(super) fn evaluates(&self, text: &str, number: u8, meta: &str) {
        self.world.preview_evaluates(Some(&files(text)), Ok((system(number), meta)));
    }

    /// Pushes a commit whose `preview-config.nix` has this text.
    pub(super) fn push(&self, branch: &str, number: u8, text: &str) {
        self.push_to(&Wanted::Branch(branch.parse().expect("a branch")), number, text);
    }

    pub(super) fn push_to(&self, wanted: &Wanted, number: u8, text: &str) {
        self.world.push(&"acme/site".parse().expect("a repository"), wanted, &commit(number), files(text));
    }

    pub(super) async fn create(&self, branch: &str) -> Result<PreviewRecord, PreviewError> {
        self.create_with(options(branch), &never()).await
    }

    pub(super) async fn create_with(
        &self,
        options: CreateOptions,
        interrupt: &Interrupt,
    ) -> Result<PreviewRecord, PreviewError> {
        self.rest();
        Box::pin(create(&self.host, options, &by(), &Silent, interrupt)).await
    }

    pub(super) async fn update(&self, slug: &str) -> Result<Updated, PreviewError> {
        self.update_with(slug, UpdateOptions::default(), &never()).await
    }

    pub(super) async fn update_with(
        &self,
        slug: &str,
        options: UpdateOptions,
        interrupt: &Interrupt,
    ) -> Result<Updated, PreviewError> {
        self.rest();
        Box::pin(update(&self.host, &name(slug), options, &by(), &Silent, interrupt)).await
    }

    pub(super) async fn restart_until(
        &self,
        slug: &str,
        interrupt: &Interrupt,
    ) -> Result<PreviewRecord, PreviewError> {
        self.rest();
        Box::pin(restart(&self.host, &name(slug), &by(), &Silent, interrupt)).await
    }

    pub(super) async fn destroy(&self, slug: &str) -> Result<Destroyed, PreviewError> {
        self.rest();
        Box::pin(destroy(&self.host, &name(slug), &by(), &Silent)).await
    }

    /// An agent called `agent`, which needs a slot too.
    pub(super) async fn create_agent(&self) -> Result<BerthRecord, AgentError> {
        let installable = format!("{}#{AGENT}", self.host.config.closures);
        self.world.flake_builds(&installable, Ok(system(9)));
        let limits = self.host.config.agent.limits;
        let options =
            agents::CreateOptions { name: name("agent"), ttl: None, limits, gpu: false, wait: true };
        Box::pin(agents::create(&self.host, options, &by(), &Silent, &never())).await
    }

    pub(super) async fn reconcile(&self) -> Report {
        self.rest();
        let report = Box::pin(reconcile(&self.host, &by(), &Silent, &never())).await;
        report.expect("the host can be looked at")
    }

    /// Lets the last reload be long ago: the next one does not wait for more
    /// changes.
    pub(super) fn rest(&self) {
        let _ = fs::remove_file(self.host.layout.run_dir().join("routes/last"));
    }

    pub(super) async fn records(&self) -> Vec<PreviewRecord> {
        self.host.state.previews().await.expect("the records can be read")
    }

    pub(super) async fn record(&self, slug: &str) -> PreviewRecord {
        let record = self.host.state.preview_called(&name(slug)).await;
        record.expect("the records can be read").expect("it is there")
    }

    /// The container that serves a preview.
    pub(super) async fn container(&self, record: &PreviewRecord) -> ContainerName {
        let berths = self.host.state.berths_of(record.id).await.expect("the records can be read");
        berths.iter().find(|berth| Some(berth.id) == record.berth).expect("a berth").container
    }

    /// Works until it is done or hangs; dropped where it hangs, as if killed.
    pub(super) async fn until_it_hangs<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.hang() => None,
        }
    }

    /// Dies in the next call of this tool.
    pub(super) async fn until_it_hangs_in<T>(&self, call: &str, work: impl Future<Output = T>) {
        self.world.hang_next(call);
        assert!(self.until_it_hangs(work).await.is_none(), "it never calls {call}");
        self.world.clear_faults();
    }

    /// Ends when some call hangs.
    pub(super) async fn hang(&self) {
        while !self.world.is_hanging() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// How many points have been passed so far.
    pub(super) fn points(&self) -> usize {
        self.world.passed().len()
    }

    /// Plans what happens at the `point`th point from now.
    pub(super) fn plan(&self, cut: Cut, point: usize) {
        match cut {
            Cut::Fails => self.world.fail_at(self.points() + point),
            Cut::Dies | Cut::Interrupted => self.world.hang_at(self.points() + point),
        }
    }

    /// Works until that point. Nothing when it died there, or when it was
    /// interrupted and did not hear of it.
    pub(super) async fn cut_short<T>(
        &self,
        cut: Cut,
        point: usize,
        interrupter: &Interrupter,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        self.plan(cut, point);
        match cut {
            Cut::Fails | Cut::Dies => self.until_it_hangs(work).await,
            Cut::Interrupted => self.interrupted(interrupter, work).await,
        }
    }

    async fn interrupted<T>(&self, interrupter: &Interrupter, work: impl Future<Output = T>) -> Option<T> {
        let interrupting = async {
            self.hang().await;
            interrupter.interrupt();
            let where_it_hangs = self.last_point();
            let is_short = SHORT.iter().any(|call| where_it_hangs.contains(call));
            tokio::time::sleep(if is_short { MOMENT } else { PATIENCE }).await;
            assert!(is_short, "an interrupt is not heard {where_it_hangs}");
        };
        tokio::select! {
            done = work => Some(done),
            () = interrupting => None,
        }
    }

    /// Whether an error tells of an interrupt, or of a look at the host: that
    /// cannot hang, so it fails instead.
    pub(super) fn is_interrupt(error: &PreviewError) -> bool {
        error.is_interrupt() || error.on_one_line().contains("do `systemd.limited`")
    }

    /// When a test looks, for its messages.
    pub(super) fn when(&self, what: &str, point: usize) -> String {
        format!("when {what} at point {point}, last {}", self.last_point())
    }

    /// The point passed last, in words.
    fn last_point(&self) -> String {
        self.world.passed().last().map(ToString::to_string).unwrap_or_default()
    }

    /// Every preview with what it is in, as people see it.
    pub(super) async fn states(&self) -> Vec<String> {
        let previews = list(&self.host).await.expect("listed");
        previews.iter().map(|preview| format!("{} {}", preview.slug, preview.state)).collect()
    }
}

fn config(layout: &Layout) -> Config {
    let secret = layout.root().join("api-key");
    let token = layout.root().join("token");
    for (path, text) in [(&secret, SECRET), (&token, TOKEN)] {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        file.expect("a file").write_all(text.as_bytes()).expect("written");
    }
    let text = format!(
        r#"
        subnet = "10.9.8.0/24"
        [deadlines]
        boot = "50ms"
        stop = "50ms"
        [preview]
        domain = "example.com"
        token = "{token}"
        token_repositories = ["acme/site"]
        reserved = ["site-internal"]
        [[preview.secret]]
        name = "API_KEY"
        source = "{secret}"
        repositories = ["acme/site"]
        [preview.deadlines]
        fetch = "1s"
        setup = "1s"
        ready = "2s"
        drain = "50ms"
        "#,
        token = token.display(),
        secret = secret.display(),
    );
    Config::parse(&text).unwrap_or_else(|error| panic!("{error}"))
}

pub(super) fn options(branch: &str) -> CreateOptions {
    CreateOptions {
        source: Source {
            repo: "acme/site".parse().expect("a repository"),
            branch: branch.parse().expect("a branch"),
            pull: None,
            commit: None,
        },
        slug: None,
        ttl: None,
        wait: true,
        keeps_failed: true,
        is_trusted: true,
    }
}

pub(super) fn forced() -> UpdateOptions {
    UpdateOptions { is_forced: true, ..UpdateOptions::default() }
}

pub(super) fn commit(number: u8) -> CommitSha {
    format!("{number:040x}").parse().expect("a commit")
}

fn files(text: &str) -> NixFiles {
    let mut files = NixFiles::new();
    files.insert("preview-config.nix", text.as_bytes().to_vec()).expect("a file");
    files
}

pub(super) fn system(number: u8) -> StorePath {
    format!("/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqs{number:02}-nixos-system").parse().expect("a path")
}

pub(super) fn by() -> Actor {
    Actor::new("ada")
}

pub(super) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(super) fn container(text: &str) -> ContainerName {
    text.parse().expect("a container")
}

pub(super) fn never() -> Interrupt {
    Interrupt::new().1
}

/// Works on all of them at once.
pub(super) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, output) in running.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *output = Some(value);
            }
        }
        if outputs.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}
