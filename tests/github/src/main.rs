//! The program `github-double`: a GitHub that is not there, until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use berth_github_double::{Double, Options};
use clap::Parser;

/// A GitHub that is not there: REST, git and webhooks for tests and the demo.
#[derive(Parser)]
struct Cli {
    /// Where it is GitHub.
    #[arg(long, default_value = "127.0.0.1:8418")]
    listen: SocketAddr,
    /// Where it takes commands, as JSON by POST.
    #[arg(long, default_value = "127.0.0.1:8419")]
    control: SocketAddr,
    /// The folder of its repositories; a temporary one when not given.
    #[arg(long)]
    root: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Cli { listen, control, root } = Cli::parse();
    let double = Double::start(Options { listen, control, root }).await?;
    println!(
        "{}",
        serde_json::json!({ "base": double.base(), "control": format!("http://{}", double.control()) })
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}
