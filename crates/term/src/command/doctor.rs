//! `doctor`: the same work in every program, for the whole host.

use std::process::ExitCode;

use berth_host::doctor::{self, Finding, Severity};
use berth_host::reconcile::{self, Report};
use berth_host::{Host, LostRecords};
use serde::Serialize;

use crate::{Caller, Code, Context, Failure, Table, interrupt, stdout};

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Repair what needs no decision of a person.
    pub fix: bool,
    /// Begin with empty records if they are lost.
    pub give_up: bool,
    /// As JSON.
    pub json: bool,
}

/// What is told: as JSON, or as text.
#[derive(Default, Serialize)]
struct Told {
    findings: Vec<Finding>,
    /// What `--fix` repaired.
    repaired: Vec<String>,
    /// What it could not.
    left: Vec<String>,
}

/// Looks the host over, repairs it where that is asked for, and tells. The code
/// says whether an error remains.
pub async fn run(options: Options, context: &Context) -> Result<ExitCode, Failure> {
    context.need_root()?;
    let told = match open(options, context).await {
        Ok(host) => look(options, context, &host).await?,
        Err(finding) => {
            let mut findings = vec![finding];
            findings.extend(doctor::examine_system().await);
            Told { findings, ..Told::default() }
        }
    };
    let told = told.in_words_of(&context.caller);
    if options.json {
        stdout::print_json(&told)?;
    } else {
        stdout::print(&context.caller.as_typed(&text(&told)))?;
    }
    Ok(code(&told).into())
}

impl Told {
    /// With the commands of the program that was called.
    fn in_words_of(mut self, caller: &Caller) -> Self {
        for finding in &mut self.findings {
            finding.message = caller.as_called(&finding.message);
            finding.way_out = finding.way_out.as_deref().map(|way_out| caller.as_called(way_out));
        }
        self
    }
}

/// The host, or what keeps it from being opened.
async fn open(options: Options, context: &Context) -> Result<Host, Finding> {
    let config = context.config().map_err(|failure| unusable("configuration", &failure))?;
    let lost = if options.give_up { LostRecords::GiveUp } else { LostRecords::Refuse };
    let opened = Host::open(context.layout.clone(), config, lost).await;
    opened.map_err(|error| unusable("records", &error.into()))
}

/// A failure as a finding.
fn unusable(check: &'static str, failure: &Failure) -> Finding {
    let message = failure.to_string();
    let message = message.trim_end().trim_start_matches("error: ");
    Finding::error(check, message, "mend it, then look again: most checks need it")
}

async fn look(options: Options, context: &Context, host: &Host) -> Result<Told, Failure> {
    let report = if options.fix { fix(context, host).await? } else { Report::default() };
    let work = context.screen.work(None);
    berth_host::progress::Progress::step(&work, "look the host over");
    let mut findings = vec![Finding::ok("configuration", "it can be read")];
    findings.extend(doctor::examine(host).await);
    Ok(Told { findings, repaired: report.done, left: report.left })
}

async fn fix(context: &Context, host: &Host) -> Result<Report, Failure> {
    let interrupt = interrupt::listen(&context.screen, "interrupted: ending after this repair")?;
    let work = context.screen.work(None);
    Ok(reconcile::reconcile(host, &context.actor(), &work, &interrupt).await?)
}

fn text(told: &Told) -> String {
    let mut table = Table::headless().with_prose();
    for line in &told.repaired {
        table.row(["repaired".to_owned(), String::new(), line.clone()]);
    }
    for line in &told.left {
        table.row(["left".to_owned(), String::new(), line.clone()]);
    }
    for finding in &told.findings {
        let way_out = finding.way_out.as_ref().map(|way_out| format!("\n→ {way_out}")).unwrap_or_default();
        table.row([
            word(finding.severity),
            finding.check.to_owned(),
            format!("{}{way_out}", finding.message),
        ]);
    }
    table.to_string()
}

fn word(severity: Severity) -> String {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Error => "ERROR",
    }
    .to_owned()
}

fn code(told: &Told) -> Code {
    let has_error = told.findings.iter().any(|finding| finding.severity == Severity::Error);
    if has_error || !told.left.is_empty() { Code::Failed } else { Code::Ok }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told() -> Told {
        Told {
            findings: vec![
                Finding::ok("tools", "all 10 programs that Berth calls are there"),
                Finding::warning("sysctl", "`fs.file-max` is 1", "set it to 1048576 or more"),
                Finding::fixable("leftovers", "a3 has files, and no record explains it"),
            ],
            repaired: vec!["loaded the firewall".to_owned()],
            left: vec![],
        }
    }

    #[test]
    fn findings_are_told_with_their_way_out() {
        insta::assert_snapshot!(text(&told()), @"
        repaired             loaded the firewall
        ok        tools      all 10 programs that Berth calls are there
        warning   sysctl     `fs.file-max` is 1
                             → set it to 1048576 or more
        ERROR     leftovers  a3 has files, and no record explains it
                             → run `agent doctor --fix`
        ");
    }

    #[test]
    fn the_way_out_is_the_program_that_was_called() {
        let caller = Caller::new(berth_core::Kind::Preview, "root", crate::Rights::Root);
        let told = told().in_words_of(&caller);
        assert_eq!(told.findings[2].way_out.as_deref(), Some("run `preview doctor --fix`"));
    }

    #[test]
    fn the_json_is_this() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&told()).expect("JSON"), @r#"
        {
          "findings": [
            {
              "check": "tools",
              "severity": "ok",
              "message": "all 10 programs that Berth calls are there",
              "way_out": null,
              "fixable": false
            },
            {
              "check": "sysctl",
              "severity": "warning",
              "message": "`fs.file-max` is 1",
              "way_out": "set it to 1048576 or more",
              "fixable": false
            },
            {
              "check": "leftovers",
              "severity": "error",
              "message": "a3 has files, and no record explains it",
              "way_out": "run `agent doctor --fix`",
              "fixable": true
            }
          ],
          "repaired": [
            "loaded the firewall"
          ],
          "left": []
        }
        "#);
    }

    #[test]
    fn warnings_are_no_failure_and_errors_are() {
        let mut told = told();
        assert_eq!(code(&told), Code::Failed);
        told.findings.pop();
        assert_eq!(code(&told), Code::Ok);
        told.left.push("removed a3: busy".to_owned());
        assert_eq!(code(&told), Code::Failed);
    }
}
