//! What can go wrong with the state database, told apart by the way out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_core::phase::PhaseError;
use berth_core::preview_phase::PreviewPhaseError;
use berth_core::{BranchName, Kind, Name, Phase, PreviewId, PreviewPhase, PullNumber, RepoName, Subnet};
use thiserror::Error;

use super::{BerthId, ClosureId};

/// Why the state could not be read or changed.
#[derive(Debug, Error)]
pub enum StateError {
    /// The folder could not be made or read.
    #[error("could not prepare `{}`, the folder of the state database", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody else owns the folder, who could replace the database.
    #[error(
        "`{folder}`, the folder of the state database, belongs to user {owner} and not to user {expected}: \
         find out who made it, then `chown -R {expected} {folder}`",
        folder = folder.display()
    )]
    FolderOwner {
        /// The folder.
        folder: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this program.
        expected: u32,
    },
    /// Another process wrote or held the database for the whole time.
    #[error(
        "another process has held the state database `{database}` for {seconds} s: \
         see which with `fuser -v {database}`, then try again",
        database = database.display(),
        seconds = patience.as_secs_f32()
    )]
    Locked {
        /// The database.
        database: PathBuf,
        /// How long this process waited.
        patience: Duration,
    },
    /// The database is there and cannot be trusted. Nothing may be concluded
    /// from it, least of all that something has no record.
    #[error("the state database `{}` is damaged: {damage}; {}", database.display(), damage.way_out(database))]
    Damaged {
        /// The database.
        database: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// SQLite may not open or write the file.
    #[error(
        "could not {aim}: the state database `{database}` cannot be opened for writing; \
         check the owner, the mode and the file system of `{database}`",
        database = database.display()
    )]
    Unopenable {
        /// What was tried.
        aim: &'static str,
        /// The database.
        database: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// SQLite refused a statement for another reason, such as a full disk.
    #[error("could not {aim} in the state database `{}`", database.display())]
    Query {
        /// What was tried.
        aim: &'static str,
        /// The database.
        database: PathBuf,
        /// What SQLite said.
        source: sqlx::Error,
    },
    /// The name belongs to another berth of the same kind.
    #[error(
        "the name `{name}` is taken: that {kind} is {phase}; choose another name, or free it with `{kind} destroy {name}`",
        kind = kind.as_str()
    )]
    NameTaken {
        /// What it was wanted for.
        kind: Kind,
        /// The name.
        name: Name,
        /// What its owner is in.
        phase: Phase,
    },
    /// Every slot of the subnet is in use.
    #[error(
        "the subnet `{subnet}` is exhausted: all its {taken} berths are taken; \
         destroy what is not needed any more, or configure a larger subnet (a /16 has 32,512 berths)"
    )]
    SubnetExhausted {
        /// The subnet.
        subnet: Subnet,
        /// How many berths it has.
        taken: usize,
    },
    /// The berth went on to another phase meanwhile.
    #[error(
        "`{name}` is {found} by now and was {expected}: another command works on it, try again when that is done"
    )]
    Changed {
        /// The berth's name.
        name: Name,
        /// The phase that the caller saw.
        expected: Phase,
        /// The phase that it is in.
        found: Phase,
    },
    /// The berth has no record any more.
    #[error("berth {id} has no record any more: another command removed it")]
    BerthGone {
        /// Its row id.
        id: BerthId,
    },
    /// That cannot happen to a berth in this phase.
    #[error(transparent)]
    Phase(#[from] PhaseError),
    /// This branch or pull request has a preview already.
    #[error(
        "{} of {repo} has a preview already: `{slug}`; bring it up to date with `preview update {slug}`",
        pull.map_or_else(|| format!("the branch `{branch}`"), |pull| format!("pull request {pull}"))
    )]
    PreviewExists {
        /// The repository.
        repo: RepoName,
        /// The branch.
        branch: BranchName,
        /// The pull request.
        pull: Option<PullNumber>,
        /// What that preview is called.
        slug: Name,
    },
    /// A host name belongs to another preview.
    #[error(
        "the host name `{label}` is taken by the preview `{owner}`; choose another slug or prefix, \
         or remove that one with `preview destroy {owner}`"
    )]
    HostTaken {
        /// The first label of the host name.
        label: Name,
        /// The slug of the preview that has it.
        owner: String,
    },
    /// The preview went on to another phase meanwhile.
    #[error(
        "`{slug}` is {found} by now and was {expected}: another command works on it, try again when that is done"
    )]
    PreviewChanged {
        /// The slug.
        slug: Name,
        /// The phase that the caller saw.
        expected: PreviewPhase,
        /// The phase that it is in.
        found: PreviewPhase,
    },
    /// The preview has no record any more.
    #[error("preview {id} has no record any more: another command removed it")]
    PreviewGone {
        /// Its number.
        id: PreviewId,
    },
    /// That cannot happen to a preview in this phase.
    #[error(transparent)]
    PreviewPhase(#[from] PreviewPhaseError),
    /// The closure was removed, or its build has not finished.
    #[error("closure {id} is not there to be used: build one with `agent build`")]
    ClosureGone {
        /// Its row id.
        id: ClosureId,
    },
}

