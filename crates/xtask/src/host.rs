//! `host`: boot, enter and end test hosts by hand.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Instant;

use anyhow::Result;
use berth_testhost::{BootOptions, Cache, Images, TestHost};
use clap::Subcommand;

use crate::programs::{self, Profile};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which host; several can be up at once.
    #[arg(long, global = true, default_value = "main")]
    name: String,

    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Boot a fresh host; one that is up already stays as it is.
    Up,
    /// Build Berth's programs and put them on the host.
    Install,
    /// Power the host off and remove everything it had.
    Down,
    /// Open a shell in the host.
    Enter,
    /// Run a program in the host, with our own streams and its exit code.
    Exec {
        /// As this user of the host.
        #[arg(long, default_value = "root")]
        user: String,
        /// The program and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// List hosts.
    Status,
    /// Build the images without booting.
    Images,
}

pub(crate) fn run(args: Args) -> Result<ExitCode> {
    let cache = Cache::from_env()?;
    let mut progress = |step: &str| eprintln!("{step}");
    match args.action {
        Action::Up => up(&cache, &args.name)?,
        Action::Install => programs::install(&TestHost::attach(&cache, &args.name)?, Profile::Dev)?,
        Action::Down => TestHost::down(&cache, &args.name)?,
        Action::Enter => {
            let host = TestHost::attach(&cache, &args.name)?;
            let terminal = std::env::var_os("TERM").unwrap_or_else(|| "dumb".into());
            let status = host.command("bash").arg("--login").env("TERM", terminal).interactive()?;
            return Ok(exit_code(status));
        }
        Action::Exec { user, command } => {
            let host = TestHost::attach(&cache, &args.name)?;
            let (program, arguments) = command.split_first().expect("clap requires a program");
            let mut inside = host.command(program).args(arguments);
            if user != "root" {
                inside = inside.as_user(&user);
            }
            if let Some(terminal) = std::env::var_os("TERM") {
                inside = inside.env("TERM", terminal);
            }
            return Ok(exit_code(inside.interactive()?));
        }
        Action::Status => {
            for (name, is_up) in TestHost::list(&cache)? {
                println!("{name}\t{}", if is_up { "up" } else { "dead" });
            }
        }
        Action::Images => {
            Images::ensure(&cache, &mut progress)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn up(cache: &Cache, name: &str) -> Result<()> {
    if TestHost::attach(cache, name).is_ok() {
        eprintln!("host `{name}` is up already");
        return Ok(());
    }
    let begin = Instant::now();
    TestHost::boot(cache, &BootOptions::named(name), &mut |step| eprintln!("{step}"))?;
    eprintln!("host `{name}` is up after {:.1} s", begin.elapsed().as_secs_f64());
    Ok(())
}

/// As shells report it: 128 and the signal's number where a signal ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
