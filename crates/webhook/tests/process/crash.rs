use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::bed::{OPENED, Place, head, send, status};

const ROUNDS: u32 = 40;
const CLIENTS: u32 = 4;

/// Many deliveries from several clients, the process killed at another moment
/// each time: every answer of 202 has its whole file, there is no file that is
/// not whole, and leftovers go with the next start.
#[test]
fn killed_at_any_time_nothing_that_was_answered_202_is_lost() {
    let place = Place::new();
    let answered = Mutex::new(BTreeSet::new());
    let mut leftovers = 0;
    let mut running = Some(place.start(&[]));
    for round in 0..ROUNDS {
        let (next, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
        let (report, reports) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                let (report, next, is_over, answered, place) =
                    (report.clone(), &next, &is_over, &answered, &place);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        let delivery = format!("{round}-{}", next.fetch_add(1, Ordering::Relaxed));
                        let body = padded();
                        let answer = send(place.address(), &[head(&delivery, &body).as_bytes(), &body]);
                        if status(&answer) == 202 {
                            answered.lock().expect("no panic").insert(delivery);
                            let _ = report.send(());
                        }
                    }
                });
            }
            reports.recv().expect("a first answer");
            // Another moment in each round; the steps of one delivery take
            // about a millisecond together.
            thread::sleep(Duration::from_micros(u64::from(round) * 373));
            let killed = running.take().expect("it runs");
            killed.signal(Signal::KILL);
            killed.ended();
            is_over.store(true, Ordering::Relaxed);
            // Who waits in the queue of the socket is answered by the next.
            let next = running.insert(place.start(&[]));
            leftovers += u32::from(next.log().contains("unfinished"));
        });
    }
    drop(running);
    let _last = place.start(&[]);
    assert!(place.names().iter().all(|name| !name.starts_with('.')), "leftovers are removed at the start");
    let stored: BTreeSet<String> = place.deliveries().into_iter().collect();
    let answered = answered.into_inner().expect("no panic");
    assert!(answered.len() >= 2 * ROUNDS as usize);
    assert!(answered.is_subset(&stored), "lost: {:?}", answered.difference(&stored).collect::<Vec<_>>());
    println!(
        "{} answered, {} stored, leftovers in {leftovers} of {ROUNDS} rounds",
        answered.len(),
        stored.len()
    );
}

/// Large enough that writing takes its time.
fn padded() -> Vec<u8> {
    OPENED.replacen('{', &format!("{{\"padding\": \"{}\",", "x".repeat(200_000)), 1).into_bytes()
}
