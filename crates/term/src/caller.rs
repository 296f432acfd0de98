//! Who called the program.
//!
//! Members of the group `berth` may run Berth's programs as root through sudo,
//! and nothing else. So sudo's word on who they are can be trusted (they can
//! set no variable that it sets), and what they hand over must not let them
//! choose which files root reads and writes.

use std::ffi::OsString;

use berth_core::Kind;
use berth_host::agents::Actor;
use berth_host::printable::printable_line;
use thiserror::Error;

use crate::Code;
use crate::failure::Explained;

const PASSWD: &str = "/etc/passwd";

/// The programs that texts tell people to call.
const PROGRAMS: [Kind; 2] = [Kind::Agent, Kind::Preview];
/// A command that every program has, and that does the same in each.
const OF_EVERY_PROGRAM: &str = "doctor";

/// Who called which program, and with whose rights we run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    program: Kind,
    name: String,
    rights: Rights,
}

/// With whose rights we run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Root's, and root called.
    Root,
    /// Root's, and somebody else called, through sudo.
    Delegated,
    /// The caller's own, who is not root.
    Own,
}

/// Something that this caller may not do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallerError {
    /// Not root.
    #[error("`{command}` must run as root: try `sudo {command}`, which members of the group `berth` may")]
    NotRoot {
        /// The program and its command.
        command: String,
    },
    /// An option that only root itself may use.
    #[error(
        "`{what}` is refused through sudo: who may only run this program as root must not choose its files and settings; \
         root itself may, in a shell where `SUDO_UID` is not set"
    )]
    Delegated {
        /// The option or variable.
        what: String,
    },
}

impl Explained for CallerError {
    fn code(&self) -> Code {
        match self {
            Self::NotRoot { .. } => Code::Failed,
            Self::Delegated { .. } => Code::Usage,
        }
    }
}

/// What the system says about this process.
#[derive(Clone, Debug, Default)]
struct Process {
    real_uid: u32,
    effective_uid: u32,
    sudo_uid: Option<OsString>,
    sudo_user: Option<OsString>,
}

impl Caller {
    /// A caller of the program for this kind, of this name, with these rights.
    pub fn new(program: Kind, name: impl Into<String>, rights: Rights) -> Self {
        Self { program, name: name.into(), rights }
    }

    /// Looks at this process, which runs the program for this kind. The only
    /// place that reads sudo's variables.
    pub fn of_this_process(program: Kind) -> Self {
        let process = Process {
            real_uid: rustix::process::getuid().as_raw(),
            effective_uid: rustix::process::geteuid().as_raw(),
            sudo_uid: std::env::var_os("SUDO_UID"),
            sudo_user: std::env::var_os("SUDO_USER"),
        };
        // Without the file people are shown as numbers.
        let passwd = std::fs::read(PASSWD).unwrap_or_default();
        Self::of(program, &process, &String::from_utf8_lossy(&passwd))
    }

    fn of(program: Kind, process: &Process, passwd: &str) -> Self {
        let is_root = process.effective_uid == 0;
        let behind_sudo = process.sudo_uid.as_ref().filter(|_| is_root);
        let uid = match behind_sudo {
            // Nobody knows who that is: surely not root itself.
            Some(text) => text.to_str().and_then(|text| text.parse().ok()),
            // Differs from the effective one only if somebody made us set-uid.
            None => Some(process.real_uid),
        };
        let name = match uid {
            Some(uid) => name_of(uid, process.sudo_user.as_ref().filter(|_| behind_sudo.is_some()), passwd),
            None => "somebody behind sudo".to_owned(),
        };
        let rights = match (is_root, uid) {
            (true, Some(0)) => Rights::Root,
            (true, _) => Rights::Delegated,
            (false, _) => Rights::Own,
        };
        Self::new(program, name, rights)
    }

    /// Who is written into the events.
    pub fn actor(&self) -> Actor {
        Actor::new(&self.name)
    }

    /// Whether the caller needs sudo to do this again.
    pub fn is_delegated(&self) -> bool {
        self.rights == Rights::Delegated
    }

    /// The program that was called.
    pub fn program(&self) -> Kind {
        self.program
    }

    /// A text in which a command that every program has (`agent doctor`) is the
    /// one of the program that was called.
    pub fn as_called(&self, text: &str) -> String {
        PROGRAMS
            .iter()
            .fold(text.to_owned(), |text, program| text.replace(&command(*program), &command(self.program)))
    }

    /// The same, and with all commands in it (`agent list`) as this caller has
    /// to type them.
    pub fn as_typed(&self, text: &str) -> String {
        let text = self.as_called(text);
        if !self.is_delegated() {
            return text;
        }
        PROGRAMS.iter().fold(text, |text, program| {
            let program = program.as_str();
            text.replace(&format!("`{program} "), &format!("`sudo {program} "))
        })
    }

    /// Refuses when we do not run as root. `command` is what was called.
    pub fn need_root(&self, command: &str) -> Result<(), CallerError> {
        match self.rights {
            Rights::Root | Rights::Delegated => Ok(()),
            Rights::Own => Err(CallerError::NotRoot { command: command.to_owned() }),
        }
    }

    /// Refuses `what` (an option or a variable) to those who came through sudo.
    pub fn need_own_rights(&self, what: &str) -> Result<(), CallerError> {
        match self.rights {
            Rights::Root | Rights::Own => Ok(()),
            Rights::Delegated => Err(CallerError::Delegated { what: what.to_owned() }),
        }
    }
}

