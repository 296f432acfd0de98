//! Calls that go wrong on cue.

use crate::command::FaultKind;

struct Fault {
    method: Option<String>,
    path: String,
    times: u32,
    kind: FaultKind,
}

/// The faults to come, the first that fits first.
#[derive(Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, method: Option<String>, path: String, times: u32, kind: FaultKind) {
        self.0.push(Fault { method, path, times, kind });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to this call.
    pub(crate) fn take(&mut self, method: &str, path: &str) -> Option<FaultKind> {
        let fits = |fault: &&mut Fault| {
            fault.times > 0
                && fault.method.as_ref().is_none_or(|one| one == method)
                && path.contains(&fault.path)
        };
        let fault = self.0.iter_mut().find(fits)?;
        fault.times -= 1;
        Some(fault.kind.clone())
    }
}
