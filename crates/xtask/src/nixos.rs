//! `test nixos`: the modules with a real nixpkgs, by evaluation alone. Nothing is
//! built or fetched.

mod at_once;
mod configurations;
mod derivation;
mod golden;
mod options;
mod refusals;
mod store_path;
mod trees;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::check;
use crate::nix::Evaluator;
use trees::Trees;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the golden files and the reference of options anew instead of comparing.
    #[arg(long)]
    update: bool,
}

/// What a part found out.
struct Report {
    /// What holds, in one line.
    summary: String,
    /// What does not.
    problems: Vec<String>,
}

type Part = fn(&Bed) -> Result<Report>;

/// All parts, each to its end, whatever the others say.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let bed = Bed { trees: Trees::from_env()?, evaluator: Evaluator::new()?, update: args.update };
    eprintln!("==> NixOS modules with {}", bed.trees);
    let parts: [(&str, Part); 6] = [
        ("golden files", golden::run),
        ("options", options::run),
        ("configurations", configurations::of_flake),
        ("combinations", configurations::combinations),
        ("VM tests", configurations::vm_tests),
        ("refusals", refusals::run),
    ];
    let mut problems = 0;
    for (title, part) in parts {
        let begin = Instant::now();
        let report = part(&bed)
            .unwrap_or_else(|error| Report { summary: String::new(), problems: vec![format!("{error:#}")] });
        println!("{title}: {} ({:.0} s)", report.summary, begin.elapsed().as_secs_f64());
        for problem in &report.problems {
            println!("  {}", problem.trim_end().replace('\n', "\n    "));
        }
        problems += report.problems.len();
    }
    // It reads the same variables.
    check::installer()?;
    if problems > 0 {
        bail!("{problems} problems");
    }
    println!("all of it holds");
    Ok(ExitCode::SUCCESS)
}

/// What all parts evaluate with.
struct Bed {
    trees: Trees,
    evaluator: Evaluator,
    update: bool,
}

impl Bed {
    /// What one attribute of a file evaluates to.
    fn evaluate(&self, file: &str, attribute: &str, words: &[&str]) -> Result<serde_json::Value> {
        let mut all = self.trees.arguments();
        all.extend(["--attr".to_owned(), attribute.to_owned()]);
        all.extend(words.iter().map(|word| (*word).to_owned()));
        self.evaluator.json(file.as_ref(), &all.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// What a function makes of what a file evaluates to.
    fn expression(&self, file: &str, function: &str) -> Result<serde_json::Value> {
        let file = crate::step::checkout().join(file);
        let all = format!("(import {} {})", file.display(), self.trees.as_set());
        self.evaluator.expression(&format!("({function}) {all}"))
    }

    /// The names in the attribute set that a file evaluates to.
    fn names(&self, file: &str) -> Result<Vec<String>> {
        Ok(serde_json::from_value(self.expression(file, "builtins.attrNames")?)?)
    }
}
