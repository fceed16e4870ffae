//! Whether what can wait is to wait: one handle that housekeeping looks at between two steps.
//!
//! Promises: looking costs two loads; whoever waits is woken when it is over. Must not know: who says so, who waits.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use crate::heartbeat::Beat;

/// Whoever waits says as often as this that he is not stuck.
const SIGN: Duration = Duration::from_secs(15);

/// Why things are to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The box was reset so often that it only serves.
    SafeMode,
    /// Memory is so short that the kernel would have to kill.
    Memory,
}

/// On whose behalf something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errand {
    /// The box thought of it.
    Own,
    /// A person asked for it: only want of memory makes that wait.
    Asked,
}

/// The handle. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Pause(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    safe_mode: AtomicBool,
    memory: AtomicBool,
    changed: Notify,
}

impl Pause {
    pub fn begin(&self, cause: Cause) {
        self.of(cause).store(true, SeqCst);
        self.0.changed.notify_waiters();
    }

    pub fn end(&self, cause: Cause) {
        self.of(cause).store(false, SeqCst);
        self.0.changed.notify_waiters();
    }

    pub fn is_on(&self, cause: Cause) -> bool {
        self.of(cause).load(SeqCst)
    }

    /// Whether this is to wait.
    pub fn holds(&self, errand: Errand) -> bool {
        self.is_on(Cause::Memory) || errand == Errand::Own && self.is_on(Cause::SafeMode)
    }

    /// Waits until this is to wait.
    pub async fn begun(&self, errand: Errand) {
        loop {
            let changed = self.0.changed.notified();
            if self.holds(errand) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until this is not to wait any more. To wait here is no standstill.
    pub async fn over(&self, errand: Errand, beat: &Beat) {
        loop {
            let changed = self.0.changed.notified();
            if !self.holds(errand) {
                return;
            }
            beat.step();
            // It is looked again anyway.
            let _ = timeout(SIGN, changed).await;
        }
    }

    fn of(&self, cause: Cause) -> &AtomicBool {
        match cause {
            Cause::SafeMode => &self.0.safe_mode,
            Cause::Memory => &self.0.memory,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_gets_on_when_it_is_over_and_is_not_stuck_meanwhile() {
        let (pause, beat) = (Pause::default(), Beat::default());
        pause.over(Errand::Own, &beat).await;
        assert_eq!(beat.pulse().steps, 0);
        pause.begin(Cause::Memory);
        pause.begin(Cause::SafeMode);
        pause.begun(Errand::Asked).await;
        let waiting = tokio::spawn({
            let (pause, beat) = (pause.clone(), beat.clone());
            async move { pause.over(Errand::Own, &beat).await }
        });
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!((4..=5).contains(&beat.pulse().steps), "{:?}", beat.pulse());
        pause.end(Cause::Memory);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "one of two causes");
        pause.over(Errand::Asked, &beat).await;
        pause.end(Cause::SafeMode);
        waiting.await.expect("over");
        let beginning = tokio::spawn({
            let pause = pause.clone();
            async move { pause.begun(Errand::Own).await }
        });
        tokio::task::yield_now().await;
        assert!(!beginning.is_finished());
        pause.begin(Cause::SafeMode);
        beginning.await.expect("begun");
    }
}
