//! Who among the slow groups is out, and who is to go.
//!
//! Promises: whoever is out is not sent out again; nobody waits without a bound but those who wait for their turn. Must
//! not know: what they do when they are out.

use std::{
    fmt,
    time::{Duration, Instant},
};

use heapless::Vec as Few;
use parking_lot::{Condvar, Mutex};

use super::{probe::Group, sampler::GROUPS};

/// After so long without an answer a group is one that hangs, and not one that is slow.
const LONG: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Idle,
    /// It is to go.
    Go,
    /// It went then.
    Out(Duration),
}

#[derive(Clone, Copy, Debug)]
struct Row {
    group: Group,
    turn: Turn,
    /// Whether it has hung since it was last back: nobody waits for it.
    hangs: bool,
}

#[derive(Debug)]
struct State {
    rows: Few<Row, GROUPS>,
    is_open: bool,
}

/// Whose row it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(usize);

pub(super) struct Desk {
    state: Mutex<State>,
    /// Somebody is to go, or all are to end.
    go: Condvar,
    /// Somebody is back, or all are to end.
    back: Condvar,
}

impl Desk {
    /// With a row for each group, as far as there is room for them.
    pub(super) fn new(groups: impl Iterator<Item = Group>) -> Self {
        let row = |group| Row {
            group,
            turn: Turn::Idle,
            hangs: false,
        };
        Self {
            state: Mutex::new(State {
                rows: groups.take(GROUPS).map(row).collect(),
                is_open: true,
            }),
            go: Condvar::new(),
            back: Condvar::new(),
        }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.state.lock().rows.len()).map(Place)
    }

    /// Ends all who wait.
    pub(super) fn close(&self) {
        self.state.lock().is_open = false;
        self.go.notify_all();
        self.back.notify_all();
    }

    /// Sends out all whose turn it is in this round and who are here.
    pub(super) fn send_out(&self, round: u64) {
        for row in &mut self.state.lock().rows {
            if row.turn == Turn::Idle && row.group.is_due(round) {
                row.turn = Turn::Go;
            }
        }
        self.go.notify_all();
    }

    /// Waits to be sent out. False: it is over.
    pub(super) fn wait_for_turn(&self, place: Place, now: impl Fn() -> Duration) -> bool {
        let mut state = self.state.lock();
        loop {
            if !state.is_open {
                return false;
            }
            let turn = &mut state.rows[place.0].turn;
            if *turn == Turn::Go {
                *turn = Turn::Out(now());
                return true;
            }
            self.go.wait(&mut state);
        }
    }

    pub(super) fn back(&self, place: Place) {
        let row = &mut self.state.lock().rows[place.0];
        row.turn = Turn::Idle;
        row.hangs = false;
        self.back.notify_all();
    }

    /// Waits until nobody is out, but for those who hang, or until the deadline.
    pub(super) fn wait_for_all(&self, deadline: Instant) {
        let mut state = self.state.lock();
        while state.is_open && state.rows.iter().any(|row| row.turn != Turn::Idle && !row.hangs) {
            if self.back.wait_until(&mut state, deadline).timed_out() {
                return;
            }
        }
    }

    /// False: it is over.
    pub(super) fn sleep_until(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        while state.is_open {
            if self.back.wait_until(&mut state, deadline).timed_out() {
                return state.is_open;
            }
        }
        false
    }

    /// For how long each has been out; zero: it is not.
    pub(super) fn out(&self, now: Duration) -> Few<(Group, Duration), GROUPS> {
        let mut out = Few::new();
        for row in &mut self.state.lock().rows {
            let since = match row.turn {
                Turn::Idle => Duration::ZERO,
                // Its thread has not come to it.
                Turn::Go => Duration::from_nanos(1),
                Turn::Out(since) => now.saturating_sub(since).max(Duration::from_nanos(1)),
            };
            row.hangs |= since >= LONG;
            let _ = out.push((row.group, since));
        }
        out
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.state.lock())
    }
}
