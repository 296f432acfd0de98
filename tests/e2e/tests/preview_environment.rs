//! What services are told: values of any kind come out right in a service and
//! in a shell, nobody else reads them, and secrets are given by exact name.

use std::sync::Arc;

use berth_e2e::{Files, Preview, PreviewHost, Value, fixture, places_with, preview};

const SECRET: &str = r#" poison "double" 'single' $HOME ${HOME} `id` \n \\ # ü * ; end "#;
const TOKEN: &str = "ghp_poisontoken0123456789";
const CONFIGURATION: &str = r#"
token = "/etc/berth/token"
token_repositories = ["acme/granted"]

[[preview.secret]]
name = "API_KEY"
source = "/etc/berth/api-key"
repositories = ["acme/granted"]

[[preview.secret]]
name = "OTHER_KEY"
source = "/etc/berth/api-key"
repositories = ["acme/somebody-else"]
"#;

fn host(name: &str) -> Arc<PreviewHost> {
    let host = Arc::new(PreviewHost::boot(name));
    host.write_file("/etc/berth/api-key", format!("{SECRET}\n"), 0o600);
    host.write_file("/etc/berth/token", format!("{TOKEN}\n"), 0o600);
    host.configure_previews(CONFIGURATION);
    host
}

/// A site whose setup writes down what it was told: as a service is told by
/// systemd, and as a shell reads it.
fn telling(secrets: &str) -> Files {
    let line = "old=$(readlink site || :)";
    let told = r"old=$(readlink site || :)
      env -0 | sort -z | grep -z -e ^PREVIEW_ -e _KEY= >by-systemd
      env -i ${pkgs.bash}/bin/bash -c 'set -a; source /etc/preview.env; env -0' | sort -z | grep -z -e ^PREVIEW_ -e _KEY= >by-shell";
    fixture("static")
        .replacing("preview-config.nix", line, told)
        .replacing("preview-config.nix", "pkgs.git\n", "pkgs.git\n      pkgs.gnugrep\n")
        .replacing(
            "preview-config.nix",
            "  berth.preview = {",
            &format!("  berth.preview = {{\n    hostSecrets = [ {secrets} ];"),
        )
}

