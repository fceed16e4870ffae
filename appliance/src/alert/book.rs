//! The book of incidents: all of them, the letters about them, and who has had which.
//!
//! It is in memory, and each change of it is handed on as a [`Page`] to be written down ([`super::writing`]). Promises: a
//! change of state and the letters that follow from it are on the same page, so that no crash parts them; a letter stays
//! until everybody has had it; what a receiver has had is noted per receiver, in the order of the letters. Must not
//! know: disks, how anything is sent.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Engine, IncidentId, Letter, Notice, Past, View};
use crate::{clock::Timestamp, config::Frequency};

/// Letters that wait, at most: some weeks without a way out. What comes on top takes the place of the oldest reminder,
/// or else of the oldest.
const MOST: usize = 1000;
/// Messages whose times are remembered of each receiver: more than it is sent in an hour.
const SENT: usize = Frequency::MOST + 4;

/// What a receiver has had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// All letters before this one.
    pub before: u64,
    /// When the last messages were sent.
    pub sent: Vec<Timestamp>,
    /// Since when nothing arrives, and why.
    pub failing: Option<Failing>,
    /// Messages that have arrived.
    #[serde(default)]
    pub delivered: u64,
}

/// A receiver that cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub since: Timestamp,
    pub tries: u32,
    pub why: String,
}

/// All that has to be written down.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Counts the pages of this process.
    pub number: u64,
    pub head: Head,
    pub letters: BTreeMap<u64, Arc<Letter>>,
}

/// All of it but the letters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub engine: Engine,
    /// By the receivers' names.
    pub reached: BTreeMap<String, Reached>,
    /// The next letter's.
    pub next: u64,
    /// Letters that nobody has had because there were too many.
    #[serde(default)]
    pub lost: u64,
}

/// What waits for a receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    pub letters: Vec<Arc<Letter>>,
    /// The number of the last of them.
    pub last: u64,
    pub sent: Vec<Timestamp>,
    /// Whether the last message did not arrive.
    pub is_failing: bool,
    /// On which page they are.
    pub page: u64,
}

/// The book. Clones are the same.
#[derive(Clone)]
pub struct Book(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// The latest page.
    pages: watch::Sender<Arc<Page>>,
}

struct State {
    head: Head,
    letters: BTreeMap<u64, Arc<Letter>>,
    pages: u64,
}

impl Book {
    /// As it was written down.
    pub fn open(page: Page) -> Self {
        let (pages, _) = watch::channel(Arc::new(Page {
            number: 0,
            ..page.clone()
        }));
        Self(Arc::new(Inner {
            state: Mutex::new(State {
                head: page.head,
                letters: page.letters,
                pages: 0,
            }),
            pages,
        }))
    }

    /// Told of each page.
    pub fn pages(&self) -> watch::Receiver<Arc<Page>> {
        self.0.pages.subscribe()
    }

    /// These are told from now on, and no others. Who is new is told of what comes, not of what was.
    pub fn receivers(&self, names: &[&str]) {
        self.change(|state| {
            let known: BTreeSet<&str> = names.iter().copied().collect();
            let head = &mut state.head;
            head.reached.retain(|name, _| known.contains(name.as_str()));
            for name in known {
                head.reached.entry(name.to_owned()).or_insert_with(|| Reached {
                    before: head.next,
                    ..Reached::default()
                });
            }
            state.forget_read();
            (Changed::Yes, ())
        });
    }

    /// A round: what `judge` does to the incidents, and the letters that follow from it.
    pub fn round(
        &self,
        now: Timestamp,
        judge: impl FnOnce(&mut Engine),
        mut letter: impl FnMut(Notice) -> Letter,
    ) {
        self.change(|state| {
            judge(&mut state.head.engine);
            for notice in state.head.engine.conclude(now) {
                let letter = letter(notice);
                state.add(letter);
            }
            state.forget_read();
            if state.head.engine.take_changed() {
                (Changed::Yes, ())
            } else {
                (Changed::No, ())
            }
        });
    }

    /// Somebody takes care of an incident. Whether there is such a one.
    pub fn acknowledge(&self, id: IncidentId, by: &str) -> bool {
        self.edit(|engine| engine.acknowledge(id, by))
    }

