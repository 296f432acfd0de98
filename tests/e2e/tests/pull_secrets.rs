//! Secrets stay where they are needed: through a whole life with failures none
//! is in a log, a command line, a record, a comment or a core file.

use berth_e2e::double::{APP_KEY, Command, FaultKind};
use berth_e2e::{
    Files, JournalMark, MEMBER, PullHost, PullRequest, Sampler, Signal, TestHost, WEBHOOK_SECRET, fixture,
    json, places_with, places_with_any, preview,
};

const HOST_SECRET: &str = "host-secret-of-the-operator-0123456789";
const CONFIGURATION: &str = r#"
[[preview.secret]]
name = "API_KEY"
source = "/etc/berth/secrets/api-key"
repositories = ["acme/private"]
"#;
const REPO: &str = "acme/private";

/// The beginning of every token of an installation; the same as git sends it
/// in a header; and the beginning of every statement of the App.
const TOKENS: [&str; 3] =
    ["ghs_double0000", "eC1hY2Nlc3MtdG9rZW46Z2hz", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"];

/// Of the App's key one line, which is like no other.
fn key_line() -> &'static str {
    APP_KEY.lines().nth(3).expect("a key of several lines")
}

/// An app with a database and a secret. Its setup tells both when it fails.
fn app() -> Files {
    let asks = "  berth.preview = {\n    hostSecrets = [ \"API_KEY\" ];";
    let migrates = "psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 --file app/migrate.sql \"$DATABASE_URL\"";
    let tells = format!("{migrates} || {{ echo \"with $API_KEY at $DATABASE_URL\"; sleep 0.5; exit 1; }}");
    fixture("database").replacing("preview-config.nix", "  berth.preview = {", asks).replacing(
        "preview-config.nix",
        migrates,
        &tells,
    )
}

#[track_caller]
fn serves(host: &PullHost, pull: &PullRequest, page: &str) {
    host.settles(pull);
    assert_eq!(host.page(&pull.slug(), "/").as_deref(), Some(page), "{}", pull.says());
}

/// Everything that GitHub was told or sent, as one text.
fn on_github(host: &PullHost, pull: &PullRequest) -> String {
    let ask = |command: &Command| host.github().run(command).to_string();
    let deployments = ask(&Command::Deployments { repo: pull.repo().to_owned() });
    let comments = ask(&Command::Comments { repo: pull.repo().to_owned(), number: pull.number() });
    // All calls with their bodies: what was told before it was replaced, too.
    [deployments, comments, ask(&Command::Calls {}), ask(&Command::Deliveries {})].join("\n")
}

#[test]
fn no_secret_is_anywhere_after_a_whole_life() {
    let host = PullHost::boot_with("secrets", CONFIGURATION, "compare = \"2s\"");
    host.write_file("/etc/berth/secrets/api-key", HOST_SECRET, 0o600);
    let sampler = Sampler::begin(&host);
    let github = host.github();
    github.private_repository(REPO, &app());
    github.push(REPO, "fix", &[("README", "first\n")]);
    let pull = github.open(REPO, "fix");
    serves(&host, &pull, "visits: 1\n");
    let database = json(&preview(&host, &["info", "--json", &pull.slug()]).ok())["database"].clone();
    let password =
        host.read_file(&format!("/var/lib/berth/secrets/{}", database.as_str().expect("a database")));
    let password = password.trim();
    let secrets: Vec<&str> =
        [WEBHOOK_SECRET, key_line(), HOST_SECRET, password].into_iter().chain(TOKENS).collect();

    // Tokens that are not taken any more, and calls that fail.
    github.run(&Command::RevokeTokens {});
    github.fail(None, "", 3, FaultKind::Status(500));
    github.push(REPO, "fix", &[("README", "second\n")]);
    serves(&host, &pull, "visits: 2\n");

    // A setup that tells all it knows.
    github.push(REPO, "fix", &[("migrate.sql", "SELECT nonsense FROM nowhere;\n")]);
    host.settles(&pull);
    let says = pull.says();
    assert!(says.contains("`preview-setup.service` failed"), "{says}");
    assert!(says.contains("with [secret] at postgres") && says.contains("[secret]@"), "{says}");
    host.command("preview").args(["jobs", "--all"]).ok();
    pull.comment(MEMBER, "/preview rebuild");
    host.settles(&pull);

    // What berthd refuses of the webhook is put aside.
    let journal = JournalMark::now(&host);
    let new = "another-webhook-secret-0123456789";
    host.write_file("/etc/berth/secrets/webhook", new, 0o600);
    host.command("systemctl").args(["restart", "berthd"]).ok();
    pull.comment(MEMBER, "/preview");
    github.settle();
    let refused = "its signature is not that of the secret";
    host.wait("it is put aside", || journal.messages_of("berthd").contains(refused));
    host.write_file("/etc/berth/secrets/webhook", WEBHOOK_SECRET, 0o600);
    host.command("systemctl").args(["restart", "berthd"]).ok();

    // As the watchdog ends a program that hangs.
    for unit in ["berthd", "preview-webhook"] {
        crash(&host, unit);
    }
    // One more deployment, during which everything is looked through.
    github.push(REPO, "fix", &[("migrate.sql", &app().text("migrate.sql"))]);
    serves(&host, &pull, "visits: 3\n");
    assert_eq!(places_with_any(&host, &secrets), [""; 0]);

    pull.close();
    host.settles(&pull);
    assert_eq!(host.slugs(), [""; 0]);
    let seen = sampler.end();
    for (place, texts) in &seen {
        assert!(texts.len() > 10, "{place} was hardly seen: {texts:#?}");
        // What the services of a container are told, its programs may be.
        let known_inside = if place == "argv inside" { vec![HOST_SECRET, password] } else { Vec::new() };
        for secret in secrets.iter().filter(|secret| !known_inside.contains(secret)) {
            let found: Vec<&String> = texts.iter().filter(|text| text.contains(secret)).collect();
            assert!(found.is_empty(), "{secret} is in {place}: {found:#?}");
        }
    }
    let fetches = |text: &&String| text.contains("remote-http");
    assert!(seen["argv"].iter().any(|text| fetches(&text)), "git with a token was not seen: {seen:#?}");
    let told = on_github(&host, &pull);
    assert!(told.contains("### Preview: failed") && told.contains("in_progress"), "{told}");
    for secret in secrets.iter().chain(&[new]) {
        assert!(!told.contains(secret), "{secret} was told to GitHub");
    }
    assert_eq!(places_with_any(&host, &secrets), [""; 0]);
}