/// The variables that were written down, sorted.
#[track_caller]
fn told(one: &Preview, by: &str) -> Vec<String> {
    let written = one.run(&format!("cat /var/lib/preview/by-{by}")).ok().stdout;
    written.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn names_of_branches_and_secrets_come_out_as_they_are_in_services_and_shells() {
    let host = host("environment");
    let branch = "feature/ü'\"$x";
    let repository = host.forge().repository("acme/granted", telling("\"API_KEY\""));
    let commit = repository.commit_to(branch, "nasty", &[("index.html", "nasty\n")]);
    let one = Preview::create_with(&host, &repository, branch, &[]);
    let slug = one.slug();
    let id = one.info()["url"].as_str().expect("a URL").to_owned();
    assert_eq!(id, format!("https://{slug}.preview.test"));
    let source = one.run("sed -n s/^PREVIEW_REPO_URL=//p /etc/preview.env").ok().stdout;
    let source = source.trim().trim_matches(['"', '\'']);
    assert!(source.starts_with("file:///var/lib/berth/sources/d"), "{source}");
    let expected = [
        format!("API_KEY={SECRET}"),
        format!("PREVIEW_BRANCH={branch}"),
        format!("PREVIEW_COMMIT={commit}"),
        format!("PREVIEW_HOST={slug}.preview.test"),
        format!("PREVIEW_REPO_URL={source}"),
        format!("PREVIEW_URL=https://{slug}.preview.test"),
    ];
    assert_eq!(told(&one, "systemd"), expected);
    assert_eq!(told(&one, "shell"), expected);
    assert_eq!(one.page("/"), "nasty\n");

    // The code-only update tells the new commit, and the mode stays.
    let commit = repository.commit_to(branch, "again", &[("index.html", "again\n")]);
    assert_eq!(one.update(), "code");
    assert_eq!(told(&one, "shell")[2], format!("PREVIEW_COMMIT={commit}"));
    let modes = one.run_as_root("stat -c '%n %a %U' /etc/preview.env /etc/preview-token").ok().stdout;
    assert_eq!(modes, "/etc/preview.env 400 preview\n/etc/preview-token 400 preview\n");
    assert_eq!(one.run("cat /etc/preview-token").ok().stdout.trim(), TOKEN);

    // Only this commit is visible.
    let refs =
        one.run(&format!("git --git-dir={} for-each-ref --format='%(refname)'", &source[7..])).ok().stdout;
    assert_eq!(refs, format!("refs/heads/{branch}\n"));
    let written = one.run(&format!("touch {}/x", &source[7..])).run();
    assert!(!written.is_success(), "{written}");

    one.command("restart").ok();
    assert_eq!(one.update_with(&["--force"]), "switched");
    for secret in [SECRET.trim(), TOKEN] {
        assert_eq!(places_with(&host, secret), [""; 0]);
    }
}

#[test]
fn a_branch_that_looks_like_an_option_is_a_branch() {
    let host = host("dash");
    let repository = host.forge().repository("acme/dash", fixture("static"));
    repository.commit_to("--upload-pack=x", "dash", &[("index.html", "dash\n")]);
    let one = Preview::create_with(&host, &repository, "--upload-pack=x", &[]);
    assert_eq!((one.slug(), one.page("/").as_str()), ("dash-upload-pack-x", "dash\n"));
}

#[test]
fn a_changed_secret_comes_with_the_next_update_or_restart() {
    let host = host("new-secret");
    let repository = host.forge().repository("acme/granted", telling("\"API_KEY\""));
    let one = Preview::create(&host, &repository);
    assert_eq!(one.update(), "nothing");
    host.write_file("/etc/berth/api-key", "another\n", 0o600);
    assert_eq!(one.update(), "switched", "what its services are told is new");
    assert_eq!(told(&one, "systemd")[0], "API_KEY=another");
    host.write_file("/etc/berth/api-key", "third\n", 0o600);
    one.command("restart").ok();
    assert_eq!(told(&one, "systemd")[0], "API_KEY=third");
}

#[test]
fn what_was_not_granted_is_refused_by_name() {
    let host = host("not-granted");
    for secret in ["OTHER_KEY", "NO_KEY"] {
        let repository =
            host.forge().repository("acme/granted", telling(&format!("\"API_KEY\" \"{secret}\"")));
        let refused = preview(&host, &["create", repository.name(), "main", "--rollback"]).run();
        assert_eq!(refused.code(), Some(1), "{refused}");
        assert!(
            refused.stderr.contains(&format!("`{secret}` is not granted to `acme/granted`")),
            "{refused}"
        );
    }
    // A token is not there without a grant.
    let repository = host.forge().repository("acme/no-token", telling(""));
    let one = Preview::create(&host, &repository);
    assert!(!one.run_as_root("cat /etc/preview-token").run().is_success());
    assert_eq!(one.page("/"), "one\n");
}

#[test]
fn a_private_repository_is_fetched_with_the_token_and_not_without() {
    let host = host("private");
    let repository = host.forge().repository("acme/private", fixture("static"));
    repository.make_private(TOKEN);
    let one = Preview::create(&host, &repository);
    assert_eq!(one.page("/"), "one\n");
    assert_eq!(places_with(&host, TOKEN), [""; 0]);
    host.write_file("/etc/berth/token", "ghp_anotherone\n", 0o600);
    let refused = one.command("update").run();
    assert_eq!(refused.code(), Some(1), "{refused}");
    assert!(refused.stderr.contains("acme/private"), "{refused}");
    assert_eq!((one.page("/").as_str(), one.info()["commit"] == Value::Null), ("one\n", false));
}
