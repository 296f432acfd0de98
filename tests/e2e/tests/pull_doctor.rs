//! `preview doctor` on a host whose previews follow pull requests: each thing
//! that they need is told when it is missing, and well when it is there.

use berth_e2e::{Files, PullHost, preview};

/// The checks that concern pull requests.
const CHECKS: [&str; 6] = ["github", "webhook secret", "berthd", "webhook", "spool", "jobs"];

/// What doctor says of them.
fn told(host: &PullHost) -> String {
    let output = preview(host.previews(), &["doctor", "--json"]).run();
    let told: berth_e2e::Value =
        serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"));
    let findings = told["findings"].as_array().expect("findings");
    let ours = findings.iter().filter(|one| CHECKS.iter().any(|check| one["check"] == *check));
    let line = |one: &berth_e2e::Value| {
        let word = |key: &str| one[key].as_str().unwrap_or("-").to_owned();
        format!("{} {}: {}\n", word("severity"), word("check"), word("message"))
    };
    ours.map(line).collect()
}

#[test]
fn doctor_tells_what_pull_requests_lack() {
    let host = PullHost::boot("doctor");
    host.github().repository("acme/site", &Files::default());
    let well = told(&host);
    let since = well.lines().find_map(|line| line.split_once("it runs since ")).expect("berthd runs").1;
    insta::assert_snapshot!(well.replace(since, "[SINCE]"), @r"
    ok github: it shows 1 repository
    ok webhook secret: it can be read by root alone
    ok berthd: it runs since [SINCE]
    ok webhook: it takes deliveries at 127.0.0.1:9000 (Stream)
    ok spool: no delivery waits
    ok jobs: no pull request waits for a person
    ");

    host.command("systemctl").args(["stop", "preview-webhook.socket", "preview-webhook", "berthd"]).ok();
    host.command("chmod").args(["644", "/etc/berth/secrets/webhook"]).ok();
    let old = "/var/lib/berth-webhook/spool/00001700000000000000-a.delivery";
    host.shell(&format!(
        "touch {old} && mkdir -p /var/lib/berth/rejected && touch /var/lib/berth/rejected/x"
    ))
    .ok();
    host.shell("mv /etc/berth/secrets/app.pem /etc/berth/secrets/gone.pem").ok();
    let ill = told(&host);
    let minutes =
        ill.split_once("the oldest for ").and_then(|(_, rest)| rest.split_once(' ')).expect("an age").0;
    insta::assert_snapshot!(ill.replace(minutes, "[MANY]"), @r"
    error github: the key of the GitHub App cannot be read: set `github.app_key` to a file that root can read: `/etc/berth/secrets/app.pem` cannot be read: No such file or directory (os error 2)
    error webhook secret: `/etc/berth/secrets/webhook` is open to others than its owner
    error berthd: it does not run: no pull request is followed, and nothing is started after a reboot
    error webhook: `preview-webhook.socket` does not listen: GitHub's deliveries are lost
    error spool: berthd does not take what waits: 1 delivery, the oldest for [MANY] minutes
    warning spool: in `/var/lib/berth/rejected` was put aside what is no delivery: 1 file
    ok jobs: no pull request waits for a person
    ");

    host.shell("mv /etc/berth/secrets/gone.pem /etc/berth/secrets/app.pem").ok();
    host.command("chmod").args(["600", "/etc/berth/secrets/webhook"]).ok();
    host.shell(&format!("rm {old} /var/lib/berth/rejected/x")).ok();
    host.command("systemctl").args(["start", "preview-webhook.socket", "berthd"]).ok();
    assert!(told(&host).lines().all(|line| line.starts_with("ok ")), "{}", told(&host));

    // Without `[github]` there is nothing to say.
    let configuration = host.read_file("/etc/berth/berth.toml");
    let without = configuration.split_once("[daemon]").expect("the section after it").1;
    host.write_file("/etc/berth/berth.toml", format!("[daemon]{without}"), 0o644);
    assert_eq!(told(&host), "");
    host.write_file("/etc/berth/berth.toml", configuration, 0o644);
}
