//! What is done about a part that makes no progress, one rung after the other.
//!
//! The rungs below these are the parts' own: each bounds its waits, and the janitor cancels and kills a worker that is
//! silent. Promises: nothing is done twice for one silence; a restart is asked for only where it helps; on a box that
//! was reset again and again, only for what keeps it from serving, and not at once. Must not know: time, but what it is
//! told; how anything is done.

use std::time::Duration;

use super::{Part, Remedy, Silence};

/// How often a worker is killed for one silence.
const KILLS: u8 = 2;

/// After so many resets a process is left alone for this long, whatever hangs: it may get over it.
const GRACE: Duration = Duration::from_secs(600);

/// How the box stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Footing {
    #[default]
    Firm,
    /// It was reset so often that it only serves.
    Safe,
}

/// What a decision rests on.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    pub footing: Footing,
    /// Since the process began.
    pub uptime: Duration,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is late: people are told.
    Tell(Silence),
    KillWorker(Silence),
    /// Its work is left alone until it moves.
    GiveUp(Silence),
    /// The process ends, for somebody to start it anew.
    Restart(Silence),
    /// It moves again.
    Recovered(Part),
}

/// How far up each part is.
#[derive(Debug, Default)]
pub struct Ladder {
    rungs: [Rung; Part::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rung {
    #[default]
    Ground,
    Told,
    Killed(u8),
    GivenUp,
}

impl Ladder {
    /// What is to be done about a silence now; nothing, if all is well or was done already.
    pub fn climb(&mut self, silence: Silence, circumstances: Circumstances) -> Option<Step> {
        let Silence { part, lasts } = silence;
        let rung = &mut self.rungs[part.place()];
        let deadline = part.deadline();
        if lasts < deadline {
            let was = std::mem::take(rung);
            return (was != Rung::Ground).then_some(Step::Recovered(part));
        }
        match part.remedy() {
            Remedy::Restart if may_restart(part, circumstances) => Some(Step::Restart(silence)),
            Remedy::Worker => match *rung {
                // A deadline for each.
                Rung::Ground | Rung::Told => {
                    *rung = Rung::Killed(1);
                    Some(Step::KillWorker(silence))
                }
                Rung::Killed(times) if lasts >= deadline * (u32::from(times) + 1) => {
                    if times < KILLS {
                        *rung = Rung::Killed(times + 1);
                        Some(Step::KillWorker(silence))
                    } else {
                        *rung = Rung::GivenUp;
                        Some(Step::GiveUp(silence))
                    }
                }
                Rung::Killed(_) | Rung::GivenUp => None,
            },
            Remedy::Restart | Remedy::Telling => {
                let was = std::mem::replace(rung, Rung::Told);
                (was == Rung::Ground).then_some(Step::Tell(silence))
            }
        }
    }
}

fn may_restart(part: Part, circumstances: Circumstances) -> bool {
    match circumstances.footing {
        Footing::Firm => true,
        Footing::Safe => part.is_vital() && circumstances.uptime >= GRACE,
    }
}
