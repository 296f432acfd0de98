//! What people see on stderr while a command works.
//!
//! On a terminal each operation has a line with a spinner, its step and the
//! step's time; steps that took a second or more leave a line behind. Without
//! a terminal a step is told once it has lasted a second, so that the log of a
//! quick create is empty and a stuck one tells where. With `-v` every step is
//! told either way.

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use berth_host::printable::{printable, printable_line};
use berth_host::progress::Progress;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::{Caller, Failure};

/// From when on a step is worth a line of its own.
const SLOW: Duration = Duration::from_secs(1);
/// Between two pictures of a spinner.
const TICK: Duration = Duration::from_millis(100);

/// stderr, shared by everything that writes to it.
#[derive(Clone, Debug)]
pub struct Screen {
    bars: MultiProgress,
    is_terminal: bool,
    tells_all: bool,
    caller: Caller,
}

impl Screen {
    /// The screen of this process, for who called it; `tells_all` for `-v`.
    pub fn of_this_process(caller: &Caller, tells_all: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let is_terminal = io::stderr().is_terminal() && !is_dumb;
        Self { bars: MultiProgress::new(), is_terminal, tells_all, caller: caller.clone() }
    }

    /// Prints lines, escaped, above what is being drawn. Commands in them
    /// (`agent list`) are told as the caller has to type them.
    pub fn note(&self, text: &str) {
        let text = self.caller.as_typed(&printable(text));
        // Nobody is left to be told when stderr is closed.
        self.above(|| drop(writeln!(io::stderr().lock(), "{text}")));
    }

    /// Prints something while nothing is being drawn: for results on stdout,
    /// which may be the same terminal.
    pub fn above<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }

    /// Prints why a command failed.
    pub fn failure(&self, failure: &Failure) {
        self.note(failure.to_string().trim_end());
    }

    /// Takes away what is being drawn.
    pub fn clear(&self) {
        let _ = self.bars.clear();
    }

    /// Begins an operation. Where several run at once, the label tells which.
    pub fn work(&self, label: Option<&str>) -> Work {
        let label = label.map(|label| format!("{label}: ")).unwrap_or_default();
        let teller = if self.is_terminal {
            Teller::Spinner(self.bars.add(spinner()))
        } else if self.tells_all {
            Teller::Lines
        } else {
            Teller::SlowLines(tell_slow_steps(self.clone()))
        };
        Work { screen: self.clone(), label, teller, current: Mutex::new(None) }
    }
}

/// An operation under way. Its end is when it is dropped.
#[derive(Debug)]
pub struct Work {
    screen: Screen,
    label: String,
    teller: Teller,
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
enum Teller {
    /// A line that is drawn over and over.
    Spinner(ProgressBar),
    /// A line for each step.
    Lines,
    /// A line for each step that lasts.
    SlowLines(Sender<String>),
}

#[derive(Debug)]
struct Current {
    text: String,
    since: Instant,
}

impl Work {
    fn change(&self, next: Option<Current>) {
        let last = std::mem::replace(&mut *self.current.lock().unwrap_or_else(PoisonError::into_inner), next);
        if let (Some(last), Teller::Spinner(_)) = (last, &self.teller) {
            let took = last.since.elapsed();
            if took >= SLOW || self.screen.tells_all {
                self.screen.note(&finished(&last.text, took));
            }
        }
    }
}

impl Progress for Work {
    fn step(&self, text: &str) {
        let text = format!("{}{}", self.label, printable_line(text));
        self.change(Some(Current { text: text.clone(), since: Instant::now() }));
        match &self.teller {
            Teller::Spinner(bar) => {
                bar.reset_elapsed();
                bar.set_message(text);
                bar.enable_steady_tick(TICK);
            }
            Teller::Lines => self.screen.note(&text),
            // The thread lives as long as the sender.
            Teller::SlowLines(steps) => drop(steps.send(text)),
        }
    }

    fn line(&self, text: &str) {
        self.screen.note(&format!("{}{}", self.label, printable_line(text)));
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if let Teller::Spinner(bar) = &self.teller {
            bar.finish_and_clear();
            self.screen.bars.remove(bar);
        }
        self.change(None);
    }
}

/// One line, cut where the terminal ends.
fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed:>3} {wide_msg}")
        .expect("the template is well formed");
    ProgressBar::new_spinner().with_style(style)
}

fn finished(text: &str, took: Duration) -> String {
    format!("  {text} ({:.1} s)", took.as_secs_f64())
}

/// A thread that prints each step once it has lasted; it ends with the sender.
fn tell_slow_steps(screen: Screen) -> Sender<String> {
    let (sender, steps) = mpsc::channel::<String>();
    thread::spawn(move || {
        let mut current = steps.recv();
        while let Ok(step) = current {
            current = match steps.recv_timeout(SLOW) {
                Ok(next) => Ok(next),
                Err(RecvTimeoutError::Timeout) => {
                    screen.note(&step);
                    steps.recv()
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
        }
    });
    sender
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_step_tells_its_time() {
        assert_eq!(
            finished("fix-login: start a12", Duration::from_millis(3_240)),
            "  fix-login: start a12 (3.2 s)"
        );
    }
}
