//! The end of a command that failed: one error, printed once, by `main`.

use std::error::Error;
use std::fmt;

use berth_host::OpenError;
use berth_host::agents::{AgentError, Detail};
use berth_host::exec::ExecError;
use berth_host::firewall_table::TableError;
use berth_host::guests::RunError;
use berth_host::journal::JournalError;
use berth_host::lock::LockError;
use berth_host::login::LoginError;
use berth_host::previews::{DeployError, PreviewError};
use berth_host::printable::printable_line;
use berth_host::reconcile::ReconcileError;
use berth_host::state::StateError;

use crate::Code;

/// An error that a command may end with.
pub trait Explained: Error + Send + Sync + 'static {
    /// Its exit code.
    fn code(&self) -> Code {
        Code::Failed
    }

    /// Blocks of lines that belong to it beyond its chain of causes.
    fn details(&self) -> Vec<Detail> {
        Vec::new()
    }
}

/// Why a command came to nothing. Shown as `error: …`, its causes below, then
/// its details; all of it escaped.
#[derive(Debug)]
pub struct Failure {
    error: Box<dyn Error + Send + Sync>,
    code: Code,
    details: Vec<Detail>,
}

impl Failure {
    /// A failure that is nothing but its message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self { error: message.into(), code, details: Vec::new() }
    }

    /// A failure with its cause.
    pub fn because(message: impl Into<String>, cause: impl Error + Send + Sync + 'static) -> Self {
        let error = Caused { message: message.into(), source: Box::new(cause) };
        Self { error: Box::new(error), code: Code::Failed, details: Vec::new() }
    }

    /// The exit code.
    pub fn code(&self) -> Code {
        self.code
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Caused {
    message: String,
    source: Box<dyn Error + Send + Sync>,
}

impl<E: Explained> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { code: error.code(), details: error.details(), error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_block(f, "error: ", &self.error.to_string(), "  ")?;
        for cause in causes(self.error.as_ref()) {
            write_block(f, "  because: ", &cause, "    ")?;
        }
        for detail in &self.details {
            writeln!(f, "  {}:", printable_line(&detail.title))?;
            for line in &detail.lines {
                write_block(f, "    ", line, "    ")?;
            }
        }
        Ok(())
    }
}

