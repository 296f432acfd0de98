//! Many evaluations, as many at once as there are processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The answers in the order of the questions.
pub(super) fn all<Q: Sync, A: Send>(questions: &[Q], ask: impl Fn(&Q) -> A + Sync) -> Vec<A> {
    let next = AtomicUsize::new(0);
    let answers: Vec<Mutex<Option<A>>> = questions.iter().map(|_| Mutex::new(None)).collect();
    let processors = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(|| {
                while let Some((question, answer)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    questions.get(index).zip(answers.get(index))
                } {
                    *answer.lock().expect("nobody panics with it") = Some(ask(question));
                }
            });
        }
    });
    let answer = |one: Mutex<Option<A>>| {
        one.into_inner().expect("nobody panics with it").expect("each question is asked")
    };
    answers.into_iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn answers_come_in_the_order_of_the_questions() {
        let questions: Vec<u32> = (0..100).collect();
        let doubled = super::all(&questions, |one| one * 2);
        assert_eq!(doubled, questions.iter().map(|one| one * 2).collect::<Vec<_>>());
    }
}