/// The beginning of [`OF_EVERY_PROGRAM`] in a text.
fn command(program: Kind) -> String {
    format!("`{} {OF_EVERY_PROGRAM}", program.as_str())
}

/// The name of a user. The system's own list comes first; sudo's word serves
/// for users that are kept elsewhere (LDAP), together with the number.
fn name_of(uid: u32, sudo_user: Option<&OsString>, passwd: &str) -> String {
    let names: Vec<&str> = passwd.lines().filter_map(|line| name_with(uid, line)).collect();
    let said = sudo_user.and_then(|user| user.to_str());
    match (names.as_slice(), said) {
        // One number may have several names; sudo knows which one it was.
        (names, Some(said)) if names.contains(&said) => printable_line(said),
        ([name, ..], _) => printable_line(name),
        ([], Some(said)) => format!("{} (uid {uid})", printable_line(said)),
        ([], None) => format!("uid {uid}"),
    }
}

/// The name in a line of /etc/passwd, if it is this user's.
fn name_with(uid: u32, line: &str) -> Option<&str> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let found: u32 = fields.nth(1)?.parse().ok()?;
    (found == uid).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:System administrator:/root:/bin/sh\n\
                          ada:x:1000:100::/home/ada:/bin/sh\n\
                          lovelace:x:1000:100::/home/ada:/bin/sh\n\
                          \n+::::::\n";

    fn through_sudo(uid: &str, user: &str) -> Caller {
        let process =
            Process { sudo_uid: Some(uid.into()), sudo_user: Some(user.into()), ..Process::default() };
        Caller::of(Kind::Agent, &process, PASSWD)
    }

    #[test]
    fn root_itself_is_root_also_through_its_own_sudo() {
        let direct = Caller::of(Kind::Agent, &Process::default(), PASSWD);
        for caller in [direct, through_sudo("0", "root")] {
            assert_eq!(caller.actor().as_str(), "root");
            assert!(!caller.is_delegated());
            assert_eq!(caller.need_root("agent list"), Ok(()));
            assert_eq!(caller.need_own_rights("--config"), Ok(()));
        }
    }

    #[test]
    fn whoever_is_behind_sudo_is_named() {
        for (uid, user, name) in [
            ("1000", "ada", "ada"),
            ("1000", "lovelace", "lovelace"),
            ("1000", "root", "ada"),
            ("70001", "grace", "grace (uid 70001)"),
            ("70001", "gr\u{1b}ace", "gr\\u{1b}ace (uid 70001)"),
        ] {
            let caller = through_sudo(uid, user);
            assert_eq!(caller.actor().as_str(), name);
            assert!(caller.is_delegated());
        }
    }

    #[test]
    fn commands_in_texts_are_told_as_the_caller_has_to_type_them() {
        let text = "the agent `x` is stopped; start it with `agent start x`, see `agent`";
        assert_eq!(Caller::new(Kind::Agent, "root", Rights::Root).as_typed(text), text);
        let ada = Caller::new(Kind::Agent, "ada", Rights::Delegated);
        let typed = "the agent `x` is stopped; start it with `sudo agent start x`, see `agent`";
        assert_eq!(ada.as_typed(text), typed);
        assert_eq!(ada.as_typed(typed), typed);
    }

    #[test]
    fn a_command_of_every_program_is_told_as_that_of_the_one_that_was_called() {
        let text = "run `agent doctor --fix`, see `agent doctor` and `agent build`";
        let of_previews = "run `preview doctor --fix`, see `preview doctor` and `agent build`";
        for (program, told) in [(Kind::Agent, text), (Kind::Preview, of_previews)] {
            let root = Caller::new(program, "root", Rights::Root);
            assert_eq!(root.as_typed(text), told);
            assert_eq!(root.as_typed(of_previews), told);
        }
        let ada = Caller::new(Kind::Preview, "ada", Rights::Delegated);
        assert_eq!(ada.as_typed("run `agent doctor --fix`"), "run `sudo preview doctor --fix`");
    }

    #[test]
    fn a_number_that_is_none_does_not_pass_for_root() {
        for text in ["", "root", "-1", "0x0", " 0"] {
            let caller = through_sudo(text, "root");
            assert!(caller.is_delegated(), "{text:?}");
            assert_eq!(caller.actor().as_str(), "somebody behind sudo");
        }
    }

    #[test]
    fn a_set_uid_program_is_not_taken_for_root_itself() {
        let caller = Caller::of(Kind::Agent, &Process { real_uid: 1000, ..Process::default() }, PASSWD);
        assert!(caller.is_delegated());
        assert_eq!(caller.actor().as_str(), "ada");
    }

    #[test]
    fn who_is_not_root_gains_nothing_by_setting_variables() {
        let process = Process {
            real_uid: 1000,
            effective_uid: 1000,
            sudo_uid: Some("0".into()),
            sudo_user: Some("root".into()),
        };
        let caller = Caller::of(Kind::Agent, &process, PASSWD);
        assert_eq!(caller.actor().as_str(), "ada");
        insta::assert_snapshot!(caller.need_root("agent list").expect_err("not root"), @"`agent list` must run as root: try `sudo agent list`, which members of the group `berth` may");
    }

    #[test]
    fn paths_are_refused_through_sudo_with_the_reason() {
        let error = through_sudo("1000", "ada").need_own_rights("--config").expect_err("refused");
        insta::assert_snapshot!(error, @"`--config` is refused through sudo: who may only run this program as root must not choose its files and settings; root itself may, in a shell where `SUDO_UID` is not set");
        assert_eq!(error.code(), Code::Usage);
    }
}
