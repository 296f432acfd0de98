//! A host on which pull requests drive previews: `preview-webhook`, `berthd`
//! and a GitHub.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use berth_github_double::{APP_ID, APP_KEY, HookOptions};
use berth_testhost::{TestHost, wait_until};

use crate::github::{GITHUB, GitHub, PullRequest};
use crate::preview_host::{DOMAIN, PreviewHost};
use crate::{json, preview};

const PROGRAMS: [&str; 3] = ["preview-webhook", "berthd", "github-double"];
/// Their units, which Berth's NixOS modules have on the host already (tests/golden).
const SOCKETS: [&str; 2] = ["preview-webhook.socket", "preview-webhook-metrics.socket"];
/// What else the modules start, and what berthd would make good otherwise.
const FIREWALLS: [&str; 2] = ["berth-firewall.service", "berth-build-egress.service"];

/// What deliveries are signed with.
pub const WEBHOOK_SECRET: &str = "webhook-secret-that-nobody-may-see";
const SECRET_FILE: &str = "/etc/berth/secrets/webhook";
const APP_KEY_FILE: &str = "/etc/berth/secrets/app.pem";
const SPOOL: &str = "/var/lib/berth-webhook/spool";
/// A deployment takes some seconds; many of them on a busy machine take more.
pub const PATIENCE: Duration = Duration::from_mins(3);

/// Between two looks at what is left to do.
const PAUSE: Duration = Duration::from_millis(100);

/// A host whose previews follow pull requests. It ends with the value, and must
/// be clean then.
#[derive(Debug)]
pub struct PullHost {
    host: Arc<PreviewHost>,
    github: GitHub,
}

impl PullHost {
    /// Boots one that hears of everything by webhook.
    ///
    /// # Panics
    /// If it does not boot.
    #[track_caller]
    pub fn boot(name: &str) -> Self {
        Self::boot_with(name, "", "")
    }

    /// Boots one with these lines in the sections `[preview]` and `[daemon]` of
    /// the configuration, each of which may begin others.
    ///
    /// # Panics
    /// If it does not boot.
    #[track_caller]
    pub fn boot_with(name: &str, preview_lines: &str, daemon_lines: &str) -> Self {
        let host = PreviewHost::boot(name);
        for program in PROGRAMS {
            host.install_built(program);
        }
        let host = Arc::new(host);
        let github = follow_pulls(&host, preview_lines, daemon_lines);
        Self { host, github }
    }

    /// Configures it: these lines are added to the sections `[preview]` and
    /// `[daemon]`, and may begin others. `berthd` reads it when it starts.
    ///
    /// # Panics
    /// If it cannot be written.
    #[track_caller]
    pub fn configure(&self, preview_lines: &str, daemon_lines: &str) {
        configure(&self.host, preview_lines, daemon_lines);
    }

    /// Events go to `preview-webhook`, all of them, in order.
    pub fn hooks() -> HookOptions {
        HookOptions {
            url: "http://127.0.0.1:9000/webhook/github".to_owned(),
            secret: WEBHOOK_SECRET.to_owned(),
            seed: 0,
            lost: 0,
            twice: 0,
            delay: 0,
        }
    }

    /// Its GitHub.
    pub fn github(&self) -> &GitHub {
        &self.github
    }

    /// Reboots it; its files stay. Its GitHub does not come back by itself.
    ///
    /// # Panics
    /// If it does not come up again, or somebody else has the host.
    #[track_caller]
    pub fn reboot(&mut self) {
        Arc::get_mut(&mut self.host).expect("nobody else has it").reboot();
    }

    /// Starts its GitHub again, which has forgotten everything but commits.
    ///
    /// # Panics
    /// If it does not start.
    #[track_caller]
    pub fn restart_github(&mut self) {
        self.command("systemctl").args(["stop", "github-double.service"]).ok();
        self.github = GitHub::start(&self.host);
    }

    /// The host without what follows pull requests.
    pub fn previews(&self) -> &Arc<PreviewHost> {
        &self.host
    }