impl StateError {
    /// Sorts what SQLite said by what can be done about it.
    pub(super) fn told(database: &Path, patience: Duration, aim: &'static str, source: sqlx::Error) -> Self {
        let database = database.to_path_buf();
        match primary_code(&source) {
            // SQLITE_BUSY, SQLITE_LOCKED
            Some(5 | 6) => Self::Locked { database, patience },
            // SQLITE_CORRUPT
            Some(11) => Self::Damaged { database, damage: Damage::Malformed { findings: vec![] } },
            // SQLITE_NOTADB
            Some(26) => Self::Damaged { database, damage: Damage::NoDatabase },
            // SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN
            Some(3 | 8 | 14) => Self::Unopenable { aim, database, source },
            // All connections of this process wait for another one that writes.
            None if matches!(source, sqlx::Error::PoolTimedOut) => Self::Locked { database, patience },
            Some(_) | None => Self::Query { aim, database, source },
        }
    }
}

/// The primary one of [SQLite's result codes](https://www.sqlite.org/rescode.html).
fn primary_code(error: &sqlx::Error) -> Option<u32> {
    let code: u32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}

/// What is wrong with a database that cannot be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The path leads to a folder, a link or a device.
    NoFile,
    /// The file is empty or nearly so. Berth never leaves one behind: a new
    /// database gets its name when it is complete.
    Short {
        /// How many bytes it has.
        length: u64,
    },
    /// The file is gone and its write-ahead log is not.
    Lost,
    /// The content is not SQLite's.
    NoDatabase,
    /// SQLite found parts that contradict each other.
    Malformed {
        /// What it found, where it was asked for.
        findings: Vec<String>,
    },
    /// Another program's database.
    Foreign,
    /// A newer Berth has changed the schema.
    Newer {
        /// The version in the file.
        found: i64,
        /// The newest version that this program knows.
        known: i64,
    },
    /// A value without a meaning.
    Value {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: i64,
        /// The column.
        column: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

impl Damage {
    fn way_out(&self, database: &Path) -> String {
        let database = database.display();
        match self {
            Self::Newer { .. } => {
                "use the newer Berth again, or restore the backup from before its first start".to_owned()
            }
            Self::Value { .. } => {
                format!("nothing was changed: correct the row with `sqlite3 {database}`, or restore a backup")
            }
            Self::Foreign | Self::NoFile => {
                "nothing was changed: find out what put it there, move it away, and restore Berth's own"
                    .to_owned()
            }
            Self::Short { .. } | Self::Lost => {
                "nothing was changed: restore a backup of the whole folder".to_owned()
            }
            Self::NoDatabase | Self::Malformed { .. } => format!(
                "nothing was changed: keep a copy of the folder, then restore a backup or rescue the rows with `sqlite3 {database} .recover`"
            ),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => write!(f, "it is no regular file"),
            Self::Short { length } => write!(f, "it has {length} bytes"),
            Self::Lost => write!(f, "the file is gone although its log `berth.db-wal` is there"),
            Self::NoDatabase => write!(f, "it is no SQLite database"),
            Self::Malformed { findings } if findings.is_empty() => write!(f, "SQLite finds it malformed"),
            Self::Malformed { findings } => write!(f, "SQLite finds it malformed ({})", findings.join(", ")),
            Self::Foreign => write!(f, "it is the database of another program"),
            Self::Newer { found, known } => {
                write!(f, "a newer Berth has given it schema {found}, and this one knows schema {known}")
            }
            Self::Value { table, id, column, problem } => {
                write!(f, "row {id} of table `{table}` has no meaning in column `{column}` ({problem})")
            }
        }
    }
}
