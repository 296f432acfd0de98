//! `agent events`.

use std::process::ExitCode;

use berth_core::{Kind, Name};
use berth_host::state::{Event, EventFilter};
use berth_term::{Code, Failure, Table, stdout, times};

use crate::context::Context;

const EXAMPLES: &str = "\
An event that began and neither succeeded nor failed was cut short: see `agent doctor`.

Examples:
  agent events
  agent events fix-login
  agent events --json --lines 1000";

/// Tell who did what to which agent when
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only what was done to agents of this name, those that are gone included
    name: Option<Name>,

    /// How many, the newest ones
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 50, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    lines: u32,

    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<ExitCode, Failure> {
    let host = context.host().await?;
    let filter = EventFilter { kind: Some(Kind::Agent), name: args.name.clone(), limit: Some(args.lines) };
    let events = host.state.events(&filter).await?;
    if args.json {
        stdout::print_json(&events)?;
    } else if events.is_empty() {
        context.screen.note(&match args.name {
            Some(name) => format!("nothing was done yet to an agent `{name}`"),
            None => "nothing was done yet".to_owned(),
        });
    } else {
        stdout::print(&table(&events).to_string())?;
    }
    Ok(Code::Ok.into())
}

fn table(events: &[Event]) -> Table {
    let mut table = Table::new(["WHEN", "WHO", "ACTION", "AGENT", "OUTCOME", "DETAIL"]).with_prose();
    for event in events {
        table.row([
            times::moment(event.at),
            event.actor.clone(),
            event.action.clone(),
            event.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            event.outcome.to_string(),
            event.detail.clone().unwrap_or_default(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use berth_host::state::Outcome;

    use super::*;

    #[test]
    fn the_table_is_this() {
        let event = |id: i64, action: &str, outcome: Outcome, detail: Option<&str>| Event {
            id,
            at: "2026-11-20T19:40:12Z".parse().expect("a time"),
            actor: "ada".to_owned(),
            kind: Kind::Agent,
            name: (action != "build").then(|| "fix-login".parse().expect("a name")),
            container: None,
            action: action.to_owned(),
            outcome,
            detail: detail.map(str::to_owned),
        };
        let events = [
            event(1, "build", Outcome::Succeeded, Some("/nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos")),
            event(2, "create", Outcome::Began, None),
            event(3, "create", Outcome::Failed, Some("could not start a1: \u{1b}[31mno")),
        ];
        insta::assert_snapshot!(table(&events), @r#"
        WHEN                     WHO  ACTION  AGENT      OUTCOME    DETAIL
        2026-11-20 19:40:12 UTC  ada  build   -          succeeded  /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos
        2026-11-20 19:40:12 UTC  ada  create  fix-login  began
        2026-11-20 19:40:12 UTC  ada  create  fix-login  failed     could not start a1: \u{1b}[31mno
        "#);
    }
}