    /// The slugs of all previews.
    ///
    /// # Panics
    /// If they cannot be listed.
    #[track_caller]
    pub fn slugs(&self) -> Vec<String> {
        let listed = json(&preview(&self.host, &["list", "--json"]).ok());
        let slug = |one: &serde_json::Value| one["slug"].as_str().expect("a slug").to_owned();
        listed.as_array().expect("a list").iter().map(slug).collect()
    }

    /// What a preview answers with status 200; nothing when it does not.
    ///
    /// # Panics
    /// If Caddy does not answer.
    #[track_caller]
    pub fn page(&self, slug: &str, path: &str) -> Option<String> {
        let name = format!("{slug}.{DOMAIN}");
        let resolve = format!("{name}:443:127.0.0.1");
        let url = format!("https://{name}{path}");
        let arguments = ["-ksSf", "--max-time", "20", "--resolve", &resolve, &url];
        let answer = self.command("curl").args(arguments).run();
        answer.is_success().then_some(answer.stdout)
    }

    /// Waits until a preview serves this.
    ///
    /// # Panics
    /// If it does not in time.
    #[track_caller]
    pub fn serves(&self, slug: &str, path: &str, content: &str) {
        self.wait(&format!("{slug} serves {content:?}"), || {
            self.page(slug, path).as_deref() == Some(content)
        });
    }

    /// Waits until there is no preview of this slug, on the host or in records.
    ///
    /// # Panics
    /// If it is not gone in time.
    #[track_caller]
    pub fn is_gone(&self, slug: &str) {
        self.wait(&format!("{slug} is gone"), || !self.slugs().iter().any(|one| one == slug));
    }

    /// Waits for something that `berthd` brings about.
    ///
    /// # Panics
    /// If it does not in time; its log is printed then.
    #[track_caller]
    pub fn wait(&self, what: &str, condition: impl FnMut() -> bool) {
        wait_until(PATIENCE, what, condition);
    }

    /// The files in the spool.
    ///
    /// # Panics
    /// If it cannot be listed.
    #[track_caller]
    pub fn spool(&self) -> Vec<String> {
        self.command("ls").arg(SPOOL).ok().stdout.lines().map(str::to_owned).collect()
    }

    /// Every open piece of work, as `preview jobs --json` tells it.
    ///
    /// # Panics
    /// If they cannot be listed.
    #[track_caller]
    pub fn jobs(&self, words: &[&str]) -> serde_json::Value {
        json(&preview(&self.host, &["jobs", "--json"]).args(words).ok())
    }

    /// Waits until everything that has happened to a pull request is dealt with,
    /// whatever is left to do for others.
    ///
    /// # Panics
    /// If it is not in time.
    #[track_caller]
    pub fn settles(&self, pull: &PullRequest) {
        self.github.settle();
        let end = Instant::now() + PATIENCE;
        while let Some(left) = self.left_of(pull) {
            assert!(Instant::now() < end, "{} does not rest: {left}", pull.slug());
            thread::sleep(PAUSE);
        }
    }

    /// What is still to be done for a pull request.
    fn left_of(&self, pull: &PullRequest) -> Option<String> {
        // In this order: what leaves the spool is a job already.
        let spool = self.spool();
        let jobs = self.jobs(&[]);
        let is_open = |job: &&serde_json::Value| job["state"] == "working" || job["state"] == "waiting";
        let is_its =
            |job: &&serde_json::Value| job["repository"] == pull.repo() && job["pull"] == pull.number();
        let job = jobs.as_array().expect("a list").iter().filter(is_its).find(is_open);
        job.map(ToString::to_string).or_else(|| (!spool.is_empty()).then(|| format!("{spool:?}")))
    }

    /// Waits until nothing is left to be done.
    ///
    /// # Panics
    /// If there still is something in the end.
    #[track_caller]
    pub fn rests(&self) {
        self.wait("nothing is left to do", || {
            self.spool().is_empty() && self.jobs(&[]).as_array().is_some_and(Vec::is_empty)
        });
    }
}

