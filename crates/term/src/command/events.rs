//! `events`.

use std::process::ExitCode;

use berth_core::{Kind, Name};
use berth_host::state::{Event, EventFilter};

use crate::{Code, Context, Failure, Table, stdout, times};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// Only what was done to this one.
    pub name: Option<Name>,
    /// How many, the newest ones.
    pub lines: u32,
    /// As JSON.
    pub json: bool,
}

/// Tells who did what to the program's kind.
pub async fn run(options: Options, context: &Context) -> Result<ExitCode, Failure> {
    let kind = context.kind();
    let host = context.host().await?;
    let filter = EventFilter { kind: Some(kind), name: options.name.clone(), limit: Some(options.lines) };
    let events = host.state.events(&filter).await?;
    if options.json {
        stdout::print_json(&events)?;
    } else if events.is_empty() {
        context.screen.note(&nothing(kind, options.name.as_ref()));
    } else {
        stdout::print(&table(kind, &events).to_string())?;
    }
    Ok(Code::Ok.into())
}

fn nothing(kind: Kind, name: Option<&Name>) -> String {
    let one = match kind {
        Kind::Agent => "an agent",
        Kind::Preview => "a preview",
    };
    match name {
        Some(name) => format!("nothing was done yet to {one} `{name}`"),
        None => "nothing was done yet".to_owned(),
    }
}

fn table(kind: Kind, events: &[Event]) -> Table {
    let name = match kind {
        Kind::Agent => "AGENT",
        Kind::Preview => "PREVIEW",
    };
    let mut table = Table::new(["WHEN", "WHO", "ACTION", name, "OUTCOME", "DETAIL"]).with_prose();
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
        insta::assert_snapshot!(table(Kind::Agent, &events), @r#"
        WHEN                     WHO  ACTION  AGENT      OUTCOME    DETAIL
        2026-11-20 19:40:12 UTC  ada  build   -          succeeded  /nix/store/0mq5szkz2ykpkwcnj1lf0l4gyrnpqsv9-nixos
        2026-11-20 19:40:12 UTC  ada  create  fix-login  began
        2026-11-20 19:40:12 UTC  ada  create  fix-login  failed     could not start a1: \u{1b}[31mno
        "#);
    }
}
