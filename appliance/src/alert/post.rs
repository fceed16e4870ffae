//! A receiver's post: what waits for it, sent when it is time, for as long as it takes.
//!
//! ```text
//! waits ─▶ due? (quiet hours, rate) ─▶ cut off? ─▶ on the disk? (5 s at most) ─▶ sent ─▶ noted as had
//!   ▲                                                                            │ not
//!   └──────────────────── a wait that grows, and what came meanwhile ◀───────────┘
//! ```
//!
//! Promises: a letter is noted as had when it has arrived and not before, so that a crash can send it twice and never
//! not at all; it is on the disk before it is sent, unless the disk does not take it, which keeps nobody from being told;
//! what waited for long goes as one message, also when the line is back before it is known to be back. Must not know: how anything is sent or written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, sleep_until};

use super::{
    Due, IncidentId, Letter, Message, Voice, Wishes,
    book::{Book, Waiting},
    compose,
    receiver::{Gathers, Reach, Receiver, Undelivered},
    writing::Written,
};
use crate::{backoff::Backoff, clock::Clock, rule::Cause};

/// How long a message waits for the disk.
const DISK: Duration = Duration::from_secs(5);
/// Waits after failures: the first and the longest. After hours without a way out nobody waits much longer.
const WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));

/// An outage of which nobody could be told is over when there is a way again; that it is over is known a little later,
/// and is waited for so long: [`crate::rule`]'s rules of the network keep for a minute, and longer when they flap.
const AFTERMATH: Duration = Duration::from_secs(600);

/// Whether a message would get out.
enum Outlook {
    Open,
    Shut,
    /// It would, and before this there will be more to tell.
    Clearing(Instant),
}

/// One receiver, and how it wants to be told.
#[derive(Clone)]
pub struct Addressee {
    pub name: String,
    pub receiver: Arc<dyn Receiver>,
    pub wishes: Wishes,
    pub voice: Voice,
}

/// What delivers to one receiver.
pub struct Post {
    pub addressee: Addressee,
    pub book: Book,
    pub written: Written,
    pub clock: Clock,
    pub rng: fastrand::Rng,
}

impl Post {
    /// Delivers for ever. It can be dropped at any time: another one goes on.
    pub async fn deliver(mut self) {
        let mut backoff = Backoff::new(WAITS.0, WAITS.1);
        let mut pages = self.book.pages();
        // Since when there has been a way, though it is not known that the outage is over.
        let mut open: Option<Instant> = None;
        loop {
            // Before it is looked, so that nothing is missed that comes after.
            pages.mark_unchanged();
            let waiting = self.book.waiting(&self.addressee.name);
            let letters = self.addressee.its_own(&waiting);
            if letters.is_empty() && !waiting.letters.is_empty() {
                self.book.delivered(&self.addressee.name, waiting.last, None);
                continue;
            }
            let now = self.clock.now();
            let wait = match self.addressee.wishes.due(&letters, &waiting.sent, now) {
                Due::Now => Duration::ZERO,
                Due::At(time) => Duration::from_secs(time.0.saturating_sub(now.0)),
                Due::Nothing => Duration::MAX,
            };
            if !wait.is_zero() {
                tokio::select! {
                    () = sleep(wait) => {}
                    changed = pages.changed() => if changed.is_err() {
                        return;
                    },
                }
                continue;
            }
            match self.outlook(&waiting, &letters, &mut open).await {
                Outlook::Open => {}
                Outlook::Shut => {
                    sleep(backoff.next(&mut self.rng)).await;
                    continue;
                }
                Outlook::Clearing(until) => {
                    tokio::select! {
                        () = sleep_until(until) => {}
                        changed = pages.changed() => if changed.is_err() {
                            return;
                        },
                    }
                    continue;
                }
            }
            self.written.within(waiting.page, DISK).await;
            match self.addressee.send(&letters, waiting.last, &self.clock).await {
                Ok(()) => {
                    backoff.reset();
                    let at = self.clock.now();
                    self.book.delivered(&self.addressee.name, waiting.last, Some(at));
                }
                Err(undelivered) => {
                    self.note(&undelivered);
                    sleep(undelivered.fault.retry().wait(&mut backoff, &mut self.rng)).await;
                }
            }
        }
    }

    /// Whether a message would get out, as far as that is known without one. `open` is since when there has been a way
    /// though an outage is not known to be over.
    async fn outlook(&self, waiting: &Waiting, letters: &[Letter], open: &mut Option<Instant>) -> Outlook {
        // What has nothing to do with the outage waits for nothing.
        let mut causes = letters.iter().map(|letter| letter.notice.incident.terms.cause);
        let is_of_it = causes.all(|cause| cause.cuts_off() || Cause::Network.explains(cause));
        if !is_of_it || !waiting.is_failing || !self.book.is_cut_off() {
            *open = None;
            return Outlook::Open;
        }
        match self.addressee.receiver.reach().await {
            Reach::Unknown => Outlook::Open,
            Reach::Shut => {
                *open = None;
                Outlook::Shut
            }
            Reach::Open => {
                let until = *open.get_or_insert_with(Instant::now) + AFTERMATH;
                if Instant::now() < until {
                    Outlook::Clearing(until)
                } else {
                    Outlook::Open
                }
            }
        }
    }

    fn note(&self, undelivered: &Undelivered) {
        let name = &self.addressee.name;
        tracing::warn!(receiver = %name, error = %undelivered, fault = undelivered.fault.whose(), "an alert was not delivered: it is tried again");
        let why = format!("{undelivered} ({})", undelivered.fault.whose());
        self.book.failed(name, &why, self.clock.now());
    }
}

impl Addressee {
    fn its_own(&self, waiting: &Waiting) -> Vec<Letter> {
        let own = waiting.letters.iter().filter(|letter| self.wishes.wants(letter));
        own.map(|letter| Letter::clone(letter)).collect()
    }

    /// Sends letters as this receiver wants them. What has arrived of several is sent again when one has not, under the
    /// same name.
    async fn send(&self, letters: &[Letter], last: u64, clock: &Clock) -> Result<(), Undelivered> {
        for message in self.messages(letters, last, clock) {
            self.receiver.send(&message).await?;
        }
        Ok(())
    }

    fn messages(&self, letters: &[Letter], last: u64, clock: &Clock) -> Vec<Message> {
        let now = clock.now();
        match self.receiver.gathers() {
            Gathers::Digests => compose(letters, last, &self.voice, now).into_iter().collect(),
            Gathers::Incidents => {
                let mut by_incident: BTreeMap<IncidentId, Vec<Letter>> = BTreeMap::new();
                for letter in letters {
                    by_incident
                        .entry(letter.notice.incident.id)
                        .or_default()
                        .push(letter.clone());
                }
                let composed = by_incident.into_iter().filter_map(|(id, of_it)| {
                    let mut message = compose(&of_it, last, &self.voice, now)?;
                    message.key = format!("{}-{}", message.key, id.0);
                    Some(message)
                });
                composed.collect()
            }
        }
    }
}