/// Lets the previews of a host, on which the programs are, follow pull requests
/// on a GitHub of its own; see [`PullHost::boot_with`].
///
/// # Panics
/// If something does not start.
#[track_caller]
pub fn follow_pulls(host: &TestHost, preview_lines: &str, daemon_lines: &str) -> GitHub {
    host.command("mkdir").args(["-p", "-m", "700", "/etc/berth/secrets"]).ok();
    host.write_file(SECRET_FILE, WEBHOOK_SECRET, 0o600);
    host.write_file(APP_KEY_FILE, APP_KEY, 0o600);
    configure(host, preview_lines, daemon_lines);
    host.command("systemctl").args(["enable", "--quiet", "--now"]).args(FIREWALLS).ok();
    let github = GitHub::start(host);
    host.command("systemctl").args(["enable", "--quiet", "--now"]).args(SOCKETS).ok();
    let services = ["preview-webhook.service", "berthd.service"];
    host.command("systemctl").args(["enable", "--quiet", "--now"]).args(services).ok();
    github.deliver(PullHost::hooks());
    github
}

#[track_caller]
fn configure(host: &TestHost, preview_lines: &str, daemon_lines: &str) {
    let text = format!(
        "[github]\napi = \"{GITHUB}\"\napp_id = {APP_ID}\napp_key = \"{APP_KEY_FILE}\"\n\
         webhook_secret = \"{SECRET_FILE}\"\nrepositories = [\"acme/*\"]\n\
         [daemon]\n{daemon_lines}\n\
         [preview]\ndomain = \"{DOMAIN}\"\nforge = \"{GITHUB}\"\n{preview_lines}\n\
         [preview.deadlines]\nsetup = \"1m\"\nready = \"1m\"\ndrain = \"1s\"\n"
    );
    host.write_file("/etc/berth/berth.toml", text, 0o644);
}

impl PullHost {
    /// Expects that nothing in the programs has ever failed by a fault of their
    /// own, and that none stood still.
    ///
    /// # Panics
    /// If one has, with the lines of the journal.
    #[track_caller]
    pub fn assert_no_fault(&self) {
        self.command("journalctl").arg("--sync").ok();
        let units = ["-u", "berthd", "-u", "preview-webhook"];
        let said = self.command("journalctl").args(["-q", "-a", "-o", "cat"]).args(units).ok().stdout;
        let is_fault = |line: &&str| {
            ["panicked at", "fault in berthd", "stand still", "Watchdog timeout", "core-dump"]
                .iter()
                .any(|word| line.contains(word))
        };
        let faults: Vec<&str> = said.lines().filter(is_fault).collect();
        assert_eq!(faults, [""; 0]);
    }
}

impl Deref for PullHost {
    type Target = PreviewHost;

    fn deref(&self) -> &PreviewHost {
        &self.host
    }
}

impl Drop for PullHost {
    fn drop(&mut self) {
        if !self.is_up() {
            return;
        }
        if thread::panicking() {
            let log = ["-q", "--no-pager", "-o", "cat", "-n", "80", "-u", "berthd", "-u", "preview-webhook"];
            eprintln!("{}", self.command("journalctl").args(log).run().stdout);
            return;
        }
        self.command("systemctl").args(["stop", "berthd.service", "preview-webhook.service"]).ok();
        for slug in self.slugs() {
            preview(&self.host, &["destroy", &slug]).ok();
        }
    }
}

/// One host for all tests of a file: the first one boots it, the last one that
/// runs ends it.
#[derive(Debug)]
pub struct SharedPullHost {
    boot: fn() -> PullHost,
    host: Mutex<Weak<PullHost>>,
}

impl SharedPullHost {
    /// A host that is not booted yet.
    pub const fn booted_by(boot: fn() -> PullHost) -> Self {
        Self { boot, host: Mutex::new(Weak::new()) }
    }

    /// The host, booted if it is not there.
    ///
    /// # Panics
    /// If it does not boot.
    #[track_caller]
    pub fn get(&self) -> Arc<PullHost> {
        let mut shared = self.host.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let host = Arc::new((self.boot)());
            *shared = Arc::downgrade(&host);
            host
        })
    }
}
