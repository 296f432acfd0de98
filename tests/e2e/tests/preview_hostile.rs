//! Code from repositories: what wants more than it may have is refused within
//! its limit, by name, and leaves nothing; what is well-meant builds under the
//! same limits.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use berth_e2e::text::{own_error, without_hashes};
use berth_e2e::{
    Files, Output, Preview, PreviewHost, SharedPreviewHost, fixture, json, preview, sql, wait_until,
};

static HOST: SharedPreviewHost = SharedPreviewHost::named("closures");

/// Limits that a well-meant build keeps by far.
const LIMITS: &str = "
[preview.bounds]
evaluation_time = \"20s\"
evaluation_memory = \"512M\"
build_silence = \"15s\"
closure = \"400M\"
[deadlines]
build = \"40s\"
";
/// The longest that any of them may take: an evaluation's and a build's time, ten
/// seconds until the client gives a daemon up that does not end it, and work on
/// two cores.
const LONGEST: Duration = Duration::from_secs(90);
/// How many run at a time.
const WORKERS: usize = 4;

/// What the host keeps in places that no repository may read.
const SHADOW: &str = "poison-of-shadow";
const STATE: &str = "poison-of-state";
const PRESENT: &str = "presence-of-a-file";

/// The names of the hostile repositories.
fn hostile() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/hostile");
    let entries = fs::read_dir(folder).expect("the fixtures").map(|entry| entry.expect("an entry"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<String> =
        folders.map(|entry| entry.file_name().into_string().expect("a name")).collect();
    names.sort();
    assert!(names.len() > 30, "{names:?}");
    names
}

/// Builds the repository `acme/NAME`.
fn build(host: &PreviewHost, name: &str) -> Output {
    preview(host, &["build", &format!("acme/{name}"), "main"]).deadline(LONGEST).run()
}

/// The error alone, without what differs from run to run.
#[track_caller]
fn error(output: &Output) -> String {
    without_log_number(&without_bad_path(&without_sizes(&without_hashes(&own_error(&output.stderr)))))
}

/// The number in `closure-7.log`: builds run at the same time.
fn without_log_number(text: &str) -> String {
    const WORDS: &str = "/closure-";
    match text.split_once(WORDS) {
        Some((before, after)) => {
            format!("{before}{WORDS}N{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text.to_owned(),
    }
}

/// The hash in `store path 'HASH-name'`.
fn without_bad_path(text: &str) -> String {
    const WORDS: &str = "store path '";
    match text.split_once(WORDS) {
        Some((before, after)) => format!("{before}{WORDS}HASH{}", after.get(32..).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `12345 MiB` and `12.3 MiB`: of free space, and of closures.
fn without_sizes(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let is_number = |word: &str| word.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let shown = |(index, word): (usize, &&str)| {
        let is_size = words.get(index + 1).is_some_and(|next| next.starts_with("MiB"));
        if is_size && is_number(word) { "SIZE".to_owned() } else { (*word).to_owned() }
    };
    words.iter().enumerate().map(shown).collect::<Vec<_>>().join(" ")
}

/// Runs the work for each name, some at a time, and returns what came out by
/// name.
fn for_each<T: Send>(names: &[String], work: impl Fn(&str) -> T + Sync) -> BTreeMap<String, T> {
    let (todo, done) = (Mutex::new(names.iter()), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(name) = { todo.lock().expect("no panic").next() } {
                    let outcome = work(name);
                    done.lock().expect("no panic").insert(name.clone(), outcome);
                }
            });
        }
    });
    done.into_inner().expect("no panic")
}

/// Where a text is on the host: in the journal, in Berth's folders but for the
/// state, in the store's new paths, in `/tmp` and `/run`.
fn found(host: &PreviewHost, text: &str) -> String {
    let script = r#"
        { find /nix/store -mindepth 1 -maxdepth 1 -cnewer /root/begin -print0 | xargs -0r grep -rlsaF -- "$1"
          find /var/lib/berth -mindepth 1 -maxdepth 1 ! -name state -print0 | xargs -0r grep -rlsaF -- "$1"
          grep -rlsaF -D skip -- "$1" /tmp /run/berth /run/log /var/tmp /nix/var/log
          journalctl -q -a -o json --no-pager | grep -cF -- "$1" | sed 's/^0$//;s/^/journal: /;/: $/d'
        } || :"#;
    host.command("sh").args(["-c", script, "sh", text]).ok().stdout
}

/// What is refused, and what builds and leaks nothing.
const BUILD: [&str; 2] = ["escaping-log", "get-env"];

#[test]
fn what_a_repository_must_not_have_is_refused_by_name_within_its_limits() {
    let host = Arc::new(PreviewHost::boot("hostile"));
    host.configure_previews(LIMITS);
    plant(&host);
    let names = hostile();
    for name in &names {
        host.forge().repository(&format!("acme/{name}"), fixture(&format!("hostile/{name}")));
    }
    let mut outputs = for_each(&names, |name| match name {
        "full-disk" => build_until_full(&host),
        name => build(&host, name),
    });
    for output in outputs.values() {
        assert_says_nothing(output);
    }
    for name in BUILD {
        let output = outputs.remove(name).expect("it was built");
        assert!(output.is_success(), "{output}");
        builds_and_leaks_nothing(&host, name, output.stdout.trim());
    }
    let mut refusals = String::new();
    for (name, output) in &outputs {
        assert_eq!((output.code(), output.stdout.as_str()), (Some(1), ""), "{name}: {output}");
        let error = error(output);
        let file = if name == "import-symlink" { "`other.nix`" } else { "preview-config.nix" };
        assert!(error.contains(file), "{name}: {error}");
        refusals += &format!("--- {name}\n{error}");
    }
    insta::assert_snapshot!("refusals", refusals);
    create_is_refused_too(&host);

    assert_eq!(found(&host, SHADOW), "");
    assert_eq!(found(&host, STATE), "");
    is_calm(&host);
    assert_eq!(found_kinds(&found(&host, PRESENT)), Vec::<&str>::new());
    well_meant_builds(&host);
    host.command("logger").arg(PRESENT).ok();
    assert_eq!(found_kinds(&found(&host, PRESENT)), ["a log", "the journal", "the store"]);
}

/// Puts into files of the host what no repository may come to see.
fn plant(host: &PreviewHost) {
    preview(host, &["list"]).ok();
    let shadow = host.read_file("/etc/shadow");
    host.write_file("/etc/shadow", format!("{shadow}{SHADOW}:*:20000:0:99999:7:::\n"), 0o640);
    host.write_file("/var/lib/berth/state/poison", STATE, 0o600);
    host.write_file("/root/begin", "", 0o600);
    // The clock of the file system ticks a few times in this time.
    let ticked = "[ -n \"$(find /root/tick -cnewer /root/begin)\" ]";
    wait_until(Duration::from_mins(1), "time passes", || {
        host.shell(&format!("echo >/root/tick; {ticked}")).run().is_success()
    });
}

/// Neither what the host keeps nor what would act on a terminal.
#[track_caller]
fn assert_says_nothing(output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains(SHADOW) && !text.contains(STATE) && !text.contains("root:"), "{output}");
        let acts = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(acts, None, "{output}");
    }
}