/// Ends the main process of a unit as a fault does, and waits for the next one.
#[track_caller]
fn crash(host: &PullHost, unit: &str) {
    let show = |property: &str| {
        host.command("systemctl").args(["show", "--value", "--property", property, unit]).ok().stdout
    };
    let old = show("MainPID");
    host.command("kill").args([&format!("-{}", Signal::ABORT.as_raw()), old.trim()]).ok();
    host.wait(&format!("{unit} is back"), || {
        show("ActiveState").trim() == "active" && !["0", old.trim()].contains(&show("MainPID").trim())
    });
}

#[test]
fn what_has_leaked_is_seen() {
    let canary = "canary-that-is-planted-0123456789";
    let host = PullHost::boot("planted");
    let sampler = Sampler::begin(&host);
    let places = [
        "/var/lib/berth/state/planted",
        "/var/lib/berth/rejected/planted",
        "/var/lib/private/berth-webhook/spool/.planted",
        "/var/lib/postgresql/planted",
        "/core",
        "/var/lib/systemd/coredump/core.berthd.0",
    ];
    plant(&host, canary, &places);
    let mut expected: Vec<String> = places.iter().map(|place| (*place).to_owned()).collect();
    host.command("logger").arg(canary).ok();
    expected.push("journal".to_owned());
    let added = host.command("nix-store").args(["--add", "/core"]).ok().stdout;
    expected.push(added.trim().to_owned());
    let pause = "import signal; signal.pause()";
    let sleeper = host.command("python3").args(["-c", pause, canary]).env("CANARY", canary).spawn();
    expected.extend([format!("argv of {}", sleeper.pid()), format!("environment of {}", sleeper.pid())]);
    let mut found = places_with_any(&host, &["nowhere-to-be-found", canary]);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(places_with(&host, "nowhere-to-be-found"), [""; 0]);
    sleeper.signal(Signal::TERM);
    sleeper.wait();

    // Some milliseconds are enough to be seen.
    host.shell("for turn in $(seq 30); do expr short-lived-0123456789; done").ok();
    let seen = sampler.end();
    let has = |place: &str, text: &str| seen[place].iter().any(|one| one.contains(text));
    assert!(has("argv", canary) && has("environment", canary));
    assert!(has("argv", "short-lived-0123456789"));
    for place in places {
        host.command("rm").arg(place).ok();
    }
}

/// Writes a text to files that root can make.
#[track_caller]
fn plant(host: &TestHost, text: &str, places: &[&str]) {
    for place in places {
        let line = r#"mkdir -p "$(dirname "$1")" && cat >"$1""#;
        host.command("sh").args(["-c", line, "sh", place]).stdin(text).ok();
    }
}
