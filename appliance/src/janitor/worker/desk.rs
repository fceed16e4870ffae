//! Where the thread that reads orders and the thread that carries them out meet.
//!
//! Promises: there is at most one walk and one unlink at a time; whoever waits here wakes at once when an order,
//! a cancel or the pipe's end comes in. Must not know: what orders do.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use crate::janitor::{
    job::Pace,
    protocol::{JobId, Order},
};

/// Orders on their way in.
#[derive(Debug, Default)]
pub(super) struct Desk {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: [Option<Assignment>; 2],
    running: [Option<Running>; 2],
    /// Nobody is at the other end any more.
    closed: bool,
}

/// What runs, and what has been said about it since.
#[derive(Clone, Copy, Debug)]
struct Running {
    job: JobId,
    cancelled: bool,
    taken: u64,
}

/// An order with its number.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) job: JobId,
    pub(super) order: Order,
    pub(super) pace: Pace,
    pub(super) careful: u64,
}

impl Assignment {
    pub(super) const fn lane(&self) -> Lane {
        match self.order {
            Order::Unlink { .. } => Lane::Unlink,
            Order::Walk(_) => Lane::Walk,
        }
    }
}

/// The two that can be under way at once: removing goes between the files of everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Unlink,
    Walk,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    GoOn,
    Stop,
    /// Something is to be removed meanwhile.
    Unlink,
}

/// What to wait for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// The parent has taken so many steps of the job.
    Taken(u64),
    Time(Instant),
}

/// A second order of a kind came before the first had ended.
#[derive(Debug, thiserror::Error)]
#[error("job {second} was ordered before job {first} had ended")]
pub struct OutOfTurn {
    first: JobId,
    second: JobId,
}

impl Desk {
    pub(super) fn put(&self, assignment: Assignment) -> Result<(), OutOfTurn> {
        let lane = assignment.lane() as usize;
        let mut state = self.state.lock();
        if let Some(first) = state.running[lane] {
            return Err(OutOfTurn {
                first: first.job,
                second: assignment.job,
            });
        }
        state.running[lane] = Some(Running {
            job: assignment.job,
            cancelled: false,
            taken: 0,
        });
        state.waiting[lane] = Some(assignment);
        self.bell.notify_all();
        Ok(())
    }

    pub(super) fn cancel(&self, job: JobId) {
        self.tell(job, |running| running.cancelled = true);
    }

    pub(super) fn taken(&self, job: JobId) {
        self.tell(job, |running| running.taken += 1);
    }

    /// About a job that has ended already there is nothing to be said.
    fn tell(&self, job: JobId, change: impl FnOnce(&mut Running)) {
        let mut state = self.state.lock();
        let running = state
            .running
            .iter_mut()
            .flatten()
            .find(|running| running.job == job);
        if let Some(running) = running {
            change(running);
            self.bell.notify_all();
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.bell.notify_all();
    }

    /// The next order; `None` when there will be none.
    pub(super) fn next(&self) -> Option<Assignment> {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return None;
            }
            let next = state.waiting.iter_mut().find_map(Option::take);
            if next.is_some() {
                return next;
            }
            self.bell.wait(&mut state);
        }
    }

    /// The unlink that is waiting.
    pub(super) fn unlink(&self) -> Option<Assignment> {
        self.state.lock().waiting[Lane::Unlink as usize].take()
    }

    /// To be called before the job's end is told, so that the next order is in turn.
    pub(super) fn ended(&self, lane: Lane) {
        self.state.lock().running[lane as usize] = None;
    }

    pub(super) fn word(&self, lane: Lane) -> Word {
        self.state.lock().word(lane)
    }

    /// Waits, unless there is something else to do before.
    pub(super) fn wait(&self, lane: Lane, until: Until) -> Word {
        let mut state = self.state.lock();
        loop {
            let word = state.word(lane);
            let over = match until {
                Until::Taken(steps) => {
                    state.running[lane as usize].is_some_and(|running| running.taken >= steps)
                }
                Until::Time(time) => Instant::now() >= time,
            };
            if word != Word::GoOn || over {
                return word;
            }
            match until {
                Until::Taken(_) => self.bell.wait(&mut state),
                Until::Time(time) => {
                    self.bell.wait_until(&mut state, time);
                }
            }
        }
    }
}

impl State {
    fn word(&self, lane: Lane) -> Word {
        if self.closed || self.running[lane as usize].is_none_or(|running| running.cancelled) {
            Word::Stop
        } else if lane == Lane::Walk && self.waiting[Lane::Unlink as usize].is_some() {
            Word::Unlink
        } else {
            Word::GoOn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::janitor::{
        job::Walk,
        place::{Cursor, Folder},
    };

    fn walk(job: JobId) -> Assignment {
        Assignment {
            job,
            order: Order::Walk(Walk::Scan { from: Cursor::START }),
            pace: Pace::BRISK,
            careful: 0,
        }
    }

    #[test]
    fn one_walk_at_a_time() {
        let desk = Desk::default();
        desk.put(walk(1)).expect("in turn");
        assert_eq!(desk.next().map(|it| it.job), Some(1));
        let refused = desk.put(walk(2)).expect_err("out of turn").to_string();
        assert!(
            refused.contains("job 2") && refused.contains("job 1"),
            "{refused}"
        );
        desk.ended(Lane::Walk);
        desk.put(walk(2)).expect("in turn");
    }

    #[test]
    fn whoever_waits_is_woken_by_what_matters() {
        let desk = Desk::default();
        desk.put(walk(1)).expect("in turn");
        desk.taken(1);
        assert_eq!(desk.wait(Lane::Walk, Until::Taken(1)), Word::GoOn);
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| desk.wait(Lane::Walk, Until::Taken(2)));
            let order = Order::Unlink {
                folder: Folder::Blobs,
                names: Vec::new(),
            };
            desk.put(Assignment { order, ..walk(2) }).expect("in turn");
            assert_eq!(waiting.join().expect("woken"), Word::Unlink);
            assert_eq!(desk.unlink().map(|it| it.job), Some(2));
            let waiting = threads.spawn(|| desk.wait(Lane::Walk, Until::Taken(2)));
            desk.cancel(1);
            assert_eq!(waiting.join().expect("woken"), Word::Stop);
        });
        desk.close();
        assert!(desk.next().is_none());
    }
}