fn builds_and_leaks_nothing(host: &PreviewHost, name: &str, system: &str) {
    let script = host.read_file(&format!("{system}/scripts/site-start"));
    match name {
        "get-env" => assert!(script.ends_with("\nHOME= PATH=\n"), "{script}"),
        _ => assert!(script.contains("-escaping\n"), "{script}"),
    }
}

/// Builds with nearly all that is free now as what must stay free.
fn build_until_full(host: &PreviewHost) -> Output {
    let df = host.command("df").args(["--output=avail", "--block-size=1M", "/nix/store"]).ok().stdout;
    let free: u64 = df.lines().last().and_then(|line| line.trim().parse().ok()).expect("a number");
    let config = host.read_file("/etc/berth/berth.toml");
    let limits = format!("[preview.bounds]\nfree = \"{}M\"\n", free - 500);
    host.write_file("/etc/berth/full.toml", config.replace("[preview.bounds]\n", &limits), 0o644);
    let words = ["--config", "/etc/berth/full.toml", "build", "acme/full-disk", "main"];
    preview(host, &words).deadline(LONGEST).run()
}

/// What cannot be built is kept as failed with its log, and goes whole.
fn create_is_refused_too(host: &Arc<PreviewHost>) {
    let names = ["build-reads-host", "escaping-log", "oversized-closure", "read-shadow"].map(str::to_owned);
    let logs = for_each(&names, |name| {
        let one = Preview::attach(host, &format!("{name}-main"));
        let words = ["create", &format!("acme/{name}"), "main", "--no-wait"];
        let output = preview(host, &words).deadline(LONGEST).run();
        assert_says_nothing(&output);
        assert_eq!(output.is_success(), name == "escaping-log", "{output}");
        let log = one.command("logs").arg("--build").ok();
        assert_says_nothing(&log);
        one.destroy();
        log.stdout
    });
    let ends = |name: &str, end: &str| {
        let log = &logs[name];
        assert!(log.lines().any(|line| line.starts_with(end)), "{name}: {log}");
    };
    ends("build-reads-host", "-- failed: what `preview-config.nix` asks for does not build");
    assert!(logs["build-reads-host"].contains("\ncat: can't open '/etc/shadow': No such file"));
    ends("oversized-closure", "-- failed: `preview-config.nix` makes a system of ");
    ends("read-shadow", "-- failed: `preview-config.nix` does not evaluate:");
    ends("escaping-log", "-- done");
}

