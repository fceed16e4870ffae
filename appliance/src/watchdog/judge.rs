//! Beats and time: who makes no progress, and for how long.
//!
//! Promises: a part without work is never silent; time in which the looks themselves did not come (the process was
//! stopped, the machine slept, the CPU was not to be had) counts as one look, and not as what it was; a look takes no
//! memory. Must not know: deadlines, what follows.

use std::time::Duration;

use super::Part;
use crate::heartbeat::{Beat, Load};

/// More than this between two looks did not pass for those who are watched either.
const LONGEST: Duration = Duration::from_secs(2);

/// A part, and since when it has made no step though it had something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    pub part: Part,
    /// Zero: it gets on, or has nothing to do.
    pub lasts: Duration,
}

/// Looks at beats.
#[derive(Debug, Default)]
pub struct Judge {
    watched: [Option<Watched>; Part::ALL.len()],
    /// When the last look was, on the clock of whoever looks.
    last: Option<Duration>,
    /// Time that counts.
    time: Duration,
}

#[derive(Debug)]
struct Watched {
    beat: Beat,
    steps: u64,
    /// When it was last seen to get on, or to have nothing to do.
    since: Duration,
}

impl Judge {
    /// From now on this part is watched, by this beat.
    pub fn watch(&mut self, part: Part, beat: Beat) {
        self.watched[part.place()] = Some(Watched {
            steps: beat.pulse().steps,
            beat,
            since: self.time,
        });
    }

    /// This part is not watched any more.
    pub fn leave(&mut self, part: Part) {
        self.watched[part.place()] = None;
    }

    /// A look at all of them. `now` never goes back.
    pub fn look(&mut self, now: Duration) -> impl Iterator<Item = Silence> {
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_sub(last));
        self.last = Some(now);
        self.time += passed.min(LONGEST);
        let time = self.time;
        let watched = self.watched.iter_mut().zip(Part::ALL);
        watched.filter_map(move |(watched, part)| {
            let watched = watched.as_mut()?;
            let pulse = watched.beat.pulse();
            if pulse.load == Load::Idle || pulse.steps != watched.steps {
                watched.steps = pulse.steps;
                watched.since = time;
            }
            Some(Silence {
                part,
                lasts: time - watched.since,
            })
        })
    }
}
