//! Cutting what a child prints into lines while it prints.

/// Somebody who is told each line of a child's stderr as it comes.
pub type Watcher<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// The longest line that is told whole.
const LINE_MAX: usize = 64 << 10;

/// The line that is still being printed.
pub(super) struct Lines<'a> {
    watcher: Option<Watcher<'a>>,
    begun: Vec<u8>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(watcher: Option<Watcher<'a>>) -> Self {
        Self { watcher, begun: Vec::new() }
    }

    /// Tells the lines that `chunk` completes.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        if self.watcher.is_none() {
            return;
        }
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.begun.len() > LINE_MAX {
                self.tell();
            }
        }
    }

    /// Tells the last line when it has no line feed.
    pub(super) fn finish(&mut self) {
        if !self.begun.is_empty() {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let line = String::from_utf8_lossy(&self.begun);
        if let Some(watcher) = self.watcher {
            watcher(line.trim_end_matches(['\n', '\r']));
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn lines_are_told_whole_however_they_arrive() {
        let told = Mutex::new(Vec::new());
        let watcher = |line: &str| told.lock().expect("no panic").push(line.to_owned());
        let mut lines = Lines::new(Some(&watcher));
        for chunk in ["on", "e\ntwo\r\nthr", "ee", "\n\nlast"] {
            lines.push(chunk.as_bytes());
        }
        lines.finish();
        assert_eq!(*told.lock().expect("no panic"), ["one", "two", "three", "", "last"]);
    }
}
