//! Telling people: the book, where it is written down, and the post of each receiver.
//!
//! Promises: a receiver that cannot be set up keeps no other from being told. Must not know: what is judged, how messages
//! are sent.

use std::{io, sync::Arc};

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::monitoring::Pulse;
use crate::{
    alert::{
        Addressee, Book, Message, Page, Post, Shelf, Store as _, Told, Voice, Wishes, Writing, Written,
        receiver::{self, Heartbeat, Line},
    },
    api::Delivery,
    cache::SmallDatabase,
    clock::Clock,
    config::AlertConfig,
    dial::ProxySettings,
    heartbeat::Beat,
    rule::Severity,
    source::chain,
};

/// Who tells people.
pub(super) struct Alerting {
    book: Book,
    writing: Mutex<Option<Writing>>,
    written: Written,
    pub(super) beat: Beat,
    clock: Clock,
    line: Line,
    host: String,
    working: Mutex<Working>,
}

/// What changes with the configuration.
#[derive(Default)]
struct Working {
    config: Option<AlertConfig>,
    addressees: Vec<Addressee>,
    /// Receivers that cannot be set up, and why.
    unusable: Vec<(String, String)>,
    tasks: Vec<JoinHandle<()>>,
}

/// The book as it was written down, and where it is to be written. Waits for the disk.
pub(super) fn open(database: SmallDatabase) -> (Book, Shelf) {
    let shelf = Shelf::new(database);
    let page = shelf.read().unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "what was known of alerts cannot be read: they begin anew");
        Page::default()
    });
    (Book::open(page), shelf)
}

impl Alerting {
    pub(super) fn start(book: &Book, shelf: Shelf, clock: &Clock, proxy: ProxySettings) -> io::Result<Self> {
        let writing = Writing::start(book, shelf)?;
        Ok(Self {
            book: book.clone(),
            written: writing.written(),
            beat: writing.beat(),
            writing: Mutex::new(Some(writing)),
            clock: clock.clone(),
            line: Line::new(proxy, clock.clone()),
            host: host(),
            working: Mutex::default(),
        })
    }

    /// Tells those who are configured, from now on. Within a runtime.
    pub(super) fn apply(&self, config: &AlertConfig, pulse: &Pulse) {
        let mut working = self.working.lock();
        if working.config.as_ref() == Some(config) {
            return;
        }
        for task in working.tasks.drain(..) {
            task.abort();
        }
        let mut addressees = Vec::new();
        let mut unusable = Vec::new();
        for receiver in &config.receivers {
            match receiver::open(receiver, &self.host, &self.line) {
                Ok(opened) => addressees.push(Addressee {
                    name: receiver.name.clone(),
                    receiver: Arc::from(opened),
                    wishes: Wishes {
                        quiet: receiver.quiet_hours,
                        zone: config.zone(),
                        rate: receiver.rate,
                        least: receiver.least,
                    },
                    voice: Voice {
                        host: self.host.clone(),
                        zone: config.zone(),
                    },
                }),
                Err(error) => {
                    tracing::error!(receiver = %receiver.name, error = %chain(&error), "nobody is told by this receiver");
                    unusable.push((receiver.name.clone(), chain(&error)));
                }
            }
        }
        // Also of those who cannot be set up: what they have not had waits for them.
        let names: Vec<&str> = config.receivers.iter().map(|one| one.name.as_str()).collect();
        self.book.receivers(&names);
        let mut tasks: Vec<JoinHandle<()>> = addressees
            .iter()
            .map(|addressee| tokio::spawn(self.post(addressee.clone()).deliver()))
            .collect();
        if let Some(heartbeat) = &config.heartbeat {
            match Heartbeat::new(heartbeat, &self.line) {
                Ok(heartbeat) => {
                    let pulse = pulse.clone();
                    tasks.push(tokio::spawn(heartbeat.run(move || pulse.wellbeing())));
                }
                Err(error) => tracing::error!(error = %chain(&error), "there is no heartbeat"),
            }
        }
        *working = Working {
            config: Some(config.clone()),
            addressees,
            unusable,
            tasks,
        };
    }

    fn post(&self, addressee: Addressee) -> Post {
        Post {
            addressee,
            book: self.book.clone(),
            written: self.written.clone(),
            clock: self.clock.clone(),
            rng: fastrand::Rng::new(),
        }
    }

    /// Sends a message to each receiver, or to one, and says what came of it.
    pub(super) async fn test(&self, only: Option<&str>) -> Vec<Delivery> {
        let (addressees, unusable) = {
            let working = self.working.lock();
            (working.addressees.clone(), working.unusable.clone())
        };
        let is_meant = |name: &str| only.is_none_or(|only| only == name);
        let mut told: Vec<Delivery> = unusable
            .into_iter()
            .filter(|(name, _)| is_meant(name))
            .map(|(receiver, why)| Delivery {
                receiver,
                error: Some(why),
            })
            .collect();
        let message = self.trial();
        let sent = addressees.iter().filter(|one| is_meant(&one.name)).map(|one| {
            let message = &message;
            async move {
                let sent = one.receiver.send(message).await;
                Delivery {
                    receiver: one.name.clone(),
                    error: sent
                        .err()
                        .map(|error| format!("{error} (to mend: {})", error.fault.whose())),
                }
            }
        });
        told.extend(futures_util::future::join_all(sent).await);
        told
    }

    fn trial(&self) -> Message {
        let now = self.clock.now();
        Message {
            title: format!("[test] {}: somebody tries whether this arrives", self.host),
            text: "what: a test message; nothing is wrong\n".to_owned(),
            severity: Severity::Info,
            occasion: Told::Test,
            incident: None,
            about: Vec::new(),
            key: format!("larder-{}-test-{}-{}", self.host, now.0, fastrand::u32(..)),
            at: now,
        }
    }

    /// Tells nobody any more, and writes down what is not written yet.
    pub(super) async fn end(&self) {
        for task in self.working.lock().tasks.drain(..) {
            task.abort();
        }
        let writing = self.writing.lock().take();
        if let Some(writing) = writing {
            writing.end().await;
        }
    }
}

/// How this box is called in messages.
fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().into_owned();
    if name.is_empty() {
        "larder".to_owned()
    } else {
        name
    }
}
