//! What people are told: help, and errors that need no host.

use std::process::ExitCode;

use berth_core::{Kind, Layout};
use berth_term::command::{completions, man};
use berth_term::{Caller, Failure, Rights, Screen, program};
use clap::{CommandFactory, Parser, ValueEnum};
use clap_complete::Shell;

use crate::cli::Cli;

/// Runs a command line on a host that has nothing.
fn outcome(arguments: &[&str], rights: Rights) -> Result<ExitCode, Failure> {
    let folder = tempfile::tempdir().expect("a folder");
    let cli = Cli::try_parse_from(arguments).expect("a command line");
    let caller = Caller::new(Kind::Preview, "ada", rights);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let layout = Layout::below(folder.path());
    let screen = Screen::of_this_process(&caller, false);
    runtime.block_on(program::run(cli, caller, screen, layout))
}

fn error(arguments: &[&str], rights: Rights) -> String {
    let failure = outcome(arguments, rights).expect_err("a refusal");
    format!("{failure}exit code {}\n", failure.code() as u8)
}

/// What clap says of a command line that is wrong.
fn usage_error(arguments: &[&str]) -> String {
    Cli::try_parse_from(arguments).expect_err("a wrong command line").render().to_string()
}

#[test]
fn help_of_the_program() {
    let mut command = Cli::command().term_width(100);
    insta::assert_snapshot!("help", command.render_long_help());
    insta::assert_snapshot!("short_help", command.render_help());
}

#[test]
fn help_of_every_command() {
    let mut command = Cli::command().term_width(100);
    command.build();
    for subcommand in command.get_subcommands_mut() {
        let help = subcommand.render_long_help();
        insta::assert_snapshot!(format!("help_{}", subcommand.get_name()), help);
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn commands_answer_to_the_names_that_people_try() {
    let command_lines: [(&[&str], &str); 5] = [
        (&["preview", "deploy", "acme/site", "main"], "create"),
        (&["preview", "ls"], "list"),
        (&["preview", "rm", "x"], "destroy"),
        (&["preview", "show", "x"], "info"),
        (&["preview", "exec", "x", "--", "true"], "run"),
    ];
    for (arguments, name) in command_lines {
        assert_eq!(Cli::try_parse_from(arguments).expect(name).command.name(), name);
    }
}

#[test]
fn who_is_not_root_is_told_how_to_be() {
    let commands: [&[&str]; 12] = [
        &["create", "acme/site", "main"],
        &["update", "x"],
        &["list"],
        &["info", "x"],
        &["logs", "x"],
        &["run", "x", "--", "true"],
        &["restart", "x"],
        &["destroy", "x"],
        &["expire"],
        &["events"],
        &["build", "acme/site", "main"],
        &["doctor"],
    ];
    let told: String =
        commands.into_iter().map(|command| error(&[&["preview"], command].concat(), Rights::Own)).collect();
    insta::assert_snapshot!(told);
}

#[test]
fn options_that_take_a_path_are_refused_through_sudo() {
    let commands: [&[&str]; 5] = [
        &["preview", "--config", "/tmp/x.toml", "list"],
        &["preview", "check-config", "/etc/shadow"],
        &["preview", "man", "--dir", "/etc"],
        &["preview", "check", "/etc"],
        &["preview", "check", "-", "--closures", "/tmp/x"],
    ];
    let told: String = commands.into_iter().map(|command| error(command, Rights::Delegated)).collect();
    insta::assert_snapshot!(told);
}

#[test]
fn a_declaration_is_checked_without_root_and_all_its_problems_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("meta.json");
    let text = path.display().to_string();
    std::fs::write(&path, r#"{"routes": [{"path": "/", "port": 80}], "appServices": ["web"]}"#)
        .expect("written");
    assert!(outcome(&["preview", "check", &text], Rights::Own).is_ok());
    std::fs::write(&path, r#"{"routes": [{"path": "x", "port": 0}], "colour": 1}"#).expect("written");
    let told = error(&["preview", "check", &text], Rights::Own);
    insta::assert_snapshot!(told.replace(&text, "meta.json"));
}

#[test]
fn what_cannot_be_deployed_is_refused_with_the_reason() {
    let command_lines: [&[&str]; 9] = [
        &["site", "main"],
        &["https://github.com/acme/site", "main"],
        &["acme/site", "a..b"],
        &["acme/site", "-x"],
        &["acme/site", "main", "--pr", "0"],
        &["acme/site", "main", "--commit", "HEAD"],
        &["acme/site", "main", "--slug", "Site"],
        &["acme/site", "main", "--slug", "webhook"],
        &["acme/site", "main", "--ttl", "soon"],
    ];
    let told: String =
        command_lines.into_iter().map(|line| usage_error(&[&["preview", "create"], line].concat())).collect();
    insta::assert_snapshot!(berth_host::printable::printable(&told));
}

#[test]
fn a_branch_may_begin_with_a_dash_behind_two() {
    let line = Cli::try_parse_from(["preview", "create", "acme/site", "--", "-x"]).expect("a command line");
    assert!(format!("{line:?}").contains("-x"), "{line:?}");
}

#[test]
fn half_a_command_line_is_told_what_is_missing() {
    let command_lines: [&[&str]; 7] = [
        &["preview"],
        &["preview", "enter", "x"],
        &["preview", "create", "acme/site"],
        &["preview", "run", "x", "ls"],
        &["preview", "destroy"],
        &["preview", "logs", "x", "--build", "-f"],
        &["preview", "check"],
    ];
    let told: String = command_lines.into_iter().map(usage_error).collect();
    insta::assert_snapshot!(told);
}

#[test]
fn every_shell_gets_every_command() {
    for shell in Shell::value_variants() {
        let text = completions::render(Cli::command(), *shell);
        for command in Cli::command().get_subcommands() {
            assert!(text.contains(command.get_name()), "{shell}: {}", command.get_name());
        }
    }
}

#[test]
fn every_command_has_its_page() {
    let folder = tempfile::tempdir().expect("a folder");
    man::write_pages(Cli::command(), folder.path()).expect("written");
    let pages = man::all_pages(Cli::command()).expect("rendered");
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("preview-{}", command.get_name());
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).expect(&name);
        assert!(page.contains("Examples:"), "{name}");
        assert!(pages.contains(&format!(".TH {name} ")), "{name}");
    }
}
