//! What the guard does: it has the scribe say and write it, ends the process, and feeds whoever would do worse.
//!
//! Promises: the process ends also when nothing can be said or written any more; nobody is fed by a house that is to
//! end. Must not know: who is late.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Acts, Device, Footing, Manager, Scribe, Step};

/// How long the scribe may take for the last words, and the log after it.
const LAST_WORDS: Duration = Duration::from_secs(2);
const FLUSH: Duration = Duration::from_millis(200);

/// The guard's hands.
pub struct Keeper {
    pub scribe: Scribe,
    pub manager: Option<Arc<Manager>>,
    pub device: Option<Device>,
    /// Ends the process.
    pub end: Box<dyn FnMut() + Send>,
    /// When the manager had the last sign of life.
    pub told: Option<Instant>,
}

impl Acts for Keeper {
    fn footing(&mut self) -> Footing {
        self.scribe.footing()
    }

    fn act(&mut self, step: Step) {
        self.scribe.tell(step);
        if let Step::Restart(_) = step {
            self.scribe.wait_until_written(LAST_WORDS);
            std::thread::sleep(FLUSH);
            (self.end)();
        }
    }

    fn feed(&mut self) {
        if let Some(device) = &mut self.device {
            device.feed();
        }
        if let Some(manager) = &self.manager
            && let Some(patience) = manager.patience()
            && self
                .told
                .is_none_or(|told| told.elapsed() + super::guard::EVERY > patience / 2)
        {
            self.told = Some(Instant::now());
            manager.alive();
        }
    }

    fn release(&mut self) {
        let Some(device) = self.device.take() else {
            return;
        };
        let path = device.path().to_owned();
        if let Err(error) = device.release() {
            tracing::error!(device = %path.display(), %error, "the machine is going to be reset: its watchdog cannot be let go");
        }
    }
}