    /// What people change of the incidents; what they are told is theirs.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut Engine) -> T) -> T {
        self.change(|state| {
            let told = edit(&mut state.head.engine);
            state.head.engine.take_changed();
            (Changed::Yes, told)
        })
    }

    /// What is to be said of all incidents, those that are over, and who cannot be reached.
    pub fn look<T>(&self, now: Timestamp, look: impl FnOnce(Vec<View<'_>>, &[Past], &Head) -> T) -> T {
        let state = self.0.state.lock();
        let engine = &state.head.engine;
        look(engine.views(now), engine.past(), &state.head)
    }

    /// What waits for a receiver.
    pub fn waiting(&self, receiver: &str) -> Waiting {
        let state = self.0.state.lock();
        let Some(reached) = state.head.reached.get(receiver) else {
            return Waiting::default();
        };
        let letters: Vec<_> = state.letters.range(reached.before..).collect();
        Waiting {
            last: letters.last().map_or(0, |(number, _)| **number),
            letters: letters.into_iter().map(|(_, letter)| letter.clone()).collect(),
            sent: reached.sent.clone(),
            is_failing: reached.failing.is_some(),
            page: state.pages,
        }
    }

    /// Whether something is known to be wrong that keeps messages from getting out.
    pub fn is_cut_off(&self) -> bool {
        let state = self.0.state.lock();
        let mut open = state.head.engine.open();
        open.any(|incident| incident.fired().is_some() && incident.terms.cause.cuts_off())
    }

    /// A receiver has had all letters up to this one; at this time, unless there was nothing in them for it.
    pub fn delivered(&self, receiver: &str, last: u64, sent: Option<Timestamp>) {
        self.change(|state| {
            if let Some(reached) = state.head.reached.get_mut(receiver) {
                reached.before = reached.before.max(last + 1);
                if let Some(at) = sent {
                    reached.failing = None;
                    reached.delivered += 1;
                    reached.sent.push(at);
                    let old = reached.sent.len().saturating_sub(SENT);
                    reached.sent.drain(..old);
                }
            }
            state.forget_read();
            (Changed::Yes, ())
        });
    }

    /// A receiver could not be reached.
    pub fn failed(&self, receiver: &str, why: &str, now: Timestamp) {
        self.change(|state| {
            if let Some(reached) = state.head.reached.get_mut(receiver) {
                let before = reached.failing.take();
                let is_new = before.as_ref().is_none_or(|before| before.why != why);
                reached.failing = Some(Failing {
                    since: before.as_ref().map_or(now, |before| before.since),
                    tries: before.map_or(0, |before| before.tries).saturating_add(1),
                    why: why.to_owned(),
                });
                if is_new {
                    return (Changed::Yes, ());
                }
            }
            // The number of tries is worth no write.
            (Changed::No, ())
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> (Changed, T)) -> T {
        let mut state = self.0.state.lock();
        let (changed, told) = change(&mut state);
        if let Changed::Yes = changed {
            state.pages += 1;
            self.0.pages.send_replace(Arc::new(Page {
                number: state.pages,
                head: state.head.clone(),
                letters: state.letters.clone(),
            }));
        }
        told
    }
}

enum Changed {
    Yes,
    No,
}

impl State {
    fn add(&mut self, letter: Letter) {
        if self.letters.len() >= MOST {
            let is_reminder = |letter: &Letter| letter.notice.occasion == super::Occasion::Reminder;
            let oldest = self.letters.iter().find(|(_, letter)| is_reminder(letter));
            let goes = oldest.or(self.letters.iter().next()).map(|(number, _)| *number);
            self.head.lost += u64::from(goes.and_then(|number| self.letters.remove(&number)).is_some());
        }
        self.letters.insert(self.head.next, Arc::new(letter));
        self.head.next += 1;
    }

    /// Letters that everybody has had.
    fn forget_read(&mut self) {
        let read = self.head.reached.values().map(|reached| reached.before).min();
        let read = read.unwrap_or(self.head.next);
        self.letters = self.letters.split_off(&read);
    }
}
