//! What a long operation tells while it works, and how it is interrupted.

use tokio::sync::watch;

/// Where an operation tells what it does. A CLI draws it, a daemon logs it.
pub trait Progress: Send + Sync {
    /// A step begins. It ends where the next begins or the operation returns.
    fn step(&self, text: &str);

    /// A line worth keeping, such as what a build says.
    fn line(&self, text: &str);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _: &str) {}
    fn line(&self, _: &str) {}
}

/// Interrupts operations from outside: the other end of an [`Interrupt`].
pub struct Interrupter(watch::Sender<bool>);

impl Interrupter {
    /// Asks every holder of the interrupt to stop and take back what it did.
    pub fn interrupt(&self) {
        self.0.send_replace(true);
    }
}

/// Tells an operation that somebody wants it to stop (Ctrl-C, a shutdown). It
/// then undoes what it did.
#[derive(Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// A pair that is not yet interrupted.
    pub fn new() -> (Interrupter, Self) {
        let (sender, receiver) = watch::channel(false);
        (Interrupter(sender), Self(receiver))
    }

    /// Ends when somebody interrupts; never, when nobody can any more.
    pub async fn interrupted(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|is_interrupted| *is_interrupted).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether somebody has.
    pub fn is_interrupted(&self) -> bool {
        *self.0.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interrupt_reaches_whoever_waits_and_whoever_comes_later() {
        let (interrupter, interrupt) = Interrupt::new();
        let waiting = tokio::spawn({
            let interrupt = interrupt.clone();
            async move { interrupt.interrupted().await }
        });
        assert!(!interrupt.is_interrupted());
        interrupter.interrupt();
        waiting.await.expect("the waiting one ends");
        interrupt.interrupted().await;
        assert!(interrupt.is_interrupted());
    }

    #[tokio::test]
    async fn an_interrupt_that_nobody_can_raise_never_ends() {
        let (interrupter, interrupt) = Interrupt::new();
        drop(interrupter);
        let never = interrupt.interrupted();
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), never).await.is_err());
    }
}
