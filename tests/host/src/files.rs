//! Files of the host, read and written by a process inside it: from outside,
//! an absolute symlink would lead out of the host.

use std::fs;
use std::path::Path;

use crate::boot::TestHost;

impl TestHost {
    /// Writes a file, as a whole, with this mode.
    ///
    /// # Panics
    /// If it cannot be written.
    #[track_caller]
    pub fn write_file(&self, path: &str, content: impl Into<Vec<u8>>, mode: u32) {
        let script = r#"mkdir -p "$(dirname "$1")" && umask 077 && cat >"$1.new" && chmod "$2" "$1.new" && mv -T "$1.new" "$1""#;
        self.command("sh").args(["-c", script, "sh", path, &format!("{mode:o}")]).stdin(content).ok();
    }

    /// A file's content.
    ///
    /// # Panics
    /// If it cannot be read.
    #[track_caller]
    pub fn read_file(&self, path: &str) -> String {
        self.command("cat").arg(path).ok().stdout
    }

    /// Whether something is there, be it a dangling link.
    pub fn exists(&self, path: &str) -> bool {
        self.command("sh").args(["-c", r#"[ -e "$1" ] || [ -L "$1" ]"#, "sh", path]).run().is_success()
    }

    /// Copies a program from the machine outside to `/usr/bin/NAME`, even while
    /// an older one runs.
    ///
    /// # Panics
    /// If it cannot be copied.
    #[track_caller]
    pub fn install_binary(&self, path: &Path, name: &str) {
        let program =
            fs::read(path).unwrap_or_else(|error| panic!("could not read `{}`: {error}", path.display()));
        self.write_file(&format!("/usr/bin/{name}"), program, 0o755);
    }
}
