//! `berth-guard NAME`: see the library's documentation.

use std::process::ExitCode;

use berth_core::{ContainerName, Layout};

const USAGE: &str = "\
usage: berth-guard NAME

Looks at container NAME before it starts: exit 0 lets it start, 1 does not and
says why on stderr. Containers that are not Berth's (a or p and a slot number)
pass without a look.

The NixOS module runs it as the first ExecStartPre of container@NAME.service.
";

/// A wrong call; systemd does not start the container then either.
const EXIT_USAGE: u8 = 2;

fn main() -> ExitCode {
    let args: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    match args.as_slice() {
        [arg] if arg == "--help" || arg == "-h" => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        [name] if !name.is_empty() && !name.starts_with('-') => {
            name.parse().map_or(ExitCode::SUCCESS, |name| guard(&Layout::host(), name))
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(EXIT_USAGE)
        }
    }
}

fn guard(layout: &Layout, name: ContainerName) -> ExitCode {
    let refusals = berth_guard::refusals(layout, name, berth_guard::list_table);
    for refusal in &refusals {
        eprintln!("berth-guard: container {name} is not started: {}", chain(refusal));
    }
    ExitCode::from(u8::from(!refusals.is_empty()))
}

/// An error with its sources on one line: one entry of the journal.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
