//! Deliveries to `preview-webhook`, stored durably, against the same server
//! with a store that keeps nothing.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use berth_core::delivery::WebhookSecret;

use crate::step;

const RATE: u32 = 500;
const SECONDS: u32 = 10;
const WARM_UP: u32 = RATE;
const ROUNDS: usize = 2;
/// How many requests of the client may be under way at once.
const CONNECTIONS: u32 = 64;
/// As GitHub's payloads of pull requests are.
const BODY_BYTES: usize = 25_000;
const SECRET: &str = "the secret of the benchmark";
const PAYLOAD: &str = include_str!("../../../core/src/delivery/fixtures/pull_request.synchronize.json");
const STARTS: Duration = Duration::from_secs(10);

/// Prints p50 and p99 of both, and what a file by hand costs on this disk.
pub(super) fn run() -> Result<()> {
    let programs = build()?;
    let bench = Bench::new()?;
    let (mut storing, mut discarding) = (Times::default(), Times::default());
    // Alternating, so that a slow minute of the machine hits both.
    for _ in 0..ROUNDS {
        discarding.add(bench.measure(bench.discarding(&programs))?);
        storing.add(bench.measure(bench.storing(&programs))?);
        bench.empty()?;
    }
    println!("a file by hand (write, sync, rename, sync):     {}", bench.by_hand()?);
    println!("202 at {RATE}/s on one core, without storing:      {discarding}");
    println!("202 at {RATE}/s on one core, stored with fsync:    {storing}");
    println!(
        "  ratio {:.2} (p50), {:.2} (p99)",
        storing.ratio_to(&discarding, 50),
        storing.ratio_to(&discarding, 99)
    );
    fs::remove_dir_all(&bench.folder).context("the folder of the benchmark stays")
}

struct Programs {
    storing: PathBuf,
    discarding: PathBuf,
}

fn build() -> Result<Programs> {
    let mut command = step::cargo(&["build", "--quiet", "--release", "--package", "berth-webhook"]);
    command.args(["--bin", "preview-webhook", "--example", "discarding"]);
    step::run("build the servers", &mut command)?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| step::checkout().join("target"), PathBuf::from);
    let release = target.join("release");
    Ok(Programs { storing: release.join("preview-webhook"), discarding: release.join("examples/discarding") })
}

struct Bench {
    folder: PathBuf,
    address: SocketAddr,
    body: Vec<u8>,
    signature: String,
}

impl Bench {
    /// A folder beside what is built: on a disk, where `/tmp` may be memory.
    fn new() -> Result<Self> {
        let folder = step::checkout().join(format!("target/bench-webhook-{}", std::process::id()));
        fs::create_dir_all(folder.join("spool"))?;
        let mut secret =
            File::options().write(true).create_new(true).mode(0o600).open(folder.join("secret"))?;
        secret.write_all(SECRET.as_bytes())?;
        let padding = "x".repeat(BODY_BYTES.saturating_sub(PAYLOAD.len()));
        let body = PAYLOAD.replacen('{', &format!("{{\"padding\": \"{padding}\","), 1).into_bytes();
        let signature = WebhookSecret::new(SECRET.as_bytes())?.sign(&body).to_string();
        // Free now, and hardly taken by another within the next moment.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        Ok(Self { folder, address, body, signature })
    }

    fn storing(&self, programs: &Programs) -> Command {
        let mut command = on_one_core(&programs.storing);
        command.args(["--allow-root", "--rate", "10000", "--max-files", "1000000", "--listen"]);
        command.arg(self.address.to_string()).arg("--spool").arg(self.folder.join("spool"));
        command.arg("--secret-file").arg(self.folder.join("secret"));
        command
    }

    fn discarding(&self, programs: &Programs) -> Command {
        let mut command = on_one_core(&programs.discarding);
        command.arg(self.address.to_string()).arg(SECRET);
        command
    }

    /// Starts a server, sends at the rate, and ends it.
    fn measure(&self, mut server: Command) -> Result<Times> {
        let server = server.stdin(Stdio::null()).stderr(File::create(self.folder.join("log"))?);
        let _running = Running(server.spawn().context("the server did not start")?);
        let deadline = Instant::now() + STARTS;
        while TcpStream::connect(self.address).is_err() {
            ensure!(
                Instant::now() < deadline,
                "the server does not listen; see {}",
                self.folder.join("log").display()
            );
            thread::sleep(Duration::from_millis(5));
        }
        self.send(WARM_UP)?;
        self.send(RATE * SECONDS)
    }

    /// Sends each delivery at its time, whether those before are answered or
    /// not; each one's time counts from when it was due.
    fn send(&self, count: u32) -> Result<Times> {
        let (next, begin) = (AtomicU32::new(0), Instant::now());
        let worker = || -> Result<Vec<Duration>> {
            let mut times = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok(times);
                }
                let due = begin + Duration::from_secs(1) * number / RATE;
                thread::sleep(due.saturating_duration_since(Instant::now()));
                self.deliver(number)?;
                times.push(due.elapsed());
            }
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(worker)).collect();
            let mut all = Times::default();
            for worker in workers {
                all.0.extend(worker.join().expect("a worker does not panic")?);
            }
            Ok(all)
        })
    }

    fn deliver(&self, number: u32) -> Result<()> {
        let head = format!(
            "POST /webhook/github HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nX-GitHub-Event: \
             pull_request\r\nX-GitHub-Delivery: bench-{number}\r\nX-Hub-Signature-256: {}\r\nContent-Length: {}\r\n\r\n",
            self.signature,
            self.body.len()
        );
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(&[head.as_bytes(), &self.body].concat())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 202 ") {
            bail!("delivery {number} was answered: {answer}");
        }
        Ok(())
    }

    /// Takes out what lies in the spool.
    fn empty(&self) -> Result<()> {
        let spool = self.folder.join("spool");
        let stored = fs::read_dir(&spool)?.count();
        let sent = usize::try_from(WARM_UP + RATE * SECONDS)?;
        ensure!(stored == sent, "{sent} were answered and {stored} lie in the spool");
        fs::remove_dir_all(&spool)?;
        Ok(fs::create_dir(spool)?)
    }

    /// The floor: the same steps for one file after the other.
    fn by_hand(&self) -> Result<Times> {
        let spool = self.folder.join("spool");
        let folder = File::open(&spool)?;
        let mut times = Times::default();
        for number in 0..RATE {
            let begin = Instant::now();
            let temporary = spool.join("temporary");
            let mut file = File::create_new(&temporary)?;
            file.write_all(&self.body)?;
            file.sync_all()?;
            fs::rename(&temporary, spool.join(number.to_string()))?;
            folder.sync_all()?;
            times.0.push(begin.elapsed());
        }
        Ok(times)
    }
}

fn on_one_core(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    command
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Times of deliveries.
#[derive(Clone, Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    fn add(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    }

    fn ratio_to(&self, other: &Self, percent: usize) -> f64 {
        self.percentile(percent).as_secs_f64() / other.percentile(percent).as_secs_f64()
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99] = [50, 99].map(|percent| self.percentile(percent).as_secs_f64() * 1e3);
        write!(f, "p50 {p50:.2} ms, p99 {p99:.2} ms (n = {})", self.0.len())
    }
}
