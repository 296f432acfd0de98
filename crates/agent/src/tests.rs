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
    let caller = Caller::new(Kind::Agent, "ada", rights);
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
    let command_lines: [(&[&str], &str); 4] = [
        (&["agent", "ls"], "list"),
        (&["agent", "rm", "x"], "destroy"),
        (&["agent", "show", "x"], "info"),
        (&["agent", "exec", "x", "--", "true"], "run"),
    ];
    for (arguments, name) in command_lines {
        assert_eq!(Cli::try_parse_from(arguments).expect(name).command.name(), name);
    }
}

#[test]
fn who_is_not_root_is_told_how_to_be() {
    let commands: [&[&str]; 14] = [
        &["create", "x"],
        &["ssh", "x"],
        &["run", "x", "--", "true"],
        &["list"],
        &["info", "x"],
        &["events"],
        &["logs", "x"],
        &["stop", "x"],
        &["start", "x"],
        &["destroy", "x"],
        &["expire"],
        &["build"],
        &["doctor"],
        &["firewall", "load"],
    ];
    let told: String =
        commands.into_iter().map(|command| error(&[&["agent"], command].concat(), Rights::Own)).collect();
    insta::assert_snapshot!(told);
}

#[test]
fn options_that_take_a_path_are_refused_through_sudo() {
    let commands: [&[&str]; 4] = [
        &["agent", "--config", "/tmp/x.toml", "list"],
        &["agent", "create", "x", "--config=/tmp/x.toml"],
        &["agent", "check-config", "/etc/shadow"],
        &["agent", "man", "--dir", "/etc"],
    ];
    let told: String = commands.into_iter().map(|command| error(command, Rights::Delegated)).collect();
    insta::assert_snapshot!(told);
}

#[test]
fn root_itself_and_who_is_not_root_may_name_a_configuration() {
    for rights in [Rights::Root, Rights::Own] {
        let told = error(&["agent", "check-config", "/nowhere/berth.toml"], rights);
        assert!(
            told.starts_with("error: could not read the configuration `/nowhere/berth.toml`\n"),
            "{told}"
        );
    }
}

#[test]
fn names_that_are_none_are_refused_with_the_reason() {
    let long = "a".repeat(64);
    let names = ["", "Fix", "a b", "a_b", "müsli", "a\u{1b}[31m", "a-", &long];
    let mut told: String = names.into_iter().map(|name| usage_error(&["agent", "create", name])).collect();
    told += &usage_error(&["agent", "create", "-x"]);
    told += &usage_error(&["agent", "create", "--", "-x"]);
    told += &usage_error(&["agent", "destroy", "good", "Bad"]);
    insta::assert_snapshot!(berth_host::printable::printable(&told));
}

#[test]
fn amounts_that_are_none_are_refused_with_the_reason() {
    let told: String = [["--ttl", "soon"], ["--memory", "4"], ["--cpus", "0"], ["--tasks", "-1"]]
        .into_iter()
        .map(|option| usage_error(&[&["agent", "create", "x"][..], &option].concat()))
        .collect();
    insta::assert_snapshot!(told);
}

#[test]
fn half_a_command_line_is_told_what_is_missing() {
    let command_lines: [&[&str]; 7] = [
        &["agent"],
        &["agent", "enter", "x"],
        &["agent", "create"],
        &["agent", "run", "x"],
        &["agent", "run", "x", "ls"],
        &["agent", "destroy"],
        &["agent", "destroy", "--all", "x"],
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
        let name = format!("agent-{}", command.get_name());
        let page = std::fs::read_to_string(folder.path().join(format!("{name}.1"))).expect(&name);
        assert!(page.contains("Examples:"), "{name}");
        assert!(pages.contains(&format!(".TH {name} ")), "{name}");
    }
}
