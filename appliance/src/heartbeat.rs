//! Progress, told by those who make it.
//!
//! A [`Beat`] is given to a part of the house. The part says when it has something to do, and each time that it has
//! done a step of it: a chunk that arrived, a transaction, a piece removed, an attempt that failed. Being alive is no
//! step. Promises: a step is one addition that nobody waits for, and reads no clock. Must not know: who listens, how
//! long a step may take.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// What a part of the house has done. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Beat(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    steps: AtomicU64,
    /// So many things are being done.
    work: AtomicU64,
}

/// What a beat says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Steps since the start.
    pub steps: u64,
    pub load: Load,
}

/// Whether there is anything to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Idle,
    Busy,
}

impl Beat {
    /// Something was done.
    pub fn step(&self) {
        self.0.steps.fetch_add(1, Relaxed);
    }

    /// There is something to do, until this is dropped. To begin is no step: things could begin for ever of which none
    /// ends.
    #[must_use]
    pub fn work(&self) -> Work {
        self.0.work.fetch_add(1, Relaxed);
        Work(self.clone())
    }

    pub fn pulse(&self) -> Pulse {
        Pulse {
            steps: self.0.steps.load(Relaxed),
            load: match self.0.work.load(Relaxed) {
                0 => Load::Idle,
                _ => Load::Busy,
            },
        }
    }
}

/// Something that is being done. That it ends is a step.
#[derive(Debug)]
pub struct Work(Beat);

impl Work {
    /// A part of it was done.
    pub fn step(&self) {
        self.0.step();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.0.step();
        self.0.0.work.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_counts_and_what_begins_does_not() {
        let beat = Beat::default();
        let idle = beat.pulse();
        assert_eq!(idle.load, Load::Idle);
        let (one, other) = (beat.work(), beat.work());
        assert_eq!((beat.pulse().steps, beat.pulse().load), (idle.steps, Load::Busy));
        one.step();
        assert_eq!(beat.pulse().steps, idle.steps + 1);
        drop(one);
        assert_eq!(
            beat.pulse(),
            Pulse {
                steps: idle.steps + 2,
                load: Load::Busy
            }
        );
        drop(other);
        assert_eq!(beat.pulse().load, Load::Idle);
    }
}
