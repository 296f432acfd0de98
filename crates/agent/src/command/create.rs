//! `agent create`.

use std::process::ExitCode;

use berth_core::limits::{Cpus, Memory, Tasks};
use berth_core::{Config, Limits, Name, Plan, Ttl};
use berth_host::agents::{self, CreateOptions};
use berth_term::{Code, Context, Failure, interrupt, stdout};

use super::ssh_lines::{SshLines, Told};

const EXAMPLES: &str = "\
Examples:
  agent create fix-login
  agent create fix-login --ttl 8h --memory 8G --cpus 4
  agent create train --gpu
  agent create fix-login --json | jq -r .ssh.outside";

/// Create an agent and print how to enter it
///
/// Makes a container from the recorded system (`agent build`; the first create
/// builds it), puts the configured keys and credentials into it, starts it and
/// waits until a login succeeds. If anything fails or is interrupted, all of
/// it is taken back.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Args {
    /// Its name, and the host name inside: 1 to 63 of `a-z`, `0-9` and `-`
    name: Name,

    /// Remove it after this time, such as `8h`, `90m` or `2d 12h`
    ///
    /// As configured when not given. `agent expire` removes it, which a timer
    /// calls.
    #[arg(long, value_name = "TIME")]
    ttl: Option<Ttl>,

    /// The most memory that it may use, such as `4G`; as configured when not given
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,

    /// The processor time that it may use, in CPUs: `2`, `1.5`
    #[arg(long, value_name = "NUMBER")]
    cpus: Option<Cpus>,

    /// How many processes and threads it may have
    #[arg(long, value_name = "NUMBER")]
    tasks: Option<Tasks>,

    /// Give it the host's GPU, which the section `[gpu]` of the configuration names
    ///
    /// Its device nodes, and the driver's libraries read-only in
    /// `/run/opengl-driver`. It keeps them as they are configured now.
    #[arg(long)]
    gpu: bool,

    /// Return when it is started, without waiting for a login
    #[arg(long)]
    no_wait: bool,

    /// Print the steps and do nothing
    #[arg(long)]
    dry_run: bool,

    /// Print a JSON object, as `agent info --json` does
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let options = options(&args, &host.config);
    if args.dry_run {
        print_plan(&agents::plan_create(&host, &options).await?, args.json)?;
        return Ok(Code::Ok.into());
    }
    let interrupt = interrupt::listen(&context.screen, TAKING_BACK)?;
    let work = context.screen.work(None);
    let record = agents::create(&host, options, &context.actor(), &work, &interrupt).await?;
    drop(work);
    let address = host.config.subnet.addresses(record.container.slot()).map(|pair| pair.container);
    if args.json {
        let agent = agents::view(&host, &args.name).await?;
        stdout::print_json(&Told::new(context.program(), &host.config, agent))?;
    } else if let Some(address) = address {
        let ssh =
            SshLines::new(context.program(), &host.config, &args.name, address, record.host_key.as_deref());
        let state = if args.no_wait { "is starting" } else { "is ready" };
        stdout::print(&format!("{} {state} at {address}\n{ssh}", args.name))?;
    }
    Ok(Code::Ok.into())
}

/// What the first Ctrl-C says during a create.
const TAKING_BACK: &str =
    "interrupted: taking back what was done (once more to leave it to `agent doctor --fix`)";

/// What is asked for; what no option says is as configured.
fn options(args: &Args, config: &Config) -> CreateOptions {
    let configured = config.agent.limits;
    CreateOptions {
        name: args.name.clone(),
        ttl: args.ttl,
        limits: Limits {
            memory: args.memory.unwrap_or(configured.memory),
            cpus: args.cpus.unwrap_or(configured.cpus),
            tasks: args.tasks.unwrap_or(configured.tasks),
        },
        gpu: args.gpu,
        wait: !args.no_wait,
    }
}

/// The steps in words, for `--dry-run`.
pub(super) fn print_plan(plan: &Plan, json: bool) -> Result<(), Failure> {
    if json {
        let steps: Vec<String> = plan.steps.iter().map(ToString::to_string).collect();
        stdout::print_json(&serde_json::json!({ "steps": steps }))?;
    } else {
        stdout::print(&plan.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_win_over_the_configuration_and_it_fills_the_rest() {
        let config = Config::parse("[agent]\nmemory = \"8G\"\ncpus = 4\n").expect("a configuration");
        let args = Args {
            name: "fix-login".parse().expect("a name"),
            ttl: None,
            memory: None,
            cpus: Some("1.5".parse().expect("an amount")),
            tasks: None,
            gpu: false,
            no_wait: true,
            dry_run: false,
            json: false,
        };
        let options = options(&args, &config);
        assert_eq!(options.limits.memory.to_string(), "8G");
        assert_eq!(options.limits.cpus.to_string(), "1.5");
        assert_eq!(options.limits.tasks.get(), 4096);
        assert!(!options.wait);
    }
}
