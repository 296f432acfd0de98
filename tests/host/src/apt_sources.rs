//! The machine's own package sources, cut down to Debian's: images are made
//! from wherever this machine gets its packages.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The Debian release of host and guests.
pub(crate) const SUITE: &str = "bookworm";

/// One-line entries and deb822 stanzas go to mmdebstrap as separate files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct AptSources {
    /// In the format of `sources.list`.
    pub(crate) lines: String,
    /// In the format of `*.sources`.
    pub(crate) stanzas: String,
}

impl AptSources {
    /// Reads a folder like `/etc/apt`.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let mut sources = Self::default();
        let main = folder.join("sources.list");
        if main.exists() {
            sources.add_lines(&read(&main)?);
        }
        let parts = folder.join("sources.list.d");
        let mut paths: Vec<_> = fs::read_dir(&parts)
            .with_context(|| format!("could not list `{}`", parts.display()))?
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect();
        paths.sort();
        for path in paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("list") => sources.add_lines(&read(&path)?),
                Some("sources") => sources.add_stanzas(&read(&path)?),
                _ => {}
            }
        }
        if sources == Self::default() {
            bail!("no package source for Debian {SUITE} in `{}`; add one, then run again", folder.display());
        }
        Ok(sources)
    }

    fn add_lines(&mut self, text: &str) {
        for line in text.lines().filter(|line| is_debian_line(line)) {
            self.lines += line;
            self.lines.push('\n');
        }
    }

    fn add_stanzas(&mut self, text: &str) {
        let without_comments: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        for stanza in without_comments.join("\n").split("\n\n") {
            if is_debian_stanza(stanza) {
                self.stanzas += stanza.trim();
                self.stanzas += "\n\n";
            }
        }
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("could not read `{}`", path.display()))
}

/// Other vendors' sources are left out: they are not needed, and their
/// suites are called otherwise.
fn is_debian_suite(suite: &str) -> bool {
    suite.strip_prefix(SUITE).is_some_and(|rest| ["", "-updates", "-security", "/updates"].contains(&rest))
}

fn is_debian_line(line: &str) -> bool {
    let mut words = line.split_whitespace().peekable();
    if words.next() != Some("deb") {
        return false;
    }
    // Options in brackets may themselves contain spaces.
    if words.peek().is_some_and(|word| word.starts_with('[')) {
        words.by_ref().find(|word| word.ends_with(']'));
    }
    let suite = words.nth(1);
    suite.is_some_and(is_debian_suite) && words.any(|component| component == "main")
}

fn is_debian_stanza(stanza: &str) -> bool {
    let values = |name: &str| {
        stanza
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.split_whitespace().collect::<Vec<_>>())
            .unwrap_or_default()
    };
    let suites = values("Suites");
    values("Types").contains(&"deb")
        && values("Components").contains(&"main")
        && !suites.is_empty()
        && suites.into_iter().all(is_debian_suite)
        && !values("Enabled").contains(&"no")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debians_own_entries_are_taken() {
        let mut sources = AptSources::default();
        sources.add_lines(
            "# comment\n\
             deb http://mirror.example/debian bookworm main contrib\n\
             deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian-security bookworm-security main\n\
             deb-src http://mirror.example/debian bookworm main\n\
             deb http://vendor.example/apt stable main\n\
             deb http://db.example/apt bookworm-pgdg main\n",
        );
        assert_eq!(
            sources.lines,
            "deb http://mirror.example/debian bookworm main contrib\n\
             deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian-security bookworm-security main\n"
        );
    }

    #[test]
    fn only_debians_own_stanzas_are_taken() {
        let mut sources = AptSources::default();
        sources.add_stanzas(
            "Types: deb\n# where from\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
             Components: main\n\n\
             Types: deb\nURIs: http://vendor.example\nSuites: nodistro\nComponents: main\n\n\
             Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\nEnabled: no\n",
        );
        assert_eq!(
            sources.stanzas,
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main\n\n"
        );
    }
}
