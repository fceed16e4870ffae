//! The worker's place: the one that is there, how it comes and how it goes.
//!
//! Promises: one worker at a time, besides those that were given up, and of those never more than
//! [`MOST_ABANDONED`]; each that comes or goes is counted once; coming and going take no longer than the settings
//! say. Must not know: jobs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::{
    MOST_ABANDONED, Starts,
    link::{Deaf, Gone, Kind, Link},
    settings::Settings,
    starter::{NotStarted, Starter},
    state::WorkerFacts,
};
use crate::{
    janitor::{
        error::Failure,
        limits::Limit,
        place::Name,
        protocol::{FrameError, FromWorker, ToWorker, VERSION},
        start::{Ending, Process},
        vitals::Vitals,
    },
    source::chain,
};

pub(super) struct Post {
    settings: Arc<Settings>,
    process: Starter,
    thread: Option<Starter>,
    abandoned: Arc<AtomicU32>,
    link: Option<Link>,
    /// What limits the worker that is there.
    limits: Vec<Limit>,
    /// The same of the last process, also when it has gone.
    said: Vec<Limit>,
    turnover: Turnover,
}

/// Workers that came and went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turnover {
    pub(super) started: u64,
    pub(super) not_started: u64,
    pub(super) killed: u64,
    pub(super) died: u64,
    pub(super) hung: u64,
    /// How often one was given more time.
    pub(super) spared: u64,
}

/// Why a worker goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    /// There is nothing for it to do.
    Dismissed,
    /// It has closed its pipe.
    Lost,
    /// It is no good.
    Killed,
}

impl Post {
    pub(super) fn new(starts: Starts, settings: Arc<Settings>) -> Self {
        let abandoned = Arc::<AtomicU32>::default();
        let starter = |start| Starter::new(start, abandoned.clone());
        Self {
            process: starter(starts.process),
            thread: starts.thread.map(starter),
            settings,
            abandoned,
            link: None,
            limits: Vec::new(),
            said: Vec::new(),
            turnover: Turnover::default(),
        }
    }