/// Nothing is half done and nothing runs on.
fn is_calm(host: &PreviewHost) {
    assert_eq!(sql(host, "SELECT id FROM closures WHERE system IS NULL"), [""; 0]);
    let units = host.command("systemctl").args(["list-units", "--all", "--plain", "--no-legend"]).ok().stdout;
    let units: Vec<&str> = units.lines().filter(|line| line.starts_with("berth-build-")).collect();
    assert_eq!(units, [""; 0]);
    let builders = host.shell("ps -eo user:20=,args= | grep ^nixbld || :").ok().stdout;
    assert_eq!(builders, "");
    assert_eq!(host.shell("ls -A /var/lib/berth/gcroots | wc -l").ok().stdout.trim(), "2", "what built");
    preview(host, &["doctor"]).ok();
    host.assert_clean();
}

/// Which kinds of places those are.
fn found_kinds(found: &str) -> Vec<&'static str> {
    let kind = |line: &str| match line {
        line if line.starts_with("/nix/store/") => "the store",
        line if line.starts_with("journal: ") => "the journal",
        line if line.starts_with("/var/lib/berth/logs/") => "a log",
        _ => panic!("it is in `{line}` too"),
    };
    let mut kinds: Vec<&str> = found.lines().map(kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The same limits let a repository through that reads files of its own.
fn well_meant_builds(host: &PreviewHost) {
    let files = fixture("static")
        .replacing("preview-config.nix", "{ pkgs, ... }:", "{ pkgs, ... }@args:")
        .replacing("preview-config.nix", "\"Serve the site\"", "import ./nix/text.nix args")
        .with(
            "nix/text.nix",
            "{ pkgs, ... }: builtins.trace (import ./deep/word.nix) (import ./deep/word.nix)",
        )
        .with("nix/deep/word.nix", &format!("\"{PRESENT}\""));
    host.forge().repository("acme/well-meant", files);
    let built = build(host, "well-meant");
    assert!(built.is_success(), "{built}");
    let unit = host.read_file(&format!("{}/etc/systemd/system/site.service", built.stdout.trim()));
    assert!(unit.contains(&format!("Description={PRESENT}\n")), "{unit}");
}

#[test]
fn a_repository_without_configuration_is_refused_unless_the_operator_allows_the_hosts_own() {
    let host = HOST.get();
    let name = "acme/without";
    host.forge().repository(name, Files::default().with("index.html", "its own\n"));
    let refused = preview(&host, &["create", name, "main", "--rollback"]).run();
    insta::assert_snapshot!("no_configuration", without_commit(&error(&refused)));

    let config = host.read_file("/etc/berth/berth.toml");
    let allowed = config.replace("[preview]\n", "[preview]\ndefault_configuration = true\n");
    host.write_file("/etc/berth/default.toml", allowed, 0o644);
    let one = Preview::attach(&host, "without-main");
    preview(&host, &["--config", "/etc/berth/default.toml", "create", name, "main"]).ok();
    assert_eq!(one.page("/"), "its own\n");
    one.destroy();
}

/// The commit in an error, which has its first twelve digits.
fn without_commit(text: &str) -> String {
    let is_commit = |word: &str| word.len() == 12 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words
        .map(|word| {
            if word.get(..12).is_some_and(is_commit) {
                format!("COMMIT{}", &word[12..])
            } else {
                word.to_owned()
            }
        })
        .collect()
}

#[test]
fn builds_of_one_key_at_one_time_share_one_build() {
    let host = HOST.get();
    let config =
        "script = \"exec ${pkgs.runCommand \"shared\" { } \"sleep 1; echo once >$out\"}; exec true\";";
    let files = fixture("static").replacing(
        "preview-config.nix",
        "script = \"exec python3 -m http.server --directory site 8080\";",
        config,
    );
    let names = ["acme/shared-1", "acme/shared-2", "acme/shared-3"];
    for name in names {
        host.forge().repository(name, files.clone());
    }
    let running = names.map(|name| preview(&host, &["build", name, "main"]).spawn());
    let outputs = running.map(berth_e2e::Running::wait);
    let system = outputs[0].stdout.trim();
    assert!(system.starts_with("/nix/store/"), "{}", outputs[0]);
    assert!(outputs.iter().all(|output| output.stdout.trim() == system), "{outputs:?}");
    let told: String = outputs.iter().map(|output| output.stderr.as_str()).collect();
    assert_eq!(told.matches("-shared.drv'...").count(), 1, "{told}");
    let rows = sql(&host, &format!("SELECT id FROM closures WHERE system = '{system}'"));
    assert_eq!(rows.len(), 1, "one evaluation, one build: {rows:?}");
    // Twin: another key is another build.
    let other = files.replacing("preview-config.nix", "\"Serve the site\"", "\"Serve\"");
    host.forge().repository("acme/shared-4", other);
    assert_ne!(preview(&host, &["build", "acme/shared-4", "main"]).ok().stdout.trim(), system);
}

#[test]
fn closures_leave_by_least_recent_use_and_garbage_collection_keeps_those_in_use() {
    let host = Arc::new(PreviewHost::boot("kept"));
    host.configure_previews("[preview.bounds]\nclosures_kept = 2\n");
    let named = |word: &str| {
        fixture("static").replacing("preview-config.nix", "\"Serve the site\"", &format!("\"{word}\""))
    };
    let build = |word: &str| {
        host.forge().repository(&format!("acme/{word}"), named(word));
        let age = "UPDATE closures SET last_used_at = last_used_at - 3600000";
        sql(&host, age);
        preview(&host, &["build", &format!("acme/{word}"), "main"]).ok().stdout.trim().to_owned()
    };
    let deployed = host.forge().repository("acme/deployed", named("deployed"));
    let one = Preview::create(&host, &deployed);
    let used = one.field("closure");
    let [first, second] = ["first", "second"].map(build);
    // Used once more, it is the newer one.
    assert_eq!(build("first"), first);
    let third = build("third");
    let collected =
        |path: &str| !host.command("nix-store").args(["--check-validity", path]).run().is_success();
    host.command("nix-collect-garbage").ok();
    let state = [&used, &first, &second, &third].map(|path| collected(path));
    assert_eq!(state, [false, false, true, false], "only what was used longest ago has left");
    assert_eq!(one.page("/"), "one\n");
    one.command("restart").ok();
    assert_eq!(one.page("/"), "one\n");
    // What was collected is built again, at its old place.
    assert_eq!(build("second"), second);

    // Another flake is another key, whatever comes out.
    let keys = || sql(&host, "SELECT DISTINCT key FROM closures ORDER BY key");
    let before = keys();
    assert_eq!(build("second"), second);
    assert_eq!(keys(), before, "twin: the same flake has the same key");
    host.write_file("/etc/berth/closures/marker", "changed\n", 0o644);
    build("second");
    assert_eq!(keys().iter().filter(|key| !before.contains(key)).count(), 1);
    host.command("nix-collect-garbage").ok();
    assert_eq!(one.page("/"), "one\n");
    one.destroy();
    assert_eq!(json(&preview(&host, &["list", "--json"]).ok()), json_list());
}

fn json_list() -> berth_e2e::Value {
    berth_e2e::Value::Array(Vec::new())
}
