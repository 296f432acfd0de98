//! Failing and hanging on cue.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::exec::{Call, Captured, ExecError, Exit};

/// What happens to a call at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It fails; what it did until then stays.
    Fail,
    /// It never returns.
    Hang,
}

/// Where in a call a point lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing is done yet.
    Before,
    /// A part is done.
    Midway,
    /// All is done, and the caller does not know it.
    After,
}

/// A point that a call has passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The call with its subject: `systemd.start a1`.
    pub call: String,
    /// Where in the call.
    pub moment: Moment,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::Midway => "midway in",
            Moment::After => "after",
        };
        write!(f, "{moment} `{}`", self.call)
    }
}

/// The points passed and the faults to come.
#[derive(Default)]
pub(super) struct Faults {
    passed: Vec<Point>,
    at: BTreeMap<usize, Fault>,
    next: Vec<(String, Fault)>,
    always: Vec<String>,
}

impl Faults {
    /// Passes a point; tells what happens there.
    pub(super) fn pass(&mut self, point: Point) -> Option<Fault> {
        let number = self.passed.len();
        let tool_call = point.call.split(' ').next().unwrap_or_default().to_owned();
        let is_begin = point.moment == Moment::Before;
        self.passed.push(point);
        if let Some(fault) = self.at.remove(&number) {
            return Some(fault);
        }
        if !is_begin {
            return None;
        }
        if self.always.contains(&tool_call) {
            return Some(Fault::Fail);
        }
        let index = self.next.iter().position(|(call, _)| *call == tool_call)?;
        Some(self.next.remove(index).1)
    }

    pub(super) fn put_at(&mut self, number: usize, fault: Fault) {
        self.at.insert(number, fault);
    }

    pub(super) fn put_next(&mut self, call: &str, fault: Fault) {
        self.next.push((call.to_owned(), fault));
    }

    pub(super) fn put_always(&mut self, call: &str) {
        self.always.push(call.to_owned());
    }

    pub(super) fn clear(&mut self) {
        *self = Self { passed: std::mem::take(&mut self.passed), ..Self::default() };
    }

    pub(super) fn passed(&self) -> &[Point] {
        &self.passed
    }
}

/// The error of a tool that ended with 1 and said this.
pub(crate) fn failure(call: &str, said: &str) -> ExecError {
    let stderr = Captured { bytes: said.as_bytes().to_vec(), cut: 0 };
    let argv = call.split(' ').map(Into::into).collect();
    let call = Arc::new(Call { aim: format!("do `{call}`"), argv });
    ExecError::Failed { call, exit: Exit::Code(1), stderr }
}
