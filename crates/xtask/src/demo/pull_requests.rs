//! Pull requests: what people do on GitHub, and what comes of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use berth_e2e::{PullRequest, fixture, follow_pulls, wait_until};
use berth_testhost::TestHost;

use super::{Scene, scene, show};

const REPO: &str = "acme/site";
const PAGE: Scene =
    scene("", &["curl", "-sS", "--config", "/run/curl-preview", "https://site-1.preview.test/"]);
/// The end of what `berthd` does for one event.
const DEADLINE: Duration = Duration::from_mins(2);

/// Plays them, on a host whose previews are configured.
pub(super) fn play(host: &TestHost) -> Result<()> {
    println!("\n# Start `preview-webhook` and `berthd`, beside a GitHub that is not the real one.");
    let github = follow_pulls(host, "", "");
    github.repository(REPO, &fixture("static"));
    github.push(REPO, "fix", &[("index.html", "two\n")]);
    println!("\n# Ada opens a pull request. What Berth's comment there says:");
    let mut seen = Seen { begin: Instant::now(), texts: 0 };
    let pull = github.open(REPO, "fix");
    seen.until(&pull, "### Preview: ready");
    show(host, &[PAGE])?;
    println!("\n# She pushes. The comment is edited.");
    seen.begin = Instant::now();
    let head = github.push(REPO, "fix", &[("index.html", "three\n")]);
    seen.until(&pull, &format!("ready\n\n- <https://site-1.preview.test>\n\nCommit `{}`", &head[..12]));
    show(host, &[PAGE, scene("What berthd has done.", &["preview", "jobs", "--all"])])?;
    println!("\n# She closes it.");
    seen.begin = Instant::now();
    pull.close();
    seen.until(&pull, "### Preview: removed");
    show(host, &[scene("", &["preview", "list"])])?;
    Ok(())
}

/// Stops both programs: what they hold while they run is no leftover.
pub(super) fn end(host: &TestHost) {
    host.command("systemctl").args(["stop", "berthd.service", "preview-webhook.service"]).ok();
}

/// How far somebody has read the texts of a comment.
struct Seen {
    begin: Instant,
    texts: usize,
}

impl Seen {
    /// Prints new texts, until one has this in it.
    fn until(&mut self, pull: &PullRequest, end: &str) {
        wait_until(DEADLINE, end, || {
            let told = pull.told();
            let new = &told[self.texts..];
            for text in new {
                for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with("<!--")) {
                    println!("  | {line}");
                }
                println!("  ({:.2} s)", self.begin.elapsed().as_secs_f64());
            }
            self.texts = told.len();
            new.iter().any(|text| text.contains(end))
        });
    }
}