/// The causes of an error, without those that it quotes already: transparent
/// errors repeat their cause.
fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut shown = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !shown.ends_with(&text) {
            shown.clone_from(&text);
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// A text of one or more lines, the later ones further in.
fn write_block(f: &mut fmt::Formatter<'_>, first: &str, text: &str, indent: &str) -> fmt::Result {
    let mut lines = text.lines();
    writeln!(f, "{first}{}", printable_line(lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| writeln!(f, "{indent}{}", printable_line(line)))
}

impl Explained for AgentError {
    fn code(&self) -> Code {
        if self.is_interrupt() {
            return Code::Interrupted;
        }
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::Exists { .. } => Code::Exists,
            Self::Lock(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Full { .. }
            | Self::NoClosure(_)
            | Self::Closure(_)
            | Self::Create { .. }
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::Destroy { .. }
            | Self::WrongPhase { .. }
            | Self::Systemd(_)
            | Self::Containers(_)
            | Self::Inventory(_)
            | Self::Gpu(_)
            | Self::Firewall(_) => Code::Failed,
        }
    }

    fn details(&self) -> Vec<Detail> {
        self.details()
    }
}

impl Explained for PreviewError {
    fn code(&self) -> Code {
        if self.is_interrupt() {
            return Code::Interrupted;
        }
        match self {
            Self::NotFound { .. } => Code::NotFound,
            Self::Lock(error) => error.code(),
            Self::State(error) => error.code(),
            Self::Create { source, .. }
            | Self::Update { source, .. }
            | Self::Restart { source, .. }
            | Self::Build { source, .. } => deploy_code(source),
            Self::Interrupted { .. } => Code::Interrupted,
            Self::Slug(_) => Code::Usage,
            Self::NotConfigured
            | Self::Destroy { .. }
            | Self::WrongPhase { .. }
            | Self::Systemd(_)
            | Self::Containers(_)
            | Self::Inventory(_) => Code::Failed,
        }
    }

    fn details(&self) -> Vec<Detail> {
        self.details()
    }
}

/// The code of a deployment that came to nothing: a host name that is taken and
/// a lock that is held are what they are elsewhere.
fn deploy_code(error: &DeployError) -> Code {
    if let DeployError::State(error) = error {
        return error.code();
    }
    if let DeployError::Lock(error) = error {
        return error.code();
    }
    Code::Failed
}

impl Explained for StateError {
    fn code(&self) -> Code {
        match self {
            Self::Locked { .. } | Self::Changed { .. } | Self::PreviewChanged { .. } => Code::Busy,
            Self::NameTaken { .. } | Self::PreviewExists { .. } | Self::HostTaken { .. } => Code::Exists,
            Self::Folder { .. }
            | Self::FolderOwner { .. }
            | Self::Damaged { .. }
            | Self::Unopenable { .. }
            | Self::Query { .. }
            | Self::SubnetExhausted { .. }
            | Self::BerthGone { .. }
            | Self::Phase(_)
            | Self::PreviewGone { .. }
            | Self::PreviewPhase(_)
            | Self::ClosureGone { .. } => Code::Failed,
        }
    }
}

impl Explained for OpenError {
    fn code(&self) -> Code {
        match self {
            Self::State(error) => error.code(),
            Self::Containers(_) | Self::Lost { .. } => Code::Failed,
        }
    }
}

impl Explained for LockError {
    fn code(&self) -> Code {
        match self {
            Self::Busy { .. } => Code::Busy,
            Self::File { .. } => Code::Failed,
        }
    }
}

impl Explained for ExecError {}

impl Explained for JournalError {}

impl Explained for LoginError {}

impl Explained for RunError {
    fn code(&self) -> Code {
        Code::Usage
    }
}

impl Explained for TableError {
    fn code(&self) -> Code {
        match self {
            Self::Firewall(_) => Code::Failed,
            Self::Lock(error) => error.code(),
            Self::State(error) => error.code(),
        }
    }
}

impl Explained for ReconcileError {
    fn code(&self) -> Code {
        match self {
            Self::State(error) => error.code(),
            Self::Lock(error) => error.code(),
            Self::Inventory(_) => Code::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("could not create the agent `fix-login`")]
    struct Create(#[source] Step);

    #[derive(Debug, Error)]
    #[error("could not start a12")]
    struct Step(#[source] Transparent);

    #[derive(Debug, Error)]
    #[error(transparent)]
    struct Transparent(#[from] Tool);

    #[derive(Debug, Error)]
    #[error(
        "could not start the container: `systemctl start container@a12` ended with exit code 1:\n  Job failed\n  \u{1b}[31mred"
    )]
    struct Tool;

    impl Explained for Create {
        fn code(&self) -> Code {
            Code::Busy
        }

        fn details(&self) -> Vec<Detail> {
            vec![
                Detail {
                    title: "the last lines of container@a12.service".to_owned(),
                    lines: vec!["berth-guard: /etc is a symlink".to_owned(), "over\rwritten".to_owned()],
                },
                Detail { title: "taken back".to_owned(), lines: vec!["stop a12".to_owned()] },
            ]
        }
    }

    #[test]
    fn an_error_is_shown_whole_with_causes_and_details() {
        let failure = Failure::from(Create(Step(Transparent(Tool))));
        assert_eq!(failure.code(), Code::Busy);
        insta::assert_snapshot!(failure, @r#"
        error: could not create the agent `fix-login`
          because: could not start a12
          because: could not start the container: `systemctl start container@a12` ended with exit code 1:
              Job failed
              \u{1b}[31mred
          the last lines of container@a12.service:
            berth-guard: /etc is a symlink
            over\u{d}written
          taken back:
            stop a12
        "#);
    }

    #[test]
    fn a_message_alone_is_one_line() {
        let failure = Failure::new(Code::Usage, "give a name, or --all");
        insta::assert_snapshot!(failure, @"error: give a name, or --all");
    }
}
