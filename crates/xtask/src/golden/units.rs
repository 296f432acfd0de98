//! Units as systemd reads them. The programs of their commands are not here, so
//! that every one is `/bin/true`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::step;

/// Fails where systemd has anything to say about a unit.
pub(super) fn check(units: &Path) -> Result<()> {
    let folder = step::target().join("golden/units");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(units)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a unit has a name of text")?;
        let text = without_programs(&fs::read_to_string(entry.path())?);
        fs::write(folder.join(&name), &text)?;
        // Of a template an instance is asked for.
        let instance = name.replace("@.", "@x.");
        fs::write(folder.join(&instance), text)?;
        paths.push(folder.join(instance));
    }
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--man=no", "--recursive-errors=no"]).args(&paths);
    verify.env("SYSTEMD_UNIT_PATH", format!("{}:/lib/systemd/system", folder.display()));
    let told = step::output(&mut verify)?;
    let warned = String::from_utf8_lossy(&told.stderr);
    ensure!(warned.is_empty(), "systemd-analyze verify: {}", warned.trim());
    Ok(())
}

fn without_programs(unit: &str) -> String {
    let line = |line: &str| match line.split_once('=') {
        Some((key, value)) if key.starts_with("Exec") => {
            let (prefix, command) = value.split_at(value.find(['@', '/']).unwrap_or(value.len()));
            let arguments = command.split_once(' ').map(|(_, arguments)| format!(" {arguments}"));
            let program = if command.is_empty() { "" } else { "/bin/true" };
            format!("{key}={prefix}{program}{}\n", arguments.unwrap_or_default())
        }
        _ => format!("{line}\n"),
    };
    unit.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::without_programs;

    #[test]
    fn only_the_programs_of_commands_change() {
        for (unit, changed) in [
            ("ExecStart=@x@/bin/y z\n", "ExecStart=/bin/true z\n"),
            ("ExecStart=-@x@/bin/y\n", "ExecStart=-/bin/true\n"),
            ("ExecReload=\n", "ExecReload=\n"),
            ("SystemCallFilter=@mount\n", "SystemCallFilter=@mount\n"),
        ] {
            assert_eq!(without_programs(unit), changed);
        }
    }
}