    /// What kind of worker is there.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.link.as_ref().map(|link| link.kind)
    }

    /// Whether a thread can be had when no process can.
    pub(super) const fn has_thread(&self) -> bool {
        self.thread.is_some()
    }

    /// Starts a worker and exchanges greetings with it.
    pub(super) async fn start(&mut self, kind: Kind) -> Result<(), Failure> {
        let started = self.greeted(kind).await;
        self.turnover.not_started += u64::from(started.is_err());
        started
    }

    async fn greeted(&mut self, kind: Kind) -> Result<(), Failure> {
        let count = self.abandoned();
        if count >= MOST_ABANDONED {
            return Err(Failure::Abandoned { count });
        }
        let within = self.settings.start_deadline;
        let starter = match (kind, &mut self.thread) {
            (Kind::Thread, Some(thread)) => thread,
            _ => &mut self.process,
        };
        let started = starter.start(within).await.map_err(|error| match error {
            NotStarted::Failed(error) => Failure::Start(Arc::new(error)),
            NotStarted::TooLate => Failure::StartHung { within },
        })?;
        self.turnover.started += 1;
        let mut link = Link::open(started, kind);
        // One that takes no greeting will not answer it either.
        let _ = link.send(&ToWorker::Hello {
            version: VERSION,
            folder: self.settings.folder.clone(),
            memory: self.settings.memory,
        });
        let heard = timeout(within, link.answer()).await;
        let process = link.id();
        self.link = Some(link);
        let why = match heard {
            Ok(Some(Ok(FromWorker::Hello { version, limits }))) if version == VERSION => {
                let told: Vec<_> = limits.iter().map(ToString::to_string).collect();
                tracing::debug!(
                    process,
                    limits = told.join("; "),
                    "a worker of the janitor has started"
                );
                self.said.clone_from(&limits);
                self.limits = limits;
                return Ok(());
            }
            Ok(None) => return Err(self.bury(None).await),
            Ok(Some(Ok(other))) => no_greeting(&other),
            Ok(Some(Err(error))) => Failure::Nonsense { what: chain(&error) },
            Err(_) => Failure::Silent { within, at: None },
        };
        self.end(Parting::Killed).await;
        Err(why)
    }

    /// Never waits.
    pub(super) fn send(&self, message: &ToWorker) -> Result<(), Deaf> {
        self.link.as_ref().map_or(Ok(()), |link| link.send(message))
    }

    /// The next answer; `None` when the worker has closed its pipe. Waits for ever while there is none. Can be
    /// dropped.
    pub(super) async fn answer(&mut self) -> Option<Result<FromWorker, FrameError>> {
        match &mut self.link {
            Some(link) => link.answer().await,
            None => std::future::pending().await,
        }
    }

    /// Finds out how a worker died that had this file in hand.
    pub(super) async fn bury(&mut self, at: Option<Name>) -> Failure {
        let (ending, last_words) = self.end(Parting::Lost).await;
        Failure::Died {
            ending,
            last_words,
            at,
        }
    }

    /// Ends the worker, and says how it went and what it said last.
    pub(super) async fn end(&mut self, parting: Parting) -> (Ending, String) {
        self.limits = Vec::new();
        let Some(link) = self.link.take() else {
            return (Ending::Other("there was none".into()), String::new());
        };
        let (gone, words) = link.end(self.grace(parting), self.settings.kill_grace).await;
        let ending = match gone {
            Gone::Left(ending) => {
                self.turnover.died += u64::from(parting != Parting::Dismissed);
                ending
            }
            Gone::Killed => {
                self.turnover.killed += 1;
                Ending::Other("it was killed".into())
            }
            Gone::Stays(process) => {
                self.turnover.killed += 1;
                self.give_up(process);
                Ending::Other("it was killed and is still there".into())
            }
        };
        (ending, words)
    }

    fn grace(&self, parting: Parting) -> Option<Duration> {
        match parting {
            Parting::Dismissed | Parting::Lost => Some(self.settings.grace),
            Parting::Killed => None,
        }
    }

    /// Counts it until it has gone after all.
    fn give_up(&mut self, mut process: Box<dyn Process>) {
        self.turnover.hung += 1;
        self.abandoned.fetch_add(1, Relaxed);
        tracing::error!(
            process = process.id(),
            "a worker of the janitor ignores that it was killed"
        );
        let abandoned = self.abandoned.clone();
        tokio::spawn(async move {
            process.wait().await;
            abandoned.fetch_sub(1, Relaxed);
        });
    }

    /// What the kernel says of the worker that is there.
    pub(super) fn vitals(&self) -> Option<Vitals> {
        self.link.as_ref().and_then(Link::vitals)
    }

    /// The worker that is there was given more time.
    pub(super) const fn spared(&mut self) {
        self.turnover.spared += 1;
    }

    /// How many workers were given up and are still there.
    pub(super) fn abandoned(&self) -> u32 {
        self.abandoned.load(Relaxed)
    }

    pub(super) fn facts(&self) -> Option<WorkerFacts> {
        self.link.as_ref().map(|link| WorkerFacts {
            process: link.id(),
            limits: self.limits.clone(),
        })
    }

    /// What limits the worker, or limited the last one.
    pub(super) fn said(&self) -> Vec<Limit> {
        self.said.clone()
    }

    pub(super) const fn turnover(&self) -> Turnover {
        self.turnover
    }
}

fn no_greeting(answer: &FromWorker) -> Failure {
    let what = match answer {
        FromWorker::Hello { version, .. } => format!("a greeting in version {version}, not {VERSION}"),
        FromWorker::Step { job, .. } | FromWorker::Ended { job, .. } => {
            format!("an answer about job {job} instead of a greeting")
        }
    };
    Failure::Nonsense { what }
}
