//! Whether the guard stands before every start of a container.

use super::Finding;
use crate::exec::Invocation;

const CHECK: &str = "guard";
/// Any instance shows what the template says; this slot need not exist.
const SAMPLE: &str = "container@a1.service";
const GUARD: &str = "berth-guard";

pub(super) async fn check() -> Finding {
    let asked = Invocation::new("systemctl")
        .args(["show", "--property=ExecStartPre", "--value", SAMPLE])
        .aim("ask for the start commands of containers")
        .run()
        .await;
    match asked {
        Ok(output) => judge(&output.stdout.text()),
        Err(error) => Finding::unknown(CHECK, &error),
    }
}

/// systemd prints `{ path=/… ; argv[]=/… a1 ; … }`, the first command first.
fn judge(text: &str) -> Finding {
    let first = text.split("path=").nth(1).and_then(|rest| rest.split([' ', ';']).next());
    match first {
        Some(path) if path.rsplit('/').next() == Some(GUARD) => {
            if std::path::Path::new(path).exists() {
                Finding::ok(CHECK, format!("`{path}` looks at every container before it starts"))
            } else {
                Finding::error(
                    CHECK,
                    format!("`{path}` does not exist: no container can start"),
                    "install it",
                )
            }
        }
        Some(other) => Finding::error(
            CHECK,
            format!("`{other}` runs before `{GUARD}`: a container could make it change files of the host"),
            "make `berth-guard %i` the first `ExecStartPre` of container@.service",
        ),
        None => Finding::error(
            CHECK,
            format!("`{GUARD}` is not asked before containers start"),
            "make `berth-guard %i` the first `ExecStartPre` of container@.service (Berth's NixOS module does)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;

    #[test]
    fn only_a_guard_in_the_first_place_is_in_force() {
        for (text, severity) in [
            (
                "{ path=/nonexistent/berth-guard ; argv[]=/nonexistent/berth-guard a1 ; ignore_errors=no }",
                Severity::Error,
            ),
            ("{ path=/bin/pre ; argv[]=/bin/pre }\n{ path=/bin/berth-guard ; argv[]=x }", Severity::Error),
            ("", Severity::Error),
            ("\n", Severity::Error),
        ] {
            assert_eq!(judge(text).severity, severity, "{text}");
        }
    }

    #[test]
    fn a_guard_that_exists_in_the_first_place_is_fine() {
        let folder = tempfile::tempdir().expect("a folder");
        let guard = folder.path().join(GUARD);
        std::fs::write(&guard, "").expect("written");
        let text = format!("{{ path={} ; argv[]=berth-guard a1 ; }}\n{{ path=/bin/pre ; }}", guard.display());
        assert_eq!(judge(&text).severity, Severity::Ok);
    }
}
